"""Run in veRL's environment, without Ray: its dataset reads our parquet, its agent loop's builder
makes tokens of the prompts, and its reward manager calls our function. Prints what they made of it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


def main() -> None:
    plugin, *overrides = sys.argv[1:]
    package = ModuleType("rmr1_verl")
    package.__path__ = [plugin]
    sys.modules["rmr1_verl"] = package
    from transformers import AutoTokenizer
    from verl.utils.dataset.rl_dataset import RLHFDataset
    from verl.utils.tokenizer.continuous_token_wiring import create_continuous_token_builder

    from rmr1_verl.inside import check, machine

    config = check.compose(machine.complete(overrides))
    tokenizer = AutoTokenizer.from_pretrained(config.actor_rollout_ref.model.path)
    data = RLHFDataset(data_files=config.data.train_files, tokenizer=tokenizer, config=config.data)
    answers = ["<answer>[[A]]</answer>", "no verdict", "<answer>[[B]]</answer>" * 40]
    told = asyncio.run(rewards(config, tokenizer, data[0], answers))
    first = {name: data[0][name] for name in ("data_source", "reward_model", "extra_info")}
    builder = create_continuous_token_builder(tokenizer, hf_model_type="qwen2")
    prompts = [builder.build_initial_tokens(list(row["raw_prompt"])) for row in data]
    found = {"rows": len(data), "first": first, "prompts": prompts, "rewards": told}
    print(json.dumps(found))


async def rewards(config: Any, tokenizer: Any, row: Any, answers: list[str]) -> list[Any]:
    from verl.trainer.ppo.reward import load_reward_manager

    manager = load_reward_manager(config, tokenizer)
    return [await manager.run_single(batch(tokenizer, row, answer, config)) for answer in answers]


def batch(tokenizer: Any, row: Any, answer: str, config: Any) -> Any:
    """One answer, as an agent loop hands it over."""
    import copy

    import numpy as np
    import torch
    from verl import DataProto

    ids = tokenizer(answer)["input_ids"][: config.data.max_response_length]
    if len(ids) < config.data.max_response_length:
        ids.append(tokenizer.eos_token_id)
    prompts, responses = torch.ones(1, 5, dtype=torch.long), torch.tensor([ids])
    inputs = torch.cat([prompts, responses], -1)
    return DataProto.from_dict(
        tensors={
            "prompts": prompts,
            "responses": responses,
            "input_ids": inputs,
            "attention_mask": torch.ones_like(inputs),
        },
        non_tensors={
            name: np.array([value], dtype=object)
            for name, value in {
                "data_source": row["data_source"],
                "reward_model": row["reward_model"],
                "extra_info": copy.deepcopy(row["extra_info"]),
                "global_steps": 3,
            }.items()
        },
    )


if __name__ == "__main__":
    assert Path(sys.argv[1]).is_dir()
    main()
