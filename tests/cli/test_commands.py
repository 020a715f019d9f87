from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from rmr1_core.cli import build
from rmr1_core.discovery import OFFERS

Cli = Callable[..., Any]
Process = Callable[..., subprocess.CompletedProcess[str]]
JUDGE = ("--backbone", "nobody", "--engine", "scripted")


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, command in group.commands.items():
        found.append((*path, name))
        if isinstance(command, click.Group):
            found += commands(command, (*path, name))
    return found


def test_help_is_the_same_as_a_module(rmr1: Process) -> None:
    done = rmr1("--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: rmr1 ")
    for (name,) in (path for path in commands(build()) if len(path) == 1):
        assert f"\n  {name} " in done.stdout


def test_the_installed_command_is_the_module(rmr1: Process) -> None:
    script = Path(sys.executable).with_name("rmr1")
    if not script.exists():
        pytest.skip("rmr1 is not installed beside this Python")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == rmr1("--version").stdout
    assert done.stdout.startswith("rmr1 ")


def test_without_a_command_one_gets_help(cli: Cli) -> None:
    done = cli()
    assert "Usage: rmr1" in done.out + done.err


@pytest.mark.parametrize("path", commands(build()), ids=" ".join)
def test_every_command_and_every_option_has_help(cli: Cli, path: tuple[str, ...]) -> None:
    done = cli(*path, "--help")
    assert done.code == 0
    assert done.out.startswith(f"Usage: rmr1 {' '.join(path)}")
    command: click.Command = build()
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    assert command.help
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help or option.name == "top_p", option


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (("bnech",), "no command named 'bnech'; did you mean 'bench'?"),
        (("xyz",), "no command named 'xyz'; see: rmr1 --help"),
        (("runs", "rescor"), "no command named 'rescor'; did you mean 'rescore'?"),
        (("runs", "xyz"), "no command named 'xyz'; see: rmr1 runs --help"),
        (("list", "benchmark-s"), "error: no kind named 'benchmark-s'; did you mean 'benchmarks'?"),
        (("list", "x"), "error: no kind named 'x'; there are backbones, engines"),
        (("show",), "missing argument"),
        (("show", "benchmarks"), "write it as KIND/NAME, as in benchmarks/"),
        (("show", "benchmrks/toy"), "no kind named 'benchmrks'; did you mean 'benchmarks'?"),
        (("show", "benchmarks/ty"), "no benchmark named 'ty'; did you mean 'toy'?"),
        (("--no-such",), "error: no such option '--no-such'; see: rmr1 --help"),
        (
            ("bench", "--bakbone", "x"),
            "error: no such option '--bakbone'; did you mean '--backbone'",
        ),
        (("bench", "-n", "0"), "is not in the range x>=1; see: rmr1 bench --help"),
        (("runs", "--json", "list"), "write options after the command: rmr1 runs list"),
        (("runs", "show", "x"), "no runs in runs; start one with: rmr1 bench or rmr1 run"),
        (("runs", "rescore", "x"), "no runs in runs"),
        (("bench", "--resume", "last"), "no runs in runs"),
        (("run", "--resume", "last"), "no runs in runs"),
        (("run", "--recipe", "no-such"), "no recipe named 'no-such'"),
        (("run", "--recipe", "sample", "--variant", "x"), "no variant of recipe 'sample' named"),
        (("run", "--recipe", "sample", "--smoke"), "no variant of recipe 'sample' named 'smoke'"),
        (("run", "--recipe", "sample", "--ablations"), "recipe 'sample' has no ablations"),
        (("run", "--smoke", "--variant", "x"), "leave out one of --smoke and --variant"),
        (("run", "--recipe", "sample", "--set", "sede=1"), "unknown field 'sede'"),
        (("completion", "csh"), "'csh' is not one of 'bash'"),
    ],
)
def test_what_cannot_work_ends_with_2_and_a_sentence(
    cli: Cli, args: tuple[str, ...], error: str
) -> None:
    done = cli(*args)
    assert done.code == 2
    assert error.lower() in done.err.lower()
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    assert done.out == ""
    assert list(Path().iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_place_without_rights_is_named(cli: Cli) -> None:
    Path("locked").mkdir(mode=0)
    done = cli("prompts", "learn", "--dataset", "locked/rows.jsonl")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "error: locked/rows.jsonl: you may not read or write this; see its permissions\n"
    )


# plugins, list, show


def test_list_alone_has_all_names_by_kind(cli: Cli) -> None:
    by_kind = cli("list", "--json").json
    assert list(by_kind) == [f"{kind}s" for kind in OFFERS]
    assert "rm-bench" in by_kind["benchmarks"]
    assert "rm-bench" in cli("list").out


def test_plugins_are_listed_with_what_they_offer(cli: Cli) -> None:
    done = cli("plugins")
    (line,) = (line for line in done.out.splitlines() if line.strip().startswith("sample "))
    assert "1.0" in line
    assert "installed_sample" in line
    whole = {plugin["name"]: plugin for plugin in cli("plugins", "--json").json}
    assert whole["sample"]["offers"]["benchmark"] == ["sample-one", "sample-two"]


def test_broken_and_disabled_plugins_are_listed_too(
    cli: Cli, install_plugin: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RMR1_DISABLE_PLUGINS", "qwen")
    install_plugin("broken", "import no_such_package")
    done = cli("plugins")
    assert done.code == 0
    assert "BROKEN: ModuleNotFoundError: No module named 'no_such_package'" in done.out
    assert "(disabled)" in done.out
    whole = {plugin["name"]: plugin for plugin in cli("plugins", "--json").json}
    assert whole["broken"]["error"].startswith("ModuleNotFoundError")
    assert whole["qwen"]["disabled"] is True


def test_a_broken_plugin_never_stops_the_command_line(
    install_plugin: Callable[..., None], rmr1: Process
) -> None:
    install_plugin("broken", "raise RuntimeError('not today')")
    done = rmr1("list", "benchmarks")
    assert done.returncode == 0
    assert done.stderr == ""
    assert "rm-bench" in done.stdout


@pytest.mark.parametrize("kind", OFFERS)
def test_every_kind_is_listed_with_a_line_for_each(cli: Cli, kind: str) -> None:
    rows = cli("list", f"{kind}s", "--json").json
    assert rows
    assert all(row["name"] and row["summary"] and row["plugin"] for row in rows), rows
    assert rows[0]["name"] in cli("list", f"{kind}s").out


def test_a_component_is_shown_with_its_options(cli: Cli) -> None:
    done = cli("show", "engines/scripted")
    assert done.out.startswith("engine scripted: answers by a hash\n\nAn engine without weights.")
    (line,) = (line for line in done.out.splitlines() if line.strip().startswith("seconds "))
    assert line.split() == ["seconds", "float", "0.0", "time", "per", "request"]
    options = {
        option["name"]: option
        for option in cli("show", "engine/scripted", "--json").json["options"]
    }
    assert options["crash_after"]["default"] == "0"


def test_every_component_can_be_shown(cli: Cli) -> None:
    for kind in OFFERS:
        for row in cli("list", f"{kind}s", "--json").json:
            done = cli("show", f"{kind}s/{row['name']}")
            assert done.code == 0, done.err
            assert row["name"] in done.out


def test_a_recipe_is_shown_as_a_file_that_can_be_run(cli: Cli) -> None:
    Path("mine.toml").write_text(cli("show", "recipes/sample").out)
    done = cli("run", "--recipe", "mine.toml", "--dry-run")
    assert done.code == 0, done.err


def test_names_with_brackets_are_printed_as_they_are(cli: Cli) -> None:
    done = cli("bench", "sample-one", *JUDGE, "-o", "benchmark.sample-one.prefix=[red]x[/red]")
    assert done.code == 0


# runs


def test_runs_are_listed_with_their_state(cli: Cli) -> None:
    assert "no runs in runs; start one with" in cli("runs").out
    cli("bench", "sample-one", "sample-two", *JUDGE)
    cli("bench", "sample-one", *JUDGE, "-o", "engine.crash_after=2")
    done = cli("runs", "list")
    assert "sample-one, sample-two" in done.out
    assert [record["status"] for record in cli("runs", "list", "--json").json] == ["done", "failed"]


def test_a_damaged_run_hides_no_other(cli: Cli) -> None:
    cli("bench", "sample-one", *JUDGE)
    Path("runs/0-damaged").mkdir()
    Path("runs/0-damaged/run.json").write_text("{")
    done = cli("runs", "list")
    assert done.code == 0
    assert "damaged" in done.out
    records = cli("runs", "list", "--json").json
    assert [record["status"] for record in records] == ["damaged", "done"]


def test_a_run_is_shown_with_what_it_was(cli: Cli) -> None:
    cli("bench", "sample-one", *JUDGE)
    done = cli("runs", "show", "last")
    for word in ("done", "nobody", "plain", "scripted", "script 7", "accuracy", "sample-one"):
        assert word in done.out, word
    whole = cli("runs", "show", "last", "--json").json
    assert whole["record"]["status"] == "done"
    assert whole["reports"][0]["benchmark"] == "sample-one"


def test_a_failed_run_is_shown_with_its_error(cli: Cli) -> None:
    cli("bench", "sample-one", *JUDGE, "-o", "engine.crash_after=2")
    done = cli("runs", "show", "last")
    assert "failed (the script says: crash)" in done.out
    assert "no results yet; go on with: rmr1 bench --resume" in done.out


def test_a_run_is_scored_again_by_another_rule(cli: Cli) -> None:
    cli("bench", "sample-one", *JUDGE)
    strict = cli("runs", "rescore", "last", "--json").json[0]
    lenient = cli("runs", "rescore", "last", "--scoring", "lenient", "--json").json[0]
    assert strict["scoring"] == "strict"
    assert strict["alternatives"]["lenient"] == lenient["scores"]
    assert "lenient" in cli("runs", "rescore", "last", "--scoring", "lenient").out
    assert cli("runs", "rescore", "last", "--scoring", "lenint").code == 2


# run


def test_a_recipe_is_run_and_told_as_a_table(cli: Cli) -> None:
    done = cli("run", "--recipe", "sample")
    assert done.code == 0, done.err
    for word in ("before", "after first", "after second", "Two stages that learn nothing."):
        assert word in done.out
    assert "rmr1 bench BENCHMARK --backbone" in done.out
    shown = cli("runs", "show", "last")
    assert "after second" in shown.out
    results = cli("runs", "show", "last", "--json").json["results"]
    assert [result["stage"] for result in results] == ["before", "first", "second"]
    assert results[0]["reports"][0]["partial"] is False


def test_a_run_says_where_the_steps_of_its_stages_are(cli: Cli) -> None:
    cli("run", "--recipe", "sample")
    paths = cli("runs", "show", "last", "--json").json["steps"]
    assert [Path(path).parts[-2:] for path in paths] == [
        ("first", "steps.jsonl"),
        ("second", "steps.jsonl"),
    ]
    assert all(len(Path(path).read_text().splitlines()) == 3 for path in paths)
    assert f"steps     {paths[0]}" in cli("runs", "show", "last").out


def test_a_run_in_json_stands_alone(cli: Cli) -> None:
    done = cli("run", "--recipe", "sample", "--json", "--seed", "3")
    assert [result["stage"] for result in done.json["results"]] == ["before", "first", "second"]
    assert cli("runs", "show", "last", "--json").json["record"]["recipe"]["seed"] == 3


def test_a_dry_run_names_its_files_and_how_to_go_on(cli: Cli) -> None:
    done = cli("run", "--recipe", "sample", "--dry-run")
    files = done.out.splitlines()
    assert all(Path(file).is_file() for file in files)
    assert any(file.endswith("stages/second/run.sh") for file in files)
    assert done.err.splitlines()[-1].startswith(
        "nothing was started; go on with: rmr1 run --resume"
    )
    resumed = cli("run", "--resume", "last")
    assert resumed.code == 0, resumed.err


def test_a_failed_stage_ends_with_1_and_its_own_error(cli: Cli) -> None:
    Path("fail").touch()
    setting = f"stages.second.trainer.options.fail_while={Path('fail').absolute()}"
    done = cli("run", "--recipe", "sample", "--set", setting)
    assert (done.code, done.out) == (1, "")
    assert "error: echo second failed: ValueError: the file says: fail" in done.err
    (folder,) = Path("runs").iterdir()
    assert done.err.endswith(f"; go on with: rmr1 run --resume {folder.name}\n")
    assert "after first" in cli("runs", "show", "last").out
    Path("fail").unlink()
    assert cli("run", "--resume", "last").code == 0


def test_what_a_resumed_run_would_not_heed_is_refused(cli: Cli) -> None:
    cli("run", "--recipe", "sample", "--dry-run")
    done = cli("run", "--resume", "last", "--seed", "4")
    assert done.code == 2
    assert "leave out --seed" in done.err


# plugins' own commands


COMMANDS = """
import click
from rmr1_core import hookimpl

@hookimpl
def rmr1_commands(cli):
    @cli.command()
    def greet():
        "Say hello."
        click.echo("hello")

    {more}
"""


def test_a_plugin_adds_a_command(install_plugin: Callable[..., None], rmr1: Process) -> None:
    install_plugin("greeter", COMMANDS.format(more=""))
    assert rmr1("greet").stdout == "hello\n"
    assert "Say hello." in rmr1("--help").stdout


def test_a_plugin_that_cannot_add_its_commands_stops_nothing(
    install_plugin: Callable[..., None], rmr1: Process
) -> None:
    install_plugin("greeter", COMMANDS.format(more="raise KeyError('x')"))
    done = rmr1("list", "benchmarks")
    assert done.returncode == 0
    assert done.stderr == "warning: plugin 'greeter' cannot add its commands: KeyError('x')\n"


def test_a_plugin_replaces_no_command(install_plugin: Callable[..., None], rmr1: Process) -> None:
    install_plugin("greeter", COMMANDS.format(more="cli.command('bench')(greet.callback)"))
    done = rmr1("bench", "--help")
    assert "Measure how often a judge is right" in done.stdout
    assert done.stderr == "warning: plugin 'greeter' may not replace command 'bench'\n"


# completion


def completed(*words: str, kind: str = "plain") -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "rmr1_core"],
        env={
            **os.environ,
            "_RMR1_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["rmr1", *words]),
            "COMP_CWORD": str(len(words)),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    found = [line.partition(",") for line in done.stdout.splitlines()]
    return [name for kind_found, _, name in found if kind_found == kind]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("be",), {"bench"}),
        (("bench", "rm"), {"rm-bench", "rmb"}),
        (("bench", "toy", "--backbone", "ti"), {"tiny"}),
        (("bench", "toy", "--ord"), {"--order"}),
        (("bench", "toy", "--order", "ba"), {"balanced"}),
        (("run", "--recipe", "to"), {"toy"}),
        (("show", "bench"), {"benchmarks/"}),
        (("show", "benchmarks/rm"), {"benchmarks/rm-bench", "benchmarks/rmb"}),
        (("list", "eng"), {"engines"}),
    ],
)
def test_the_shell_completes_commands_and_names(words: tuple[str, ...], expected: set[str]) -> None:
    assert expected <= set(completed(*words))


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("bench", "--backbone", "./my"), "dir"),
        (("bench", "--data", "my"), "file"),
        (("run", "--recipe", "./my"), "file"),
    ],
)
def test_the_shell_completes_paths(words: tuple[str, ...], kind: str) -> None:
    assert completed(*words, kind=kind) == [words[-1]]


def test_commands_say_in_80_columns_what_they_are_for(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert "..." not in cli("--help").out.partition("Commands:")[2]


def test_a_description_of_several_lines_is_printed_flush_left(cli: Cli) -> None:
    lines = cli("show", "engines/transformers").out.partition("\nOptions")[0].splitlines()
    assert not [line for line in lines if line.strip() and line.startswith(" ")]


@pytest.mark.parametrize(
    "words", [("bench", "--resume"), ("run", "--resume"), ("runs", "show"), ("runs", "rescore")]
)
def test_the_shell_completes_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    for name in ("1-bench-mine", "2-bench-yours"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").touch()
    monkeypatch.setenv("RMR1_RUNS", str(tmp_path))
    assert completed(*words, "mine") == ["1-bench-mine"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_a_shell(cli: Cli, shell: str) -> None:
    done = cli("completion", shell)
    assert done.code == 0
    assert "_RMR1_COMPLETE" in done.out


# odd ends


def test_a_reader_that_goes_away_is_no_error(rmr1: Process) -> None:
    done = subprocess.run(
        f"{sys.executable} -m rmr1_core plugins --json | true",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


def test_a_full_disk_under_the_output_is_a_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "rmr1_core", "list", "benchmarks"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode != 0
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "args",
    [("plugins",), ("list", "engines"), ("show", "recipes/sample"), ("runs", "list")],
)
def test_every_listing_is_there_as_json(cli: Cli, args: tuple[str, ...]) -> None:
    json.loads(cli(*args, "--json").out)
