"""Preferences: which of two answers does a model find better, and how far do people agree with it?"""

from collections.abc import Callable, Mapping
from functools import cached_property
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from profiler import judging
from profiler.datasets import Item, drawn
from profiler.endpoints import Answer, Request
from profiler.judging import Order, Pair
from profiler.probes.probe import Probe, Setting, metrics_of, register
from profiler.probes.two_orders import HEAD, mean_of
from profiler.stats import Columns, FloatArray, OfSums, ShareOf, raters

PROMPT = judging.load_template("labels")


def said(columns: Columns) -> raters.Labels:
    """The verdict on each row's pair: by the mean of both orders' probabilities, or where both orders say the same.

    The second where no order has probabilities, as with an endpoint that writes its letter only.
    """
    if not np.isnan(columns["share_a"]).all():
        share = mean_of(columns["share_a"], columns["pair"], len(judging.ORDERS))
        return judging.averaged(np.column_stack([share, 1 - share, np.where(np.isnan(share), np.nan, 0.0)]))
    won = mean_of(columns["wins_a"], columns["pair"], len(judging.ORDERS))
    verdicts = [raters.ABSENT, raters.A, raters.B]
    return np.select([np.isnan(won), won == 1, won == 0], verdicts, raters.TIE).astype(np.int8)


def with_humans(combine: Callable[[FloatArray], FloatArray], ties: bool = True) -> OfSums:
    """A number of the table in which humans' labels meet the judge's; pairs without either are left out."""

    def parts(columns: Columns) -> FloatArray:
        humans = np.nan_to_num(columns["gold"], nan=raters.ABSENT).astype(np.int8)
        table = raters.crossed(humans, said(columns), ties)
        return np.where(table.any(axis=1, keepdims=True), table, np.nan)

    return OfSums(parts, combine, ("share_a", "wins_a", "gold", "pair"), HEAD)


def consistent(columns: Columns) -> FloatArray:
    """Whether both orders of each pair name the same answer; one that can't be read agrees with nothing."""
    share = mean_of(np.nan_to_num(columns["wins_a"], nan=0.5), columns["pair"], len(judging.ORDERS))
    unparseable = mean_of(columns["unparseable"], columns["pair"], len(judging.ORDERS))
    same = np.isin(share, (0.0, 1.0)) & (unparseable == 0)
    return np.where(np.isnan(unparseable), np.nan, [same, np.ones(len(same))]).T


def longer(columns: Columns) -> FloatArray:
    """Whether the longer answer of each decided pair wins."""
    labels = said(columns)
    known = (labels >= 0) & (labels != raters.TIE) & ~np.isnan(columns["longer"])
    return np.where(known, [labels == columns["longer"], np.ones(len(labels))], np.nan).T


METRICS = metrics_of(
    "preferences",
    agreement=with_humans(raters.agreement),
    agreement_without_ties=with_humans(raters.agreement, ties=False),
    kappa=with_humans(raters.kappa),
    kappa_without_ties=with_humans(raters.kappa, ties=False),
    positional_agreement=OfSums(consistent, ShareOf(np.asarray), ("wins_a", "unparseable", "pair"), HEAD),
    longer_wins=OfSums(longer, ShareOf(np.asarray), ("share_a", "wins_a", "pair", "longer"), HEAD),
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
    """Pairs of answers, judged in both orders, and compared with what people prefer.

    They are the shipped pairs, or all 999 of PandaLM's test set, three humans each; the limit is one of pairs.
    """

    name = "preferences"
    takes = frozenset()
    shipped = "pairs"
    published = judging.PANDALM
    default = True
    asks = len(judging.ORDERS)
    template = PROMPT.id
    metrics = METRICS

    @property
    def settings(self) -> Mapping[str, Setting]:
        return {"prompt": self.template, "asks": self.asks}

    @cached_property
    def pairs(self) -> list[Pair]:
        return drawn(judging.load_pairs(["mini" if self.suite == "mini" else "pandalm"]), self.limit)

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
            for order in judging.ORDERS
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
            "unparseable": float(ruling.winner is None),
            "head": float(of.order == judging.ORDERS[0]),
            "gold": None if of.gold is None else float(of.gold),
            "longer": None if of.longer is None else float(of.longer),
            "pair": float(of.pair),
        }


def _gold(pair: Pair) -> int | None:
    """The label that most humans gave, as a number; None where no label has most."""
    votes = np.zeros((1, raters.CLASSES))
    for winner in pair.humans.values():
        votes[0, judging.CODES[winner]] += 1
    label = int(raters.majority(votes)[0])
    return None if label == raters.ABSENT else label


def _longer(pair: Pair) -> int | None:
    gap = len(pair.a) - len(pair.b)
    return raters.A if gap > judging.GAP else raters.B if gap < -judging.GAP else None
