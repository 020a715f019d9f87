"""The real TRL, where it is installed, trains with the function of the file."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from rmr1_core.lookup import resolve
from rmr1_reward_server import trainers

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("trl") is None,
        reason="TRL is not installed; pip install -r benchmarks/requirements.txt",
    ),
]


def test_trl_trains_with_the_rewards_of_the_server(shapes, tmp_path: Path):
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer

    resolve("backbone", "tiny").prepare(tmp_path / "model", seed=0, corpus=lambda: ["much"] * 99)
    model = str(tmp_path / "model")
    question = [{"role": "user", "content": "how much?"}]
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=trainers.judge_reward(shapes.url),
        args=GRPOConfig(
            output_dir=str(tmp_path / "out"),
            per_device_train_batch_size=4,
            num_generations=4,
            max_completion_length=8,
            max_steps=1,
            report_to=[],
            logging_steps=1,
            use_cpu=True,
            bf16=False,
            save_strategy="no",
        ),
        train_dataset=Dataset.from_list([{"prompt": question}] * 4),
        processing_class=AutoTokenizer.from_pretrained(model),
    )
    trainer.train()
    ((messages, answers, _),) = shapes.groups
    assert messages == question
    assert 1 < len(answers) <= 4
    assert trainer.state.log_history[0]["rewards/judge/mean"] == pytest.approx(0)
