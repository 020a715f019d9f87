"""The last step of training: the model in Hugging Face format, whole, under its name.

OpenRLHF leaves weights, configuration and tokenizer, changed for training: no cache of keys and
values, a padding token, perhaps another chat template. What evaluates the model shall meet the
settings that it had before.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from rmr1_openrlhf.inside import places

_KEPT = ("use_cache", "pad_token_id")
"""What OpenRLHF changes in a model's configuration."""


def run(model: str, output: str) -> int:
    """Put the trained model in its place, and remove what served to resume."""
    folder = Path(output)
    checkpoint, trained = folder / places.CHECKPOINT, folder / places.TRAINED
    if not checkpoint.exists():
        if not (folder / places.FINISHED).exists():
            raise RuntimeError(f"{trained} is not whole; train again")
        whole = trained
        if (trained / "adapter_config.json").exists():
            whole = merge(model, trained)
        check(whole)
        restore(model, whole)
        readable(whole)
        whole.rename(checkpoint)
    for left in (places.RESUME, places.CACHE, places.TRAINED):
        shutil.rmtree(folder / left, ignore_errors=True)
    return 0


def check(folder: Path) -> None:
    """Raise RuntimeError unless there are whole weights and a configuration."""
    from safetensors import SafetensorError, safe_open

    files = sorted(folder.glob("*.safetensors"))
    index = folder / "model.safetensors.index.json"
    if index.exists():
        named = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        files = [folder / name for name in sorted(set(named))]
    try:
        for file in files:
            with safe_open(file, framework="pt") as weights:
                weights.keys()
    except (OSError, SafetensorError) as error:
        raise RuntimeError(f"OpenRLHF left weights that cannot be read: {error}") from None
    if not files or not (folder / "config.json").exists():
        raise RuntimeError(f"OpenRLHF left no model in {folder}")


def restore(model: str, folder: Path) -> None:
    """Give the trained model the tokenizer, the chat template and the settings of the model."""
    from transformers import AutoConfig, AutoTokenizer

    before = AutoConfig.from_pretrained(model)
    file = folder / "config.json"
    config: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    for name in _KEPT:
        config[name] = getattr(before, name, None)
    file.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    AutoTokenizer.from_pretrained(model).save_pretrained(folder)


def merge(model: str, folder: Path) -> Path:
    """The whole model with an adapter (LoRA) in it, in a folder beside the adapter's, which stays
    until the model is in its place."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    whole = AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16)
    merged = PeftModel.from_pretrained(whole, folder).merge_and_unload()
    aside = folder.with_name(f"{folder.name}.merged")
    shutil.rmtree(aside, ignore_errors=True)
    merged.save_pretrained(aside)
    return aside


def readable(folder: Path) -> None:
    """Let those read the files whom the umask lets read new ones, whatever libraries decided."""
    umask = os.umask(0)
    os.umask(umask)
    for path in folder.rglob("*"):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)
