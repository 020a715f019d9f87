"""How a model's own tokenizer and chat template see a few rows.

A program that runs wherever transformers is, and imports nothing of rmr1: it reads the question
from standard input and writes the answer to standard output, both as JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def main() -> None:
    """Answer, with what the tokenizer says or with why there is none."""
    asked = json.load(sys.stdin)
    print("\n" + json.dumps(_answer(asked)))


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    from transformers import AutoConfig, AutoTokenizer

    where = {} if asked["is_folder"] else {"revision": asked["revision"]}
    try:
        tokenizer = AutoTokenizer.from_pretrained(asked["model"], **where)
        config = AutoConfig.from_pretrained(asked["model"], **where)
    except ImportError:
        raise
    except Exception as error:  # the boundary to the hub and to files
        return {"error": f"{type(error).__name__}: {_line(error)}"}
    if not tokenizer.chat_template:
        return {"error": "its tokenizer has no chat template"}
    try:
        found = [_row(tokenizer, **row) for row in asked["rows"]]
    except Exception as error:  # the boundary to a foreign template
        return {"error": f"its chat template refuses a conversation: {_line(error)}"}
    ids = [each for _, each in found]
    return {
        "rows": [row for row, _ in found],
        **(_tokens(tokenizer, ids) if asked.get("tokens") else {}),
        "vocabulary": len(tokenizer),
        "embeddings": config.get_text_config().vocab_size,
        "context": getattr(config.get_text_config(), "max_position_embeddings", 0),
        "end": tokenizer.eos_token or "",
    }


def _row(
    tokenizer: Any, messages: list[dict[str, str]], completion: str
) -> tuple[dict[str, Any], dict[str, list[int]]]:
    """What there is to say of a row, and its ids: as evaluation asks, as reinforcement asks, and
    as distillation reads it."""
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    direct = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=True)
    bos = tokenizer.bos_token_id
    trained = templated = ""
    if completion:
        trained = completion + (tokenizer.eos_token or "")
        answer = {"role": "assistant", "content": completion}
        templated = tokenizer.apply_chat_template([*messages, answer], tokenize=False)
    whole = tokenizer(text + trained, add_special_tokens=False)["input_ids"]
    direct = list(getattr(direct, "input_ids", direct))
    row = {
        "prompt": text,
        "trained": trained,
        "prompt_tokens": len(ids),
        "trained_tokens": len(whole) - len(ids),
        "bos": sum(token == bos for token in ids) if bos is not None else 0,
        "agrees": direct == ids,
        "templated": not completion or templated.rstrip("\n") == (text + trained).rstrip("\n"),
    }
    return row, {"evaluation": ids, "rl": direct, "sft": whole}


def _tokens(tokenizer: Any, rows: list[dict[str, list[int]]]) -> dict[str, Any]:
    """The ids of the rows, and of each id its text and whether it is special."""
    import transformers

    used = {token for row in rows for ids in row.values() for token in ids}
    added = tokenizer.added_tokens_decoder
    special = {*tokenizer.all_special_ids, *(token for token in added if added[token].special)}
    return {
        "ids": rows,
        "pieces": {token: _piece(tokenizer, token, token in added) for token in sorted(used)},
        "special": sorted(used & special),
        "begin": tokenizer.bos_token_id,
        "library": f"transformers {transformers.__version__}",
    }


def _piece(tokenizer: Any, token: int, added: bool) -> str:
    raw = str(tokenizer.convert_ids_to_tokens(token))
    if added:
        return raw
    if "\u2581" in raw:  # SentencePiece's space, which decoding a lone token drops
        return raw.replace("\u2581", " ")
    text = str(tokenizer.decode([token]))
    return raw if "\ufffd" in text else text


def _line(error: Exception) -> str:
    """What an error says first."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


if __name__ == "__main__":
    main()
