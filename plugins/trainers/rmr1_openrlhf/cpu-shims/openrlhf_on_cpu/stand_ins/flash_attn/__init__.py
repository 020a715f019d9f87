"""The helpers of flash_attn that OpenRLHF imports, in plain PyTorch; there is no kernel here.

It is no installed package of this name, so nothing else takes flash attention for available.
"""

__version__ = "0.0.0+cpu"
