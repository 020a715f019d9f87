"""What each release of OpenRLHF calls its flags, as the releases themselves were found to.

0.8.11 replaced --flash_attn, 0.9.2 replaced --bf16, and 0.10.2 gave all flags dotted names and
refuses the earlier ones. A release that is not in the table takes the names of the one before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_PLAIN = {
    "model": "--pretrain",
    "data": "--dataset",
    "input_key": "--input_key",
    "output_key": "--output_key",
    "chat_messages": "--apply_chat_template",
    "template": "--tokenizer_chat_template",
    "max_length": "--max_len",
    "seed": "--seed",
    "epochs": "--max_epochs",
    "batch_size": "--train_batch_size",
    "micro_batch_size": "--micro_train_batch_size",
    "learning_rate": "--learning_rate",
    "lr_scheduler": "--lr_scheduler",
    "warmup_ratio": "--lr_warmup_ratio",
    "weight_decay": "--l2",
    "zero_stage": "--zero_stage",
    "packing": "--packing_samples",
    "adam_offload": "--adam_offload",
    "gradient_checkpointing": "--gradient_checkpointing",
    "attn_implementation": "--attn_implementation",
    "param_dtype": "--bf16",
    "result": "--save_path",
    "resume_folder": "--ckpt_path",
    "resume": "--load_checkpoint",
    "save_every": "--save_steps",
    "kept": "--max_ckpt_num",
}
_DOTTED = {
    "model": "--model.model_name_or_path",
    "data": "--data.dataset",
    "input_key": "--data.input_key",
    "output_key": "--data.output_key",
    "chat_messages": "--data.apply_chat_template",
    "template": "--data.tokenizer_chat_template",
    "max_length": "--data.max_len",
    "seed": "--train.seed",
    "epochs": "--train.max_epochs",
    "batch_size": "--train.batch_size",
    "micro_batch_size": "--train.micro_batch_size",
    "learning_rate": "--adam.lr",
    "lr_scheduler": "--lr_scheduler",
    "warmup_ratio": "--lr_warmup_ratio",
    "weight_decay": "--adam.weight_decay",
    "zero_stage": "--ds.zero_stage",
    "packing": "--ds.packing_samples",
    "adam_offload": "--ds.adam_offload",
    "gradient_checkpointing": "--model.gradient_checkpointing_enable",
    "attn_implementation": "--ds.attn_implementation",
    "param_dtype": "--ds.param_dtype",
    "result": "--ckpt.output_dir",
    "resume_folder": "--ckpt.path",
    "resume": "--ckpt.load_enable",
    "save_every": "--ckpt.save_steps",
    "kept": "--ckpt.max_num",
}
NAMES: Mapping[tuple[int, ...], Mapping[str, str]] = {
    (0, 8, 11): _PLAIN,
    (0, 9, 2): {**_PLAIN, "param_dtype": "--param_dtype"},
    (0, 10, 2): _DOTTED,
}
"""By the release that brought them: what rmr1 calls an option, and the flag."""
OLDEST = min(NAMES)


def numbers(release: str) -> tuple[int, ...]:
    """A release as it sorts: "0.10.1.post2" is (0, 10, 1)."""
    found = re.match(r"\d+(\.\d+)*", release)
    return tuple(int(part) for part in found[0].split("."))[:3] if found else ()


def names(release: str) -> Mapping[str, str]:
    """The flags of a release.

    Raises:
        ValueError: it is older than the table.
    """
    known = [brought for brought in NAMES if brought <= numbers(release)]
    if not known:
        oldest = ".".join(map(str, OLDEST))
        raise ValueError(f"openrlhf {release!r} is none of the releases from {oldest} on")
    return NAMES[max(known)]


def flags(settings: Mapping[str, Any], release: str) -> Iterator[str]:
    """The command line of a release: a setting that is true is a flag alone, one that is false or
    None is left out."""
    table = names(release)
    for name, value in settings.items():
        flag = table[name]
        if flag == "--bf16":
            value = value == "bf16"  # noqa: PLW2901
        if value is True:
            yield flag
        elif value is not False and value is not None:
            yield from (flag, str(value))


def given(name: str, words: list[str], release: str) -> str:
    """The value of an option in a release's command line; "" where it is not given."""
    flag = names(release)[name]
    for place, word in enumerate(words):
        if word == flag:
            return words[place + 1] if place + 1 < len(words) else ""
        if word.startswith(f"{flag}="):
            return word.partition("=")[2]
    return ""


def renamed(flag: str, release: str) -> str:
    """What a release calls a flag of another release; "" where it is of none."""
    for table in NAMES.values():
        for name, known in table.items():
            if known == flag:
                return names(release)[name]
    return ""
