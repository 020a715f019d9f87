"""What a reader needs to repeat a run with weights in this process."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from typing import Any

import torch
import transformers


def facts_of(model: Any, tokenizer: Any) -> Mapping[str, str]:
    """Versions, dtype, device, attention and threads, and what conversations become tokens by."""
    gpu = model.device.type == "cuda"
    device = torch.cuda.get_device_name(model.device) if gpu else platform.machine()
    return {
        "torch": str(torch.__version__),
        "transformers": transformers.__version__,
        "dtype": str(model.dtype).removeprefix("torch."),
        "device": f"{model.device} ({device})",
        "attention": model.config._attn_implementation,
        "threads": str(torch.get_num_threads()),
        **tokenizing(tokenizer),
    }


def tokenizing(tokenizer: Any) -> Mapping[str, str]:
    """Hashes of the chat template and the tokenizer, which turn messages into tokens."""
    return {
        "chat template": _hash(str(tokenizer.chat_template)),
        "tokenizer": _tokenizer_hash(tokenizer),
    }


def _tokenizer_hash(tokenizer: Any) -> str:
    """Of all that turns text into tokens; padding and truncation are for batches."""
    if not tokenizer.is_fast:
        return _hash(json.dumps(tokenizer.get_vocab(), sort_keys=True))
    parts = json.loads(tokenizer.backend_tokenizer.to_str())
    return _hash(json.dumps({**parts, "padding": None, "truncation": None}, sort_keys=True))


def _hash(text: str) -> str:
    return f"sha256 {hashlib.sha256(text.encode()).hexdigest()[:16]}"
