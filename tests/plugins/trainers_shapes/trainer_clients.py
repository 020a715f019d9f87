"""Run with an environment's Python: the trainers' own code asks for rewards of `worth N` answers to
one prompt, at the same time, and prints what it made of them, as JSON.

python trainer_clients.py openrlhf URL MODEL N N …
python trainer_clients.py verl FILE URL MODEL N N …
"""

from __future__ import annotations

import asyncio
import json
import sys
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

ABSENT = (
    *("vllm", "vllm.inputs", "vllm.utils"),
    *("ray", "ray.util", "ray.util.placement_group", "ray.util.scheduling_strategies"),
)
QUESTION = "how much?"


def tokenizer_of(model: str) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(model)


def prompt_of(tokenizer: Any) -> Any:
    turns = [{"role": "user", "content": QUESTION}]
    return tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)


async def openrlhf(url: str, model: str, *worths: str) -> Any:
    from openrlhf.utils.agent import SingleTurnAgentExecutor

    tokenizer, executor = tokenizer_of(model), SingleTurnAgentExecutor(url)
    prompt = prompt_of(tokenizer)
    sampling = SimpleNamespace(max_tokens=64, logprobs=None)
    outputs = await asyncio.gather(
        *(
            executor.execute(prompt, "worth 5", sampling, 1024, tokenizer, engine(tokenizer, worth))
            for worth in worths
        )
    )
    return [experience(output) for output in outputs]


def engine(tokenizer: Any, worth: str) -> Any:
    """What vLLM's would write, without vLLM."""
    ids = [*tokenizer(f"worth {worth}")["input_ids"], tokenizer.eos_token_id]
    written = SimpleNamespace(token_ids=ids, finish_reason="stop", logprobs=None)

    async def generate(*_: Any, **__: Any) -> Any:
        return SimpleNamespace(outputs=[written])

    return SimpleNamespace(generate=generate)


def experience(output: Any) -> dict[str, Any]:
    """What its trainer makes of it. The environment is without Ray and vLLM, which the module
    imports beside."""
    for name in ABSENT:
        sys.modules.setdefault(name, MagicMock())
    from openrlhf.trainer.ppo_utils.samples_generator import SamplesGenerator

    made = SamplesGenerator._process_response_into_experience(None, output, max_len=1024)
    return {
        "rewards": made.rewards.flatten().tolist(),
        "scores": made.scores.flatten().tolist(),
        "group": made.info["group"].flatten().tolist(),
    }


async def verl(file: str, url: str, model: str, *worths: str) -> Any:
    from omegaconf import OmegaConf
    from verl.trainer.ppo.reward import load_reward_manager

    how = {"url": url, "group": len(worths), "strength": "win-rate"}
    custom = {"path": file, "name": "compute_score", "reward_kwargs": how}
    manager = {"source": "register", "name": "naive"}
    config = OmegaConf.create(
        {"reward": {"custom_reward_function": custom, "reward_manager": manager}}
    )
    tokenizer = tokenizer_of(model)
    judge = load_reward_manager(config, tokenizer)
    batches = [batch(tokenizer, f"worth {worth}") for worth in worths]
    return await asyncio.gather(*(judge.run_single(one) for one in batches))


def batch(tokenizer: Any, answer: str) -> Any:
    """One answer, as an agent loop hands it over."""
    import numpy as np
    import torch
    from verl import DataProto

    responses = torch.tensor([tokenizer(answer)["input_ids"]])
    facts = {
        "data_source": "toy",
        "reward_model": {"style": "model", "ground_truth": "worth 5"},
        "extra_info": {"prompt": np.array([{"role": "user", "content": QUESTION}], dtype=object)},
    }
    return DataProto.from_dict(
        tensors={"responses": responses, "attention_mask": torch.ones_like(responses)},
        non_tensors={name: np.array([one], dtype=object) for name, one in facts.items()},
    )


if __name__ == "__main__":
    found = asyncio.run({"openrlhf": openrlhf, "verl": verl}[sys.argv[1]](*sys.argv[2:]))
    print(json.dumps(found, default=float))
