"""What counts as one set of numbers, where two runs are compared with each other (docs/parity.md)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.parity_held import held
from profiler.records import Generation, Likelihood, Sample


class Kept:
    """A finished run with these samples."""

    def __init__(self, *samples: Sample) -> None:
        self._samples = samples

    def samples(self, probe: str) -> Iterator[Sample]:
        return iter(self._samples)


def weighed(item: str, *totals: float, tokens: int = 4, error: str | None = None) -> Sample:
    likely = tuple(Likelihood(total=total, tokens=tokens) for total in totals)
    return Sample(probe="p", item=item, prompt="", how="loglikelihood", likelihoods=likely, error=error)


def written(item: str, text: str, length: float) -> Sample:
    answer = Generation(text=text, scores={"length": length})
    return Sample(probe="p", item=item, prompt="", how="text", answers=(answer,), scores={"length": length})


def test_the_same_in_another_order_is_the_same() -> None:
    one, other = weighed("a", -1.0, -2.0), weighed("b", -3.0, -2.5)
    assert held(Kept(one, other), Kept(other, one), "p").same()  # type: ignore[arg-type]


def test_rounding_is_told_and_so_is_who_prefers_what() -> None:
    ours = Kept(weighed("a", -1.0, -2.0), weighed("b", -3.0, -2.9))
    found = held(ours, Kept(weighed("a", -1.1, -2.0), weighed("b", -2.95, -3.0)), "p")  # type: ignore[arg-type]
    assert not found.same()
    assert found.noise()
    assert found.farthest == pytest.approx(0.1)
    assert (found.preferred, found.items) == (1, 2)
    assert found.gap == pytest.approx(0.025)


@pytest.mark.parametrize(
    "theirs",
    [
        [weighed("a", -1.0, -2.0)],
        [weighed("a", -1.0, -2.0), weighed("b", error="it failed")],
        [weighed("a", -1.0, -2.0), weighed("b", -1.0, -2.0, tokens=5)],
    ],
    ids=["missing", "failed", "counted otherwise"],
)
def test_what_is_missing_failed_or_counted_otherwise_is_not_noise(theirs: list[Sample]) -> None:
    found = held(Kept(weighed("a", -1.0, -2.0), weighed("b", -1.0, -2.0)), Kept(*theirs), "p")  # type: ignore[arg-type]
    assert not found.same()
    assert not found.noise()


def test_a_text_must_have_the_same_scores_wherever_it_was_written() -> None:
    apart = held(Kept(written("a", "so", 2)), Kept(written("a", "so", 3)), "p")  # type: ignore[arg-type]
    assert not apart.noise()
    other = held(Kept(written("a", "so", 2)), Kept(written("a", "not so", 6)), "p")  # type: ignore[arg-type]
    assert other.noise()
    assert not other.same()


@pytest.mark.parametrize(("theirs", "noise"), [((-1.5, -1.5), True), ((-1.1, -2.0), False)], ids=["a tie", "no tie"])
def test_a_score_on_one_side_only_is_noise_where_rounding_made_a_tie(theirs: tuple[float, float], noise: bool) -> None:
    mine = weighed("a", -1.4, -1.5).model_copy(update={"scores": {"first": 1.0}})
    other = weighed("a", *theirs).model_copy(update={"scores": {"first": None}})
    pairs = [weighed(name, -1.0, -2.0) for name in "bcd"]
    assert held(Kept(mine, *pairs), Kept(other, *pairs), "p").noise() == noise  # type: ignore[arg-type]
