import copy
import random

import msgspec
import pytest
import torch

from rmr1_core import RewardFunction, Verdict
from rmr1_core.lookup import resolve
from rmr1_local.grpo import Reinforcement
from rmr1_local.learner import Learner
from rmr1_local.loop import MAX_GRAD_NORM
from rmr1_local.rollouts import Rollout, Sampler, both_orders
from rmr1_local.scoring import Encoded, Scorer
from rmr1_local.trainers import GrpoWork, LocalGrpo

TRAINER = LocalGrpo(
    name="local-grpo",
    objective="rl",
    prompts_per_step=4,
    samples_per_prompt=3,
    max_new_tokens=12,
    kl_coefficient=0.1,
    temperature=0.8,
)


@pytest.fixture
def sampler(tiny, tokenizer):
    prompt, reward = resolve("prompt", "compact"), resolve("reward", "verdict")
    return Sampler(TRAINER, tiny, tokenizer, prompt, reward)


def test_each_row_is_asked_in_both_orders_with_the_labels_swapped(tokenizer, rows):
    (own, twin), *_ = both_orders(tokenizer, rows)
    assert own.label.value == rows[0].label
    assert {own.label, twin.label} == {Verdict.A, Verdict.B}
    assert rows[0].twin[0].content in tokenizer.decode(twin.prompt)


def test_a_row_without_a_twin_is_asked_in_its_own_order(tokenizer, rows):
    row = msgspec.structs.replace(rows[1], twin=())
    questions = both_orders(tokenizer, [rows[0], row])
    assert [len(orders) for orders in questions] == [2, 1]


def test_a_rollout_has_as_many_answers_as_were_asked_for(sampler, tokenizer, rows):
    questions = [orders[0] for orders in both_orders(tokenizer, rows[:4])]
    rollout = sampler(questions, seed=1)
    assert rollout.rewards.shape == (4, 3)
    for question, answers in zip(questions, rollout.answers, strict=True):
        assert [answer.prompt for answer in answers] == [question.prompt] * 3
        assert all(1 <= len(answer.completion) <= 12 for answer in answers)


def test_the_same_seed_samples_the_same_answers_and_another_seed_others(sampler, tokenizer, rows):
    questions = [orders[0] for orders in both_orders(tokenizer, rows[:4])]
    first, again, other = (sampler(questions, seed=seed).answers for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_answers_are_read_and_rewarded_by_the_recipe(tiny, tokenizer, rows):
    class Always:
        """Reads every answer as A."""

        def parse(self, text):
            return Verdict.A

    sampler = Sampler(TRAINER, tiny, tokenizer, Always(), resolve("reward", "verdict"))
    questions = [orders[0] for orders in both_orders(tokenizer, rows[:4])]
    rewards = sampler(questions, seed=0).rewards
    expected = [1.0 if question.label is Verdict.A else -1.0 for question in questions]
    assert rewards.tolist() == [[value] * 3 for value in expected]


def test_a_reward_that_compares_sees_all_answers_to_a_prompt_and_the_prompt(tiny, tokenizer, rows):
    seen = {}

    class Places(RewardFunction, frozen=True, kw_only=True):
        def __call__(self, judgment, label):
            raise AssertionError("answers to a prompt are priced together")

        def group(self, messages, judgments, label):
            seen[messages] = (label, [judgment.sample for judgment in judgments])
            return [float(place) for place, _ in enumerate(judgments)]

    prompt = resolve("prompt", "compact")
    sampler = Sampler(TRAINER, tiny, tokenizer, prompt, Places(name="places"))
    questions = [orders[1] for orders in both_orders(tokenizer, rows[:4])]
    assert sampler(questions, seed=0).rewards.tolist() == [[0.0, 1.0, 2.0]] * 4
    assert seen == {question.messages: (question.label, [0, 1, 2]) for question in questions}
    assert [question.messages for question in questions] == [row.twin for row in rows[:4]]


def slow_updates(model, reference, rollout, trainer, rng, rate):
    """The paper's algorithm, one answer and one token at a time, with plain gradient descent."""

    def log_probs(scored, answer):
        logits = scored(torch.tensor([answer.prompt + answer.completion])).logits[0]
        log_softmax = torch.log_softmax(logits / trainer.temperature, -1)
        return [
            log_softmax[len(answer.prompt) - 1 + place, token]
            for place, token in enumerate(answer.completion)
        ]

    answers = []
    for group, rewards in zip(rollout.answers, rollout.rewards.double(), strict=True):
        if rewards.max() > rewards.min():
            advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
            for answer, advantage in zip(group, advantages, strict=True):
                old = [value.detach() for value in log_probs(model, answer)]
                ref = [value.detach() for value in log_probs(reference, answer)]
                answers.append((answer, advantage, old, ref))
    ratios = []
    for _ in range(trainer.epochs_per_step):
        rng.shuffle(answers)
        for number in range(trainer.updates_per_step):
            minibatch = answers[number :: trainer.updates_per_step]
            objective = 0.0
            for answer, advantage, old, ref in minibatch:
                own = 0.0
                for new, before, frozen in zip(log_probs(model, answer), old, ref, strict=True):
                    ratio = (new - before).exp()
                    ratios.append(ratio.item())
                    bounded = ratio.clamp(1 - trainer.clip, 1 + trainer.clip)
                    kl = (frozen - new).exp() - (frozen - new) - 1
                    own = own + torch.min(ratio * advantage, bounded * advantage)
                    own = own - trainer.kl_coefficient * kl
                objective = objective + own / len(answer.completion)
            model.zero_grad()
            (-objective / len(minibatch)).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_GRAD_NORM)
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.sub_(rate * parameter.grad)
    return ratios


def wholly_double(model):
    """The model in double precision, its norms too, which transformers computes in single."""
    model.double()
    for module in list(model.modules()):
        for name, norm in list(module.named_children()):
            if type(norm).__name__ == "Qwen2RMSNorm":
                double = torch.nn.RMSNorm(norm.weight.shape, eps=norm.variance_epsilon)
                double.weight = norm.weight
                setattr(module, name, double)
    return model


@pytest.mark.parametrize("micro_batch_size", [2, 64])
def test_several_updates_per_rollout_agree_with_the_slow_algorithm(tiny, micro_batch_size):
    trainer = msgspec.structs.replace(
        TRAINER, updates_per_step=2, epochs_per_step=2, micro_batch_size=micro_batch_size
    )
    slow = wholly_double(tiny).eval()
    reference = copy.deepcopy(slow)
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    fast = copy.deepcopy(slow)
    rng = random.Random(0)
    answers = [
        [
            Encoded([40 + prompt] * 5, [rng.randrange(40, 60) for _ in range(rng.randint(1, 6))])
            for _ in range(3)
        ]
        for prompt in range(4)
    ]
    rewards = torch.tensor([[1.0, -1, -1], [1, 1, 1], [-1, 1, 1], [1, -1, 0.5]])
    rollout = Rollout(answers, rewards, unparsed=0.0)

    rate = 2.0
    learner = Learner(trainer, fast, Scorer(reference))
    facts = learner.learn(rollout, torch.optim.SGD(fast.parameters(), lr=rate), random.Random(7))
    ratios = slow_updates(slow, reference, rollout, trainer, random.Random(7), rate)

    assert max(ratios) > 1.2  # so that the ratio matters, and clipping too
    assert facts["clip_fraction"] > 0
    for name, value in slow.state_dict().items():
        torch.testing.assert_close(fast.state_dict()[name], value, rtol=1e-9, atol=1e-11)


def test_a_rollout_without_spread_changes_nothing(tiny):
    answers = [[Encoded([40], [41, 42])] * 3]
    before = {name: w.clone() for name, w in tiny.state_dict().items()}
    learner = Learner(TRAINER, tiny, None)
    optimizer = torch.optim.SGD(tiny.parameters(), lr=1.0)
    rollout = Rollout(answers, torch.ones(1, 3), unparsed=0.0)
    facts = learner.learn(rollout, optimizer, random.Random(0))
    assert facts == {}
    assert all(torch.equal(tiny.state_dict()[name], w) for name, w in before.items())


def test_rewarded_answers_become_more_likely(tiny, tokenizer, rows, make_task):
    """The reward is for answers that end in the shortest way: something to find in a few steps."""

    class Short(RewardFunction, frozen=True, kw_only=True):
        def __call__(self, judgment, label):
            return -float(judgment.completion.completion_tokens)

    task = make_task("out", "local-grpo")
    trainer = msgspec.structs.replace(TRAINER, samples_per_prompt=7, temperature=1.0)
    prompt = resolve("prompt", "compact")
    sampler = Sampler(trainer, tiny, tokenizer, prompt, Short(name="short"))
    questions = both_orders(tokenizer, rows)
    step = Reinforcement(GrpoWork(task=task, trainer=trainer), tiny, sampler, questions)
    optimizer = torch.optim.AdamW(tiny.parameters(), lr=1e-2)
    lengths = [step(number, optimizer)["response_length"] for number in range(25)]
    assert sum(lengths[-5:]) < 0.5 * sum(lengths[:5])
