"""From the body of a response to a completion.

Departures from what servers send:

- A thought that comes apart from the answer is put back in front of it as `<think>…</think>`, and
  left open where no answer follows, so that a journal holds what was paid for, and a verdict inside
  of an unfinished thought does not count.
- A stop string, which OpenAI's API leaves out of the text, is put back (see `with_stop`).
- An answer that a content filter cut off, or withheld, counts as cut off ("length").
- A call of a tool, which nobody offered, is an answer without a verdict.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from rmr1_core import Completion

_CUT_OFF = ("length", "max_tokens", "content_filter")
_FINISHED = ("stop", "tool_calls", "function_call", "stop_sequence", "eos", "eos_token", "end_turn")
_MOST_TOKENS = 2**53


class Malformed(Exception):
    """A response that is no chat completion; it says why."""


class _Message(msgspec.Struct):
    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    refusal: Any = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: Any = None
    stop_reason: Any = msgspec.UNSET
    matched_stop: Any = msgspec.UNSET


class _Body(msgspec.Struct):
    choices: list[_Choice]
    usage: Any = None


_decoder = msgspec.json.Decoder(_Body)


class Asked(NamedTuple):
    """What matters of a request for reading its answer. `stop_sent`: the server was told of the
    stop strings; else there is nothing that it left out."""

    stop: tuple[str, ...]
    limit: int
    stop_sent: bool = True


def completion_of(content: bytes, asked: Asked) -> Completion:
    """The completion in a response.

    Raises:
        Malformed: there is none.
    """
    body = _decode(content)
    if not body.choices:
        raise Malformed("it has no choices")
    choice, usage = body.choices[0], body.usage if isinstance(body.usage, Mapping) else {}
    if choice.finish_reason == "error":
        raise Malformed("its finish_reason is 'error'")
    written = _count(usage.get("completion_tokens"))
    finish = _finish(choice.finish_reason, written, asked.limit)
    text = _text(choice.message.content) or _text(choice.message.refusal)
    stopped_by = _stopped_by(choice)
    if stopped_by is msgspec.UNSET and (written >= asked.limit or not asked.stop_sent):
        stopped_by = None  # it may have been cut off, whatever it says; or nothing was left out
    text, finish = with_stop(text, finish, stopped_by, asked.stop)
    thought = _text(choice.message.reasoning_content) or _text(choice.message.reasoning)
    text = with_thought(text, thought)
    return Completion(
        text=text.encode("utf-8", "replace").decode(),  # half a surrogate pair is no text
        finish_reason=finish,
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=written,
        cached_tokens=_cached(usage),
    )


def with_stop(
    text: str, finish: Literal["stop", "length"], stopped_by: Any, stops: tuple[str, ...]
) -> tuple[str, Literal["stop", "length"]]:
    """The text up to and with its first stop string, and why it ends there.

    A stop string is put back where the server says that it stopped there (`stopped_by`; UNSET from
    a server that never says). From other servers, a closing tag is put back where the server says
    that the answer is finished and the text ends inside of that tag. That cannot finish an answer
    that was cut off: such a one has another finish reason.
    """
    ends = [text.index(stop) + len(stop) for stop in stops if stop in text]
    if ends:
        return text[: min(ends)], "stop"
    if finish != "stop":
        return text, finish
    if isinstance(stopped_by, str) and stopped_by in stops:
        return text + stopped_by, finish
    if stopped_by is msgspec.UNSET:
        for stop in stops:
            if _is_inside(text, stop):
                return text + stop, finish
    return text, finish


def with_thought(text: str, thought: str) -> str:
    """The text with the thought in front of it, which is left open where no answer follows."""
    if not thought:
        return text
    return f"<think>\n{thought.strip()}\n</think>\n\n{text}" if text else f"<think>\n{thought}"


def _is_inside(text: str, closing: str) -> bool:
    """Whether the text ends inside of the tag that this closes."""
    if not (closing.startswith("</") and closing.endswith(">")):
        return False
    return text.rfind(f"<{closing[2:]}") > text.rfind(closing)


def _finish(reason: Any, written: int, limit: int) -> Literal["stop", "length"]:
    if reason in _CUT_OFF:
        return "length"
    if reason in _FINISHED:
        return "stop"
    return "length" if written >= limit else "stop"


def _stopped_by(choice: _Choice) -> Any:
    """vLLM's and SGLang's names for what ended the answer."""
    return choice.matched_stop if choice.stop_reason is msgspec.UNSET else choice.stop_reason


def _decode(content: bytes) -> _Body:
    try:
        return _decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:  # more patient with text that is not Unicode
        value = json.loads(content.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise Malformed("it is not JSON") from None
    if isinstance(value, Mapping) and value.get("error"):
        raise Malformed(f"it is an error: {_message(value['error'])}")
    try:
        return msgspec.convert(value, _Body)
    except msgspec.ValidationError as error:
        words = str(error).replace("`", "'")
        raise Malformed(words[:1].lower() + words[1:]) from None


def _message(error: Any) -> str:
    found = error.get("message") if isinstance(error, Mapping) else error
    return found if isinstance(found, str) else "no message"


def _text(content: Any) -> str:
    """A message's text, which some servers send in parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        parts = [part.get("text") for part in content if isinstance(part, Mapping)]
        return "".join(part for part in parts if isinstance(part, str))
    return ""


def _cached(usage: Mapping[str, Any]) -> int:
    details = usage.get("prompt_tokens_details")
    inner = details.get("cached_tokens") if isinstance(details, Mapping) else None
    return _count(inner) or _count(usage.get("prompt_cache_hit_tokens"))  # DeepSeek's name


def _count(value: Any) -> int:
    """A number of tokens; 0 for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0
    return max(0, min(int(value), _MOST_TOKENS))
