"""From what a user types to a component with its options: the lookup rules.

`rm-bench` or `plugin/rm-bench`; `file:PATH` gives the component `file` its argument; a backbone
may also be a folder or a hub id. Options are converted to the types that the component declares.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, cast, get_args, get_origin

import msgspec

from rmr1_core.components import KINDS, Backbone, Component, Engine, Option, PromptStrategy
from rmr1_core.deprecation import current
from rmr1_core.discovery import Offer, Plugins, plugins
from rmr1_core.errors import AmbiguousName, BadInput, BadOption, UnknownName, UsageError
from rmr1_core.lacking import why_lacking
from rmr1_core.values import Recipe, Ref, Value
from rmr1_core.words import misfit, option_misfit, type_words

BACKBONE_FILE = "rmr1_backbone.json"
"""In a folder of weights: the backbone's record, with the prompt that it was trained with."""
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


class OptionInfo(Value, frozen=True):
    """An option of a component, for people."""

    name: str
    type: str
    default: str
    help: str


def names(kind: str, known: Plugins | None = None) -> list[str]:
    """What can be typed for a kind: plain names, and `plugin/name` where two plugins offer one."""
    offers = (known or plugins()).offers(kind)
    plain = [offer.component.name for offer in offers]
    return sorted(
        f"{offer.plugin}/{offer.component.name}"
        if plain.count(offer.component.name) > 1
        else offer.component.name
        for offer in offers
    )


def find(kind: str, name: str, known: Plugins | None = None) -> Any:
    """The component of this kind and name, as its plugin offers it.

    Raises:
        UnknownName, AmbiguousName: none, or several plugins, offer this name.
    """
    known = known or plugins()
    offers = known.offers(kind)
    qualified = [offer for offer in offers if f"{offer.plugin}/{offer.component.name}" == name]
    matches: list[Offer] = qualified or [o for o in offers if o.component.name == name]
    match matches:
        case [offer]:
            return offer.component
        case []:
            raise UnknownName(kind, name, names(kind, known), "", why_lacking(kind, name, known))
        case _:
            raise AmbiguousName(kind, name, (offer.plugin for offer in matches))


def resolve(kind: str, ref: Ref | str, known: Plugins | None = None) -> Any:
    """The component that a reference means, with the reference's options set.

    Raises:
        UnknownName, AmbiguousName, BadOption
    """
    ref = Ref(name=ref) if isinstance(ref, str) else ref
    try:
        return with_options(kind, find(kind, ref.name, known), ref.options)
    except UnknownName as unknown:
        component = _with_argument(kind, ref.name, known)
        if component is None and kind == "backbone":
            component = _backbone_elsewhere(ref.name)
        if component is None:
            raise unknown from None
        return with_options(kind, component, ref.options)


def resolve_recipe(name: str) -> Recipe:
    """The recipe of this name. Raises UnknownName, AmbiguousName."""
    return cast("Recipe", find("recipe", name))


def default_engine() -> str:
    """The name of the engine to use when none is named.

    Raises:
        UsageError: no installed engine, or more than one, says that it is the default.
    """
    engines: list[Engine] = [offer.component for offer in plugins().offers("engine")]
    match [engine.name for engine in engines if engine.default]:
        case [name]:
            return name
        case _:
            raise UsageError("say which engine to use with --engine; see: rmr1 list engines")


def default_prompt(backbone: Backbone) -> Ref:
    """The prompt strategy of a backbone when the user names none.

    Raises:
        UsageError: none is the default of its family.
    """
    if backbone.prompt:
        return Ref(name=backbone.prompt, options=backbone.prompt_options)
    strategies: list[PromptStrategy] = [offer.component for offer in plugins().offers("prompt")]
    match [s.name for s in strategies if s.default_for == backbone.family]:
        case [name]:
            return Ref(name=name)
        case _:
            raise UsageError("say which prompt to use with --prompt; see: rmr1 list prompts")


def with_options(kind: str, component: Component, options: Mapping[str, Any]) -> Component:
    """The component with some of its options changed.

    Raises:
        BadOption: there is no such option, or the value does not fit its type or bounds.
    """
    if not options:
        return component
    types = {field.name: field.type for field in _option_fields(component)}
    changes = {}
    for name, value in current(kind, component, options).items():
        if name not in types:
            known = ", ".join(sorted(types)) or "none"
            raise BadOption(kind, component.name, f"no option {name!r}; its options: {known}")
        try:
            changes[name] = _converted(value, types[name])
        except msgspec.ValidationError as error:
            problem = f"option {name!r}: {option_misfit(error, types[name], value)}"
            raise BadOption(kind, component.name, problem) from None
    return msgspec.structs.replace(component, **changes)


def option_infos(component: Component) -> list[OptionInfo]:
    """The options of a component with types, defaults and help."""
    return [
        OptionInfo(
            name=field.name,
            type=type_words(field.type),
            default=_plain(getattr(component, field.name)),
            help=_described(field.type) or "",
        )
        for field in _option_fields(component)
    ]


def pinned(kind: str, ref: Ref) -> Ref:
    """The same reference with its paths made absolute: a folder of weights, the file of
    `NAME:PATH`, options that are paths. So it means the same from another folder.
    """
    name, colon, argument = ref.name.partition(":")
    if kind == "backbone" and ref.name not in names(kind) and _folder(ref.name):
        return msgspec.structs.replace(ref, name=str(_folder(ref.name)))
    if colon and Path(argument).expanduser().exists():
        path = Path(argument).expanduser().resolve()
        ref = msgspec.structs.replace(ref, name=f"{name}:{path}")
    try:
        component = resolve(kind, Ref(name=ref.name))
    except UsageError:
        return ref  # said where it is used
    paths = {f.name: how for f in _option_fields(component) if (how := _as_path(f.type))}
    options = dict(ref.options)
    for option, value in ref.options.items():
        path = Path(str(value)).expanduser()
        if value and option in paths and (paths[option] == "always" or path.exists()):
            options[option] = str(path.resolve())
    return msgspec.structs.replace(ref, options=options)


def _with_argument(kind: str, text: str, known: Plugins | None) -> Component | None:
    name, colon, argument = text.partition(":")
    if not (colon and kind in KINDS):
        return None
    try:
        component: Component = find(kind, name, known)
    except UnknownName:
        return None
    if not component.argument:
        raise BadOption(kind, name, f"it takes no argument, and {argument!r} was given")
    return with_options(kind, component, {component.argument: argument})


def _backbone_elsewhere(name: str) -> Backbone | None:
    folder = _folder(name)
    if folder is not None:
        return _backbone_in(folder)
    looks_like_path = name.startswith((".", "~", "/")) or name.count("/") > 1
    if looks_like_path:
        raise BadInput(name, "no such folder of weights")
    if _HUB_ID.fullmatch(name):
        return Backbone(name=name, model=name)
    return None


def _folder(name: str) -> Path | None:
    path = Path(name).expanduser()
    return path.resolve() if name and path.is_dir() else None


def _backbone_in(folder: Path) -> Backbone:
    record = folder / BACKBONE_FILE
    if not record.is_file():
        return Backbone(name=folder.name, model=str(folder))
    try:
        backbone = msgspec.json.decode(record.read_bytes(), type=Backbone)
    except msgspec.DecodeError as error:
        problem, field = misfit(error)
        raise BadInput(record, problem, field=field or None) from None
    return msgspec.structs.replace(backbone, model=str(folder))


def _converted(value: Any, type_: Any) -> Any:
    """The value as this type. Text, which is what a command line gives, may be JSON of it, and a
    list may be written with commas."""
    plain = get_args(type_)[0] if get_origin(type_) is Annotated else type_
    if isinstance(value, str) and get_origin(plain) is tuple and not value.startswith("["):
        value = value.split(",")
    try:
        return msgspec.convert(value, type_, strict=False)
    except msgspec.ValidationError:
        if not (isinstance(value, str) and value[:1] in ("[", "{")):
            raise
        try:
            return msgspec.json.decode(value, type=type_)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError as error:
            raise msgspec.ValidationError(str(error)) from None


def _option_fields(component: Component) -> list[msgspec.structs.FieldInfo]:
    return [f for f in msgspec.structs.fields(component) if _described(f.type) is not None]


def _described(type_: Any) -> str | None:
    if get_origin(type_) is Annotated:
        for note in get_args(type_)[1:]:
            if isinstance(note, Option) and note.description:
                return note.description
    return None


def _as_path(type_: Any) -> str:
    notes = get_args(type_)[1:] if get_origin(type_) is Annotated else ()
    extras = [note.extra or {} for note in notes if isinstance(note, Option)]
    return next((extra["path"] for extra in extras if "path" in extra), "")


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
