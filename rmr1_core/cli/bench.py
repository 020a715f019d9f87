"""`rmr1 bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from rmr1_core.cli.anchors import published_option
from rmr1_core.cli.detach import detach, detach_option, refuse_to_detach
from rmr1_core.cli.engine_flags import CommandWithEngine, engine_options
from rmr1_core.cli.judge_options import (
    backbone_option,
    engine_option,
    max_new_tokens_option,
    parser_option,
    prompt_option,
    temperature_option,
    top_p_option,
)
from rmr1_core.cli.options import (
    ComponentName,
    RunName,
    all_option,
    data_option,
    data_paths,
    echo_json,
    json_option,
    named_benchmark,
    ref,
    refuse_with_resume,
    runs_dir_option,
    set_options,
)
from rmr1_core.cli.reproduce import (
    plain_reproduction,
    print_reproduction,
    print_run,
    reproduce_option,
    set_up_reproduction,
)
from rmr1_core.cli.vote_options import adaptive_option, budget_option, samples_option
from rmr1_core.errors import UsageError
from rmr1_core.values import Order, Ref


@click.command(
    cls=CommandWithEngine,
    epilog="\b\nExamples:\n"
    "  rmr1 bench rm-bench --backbone qwen7b\n"
    "  rmr1 bench rewardbench rm-bench rmb --backbone ./my-judge --data ./data --allow-partial\n"
    "  rmr1 bench rmb --backbone org/model --limit 200 -n 4 --dtype float32\n"
    "  rmr1 bench rm-bench --backbone qwen7b -n 16 --adaptive 0.95\n"
    "  rmr1 bench rm-bench --backbone qwen7b --budget 512,1024,2048\n"
    "  rmr1 bench rm-bench --engine openai --base-url https://host/v1 --model NAME\n"
    "  rmr1 bench --engine vllm --help           the options of an engine, too\n"
    "  rmr1 bench rmb --backbone qwen7b --detach   goes on without the terminal\n"
    "  rmr1 bench rmb --backbone qwen7b --repeat 3   what the engine alone changes\n"
    "  rmr1 bench rmb --backbone qwen7b --plan     what it takes, and what it will see\n"
    "  rmr1 bench --reproduce rm-r1-qwen32b --dry-run\n"
    "  rmr1 bench --resume last",
)
@click.argument("benchmarks", nargs=-1, type=ComponentName("benchmark"))
@backbone_option
@engine_option
@prompt_option
@parser_option
@data_option
@click.option(
    "--order",
    type=click.Choice(get_args(Order)),
    default="both",
    show_default=True,
    help="Which answer comes first: both ways, seeded half and half, the chosen one, "
    "or drawn at random (seeded).",
)
@samples_option
@adaptive_option
@budget_option
@temperature_option
@top_p_option
@max_new_tokens_option
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Seed of drawn orders and of samples."
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help="Judge at most so many pairs per benchmark, spread over its subsets; "
    "the result is marked partial.",
)
@click.option(
    "--repeat",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Ask everything so many times, in one load of the engine, and say what its own "
    "nondeterminism changes. The score is that of the first time.",
)
@click.option("--allow-partial", is_flag=True, help="Score incomplete data too, marked as partial.")
@click.option(
    "--scoring",
    default="strict",
    show_default=True,
    help="The scoring rule: strict, or as-published where they differ.",
)
@click.option(
    "-o",
    "--option",
    "settings",
    multiple=True,
    metavar="KIND.OPTION=VALUE",
    help="Set an option of the engine, backbone or prompt, or of a benchmark "
    "(benchmark.NAME.OPTION=VALUE); see: rmr1 show KIND/NAME.",
)
@reproduce_option
@click.option("--resume", type=RunName(), help="Go on with a run: its id, a part of it, or 'last'.")
@click.option("--dry-run", is_flag=True, help="Say what would be asked; load no model.")
@click.option(
    "--plan",
    "planned",
    is_flag=True,
    help="Say what it will take (requests, tokens, time, cost) and which difference to another "
    "judge it will be able to see; load no model.",
)
@detach_option
@runs_dir_option
@all_option
@published_option
@json_option
def bench(
    resume: str | None,
    detached: bool,
    runs_dir: Path | None,
    every: bool,
    everybody: bool,
    as_json: bool,
    **asked: Any,
) -> int:
    """Measure how often a judge is right on BENCHMARKS.

    Every judgment is kept as it is made; an interrupted run goes on with --resume.
    """
    from rmr1_core import bench as flow
    from rmr1_core import runs

    shown = [flag for flag, on in (("--all", every), ("--published", everybody)) if on]
    root = runs.runs_folder(runs_dir)
    if detached:
        refuse_to_detach(dry_run=asked["dry_run"], plan=asked["planned"])
    if resume is not None:
        refuse_with_resume("every", "everybody", "detached")
        folder = runs.find(root, resume)
    else:
        found = set_up_reproduction(asked)
        request = _request(asked)
        if asked["planned"]:
            _print_forecast(request, runs_dir, as_json=as_json)
            return 0
        if asked["dry_run"]:
            _print_plan(flow.plan(request), found, as_json)
            return 0
        folder = flow.start(root, request)
        click.echo(f"run {folder}", err=True)
    if detached:
        again = ("bench", "--resume", str(folder), *shown)
        detach(folder, folder.name if runs_dir is None else str(folder), again, as_json=as_json)
        return 0
    reports = flow.execute(folder)
    return print_run(folder, reports, every=every, everybody=everybody, as_json=as_json)


def _request(asked: dict[str, Any]) -> Any:
    from rmr1_core.bench import BenchRequest
    from rmr1_core.slots import protocol_of

    if not asked["benchmarks"]:
        raise UsageError("name a benchmark; see: rmr1 list benchmarks")
    options = dict(set_options(asked["settings"]))
    for_benchmarks = options.pop("benchmark", {})
    prompt_options = options.pop("prompt", {})
    if asked["parser"] is not None:
        prompt_options["parser"] = asked["parser"]
    request = BenchRequest(
        benchmarks=_benchmarks(asked["benchmarks"], for_benchmarks),
        backbone=ref(asked["backbone"], options.pop("backbone", None)),
        engine=ref(asked["engine"], {**options.pop("engine", {}), **engine_options(asked)}),
        prompt=ref(asked["prompt"], prompt_options),
        protocol=protocol_of(**asked),
        data=data_paths(asked["data"], asked["benchmarks"]),
        reproduces=asked["reproduce"] or "",
        repeat=asked["repeat"],
    )
    if options:
        raise UsageError(f"-o {next(iter(options))}.…: rmr1 bench uses no such component")
    return request


def _benchmarks(names: tuple[str, ...], options: dict[str, Any]) -> tuple[Ref, ...]:
    own: dict[str, dict[str, Any]] = {name: {} for name in names}
    for path, value in options.items():
        name, dot, option = path.rpartition(".")
        if not dot:
            raise UsageError(f"-o benchmark.{path}: write it as benchmark.NAME.OPTION=VALUE")
        own[named_benchmark(name, names, f"-o benchmark.{path}")][option] = value
    return tuple(Ref(name=name, options=own[name]) for name in names)


def _print_forecast(request: Any, runs_dir: Path | None, *, as_json: bool) -> None:
    from rmr1_core import forecast_words
    from rmr1_core.forecast import forecast

    found = forecast(request, runs_dir)
    if as_json:
        echo_json(forecast_words.plain(found))
        return
    forecast_words.print_forecast(found)


def _print_plan(plans: Any, found: Any, as_json: bool) -> None:
    if as_json:
        echo_json({"plan": plans, **plain_reproduction(found)} if found else plans)
        return
    from rmr1_core.show import print_table

    rows = [(p.benchmark, str(p.pairs), str(p.judgments), str(p.requests)) for p in plans]
    print_table(("benchmark", "pairs", "judgments", "requests"), rows)
    if plans[0].passes > 1:
        click.echo(f"in {plans[0].passes} passes, which all ask the same")
    if cut := sum(p.at_budgets for p in plans):
        click.echo(f"then at most {cut:,} answers are cut at the budgets and finished\n")
    if found:
        print_reproduction(found)
    if not plans[0].example:
        click.echo("No prompt is asked: the engine scores answers.")
        return
    click.echo("The first prompt:\n")
    for message in plans[0].example:
        click.echo(f"--- {message.role}\n{message.content}")
