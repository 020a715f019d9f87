"""veRL's usual reward manager, which also tells the reward how long the answer is, how it ended, in
which step it was written, and to which prompt with how many others: a reward may depend on it."""

from __future__ import annotations

from typing import Any

from verl.experimental.reward_loop.reward_manager.naive import NaiveRewardManager


class MeasuringRewardManager(NaiveRewardManager):  # type: ignore[misc]
    """Puts what it measures into `extra_info`."""

    async def run_single(self, data: Any) -> Any:
        """The reward of one answer, in veRL's form."""
        item = data[-1:][0]
        width = item.batch["responses"].shape[-1]
        mask = item.batch["attention_mask"]
        written = int(mask[-width:].sum())
        whole = written and int(item.batch["responses"][written - 1]) == self.tokenizer.eos_token_id
        cut = written >= self.config.data.max_response_length and not whole
        info = item.non_tensor_batch.setdefault("extra_info", {})
        info["rmr1_step"] = int(item.non_tensor_batch.get("global_steps", 0))
        info["rmr1_lengths"] = {
            "prompt_tokens": int(mask[:-width].sum()),
            "completion_tokens": written,
            "finish_reason": "length" if cut else "stop",
        }
        if "session_id" in item.non_tensor_batch:
            info["rmr1_group"] = self._group(item.non_tensor_batch)
        return await super().run_single(data)

    def _group(self, told: Any) -> dict[str, Any]:
        """An id of the prompt in this step, which of its answers this is, and the prompt."""
        return {
            "key": str(told["uid"]),
            "place": int(told["session_id"]),
            "size": int(self.config.actor_rollout_ref.rollout.n),
            "messages": [
                {"role": turn["role"], "content": turn["content"]} for turn in told["raw_prompt"]
            ],
        }
