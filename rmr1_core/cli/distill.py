"""`rmr1 data distill`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from rmr1_core.cli.detach import detach, detach_option, refuse_to_detach
from rmr1_core.cli.engine_flags import CommandWithEngine, engine_options
from rmr1_core.cli.judge_options import (
    backbone_option,
    engine_option,
    max_new_tokens_option,
    top_p_option,
)
from rmr1_core.cli.options import (
    ComponentName,
    bad_rows,
    echo_json,
    json_option,
    ref,
    refuse_with_resume,
    skip_bad_option,
)
from rmr1_core.errors import Rmr1Error, UsageError
from rmr1_core.values import EvalProtocol, Ref

if TYPE_CHECKING:
    from rmr1_core.distill_report import Distillation, Teacher

_ROLE = "corrector"


class _Interrupted(Rmr1Error):
    """Ctrl-C."""

    exit_code = 130


@click.command(
    cls=CommandWithEngine,
    roles=(_ROLE,),
    epilog="\b\nExamples:\n"
    "  rmr1 data distill mixed:./mine -o ./traces --backbone qwen32b -k 4\n"
    "  rmr1 data distill mixed:./mine -o ./traces --backbone qwen32b --corrector-backbone NAME\n"
    "  rmr1 data distill mixed:./mine -o ./traces --engine openai --model A --corrector-model B\n"
    "  rmr1 data distill --resume ./traces\n"
    "  rmr1 data preview mixed:./traces",
)
@click.argument("source", type=ComponentName("dataset"), metavar="[SOURCE]", required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder to make, with the traces and all that was asked.",
)
@click.option("--split", default="train", show_default=True, help="The part of the source.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="OPTION=VALUE",
    help="Set an option of the source; see: rmr1 show datasets/NAME.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Take no more than the first rows.")
@backbone_option
@engine_option
@click.option(
    "--prompt",
    type=ComponentName("prompt"),
    help="What is asked, which the traces are for; file:PATH for a template file. "
    "[default: the backbone's]",
)
@click.option("--parser", help="How answers are read. [default: the prompt's]")
@click.option(
    "-k",
    "--samples",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Ask the judge up to so many times for a trace that can be kept.",
)
@click.option(
    "--temperature",
    type=click.FloatRange(min=0),
    help="0 is greedy. [default: 0, or 1 when -k is more than 1]",
)
@top_p_option
@max_new_tokens_option
@click.option(
    "--corrector-backbone",
    type=ComponentName("backbone"),
    help="Who corrects, in a second pass, the traces that cannot be kept.",
)
@click.option(
    "--corrector-engine",
    type=ComponentName("engine"),
    help="How the corrector runs. [default: as the judge, with its options]",
)
@click.option(
    "--corrector-temperature",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="0 is greedy.",
)
@click.option(
    "--corrector-max-new-tokens",
    type=click.IntRange(min=1),
    help="Limit of a corrected answer. [default: the corrector's backbone's]",
)
@click.option(
    "--min-length", type=click.IntRange(min=0), default=0, help="Keep no trace that is shorter."
)
@click.option("--max-length", type=click.IntRange(min=1), help="Keep no trace that is longer.")
@click.option(
    "--tokenizer",
    metavar="BACKBONE",
    help="Count lengths in tokens of this backbone, hub id or folder. [default: characters]",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of samples, generated data.")
@skip_bad_option
@click.option(
    "--resume",
    type=click.Path(file_okay=False, path_type=Path),
    help="Go on with the distillation in this folder.",
)
@click.option("--allow-failed", is_flag=True, help="Leave out rows whose requests fail for good.")
@click.option("--dry-run", is_flag=True, help="Say what would be asked, and what it may cost.")
@detach_option
@json_option
def distill(source: str | None, output: Path | None, as_json: bool, **asked: Any) -> None:
    """Make reasoning traces for the rows of a SOURCE.

    A judge writes a trace for each row; those with the right verdict that pass the filters are
    kept. A corrector, if there is one, gets the others with the right verdict. Every answer is kept
    as it is made; what was interrupted goes on with --resume.
    """
    from rmr1_core import distill_words, distilling

    folder: Path | None = asked["resume"]
    if asked["detached"]:
        refuse_to_detach(dry_run=asked["dry_run"])
    if folder is not None:
        refuse_with_resume("allow_failed", "detached")
    elif source is None or output is None:
        raise UsageError("say what to make traces for, and where: rmr1 data distill SOURCE -o DIR")
    else:
        folder = output
        request = _request(source, asked)
        with bad_rows(asked["skip_bad"]) as bad:
            if asked["dry_run"]:
                planned = distilling.plan(request, folder)
                echo_json(planned) if as_json else distill_words.print_plan(planned)
                return
            distilling.start(folder, request, bad)
    if asked["detached"]:
        again = ["data", "distill", "--resume", str(folder)]
        again += ["--allow-failed"] if asked["allow_failed"] else []
        detach(distilling.work_of(folder), str(folder), again, as_json=as_json)
        return
    try:
        report = distilling.execute(folder, allow_failed=asked["allow_failed"])
    except KeyboardInterrupt:
        how = f"rmr1 data distill --resume {folder}"
        raise _Interrupted(f"interrupted; what was answered is kept, go on with: {how}") from None
    if as_json:
        echo_json({"folder": str(folder), "report": report})
        return
    distill_words.print_report(report, folder)


def _request(source: str, asked: dict[str, Any]) -> Distillation:
    from rmr1_core.distill_report import Distillation, Teacher
    from rmr1_core.trace_filters import Limits

    temperature = asked["temperature"]
    if temperature is None:
        temperature = 0.0 if asked["samples"] == 1 else 1.0
    if asked["samples"] > 1 and temperature == 0:
        raise UsageError(
            "-k with --temperature 0 gives the same answer every time; leave out one of them"
        )
    protocol = {n: asked[n] for n in ("samples", "top_p", "max_new_tokens", "seed", "limit")}
    engine = ref(asked["engine"], engine_options(asked))
    return Distillation(
        dataset=_dataset(source, asked["settings"]),
        judge=Teacher(backbone=ref(asked["backbone"], None), engine=engine),
        corrector=_corrector(asked, engine),
        prompt=ref(asked["prompt"], {"parser": asked["parser"]} if asked["parser"] else None),
        split=asked["split"],
        protocol=msgspec.convert({**protocol, "temperature": temperature}, EvalProtocol),
        corrector_temperature=asked["corrector_temperature"],
        corrector_max_new_tokens=asked["corrector_max_new_tokens"],
        limits=Limits(**{n: asked[n] or d for n, d in _LIMITS.items()}),
    )


def _dataset(source: str, settings: tuple[str, ...]) -> Ref:
    options = {}
    for setting in settings:
        option, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"--set {setting}: write it as OPTION=VALUE")
        options[option] = value
    return Ref(name=source, options=options)


_LIMITS: Mapping[str, Any] = {"min_length": 0, "max_length": None, "tokenizer": ""}


def _corrector(asked: dict[str, Any], engine: Ref | None) -> Teacher | None:
    """Who corrects, if anybody: what is not said of the engine is as the judge's."""
    from rmr1_core.distill_report import Teacher

    own, backbone = engine_options(asked, _ROLE), asked["corrector_backbone"]
    if not own and backbone is None and asked["corrector_engine"] is None:
        for name in ("corrector_max_new_tokens", "corrector_temperature"):
            if asked[name]:
                flag = f"--{name.replace('_', '-')}"
                raise UsageError(f"{flag}: say who corrects, with --corrector-backbone")
        return None
    if asked["corrector_engine"] is None and engine is not None:
        engine = Ref(name=engine.name, options={**engine.options, **own})
    else:
        engine = ref(asked["corrector_engine"], own)
    judge = ref(asked["backbone"], None) if asked["corrector_engine"] is None else None
    return Teacher(backbone=ref(backbone, None) or judge, engine=engine)
