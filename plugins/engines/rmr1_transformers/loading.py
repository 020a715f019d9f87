"""From a hub id or a folder to a model and a tokenizer, or one sentence about what is missing."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import transformers

from rmr1_core import Backbone
from rmr1_core.errors import BadInput, EngineFailed, UsageError
from rmr1_core.weights import checked_folder

if TYPE_CHECKING:
    from rmr1_transformers import TransformersEngine


class Loaded(NamedTuple):
    """A model ready to write, with its tokenizer. `context` is in tokens, None without a limit."""

    model: Any
    tokenizer: Any
    eos: frozenset[int]
    context: int | None


class Place(NamedTuple):
    """Where and how weights run; `attention` is a name that transformers knows, or its choice."""

    device: torch.device
    dtype: torch.dtype
    attention: str | None


def load(engine: TransformersEngine, backbone: Backbone) -> Loaded:
    """Load what the backbone names as the engine's options say.

    Raises:
        UsageError: something is missing or cannot be reached.
        EngineFailed: the weights do not fit the device.
    """
    place = place_of(engine.device, engine.dtype, engine.attn_implementation)
    with quiet(local=checked_folder(backbone.model) is not None):
        tokenizer = load_tokenizer(backbone)
        model = load_weights(transformers.AutoModelForCausalLM, backbone, place)
    return Loaded(model, tokenizer, ends(model, tokenizer), context_of(model, engine.max_context))


def place_of(device: str, dtype: str, attention: str) -> Place:
    """The place that options name, "auto" filled in. Raises UsageError where it is not here."""
    where = _device(device)
    precision = _dtype(dtype, where)
    return Place(where, precision, _attention(attention, where, precision))


def load_tokenizer(
    backbone: Backbone, *, trust_remote_code: bool = False, template: str = "", chats: bool = True
) -> Any:
    """The backbone's tokenizer, with its chat template or the one given.

    Raises:
        UsageError: it cannot be loaded, or it `chats` and nobody says how a chat is written.
    """
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            str(Path(backbone.model).expanduser()),
            revision=backbone.revision,
            trust_remote_code=trust_remote_code,
        )
    except Exception as error:  # the boundary to the hub and to foreign files
        raise _cannot_load("the tokenizer", backbone, error) from error
    if template:
        tokenizer.chat_template = template
    if chats and not tokenizer.chat_template:
        raise UsageError(
            f"the tokenizer of {backbone.model!r} has no chat template, so conversations cannot be "
            "put into its words; use the model's instruct version, or add a chat_template.jinja "
            "to its folder"
        )
    return tokenizer


def load_weights(
    auto: Any, backbone: Backbone, place: Place, *, lacking: str = "", **settings: Any
) -> Any:
    """The backbone's model, of a class that `auto` chooses, ready to be asked. `settings` go to
    `from_pretrained`; `lacking` is said where the weights lack tensors.

    Raises:
        UsageError: the weights cannot be loaded, or lack a part.
        EngineFailed: they do not fit the device.
    """
    try:
        model, info = auto.from_pretrained(
            str(Path(backbone.model).expanduser()),
            revision=backbone.revision,
            dtype=place.dtype,
            attn_implementation=place.attention,
            output_loading_info=True,
            **settings,
        )
        if missing := sorted(info["missing_keys"]):  # the library would make them up at random
            raise ValueError(f"{len(missing)} tensors are missing, such as {missing[0]}{lacking}")
        return model.eval().to(place.device)
    except torch.OutOfMemoryError as error:
        raise EngineFailed(
            f"the weights of {backbone.model!r} do not fit {place.device}; use a smaller model, "
            "or an engine that spreads a model over several GPUs; see: rmr1 list engines"
        ) from error
    except Exception as error:  # the boundary to the hub and to foreign files
        raise _cannot_load("the weights", backbone, error) from error


def _cannot_load(what: str, backbone: Backbone, error: Exception) -> UsageError:
    """One sentence from an error that may be a page long."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    cause = (lines[0] if lines else type(error).__name__).rstrip(".")
    if Path(backbone.model).expanduser().is_dir():
        return BadInput(backbone.model, f"{what} cannot be loaded: {cause}")
    return UsageError(
        f"cannot load {what} of {backbone.model!r} from the hub: {cause}; check the name and the "
        "network, or give a folder with the weights: --backbone PATH"
    )


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"device {name!r}: {str(error).splitlines()[0].lower()}") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"device {name!r}: torch sees no GPU here; use device=cpu")
    return device


def _dtype(name: str, device: torch.device) -> torch.dtype:
    if name != "auto":
        dtype: torch.dtype = getattr(torch, name)
        return dtype
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def _attention(name: str, device: torch.device, dtype: torch.dtype) -> str | None:
    """What transformers is asked for; None lets it take sdpa, or eager where a model has none."""
    installed = importlib.util.find_spec("flash_attn") is not None
    possible = device.type == "cuda" and dtype is not torch.float32
    if name == "auto":
        return "flash_attention_2" if installed and possible else None
    known = ["eager", *transformers.AttentionInterface().valid_keys()]
    if name not in known:
        raise UsageError(f"attn_implementation {name!r}: not one of {', '.join(sorted(known))}")
    if name == "flash_attention_2" and not (installed and possible):
        raise UsageError(
            "attn_implementation 'flash_attention_2' needs the package 'flash-attn', a GPU and "
            "half precision; without them use attn_implementation=sdpa"
        )
    return name


def ends(model: Any, tokenizer: Any) -> frozenset[int]:
    """Every token that ends an answer: of the generation settings, the config, the tokenizer."""
    found: set[int] = set()
    for source in (model.generation_config, model.config.get_text_config(), tokenizer):
        ids = getattr(source, "eos_token_id", None)
        found.update(ids if isinstance(ids, list) else [] if ids is None else [ids])
    return frozenset(found)


def context_of(model: Any, limit: int) -> int | None:
    """Most tokens of prompt and answer together, or None where the model has no limit."""
    own: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return min(limit or own, own) if own else (limit or None)


@contextmanager
def quiet(*, local: bool) -> Iterator[None]:
    """No chatter while loading; a download from the hub still shows its progress."""
    logging = transformers.utils.logging
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    if local:
        logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
