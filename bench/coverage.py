"""What the verdicts are worth, simulated: `python -m bench.coverage [SUBJECT …]`; docs/statistics.md keeps the numbers."""

import sys
from collections.abc import Callable

import numpy as np

from profiler.records import Change
from profiler.stats.trainings import ENOUGH, over_trainings
from profiler.study.findings import verdict
from selection import Goal

TIMES = 2000


def steered() -> None:
    """Students and controls that differ by their seed only: how often `max` is said to be steered; .025 is nominal.

    `common`: the share of the evaluation's variance that all trainings have from the same prompts.
    """
    print("| eval SE | seed sd | common | seeds | before, one seed | before, any seed | now |\n" + "|---" * 7 + "|")
    for error in (0.02, 0.05):
        for sd in (0.02, 0.05, 0.10):
            for common in (0.0, 0.5, 1.0):
                for seeds in (1, 3, 5):
                    one, some, now = (f"{rate:.3f}" for rate in _rates(error, sd, common, seeds))
                    now = now if seeds >= ENOUGH else f"{one}, marked"
                    print(f"| {error:.0%} | {sd:.0%} | {common} | {seeds} | {one} | {some} | {now} |")


def _rates(error: float, sd: float, common: float, seeds: int) -> tuple[float, float, float]:
    rng = np.random.default_rng(0)
    shared = rng.normal(0, error * common**0.5, (TIMES, 1))
    own = rng.normal(0, error * (1 - common) ** 0.5, (TIMES, seeds))
    gains = shared + own + rng.normal(0, sd * 2**0.5, (TIMES, seeds))
    single = gains > 1.959963984540054 * error
    over = [over_trainings(row, [error] * seeds) for row in gains]
    now = [verdict(GOAL, _change(mean, low, high, p))[0] for mean, low, high, p in over]
    return float(single.mean()), float(single.any(axis=1).mean()), float(np.mean([one is True for one in now]))


GOAL = Goal(metric="words", want="max")


def _change(mean: float, low: float, high: float, p: float) -> Change:
    ends = {"absolute": mean, "low": low, "high": high, "p": p, "base": 1.0, "other": 1.0 + mean, "n": 1}
    unknown = dict.fromkeys(("percent", "percent_low", "percent_high", "verdict"))
    return Change.model_validate({"probe": "attributes", "metric": "words", **ends, **unknown})


SUBJECTS: dict[str, Callable[[], None]] = {"steered": steered}

if __name__ == "__main__":
    for subject in sys.argv[1:] or SUBJECTS:
        if subject not in SUBJECTS:
            sys.exit(f"no subject {subject!r}; there are: {', '.join(SUBJECTS)}")
        SUBJECTS[subject]()
