"""Does `rmr1 compare` find what is there, as often as it says, and nothing where nothing is?

Two judges are simulated on the same pairs, many times. Pairs of a prompt are alike: on a share of
them, both judges do what they do on the prompt as a whole. Once the judges are equally good, and
once the second is better by the difference that the equal ones say can be seen with 80 % power.
Exits with 1 when a rate is off by more than chance allows (3 standard errors).
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections import defaultdict
from typing import NamedTuple

import numpy as np

from rmr1_core.paired import ALPHA, POWER, Contrast, contrast, exact_p, holm
from rmr1_core.statistics import Estimate, average, mean


class Design(NamedTuple):
    """Sections of (prompts, pairs of each), how alike the pairs of a prompt are, and how often two
    judges differ on a pair. The headline is the mean of the sections."""

    sections: tuple[tuple[int, int], ...]
    alike: float
    discordance: float = 0.2
    right: float = 0.75


DESIGNS = {
    "500 pairs alone": Design(((500, 1),), alike=0.0),
    "150 prompts of 9 pairs": Design(((150, 9),), alike=0.6),
    "four sections, some with prompts of 2 to 4": Design(
        ((60, 1), (90, 2), (40, 1), (50, 4)), alike=0.5
    ),
    "judges that rarely differ": Design(((600, 1),), alike=0.0, discordance=0.03),
}

COLUMNS = (
    *("design", "called real: interval", "exact test", "any, after Holm", "interval has 0"),
    *("planted (points)", "found: interval", "exact test", "interval has it"),
)


class Rates(NamedTuple):
    """Shares of the simulations. `called` and `exact`: the headline differs, by the interval and
    by the exact test of pairs; `any_called`: after Holm's correction of all tests that are shown,
    at least one differs; `covered`: the interval has the true difference."""

    called: float
    exact: float
    any_called: float
    covered: float
    detectable: float


def judged(
    rng: np.random.Generator, design: Design, gain: float
) -> tuple[Contrast, list[float]]:  # fmt: skip
    """One simulated comparison: the headline's contrast, and the p values of all tests: headline,
    sections if there are several, and pairs."""
    up, down = (design.discordance + gain) / 2, (design.discordance - gain) / 2
    chances = (design.right - down, up, down, 1 - design.right - up)
    parts: list[tuple[Estimate, Estimate]] = []
    net: dict[str, int] = defaultdict(int)
    for number, (prompts, pairs) in enumerate(design.sections):
        own = np.repeat(rng.choice(4, prompts, p=chances), pairs)
        alone = rng.choice(4, prompts * pairs, p=chances)
        kinds = np.where(rng.random(prompts * pairs) < design.alike, own, alone)
        first, second = (kinds == 0) | (kinds == 2), (kinds == 0) | (kinds == 1)
        clusters = [f"{number}/{k // pairs}" for k in range(prompts * pairs)]
        parts.append((mean(first.astype(float).tolist(), clusters),
                      mean(second.astype(float).tolist(), clusters)))  # fmt: skip
        for cluster, change in zip(clusters, second.astype(int) - first, strict=True):
            net[cluster] += int(change)
    headline = contrast(average(a for a, _ in parts), average(b for _, b in parts))
    sections = [contrast(a, b).p for a, b in parts] if len(parts) > 1 else []
    return headline, [headline.p, exact_p(net.values()), *sections]


def simulated(design: Design, *, gain: float, times: int, seed: int) -> Rates:
    """What becomes of so many comparisons of two judges, the second one better by `gain`."""
    rng = np.random.default_rng(seed)
    made = [judged(rng, design, gain) for _ in range(times)]
    intervals = [headline.interval() for headline, _ in made]
    return Rates(
        called=statistics.mean(p[0] < ALPHA for _, p in made),
        exact=statistics.mean(p[1] < ALPHA for _, p in made),
        any_called=statistics.mean(min(holm(p)) < ALPHA for _, p in made),
        covered=statistics.mean(low <= gain <= high for low, high in intervals),
        detectable=statistics.mean(headline.detectable() for headline, _ in made),
    )


def problems(null: Rates, planted: Rates, times: int) -> list[str]:
    """Rates that are off by more than three standard errors."""
    noise = 3 * math.sqrt(ALPHA * (1 - ALPHA) / times)
    found = [
        f"{name} differ in {100 * rate:.1f} % where nothing does"
        for name, rate in zip(("headlines", "pairs", "any"), null[:3], strict=True)
        if rate > ALPHA + noise
    ]
    if min(null.covered, planted.covered) < 1 - ALPHA - noise:
        found.append("intervals do not have the true difference often enough")
    if planted.called < POWER - 3 * math.sqrt(POWER * (1 - POWER) / times):
        found.append(f"a detectable difference is found in only {100 * planted.called:.1f} %")
    return found


def main() -> int:
    """Simulate every design and print the rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    print(f"{asked.times} simulations each; in percent of them\n")
    print(
        "| design | called real: interval | exact test | any, after Holm | interval has 0 | ",
        end="",
    )
    print("planted (points) | found: interval | exact test | interval has it |")
    print("|---" + "|---:" * 8 + "|")
    wrong = []
    for name, design in DESIGNS.items():
        null = simulated(design, gain=0.0, times=asked.times, seed=asked.seed)
        gain = null.detectable
        planted = simulated(design, gain=gain, times=asked.times, seed=asked.seed + 1)
        shares = (*null[:4], gain, planted.called, planted.exact, planted.covered)
        print(f"| {name} | " + " | ".join(f"{100 * share:.1f}" for share in shares) + " |")
        wrong += [f"{name}: {problem}" for problem in problems(null, planted, asked.times)]
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
