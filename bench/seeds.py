"""What verdicts over the seeds of a study are worth: `python -m bench.seeds [SEED]`, for docs/statistics.md."""

import sys
from typing import NamedTuple

import numpy as np

from profiler.stats import trainings

TIMES = 2000
GAIN = 0.1


class Rates(NamedTuple):
    """Shares of the simulated studies."""

    one: float
    """Of single students, said to be steered when nothing was gained."""
    some: float
    """Of studies in which at least one of the students is."""
    over: float
    """Of studies that say so over their seeds."""
    covered: float
    """Of intervals over seeds that hold the gain."""
    power: float
    """Of studies that find a gain of a tenth."""


def study(seed: int) -> None:
    """Students and controls that differ by their seed only: false `steered` (.025 is nominal), coverage, power."""
    print("| prompts' SE | seeds' sd | shared | seeds | one student | any student | over seeds | covers | +10 % |")
    print("|---" * 9 + "|")
    for error in (0.02, 0.05):
        for sd in (0.0, 0.02, 0.05, 0.10):
            for shared in (0.0, 0.5, 1.0):
                for seeds in (3, 5):
                    rates = study_rates(np.random.default_rng(seed), error, sd, shared, seeds)
                    told = " | ".join(f"{rate:.3f}" for rate in rates)
                    print(f"| {error:.0%} | {sd:.0%} | {shared:g} | {seeds} | {told} |", flush=True)


def study_rates(rng: np.random.Generator, error: float, sd: float, shared: float, seeds: int) -> Rates:
    """ERROR is what prompts add to each student's gain, a part of its variance SHARED by all; SD what a seed adds."""
    common = rng.normal(0, error * shared**0.5, (TIMES, 1))
    own = rng.normal(0, error * (1 - shared) ** 0.5, (TIMES, seeds))
    gains = common + own + rng.normal(0, sd * 2**0.5, (TIMES, seeds))  # the control is a training, too
    single = gains > 1.959963984540054 * error
    over = [trainings.over_trainings(list(row), [error] * seeds) for row in gains]
    return Rates(
        one=float(single.mean()),
        some=float(single.any(axis=1).mean()),
        over=float(np.mean([found.low > 0 for found in over])),
        covered=float(np.mean([found.low <= 0 <= found.high for found in over])),
        power=float(np.mean([found.low + GAIN > 0 for found in over])),
    )


if __name__ == "__main__":
    study(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
