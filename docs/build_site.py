"""Build the documentation site.

    python docs/build_site.py            into build/site
    python docs/build_site.py OUT        into OUT

The pages under docs/ are Markdown that reads well on a code host, so what only a site needs is
added here, in a copy: the tree of contents, from the links of docs/index.md; links that leave
docs/; and a page for each public module. A page that index.md does not link is in the tree, too.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from posixpath import relpath

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
INDEX = "index.md"
REST = "More pages"
EXAMPLES = "Example packages"
"""The captions above pages that index.md does not link."""
API = "python-api.md"
CONSTANTS = ("hookspecs.hookimpl", "components.PATH", "components.PATH_OR_NAME")
"""What of the contract is neither class nor function, and in no other public module."""

_FENCE = re.compile(r"^(```.*?^```$)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<target>[^)\s]+)\)")
_MODULE = re.compile(r"^\| `(rmr1_core[.\w]*)` \|", re.MULTILINE)


def main(out: Path) -> int:
    """Write the site; the exit code, which is not 0 for any warning."""
    from sphinx.cmd.build import build_main

    source = out.with_name(f"{out.name}-source")
    stage(source)
    strict = ["--fail-on-warning", "--keep-going", "--nitpicky", "--fresh-env", "--quiet"]
    places = ["--conf-dir", str(FOLDER), "--doctree-dir", str(out.with_name(f"{out.name}-trees"))]
    return int(build_main([*strict, "-b", "html", *places, str(source), str(out)]))


def pages() -> dict[Path, str]:
    """Every page of the site that is a file here, and its name there."""
    found = {page: page.relative_to(FOLDER).as_posix() for page in FOLDER.rglob("*.md")}
    found |= {
        ROOT / "README.md": "overview.md",
        ROOT / "CHANGELOG.md": "changelog.md",
        ROOT / "CONTRIBUTING.md": "contributing.md",
        ROOT / "benchmarks" / "README.md": "measurements.md",
        ROOT / "examples" / "README.md": "examples/index.md",
    }
    for page in sorted((ROOT / "examples").glob("*/README.md")):
        found[page] = f"examples/{page.parent.name}.md"
    return found


def public_modules() -> list[str]:
    """What docs/concepts.md lists as public."""
    section = (FOLDER / "concepts.md").read_text(encoding="utf-8")
    return _MODULE.findall(section.partition("## What imports what")[2])


def stage(folder: Path) -> None:
    """Write what Sphinx reads."""
    shutil.rmtree(folder, ignore_errors=True)
    names = pages()
    texts = {name: _rewritten(page, names, folder) for page, name in names.items()}
    index = FOLDER / INDEX
    texts[INDEX] += "\n".join(["", *_trees(index, names)])
    modules = {module: f"api/{module}.rst" for module in public_modules()}
    tree = [f"{module} <{name.removesuffix('.rst')}>" for module, name in modules.items()]
    texts[API] += "\n".join(["", *_tree("", tree)])
    texts |= {name: _reference(module) for module, name in modules.items()}
    for name, text in texts.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


def _trees(index: Path, names: dict[Path, str]) -> Iterator[str]:
    """A tree of contents for each section of the index, named as it names them."""
    left = set(names.values()) - {INDEX}
    for section in re.split(r"^## ", index.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        caption, _, text = section.partition("\n")
        entries = []
        for link in _LINK.finditer(text):
            name = names.get((index.parent / link["target"]).resolve())
            if name in left:
                left.remove(name)
                entries.append(f"{link['text']} <{name.removesuffix('.md')}>")
        yield from _tree(caption, entries)
    others = [name.removesuffix(".md") for name in sorted(left)]
    yield from _tree(EXAMPLES, [name for name in others if name.startswith("examples/")])
    yield from _tree(REST, [name for name in others if not name.startswith("examples/")])


def _tree(caption: str, entries: list[str]) -> Iterator[str]:
    if entries:
        yield from ("```{toctree}", ":hidden:", *([f":caption: {caption}"] if caption else []), "")
        yield from (*entries, "```", "")


def _rewritten(page: Path, names: dict[Path, str], folder: Path) -> str:
    """A page's text with links that lead to where their targets are on the site.

    A file that is no page is copied, to be downloaded; of a folder the path is named.
    """
    parts = _FENCE.split(page.read_text(encoding="utf-8"))
    here = PurePosixPath(names[page]).parent.as_posix()

    def linked(found: re.Match[str]) -> str:
        text, (path, hash_, anchor) = found["text"], found["target"].partition("#")
        if not path or ":" in path:
            return found[0]
        target = (page.parent / path).resolve()
        target = target / "README.md" if (target / "README.md") in names else target
        if target in names:
            return f"[{text}]({relpath(names[target], here)}{hash_}{anchor})"
        where = target.relative_to(ROOT).as_posix()
        if target.is_file():
            copy = folder / "_files" / where
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(target, copy)
            return f"{{download}}`{text.replace('`', '')} </_files/{where}>`"
        return text if where in text else f"{text} (`{where}`)"

    return "".join(part if part.startswith("```") else _LINK.sub(linked, part) for part in parts)


def _reference(module: str) -> str:
    """The page of a module, in reStructuredText, as autodoc wants it."""
    lines = [module, "=" * len(module), "", f".. automodule:: {module}", "   :members:"]
    if module == "rmr1_core":
        lines.append("   :imported-members:")
        for name in CONSTANTS:
            lines += ["", f".. autodata:: rmr1_core.{name}", "   :no-value:"]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute() if sys.argv[1:] else ROOT / "build" / "site"))
