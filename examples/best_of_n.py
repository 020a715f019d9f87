"""Choose the best of several answers to each question, by tournaments of a judge.

    python best_of_n.py answers.jsonl --backbone qwen14b --engine vllm > best.jsonl

A row has a prompt and answers: {"prompt": "What is 2 + 2?", "answers": ["4", "5", "four"]}.
All tournaments are under way together, so that they fill the engine's batches.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from rmr1_core import Judge
from rmr1_core.errors import NotAnswered, Rmr1Error


async def best(judge: Judge, row: dict[str, Any]) -> dict[str, Any]:
    """The row with the answer that won its tournament, and the strength of each."""
    ranking = await judge.arank(row["prompt"], row["answers"], method="swiss")
    return {**row, "best": row["answers"][ranking.order[0]], "scores": ranking.scores}


async def best_of_all(judge: Judge, rows: list[dict[str, Any]], together: int) -> int:
    """Print each row when it is done, in the order of the rows; how many got no answer."""
    places, failed = asyncio.Semaphore(together), 0

    async def one(row: dict[str, Any]) -> dict[str, Any]:
        async with places:
            try:
                return await best(judge, row)
            except NotAnswered as error:
                return {**row, "error": str(error)}

    for done in [asyncio.create_task(one(row)) for row in rows]:
        found = await done
        failed += "error" in found
        print(json.dumps(found), flush=True)
    return failed


def main() -> int:
    """Read the rows, and judge; the exit code."""
    parser = argparse.ArgumentParser(description="Choose the best of several answers.")
    parser.add_argument("answers", type=Path, help="JSON lines with prompt and answers")
    parser.add_argument("--backbone", help="who judges: a name, a folder or a hub id")
    parser.add_argument("--engine", help="how the weights run")
    parser.add_argument("--prompt", help="what the judge is asked")
    parser.add_argument("--together", type=int, default=64, help="tournaments at a time")
    asked = parser.parse_args()
    lines = asked.answers.read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines if line.strip()]
    try:
        with Judge(asked.backbone, engine=asked.engine, prompt=asked.prompt) as judge:
            failed = asyncio.run(best_of_all(judge, rows, asked.together))
    except Rmr1Error as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
