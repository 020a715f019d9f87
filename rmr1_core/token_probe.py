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
        return {"error": f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"}
    if not tokenizer.chat_template:
        return {"error": "its tokenizer has no chat template"}
    return {
        "rows": [_row(tokenizer, **row) for row in asked["rows"]],
        "vocabulary": len(tokenizer),
        "embeddings": config.get_text_config().vocab_size,
        "context": getattr(config.get_text_config(), "max_position_embeddings", 0),
        "end": tokenizer.eos_token or "",
    }


def _row(tokenizer: Any, messages: list[dict[str, str]], completion: str) -> dict[str, Any]:
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
    return {
        "prompt": text,
        "trained": trained,
        "prompt_tokens": len(ids),
        "trained_tokens": len(whole) - len(ids),
        "bos": sum(token == bos for token in ids) if bos is not None else 0,
        "agrees": list(getattr(direct, "input_ids", direct)) == ids,
        "templated": not completion or templated.rstrip("\n") == (text + trained).rstrip("\n"),
    }


if __name__ == "__main__":
    main()
