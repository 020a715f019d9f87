"""A plugin that is broken, slow, or hostile by accident: each case is a sentence, and stops
nothing."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from rmr1_core import shielding
from rmr1_core.cli import run_command
from rmr1_core.discovery import Plugin, plugins
from rmr1_core.health import _installation, _of_plugins
from rmr1_core.observers import Observers
from rmr1_core.testing import example_pair, judgment
from rmr1_core.values import Verdict

Install = Callable[..., None]

GOOD = """
from rmr1_core import RewardFunction, hookimpl

class Constant(RewardFunction, frozen=True):
    def __call__(self, judgment, label):
        return 1.0

@hookimpl
def rmr1_rewards():
    return [Constant(name="constant", summary="always one")]
"""


@pytest.fixture
def listed(install_plugin: Install, capfd: pytest.CaptureFixture[str]) -> Callable[..., Plugin]:
    """Install a plugin with this source beside a good one, and list what there is: the good one
    works, and the standard output is JSON."""

    def look(source: str, name: str = "bad") -> Plugin:
        if name == "bad":
            install_plugin("good", GOOD)
        install_plugin(name, source)
        capfd.readouterr()
        assert run_command(["list", "rewards", "--json"]) == 0
        rows = json.loads(capfd.readouterr().out)
        assert ("constant", "good") in {(row["name"], row["plugin"]) for row in rows}
        return next(plugin for plugin in plugins().listing() if plugin.name == name)

    return look


def offering(body: str, hook: str = "rmr1_rewards()") -> str:
    head = GOOD.rpartition("@hookimpl")[0]
    return f"{head}@hookimpl\ndef {hook}:\n    {body}\n"


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import not_there", "ModuleNotFoundError: No module named 'not_there'"),
        ("raise SystemExit('no GPU')", "SystemExit: no GPU"),
        ("def f(:", "SyntaxError: invalid syntax (installed_bad.py, line 1)"),
        (
            GOOD.replace("rmr1_rewards", "rmr1_reward"),
            "PluginValidationError: no hook is named 'rmr1_reward'; did you mean 'rmr1_rewards'?",
        ),
        (
            offering("pass", "rmr1_judged(answer, verdict)"),
            "PluginValidationError: hook rmr1_judged takes judgment, and not answer, verdict",
        ),
        (
            GOOD.replace("@hookimpl", "@hookimpl(wrapper=True)"),
            "PluginValidationError: hook rmr1_rewards may not be a wrapper",
        ),
    ],
)
def test_a_plugin_that_cannot_be_loaded_says_why(
    listed: Callable[..., Plugin], source: str, error: str
) -> None:
    assert listed(source).error == error


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("return None", "returned None, which is not a list of RewardFunction"),
        ("return 42", "returned 42, which is not a list of RewardFunction"),
        ("return ['brief']", "returned 'brief', which is not a RewardFunction"),
        ("return [Constant]", "which is not a RewardFunction"),
        ("return Constant(name='one')", "which is not a list of RewardFunction"),
        ("return [Constant(name=7)]", "the name 7 is no string"),
        ("return [Constant(name='')]", "'' is no name that can be typed"),
        ("return [Constant(name='a', summary=None)]", "the summary of 'a' is no string"),
        ("return [Constant(name='a'), Constant(name='a')]", "returned two of the name 'a'"),
        ("yield Constant(name='a'); raise OSError('torn')", "OSError: torn"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_a_hook_that_offers_nonsense_says_what(
    listed: Callable[..., Plugin], body: str, error: str
) -> None:
    assert error in listed(offering(body)).error


def test_a_name_that_two_plugins_offer_is_an_error_only_where_it_is_used(
    listed: Callable[..., Plugin], capfd: pytest.CaptureFixture[str]
) -> None:
    assert listed(GOOD).error == ""
    assert run_command(["show", "rewards/constant"]) == 2
    assert "is offered by several plugins; say bad/constant or good/constant" in (
        capfd.readouterr().err
    )
    assert run_command(["show", "rewards/bad/constant"]) == 0


@pytest.mark.parametrize(
    "noise",
    [
        "print('hello')",
        "import sys; sys.stdout.write('hello')",
        "import os; os.write(1, b'hello')",
        "import os; os.system('echo hello')",
        "import sys; sys.__stdout__.write('hello')",
        "import sys; sys.stdout = open('/dev/null', 'w')",
        "import logging, sys; logging.basicConfig(stream=sys.stdout, level=0)",
    ],
)
def test_what_a_plugin_prints_does_not_reach_the_standard_output(
    listed: Callable[..., Plugin], noise: str
) -> None:
    assert listed(f"{noise}\n{GOOD}").error == ""
    assert listed(offering(f"{noise}; return []"), name="worse").error == ""


@pytest.fixture
def process() -> Callable[[], Any]:
    """What plugins change by accident, as it is now."""
    return lambda: (
        [*sys.argv],
        os.getcwd(),  # noqa: PTH109
        [*logging.root.handlers],
        logging.root.level,
        sys.excepthook,
        signal.getsignal(signal.SIGINT),
        [*warnings.filters],
    )


@pytest.mark.parametrize(
    ("deed", "changed"),
    [
        ("import sys; sys.argv[1:] = ['x']", "sys.argv"),
        ("import sys; sys.argv = []", "sys.argv"),
        ("import os; os.chdir('/')", "the working folder"),
        ("import logging; logging.root.setLevel(5)", "the root of logging"),
        (
            "import logging; logging.root.addHandler(logging.StreamHandler())",
            "the root of logging",
        ),
        ("import sys; sys.excepthook = print", "sys.excepthook"),
        ("import warnings; warnings.simplefilter('error')", "the filters of warnings"),
        (
            "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)",
            "the handler of SIGINT",
        ),
    ],
)
def test_what_an_import_does_to_the_process_is_put_back_and_said(
    listed: Callable[..., Plugin], process: Callable[[], Any], deed: str, changed: str
) -> None:
    before = process()
    plugin = listed(f"{deed}\n{GOOD}")
    assert process() == before
    assert plugin.changed == (changed,)
    assert plugin.error == ""
    details = [check.detail for check in _installation() if check.name == "plugin bad"]
    assert details == [f"its import changed {changed}; that was put back"]


def test_a_library_may_filter_its_own_warnings(listed: Callable[..., Plugin]) -> None:
    source = "import warnings; warnings.filterwarnings('ignore', message='of this library')"
    with warnings.catch_warnings():
        assert listed(f"{source}\n{GOOD}").changed == ()


def test_a_slow_plugin_is_named_with_its_time(
    install_plugin: Install, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shielding, "SLOW_SECONDS", 0.05)
    for user in ("rmr1_core.health", "rmr1_core.cli.inspect"):
        monkeypatch.setattr(f"{user}.SLOW_SECONDS", 0.05)
    install_plugin("sleeper", f"import time; time.sleep(0.1)\n{GOOD}")
    assert run_command(["plugins"]) == 0
    assert "SLOW: 0.1 s to import" in " ".join(capsys.readouterr().out.split())
    (check,) = (check for check in _installation() if check.name == "plugin sleeper")
    assert check.ok is None
    assert check.detail.startswith("its import takes 0.1 s of every command")


def test_an_interrupted_import_names_the_plugin(
    install_plugin: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install_plugin("endless", "raise KeyboardInterrupt")
    assert run_command(["list", "rewards"]) == 130
    assert "interrupted while plugin 'endless' was imported; switch it off with " in (
        capsys.readouterr().err
    )


COMMANDS = """
import click
from rmr1_core import hookimpl

@hookimpl
def rmr1_commands(cli):
    {deed}
"""


@pytest.mark.parametrize(
    ("deed", "warning"),
    [
        ("cli.command('list')(lambda: None)", "plugin 'bad' may not replace command 'list'"),
        ("del cli.commands['list']", "plugin 'bad' may not replace command 'list'"),
        ("cli.commands.clear()", "plugin 'bad' may not replace command 'list'"),
        ("raise SystemExit(1)", "plugin 'bad' cannot add its commands: SystemExit(1)"),
        ("return cli.no_such_thing", "plugin 'bad' cannot add its commands: AttributeError"),
        ("cli.callback = lambda: 1 / 0", ""),
        ("cli.params.clear()", ""),
        ("print('hello')", "hello"),
    ],
)
def test_a_plugin_cannot_harm_the_commands_of_others(
    listed: Callable[..., Plugin], capfd: pytest.CaptureFixture[str], deed: str, warning: str
) -> None:
    assert listed(COMMANDS.format(deed=deed)).error == ""
    assert run_command(["--help"]) == 0
    printed = capfd.readouterr()
    assert warning in printed.err
    assert "  list " in printed.out
    assert "--plugin FILE" in printed.out


@pytest.mark.parametrize("raised", ["ValueError('down')", "SystemExit(1)"])
def test_an_observer_that_raises_is_named_once(
    install_plugin: Install, capsys: pytest.CaptureFixture[str], raised: str
) -> None:
    install_plugin("bad", offering(f"raise {raised}", "rmr1_judged(judgment)"))
    observers = Observers()
    for _ in range(2):
        observers.judged(judgment(example_pair(), Verdict.A))
    said = capsys.readouterr().err
    assert said == f"warning: observer of plugin 'bad' raised {raised}; it is ignored\n"


def test_what_an_observer_prints_does_not_reach_the_standard_output(
    install_plugin: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install_plugin("loud", offering("print('heard')", "rmr1_judged(judgment)"))
    Observers().judged(judgment(example_pair(), Verdict.A))
    assert capsys.readouterr() == ("", "heard\n")


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("return ['fine']", "it could not look: TypeError: hook rmr1_checks returned 'fine', "),
        ("return None", "it could not look: TypeError: hook rmr1_checks returned None, "),
        ("raise SystemExit(1)", "it could not look: SystemExit: 1"),
    ],
)
def test_a_check_that_cannot_look_is_what_is_found(
    install_plugin: Install, body: str, detail: str
) -> None:
    install_plugin("bad", offering(body, "rmr1_checks()"))
    (check,) = (check for check in _of_plugins() if check.name == "bad")
    assert check.ok is None
    assert check.detail.startswith(detail)


def test_every_import_and_hook_call_is_told_when_it_is_asked_for(
    install_plugin: Install, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RMR1_TRACE_PLUGINS", "1")
    install_plugin("good", GOOD + "\n@hookimpl\ndef rmr1_judged():\n    pass\n")
    assert run_command(["list", "rewards"]) == 0
    Observers().judged(judgment(example_pair(), Verdict.A))
    printed = capsys.readouterr()
    told = [line.rpartition(" in ")[0] for line in printed.err.splitlines()]
    assert "plugin good: imported" in told
    assert "plugin good: rmr1_rewards gave 1" in told
    assert "plugin good: rmr1_judged" in told
    assert "plugin good:" not in printed.out
