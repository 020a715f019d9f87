"""`rmr1 install`: packages with plugins, into the environment that rmr1 runs in.

What would change is resolved first. rmr1 itself and what it needs stay as they are, unless the user
says otherwise. Afterwards a new process tells which names appeared, and which plugin is broken.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from rmr1_core import uv
from rmr1_core.errors import UsageError
from rmr1_core.places import ITSELF, Inventory, Place, canonical, needed_by, own_packages, place
from rmr1_core.processes import ask
from rmr1_core.values import Value

MOST_SECONDS = 3600.0
"""A package may bring gigabytes with it."""
_CHANGE = re.compile(r"^ ([-+~]) ([\w.-]+)(?:==(\S+)| @ (\S+))?")


class Wanted(Value, frozen=True):
    """What to install: packages as pip takes them (a name, `name==1.0`, a path, a wheel, a URL),
    and folders to be installed so that changes there take effect at once."""

    packages: tuple[str, ...] = ()
    editable: tuple[str, ...] = ()
    upgrade: bool = False

    def arguments(self) -> list[str]:
        """For uv."""
        upgraded = [f"--upgrade-package={_name(p)}" for p in self.packages if _name(p)]
        folders = [word for folder in self.editable for word in ("--editable", folder)]
        return [*(upgraded if self.upgrade else ()), *folders, *self.packages]


class Change(Value, frozen=True):
    """A package that comes ("" before), goes ("" after), or changes its version."""

    package: str
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        if not self.before:
            return f"{self.package} {self.after}"
        return f"{self.package} {self.before} → {self.after or 'nothing'}"


class Installed(Value, frozen=True):
    """What was, or would be, done. `names` are those that appeared or went, by kind; `clashes`
    those that another plugin offers as well; `broken` are plugins with their errors."""

    place: Place
    changes: tuple[Change, ...]
    plugins: tuple[str, ...] = ()
    names: Mapping[str, Sequence[str]] = {}
    clashes: tuple[str, ...] = ()
    broken: Mapping[str, str] = {}
    note: str = ""


def plan(wanted: Wanted, *, allow_changes: bool = False) -> Installed:
    """What installing these would change; nothing is installed.

    Raises:
        UsageError: they cannot be installed together with what is here, or would change rmr1 or
            what it needs, which is not allowed.
    """
    here = place()
    _check_paths(wanted)
    said = _uv("install", "--dry-run", *wanted.arguments())
    changes = changes_in(said)
    own = own_packages()
    touched = [c for c in changes if c.package in own and c.before and c.before != c.after]
    if touched and not allow_changes:
        asked = shlex.join([*wanted.packages, *(f"--editable={e}" for e in wanted.editable)])
        raise UsageError(
            f"this would change what rmr1 needs: {', '.join(map(str, touched))}; nothing was "
            f"installed; install it all the same with: rmr1 install {asked} --allow-changes"
        )
    return Installed(place=here, changes=tuple(changes), note=_note(here, wanted))


def install(wanted: Wanted, planned: Installed) -> Installed:
    """Install, and look at what appeared.

    Raises:
        UsageError: it failed; what was there before is still there.
    """
    before = Inventory.look()
    pipx = shutil.which("pipx") if planned.place.kind == "pipx" else None
    if pipx:
        for editable in (False, True):
            names = wanted.editable if editable else wanted.packages
            force = ["--force"] if wanted.upgrade else []
            options = [*(["--editable"] if editable else []), *force]
            if names:
                _run([pipx, "inject", *options, Path(planned.place.prefix).name, *names])
    else:
        _uv("install", *wanted.arguments())
    after = Inventory.look()
    new = [name for name in after.names() if name not in before.names()]
    fresh = [p for p in after.plugins if p not in before.plugins]
    asked = {canonical(change.package) for change in planned.changes}
    concerned = after.of_packages([*asked])
    return msgspec.structs.replace(
        planned,
        plugins=tuple(fresh),
        names=_by_kind(new),
        clashes=tuple(
            f"{kind} {name!r} is offered by {' and '.join(plugins)}"
            for (kind, name), plugins in after.names().items()
            if len(plugins) > 1 and set(plugins) & {*concerned.plugins}
        ),
        broken={p: row["error"] for p, row in concerned.plugins.items() if row["error"]},
    )


def plan_removal(packages: Sequence[str]) -> Installed:
    """What uninstalling these packages would take away; nothing is changed.

    Raises:
        UsageError: one is not installed, is rmr1 or needed by it or another package, or has no
            plugin.
    """
    from importlib import metadata

    here, own = place(), own_packages()
    names = [canonical(package) for package in packages]
    for typed, name in zip(packages, names, strict=True):
        _check_removable(typed, name, own)
    known = Inventory.look()
    for name in names:
        if not known.of_packages([name]).plugins:
            raise UsageError(f"{name} has no plugin of rmr1; see: rmr1 plugins")
        if users := [user for user in needed_by(name) if user not in names]:
            raise UsageError(f"{name} is needed by {', '.join(users)}; uninstall these with it")
    gone = known.of_packages(names)
    left = {name for name, plugins in known.names().items() if {*plugins} - {*gone.plugins}}
    changes = [Change(package=name, before=metadata.version(name)) for name in names]
    return Installed(
        place=here,
        changes=tuple(changes),
        plugins=tuple(gone.plugins),
        names=_by_kind([name for name in gone.names() if name not in left]),
    )


def uninstall(planned: Installed) -> None:
    """Uninstall the packages. Raises UsageError when it fails."""
    names = [change.package for change in planned.changes]
    pipx = shutil.which("pipx") if planned.place.kind == "pipx" else None
    if pipx:
        _run([pipx, "uninject", Path(planned.place.prefix).name, *names])
    else:
        _uv("uninstall", *names)


def changes_in(said: str) -> list[Change]:
    """The changes that uv tells of, by package."""
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    for line in said.splitlines():
        if found := _CHANGE.match(line):
            sign, name, version, url = found.groups()
            package = canonical(name)
            for signs, versions in (("-~", before), ("+~", after)):
                if sign in signs:
                    versions[package] = version or url or ""
    return [
        Change(package=name, before=before.get(name, ""), after=after.get(name, ""))
        for name in sorted({**before, **after})
    ]


def _check_removable(typed: str, name: str, own: Mapping[str, str]) -> None:
    from importlib import metadata

    if name == ITSELF:
        raise UsageError(f"this would uninstall {ITSELF} itself; do that with pip, pipx or uv")
    if name in own:
        raise UsageError(f"{name} is needed by {ITSELF}; it stays")
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        for entry in metadata.entry_points(group=ITSELF, name=typed):
            if entry.dist:
                raise UsageError(
                    f"plugin {typed!r} is of the package {entry.dist.name!r}, which is what goes: "
                    f"rmr1 uninstall {entry.dist.name}"
                ) from None
        raise UsageError(f"{typed} is not installed; see: rmr1 plugins") from None


def _check_paths(wanted: Wanted) -> None:
    """What looks like a path has to be one; uv would take it for a package's name."""
    for given in (*wanted.packages, *wanted.editable):
        path = Path(given).expanduser()
        if given.endswith(".py") and path.is_file():
            raise UsageError(
                f"{given} is a file and no package; use it with: rmr1 --plugin {given} COMMAND"
            )
        looks = given.startswith((".", "/", "~")) or given in wanted.editable
        if looks and "://" not in given and not path.exists():
            raise UsageError(f"{given}: there is no such folder or file to install")


def _name(package: str) -> str:
    """The name in what pip takes; "" of a path or a URL."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(package).name if not Path(package).exists() else ""
    except InvalidRequirement:
        return ""


def _note(here: Place, wanted: Wanted) -> str:
    asked = " ".join([*wanted.packages, *wanted.editable])
    if here.kind == "uv tool":
        again = f"uv tool install {ITSELF} --with {asked}"
        return f"uv tool upgrade {ITSELF} forgets this; so that it does not: {again}"
    if here.kind == "pipx" and shutil.which("pipx") is None:
        return f"pipx is not found, and pipx reinstall {ITSELF} will forget this"
    if here.kind == "conda":
        return "conda does not know of packages that are installed in this way"
    return ""


def _by_kind(names: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    kinds = dict.fromkeys(kind for kind, _ in names)
    return {kind: [name for k, name in names if k == kind] for kind in kinds}


def _uv(command: str, *arguments: str) -> str:
    program = uv.uv_program("installing packages")
    place_ = ["--python", sys.executable, "--no-progress", "--color", "never"]
    return _run([program, "pip", command, *place_, *arguments])


def _run(argv: Sequence[str]) -> str:
    """What a program says of what it did. Raises UsageError with its own error."""
    code, output, errors = ask(argv, timeout=MOST_SECONDS, env=uv.settings())
    if code == 0:
        return f"{output}\n{errors}"
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        log.write_text(errors or output, encoding="utf-8")
        problem = uv.uv_error(log, code)
    program = Path(argv[0]).name
    raise UsageError(f"{program} cannot do this: {problem}; nothing was changed")
