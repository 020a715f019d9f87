"""The example package of RewardBench 2 with a reward model, installed and used as its reader
would do it."""

from __future__ import annotations

import json
from pathlib import Path

import families
import pytest
from wheels import Command

ROWS = [
    *(
        {
            "id": f"{domain} {number}",
            "subset": domain,
            "prompt": f"What is {number} + 1?",
            "chosen": [f"{number + 1}"],
            "rejected": [f"{number}", "none", "many"],
        }
        for domain in ("Factuality", "Precise IF", "Math", "Safety", "Focus")
        for number in range(4)
    ),
    *(
        {
            "id": f"{kind}:{number}",
            "subset": "Ties",
            "prompt": f"Name {what} number below {number + 5}.",
            "chosen": ["1", "2", "3"] if kind == "tied" else ["1"],
            "rejected": ["a hundred", "seven"],
        }
        for number in range(3)
        for kind, what in (("ref", "the first"), ("tied", "a"))
    ),
]


@pytest.fixture
def reward_model(tmp_path: Path) -> Path:
    """A small random sequence classifier."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = families.qwen_like(tmp_path / "reward-model")
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(transformers.AutoTokenizer.from_pretrained(folder)),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        initializer_range=0.3,
        num_labels=1,
    )
    transformers.LlamaForSequenceClassification(config).save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_a_reward_model_has_a_number_for_all_six_domains(
    installed: Command, reward_model: Path, tmp_path: Path
) -> None:
    data = tmp_path / "test.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    names = ("rewardbench2", "--data", str(data), "--allow-partial")
    judge = ("--backbone", str(reward_model), "--engine", "reward-model")
    runs = ("--runs-dir", str(tmp_path / "runs"))
    said = json.loads(installed("rmr1", "bench", *names, *judge, *runs, "--json").stdout)
    [report] = said["reports"]
    metrics = {metric["name"]: metric["value"] for metric in report["scores"]["metrics"]}
    six = ("Factuality", "Precise IF", "Math", "Safety", "Focus", "Ties")
    assert report["scores"]["headline"]["value"] == pytest.approx(
        sum(metrics[domain] for domain in six) / 6
    )
    assert report["scores"]["notes"] == []
    assert report["validity"]["flipped"] == 0
