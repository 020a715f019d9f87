"""`rmr1 doctor`: what is here, what is not, and what to do about it. Nothing is changed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from rmr1_core import env_store, environments, runs
from rmr1_core.components import PromptStrategy
from rmr1_core.discovery import plugins
from rmr1_core.errors import BadInput, Rmr1Error
from rmr1_core.hook_checks import check_checks
from rmr1_core.hub import OFFLINE, TIMEOUT_SECONDS, endpoint, reachable
from rmr1_core.keys import key_check
from rmr1_core.preflight import Part, Preflight, disk_check
from rmr1_core.processes import capture
from rmr1_core.shielding import SLOW_SECONDS, call
from rmr1_core.values import Check, Comparison, Message, Verdict

LEAST_MEMORY_BYTES = 4 << 30
_STATES: dict[str, bool | None] = {
    "ready": True,
    "adopted": True,
    "missing": None,
    "stray": None,
    "outdated": None,
    "unusable": False,
}
"""Whether an environment's state is as it should be; one that nobody built may not be needed."""


def gather(root: Path) -> Preflight:
    """Look at the installation, the machine, the hub, the environments, and the runs in `root`."""
    parts = {
        "installation": _installation(),
        "machine": _machine(root),
        "hub": _hub(),
        "environments": _environments(),
        "prompts": _prompts(),
        "runs": _runs(root),
        "plugins": _of_plugins(),
    }
    looked = [Part(title=title, checks=tuple(checks)) for title, checks in parts.items()]
    return Preflight(parts=tuple(part for part in looked if part.checks))


def _installation() -> Iterator[Check]:
    python = ".".join(map(str, sys.version_info[:3]))
    yield Check(name="python", ok=True, detail=f"{python}, {sys.executable}")
    listed = plugins().listing()
    for plugin in listed:
        if plugin.error:
            remedy = f"uninstall its package, or switch it off: RMR1_DISABLE_PLUGINS={plugin.name}"
            detail = f"{plugin.error}; {remedy}"
            yield Check(name=f"plugin {plugin.name}", ok=False, detail=detail)
        elif plugin.seconds > SLOW_SECONDS:
            detail = (
                f"its import takes {plugin.seconds:.1f} s of every command; ask its author to "
                "import what is heavy inside the functions that need it"
            )
            yield Check(name=f"plugin {plugin.name}", ok=None, detail=detail)
        elif plugin.changed:
            detail = f"its import changed {', '.join(plugin.changed)}; that was put back"
            yield Check(name=f"plugin {plugin.name}", ok=None, detail=detail)
    working = sum(not plugin.error and not plugin.disabled for plugin in listed)
    off = [plugin.name for plugin in listed if plugin.disabled]
    words = f"{working} work" + (f"; switched off: {', '.join(off)}" if off else "")
    yield Check(name="plugins", ok=True, detail=words)


def _machine(root: Path) -> Iterator[Check]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    detail = f"{os.cpu_count()} cores, {memory / 1e9:,.0f} GB of memory"
    if memory < LEAST_MEMORY_BYTES:
        detail += "; judge with an endpoint: --engine openai"
    yield Check(name="cores and memory", ok=memory >= LEAST_MEMORY_BYTES, detail=detail)
    gpus = capture(["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"])
    names = [line.strip() for line in gpus.splitlines() if line.strip()]
    none = "none; models of more than a billion parameters need one, or an endpoint"
    yield Check(name="GPUs", ok=True if names else None, detail="; ".join(names) or none)
    for what, place in {"runs": root, "environments": env_store.root(), "hub": _cache()}.items():
        found = disk_check(place.absolute())
        yield Check(name=f"disk for {what}", ok=found.ok, detail=found.detail)
    there = next(path for path in (root.absolute(), *root.absolute().parents) if path.exists())
    if not os.access(there, os.W_OK):
        detail = f"{there} cannot be written; choose another place with --runs-dir or $RMR1_RUNS"
        yield Check(name="runs folder", ok=False, detail=detail)


def _cache() -> Path:
    home = os.environ.get("HF_HOME") or "~/.cache/huggingface"
    return Path(home).expanduser()


def _hub() -> Iterator[Check]:
    if os.environ.get(OFFLINE, "0") not in ("", "0"):
        detail = f"${OFFLINE} is set: only what is in its cache can be loaded"
        yield Check(name="hub", ok=None, detail=detail)
    elif reachable():
        yield Check(name="hub", ok=True, detail=f"{endpoint()} answers")
    else:
        detail = (
            f"{endpoint()} does not answer within {TIMEOUT_SECONDS:g} s: only its cache and local "
            "files can be loaded (--data PATH, --backbone FOLDER); behind a proxy set HTTPS_PROXY"
        )
        yield Check(name="hub", ok=None, detail=detail)
    yield key_check("HF_TOKEN", "private and gated repositories")


def _environments() -> Iterator[Check]:
    for line in environments.listing():
        name, ok = f"{line.name} ({line.variant})", _STATES[line.state]
        detail = ", ".join(filter(None, (line.state, line.label)))
        if line.state in ("missing", "outdated", "unusable"):
            detail += f"; build it with: rmr1 env create {line.name}"
        if line.state == "stray":
            detail += f"; remove it with: rmr1 env remove {line.name}"
        yield Check(name=name, ok=ok, detail=detail)


def _prompts() -> Iterator[Check]:
    """Can every prompt that needs no argument be rendered and read?"""
    for offer in plugins().offers("prompt"):
        strategy: PromptStrategy = offer.component
        if not strategy.argument:
            yield _prompt(strategy)


def _prompt(strategy: PromptStrategy) -> Check:
    question = (Message("user", "Which is it?"),)
    try:
        messages = strategy.render(Comparison(prompt=question, a="This one.", b="That one."))
        verdict = strategy.parse("<answer>[[B]]</answer>")
    except Rmr1Error as error:
        return Check(name=strategy.name, ok=False, detail=str(error))
    except Exception as error:  # the boundary to foreign code
        detail = f"it raised {error!r}; see: rmr1 show prompts/{strategy.name}"
        return Check(name=strategy.name, ok=False, detail=detail)
    if verdict is not Verdict.B:
        detail = f"it reads <answer>[[B]]</answer> as {verdict}"
        return Check(name=strategy.name, ok=None, detail=detail)
    return Check(name=strategy.name, ok=True, detail=f"{len(messages)} messages")


def _runs(root: Path) -> Iterator[Check]:
    known = runs.folders(root)
    done = 0
    for folder in known:
        try:
            done += runs.read_record(folder).status == "done"
        except BadInput as error:
            yield Check(name=folder.name, ok=False, detail=str(error))
    if known:
        yield Check(name="runs", ok=True, detail=f"{len(known)} in {root}, {done} of them done")


def _of_plugins() -> Iterator[Check]:
    """What plugins look at; where one cannot look, that is what is found."""
    for implementation in plugins().hook.rmr1_checks.get_hookimpls():
        try:
            found: Iterable[Check] = check_checks(call(implementation))
        except (Exception, SystemExit) as error:  # the boundary to foreign code
            detail = f"it could not look: {type(error).__name__}: {error}"
            found = [Check(name=implementation.plugin_name, ok=None, detail=detail)]
        yield from found
