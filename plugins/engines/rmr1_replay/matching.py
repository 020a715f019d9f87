"""Which logged judgment a request asks for: one of the same two answers in the same order.

Logs know nothing of our ids, so the answers' texts decide, and ids only between equal texts. A
request's text is searched for the first letters of all logged answers at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from rmr1_core import LoggedJudgment, Request
from rmr1_replay.journals import Key

_PROBE = 24


class Matcher:
    """Finds logged judgments by the text of a request."""

    def __init__(self, logged: Sequence[LoggedJudgment]) -> None:
        self._by_probe: dict[str, list[LoggedJudgment]] = defaultdict(list)
        self._short: list[LoggedJudgment] = []
        for judgment in logged:
            longer = max(judgment.pair.chosen.strip(), judgment.pair.rejected.strip(), key=len)
            if len(longer) < _PROBE:
                self._short.append(judgment)
            else:
                self._by_probe[longer[:_PROBE]].append(judgment)

    def find(self, request: Request, key: Key | None) -> list[LoggedJudgment]:
        """All judgments of the request's two answers, in either order, the likeliest first."""
        text = "\n".join(message.content for message in request.messages)
        candidates = list(self._short)
        if self._by_probe:
            seen = dict.fromkeys(text[i : i + _PROBE] for i in range(len(text) - _PROBE + 1))
            candidates += (
                j for probe in seen if probe in self._by_probe for j in self._by_probe[probe]
            )
        pair_id = key.pair_id if key else ""
        # longer answers first: a short one may occur in other texts by accident
        found = sorted(
            (judgment for judgment in candidates if _shown(judgment, text)),
            key=lambda j: (
                not _names(pair_id, j.pair.id),
                -len(j.pair.chosen) - len(j.pair.rejected),
            ),
        )
        return [judgment for judgment in found if _which(judgment) == _which(found[0])]


def _which(judgment: LoggedJudgment) -> tuple[str, str, str]:
    pair = judgment.pair
    return pair.id.partition("#")[0], pair.chosen, pair.rejected


def _shown(judgment: LoggedJudgment, text: str) -> bool:
    return judgment.pair.chosen.strip() in text and judgment.pair.rejected.strip() in text


def _names(pair_id: str, logged_id: str) -> bool:
    """Whether our id is the log's, or below it: `bon/3405/gpt-4` of `bon/3405#2`."""
    return f"{pair_id}/".startswith(f"{logged_id.partition('#')[0]}/")


def shown_first(request: Request, key: Key | None, judgment: LoggedJudgment) -> bool:
    """Whether the request shows the chosen answer first: its id says so, or else its text."""
    if key is not None:
        return key.chosen_first
    text = "\n".join(message.content for message in request.messages)
    return text.find(judgment.pair.chosen.strip()) < text.find(judgment.pair.rejected.strip())
