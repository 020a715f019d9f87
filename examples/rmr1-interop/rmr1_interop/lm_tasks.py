"""rmr1's benchmarks as tasks of lm-evaluation-harness: the class that the files in `tasks/` name.

The harness finds tasks in folders and not through entry points, so its `--include_path` has to
name that folder, which `python -m rmr1_interop` prints. With `--apply_chat_template` a model gets
the very messages of rmr1; without, their texts after one another.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from datasets import Dataset
from lm_eval.api.task import ConfigurableTask

from rmr1_interop.judged import Said, judged


class JudgeTask(ConfigurableTask):  # type: ignore[misc]
    """A benchmark in both orders. Its metadata: `benchmark`, `prompt`, `data`, `scoring`."""

    VERSION = 1

    def __init__(self, config: Mapping[str, Any]) -> None:
        asked = dict(config.get("metadata") or {})
        options = {name: asked[name] for name in ("prompt", "data") if name in asked}
        self._judged = judged(asked["benchmark"], **options)
        self._scoring = asked.get("scoring", "strict")
        headline = {"metric": "headline", "aggregation": self._headline, "higher_is_better": True}
        own = {
            "output_type": "generate_until",
            "custom_dataset": lambda **_: {"test": Dataset.from_list(self._rows())},
            "test_split": "test",
            "doc_to_text": lambda doc: "\n\n".join(m["content"] for m in _messages(doc)),
            "doc_to_target": lambda doc: doc["label"],
            "process_results": self._said,
            "metric_list": [headline],
            "num_fewshot": 0,
            # stop strings would be left out of the text; the answer is cut when it is read
            "generation_kwargs": {"until": [], "do_sample": False, "max_gen_toks": 8192},
        }
        given = {name: value for name, value in config.items() if name != "class"}
        super().__init__(config={**own, **given})

    def fewshot_context(
        self,
        doc: dict[str, Any],
        num_fewshot: int,
        system_instruction: str | None = None,
        apply_chat_template: bool = False,
        fewshot_as_multiturn: bool = False,
        chat_template: Callable[..., str] | None = None,
        gen_prefix: str | None = None,
    ) -> str:
        """The judge's messages in the model's chat template, or as text."""
        if apply_chat_template and chat_template:
            return chat_template(_messages(doc))
        return str(self.doc_to_text(doc))

    def _rows(self) -> list[dict[str, Any]]:
        return [
            {
                "id": asked.id,
                "pair": asked.pair.id,
                "chosen_first": asked.chosen_first,
                "label": str(asked.label),
                "messages": msgspec.json.encode(asked.messages).decode(),
            }
            for asked in self._judged.asked()
        ]

    def _said(self, doc: dict[str, Any], results: list[str]) -> dict[str, Said]:
        verdict = self._judged.verdict(results[0])
        return {"headline": Said(doc["pair"], doc["chosen_first"], verdict)}

    def _headline(self, said: list[Said]) -> float:
        return self._judged.scores(said, self._scoring).headline.value


def _messages(doc: Mapping[str, Any]) -> list[dict[str, str]]:
    messages: list[dict[str, str]] = json.loads(doc["messages"])
    return messages
