"""Small random models that score, saved to folders as save_pretrained writes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import families
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

Maker = Callable[..., Path]


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """A folder with a model of this class and the tokenizer of a family; `seed` draws it."""

    def made(kind: str, family: str = "qwen", seed: int = 0, **changes: Any) -> Path:
        folder = tmp_path_factory.mktemp(kind)
        getattr(families, f"{family}_like")(folder)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        torch.manual_seed(seed)
        config = transformers.LlamaConfig(
            vocab_size=len(tokenizer) + 3,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            intermediate_size=48,
            initializer_range=0.3,
            max_position_embeddings=512,
            **{"num_labels": 1, "pad_token_id": None, **changes},
        )
        getattr(transformers, kind)(config).save_pretrained(folder)
        return folder

    return made


@pytest.fixture(scope="session")
def classifier(make: Maker) -> Path:
    """A sequence classifier with one logit, whose configuration names no token to pad with."""
    return make("LlamaForSequenceClassification")
