"""vLLM alone, run by its environment's Python: load, `LLM.generate` on token ids, end.

    python bare_vllm.py WORK.json

WORK.json has `model`, `arguments` of `LLM`, `prompts` (token ids), `limits` (most new tokens of
each), and `stop`. Prints one line of JSON: seconds to load, seconds to generate, tokens written.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def main() -> None:
    """Load and generate."""
    work = json.loads(Path(sys.argv[1]).read_bytes())
    begun = time.perf_counter()
    from vllm import LLM, SamplingParams

    llm = LLM(model=work["model"], **work["arguments"])
    loaded = time.perf_counter()
    sampling = [
        SamplingParams(
            temperature=0, max_tokens=limit, stop=work["stop"], include_stop_str_in_output=True
        )
        for limit in work["limits"]
    ]
    prompts = [{"prompt_token_ids": ids} for ids in work["prompts"]]
    outputs = llm.generate(prompts, sampling, use_tqdm=False)
    done = time.perf_counter()
    tokens = sum(len(output.outputs[0].token_ids) for output in outputs)
    print(json.dumps({"load": loaded - begun, "generate": done - loaded, "tokens": tokens}))


if __name__ == "__main__":
    main()
