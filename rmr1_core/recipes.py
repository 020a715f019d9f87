"""Recipes: reading and writing TOML, choosing one, changing one.

A recipe is data. `--set stages.sft.trainer.options.steps=100` changes a field before anything
runs, and what was resolved is stored with the run.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from rmr1_core import lookup
from rmr1_core.components import Backbone
from rmr1_core.discovery import plugins
from rmr1_core.errors import BadInput, UnknownName, UsageError
from rmr1_core.lookup import resolve_recipe
from rmr1_core.plain import plain
from rmr1_core.values import Recipe, Ref, Value
from rmr1_core.words import misfit

V = TypeVar("V", bound=Value)


def decode(text: str | bytes, path: Path | str) -> Recipe:
    """A recipe from TOML. Raises BadInput, naming the field, when it is none."""
    try:
        return msgspec.toml.decode(text, type=Recipe)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem, field = misfit(error)
        raise BadInput(path, problem, field=field or None) from None


def read(path: Path) -> Recipe:
    """A recipe from a TOML file, with the plugins that it names as absolute paths. Raises
    BadInput."""
    try:
        recipe = decode(path.read_bytes(), path)
    except OSError as error:
        raise BadInput(path, error.strerror or "cannot be read") from None
    if not recipe.plugins:
        return recipe
    files = (str(path.absolute().parent / Path(p).expanduser()) for p in recipe.plugins)
    return msgspec.structs.replace(recipe, plugins=tuple(files))


def encode(recipe: Value) -> str:
    """A recipe, or mixture, as TOML; what has no value, or an empty one by default, is left out."""
    import tomli_w

    return tomli_w.dumps(plain(recipe))


class Wanted(Value, frozen=True):
    """What a recipe has to be for; "" is anything."""

    backbone: str = ""
    trainer: str = ""
    dataset: str = ""

    def __str__(self) -> str:
        return " and ".join(filter(None, (self.backbone, self.trainer, self.dataset)))

    def fits(self, recipe: Recipe) -> bool:
        """Whether the recipe is for this; for anything, only the default one is."""
        if not str(self):
            return recipe.default
        trainers = {stage.trainer.name for stage in recipe.stages}
        datasets = {stage.dataset.name for stage in recipe.stages}
        return (
            self.backbone in ("", recipe.backbone.name)
            and self.trainer in {"", *trainers}
            and self.dataset in {"", *datasets}
        )


ANY = Wanted()


def choose(name: str | None, wanted: Wanted = ANY) -> Recipe:
    """The recipe that is meant: a file, a name, the one for what is wanted, the default.

    A recipe that is named is taken for another backbone, too.

    Raises:
        UnknownName: there is no such recipe, trainer or dataset.
        UsageError: none fits, or several do.
    """
    if name is not None:
        path = Path(name)
        recipe = read(path) if path.suffix == ".toml" else resolve_recipe(name)
        if wanted.backbone:
            recipe = msgspec.structs.replace(recipe, backbone=_as_typed(wanted.backbone, recipe))
        if str(wanted) and not wanted.fits(recipe):
            raise UsageError(
                f"recipe {recipe.name!r} is not for {wanted}; change it with: "
                "--set stages.STAGE.trainer.name=NAME or --set stages.STAGE.dataset.name=NAME"
            )
        return recipe
    for kind, typed in (("trainer", wanted.trainer), ("dataset", wanted.dataset)):
        if typed:
            lookup.resolve(kind, typed)  # which names the nearest, where there is none
    known: list[Recipe] = [offer.component for offer in plugins().offers("recipe")]
    fitting = [recipe for recipe in known if wanted.fits(recipe)]
    defaults = [recipe for recipe in fitting if recipe.default]
    match defaults or fitting:
        case [recipe]:
            return recipe
        case []:
            raise UsageError(_no_recipe(known, wanted))
        case several:
            names = ", ".join(recipe.name for recipe in several)
            raise UsageError(f"several recipes fit: {names}; say which with --recipe")


def _as_typed(backbone: str, recipe: Recipe) -> Ref:
    """The backbone that is typed; the recipe's options are for its own."""
    return recipe.backbone if backbone == recipe.backbone.name else Ref(name=backbone)


def _no_recipe(known: Iterable[Recipe], wanted: Wanted) -> str:
    """That none fits, and those that would but for their backbone."""
    if not str(wanted):
        return "no recipe is the default one; see: rmr1 list recipes"
    elsewhere = msgspec.structs.replace(wanted, backbone="")
    others = [recipe.name for recipe in known if str(elsewhere) and elsewhere.fits(recipe)]
    if wanted.backbone and others:
        lookup.resolve("backbone", wanted.backbone)
        return (
            f"no recipe is for {wanted}; take one that is for another backbone "
            f"({', '.join(others)}), with: rmr1 run --recipe NAME --backbone {wanted.backbone}"
        )
    return f"no recipe is for {wanted}; see: rmr1 list recipes"


def variant(recipe: Recipe, name: str) -> Recipe:
    """The recipe with one of its variants applied: what the variant gives replaces the recipe's.

    Raises:
        UnknownName: the recipe has no such variant.
    """
    if name not in recipe.variants:
        hint = f"rmr1 show recipes/{recipe.name}"
        raise UnknownName(f"variant of recipe {recipe.name!r}", name, recipe.variants, hint)
    changes = {
        field: value
        for field, value in msgspec.structs.asdict(recipe.variants[name]).items()
        if value is not None
    }
    return msgspec.structs.replace(recipe, name=f"{recipe.name}-{name}", **changes)


def with_settings(recipe: V, settings: Iterable[str]) -> V:
    """The recipe, or mixture, with `path.to.field=value` settings; what is in a list, such as
    stages, goes by name or by position. Another component's name leaves none of the options of the
    one before.

    Raises:
        UsageError: the path does not exist or the value does not fit.
    """
    values: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(recipe))
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals:
            raise UsageError(f"--set {setting}: write it as path.to.field=value")
        _set(values, path.split("."), _value(text), setting)
    try:
        return msgspec.convert(values, type(recipe), strict=False)
    except msgspec.ValidationError as error:
        problem, field = misfit(error)
        raise UsageError(f"--set{f' {field}' * bool(field)}: {problem}") from None


def with_presets(recipe: Recipe) -> Recipe:
    """The recipe with its backbone's presets for the trainers, where it says nothing itself."""
    backbone: Backbone = lookup.resolve("backbone", recipe.backbone)
    stages = []
    for stage in recipe.stages:
        preset = backbone.presets.get(stage.trainer.name.rpartition("/")[2], {})
        options = {**preset, **stage.trainer.options}
        trainer = msgspec.structs.replace(stage.trainer, options=options)
        stages.append(msgspec.structs.replace(stage, trainer=trainer))
    return msgspec.structs.replace(recipe, stages=tuple(stages))


def pinned(recipe: Recipe) -> Recipe:
    """The recipe with the paths that it names made absolute."""
    stages = (
        msgspec.structs.replace(
            stage,
            dataset=lookup.pinned("dataset", stage.dataset),
            trainer=lookup.pinned("trainer", stage.trainer),
        )
        for stage in recipe.stages
    )
    return msgspec.structs.replace(
        recipe,
        backbone=lookup.pinned("backbone", recipe.backbone),
        prompt=lookup.pinned("prompt", recipe.prompt),
        engine=lookup.pinned("engine", recipe.engine),
        launcher=lookup.pinned("launcher", recipe.launcher),
        stages=tuple(stages),
    )


def _set(values: Any, path: list[str], value: Any, setting: str) -> None:
    *parents, last = path
    for step in parents:
        values = _step(values, step, setting)
    if isinstance(values, list):
        values[_index(values, last, setting)] = value
    elif isinstance(values, dict):
        if last == "name" and "options" in values and _component(value) != _component(values[last]):
            values["options"] = {}  # which are another component's
        values[last] = value
    else:
        _step(values, last, setting)


def _component(name: Any) -> str:
    """Whose options they are: the name without the argument behind it."""
    return str(name).partition(":")[0]


def _step(values: Any, step: str, setting: str) -> Any:
    if isinstance(values, list):
        return values[_index(values, step, setting)]
    if not isinstance(values, dict) or step not in values:
        known = ", ".join(values) if isinstance(values, dict) else "nothing"
        raise UsageError(f"--set {setting}: there is no {step!r}; there is {known}")
    return values[step]


def _index(values: list[Any], step: str, setting: str) -> int:
    names = [value.get("name") if isinstance(value, dict) else None for value in values]
    if step in names:
        return names.index(step)
    if step.isdecimal() and int(step) < len(values):
        return int(step)
    raise UsageError(
        f"--set {setting}: there is no {step!r}; there is {', '.join(map(str, names))}"
    )


def _value(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
