"""Published preferences by name, as rows: where they are, their columns, which rows count.

The three of RM-R1's mix are read as its script `mix_data.py` reads them (commit 090501ad). Columns
and licences are those of the cards and repositories on the hub, of 2024 and 2025:

- Skywork-Reward-Preference-80K-v0.2 has 77,016 rows with `chosen` and `rejected` (conversations)
  and `source`. RM-R1 leaves out the source `magpie_ultra`. Which domain the other sources are of is
  said here for those that are of one; Magpie's rows are of several.
- Code-Preference-Pairs has `input`, `accepted` and `rejected`. RM-R1 takes the first 8,000 rows
  after `Dataset.shuffle(seed=42)`.
- Math-Step-DPO-10K has 10,795 rows with `prompt`, `initial_reason_steps`, `full_chosen` and
  `full_rejected`. The two answers go on from the steps, which RM-R1 puts before both. In some 1,200
  rows `full_rejected` is empty, and RM-R1 takes them as they are.
- HelpSteer2 has `prompt`, `response` and five ratings from 0 to 4; two rows that follow each other
  have the same prompt. Further turns of a prompt are marked `<extra_id_1>`.
- UltraFeedback has `instruction` and `completions`, each with `response`, `overall_score` (1 to 10)
  and `fine-grained_score`. Its part `truthful_qa` is often left out, as it is a benchmark.
"""

from __future__ import annotations

from rmr1_core import Dataset
from rmr1_preferences.preferences import Preferences
from rmr1_preferences.ratings import Ratings

_CHAT_IN_ULTRAFEEDBACK = ("false_qa", "sharegpt", "truthful_qa", "ultrachat")
"""Its other parts, `evol_instruct` and `flan`, are of several domains."""


def named() -> list[Dataset]:
    """The published sets."""
    return [*_of_rm_r1(), *_rated()]


def _of_rm_r1() -> list[Dataset]:
    return [
        Preferences(
            name="skywork-80k",
            summary="Skywork's reward preferences v0.2 without magpie_ultra, as in RM-R1's mix",
            hub="Skywork/Skywork-Reward-Preference-80K-v0.2",
            source="skywork-80k",
            licence="none stated on the card; its parts have their own",
            form="conversations",
            diverging="join",
            leave_out={"source": ("magpie_ultra",)},
            domain_field="source",
            domains={"wildguard": "safety", "helpsteer2": "chat", "offsetbias": "chat"},
        ),
        Preferences(
            name="code-preference-pairs",
            summary="Vezora's correct and broken code, the 8,000 rows of RM-R1's mix",
            hub="Vezora/Code-Preference-Pairs",
            source="code-preference-pairs",
            licence="its author's own, in the file LICENSE beside the data",
            domain="code",
            form="answers",
            prompt_field="input",
            chosen_field="accepted",
            rejected_field="rejected",
            sample=8000,
        ),
        Preferences(
            name="math-step-dpo",
            summary="Step-DPO's right and wrong solutions, each with its initial steps",
            hub="xinlai/Math-Step-DPO-10K",
            source="math-step-dpo",
            licence="none stated on the card",
            domain="math",
            form="answers",
            prompt_field="prompt",
            chosen_field="full_chosen",
            rejected_field="full_rejected",
            prefix_field="initial_reason_steps",
        ),
    ]


def _rated() -> list[Dataset]:
    return [
        Ratings(
            name="helpsteer2",
            summary="HelpSteer2's answers, the more helpful against the less helpful",
            hub="nvidia/HelpSteer2",
            splits=("train", "validation"),
            source="helpsteer2",
            licence="CC-BY-4.0, as stated on the card",
            domain="chat",
            prompt_marks="helpsteer",
            score_fields=("helpfulness",),
        ),
        Ratings(
            name="ultrafeedback",
            summary="UltraFeedback's answers, the best against the worst by overall score",
            hub="openbmb/UltraFeedback",
            source="ultrafeedback",
            licence="MIT, as stated on the card",
            domain_field="source",
            domains=dict.fromkeys(_CHAT_IN_ULTRAFEEDBACK, "chat"),
            layout="sets",
            prompt_field="instruction",
        ),
    ]
