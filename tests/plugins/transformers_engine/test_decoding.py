"""Decoding against `model.generate`, and what the batch may not change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from rmr1_transformers.batching import Budget  # noqa: E402
from rmr1_transformers.decoding import (  # noqa: E402
    Decoding,
    DecodingOptions,
    Finished,
    Row,
    decode,
)
from rmr1_transformers.lean import is_plain  # noqa: E402
from rmr1_transformers.slots import PORTIONS, Slots  # noqa: E402

EOS = frozenset({1})
LENGTHS = (3, 11, 7, 20, 1, 5)
Model = Callable[..., Any]


def random_prompts(lengths: Sequence[int], prefix: int = 0) -> list[list[int]]:
    random = torch.Generator().manual_seed(1)
    shared = torch.randint(2, 97, (prefix,), generator=random).tolist()
    return [shared + torch.randint(2, 97, (n,), generator=random).tolist() for n in lengths]


def greedy(limit: int) -> DecodingOptions:
    return DecodingOptions(max_new_tokens=limit, eos=EOS)


def sampled(limit: int = 12, **changes: Any) -> DecodingOptions:
    return DecodingOptions(max_new_tokens=limit, eos=EOS, temperature=1.0, **changes)


def generated(model: Any, prompt: Sequence[int], limit: int) -> list[int]:
    """What the library's own greedy search writes after this prompt alone."""
    ids = torch.tensor([list(prompt)])
    written = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=limit,
        do_sample=False,
        pad_token_id=0,
    )
    return written[0, len(prompt) :].tolist()


def by_sample(finished: Any) -> dict[tuple[int, int], Finished]:
    return {(f.prompt, f.copy): f for f in finished}


@pytest.mark.parametrize("family", ["Qwen2", "Llama", "Mistral", "Gemma3Text"])
def test_greedy_tokens_are_those_of_generate(make_model: Model, family: str) -> None:
    model = make_model(family)
    prompts = random_prompts(LENGTHS * 2)
    written = by_sample(decode(model, prompts, greedy(90)))
    for place, prompt in enumerate(prompts):
        assert written[place, 0].tokens == generated(model, prompt, 90)


def test_eager_attention_gives_the_tokens_of_generate(make_model: Model) -> None:
    model = make_model("Qwen2", attention="eager")
    prompts = random_prompts(LENGTHS)
    written = by_sample(decode(model, prompts, greedy(40)))
    for place, prompt in enumerate(prompts):
        assert written[place, 0].tokens == generated(model, prompt, 40)


def test_prompts_with_a_common_beginning_give_the_tokens_of_generate(make_model: Model) -> None:
    model = make_model("Llama")
    prompts = random_prompts(LENGTHS, prefix=40)
    written = by_sample(decode(model, prompts, greedy(60)))
    for place, prompt in enumerate(prompts):
        assert written[place, 0].tokens == generated(model, prompt, 60)


def test_prompts_that_are_read_in_chunks_give_the_tokens_of_generate(
    make_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PORTIONS, "cpu", 24)
    model = make_model("Qwen2")
    prompts = random_prompts(LENGTHS * 2)
    written = by_sample(decode(model, prompts, greedy(30), copies=2))
    for place, prompt in enumerate(prompts):
        expected = generated(model, prompt, 30)
        assert [written[place, copy].tokens for copy in (0, 1)] == [expected, expected]


def test_long_prompts_give_the_tokens_of_generate(make_model: Model) -> None:
    model = make_model("Qwen2")
    prompts = random_prompts((43, 61, 61, 90, 41, 90), prefix=40)
    written = by_sample(decode(model, prompts, greedy(30), copies=2))
    for place, prompt in enumerate(prompts):
        expected = generated(model, prompt, 30)
        assert [written[place, copy].tokens for copy in (0, 1)] == [expected, expected]


def test_a_model_loaded_for_flash_attention_is_read_without_and_left_as_it_was(
    make_model: Model,
) -> None:
    prompts = random_prompts((6, 9))
    expected = by_sample(decode(make_model("Llama"), prompts, greedy(20)))
    model = make_model("Llama")
    model.config._attn_implementation = "flash_attention_2"
    assert by_sample(decode(model, prompts, greedy(20))) == expected
    assert model.config._attn_implementation == "flash_attention_2"


def test_prompts_that_share_beginnings_in_groups_give_the_tokens_of_generate(
    make_model: Model,
) -> None:
    model = make_model("Llama")
    everyone, *groups = random_prompts((20, 12, 30, 9))
    rests = random_prompts((3, 1, 8, 40))
    prompts = [everyone + group + rest for group in groups for rest in rests]
    written = by_sample(decode(model, prompts, greedy(20), copies=2))
    for place, prompt in enumerate(prompts):
        expected = generated(model, prompt, 20)
        assert [written[place, copy].tokens for copy in (0, 1)] == [expected, expected]


@settings(max_examples=10, deadline=None)
@given(
    data=st.lists(
        st.tuples(st.integers(1, 30), st.integers(1, 12), st.integers(0, 4)),
        min_size=1,
        max_size=12,
    ),
    budget=st.builds(Budget, st.integers(1, 5), st.integers(1, 200)),
    temperature=st.sampled_from([0.0, 1.0]),
)
def test_rows_that_take_free_places_are_written_as_all_at_once(
    make_model: Model, data: list[tuple[int, int, int]], budget: Budget, temperature: float
) -> None:
    model = make_model("Qwen2")
    common = random_prompts((3, 17, 40, 9, 25))
    prompts = [
        common[group] + [2 + n, *range(3, length)] for n, (length, _, group) in enumerate(data)
    ]
    rows = [Row(place, 0, place, limit) for place, (_, limit, _) in enumerate(data)]
    options = sampled(12) if temperature else greedy(12)
    written = by_sample(Decoding(model, prompts, rows, options, budget).run())
    assert written == by_sample(decode(model, prompts, options, rows=rows))


@pytest.mark.parametrize("family", ["Qwen2", "Mistral"])
def test_no_more_is_held_than_the_budget_allows(make_model: Model, family: str) -> None:
    prompts = random_prompts((9, 9, 8, 8, 5, 5, 4, 3))
    rows = [Row(place, 0, place, 6 + place) for place in range(8)]
    decoding = Decoding(make_model(family), prompts, rows, greedy(20), Budget(4, 40))
    for _ in decoding.run():
        assert decoding.held <= 40
        assert decoding.unfinished <= 2


def test_several_tokens_at_a_step_are_the_same_tokens(make_model: Model) -> None:
    model = make_model("Llama")
    steps = Counter[int]()
    forward = model.forward

    def counting(*args: Any, input_ids: Any, **options: Any) -> Any:
        steps["forward"] += 1
        return forward(*args, input_ids=input_ids, **options)

    prompts = random_prompts((7,))
    rows = [Row(0, copy, copy, 30) for copy in range(90)]
    counting.__signature__ = signature(forward)  # type: ignore[attr-defined]
    model.forward = counting
    options = DecodingOptions(30, frozenset())
    written = by_sample(Decoding(model, prompts, rows, options, Budget(30, 10_000)).run())
    del model.forward
    (alone,) = decode(model, prompts, options)
    assert {tuple(f.tokens) for f in written.values()} == {tuple(alone.tokens)}
    assert steps["forward"] < 60  # one token at a step would take 90 of them


@pytest.mark.parametrize("family", ["Qwen2", "Mistral"])
def test_a_sample_does_not_depend_on_what_it_is_batched_with(
    make_model: Model, family: str
) -> None:
    model = make_model(family)
    prompts = random_prompts(LENGTHS)
    together = by_sample(decode(model, prompts, sampled(), copies=3))
    for prompt in range(len(prompts)):
        rows = [Row(0, copy, prompt * 3 + copy, 12) for copy in range(3)]
        for alone in decode(model, prompts[prompt : prompt + 1], sampled(), rows=rows):
            assert alone.tokens == together[prompt, alone.copy].tokens


def test_every_copy_is_a_sample_of_its_own_and_the_seed_decides(make_model: Model) -> None:
    model = make_model("Qwen2")
    prompts = random_prompts((4,))
    first = by_sample(decode(model, prompts, sampled(seed=1), copies=20))
    again = by_sample(decode(model, prompts, sampled(seed=1), copies=20))
    other = by_sample(decode(model, prompts, sampled(seed=2), copies=20))
    assert first == again
    assert len({tuple(f.tokens) for f in first.values()}) > 10
    assert {tuple(f.tokens) for f in first.values()} != {tuple(f.tokens) for f in other.values()}


def test_samples_follow_the_distribution_of_the_model(make_model: Model) -> None:
    model = make_model("Llama", initializer_range=0.3)
    prompt = random_prompts((5,))
    options = DecodingOptions(max_new_tokens=1, eos=EOS, temperature=0.7)
    counts = Counter(f.tokens[0] for f in decode(model, prompt, options, copies=4000))
    with torch.no_grad():
        logits = model(torch.tensor(prompt)).logits[0, -1]
    for token, share in enumerate(torch.softmax(logits / 0.7, -1).tolist()):
        spread = 5 * (share * (1 - share) / 4000) ** 0.5 + 1e-3
        assert counts[token] / 4000 == pytest.approx(share, abs=spread)


def test_top_p_keeps_to_the_likeliest_tokens(make_model: Model) -> None:
    model = make_model("Llama", initializer_range=0.3)
    prompt = random_prompts((5,))
    options = DecodingOptions(max_new_tokens=1, eos=EOS, temperature=1.0, top_p=0.5)
    drawn = {f.tokens[0] for f in decode(model, prompt, options, copies=2000)}
    with torch.no_grad():
        ordered = torch.softmax(model(torch.tensor(prompt)).logits[0, -1], -1).sort(descending=True)
    needed = int((ordered.values.cumsum(0) < 0.5).sum()) + 1
    assert drawn == set(ordered.indices[:needed].tolist())


def test_rows_end_at_their_own_limits(make_model: Model) -> None:
    model = make_model("Qwen2")
    prompts = random_prompts((4, 6))
    rows = [Row(prompt, copy, copy, 1 + 5 * copy) for prompt in (1, 0) for copy in range(4)]
    for finished in decode(model, prompts, sampled(), rows=rows):
        limit = 1 + 5 * finished.copy
        if finished.finish_reason == "length":
            assert len(finished.tokens) == limit
            assert finished.tokens[-1] not in EOS
        else:
            assert len(finished.tokens) <= limit
            assert finished.tokens[-1] in EOS


def test_rows_are_yielded_as_they_finish(make_model: Model) -> None:
    model = make_model("Qwen2")
    rows = [Row(0, copy, 0, limit) for copy, limit in enumerate((9, 3, 6))]
    options = DecodingOptions(max_new_tokens=9, eos=frozenset())
    assert [f.copy for f in decode(model, [[5, 6]], options, rows=rows)] == [1, 2, 0]


def test_several_tokens_may_end_a_row(make_model: Model) -> None:
    model = make_model("Qwen2")
    prompts = random_prompts(LENGTHS)
    plain = by_sample(decode(model, prompts, DecodingOptions(30, frozenset())))
    ends = frozenset({plain[0, 0].tokens[4], plain[1, 0].tokens[9]})
    for key, finished in by_sample(decode(model, prompts, DecodingOptions(30, ends))).items():
        whole = plain[key].tokens
        places = [place for place, token in enumerate(whole) if token in ends]
        assert finished.tokens == (whole[: places[0] + 1] if places else whole)


def test_the_model_is_in_training_mode_again_afterwards(make_model: Model) -> None:
    model = make_model("Qwen2").train()
    next(decode(model, [[5, 6]], greedy(3)))
    assert model.training


def test_an_empty_prompt_is_refused(make_model: Model) -> None:
    with pytest.raises(ValueError, match="at least one token"):
        next(decode(make_model("Qwen2"), [[4], []], greedy(3)))


def test_a_prompt_that_nobody_continues_is_refused(make_model: Model) -> None:
    rows = [Row(0, copy, copy, 3) for copy in range(2)]
    with pytest.raises(ValueError, match="every prompt needs a row"):
        next(decode(make_model("Qwen2"), random_prompts((3, 9)), greedy(3), rows=rows))


@pytest.mark.parametrize("family", ["Qwen2", "Llama"])
def test_the_lean_pass_has_the_logits_of_the_library(make_model: Model, family: str) -> None:
    model = make_model(family, tie_word_embeddings=True)
    assert is_plain(model)
    prompts = random_prompts((9, 4, 12))
    slots = Slots(model)
    slots.reserve(3, 12, 14)
    with torch.inference_mode():
        read = slots.append(0, [0, 0, 0], prompts, last=True)
        ends = slots.append(0, [9, 4, 12], [[5], [6, 7], [8]], last=True)
        step = slots.append(0, [9, 4, 12], [[5], [6, 7], [8]])
        for place, (prompt, more) in enumerate(zip(prompts, ([5], [6, 7], [8]), strict=True)):
            whole = model(torch.tensor([prompt + more])).logits[0]
            torch.testing.assert_close(read[place], whole[len(prompt) - 1], atol=1e-4, rtol=1e-4)
            mine = step[sum((1, 2, 1)[:place]) :][: len(more)]
            torch.testing.assert_close(mine, whole[len(prompt) :], atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(ends[place], whole[-1], atol=1e-4, rtol=1e-4)


def test_a_model_with_hooks_or_adapters_is_run_by_the_library(make_model: Model) -> None:
    hooked = make_model("Llama")
    hooked.model.layers[0].register_forward_hook(lambda *_: None)
    adapted = make_model("Llama")
    adapted.model.layers[0].self_attn.q_proj = torch.nn.Sequential(torch.nn.Linear(32, 32))
    assert not is_plain(hooked)
    assert not is_plain(adapted)
    assert not is_plain(make_model("Llama").bfloat16())
    assert not is_plain(make_model("Gemma3Text"))


def test_greedy_tokens_without_the_lean_pass_are_those_of_generate(make_model: Model) -> None:
    model = make_model("Qwen2")
    model.model.norm.register_forward_hook(lambda *_: None)
    prompts = random_prompts(LENGTHS, prefix=20)
    written = by_sample(decode(model, prompts, greedy(20), copies=2))
    for place, prompt in enumerate(prompts):
        expected = generated(model, prompt, 20)
        assert [written[place, copy].tokens for copy in (0, 1)] == [expected, expected]
