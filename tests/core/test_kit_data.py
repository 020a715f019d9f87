"""The checks of datasets, backbones and environments fail where a rule is broken."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest

from rmr1_core import (
    Backbone,
    Dataset,
    Environment,
    EnvironmentVariant,
    Example,
    Importer,
    LoggedJudgment,
    Message,
    Option,
    Verdict,
)
from rmr1_core.errors import BadOption, UnknownName, UsageError
from rmr1_core.testing import check_component, check_dataset, check_importer, example_pair

_numbers = itertools.count()


class Rows(Dataset, frozen=True, kw_only=True):
    """Two examples with one defect, or none."""

    defect: Annotated[str, Option(description="what is wrong with it")] = ""

    def examples(self, split: str, *, seed: int) -> Iterator[Any]:
        changes: dict[str, Any] = {
            "same answers": {"chosen": "bad answer 1"},
            "no prompt": {"prompt": ()},
            "no question": {"prompt": (Message("assistant", "hello"),)},
            "drifting": {"chosen": f"good {next(_numbers)}"},
            "twice": {"id": "pair-0"},
        }.get(self.defect, {})
        if self.defect == "empty":
            return
        traces = {"wrong": "<answer>[[B]]</answer>", "untagged": "A is better."}
        trace = traces.get(self.defect, "<rubric>short</rubric><answer>[[A]]</answer>")
        yield Example(pair=example_pair(0), chosen_first=True, trace=trace)
        if self.defect == "bare pair":
            yield example_pair(1)
        yield Example(pair=example_pair(1, **changes), chosen_first=True)

    def check_split(self, split: str) -> None:
        match self.defect:
            case "any split":
                return
            case "vague split":
                raise UsageError("no")
        super().check_split(split)


def test_a_dataset_that_keeps_its_contract_passes() -> None:
    check_dataset(Rows(name="rows", summary="x"))


@pytest.mark.parametrize(
    ("defect", "complaint"),
    [
        ("empty", "split 'train' is empty"),
        ("drifting", "two readings with one seed differ"),
        ("twice", "ids are not unique"),
        ("bare pair", "which is no Example"),
        ("same answers", "both answers are the same"),
        ("no prompt", "the conversation is empty"),
        ("no question", "answers follow a user's turn"),
        ("wrong", "the trace says B, and the right verdict is A"),
        ("untagged", "the trace says unparsed"),
        ("any split", "refuses nothing"),
        ("vague split", "say which split is not there"),
    ],
)
def test_a_dataset_that_breaks_a_rule_is_told(defect: str, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_dataset(Rows(name="rows", summary="x", defect=defect))


def test_a_dataset_without_splits_is_told() -> None:
    for check in (check_dataset, check_component):
        with pytest.raises(AssertionError, match="at least one split"):
            check(Rows(name="rows", summary="x", splits=()))


def test_a_backbone_names_a_prompt_that_exists_and_presets_that_fit() -> None:
    def backbone(**changes: Any) -> Backbone:
        return Backbone(name="b", summary="x", model="m", **changes)

    check_component(backbone(prompt="direct", presets={"local-sft": {"steps": 3}, "other": {}}))
    with pytest.raises(UnknownName, match="no prompt named 'dirct'"):
        check_component(backbone(prompt="dirct"))
    with pytest.raises(BadOption, match="no option 'stepz'"):
        check_component(backbone(presets={"local-sft": {"stepz": 3}}))


def environment(folder: Path, name: str = "cpu", **changes: Any) -> Environment:
    (folder / "some.txt").write_text("some==1.0\n")
    (folder / "some.lock").write_text("some==1.0 \\\n    --hash=sha256:00\n")
    (folder / "bare.lock").write_text("some==1.0\n")
    files = {"requirements": folder / "some.txt", "lock": folder / "some.lock"}
    variant = EnvironmentVariant(**{**files, **changes})
    return Environment(name="some", summary="x", module="some", variants={name: variant})


def test_an_environment_with_its_files_passes(tmp_path: Path) -> None:
    check_component(environment(tmp_path))
    check_component(environment(tmp_path, lock=tmp_path / "none", platforms=()))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"requirements": "none.txt"}, r"none\.txt is not there"),
        ({"lock": "none.lock"}, r"none\.lock is not there; write it: rmr1 env lock"),
        ({"lock": "bare.lock"}, r"bare\.lock has no hashes"),
        ({"packages": "none"}, "a package to install, is not there"),
        ({"name": "gpu"}, "variant 'gpu': they are called cuda and cpu"),
    ],
)
def test_an_environment_that_breaks_a_rule_is_told(
    tmp_path: Path, changes: dict[str, str], complaint: str
) -> None:
    paths: dict[str, Any] = {key: tmp_path / file for key, file in changes.items()}
    if "packages" in paths:
        paths["packages"] = (paths["packages"],)
    if "name" in changes:
        paths = dict(changes)
    with pytest.raises(AssertionError, match=complaint):
        check_component(environment(tmp_path, **paths))


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (Environment(name="e", summary="x", module="no module", variants={}), "no module's name"),
        (Environment(name="e", summary="x", module="some", variants={}), "at least one variant"),
    ],
)
def test_an_environment_of_nothing_is_told(broken: Environment, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_component(broken)


class Logs(Importer, frozen=True, kw_only=True):
    """An importer with one defect, or none."""

    defect: Annotated[str, Option(description="what is wrong with it")] = ""

    def files(self, path: Path) -> list[Path]:
        if self.defect == "blind":
            return []
        return [path] if path.suffix == ".log" else list(path.glob("*.log"))

    def judgments(self, path: Path) -> Iterator[Any]:
        for file in [] if self.defect == "empty" else self.files(path):
            yield LoggedJudgment(
                benchmark="" if self.defect == "no benchmark" else "rmb",
                pair=example_pair(next(_numbers) if self.defect == "drifting" else 0),
                chosen_first=True,
                verdict=None if self.defect == "no verdict" else Verdict.A,
                path="elsewhere" if self.defect == "stray" else str(file),
                row=0 if self.defect == "from zero" else 1,
            )


def test_an_importer_that_keeps_its_contract_passes(tmp_path: Path) -> None:
    (tmp_path / "a.log").touch()
    check_component(Logs(name="logs", summary="x"))
    check_importer(Logs(name="logs", summary="x"), tmp_path)


@pytest.mark.parametrize(
    ("defect", "complaint"),
    [
        ("blind", "it does not know"),
        ("empty", "it finds no judgment"),
        ("drifting", "two readings differ"),
        ("stray", "not one of its files"),
        ("from zero", "rows count from 1"),
        ("no benchmark", "of which benchmark"),
        ("no verdict", "neither a verdict nor a text"),
    ],
)
def test_an_importer_that_breaks_a_rule_is_told(
    tmp_path: Path, defect: str, complaint: str
) -> None:
    (tmp_path / "a.log").touch()
    with pytest.raises(AssertionError, match=complaint):
        check_importer(Logs(name="logs", summary="x", defect=defect), tmp_path)
