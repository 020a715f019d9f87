"""vLLM keeps its weights where veRL's trainer can write new ones into them.

vLLM's CPU backend packs the weight of a linear layer when it is loaded and lets go of the
original, after which there is nothing to update.
"""

from verl_on_cpu import wanted


def register() -> None:
    """Called by vLLM in each of its processes."""
    if not wanted():
        return
    import torch
    from vllm.model_executor.layers import utils

    def keep(layer: torch.nn.Module, remove_weight: bool) -> None:  # noqa: ARG001
        layer.cpu_linear = torch.nn.functional.linear

    utils.dispatch_cpu_unquantized_gemm = keep
