"""The real Inspect AI and the real lm-evaluation-harness give the number of `rmr1 bench`."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from msgspec.structs import replace

from rmr1_core import Backbone, Message, Request, Sampling, Verdict, hookimpl
from rmr1_core.cli import run_command
from rmr1_core.discovery import plugins
from rmr1_core.errors import UsageError
from rmr1_core.lookup import find, with_options
from rmr1_core.testing import ScriptedEngine, check_component, check_engine
from rmr1_interop import InspectEngine, rmr1_engines
from rmr1_interop.judged import Said, cut, judged

pytest.importorskip("inspect_ai")
pytest.importorskip("lm_eval")
SAID = ["<answer>[[A]]</answer> and more", "so <answer>[[B]]</answer>", "I cannot tell", "[[tie]]"]


def said(text: str) -> str:
    """What a judge says that looks at nothing but a hash of its prompt."""
    return SAID[hashlib.sha256(text.encode()).digest()[0] % 4]


class Judge(ScriptedEngine, frozen=True, kw_only=True):
    def own_backbone(self) -> Backbone:
        return Backbone(name=self.name, model="", prompt="compact")


@pytest.fixture(autouse=True)
def small() -> Iterator[None]:
    """A plugin with the judge, and with a benchmark small enough to be asked thrice."""
    judge = Judge(name="hashes", summary="by hash", write=lambda r: said(r.messages[-1].content))
    toy = with_options("benchmark", find("benchmark", "toy"), {"problems": 3})
    module = ModuleType("small")
    offers = {"rmr1_engines": judge, "rmr1_benchmarks": replace(toy, name="small")}
    for hook, component in offers.items():
        vars(module)[hook] = hookimpl(specname=hook)(lambda component=component: [component])
    plugins.cache_clear()
    plugins().register("small", module)
    judged.cache_clear()
    yield
    plugins.cache_clear()


@pytest.fixture
def ours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
    """The scores of `rmr1 bench small`, by name."""
    asked = ["bench", "small", "--engine", "hashes", "--runs-dir", str(tmp_path / "runs"), "--json"]
    assert run_command(asked) == 0
    (report,) = json.loads(capsys.readouterr().out)["reports"]
    metrics = [report["scores"]["headline"], *report["scores"]["metrics"]]
    return {metric["name"]: metric["value"] for metric in metrics} | {
        "headline": metrics[0]["value"],
        "unparsed": report["validity"]["unparsed"] / report["validity"]["judgments"],
    }


def mock(messages: list[Any], *_: Any) -> Any:
    from inspect_ai.model import ModelOutput, ModelUsage

    output = ModelOutput.from_content(model="mock", content=said(messages[-1].text))
    output.usage = ModelUsage(input_tokens=7, output_tokens=2, total_tokens=9)
    return output


def inspect_scores(folder: Path, task: str, **arguments: Any) -> dict[str, float]:
    import inspect_ai
    from inspect_ai.model import get_model

    model = get_model("mockllm/model", custom_outputs=mock, memoize=False)
    options = {"log_dir": str(folder), "display": "none"}
    (log,) = inspect_ai.eval(task, model=model, task_args=arguments, **options)
    assert log.status == "success", log.error
    (scores,) = log.results.scores
    return {name: metric.value for name, metric in scores.metrics.items()}


def test_inspect_gives_the_numbers_of_rmr1(tmp_path: Path, ours: dict[str, float]) -> None:
    found = inspect_scores(tmp_path, "rmr1_interop/judge", benchmark="small", prompt="compact")
    assert 0.1 < found["headline"] < 0.9
    assert found["headline"] == pytest.approx(ours["headline"])
    assert found["unparsed"] == pytest.approx(ours["unparsed"])
    shared = found.keys() & ours.keys()
    assert len(shared) > 2
    assert {name: found[name] for name in shared} == pytest.approx({n: ours[n] for n in shared})


def test_votes_of_several_samples_are_counted_as_rmr1_does(tmp_path: Path) -> None:
    task = {"benchmark": "small", "prompt": "compact"}
    one = inspect_scores(tmp_path, "rmr1_interop/judge", **task)
    three = inspect_scores(tmp_path, "rmr1_interop/judge", samples=3, **task)
    assert three == pytest.approx(one)  # the same answer three times


@pytest.mark.parametrize("name", ["rewardbench", "rm_bench", "rmb"])
def test_the_three_benchmarks_are_tasks_of_inspect(name: str) -> None:
    from inspect_ai._util.registry import registry_lookup

    assert registry_lookup("task", f"rmr1_interop/{name}") is not None


def test_the_harness_gives_the_number_of_rmr1(ours: dict[str, float]) -> None:
    from lm_eval import simple_evaluate
    from lm_eval.api.model import LM
    from lm_eval.tasks import TaskManager

    class Hashes(LM):  # type: ignore[misc]
        def generate_until(self, requests: list[Any], **_: Any) -> list[str]:
            return [said(request.args[0]) for request in requests]

        def loglikelihood(self, requests: list[Any], **_: Any) -> list[Any]:
            raise AssertionError("our tasks are of the kind generate_until")

        loglikelihood_rolling = loglikelihood

    folder = subprocess.run(
        [sys.executable, "-m", "rmr1_interop"], capture_output=True, text=True, check=True
    ).stdout.strip()
    metadata = {"benchmark": "small", "prompt": "compact"}
    manager = TaskManager(include_path=folder, include_defaults=False, metadata=metadata)
    assert {"rmr1_rewardbench", "rmr1_rm_bench", "rmr1_rmb"} <= set(manager.all_tasks)
    found = simple_evaluate(Hashes(), tasks=["rmr1_judge"], task_manager=manager, metadata=metadata)
    value = found["results"]["rmr1_judge"]["headline,none"]
    assert value == pytest.approx(ours["headline"])


def test_the_harness_gets_the_very_messages_with_a_chat_template() -> None:
    from rmr1_interop.lm_tasks import JudgeTask

    metadata = {"benchmark": "small", "prompt": "direct"}
    task = JudgeTask({"task": "rmr1_judge", "metadata": metadata})
    doc = next(iter(task.test_docs()))
    text = task.fewshot_context(doc, 0, apply_chat_template=True, chat_template=json.dumps)
    asked = next(judged("small", "direct").asked())
    assert [Message(**m) for m in json.loads(text)] == list(asked.messages)


@pytest.fixture
def provider() -> str:
    """A provider of Inspect with one model, which needs no network."""
    from inspect_ai.model import ModelAPI, modelapi

    class Provider(ModelAPI):
        async def generate(self, input: list[Any], *_: Any, **__: Any) -> Any:  # noqa: A002
            return mock(input)

    modelapi(name="hashes")(Provider)
    return "hashes/one"


def test_the_engine_keeps_the_contract_of_engines(provider: str) -> None:
    (engine,) = rmr1_engines()
    check_component(engine)
    check_engine(InspectEngine(name="inspect", summary="x", model=provider))


def test_any_model_of_inspect_judges(
    provider: str, ours: dict[str, float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["bench", "small", "--engine", f"inspect:{provider}", "--prompt", "compact", "--json"]
    assert run_command([*asked, "--runs-dir", str(tmp_path)]) == 0
    (report,) = json.loads(capsys.readouterr().out)["reports"]
    assert report["scores"]["headline"]["value"] == pytest.approx(ours["headline"])
    judgments = report["validity"]["judgments"]
    assert report["validity"]["prompt_tokens"] == 7 * judgments
    assert report["validity"]["completion_tokens"] == 2 * judgments


def test_what_is_asked_reaches_the_model_and_its_text_ends_where_it_should() -> None:
    configs: list[Any] = []

    def write(messages: list[Any], _tools: Any, _choice: Any, config: Any) -> Any:
        configs.append(config)
        return mock(messages)

    engine = InspectEngine(name="i", model="mockllm/model", model_args={"custom_outputs": write})
    text = next(t for t in map(str, range(99)) if said(t) == SAID[0])
    sampling = Sampling(max_new_tokens=7, temperature=0.5, top_p=0.9, seed=3, stop=("</answer>",))
    request = Request(id="one", messages=(Message("user", text),), sampling=sampling)
    with engine.open(Backbone(name="x", model="")) as session:
        (answer,) = session.generate([request])
    assert answer.result.text == "<answer>[[A]]</answer>"  # type: ignore[union-attr]
    (config,) = configs
    assert (config.max_tokens, config.temperature) == (7, 0.5)
    assert (config.top_p, config.seed) == (0.9, 3)


def test_a_provider_that_fails_is_a_failed_request() -> None:
    def write(*_: Any) -> Any:
        raise ValueError("no\nsuch key")

    engine = InspectEngine(name="i", model="mockllm/model", model_args={"custom_outputs": write})
    request = Request(
        id="one", messages=(Message("user", "?"),), sampling=Sampling(max_new_tokens=1)
    )
    with engine.open(Backbone(name="x", model="")) as session:
        (answer,) = session.generate([request])
    assert "no such key" in answer.result.error  # type: ignore[union-attr]


def test_a_model_that_inspect_does_not_know_is_told_of() -> None:
    engine = InspectEngine(name="i", model="nobody/nothing")
    nobody = Backbone(name="x", model="")
    with pytest.raises(UsageError, match="nobody/nothing"), engine.open(nobody):
        pass


def test_a_text_is_cut_behind_the_first_stop_string() -> None:
    assert cut("a</x>b</y>", ("</y>", "</x>")) == "a</x>"
    assert cut("a", ("</x>",)) == "a"


def test_votes_without_a_verdict_do_not_count() -> None:
    known = judged("small", "compact")
    pair = known.pairs[0].id
    votes = [Verdict.UNPARSED, Verdict.A, Verdict.UNPARSED]
    assert known.scores(Said(pair, True, vote) for vote in votes).headline.value == 1.0
