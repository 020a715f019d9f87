"""The worker: `python -m rmr1_trl.worker JOB_FILE`.

Answers are read by the recipe's prompt strategy and priced by its reward, group by group, as the
evaluation and the other trainers do. Departures from the paper's veRL: one update per rollout, and
the KL term is TRL's.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import torch
from datasets import Dataset
from transformers import AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from rmr1_core import Message, TrainingRow
from rmr1_core.folders import whole_folder
from rmr1_core.jsonl import Appender, read, write
from rmr1_core.lookup import resolve
from rmr1_core.rewarding import Asked, AskedGroup, rewards_of_group
from rmr1_core.workers import exit_with_parent
from rmr1_trl import CHECKPOINT, EVENTS, Work

SHOWN = {"loss": "loss", "kl": "kl", "reward": "reward_mean", "entropy": "entropy"} | {
    "completions/mean_length": "response_length",
    "unparsed": "unparsed",
    "learning_rate": "learning_rate",
    "grad_norm": "grad_norm",
}
"""Names of TRL's numbers, and of ours."""


def main(job_file: str) -> None:
    """Do the job, or what remains of it."""
    exit_with_parent()
    work = msgspec.json.decode(Path(job_file).read_bytes(), type=Work)
    output, began = Path(work.task.output), time.perf_counter()
    if (output / CHECKPOINT).is_dir():
        return
    tokenizer = AutoTokenizer.from_pretrained(work.task.model, padding_side="left")
    last = _resume_point(output)
    arguments = work.trainer.arguments(cuda=torch.cuda.is_available())
    with Appender(output / EVENTS) as events:
        trainer = GRPOTrainer(
            model=work.task.model,
            reward_funcs=_reward(work, tokenizer.eos_token_id),
            args=GRPOConfig(**arguments, output_dir=str(output / "trl"), seed=work.task.seed),
            train_dataset=Dataset.from_list(_questions(work.task.data)),
            processing_class=tokenizer,
            callbacks=[_Tell(events)],
        )
        trainer.train(resume_from_checkpoint=last)
        with whole_folder(output / CHECKPOINT) as folder:
            trainer.model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
        used = resource.getrusage(resource.RUSAGE_SELF)
        spent = {"cpu_seconds": time.process_time(), "wall_seconds": time.perf_counter() - began}
        events.append({"event": "done", **spent, "peak_memory_mb": used.ru_maxrss / 1024})


def _resume_point(output: Path) -> str | None:
    """TRL's last whole checkpoint. What was told of later steps is cut off: it will come again."""
    points = (output / "trl").glob("checkpoint-*/trainer_state.json")  # which is written last
    last = max((int(path.parent.name.partition("-")[2]) for path in points), default=0)
    if (output / EVENTS).exists():
        told = list(read(output / EVENTS, dict[str, Any]))
        write(output / EVENTS, [event for event in told if event.get("step", last + 1) <= last])
    return str(output / "trl" / f"checkpoint-{last}") if last else None


def _questions(data: str) -> list[dict[str, Any]]:
    """Both orders of every row, as conversations with the right verdict."""
    rows = list(read(Path(data), TrainingRow))
    both = [(row.id, row.messages, row.label) for row in rows]
    both += [(row.id, row.twin, "B" if row.label == "A" else "A") for row in rows if row.twin]
    return [
        {"id": id_, "label": label, "prompt": msgspec.to_builtins(list(messages))}
        for id_, messages, label in both
    ]


def _reward(work: Work, eos: int) -> Any:
    prompt = resolve("prompt", work.task.recipe.prompt)
    reward = resolve("reward", work.task.recipe.reward)
    size = work.trainer.samples_per_prompt

    def rewards(prompts: Any, completions: Any, completion_ids: Any, **of: Any) -> list[float]:
        answers = [
            Asked(
                text=completion[0]["content"],
                label=label,
                id=id_,
                finish_reason="stop" if eos in ids else "length",
                completion_tokens=len(ids),
            )
            for completion, ids, id_, label in zip(
                completions, completion_ids, of["id"], of["label"], strict=True
            )
        ]
        found = []
        for at in range(0, len(answers), size):  # TRL puts the answers to a prompt together
            messages = msgspec.convert(prompts[at], tuple[Message, ...])
            group = AskedGroup(messages=messages, answers=tuple(answers[at : at + size]))
            found += rewards_of_group(group, prompt, reward).answers
        of["log_metric"]("unparsed", sum(a.verdict == "unparsed" for a in found) / len(found))
        return [answer.score for answer in found]

    return rewards


class _Tell(TrainerCallback):  # type: ignore[misc]
    """Writes each step to the events file."""

    def __init__(self, events: Appender) -> None:
        self._events = events

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """A step's numbers, where they are of a step."""
        if logs and "reward" in logs:
            numbers = {ours: logs[theirs] for theirs, ours in SHOWN.items() if theirs in logs}
            steps = {"step": state.global_step, "steps": state.max_steps}
            self._events.append({"event": "step", **steps, **numbers})


if __name__ == "__main__":
    main(sys.argv[1])
