"""What a stage has in its output folder, besides its checkpoint."""

from __future__ import annotations

EVENTS = "metrics.jsonl"
LOG = "log.txt"
CHECKPOINT = "checkpoint"
ROWS = "openrlhf.jsonl"
"""The training data as OpenRLHF reads it."""
TEMPLATE = "template.jinja"
"""A chat template that agrees with evaluation, where the model's own does not."""
TRAINED = "trained"
"""OpenRLHF's own result, which may be half written."""
FINISHED = "trained.json"
"""Says that it is whole."""
RESUME = "resume"
"""DeepSpeed's checkpoints, to go on from."""
CACHE = "cache"
"""What `datasets` makes of the rows."""
