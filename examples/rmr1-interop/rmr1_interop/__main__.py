"""`python -m rmr1_interop` prints the folder of the tasks for lm-evaluation-harness."""

from pathlib import Path

print(Path(__file__).with_name("tasks"))
