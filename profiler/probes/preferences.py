"""Preferences: which of two answers does a model find better, and how far do people agree with it?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from hashlib import blake2b
from typing import NamedTuple, Self

import numpy as np

from profiler.datasets import Item, drawn
from profiler.endpoints import Answer, Request
from profiler.judging import (
    CODES,
    GAP,
    ORDERS,
    PANDALM,
    PANDALM_FILE,
    Order,
    Pair,
    averaged,
    load_pairs,
    load_template,
)
from profiler.metrics import Metric
from profiler.probes.options import ProbeOptions
from profiler.probes.probe import Probe, Setting
from profiler.probes.registry import register
from profiler.probes.two_orders import HEAD, mean_of
from profiler.stats import Columns, FloatArray, OfSums, raters, ratio

PROMPT = load_template("labels")
USES = ("share_a", "wins_a", "gold", "pair")


def said(columns: Columns) -> raters.Labels:
    """The verdict on each row's pair: by the mean of both orders' probabilities, or where both orders say the same.

    The second where no order has probabilities, as with an endpoint that writes its letter only.
    """
    if not np.isnan(columns["share_a"]).all():
        share = mean_of(columns["share_a"], columns["pair"], len(ORDERS))
        return averaged(np.column_stack([share, 1 - share, np.where(np.isnan(share), np.nan, 0.0)]))
    won = mean_of(columns["wins_a"], columns["pair"], len(ORDERS))
    known = [np.isnan(won), won == 1, won == 0]
    return np.select(known, [raters.ABSENT, raters.A, raters.B], raters.TIE).astype(np.int8)


def humans(columns: Columns) -> raters.Labels:
    """What most people say of each row's pair."""
    return np.nan_to_num(columns["gold"], nan=raters.ABSENT).astype(np.int8)


def with_humans(combine: Callable[[FloatArray], FloatArray], ties: bool = True) -> OfSums:
    """A number of the table in which humans' labels meet the judge's; pairs without either are left out."""

    def parts(columns: Columns) -> FloatArray:
        table = raters.crossed(humans(columns), said(columns), ties)
        return np.where(table.any(axis=1, keepdims=True), table, np.nan)

    return OfSums(parts, combine, USES, HEAD)


def consistent() -> OfSums:
    """Share of pairs on which both orders name the same answer; one that can't be read agrees with nothing."""

    def parts(columns: Columns) -> FloatArray:
        share = mean_of(np.nan_to_num(columns["wins_a"], nan=0.5), columns["pair"], len(ORDERS))
        unread = mean_of(columns["unread"], columns["pair"], len(ORDERS))
        same = np.isin(share, (0.0, 1.0)) & (unread == 0)
        return np.where(np.isnan(unread)[:, np.newaxis], np.nan, np.column_stack([same, np.ones(len(same))]))

    return OfSums(parts, ratio, ("wins_a", "unread", "pair"), HEAD)


def longer() -> OfSums:
    """Share of decided pairs whose longer answer wins."""

    def parts(columns: Columns) -> FloatArray:
        labels = said(columns)
        known = (labels >= 0) & (labels != raters.TIE) & ~np.isnan(columns["longer"])
        hit = labels == columns["longer"]
        return np.where(known[:, np.newaxis], np.column_stack([hit, np.ones(len(hit))]), np.nan)

    return OfSums(parts, ratio, ("share_a", "wins_a", "pair", "longer"), HEAD)


METRICS: tuple[Metric, ...] = (
    Metric(
        "agreement",
        about="Share of pairs on which the model prefers what most humans prefer; a tie is a label.",
        unit="share",
        ideal="high",
        statistic=with_humans(raters.agreement),
    ),
    Metric(
        "agreement_without_ties",
        about="The same among the pairs that neither side calls a tie: 0.5 by lot.",
        unit="share",
        ideal="high",
        statistic=with_humans(raters.agreement, ties=False),
    ),
    Metric(
        "kappa",
        about="Cohen's kappa with most humans: agreement beyond chance; a tie is a label.",
        unit="kappa",
        ideal="high",
        statistic=with_humans(raters.kappa),
    ),
    Metric(
        "kappa_without_ties",
        about="The same among the pairs that neither side calls a tie.",
        unit="kappa",
        ideal="high",
        statistic=with_humans(raters.kappa, ties=False),
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


class AnswerTurn(NamedTuple):
    """A pair of answers in one of its orders."""

    prompt: str
    a: str
    b: str
    order: Order
    gold: int | None
    """The label that most humans gave, as a number; None where no label has most."""
    longer: int | None
    pair: int


@register
class Preferences(Probe[AnswerTurn]):
    """Pairs of answers, judged in both orders, and held against what people prefer."""

    name = "preferences"
    shipped = "pairs"
    default = True
    asks = len(ORDERS)
    template = PROMPT.id
    metrics = METRICS

    @classmethod
    def build(cls, options: ProbeOptions) -> Self:
        """Of the shipped pairs, or of all 999 of PandaLM's test set, three humans each; the limit is one of pairs."""
        return cls(PANDALM.suite(options.suite, whole="paper"), options.limit)

    @property
    def data(self) -> Mapping[str, str]:
        return super().data if self.suite == "mini" else {PANDALM_FILE.name: PANDALM_FILE.sha256}

    @property
    def settings(self) -> Mapping[str, Setting]:
        return {"prompt": self.template, "asks": self.asks}

    @cached_property
    def pairs(self) -> list[Pair]:
        return drawn(load_pairs(["mini" if self.suite == "mini" else "pandalm"]), self.limit)

    @cached_property
    def items(self) -> list[Item[AnswerTurn]]:
        return [
            Item(
                f"{pair.id}/{order}",
                AnswerTurn(pair.prompt, pair.a, pair.b, order, _gold(pair), _longer(pair), number),
                group=pair.group,
                cluster=pair.cluster or blake2b(pair.prompt.encode("utf-8", "replace"), digest_size=8).hexdigest(),
            )
            for number, pair in enumerate(self.pairs)
            for order in ORDERS
        ]

    def ask(self, item: Item[AnswerTurn]) -> Request:
        of = item.fields
        return PROMPT.request(Pair(id=item.id, prompt=of.prompt, a=of.a, b=of.b), of.order, ties=False, tokens=1)

    def score(self, item: Item[AnswerTurn], answer: Answer) -> Mapping[str, float | None]:
        of = item.fields
        ruling = PROMPT.ruling(answer, of.order, ties=False)
        decided = ruling.winner in ("a", "b")
        return {
            "wins_a": None if ruling.winner is None else {"a": 1.0, "b": 0.0, "tie": 0.5}[ruling.winner],
            "share_a": ruling.shares[0] if ruling.shares else None,
            "first_shown_wins": float(ruling.winner == of.order[0]) if decided else None,
            "unread": float(ruling.winner is None),
            "head": float(of.order == ORDERS[0]),
            "gold": None if of.gold is None else float(of.gold),
            "longer": None if of.longer is None else float(of.longer),
            "pair": float(of.pair),
        }


def _gold(pair: Pair) -> int | None:
    """The label that most humans gave, as a number; None where no label has most."""
    votes = np.zeros((1, raters.CLASSES))
    for winner in pair.humans.values():
        votes[0, CODES[winner]] += 1
    label = int(raters.majority(votes)[0])
    return None if label == raters.ABSENT else label


def _longer(pair: Pair) -> int | None:
    gap = len(pair.a) - len(pair.b)
    return raters.A if gap > GAP else raters.B if gap < -GAP else None
