"""Calibration in many resamples at once, against the formulas for one, resample by resample."""

from dataclasses import replace

import numpy as np
import pytest

from profiler.probes.calibration import METRICS
from profiler.stats import OfRows, bootstrap, draws

OF_ROWS = [metric.statistic for metric in METRICS if isinstance(metric.statistic, OfRows)]


def answers(kind: str, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    sure = rng.beta(3, 2, n)
    right = (rng.random(n) < sure).astype(float)
    match kind:
        case "ties":
            sure = np.round(sure * 10) / 10
        case "one confidence":
            sure = np.full(n, 0.7)
        case "certain":
            sure = np.where(rng.random(n) < 0.5, 1.0, sure)
        case "told apart":
            sure = np.where(right == 1, 0.5 + sure / 2, sure / 2)
        case "wrong way round":
            right = (rng.random(n) > sure).astype(float)
        case "mostly right":
            right = np.where(rng.random(n) < 0.9, 1.0, right)
        case "gaps":
            sure, right = np.where(rng.random(n) < 0.2, np.nan, sure), np.where(rng.random(n) < 0.1, np.nan, right)
        case "nothing known":
            sure = np.full(n, np.nan)
    return {"confidence": sure, "correct": right}


KINDS = ["plain", "ties", "one confidence", "certain", "told apart", "wrong way round", "mostly right", "gaps"]


@pytest.mark.parametrize("kind", [*KINDS, "nothing known"])
@pytest.mark.parametrize("n", [1, 3, 9, 150])
@pytest.mark.parametrize("clustered", [False, True])
def test_many_resamples_at_once_are_what_they_are_one_by_one(kind: str, n: int, clustered: bool) -> None:
    rng = np.random.default_rng(n)
    columns = answers(kind, n, rng)
    which = np.unique(rng.integers(0, max(n // 3, 1), n), return_inverse=True)[1] if clustered else None
    quick, slow = (
        draws([replace(each, resampled=each.resampled if way else None) for each in OF_ROWS], columns, which, 25, 5)
        for way in (True, False)
    )
    np.testing.assert_allclose(quick, slow, rtol=1e-7, atol=1e-9)


def test_each_resample_is_drawn_as_it_always_was() -> None:
    rng = np.random.default_rng(7)
    wanted = [np.bincount(rng.integers(33, size=33), minlength=33) for _ in range(20)]
    np.testing.assert_array_equal(np.concatenate([*bootstrap._often(33, 20, 7)]), wanted)
    np.testing.assert_array_equal(np.concatenate([*bootstrap._often(33, 20, 7, most=6)]), wanted)


def test_resamples_of_many_items_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.concatenate([*bootstrap._often(33, 20, 8)])
    monkeypatch.setattr(bootstrap, "CELLS", 100)
    parts = [*bootstrap._often(33, 20, 8)]
    assert max(map(len, parts)) == 3
    np.testing.assert_array_equal(np.concatenate(parts), whole)
