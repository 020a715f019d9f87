"""What holds for every component, and what each kind demands without data, weights or a network."""

from __future__ import annotations

import math
import re
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from rmr1_core.components import (
    KINDS,
    Backbone,
    Benchmark,
    Component,
    Dataset,
    Environment,
    Importer,
    PromptStrategy,
    RewardFunction,
    Trainer,
)
from rmr1_core.lookup import names, option_infos, resolve
from rmr1_core.testing.logs import check_not_known
from rmr1_core.testing.made import HOSTILE_TEXTS, example_pair, example_task, judgment
from rmr1_core.values import Comparison, Job, Message, Ref, Verdict

_NAME = re.compile(r"[a-z0-9][a-z0-9.\-]*")
_BASE_FIELDS = {
    field for kind in KINDS.values() for field in kind.__struct_fields__ if field != "model"
}
_LINES: tuple[dict[str, Any], ...] = (
    {},
    {"event": "step"},
    {"event": "done"},
    {"event": None, "step": "three", "data": [None]},
    {"level": "warning", "message": "x" * 1000},
)
"""Lines that may stand in a job's events file, whatever wrote them."""


def check_component(component: Component) -> None:
    """Assert what holds for every component, and what its kind demands.

    It needs no data, weights or network. What does has checks of its own: `check_pairs`,
    `check_engine`, `check_dataset`, `check_training`, `check_launcher`, `check_importer`.
    """
    assert _NAME.fullmatch(component.name), f"{component.name!r}: lower case, digits, '-' and '.'"
    assert component.summary, f"{component.name}: say in one line what it is"
    described = {info.name for info in option_infos(component)}
    for field in msgspec.structs.fields(component):
        assert field.name in described | _BASE_FIELDS, f"option {field.name} has no description"
    match component:
        case PromptStrategy():
            _check_prompt(component)
        case RewardFunction():
            _check_reward(component)
        case Benchmark():
            assert component.scorings, "a benchmark has at least one scoring rule"
        case Backbone():
            _check_backbone(component)
        case Trainer():
            _check_plan(component)
        case Dataset():
            assert component.splits, "a dataset has at least one split"
        case Environment():
            _check_environment(component)
        case Importer():
            check_not_known(component)


def _check_prompt(strategy: PromptStrategy) -> None:
    for text in HOSTILE_TEXTS:
        assert isinstance(strategy.parse(text), Verdict), f"parse({text[:40]!r}) is no verdict"
    for answer in HOSTILE_TEXTS[1:]:
        prompt = (Message("user", "q1"), Message("assistant", "a1"), Message("user", "q2"))
        comparison = Comparison(prompt=prompt, a=f"first {answer}", b=f"second {answer}")
        messages = strategy.render(comparison)
        whole = "\n".join(message.content for message in messages)
        for part in (comparison.a, comparison.b, "q1", "a1", "q2"):
            assert part in whole, f"{part[:40]!r} does not reach the judge"
        assert messages[-1].role == "user", "the judge answers to a user's turn"
        assert strategy.render(comparison) == messages, "rendering is not repeatable"


def _check_reward(reward: RewardFunction) -> None:
    if reward.sees_groups:  # it asks a judge, or cannot price an answer alone
        return
    pair = example_pair()
    for verdict in Verdict:
        for text in HOSTILE_TEXTS:
            value = reward(judgment(pair, verdict, text), Verdict.A)
            assert isinstance(value, float), f"{verdict}: a reward is a float, not {value!r}"
            assert math.isfinite(value), f"{verdict}: {value}"


def _check_backbone(backbone: Backbone) -> None:
    if backbone.prompt:
        resolve("prompt", Ref(name=backbone.prompt, options=backbone.prompt_options))
    trainers = set(names("trainer"))
    for trainer, options in backbone.presets.items():
        if trainer in trainers:
            resolve("trainer", Ref(name=trainer, options=options))  # or says which does not fit


def _check_plan(trainer: Trainer) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve()
        task = example_task(trainer, folder)
        job = trainer.plan(task)
        assert isinstance(job, Job), f"plan returned {job!r}, which is no Job"
        assert trainer.plan(task) == job, "plan is not pure: two plans of one task differ"
        assert not list(folder.iterdir()), "plan is not pure: it wrote into the run's folder"
        assert job.steps, "a job has at least one step"
        for what in ("events", "log", "checkpoint"):
            path = Path(getattr(job, what))
            assert path.is_relative_to(task.output), f"{what} {str(path)!r} is not in task.output"
        for path in map(Path, job.files):
            assert path.is_relative_to(task.output), f"file {str(path)!r} is not in task.output"
        assert job.environment == trainer.environment, "the job is for another environment"
    for line in _LINES:
        event = trainer.event(line)
        assert event is None or isinstance(event, dict), f"event({line!r}) is {event!r}"


def _check_environment(environment: Environment) -> None:
    assert environment.module.isidentifier(), f"module {environment.module!r} is no module's name"
    assert environment.variants, "an environment has at least one variant"
    for name, variant in environment.variants.items():
        assert name in ("cuda", "cpu"), f"variant {name!r}: they are called cuda and cpu"
        assert variant.requirements.is_file(), f"{variant.requirements} is not there"
        for package in variant.packages:
            assert package.is_dir(), f"{package}, a package to install, is not there"
        if not variant.platforms:
            continue  # resolved on the spot, everywhere
        assert variant.lock.is_file(), f"{variant.lock} is not there; write it: rmr1 env lock"
        lock = variant.lock.read_text(encoding="utf-8")
        assert "--hash=sha256:" in lock, f"{variant.lock} has no hashes; write it: rmr1 env lock"
