"""The prompt strategies: the packaged wordings, a template from a file, and the compact form.

`cor-instruct` and `cor-reasoning` are the paper's chain of rubrics (arXiv 2505.02387, section 3.2)
for instruct models and for models that think by themselves. The others take parts of it away, as
the paper's ablations do (appendix I.1, section 4.3): `cor-uncategorized` does not name the task's
type and writes a rubric for every task (there cold-start RL with rubrics), `pairwise` neither
classifies nor writes rubrics (cold-start RL), `direct` gives the verdict without any reasoning (the
model fine-tuned on verdicts alone, "SFT").
"""

from __future__ import annotations

import abc
import functools
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from rmr1_core import PATH, Comparison, Message, Option, PromptStrategy, Verdict
from rmr1_core.errors import BadInput
from rmr1_rubrics import template_files
from rmr1_rubrics.parsers import LEADS, PARSERS, ParserName
from rmr1_rubrics.template import Template

_PARSER_HELP = "how a verdict is read: the project's parser, or one that published numbers used"


class Templated(PromptStrategy, frozen=True, kw_only=True):
    """A strategy whose words are a template."""

    @property
    @abc.abstractmethod
    def template(self) -> Template:
        """The words. Raises BadInput if they come from a file that cannot be used."""

    @property
    def stop(self) -> tuple[str, ...]:
        """Strings after which the answer is complete.

        Mostly none, unless the answer is nothing but the verdict: a judge that quotes an answer
        may write `</answer>` long before its own, and so may one that thinks.
        """
        return self.template.stop

    def render(self, comparison: Comparison) -> tuple[Message, ...]:
        """The template around this comparison."""
        return self.template.render(comparison)


class Packaged(Templated, frozen=True, kw_only=True):
    """The strategy whose words this package holds under its name."""

    parser: Annotated[ParserName, Option(description=_PARSER_HELP)] = "rmr1"

    @property
    def template(self) -> Template:
        """The packaged words."""
        return template_files.packaged(self.name)

    def parse(self, text: str) -> Verdict:
        """The verdict, as the chosen parser reads it."""
        return PARSERS[self.parser](text)


class FromFile(Templated, frozen=True, kw_only=True, dict=True):
    """A template from a file: the words that a checkpoint was trained on, or your own."""

    argument: ClassVar[str] = "path"
    path: Annotated[
        str, Option(extra=PATH, description="template file; make one: rmr1 prompts learn")
    ] = ""
    parser: Annotated[
        Literal["from-file"] | ParserName,
        Option(description=f"{_PARSER_HELP}; 'from-file' is the one that the file names"),
    ] = "from-file"

    @functools.cached_property
    def template(self) -> Template:
        """The file's words, read once."""
        if not self.path:
            raise BadInput("prompt 'file'", "no template was named; say --prompt file:PATH")
        return template_files.load(Path(self.path).expanduser())

    def parse(self, text: str) -> Verdict:
        """The verdict, as the chosen parser reads it, or the one that the file names."""
        name = self.template.parser if self.parser == "from-file" else self.parser
        return PARSERS[name](text)

    def closing(self, begun: str, *, thinking: bool) -> str:
        """What leads into a verdict as the file's own parser reads it; `<answer>` where the
        template speaks of that tag."""
        usual = super().closing(begun, thinking=thinking)
        said = f"{self.template.system or ''}{self.template.single_turn}"
        if not usual or "<answer>" in said or self.template.parser not in LEADS:
            return usual
        return usual.removesuffix("<answer>") + LEADS[self.template.parser]


class Compact(PromptStrategy, frozen=True, kw_only=True):
    """One user message: the question, `[A] ` and answer A, `[B] ` and answer B, a line each.

    Of a conversation with several turns every turn gets a line `role: text`. There are no
    instructions, so it suits models that are trained on this form and no others.
    """

    parser: Annotated[ParserName, Option(description=_PARSER_HELP)] = "rmr1"

    def render(self, comparison: Comparison) -> tuple[Message, ...]:
        """One user message."""
        turns = comparison.prompt
        if len(turns) == 1:
            question = turns[0].content
        else:
            question = "\n".join(f"{turn.role}: {turn.content}" for turn in turns)
        return (Message("user", f"{question}\n[A] {comparison.a}\n[B] {comparison.b}"),)

    def parse(self, text: str) -> Verdict:
        """The verdict, as the chosen parser reads it."""
        return PARSERS[self.parser](text)

    @property
    def stop(self) -> tuple[str, ...]:
        """None: a model that is trained on this form ends its answers itself, in rollouts too."""
        return ()
