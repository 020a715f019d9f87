"""The public names are held against the list of the last release: docs/compatibility.md."""

from __future__ import annotations

import pytest
from public_api import broken, lines, public_modules, read

import rmr1_core

WHAT_TO_DO = (
    "keep what is public: give an option its old name in `renamed`, let an old function call "
    "rmr1_core.deprecation.warn, and remove it two minor releases later, with a row of "
    "rmr1_core.deprecation.REMOVED. What was never released, or has had its two releases, leaves "
    "the list with: python tests/public_api.py --write"
)


def test_nothing_public_is_gone_or_asks_for_more() -> None:
    problems = broken(read()[1], lines())
    assert not problems, "\n".join([*problems, WHAT_TO_DO])


def test_a_release_has_its_list() -> None:
    version, _ = read()
    assert version == rmr1_core.__version__, (
        f"the list is of {version}: read what differs with python tests/public_api.py, then write "
        "it again with python tests/public_api.py --write"
    )


def test_the_list_has_hooks_names_fields_options_and_commands() -> None:
    assert {
        "hook rmr1_judged . judgment",
        "class rmr1_core.Pair . chosen required",
        "class rmr1_core.Pair . tags",
        "class rmr1_core.PromptStrategy . parse() . text (1) required",
        "function rmr1_core.testing.check_pairs . pairs (1) required",
        "value rmr1_core.testing.HOSTILE_TEXTS",
        "command rmr1 bench . --backbone",
        "component trainers/local-sft . steps",
    } <= set(lines())
    assert "rmr1_core.testing" in public_modules()


OLD = (
    "class m.A",
    "class m.A . x required",
    "class m.A . y",
    "function m.f",
    "function m.f . a (0)",
)


@pytest.mark.parametrize(
    ("new", "problems"),
    [
        (OLD, []),
        ((*OLD, "class m.A . z", "function m.f . limit", "function m.g"), []),
        ((*OLD, "class m.B", "class m.B . x required"), []),
        (OLD[1:], ["gone: class m.A"]),
        (OLD[:-1], ["gone: function m.f . a (0)"]),
        ((*OLD, "class m.A . z required"), ["now required: class m.A . z required"]),
        ((*OLD[:2], *OLD[3:], "class m.A . y required"), ["now required: class m.A . y required"]),
        (
            (*OLD[:-1], "function m.f . a (1)", "function m.f . b (0) required"),
            ["gone: function m.f . a (0)", "now required: function m.f . b (0) required"],
        ),
    ],
)
def test_what_breaks_a_promise_is_found(new: tuple[str, ...], problems: list[str]) -> None:
    assert broken(OLD, new) == problems
