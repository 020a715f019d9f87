"""The last checkpoint in Hugging Face format, with the tokenizer and chat template of the model
that was trained: whole, or not there at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rmr1_verl.inside import children
from rmr1_verl.inside.checkpoints import ACTOR
from rmr1_verl.inside.settings import Settings

TOKENIZER = (
    "tokenizer*",
    "vocab*",
    "merges*",
    "special_tokens_map*",
    "added_tokens*",
    "chat_template*",
    "generation_config*",
)


def main(settings: Settings, _: Sequence[str] = ()) -> int:
    """Merge, unless it is done already."""
    target = Path(settings.checkpoint)
    if target.is_dir():
        return 0
    aside = target.with_name(f"{target.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    code = _merge(settings.checkpoints.of(settings.steps_done) / ACTOR, aside)
    if code:
        return code
    for file in _tokenizer_files(settings.model):
        shutil.copyfile(file, aside / file.name)
    _make_readable(aside)
    aside.rename(target)
    return 0


def _merge(shards: Path, target: Path) -> int:
    command = ["-m", "verl.model_merger", "merge", "--backend", "fsdp"]
    command += ["--local_dir", str(shards), "--target_dir", str(target)]
    return subprocess.run(children.bound([sys.executable, *command]), check=False).returncode


def _tokenizer_files(model: str) -> list[Path]:
    folder = Path(model)
    if not folder.is_dir():
        from huggingface_hub import snapshot_download

        folder = Path(snapshot_download(model, allow_patterns=list(TOKENIZER)))
    return [file for pattern in TOKENIZER for file in sorted(folder.glob(pattern))]


def _make_readable(folder: Path) -> None:
    """Let them read it whom the umask lets read new files, whatever the libraries decided."""
    umask = os.umask(0)
    os.umask(umask)
    for path in folder.rglob("*"):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)
