"""How Sphinx makes the site of the pages that `docs/build_site.py` has staged."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any, get_type_hints

import rmr1_core

project = "rmr1"
author = "the authors of rmr1"
project_copyright = author
release = rmr1_core.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

# pages
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 6
suppress_warnings = ["myst.header"]  # a page's parts may begin below the second level
pygments_style = "default"
pygments_dark_style = "github-dark"

# the reference of public modules: our docstrings are plain text with `code`
default_role = "code"
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
python_maximum_signature_line_length = 80
toc_object_entries_show_parents = "hide"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

# nothing is fetched, when the site is built or when it is read
html_theme = "furo"
html_title = f"rmr1 {release}"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f5f8b", "color-brand-content": "#1f5f8b"},
    "dark_css_variables": {"color-brand-primary": "#7fb8e0", "color-brand-content": "#7fb8e0"},
}


def setup(app: Any) -> None:
    """Add what draws mathematics, as MathML, and what our docstrings need."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    app.connect("missing-reference", _named)
    app.connect("autodoc-process-signature", _plain_signature)
    app.connect("autodoc-process-docstring", _plain_text, priority=400)


def _named(app: Any, env: Any, node: Any, text: Any) -> Any:
    """Where a type of a signature is described: in the public module that gives it its name.

    A type of another library, or one that no public module has, is named without a link.
    """
    if node.get("refdomain") != "py":
        return None
    name = node["reftarget"].rpartition(".")[2]
    if node["reftarget"].startswith("rmr1_core.") and name in rmr1_core.__all__:
        domain = env.get_domain("py")
        return domain.resolve_xref(
            env, node["refdoc"], app.builder, "obj", f"rmr1_core.{name}", node, text
        )
    return text


def _plain_signature(*event: Any) -> tuple[str | None, str | None]:
    """A signature without what is said of options, which `_plain_text` says below it.

    A default that is made anew for each call is shown as `...`, which is Python.
    """
    signature, result = event[-2:]
    if signature is None:
        return signature, result
    signature = re.sub(r"<[^<>]*>", "...", signature)
    try:
        function = ast.parse(f"def f{signature}: ...")
    except SyntaxError:
        return signature, result
    return ast.unparse(_Bare().visit(function)).split("\n")[0][len("def f") : -1], result


class _Bare(ast.NodeTransformer):
    """Types alone, of types with metadata."""

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        inner = self.visit(node.operand)  # ~module.Name is autodoc's mark of a short name
        return inner if inner is not node.operand else node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        if ast.unparse(node.value).endswith("Annotated") and isinstance(node.slice, ast.Tuple):
            return self.visit(node.slice.elts[0])  # type: ignore[no-any-return]
        return self.generic_visit(node)


def _options(thing: Any) -> Iterator[str]:
    """A line for each option that a class adds to its base, with its bounds."""
    try:
        hints = get_type_hints(thing, include_extras=True)
    except NameError:  # a name that only type checkers import
        return
    for name in vars(thing).get("__annotations__", {}):
        for meta in getattr(hints[name], "__metadata__", ()):
            bounds = [f"at least {meta.ge}"] if meta.ge is not None else []
            bounds += [f"at most {meta.le}"] if meta.le is not None else []
            if meta.description:
                yield f":param {name}: {'; '.join([meta.description, *bounds])}"


def _plain_text(*event: Any) -> None:
    """Show indented paragraphs as code, and read no words before a colon as a type."""
    _app, what, _name, thing, _autodoc, lines = event
    text = "\n".join(lines)
    lines[:] = re.sub(r"(?m)^(\S.*)(?<!::)\n\n(?= {4,}\S)", r"\1\n\n::\n\n", text).split("\n")
    if what == "class" and (options := list(_options(thing))):
        lines += ["", *options, ""]
    if what in ("attribute", "data", "property"):
        lines.insert(0, "")  # where napoleon looks for a type


def _inline(translator: Any, node: Any) -> None:
    _mathml(translator, node, as_block=False)


def _block(translator: Any, node: Any) -> None:
    _mathml(translator, node, as_block=True)


def _mathml(translator: Any, node: Any, *, as_block: bool) -> None:
    from docutils import nodes
    from docutils.utils.math.latex2mathml import tex2mathml

    drawn = tex2mathml(node.astext(), as_block=as_block)
    translator.body.append(f'<div class="formula">{drawn}</div>' if as_block else drawn)
    raise nodes.SkipNode
