"""Preferences: which of two answers does a model find better, and how far do people agree with it?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Self, cast

import numpy as np

from profiler.agreement import ABSENT, CLASSES, TIE, A, B, Labels, agreement, crossed, kappa, majority
from profiler.datasets import mini
from profiler.datasets.items import Item
from profiler.endpoints.requests import Answer, Choose
from profiler.judge import pair as pairing
from profiler.judge.ballot import CODES
from profiler.judge.prompt import ORDERS, Order, template
from profiler.judge.sheet import GAP, averaged
from profiler.metrics.metric import Metric
from profiler.probes.probe import Options
from profiler.probes.registry import register
from profiler.probes.two_orders import HEAD, mean_of
from profiler.records import Pair
from profiler.stats import Columns, FloatArray, OfSums

PROMPT = template("labels")
USES = ("share_a", "wins_a", "gold", "pair")


def said(columns: Columns) -> Labels:
    """The verdict on each row's pair: by the mean of both orders' probabilities, or where both orders say the same.

    The second where no order has probabilities, as with an endpoint that writes its letter only.
    """
    if not np.isnan(columns["share_a"]).all():
        share = mean_of(columns["share_a"], columns["pair"], len(ORDERS))
        return averaged(np.column_stack([share, 1 - share, np.where(np.isnan(share), np.nan, 0.0)]))
    won = mean_of(columns["wins_a"], columns["pair"], len(ORDERS))
    return np.where(np.isnan(won), ABSENT, np.where(won == 1, A, np.where(won == 0, B, TIE))).astype(np.int8)


def humans(columns: Columns) -> Labels:
    """What most people say of each row's pair."""
    return np.nan_to_num(columns["gold"], nan=ABSENT).astype(np.int8)


def with_humans(combine: Callable[[FloatArray], FloatArray], ties: bool = True) -> OfSums:
    """A number of the table in which humans' labels meet the judge's; pairs without either are left out."""

    def parts(columns: Columns) -> FloatArray:
        table = crossed(humans(columns), said(columns), ties)
        return np.where(table.any(axis=1, keepdims=True), table, np.nan)

    return OfSums(parts, combine, USES, HEAD)


def consistent() -> OfSums:
    """Share of pairs on which both orders name the same answer; one that can't be read agrees with nothing."""

    def parts(columns: Columns) -> FloatArray:
        share = mean_of(np.nan_to_num(columns["wins_a"], nan=0.5), columns["pair"], len(ORDERS))
        unread = mean_of(columns["unread"], columns["pair"], len(ORDERS))
        same = np.isin(share, (0.0, 1.0)) & (unread == 0)
        return np.where(np.isnan(unread)[:, np.newaxis], np.nan, np.column_stack([same, np.ones(len(same))]))

    return OfSums(parts, _ratio, ("wins_a", "unread", "pair"), HEAD)


def longer() -> OfSums:
    """Share of decided pairs whose longer answer wins."""

    def parts(columns: Columns) -> FloatArray:
        labels = said(columns)
        known = (labels >= 0) & (labels != TIE) & ~np.isnan(columns["longer"])
        hit = labels == columns["longer"]
        return np.where(known[:, np.newaxis], np.column_stack([hit, np.ones(len(hit))]), np.nan)

    return OfSums(parts, _ratio, ("share_a", "wins_a", "pair", "longer"), HEAD)


def _ratio(sums: FloatArray) -> FloatArray:
    return np.asarray(sums[..., 0] / sums[..., 1])


METRICS: tuple[Metric, ...] = (
    Metric(
        "agreement",
        about="Share of pairs on which the model prefers what most humans prefer; a tie is a label.",
        unit="share",
        ideal="high",
        statistic=with_humans(agreement),
    ),
    Metric(
        "agreement_without_ties",
        about="The same among the pairs that neither side calls a tie: 0.5 by lot.",
        unit="share",
        ideal="high",
        statistic=with_humans(agreement, ties=False),
    ),
    Metric(
        "kappa",
        about="Cohen's kappa with most humans: agreement beyond chance; a tie is a label.",
        unit="kappa",
        ideal="high",
        statistic=with_humans(kappa),
    ),
    Metric(
        "kappa_without_ties",
        about="The same among the pairs that neither side calls a tie.",
        unit="kappa",
        ideal="high",
        statistic=with_humans(kappa, ties=False),
    ),
    Metric(
        "positional_agreement",
        about="Share of pairs with the same verdict in both orders; one that can't be read agrees with nothing.",
        unit="share",
        ideal="high",
        statistic=consistent(),
    ),
    Metric(
        "first_shown_wins",
        about="Share of decided verdicts for the answer shown first: 0.5 for a judge that does not mind the order.",
        unit="share",
        ideal=0.5,
    ),
    Metric(
        "longer_wins",
        about=f"How often the longer answer wins, where lengths differ by more than {GAP} characters.",
        unit="share",
        statistic=longer(),
    ),
    Metric("unread", about="Share of verdicts that name no answer.", unit="share", ideal="low"),
)


@register
@dataclass(frozen=True)
class Preferences:
    """Pairs of answers, judged in both orders, and held against what people prefer."""

    suite: str = "mini"
    """mini, or paper: all 999 pairs of PandaLM's test set, three humans each."""
    limit: int | None = None
    """Of pairs: each is asked in both orders."""

    name = "preferences"
    version = 1
    lang = "en"
    metrics = METRICS
    text_metrics = ()
    sampling = None

    @classmethod
    def build(cls, options: Options) -> Self:
        return cls(pairing.SOURCE.suite(options.suite, whole="paper"), options.limit)

    @property
    def data(self) -> Mapping[str, str]:
        if self.suite == "mini":
            return {"mini pairs": mini.sha256("pairs")}
        return {pairing.PANDALM.name: pairing.PANDALM.sha256}

    @property
    def settings(self) -> Mapping[str, str | int | float | bool | None]:
        return {"prompt": PROMPT.id, "asks": len(ORDERS)}

    @property
    def count(self) -> int:
        return len(ORDERS) * len(self._pairs)

    @cached_property
    def _pairs(self) -> list[Pair]:
        return pairing.some(pairing.mini() if self.suite == "mini" else pairing.pandalm(), self.limit)

    def items(self) -> Iterator[Item]:
        for number, pair in enumerate(self._pairs):
            prompt = pair.cluster or blake2b(pair.prompt.encode("utf-8", "replace"), digest_size=8).hexdigest()
            for order in ORDERS:
                fields = {**pair.model_dump(mode="json", include={"prompt", "a", "b"}), "order": order}
                yield Item(
                    f"{pair.id}/{order}",
                    {**fields, "gold": _gold(pair), "longer": _longer(pair), "pair": number},
                    group=pair.group,
                    cluster=prompt,
                )

    def ask(self, item: Item) -> Choose:
        prompt, a, b = (str(item.fields[name]) for name in ("prompt", "a", "b"))
        pair = Pair(id=item.id, prompt=prompt, a=a, b=b)
        return cast(Choose, PROMPT.request(pair, _order(item), ties=False, tokens=1))

    def score(self, item: Item, answer: Answer) -> Mapping[str, float | None]:
        order = _order(item)
        ruling = PROMPT.ruling(answer, order, ties=False)
        fields = cast(Mapping[str, float | None], item.fields)
        decided = ruling.winner in ("a", "b")
        return {
            "wins_a": None if ruling.winner is None else {"a": 1.0, "b": 0.0, "tie": 0.5}[ruling.winner],
            "share_a": ruling.shares[0] if ruling.shares else None,
            "first_shown_wins": float(ruling.winner == order[0]) if decided else None,
            "unread": float(ruling.winner is None),
            "head": float(order == ORDERS[0]),
            **{name: None if fields[name] is None else float(fields[name] or 0) for name in ("gold", "longer", "pair")},
        }


def _order(item: Item) -> Order:
    return cast(Order, item.fields["order"])


def _gold(pair: Pair) -> int | None:
    """The label that most humans gave, as a number; None where no label has most."""
    votes = np.zeros((1, CLASSES))
    for winner in pair.humans.values():
        votes[0, CODES[winner]] += 1
    label = int(majority(votes)[0])
    return None if label == ABSENT else label


def _longer(pair: Pair) -> int | None:
    gap = len(pair.a) - len(pair.b)
    return A if gap > GAP else B if gap < -GAP else None
