from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rmr1_core import Backbone, Ref
from rmr1_core.errors import AmbiguousName, BadInput, BadOption, UnknownName, UsageError
from rmr1_core.lookup import (
    BACKBONE_FILE,
    default_engine,
    default_prompt,
    find,
    names,
    option_infos,
    pinned,
    resolve,
)

Install = Callable[..., None]

PROMPT = """
from typing import Annotated, ClassVar
from rmr1_core import PATH, Message, Option, PromptStrategy, Verdict, hookimpl

class Words(PromptStrategy, frozen=True, kw_only=True):
    argument: ClassVar[str] = "path"
    path: Annotated[str, Option(extra=PATH, description="file of words")] = "nothing"
    count: Annotated[int, Option(description="how many", ge=1, le=9)] = 3
    share: Annotated[float, Option(description="how much", ge=0, le=1)] = 0.5
    loud: Annotated[bool, Option(description="shout")] = False
    kinds: Annotated[tuple[str, ...], Option(description="which")] = ("a",)
    extra: Annotated[dict[str, int], Option(description="passed on")] = {}
    most: Annotated[int | None, Option(description="at most")] = None

    def render(self, comparison):
        return (Message("user", self.path),)

    def parse(self, text):
        return Verdict.UNPARSED

class Plain(PromptStrategy, frozen=True, kw_only=True):
    def render(self, comparison):
        return ()

    def parse(self, text):
        return Verdict.UNPARSED

@hookimpl
def rmr1_prompts():
    return [Words(name="words", summary="w"), Plain(name="same", summary="p")]
"""


@pytest.fixture
def two(install_plugin: Install) -> None:
    install_plugin("one", PROMPT)
    install_plugin("two", PROMPT.replace('"words"', '"other"'))


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(UnknownName) as error:
        find("benchmark", "rmbench")
    assert str(error.value) == "no benchmark named 'rmbench'; did you mean 'rm-bench'?"


def test_a_name_like_nothing_gets_the_list() -> None:
    with pytest.raises(UnknownName, match="no trainer named 'zzzz'; see: rmr1 list trainers"):
        find("trainer", "zzzz")


def test_a_clash_asks_for_the_plugin(two: None) -> None:
    with pytest.raises(AmbiguousName, match="several plugins; say one/same or two/same"):
        find("prompt", "same")


def test_a_plugin_before_the_name_decides_a_clash(two: None) -> None:
    assert type(find("prompt", "two/same")).__module__ == "installed_two"


def test_a_plugin_may_stand_before_a_name_without_a_clash(two: None) -> None:
    assert find("prompt", "one/words") is find("prompt", "words")


def test_names_that_clash_are_listed_with_their_plugins(two: None) -> None:
    assert {"one/same", "two/same", "words", "other"} <= set(names("prompt"))
    assert "same" not in names("prompt")


@pytest.mark.parametrize("name", ["words:some/file", "one/words:some/file"])
def test_what_stands_behind_a_colon_is_the_argument(two: None, name: str) -> None:
    assert resolve("prompt", name).path == "some/file"


def test_an_argument_may_hold_colons(two: None) -> None:
    assert resolve("prompt", "words:C:/x:y").path == "C:/x:y"


def test_a_component_without_argument_refuses_one(two: None) -> None:
    with pytest.raises(
        BadOption, match="prompt 'one/same': it takes no argument, and 'x' was given"
    ):
        resolve("prompt", "one/same:x")


@pytest.mark.parametrize(
    ("option", "given", "got"),
    [
        ("count", "7", 7),
        ("share", "1", 1.0),
        ("loud", "true", True),
        ("loud", "0", False),
        ("kinds", '["x", "y"]', ("x", "y")),
        ("kinds", ["x"], ("x",)),
        ("kinds", "x", ("x",)),
        ("kinds", "x,y", ("x", "y")),
        ("extra", '{"x": 1}', {"x": 1}),
        ("most", "null", None),
        ("most", "4", 4),
        ("path", "[x", "[x"),
    ],
)
def test_an_option_is_converted_to_its_type(two: None, option: str, given: Any, got: Any) -> None:
    assert getattr(resolve("prompt", Ref(name="words", options={option: given})), option) == got


@pytest.mark.parametrize(
    ("option", "given", "problem"),
    [
        ("count", "seven", "option 'count': expected int, got str, and not 'seven'"),
        ("count", "0", "option 'count': expected int >= 1, and not '0'"),
        ("count", 10, "option 'count': expected int <= 9, and not 10"),
        ("kinds", "[1", "option 'kinds': "),
        ("kinds", "[1]", "option 'kinds': expected str, got int"),
        ("colour", "red", "no option 'colour'; its options: count, extra, kinds, loud, most"),
        ("name", "x", "no option 'name'"),
        ("default_for", "x", "no option 'default_for'"),
    ],
)
def test_an_option_that_does_not_fit_is_refused_with_its_name(
    two: None, option: str, given: Any, problem: str
) -> None:
    with pytest.raises(BadOption) as error:
        resolve("prompt", Ref(name="words", options={option: given}))
    assert f"prompt 'words': {problem}" in str(error.value)
    assert str(error.value).endswith("; see: rmr1 show prompts/words")


def test_options_tell_type_default_and_help(two: None) -> None:
    infos = {info.name: info for info in option_infos(find("prompt", "words"))}
    assert list(infos) == ["path", "count", "share", "loud", "kinds", "extra", "most"]
    assert (infos["count"].type, infos["count"].default, infos["count"].help) == (
        "int",
        "3",
        "how many",
    )


def test_a_folder_is_a_backbone(tmp_path: Path) -> None:
    (tmp_path / "my-judge").mkdir()
    backbone = resolve("backbone", str(tmp_path / "my-judge"))
    assert backbone == Backbone(name="my-judge", model=str(tmp_path / "my-judge"))


def test_a_folder_without_a_slash_is_a_backbone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "judge").mkdir()
    monkeypatch.chdir(tmp_path)
    assert resolve("backbone", "judge").model == str(tmp_path / "judge")


def test_a_folder_with_a_record_is_asked_as_it_was_trained(tmp_path: Path) -> None:
    trained = Backbone(name="t", model="elsewhere", prompt="compact", max_new_tokens=72)
    (tmp_path / BACKBONE_FILE).write_bytes(msgspec.json.encode(trained))
    found = resolve("backbone", str(tmp_path))
    assert found == msgspec.structs.replace(trained, model=str(tmp_path))
    assert default_prompt(found) == Ref(name="compact")


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / BACKBONE_FILE).write_text("{")
    with pytest.raises(BadInput, match=BACKBONE_FILE):
        resolve("backbone", str(tmp_path))


@pytest.mark.parametrize("name", ["./nowhere", "/no/where", "a/b/c", "~/no-such-folder"])
def test_a_path_that_does_not_exist_is_no_hub_id(name: str) -> None:
    with pytest.raises(BadInput, match="no such folder of weights"):
        resolve("backbone", name)


def test_a_hub_id_is_a_backbone_with_options() -> None:
    found = resolve("backbone", Ref(name="org/Some_Model-7B", options={"family": "reasoning"}))
    assert (found.model, found.family) == ("org/Some_Model-7B", "reasoning")


@pytest.mark.parametrize("name", ["", "no-such-backbone"])
def test_a_word_is_no_backbone_unless_a_plugin_says_so(name: str) -> None:
    with pytest.raises(UnknownName, match="no backbone named"):
        resolve("backbone", name)


@pytest.mark.parametrize("kind", ["prompt", "engine", "recipe"])
def test_only_backbones_may_be_folders_and_hub_ids(kind: str) -> None:
    with pytest.raises(UnknownName):
        find(kind, "org/model") if kind == "recipe" else resolve(kind, "org/model")


def test_a_family_has_one_default_prompt() -> None:
    for family in ("instruct", "reasoning"):
        backbone = Backbone(name="x", model="x", family=family)  # type: ignore[arg-type]
        assert resolve("prompt", default_prompt(backbone)).default_for == family


def test_without_a_default_one_must_say_which(monkeypatch: pytest.MonkeyPatch) -> None:
    from rmr1_core.discovery import plugins

    everything = ",".join(plugin.name for plugin in plugins().listing())
    monkeypatch.setenv("RMR1_DISABLE_PLUGINS", everything)
    plugins.cache_clear()
    try:
        with pytest.raises(UsageError, match="--engine; see: rmr1 list engines"):
            default_engine()
        with pytest.raises(UsageError, match="--prompt; see: rmr1 list prompts"):
            default_prompt(Backbone(name="x", model="x"))
    finally:
        plugins.cache_clear()


def test_options_that_are_paths_are_pinned_and_no_others(
    two: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = Ref(name="words", options={"path": "x.txt", "kinds": "y.txt"})
    options = {"path": os.fspath(tmp_path / "x.txt"), "kinds": "y.txt"}
    assert pinned("prompt", given) == Ref(name="words", options=options)


@pytest.mark.parametrize(
    ("kind", "name", "absolute"),
    [
        ("backbone", "judge", "{here}/judge"),
        ("backbone", "./judge", "{here}/judge"),
        ("backbone", "org/model", "org/model"),
        ("prompt", "file:words.txt", "file:{here}/words.txt"),
        ("prompt", "file:no-such.txt", "file:no-such.txt"),
        ("prompt", "plain", "plain"),
    ],
)
def test_a_pinned_reference_means_the_same_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str, absolute: str
) -> None:
    (tmp_path / "judge").mkdir()
    (tmp_path / "words.txt").touch()
    monkeypatch.chdir(tmp_path)
    options: Mapping[str, Any] = {"x": 1}
    expected = Ref(name=absolute.format(here=os.fspath(tmp_path)), options=options)
    assert pinned(kind, Ref(name=name, options=options)) == expected
