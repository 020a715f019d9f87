"""The Python, the plugin and the template that the documentation shows really work."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from documentation import marked

import rmr1_core
from rmr1_core import Backbone, Completion, Dataset, Verdict, mixtures
from rmr1_core.importing import ImportRequest, find
from rmr1_core.lookup import BACKBONE_FILE, resolve, with_options
from rmr1_core.testing import check_component, example_pair, judgment


def test_the_plugin_in_the_readme_is_installed_and_trains(
    install_plugin: Callable[..., None], rmr1: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    install_plugin("brief", marked("brief").code)
    brief = resolve("reward", "brief")
    check_component(brief)
    pair = example_pair()
    assert brief(judgment(pair, Verdict.A), Verdict.A) == pytest.approx(0.999)
    assert brief(judgment(pair, Verdict.B), Verdict.A) == pytest.approx(-1.001)
    assert "right, and short" in rmr1("list", "rewards").stdout
    few = ["--set", "stages.sft.dataset.options.sft_items=20"]
    few += ["--set", "stages.grpo.dataset.options.rl_items=20"]
    done = rmr1("run", "--set", "reward.name=brief", *few, "--dry-run")
    assert done.returncode == 0, done.stderr


def test_the_reward_of_the_page_on_training_compares_the_right_answers() -> None:
    found: dict[str, Any] = {}
    exec(marked("shortest").code, found)
    shortest = found["Shortest"](name="shortest")
    assert shortest.sees_groups
    pair = example_pair()
    lengths = ((Verdict.A, 30), (Verdict.A, 20), (Verdict.B, 10), (Verdict.UNPARSED, 5))
    answers = [
        judgment(
            pair,
            verdict,
            completion=Completion(
                text="", finish_reason="stop", prompt_tokens=1, completion_tokens=length
            ),
        )
        for verdict, length in lengths
    ]
    assert shortest.group((), answers, Verdict.A) == [0.0, 1.0, 0.0, 0.0]


def test_the_scorer_in_the_readme_prints_a_headline_with_its_interval() -> None:
    printed = _run(marked("scorer").code)
    assert "Metric(name='accuracy'" in printed
    assert "n=600" in printed


def test_the_mixture_of_the_page_is_one() -> None:
    mixture = mixtures.decode(marked("mixture").code, "mixing.md")
    mixtures.check(mixture)
    assert [source.name for source in mixture.sources] == ["code", "chat"]


@pytest.mark.slow
def test_the_flow_in_the_readme_judges_with_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    tiny = resolve("backbone", "tiny").prepare(
        tmp_path / "my-judge", seed=0, corpus=lambda: ["how do i mend a boat"] * 50
    )
    (tmp_path / "my-judge" / BACKBONE_FILE).write_bytes(msgspec.json.encode(tiny))
    printed = _run(marked("flow").code)
    assert printed.startswith("toy: 0.")
    assert printed.rstrip().endswith("n=20")
    assert list(tmp_path.glob("runs/*/evaluation/report.json"))


def test_the_backbones_in_the_tutorial_are_rows() -> None:
    rows = _defined(marked("backbones").code)["rmr1_backbones"]()
    assert [(row.name, row.family) for row in rows] == [
        ("our-judge", "instruct"),
        ("our-thinker", "reasoning"),
    ]
    for row in rows:
        assert isinstance(row, Backbone)
        check_component(row)


def test_the_dataset_in_the_tutorial_reads_a_file(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    row = {"prompt": "q", "chosen": "good", "rejected": "bad"}
    file.write_bytes(msgspec.json.encode(row) + b"\n" + msgspec.json.encode(row) + b"\n")
    kind = _defined(marked("dataset").code)["OurPairs"]
    dataset: Dataset = kind(name="ours", summary="pairs", path=str(file))
    check_component(dataset)
    examples = list(dataset.examples("train", seed=0))
    assert [example.chosen_first for example in examples] == [True, False]
    assert examples[0].pair.prompt[0].content == "q"


def test_the_importer_of_the_page_makes_a_run(
    install_plugin: Callable[..., None], tmp_path: Path
) -> None:
    install_plugin("ours", marked("importer").code)
    check_component(resolve("importer", "ours"))
    row = {"id": "1", "category": "Pairwise_set/Helpfulness/Chat/Discussion", "question": "q"}
    row |= {"better": "good", "worse": "bad", "preferred": "second"}
    (tmp_path / "log.jsonl").write_bytes(msgspec.json.encode(row) + b"\n")
    (part,) = find(ImportRequest(path=str(tmp_path))).parts
    assert [judgment.correct for judgment in part.judgments] == [False]


def test_the_option_in_the_page_on_what_stays_has_an_older_name() -> None:
    steady = _defined(marked("renamed").code)["Steady"](name="steady", summary="always the same")
    check_component(steady)
    assert with_options("reward", steady, {"worth": 3.0}).value == 3.0


def test_the_tests_in_the_tutorial_are_tests(
    rmr1_engine: Callable[..., Any],
    rmr1_cli: Callable[..., Any],
) -> None:
    asked: list[Any] = []
    whole: dict[str, Any] = {}
    exec(marked("whole").code, whole)
    whole["check_plugin"] = lambda package, **how: asked.append((package, how))
    whole["test_the_plugin_keeps_the_contract"]()
    assert asked == [("rmr1-units", {"whole": True})]
    found: dict[str, Any] = {}
    exec(marked("fixtures").code, found)
    found["test_a_judge_that_always_says_a_gets_half"](rmr1_engine, rmr1_cli)


def test_the_template_in_the_documentation_asks_about_both_answers(tmp_path: Path) -> None:
    file = tmp_path / "my-template.toml"
    file.write_text(marked("template").code)
    strategy = resolve("prompt", f"file:{file}")
    check_component(strategy)
    system, user = strategy.render(example_pair().comparison(chosen_first=True))
    assert system.role == "system"
    assert user.content == (
        "Question: question 0\n\nFirst answer:\ngood answer 0\n\nSecond answer:\nbad answer 0"
    )


def _run(code: str) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "documentation", "exec"), {"__name__": "documentation"})
    return printed.getvalue()


def _defined(code: str) -> dict[str, Any]:
    """What an excerpt defines, with the imports that it leaves out."""
    imports = (
        "from __future__ import annotations\n"
        "from collections.abc import Iterator, Mapping\n"
        "from pathlib import Path\n"
        "from typing import Annotated, ClassVar\n"
        "from rmr1_core.datafiles import read_rows\n"
        f"from rmr1_core import {', '.join(rmr1_core.__all__)}\n"
    )
    module = types.ModuleType("documentation_excerpt")
    sys.modules[module.__name__] = module  # where msgspec looks annotations up
    exec(compile(imports + code, "documentation", "exec"), module.__dict__)
    return vars(module)
