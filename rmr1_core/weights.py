"""A model in a folder, looked at before anything heavy loads it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rmr1_core.errors import BadInput

SAFE_OR_PICKLED = ("*.safetensors", "*.bin", "*.safetensors.index.json")
"""What transformers loads."""
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "tekken.json")


def checked_folder(model: str, formats: Sequence[str] = SAFE_OR_PICKLED) -> Path | None:
    """The folder that `model` names, with weights in one of `formats` (patterns of file names);
    None where it names a model on the hub.

    Raises:
        BadInput: the folder lacks something that a loader would miss later, and say in other words.
    """
    folder = Path(model).expanduser()
    if not folder.is_dir():
        return None
    for file in (folder, *folder.iterdir()):
        if not os.access(file, os.R_OK):
            raise BadInput(file, "you may not read this; see its permissions")
    if not (folder / "config.json").is_file():
        raise BadInput(folder, "no config.json; give the folder that save_pretrained() wrote")
    if not any(any(folder.glob(pattern)) for pattern in formats):
        raise BadInput(folder, "no weights (*.safetensors); was the model saved here, or a part?")
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        raise BadInput(
            folder, "no tokenizer; copy tokenizer.json and tokenizer_config.json beside the weights"
        )
    return folder
