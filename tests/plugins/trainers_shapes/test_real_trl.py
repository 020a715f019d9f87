"""The real TRL, where it is installed, trains with the function of the file."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("trl") is None,
        reason="TRL is not installed; pip install -r benchmarks/requirements.txt",
    ),
]


# in a process of its own: TRL looks for vLLM, and other tests put one that is not whole in the way
TRAINING = """
import json, sys
from pathlib import Path
from datasets import Dataset
from transformers import AutoTokenizer
from trl import GRPOConfig, GRPOTrainer
from rmr1_core.lookup import resolve
from rmr1_reward_server import trainers

url, folder = sys.argv[1], Path(sys.argv[2])
resolve("backbone", "tiny").prepare(folder / "model", seed=0, corpus=lambda: ["much"] * 99)
model = str(folder / "model")
question = [{"role": "user", "content": "how much?"}]
trainer = GRPOTrainer(
    model=model,
    reward_funcs=trainers.judge_reward(url),
    args=GRPOConfig(
        output_dir=str(folder / "out"),
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
(folder / "history.json").write_text(json.dumps(trainer.state.log_history[:1]))
"""


def test_trl_trains_with_the_rewards_of_the_server(shapes, tmp_path: Path):
    argv = [sys.executable, "-c", TRAINING, shapes.url, str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ((messages, answers, _),) = shapes.groups
    assert messages == [{"role": "user", "content": "how much?"}]
    assert 1 < len(answers) <= 4
    (first,) = json.loads((tmp_path / "history.json").read_text())
    assert first["rewards/judge/mean"] == pytest.approx(0)
