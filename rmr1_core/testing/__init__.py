"""For plugin authors: the contract of every kind as checks, and judges that are scripts.

    from rmr1_core.testing import check_plugin

    def test_the_plugin_keeps_the_contract():
        check_plugin("rmr1-units")

Fixtures for pytest are in `rmr1_core.pytest_plugin`, which pytest finds by itself.
"""

from rmr1_core.testing.benchmarks import check_anchor, check_anchors_on, check_pairs
from rmr1_core.testing.data import check_dataset
from rmr1_core.testing.engines import check_engine
from rmr1_core.testing.flows import check_commands, check_mixture, check_observer, check_recipe
from rmr1_core.testing.kinds import check_component
from rmr1_core.testing.logs import check_importer
from rmr1_core.testing.made import (
    HOSTILE_TEXTS,
    example_pair,
    example_record,
    example_requests,
    example_task,
    judgment,
    outcome,
)
from rmr1_core.testing.running import check_launcher, check_training
from rmr1_core.testing.scripted import ScriptedEngine, ScriptedSession, scripted_judge
from rmr1_core.testing.whole import ContractCheck, check_plugin, contract

__all__ = [
    "HOSTILE_TEXTS",
    "ContractCheck",
    "ScriptedEngine",
    "ScriptedSession",
    "check_anchor",
    "check_anchors_on",
    "check_commands",
    "check_component",
    "check_dataset",
    "check_engine",
    "check_importer",
    "check_launcher",
    "check_mixture",
    "check_observer",
    "check_pairs",
    "check_plugin",
    "check_recipe",
    "check_training",
    "contract",
    "example_pair",
    "example_record",
    "example_requests",
    "example_task",
    "judgment",
    "outcome",
    "scripted_judge",
]
