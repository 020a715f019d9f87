"""What flows between the parts: frozen, typed, without I/O.

A `Comparison` has no label, so a judge cannot peek. A `Metric` has no value without its n and its
interval. A bad answer is a `Verdict.UNPARSED`, never a number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all values: immutable, compared by content, encoded to JSON and TOML by msgspec."""


class Message(msgspec.Struct, frozen=True):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Comparison(Value, frozen=True):
    """What a judge is shown: a conversation and two answers, without a label."""

    prompt: tuple[Message, ...]
    a: str
    b: str


class Pair(Value, frozen=True):
    """Two answers to one conversation, of which people preferred one.

    `id` is unique within its benchmark or dataset. `subset` is the part whose completeness is
    counted (a RewardBench subset, an RM-Bench domain, an RMB category). `group` ties together what
    shares a prompt (RM-Bench's nine cells, a best-of-N item's pairs): one cluster of the
    statistics. `tags` carry what else a scorer or a reader needs, such as styles or provenance.
    """

    id: str
    subset: str
    group: str
    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    tags: Mapping[str, str] = {}

    def comparison(self, chosen_first: bool) -> Comparison:
        """The pair in one of its two orders."""
        a, b = (self.chosen, self.rejected) if chosen_first else (self.rejected, self.chosen)
        return Comparison(prompt=self.prompt, a=a, b=b)


class Example(Value, frozen=True):
    """A row of training data: a pair in one order and, for distillation, the trace to imitate.

    `trace` is what the judge should write after its prompt, verdict tag included; it is empty in
    data for reinforcement learning.
    """

    pair: Pair
    chosen_first: bool
    trace: str = ""


class Verdict(StrEnum):
    """What a judge said. There is no number here: what a tie or an unparsed answer is worth is
    the scorer's rule, and counted beside the score."""

    A = "A"
    B = "B"
    TIE = "tie"
    UNPARSED = "unparsed"

    @classmethod
    def favouring_chosen(cls, chosen_first: bool) -> Verdict:
        """The right answer in this order."""
        return cls.A if chosen_first else cls.B


FinishReason = Literal["stop", "length", "prompt_too_long"]


class Completion(Value, frozen=True, omit_defaults=True):
    """What an engine wrote for one request.

    `finish_reason` "length" is a truncated answer; "prompt_too_long" a prompt that does not fit
    the model's context, for which nothing was generated. Counts are in tokens; `cached_tokens` are
    those of the prompt that a prefix cache already held. `cost` is in US dollars, 0 where nothing
    is paid or the price is not known. `scores` are the rewards of A and of B, finite numbers on a
    scale of the model's own, from an engine that scores answers; None from one that writes.
    """

    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    cost: float = 0.0
    scores: tuple[float, float] | None = None

    @property
    def counted(self) -> bool:
        """Whether tokens and truncation are known: whoever was asked has read at least a token, and
        another project's log says nothing of these."""
        return bool(self.prompt_tokens or self.completion_tokens)


class Sampling(Value, frozen=True):
    """How to generate. `temperature` 0 is greedy, and then `seed` and `top_p` do not matter.

    A generation ends at the model's end-of-sequence token, at `max_new_tokens`, or right after one
    of the `stop` strings, which stays in the text.
    """

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()


class Request(Value, frozen=True):
    """One generation to ask of an engine. `id` comes back with the answer.

    `comparison` is what the messages were rendered from, for engines that score answers instead
    of writing about them; None where nothing is compared. `prefill` is text that the answer begins
    with: it stands at the beginning of the completion's text and counts among its tokens, and
    `sampling.max_new_tokens` limits what is written after it. An engine that cannot begin so says
    it by its `prefills`.
    """

    id: str
    messages: tuple[Message, ...]
    sampling: Sampling
    comparison: Comparison | None = None
    prefill: str = ""


class RequestFailed(Value, frozen=True):
    """A request that failed for good; `error` is one sentence."""

    error: str


class Answer(Value, frozen=True):
    """An engine's answer to the request with this id."""

    id: str
    result: Completion | RequestFailed


class Judgment(Value, frozen=True, tag_field="kind", tag="judgment"):
    """One line of the journal: one verdict on one pair, in one order, for one sample."""

    benchmark: str
    pair_id: str
    chosen_first: bool
    sample: int
    verdict: Verdict
    completion: Completion

    @property
    def correct(self) -> bool:
        """Whether the verdict names the chosen answer."""
        return self.verdict is Verdict.favouring_chosen(self.chosen_first)


class FailedJudgment(Value, frozen=True, tag_field="kind", tag="failed"):
    """A line of the journal for a request that failed; `--resume` asks it again."""

    benchmark: str
    pair_id: str
    chosen_first: bool
    sample: int
    error: str


class LoggedJudgment(Value, frozen=True):
    """A judgment as another project logged it: what an importer gives.

    `pair` has the id that the benchmark gives it, as far as the log says it. `PREFIX#3` is the
    third of the benchmark's pairs whose ids begin with `PREFIX/`, or of all where the prefix is
    empty. Its texts are empty where the log does not hold them; the benchmark's data has them then.

    `verdict` is what the log's own scorer made of it, in the order that was shown: None where only
    the text says it. `scores` are the rewards of A and of B. `path` and `row` say where it stands;
    rows count from 1.
    """

    benchmark: str
    pair: Pair
    chosen_first: bool
    verdict: Verdict | None
    path: str
    row: int
    text: str = ""
    scores: tuple[float, float] | None = None


class OrderVerdict(Value, frozen=True):
    """The majority verdict of all samples of a pair in one order.

    `chosen_score` and `rejected_score` are the mean rewards of the two answers over the samples
    that have any, None where no sample has (a judge that writes gives verdicts only).
    """

    chosen_first: bool
    verdict: Verdict
    chosen_score: float | None = None
    rejected_score: float | None = None


class Outcome(Value, frozen=True):
    """What a scorer gets for one pair: a verdict per order that was judged."""

    pair: Pair
    verdicts: tuple[OrderVerdict, ...]

    def score(self, *, unparsed: float = 0.0, tie: float = 0.0) -> float:
        """Mean win of the chosen answer over the judged orders, in [0, 1].

        With both orders this is the expectation over the random order that papers draw.
        """
        points = {Verdict.UNPARSED: unparsed, Verdict.TIE: tie}
        wins = [
            points.get(v.verdict, float(v.verdict is Verdict.favouring_chosen(v.chosen_first)))
            for v in self.verdicts
        ]
        return sum(wins) / len(wins)

    @property
    def chosen_score(self) -> float | None:
        """Mean reward of the chosen answer over the orders that have one; None without any."""
        return _mean_of(v.chosen_score for v in self.verdicts)

    @property
    def rejected_score(self) -> float | None:
        """Mean reward of the rejected answer over the orders that have one; None without any."""
        return _mean_of(v.rejected_score for v in self.verdicts)


def _mean_of(scores: Iterable[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if known else None


class Metric(Value, frozen=True):
    """A measured share with its 95 % interval. `n` counts what it averages over (pairs, or items
    of best-of-N). Published percentages are `100 * value`."""

    name: str
    value: float
    n: int
    low: float
    high: float


class Scores(Value, frozen=True):
    """A benchmark's own result: the number that papers quote and what it is made of."""

    headline: Metric
    metrics: tuple[Metric, ...] = ()
    notes: tuple[str, ...] = ()


class Missing(Value, frozen=True):
    """A part of a benchmark of which fewer pairs were judged than it has."""

    subset: str
    have: int
    expected: int


class Validity(Value, frozen=True):
    """What a reader must know before believing a score. Counts are of judgments, and of tokens in
    all of them; percentiles are of the tokens of one answer; `cost` is in US dollars."""

    judgments: int
    unparsed: int
    truncated: int
    ties: int
    prompt_too_long: int
    pairs_in_both_orders: int
    flipped: int
    prompt_tokens: int
    completion_tokens: int
    completion_tokens_p50: int = 0
    completion_tokens_p95: int = 0
    cached_tokens: int = 0
    cost: float = 0.0

    @property
    def flip_rate(self) -> float | None:
        """Share of the pairs judged in both orders whose preferred answer changed with the order;
        None when no pair was judged in both."""
        both = self.pairs_in_both_orders
        return self.flipped / both if both else None

    @property
    def counted(self) -> bool:
        """Whether tokens and truncation are known, as of a `Completion`."""
        return bool(self.prompt_tokens or self.completion_tokens)


class Report(Value, frozen=True):
    """Everything that is shown of one benchmark. `alternatives` holds the same judgments under the
    benchmark's other scoring rules, by name."""

    benchmark: str
    scoring: str
    scores: Scores
    validity: Validity
    alternatives: Mapping[str, Scores] = {}
    missing: tuple[Missing, ...] = ()

    @property
    def partial(self) -> bool:
        """Whether some of the benchmark was not judged."""
        return bool(self.missing)


Order = Literal["both", "balanced", "chosen-first", "random"]


class PublishedProtocol(Value, frozen=True, forbid_unknown_fields=True):
    """How a published number was made, as far as its source says; None and "" are not known.

    `scoring` is the rule of the benchmark here that scores as the publication did, and `parser`
    the parser that reads as it did. `unparsed` says in words what an answer without a verdict
    counted. `seeded`: whether an order that was drawn can be drawn again.
    """

    scoring: str
    order: Order | None = None
    seeded: bool = False
    parser: str = ""
    unparsed: str = ""
    samples: int | None = None
    temperature: float | None = None
    max_new_tokens: int | None = None


class Source(Value, frozen=True, forbid_unknown_fields=True):
    """Where a published number stands. `table` names the place in the paper or on the page."""

    title: str
    table: str
    url: str
    arxiv: str = ""


class Anchor(Value, frozen=True):
    """A published number to stand beside ours: of a model, on a benchmark, under the name that
    our reports give the metric.

    `value` is a share in [0, 1], known to half of `resolution`; `n` is what it averages over.
    `backbone` names the registered backbone with the same weights, if there is one. `defect` says
    how a known defect of the publication's scorer changes the number, and `otherwise` has it under
    other scoring rules, where that is known.
    """

    model: str
    benchmark: str
    metric: str
    value: float
    n: int
    source: Source
    protocol: PublishedProtocol
    backbone: str = ""
    resolution: float = 0.001
    note: str = ""
    defect: str = ""
    otherwise: Mapping[str, float] = {}


class EvalProtocol(Value, frozen=True, forbid_unknown_fields=True):
    """How pairs are judged. Two runs with equal protocols and data ask the same requests.

    With a `confidence`, a pair in one order draws `samples` at most: it stops when its majority is
    settled with this probability, 1 for certain. For each of the `budgets`, in tokens, all
    judgments are made once more with their reasoning cut there, after the full ones.
    """

    order: Order = "both"
    samples: Annotated[int, msgspec.Meta(ge=1)] = 1
    confidence: Annotated[float, msgspec.Meta(gt=0.5, le=1)] | None = None
    temperature: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    top_p: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    max_new_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    budgets: tuple[Annotated[int, msgspec.Meta(ge=1)], ...] = ()
    seed: int = 0
    limit: Annotated[int, msgspec.Meta(ge=1)] | None = None
    allow_partial: bool = False
    scoring: str = "strict"


class Ref(Value, frozen=True, forbid_unknown_fields=True):
    """A component by name, with the options that differ from its defaults."""

    name: str
    options: Mapping[str, Any] = {}


class Stage(Value, frozen=True, forbid_unknown_fields=True):
    """One training stage. `split` is the part of the dataset it trains on.

    In a variant, `start_from` names a stage of the recipe whose checkpoint to start from, and
    `compute_of` the stages whose measured CPU time is this stage's budget.
    """

    name: str
    trainer: Ref
    dataset: Ref
    split: str = "train"
    start_from: str = ""
    compute_of: tuple[str, ...] = ()


class Variant(Value, frozen=True, forbid_unknown_fields=True):
    """Named changes to a recipe: what is given replaces the recipe's own, whole."""

    description: str
    prompt: Ref | None = None
    reward: Ref | None = None
    backbone: Ref | None = None
    stages: tuple[Stage, ...] | None = None
    benchmarks: tuple[Ref, ...] | None = None
    evaluation: EvalProtocol | None = None
    sampled_evaluation: EvalProtocol | None = None


class Recipe(Value, frozen=True, forbid_unknown_fields=True):
    """A whole training run, from a backbone to its evaluation. Round-trips to TOML.

    The recipe with `default` is what `rmr1 run` runs when nothing is named. `ablations` lists the
    variants that `rmr1 run --ablations` adds to the table. `sampled_evaluation`, if given, is a
    second evaluation shown beside the first, usually at the temperature of training. `requires`
    are packages with plugins that have to be installed, as in "rmr1-units>=1.0"; `plugins` files
    with plugins, relative to the recipe's own file.
    """

    name: str
    description: str
    backbone: Ref
    prompt: Ref
    reward: Ref
    engine: Ref
    launcher: Ref
    stages: tuple[Stage, ...]
    benchmarks: tuple[Ref, ...] = ()
    evaluation: EvalProtocol = EvalProtocol()
    sampled_evaluation: EvalProtocol | None = None
    seed: int = 0
    default: bool = False
    variants: Mapping[str, Variant] = {}
    ablations: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()


class RowFilters(Value, frozen=True, forbid_unknown_fields=True):
    """Which rows of a source a mixture takes. `keep` and `drop` are values by tag; `max_tokens` is
    of the prompt and both answers, as the tokenizer of that backbone, hub id or folder has it."""

    keep: Mapping[str, tuple[str, ...]] = {}
    drop: Mapping[str, tuple[str, ...]] = {}
    max_chars: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    tokenizer: str = ""


class MixSource(Value, frozen=True, forbid_unknown_fields=True):
    """A part of a mixture: all that a dataset has after the filters, `count` of it, or a share of
    the whole in proportion to `weight`.

    These are its first rows, or with `shuffle_seed` those that come first after the shuffle of the
    library `datasets`. `expected` is how many rows the source should give before duplicates and
    overlap are removed; another number is said in the report.
    """

    name: str
    dataset: Ref
    split: str = "train"
    count: Annotated[int, msgspec.Meta(ge=1)] | None = None
    weight: Annotated[float, msgspec.Meta(gt=0)] | None = None
    shuffle_seed: Annotated[int, msgspec.Meta(ge=0)] | None = None
    filters: RowFilters = RowFilters()
    expected: int | None = None


class OverlapRule(Value, frozen=True, forbid_unknown_fields=True):
    """Rows whose prompt is in one of the benchmarks are removed: the same text but for white space
    and case, or sets of `words` successive words that are `threshold` alike (Jaccard)."""

    benchmarks: tuple[Ref, ...] = ()
    threshold: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.7
    words: Annotated[int, msgspec.Meta(ge=1)] = 3


class Mixture(Value, frozen=True, forbid_unknown_fields=True):
    """How training data is mixed of sources. Round-trips to TOML.

    `seed` shuffles the rows. With the order "alternate" the chosen answer is first in every other
    row, from the first on; "as-given" leaves each row its order, which one with a trace needs.
    `total` is what weighted sources give together.
    """

    name: str
    description: str
    sources: Annotated[tuple[MixSource, ...], msgspec.Meta(min_length=1)]
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    order: Literal["alternate", "as-given"] = "alternate"
    total: Annotated[int, msgspec.Meta(ge=1)] | None = None
    overlap: OverlapRule = OverlapRule()


class TrainingTask(Value, frozen=True):
    """What a trainer plans from. Paths are absolute; `data` is JSON lines of `TrainingRow`.

    `cpu_seconds` is a compute budget that replaces the stage's own number of steps.
    """

    recipe: Recipe
    stage: Stage
    model: str
    data: str
    output: str
    seed: int
    cpu_seconds: float | None = None


class TrainingRow(Value, frozen=True):
    """A rendered training example: what every trainer reads, whatever its own format.

    `messages` were made by the recipe's prompt strategy, as in evaluation. `label` is the right
    verdict. `completion` is the trace to imitate, empty for reinforcement learning. `twin` is the
    same pair with its answers swapped.
    """

    id: str
    source: str
    messages: tuple[Message, ...]
    label: Literal["A", "B"]
    completion: str = ""
    twin: tuple[Message, ...] = ()


class Step(Value, frozen=True):
    """One process of a job. `everywhere`: on all nodes at once, and otherwise on the first."""

    argv: tuple[str, ...]
    everywhere: bool = False


class Job(Value, frozen=True):
    """Processes to run one after the other, as pure data: nothing is written or started yet.

    `files` maps paths to their text. `environment` names the managed environment whose programs
    the steps are ("" is the one that rmr1 itself runs in): "python" is then its Python. `events`
    is the file of JSON lines that the processes append to while they work, `checkpoint` the folder
    in Hugging Face format that they leave. Every step can be repeated: what is done, it skips.

    `cluster` says what has to connect the nodes: a Ray cluster, whose head then has the address
    `RAY_ADDRESS`, or torchrun's own rendezvous, which reads the variables `PET_*`.
    """

    name: str
    steps: tuple[Step, ...]
    files: Mapping[str, str]
    env: Mapping[str, str]
    environment: str
    events: str
    log: str
    checkpoint: str
    nodes: int = 1
    gpus_per_node: int = 0
    cluster: Literal["", "ray", "torchrun"] = ""


class Located(Value, frozen=True):
    """An environment that can be used: its Python, the variables that its processes get (those that
    the user has set already left out), and a few words for the record of a run."""

    name: str
    variant: str
    python: Path
    env: Mapping[str, str]
    label: str


class EnvironmentVariant(Value, frozen=True):
    """One way to build an environment.

    `lock` is a requirements file with an exact version and hashes of every package, for `python`
    and the platform in `platforms` (as `sysconfig.get_platform()` says, "linux-x86_64");
    `requirements` is what it was made from, and what is built from elsewhere. `packages` are
    folders of packages of our own that are installed last, without dependencies. `excluded` are
    packages that others ask for and that are left out. `unisolated` are the locked packages that
    are built with what is installed already, in a second step, with the variables `build_env`.
    `env` are the variables of every process in the environment, where the user has not set them.
    """

    requirements: Path
    lock: Path
    platforms: tuple[str, ...] = ("linux-x86_64",)
    python: str = "3.11"
    packages: tuple[Path, ...] = ()
    excluded: tuple[str, ...] = ()
    unisolated: tuple[str, ...] = ()
    build_env: Mapping[str, str] = {}
    env: Mapping[str, str] = {}


class Check(Value, frozen=True):
    """One thing that was looked at before a training starts. `ok` is None where it could not be
    found out; `detail` says what was found and, where it is not ok, what to do."""

    name: str
    ok: bool | None
    detail: str


class StageResult(Value, frozen=True):
    """How good the judge was after a stage ("before" any, too), and what the stage cost.

    `variant` is "" for the recipe itself. `sampled` are the reports of the recipe's sampled
    evaluation. Times are in seconds.
    """

    variant: str
    stage: str
    reports: tuple[Report, ...]
    sampled: tuple[Report, ...] = ()
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    peak_memory_mb: float = 0.0


class Imported(Value, frozen=True):
    """Where the judgments of a run are from that were made by another project.

    `files` has the SHA-256 of every file that was read, by its path below `source`. `left_out` says
    which of its records could not be used. `differ` counts the judgments of which our parser says
    something else than the log's own scorer did, of the `compared` ones of which both say
    something; where `as_logged` is set, the log's verdicts are those of the run. `unknown` names
    what no log of the format says, beside what none does.
    """

    source: str
    format: str
    files: Mapping[str, str]
    judgments: int
    left_out: tuple[str, ...] = ()
    as_logged: bool = False
    compared: int = 0
    differ: int = 0
    unknown: tuple[str, ...] = ()


class PluginFile(Value, frozen=True):
    """A plugin in one file, as a run began with it: where it was, and the hash of its content in
    hexadecimal digits. The run has a copy."""

    name: str
    path: str
    sha256: str


class RunRecord(Value, frozen=True):
    """What a run was, written first with status "planned", then "started", and last "done".

    `status` "incomplete" means that some requests failed for good, and that there is no headline.
    `reproduces` is the model whose published numbers the run is to reproduce; `repeat` is how often
    everything is asked. `imported` is set where nothing was: the judgments are another
    project's, and of how they were made the protocol says only what their log does.
    """

    id: str
    command: Literal["bench", "run"]
    status: Literal["planned", "started", "incomplete", "interrupted", "failed", "done"]
    created: str
    versions: Mapping[str, str]
    argv: tuple[str, ...]
    git_revision: str = ""
    backbone: Ref | None = None
    engine: Ref | None = None
    prompt: Ref | None = None
    benchmarks: tuple[Ref, ...] = ()
    protocol: EvalProtocol | None = None
    recipe: Recipe | None = None
    ablations: tuple[str, ...] = ()
    data: Mapping[str, str] = {}
    environments: Mapping[str, str] = {}
    reproduces: str = ""
    repeat: int = 1
    imported: Imported | None = None
    finished: str = ""
    plugins: tuple[PluginFile, ...] = ()
    error: str = ""
