"""Golden jobs: what each stage runs, to the letter."""

from __future__ import annotations

import msgspec
import pytest
from openrlhf_stages import TRAINER, stage_task

from rmr1_core import Backbone, Job, Ref, Step, TrainingTask
from rmr1_core.errors import BadOption, UsageError
from rmr1_core.lookup import find, resolve, resolve_recipe
from rmr1_openrlhf.trainer import START, OpenRlhfSft

PAPER = {"qwen7b": "5e-06", "qwen14b": "3e-06", "qwen32b": "2e-06"}
"""Learning rates of distillation (arXiv 2505.02387, appendix)."""


def golden(task: TrainingTask, words: str, env: dict[str, str], **cluster: int) -> Job:
    """The job of a stage in /runs/one/sft whose flags are these words."""
    flags, start, output = tuple(words.split()), str(START), "/runs/one/sft"
    length = flags[flags.index("--data.max_len") + 1]
    return Job(
        name="sft",
        steps=(
            Step(argv=("python", start, "check", *flags)),
            Step(argv=("python", start, "data", task.model, task.data, output, length)),
            Step(argv=("python", start, "train", output, *flags), everywhere=True),
            Step(argv=("python", start, "result", task.model, output)),
        ),
        files={},
        env=env,
        environment="openrlhf",
        events=f"{output}/metrics.jsonl",
        log=f"{output}/log.txt",
        checkpoint=f"{output}/checkpoint",
        cluster="torchrun",
        **cluster,
    )


def test_the_tiny_job_is_one_process_without_a_gpu():
    (stage,) = resolve_recipe("toy-openrlhf").stages
    trainer = resolve("trainer", stage.trainer)
    task = stage_task(stage=stage)
    assert trainer.plan(task) == golden(
        task,
        """--model.model_name_or_path /models/base --data.dataset /runs/one/sft/openrlhf.jsonl
        --data.input_key input --data.output_key output --data.apply_chat_template
        --data.max_len 1024 --train.seed 3 --train.max_epochs 2 --train.batch_size 32
        --train.micro_batch_size 32 --adam.lr 0.004 --lr_scheduler cosine_with_min_lr
        --lr_warmup_ratio 0.02 --adam.weight_decay 0.01 --ds.zero_stage 2 --ds.packing_samples
        --ds.param_dtype bf16 --ckpt.output_dir /runs/one/sft/trained
        --ckpt.path /runs/one/sft/resume --ckpt.load_enable --ckpt.save_steps 100
        --ckpt.max_num 2""",
        {"PET_NPROC_PER_NODE": "1", "PET_NNODES": "1", "PET_STANDALONE": "1"},
    )


@pytest.mark.parametrize(("backbone", "rate"), PAPER.items())
def test_a_job_of_the_paper_has_the_papers_numbers_without_being_told(backbone, rate):
    known: Backbone = find("backbone", backbone)
    options = known.presets["openrlhf-sft"]
    trainer = resolve("trainer", Ref(name="openrlhf-sft", options=options))
    task = stage_task(model=known.model)
    assert trainer.plan(task) == golden(
        task,
        f"""--model.model_name_or_path {known.model} --data.dataset /runs/one/sft/openrlhf.jsonl
        --data.input_key input --data.output_key output --data.apply_chat_template
        --data.max_len 12288 --train.seed 3 --train.max_epochs 1 --train.batch_size 128
        --train.micro_batch_size 1 --adam.lr {rate} --lr_scheduler cosine_with_min_lr
        --lr_warmup_ratio 0.03 --adam.weight_decay 0.0 --ds.zero_stage 3 --ds.packing_samples
        --ds.adam_offload --model.gradient_checkpointing_enable --ds.param_dtype bf16
        --ckpt.output_dir /runs/one/sft/trained --ckpt.path /runs/one/sft/resume
        --ckpt.load_enable --ckpt.save_steps 20 --ckpt.max_num 2""",
        {"PET_NPROC_PER_NODE": "8", "PET_NNODES": "1", "PET_STANDALONE": "1"},
        gpus_per_node=8,
    )


def changed(**options: object) -> OpenRlhfSft:
    return msgspec.structs.replace(TRAINER, **options)


def test_of_several_nodes_the_launcher_says_where_they_meet():
    job = changed(nodes=4).plan(stage_task())
    assert (job.nodes, job.gpus_per_node, job.cluster) == (4, 8, "torchrun")
    assert job.env == {"PET_NPROC_PER_NODE": "8"}
    assert [step.everywhere for step in job.steps] == [False, False, True, False]


def test_ranks_are_one_per_gpu_unless_they_are_counted():
    assert changed(nodes=2).ranks == 16
    assert changed(gpus_per_node=0).ranks == 1
    assert changed(gpus_per_node=0, ranks_per_node=2).plan(stage_task()).env[
        "PET_NPROC_PER_NODE"
    ] == "2"  # fmt: skip


def test_more_flags_pass_verbatim_and_last():
    extra = {"ds.lora.rank": 64, "ds.overlap_comm": True, "ds.deepcompile": False,
             "adam.betas": [0.9, 0.99], "logger.tensorboard_dir": "/tb"}  # fmt: skip
    words = list(changed(extra=extra).flags(stage_task()))
    assert " ".join(words).endswith(
        " --ds.lora.rank 64 --ds.overlap_comm --adam.betas 0.9 0.99 --logger.tensorboard_dir /tb"
    )
    assert "--ds.deepcompile" not in words


def test_an_extra_that_is_an_option_of_its_own_is_refused():
    with pytest.raises(BadOption, match=r"extra 'adam.lr' is the option 'learning_rate'"):
        changed(extra={"adam.lr": 1}).plan(stage_task())


def test_an_extra_that_the_trainer_sets_itself_is_refused():
    with pytest.raises(BadOption, match=r"extra 'ckpt.path' is set already"):
        changed(extra={"ckpt.path": "/elsewhere"}).plan(stage_task())


def test_a_chat_template_of_ones_own_passes():
    words = list(changed(extra={"data.tokenizer_chat_template": "{{ 1 }}"}).flags(stage_task()))
    assert words[-2:] == ["--data.tokenizer_chat_template", "{{ 1 }}"]


def test_attention_is_left_to_the_environment_unless_it_is_named():
    assert "--ds.attn_implementation" not in list(TRAINER.flags(stage_task()))
    words = list(changed(attn_implementation="sdpa").flags(stage_task()))
    assert words[words.index("--ds.attn_implementation") + 1] == "sdpa"


def test_a_budget_of_compute_is_refused():
    with pytest.raises(UsageError, match="cannot end at a budget of compute"):
        TRAINER.plan(stage_task(cpu_seconds=10.0))


def test_planning_touches_no_file(make_task, tmp_path):
    task = make_task()
    before = sorted(tmp_path.rglob("*"))
    TRAINER.plan(task)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_step_comes_as_it_was_written():
    step = {"event": "step", "step": 3, "steps": 9, "loss": 1.5, "tokens_per_second": 8.0}
    assert TRAINER.event(step) == step
