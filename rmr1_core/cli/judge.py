"""`rmr1 judge`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, get_args

import click

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
from rmr1_core.cli.options import json_option, ref, set_options
from rmr1_core.errors import UsageError
from rmr1_core.ranking import Method

if TYPE_CHECKING:
    from rmr1_core.cli.judge_input import Case
    from rmr1_core.cli.judge_run import Wanted
    from rmr1_core.judge import Judge

_ORDERS = {"both": "both", "as-given": "chosen-first", "random": "random"}


@click.command(
    cls=CommandWithEngine,
    epilog="\b\nExamples:\n"
    '  rmr1 judge --backbone qwen7b "What is 2 + 2?" "It is 4." "It is 5."\n'
    "  rmr1 judge --backbone ./my-judge @question.txt @a.txt @b.txt\n"
    "  rmr1 judge --backbone ./my-judge --edit\n"
    "  rmr1 judge --backbone qwen7b -n 5 --json @question.txt @a.txt @b.txt\n"
    "  rmr1 judge --backbone qwen7b --rank @question.txt @1.txt @2.txt @3.txt\n"
    "  rmr1 judge --engine openai --base-url https://host/v1 --model NAME < pairs.jsonl\n"
    "\n\b\nJSON has prompt (a text) or messages, then a and b, chosen and rejected, or answers:\n"
    '  {"id": 1, "prompt": "What is 2 + 2?", "a": "It is 4.", "b": "It is 5."}',
)
@click.argument("texts", nargs=-1, metavar="[QUESTION ANSWER ANSWER...]")
@backbone_option
@engine_option
@prompt_option
@parser_option
@click.option("--file", "path", metavar="PATH", help="Read JSON or JSON lines from a file.")
@click.option("--edit", is_flag=True, help="Write the question and the answers in an editor.")
@click.option("--rank", is_flag=True, help="Put two or more answers in order, by a tournament.")
@click.option(
    "--method",
    type=click.Choice(get_args(Method)),
    default="round-robin",
    show_default=True,
    help="With --rank: every answer with every other, rounds of equals, or with --reference only.",
)
@click.option(
    "--rounds", type=click.IntRange(min=1), help="With --method swiss. [default: by log2]"
)
@click.option(
    "--reference",
    "references",
    multiple=True,
    metavar="TEXT",
    help="With --rank: an answer that takes part unranked; @FILE too (may be repeated).",
)
@click.option(
    "--order",
    type=click.Choice(list(_ORDERS)),
    default="both",
    show_default=True,
    help="Which answer comes first: both ways, as given, or drawn (seeded).",
)
@click.option(
    "-n",
    "--samples",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Votes per order; the majority counts.",
)
@temperature_option
@top_p_option
@max_new_tokens_option
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Seed of drawn orders and of samples."
)
@click.option(
    "-o",
    "--option",
    "settings",
    multiple=True,
    metavar="KIND.OPTION=VALUE",
    help="Set an option of the engine, backbone or prompt; see: rmr1 show KIND/NAME.",
)
@click.option("--dry-run", is_flag=True, help="Show the prompt and the counts; load no model.")
@json_option
def judge(**asked: Any) -> None:
    """Say which of two answers is better, and why.

    A text may be @FILE. Without texts, JSON comes from standard input; for many cases, one line
    of JSON is printed for each.
    """
    from rmr1_core.cli import judge_run

    cases, many = _cases(asked)
    wanted = _wanted(asked)
    judge_run.check(cases, wanted)
    asker = _judge(asked)
    if asked["dry_run"]:
        judge_run.print_plan(asker, cases, wanted, as_json=asked["as_json"])
        return
    if wanted.method or many:
        click.echo(judge_run.counts(asker, cases, wanted), err=True)
    if many:
        judge_run.ask_many(asker, cases, wanted)
    else:
        judge_run.ask_one(asker, cases[0], wanted, as_json=asked["as_json"])


def _cases(asked: dict[str, Any]) -> tuple[list[Case], bool]:
    """What to judge, and whether it was given as many."""
    from rmr1_core.cli import judge_input

    texts, path = asked["texts"], asked["path"]
    if path is not None and (texts or asked["edit"]):
        raise UsageError("--file has all texts; leave out the arguments and --edit")
    if asked["edit"]:
        return [judge_input.from_editor(texts, 3 if asked["rank"] else 2)], False
    if texts:
        return [judge_input.from_texts(texts)], False
    if path is not None:
        cases, many = judge_input.from_json(judge_input.read_file(path), path)
    elif sys.stdin.isatty():
        raise UsageError(
            "nothing to judge; give a question and two answers, or --edit; see: rmr1 judge --help"
        )
    else:
        cases, many = judge_input.from_json(sys.stdin.read(), "standard input")
    if not cases:
        raise UsageError("nothing to judge: the input is empty; see: rmr1 judge --help")
    return cases, many or asked["as_json"]


def _wanted(asked: dict[str, Any]) -> Wanted:
    from rmr1_core.cli.judge_input import text_of
    from rmr1_core.cli.judge_run import Wanted

    if asked["rank"]:
        references = tuple(text_of(text) for text in asked["references"])
        return Wanted(asked["method"], asked["rounds"], references)
    for name, flag in (("rounds", "--rounds"), ("references", "--reference")):
        if asked[name]:
            raise UsageError(f"{flag} is for a tournament; add --rank")
    return Wanted()


def _judge(asked: dict[str, Any]) -> Judge:
    from rmr1_core.judge import Judge

    options = dict(set_options(asked["settings"]))
    prompt = options.pop("prompt", {})
    if asked["parser"] is not None:
        prompt["parser"] = asked["parser"]
    backbone = ref(asked["backbone"], options.pop("backbone", None))
    engine = ref(asked["engine"], {**options.pop("engine", {}), **engine_options(asked)})
    if options:
        raise UsageError(f"-o {next(iter(options))}.…: rmr1 judge uses no such component")
    fields = ("samples", "temperature", "top_p", "max_new_tokens", "seed")
    protocol = {name: asked[name] for name in fields}
    return Judge(
        backbone,
        engine=engine,
        prompt=ref(asked["prompt"], prompt),
        order=_ORDERS[asked["order"]],
        **protocol,
    )
