"""The core of rmr1: values, kinds of component, hooks, and the flows that connect them.

Every name of the plugin contract is importable from here: hooks, kinds, and the values that flow
between them; and `Judge`, to ask one. What else may be used are the public modules that
`docs/concepts.md` lists. All else may change.
"""

from typing import TYPE_CHECKING, Any

from rmr1_core.charts import BarRow, Bars, Chart, Curve, Heatmap, Mark, TokenCurve, TokenPoint, bars
from rmr1_core.components import (
    PATH,
    PATH_OR_NAME,
    Backbone,
    Benchmark,
    Component,
    Dataset,
    Engine,
    EngineSession,
    Environment,
    Importer,
    Launcher,
    LiveRequests,
    Option,
    PromptStrategy,
    RewardFunction,
    Trainer,
)
from rmr1_core.deprecation import Renamed
from rmr1_core.hookspecs import hookimpl
from rmr1_core.parsing import after_thought, parse_verdict, without_quotes
from rmr1_core.values import (
    Anchor,
    Answer,
    Check,
    Comparison,
    Completion,
    EnvironmentVariant,
    EvalProtocol,
    Example,
    FailedJudgment,
    Imported,
    Job,
    Judgment,
    Located,
    LoggedJudgment,
    Message,
    Metric,
    MixSource,
    Mixture,
    OrderVerdict,
    Outcome,
    OverlapRule,
    Pair,
    PluginFile,
    PublishedProtocol,
    Recipe,
    Ref,
    Report,
    Request,
    RequestFailed,
    RowFilters,
    RunRecord,
    Sampling,
    Scores,
    Source,
    Stage,
    StageResult,
    Step,
    TrainingRow,
    TrainingTask,
    Validity,
    Variant,
    Verdict,
)

if TYPE_CHECKING:
    from rmr1_core.judge import Judge

__version__ = "0.1.0"

__all__ = [
    "PATH",
    "PATH_OR_NAME",
    "Anchor",
    "Answer",
    "Backbone",
    "BarRow",
    "Bars",
    "Benchmark",
    "Chart",
    "Check",
    "Comparison",
    "Completion",
    "Component",
    "Curve",
    "Dataset",
    "Engine",
    "EngineSession",
    "Environment",
    "EnvironmentVariant",
    "EvalProtocol",
    "Example",
    "FailedJudgment",
    "Heatmap",
    "Imported",
    "Importer",
    "Job",
    "Judge",
    "Judgment",
    "Launcher",
    "LiveRequests",
    "Located",
    "LoggedJudgment",
    "Mark",
    "Message",
    "Metric",
    "MixSource",
    "Mixture",
    "Option",
    "OrderVerdict",
    "Outcome",
    "OverlapRule",
    "Pair",
    "PluginFile",
    "PromptStrategy",
    "PublishedProtocol",
    "Recipe",
    "Ref",
    "Renamed",
    "Report",
    "Request",
    "RequestFailed",
    "RewardFunction",
    "RowFilters",
    "RunRecord",
    "Sampling",
    "Scores",
    "Source",
    "Stage",
    "StageResult",
    "Step",
    "TokenCurve",
    "TokenPoint",
    "Trainer",
    "TrainingRow",
    "TrainingTask",
    "Validity",
    "Variant",
    "Verdict",
    "__version__",
    "after_thought",
    "bars",
    "hookimpl",
    "parse_verdict",
    "without_quotes",
]


def __getattr__(name: str) -> Any:
    """`Judge`, which plugins do not need, with all that it loads."""
    if name == "Judge":
        from rmr1_core.judge import Judge

        return Judge
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
