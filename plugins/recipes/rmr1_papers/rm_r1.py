"""The recipes of RM-R1: what the two families share, and what a size changes, as rows.

Numbers are those of the paper (arXiv 2505.02387; appendix G unless said otherwise), and of the
authors' scripts where it is silent (github.com/RM-R1-UIUC/RM-R1, `rm_r1/scripts`). Learning
rates and nodes go with the backbone; see its presets. What fits on one machine runs on this one,
the rest by Slurm; `--set launcher.name=ray` sends it to a Ray cluster.

Where paper and scripts differ, these recipes follow the paper:

- The scripts' learning rate of distillation is 5e-6 for all sizes, the paper's 5e-6, 3e-6, 2e-6.
- After distillation the paper trains the instruct models on the 64 k pairs that have no trace, and
  so does the script for 7B; those for 14B and 32B name the 73 k rows of the reasoning models.
- The scripts give vLLM half of the memory of a GPU for 7B; the paper 0.4 for all.
- The scripts' OpenRLHF trained on the words that open an answer, too; here on the answer alone.

Where this project differs from both: the prompt is rendered anew, in our words, from the published
pairs; benchmarks are judged in both orders of the answers, and not in one at random; and answers
end at 8,192 tokens (instruct) or 16,384 (reasoning), not at 50,000.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from rmr1_core import EvalProtocol, Recipe, Ref, Stage, Variant

SIZES = (7, 14, 32)
"""Billions of parameters."""

ALL_ROWS = "gaotang/RM-R1-Entire-RLVR-Train"
"""The pairs of distillation and of reinforcement together, 72,983: for training without traces."""
ROWS_WITHOUT_TRACES = "gaotang/RM-R1-after-Distill-RLVR"
"""The 64,226 pairs that distillation does not use."""

DISTILLATION: Mapping[str, Any] = {
    "batch_size": 128,
    "micro_batch_size": 1,
    "epochs": 1,
    "max_length": 12288,  # script
    "zero_stage": 3,  # script
    "packing": True,  # script
    "gradient_checkpointing": True,
    "adam_offload": True,
}
REINFORCEMENT: Mapping[str, Any] = {
    "rollout_batch_size": 1024,
    "mini_batch_size": 128,
    "samples_per_prompt": 7,
    "temperature": 1.0,
    "kl_loss_coef": 1e-3,
    "clip_ratio": 0.2,
    "entropy_coeff": 0.0,  # script
    "epochs": 1,
    "max_prompt_length": 4096,
    "max_response_length": 8192,
    "tensor_parallel_size": 4,
    "gpu_memory_utilization": 0.4,
    "gpus_per_node": 8,
}


class Family(msgspec.Struct, frozen=True):
    """One of the two families of models that the paper trains."""

    name: str
    words: str
    prompt: str
    stages: tuple[Stage, ...]
    how: str
    variants: Mapping[str, Variant] = {}


def _distilled(dataset: Ref) -> Stage:
    return Stage(
        name="sft", trainer=Ref(name="openrlhf-sft", options=DISTILLATION), dataset=dataset
    )


def _reinforced(hub: str = "") -> Stage:
    dataset = Ref(name="rm-r1-rlvr", options={"hub": hub} if hub else {})
    return Stage(name="rl", trainer=Ref(name="verl-grpo", options=REINFORCEMENT), dataset=dataset)


# Appendix I.1: without distillation the reward is 1 for the right answer plus 1 for the format. A
# group's advantages are the same with ours, +1 and -1 for each.
_COLD_REWARD = Ref(
    name="combined",
    options={
        "weights": {"verdict": 1.0, "format": 1.0},
        "options": {"format": {"form": "answer"}},
    },
)
_COLD_STAGES = (_reinforced(ALL_ROWS),)

ABLATIONS: Mapping[str, Variant] = {
    "cold-start-rl": Variant(
        description="reinforcement without distillation, rewarded for its form, too (table 2: "
        "cold-start RL with rubrics and query categorisation; 90.8 on RewardBench at 32B)",
        reward=_COLD_REWARD,
        stages=_COLD_STAGES,
    ),
    "without-categories": Variant(
        description="the same, and a rubric for every task, whatever its type (table 2: "
        "cold-start RL with rubrics; 90.1)",
        prompt=Ref(name="cor-uncategorized"),
        reward=_COLD_REWARD,
        stages=_COLD_STAGES,
    ),
    "without-rubrics": Variant(
        description="the same, without rubrics and types: compare, then decide (table 2: "
        "cold-start RL; 89.5)",
        prompt=Ref(name="pairwise"),
        reward=_COLD_REWARD,
        stages=_COLD_STAGES,
    ),
    "sft-only": Variant(
        description="fine-tuned on the right verdicts of all pairs, without any reasoning (table "
        "3: instruct and SFT; a mean of 77.4 over the three benchmarks at 32B, against 81.2)",
        prompt=Ref(name="direct"),
        stages=(
            _distilled(Ref(name="rm-r1-rlvr", options={"hub": ALL_ROWS, "traces": "verdict"})),
        ),
    ),
}

FAMILIES = (
    Family(
        "qwen",
        "Qwen2.5-Instruct",
        "cor-instruct",
        (_distilled(Ref(name="rm-r1-distill")), _reinforced(ROWS_WITHOUT_TRACES)),
        "distillation on 8.7 k traces, then GRPO on the 64 k pairs that have none",
        ABLATIONS,
    ),
    Family(
        "deepseek",
        "DeepSeek-R1-Distill-Qwen",
        "cor-reasoning",
        (_reinforced(),),
        "GRPO on all 73 k pairs, without distillation: the model reasons already",
    ),
)

PUBLISHED: Mapping[str, tuple[float, float, float]] = {
    "qwen7b": (85.2, 70.2, 66.4),
    "qwen14b": (88.2, 76.1, 69.2),
    "qwen32b": (91.4, 79.1, 73.0),
    "deepseek7b": (80.1, 72.4, 55.1),
    "deepseek14b": (88.9, 81.5, 68.5),
    "deepseek32b": (90.9, 83.9, 69.8),
}
"""The paper's results on RewardBench, RM-Bench and RMB, in percent (tables 6 to 8)."""


def recipes() -> list[Recipe]:
    """The six recipes, by family and size."""
    return [_recipe(family, size) for family in FAMILIES for size in SIZES]


def _recipe(family: Family, size: int) -> Recipe:
    backbone = f"{family.name}{size}b"
    scores = "RewardBench {}, RM-Bench {}, RMB {}".format(*PUBLISHED[backbone])
    return Recipe(
        name=f"rm-r1-{backbone}",
        description=f"RM-R1 from {family.words}, {size} B: {family.how}. "
        f"The numbers are the paper's (arXiv 2505.02387, appendix G), which reports {scores}.",
        backbone=Ref(name=backbone),
        prompt=Ref(name=family.prompt),
        reward=Ref(name="verdict"),
        engine=Ref(name="vllm", options={"tensor_parallel_size": 4} if size > 7 else {}),
        launcher=Ref(name="local" if size == 7 else "slurm"),
        stages=family.stages,
        benchmarks=tuple(Ref(name=name) for name in ("rewardbench", "rm-bench", "rmb")),
        evaluation=EvalProtocol(order="both", temperature=0.0),
        variants=family.variants,
        ablations=tuple(family.variants),
    )
