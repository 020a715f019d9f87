"""Run with the environment's Python: what the real OpenRLHF does with our rows, as JSON.

python contract.py masked MODEL ROWS TEMPLATE    tokens and loss mask of each row, by SFTDataset
python contract.py packed MODEL ROWS             log-probabilities of rows, packed and alone
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).parents[3]
sys.argv[0] = str(ROOT / "plugins/trainers/rmr1_openrlhf/inside/start.py")
sys.path.insert(0, str(Path(sys.argv[0]).parent))
import start  # noqa: E402

start._stand_in_for_the_package()


def dataset(model: str, file: str, template: str) -> Any:
    from datasets import Dataset
    from openrlhf.datasets import SFTDataset
    from openrlhf.utils import get_tokenizer

    given = Path(template).read_text() if Path(template).is_file() else None
    args = SimpleNamespace(
        data=SimpleNamespace(
            input_key="input",
            output_key="output",
            apply_chat_template=True,
            tokenizer_chat_template=given,
        )
    )
    tokenizer = get_tokenizer(model, None, "right")
    rows = Dataset.from_list([json.loads(line) for line in Path(file).read_text().splitlines()])
    return SFTDataset(rows, tokenizer, 1024, SimpleNamespace(args=args), num_processors=1)


def masked(model: str, file: str, template: str) -> list[Any]:
    """The ids of each row, and of which of them the loss is taken: what the trainer shifts by one
    predicts the next token."""
    found = []
    for ids, _, mask in dataset(model, file, template):
        learned = [i + 1 for i, on in enumerate(mask[0, :-1].tolist()) if on]
        found.append([ids[0].tolist(), learned])
    return found


def packed(model: str, file: str) -> dict[str, Any]:
    """Log-probabilities of two rows: packed by OpenRLHF's model under our attention, and alone."""
    import torch

    from rmr1_openrlhf.inside import attention

    chosen = attention.choose("")
    attention.settle(chosen)
    from openrlhf.models import Actor
    from openrlhf.trainer.sft_trainer import SFTTrainer

    made = dataset(model, file, "")
    ids, mask, _ = made.collate_fn([made[0], made[1], made[2]])
    results = []
    for packing in (True, False):
        actor = Actor(model, attn_implementation="flash_attention_2", packing_samples=packing)
        used = actor.model.config._attn_implementation
        actor.model.float()
        with torch.no_grad():
            if packing:
                scored = actor(ids, attention_mask=mask, return_logprobs=True)
                results = [row[: n - 1] for row, n in zip(scored, mask.sum(1), strict=True)]
            else:
                alone = [
                    actor(made[i][0], attention_mask=made[i][1], return_logprobs=True)[0]
                    for i in range(3)
                ]
    difference = max((a - b).abs().max().item() for a, b in zip(results, alone, strict=True))
    wrong = actor(torch.cat([made[0][0], made[1][0]], 1),
                  attention_mask=torch.ones(1, made[0][0].shape[1] + made[1][0].shape[1]).long(),
                  return_logprobs=True)[0][-5:]  # fmt: skip
    return {
        "attention": used,
        "difference": difference,
        "if rows saw one another": (wrong - alone[1][-5:]).abs().max().item(),
        "fit": list(inspect.signature(SFTTrainer.fit).parameters),
        "step": list(inspect.signature(SFTTrainer.save_logs_and_checkpoints).parameters),
    }


if __name__ == "__main__":
    what, *words = sys.argv[1:]
    print("\n" + json.dumps(packed(*words) if what == "packed" else masked(*words)))
