"""What a reader needs to repeat the run."""

from __future__ import annotations

from typing import Any


def facts(config: Any) -> dict[str, str]:
    """Versions, dtype, device, attention, parallelism, context and cache of a loaded engine."""
    import torch
    import transformers
    import vllm
    from vllm.platforms import current_platform

    model, cache, parallel = config.model_config, config.cache_config, config.parallel_config
    found = {
        "vllm": str(vllm.__version__),
        "torch": str(torch.__version__),
        "transformers": str(transformers.__version__),
        "dtype": str(model.dtype).removeprefix("torch."),
        "device": str(current_platform.get_device_name()),
        "attention": _attention(config),
        "tensor parallel": str(parallel.tensor_parallel_size),
        "pipeline parallel": str(parallel.pipeline_parallel_size),
        "data parallel": str(parallel.data_parallel_size),
        "max_model_len": str(model.max_model_len),
        "kv cache tokens": _cache_tokens(cache),
        "prefix caching": "on" if cache.enable_prefix_caching else "off",
        "quantization": str(model.quantization or ""),
    }
    return {name: value for name, value in found.items() if value}


def _attention(config: Any) -> str:
    """The backend of the layers where they are in this process, else the one that was asked."""
    for layer in config.compilation_config.static_forward_context.values():
        backend = getattr(layer, "attn_backend", None)
        if backend is not None:
            return str(backend.get_name())
    asked = getattr(getattr(config, "attention_config", None), "backend", None)
    return str(getattr(asked, "name", asked) or "")


def _cache_tokens(cache: Any) -> str:
    blocks, size = cache.num_gpu_blocks, cache.block_size
    return str(blocks * size) if blocks and size else ""
