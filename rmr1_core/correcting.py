"""What a corrector is asked: the judge's own prompt, the flawed answer to it, the right verdict.

All of it is one request in the form in which the judge is asked, so any prompt strategy works. The
words are ours.
"""

from __future__ import annotations

import re

import msgspec

from rmr1_core.components import PromptStrategy
from rmr1_core.judging import render
from rmr1_core.slots import Slot
from rmr1_core.values import Message, Verdict

_FENCES = re.compile("=+")
_FENCE = 7
_WORDS = """\
Another judge was asked exactly this and answered what stands between the next two headings. The \
answer is flawed: its verdict is wrong, or its reasoning does not hold, or its form is incomplete.

{fence} FLAWED ANSWER {fence}
{flawed}
{fence} END OF THE FLAWED ANSWER {fence}

The right verdict is [[{label}]]. Write the answer as it should have been, from its first line to \
its last, in exactly the form that is asked for above. Keep what is sound, and replace what is not \
by reasons that lead to [[{label}]] and that the two responses bear out; copy quotations letter by \
letter. Write as a judge who was shown the two responses and nothing else: do not say or hint, not \
even in thought, that a verdict was given to you, and do not mention another judge or an earlier \
answer."""


def correction(strategy: PromptStrategy, slot: Slot, flawed: str) -> tuple[Message, ...]:
    """The messages that ask for a corrected answer; the last one is longer than the judge's."""
    messages = render(strategy, slot.pair, slot.chosen_first)
    whole = "\n".join([*(message.content for message in messages), flawed])
    longest = max(map(len, _FENCES.findall(whole)), default=0)
    words = _WORDS.format(
        fence="=" * max(_FENCE, longest + 1),
        flawed=flawed,
        label=Verdict.favouring_chosen(slot.chosen_first),
    )
    *before, last = messages
    return (*before, msgspec.structs.replace(last, content=f"{last.content}\n\n{words}"))
