"""Formats of other projects' logs: RM-R1, RewardBench, JudgeBench, RM-Bench and RMB."""

from __future__ import annotations

from collections.abc import Iterable

from rmr1_core import Importer, hookimpl
from rmr1_core.import_words import FIRST_ANSWER


@hookimpl
def rmr1_importers() -> Iterable[Importer]:
    """Offer the formats."""
    from rmr1_imports.judgebench import JudgeBenchOutputs
    from rmr1_imports.rewardbench import RewardBenchResults
    from rmr1_imports.rm_bench import RMBenchScores
    from rmr1_imports.rm_r1 import RMR1Logs
    from rmr1_imports.rmb import RMBScores

    return [
        RMR1Logs(
            name="rm-r1",
            summary="RM-R1's logs of RewardBench, RM-Bench and RMB, with the judge's words",
            prompt="cor-instruct",
        ),
        RewardBenchResults(
            name="rewardbench",
            summary="RewardBench's results by prompt: eval-set-scores, and rewardbench --save_all",
            unknown=(FIRST_ANSWER,),
        ),
        JudgeBenchOutputs(
            name="judgebench", summary="JudgeBench's outputs, with the words, in both orders"
        ),
        RMBenchScores(
            name="rm-bench-scores",
            summary="RM-Bench's results of scalar reward models (run_rm.py)",
            unknown=(FIRST_ANSWER,),
        ),
        RMBScores(
            name="rmb-scores",
            summary="RMB's results of scalar reward models",
            unknown=(FIRST_ANSWER,),
        ),
    ]
