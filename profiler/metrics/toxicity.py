"""How toxic a text is, by a scorer of your choice."""

from __future__ import annotations

from profiler import registry
from profiler.errors import UnknownName, WrongUse
from profiler.metric import Metric
from profiler.scorer import Label, Order, Scorer

DEFAULT = "tox-block"
KINDS = (DEFAULT,)


@registry.maker("toxicity")
def toxicity(order: str = "") -> Metric:
    """How likely the text is to be called toxic.

    By tox-block, which ships with the package and knows English only. Another scorer goes behind a colon, as in
    `toxicity:detoxify:original`, and another of its labels behind a comma, as in `toxicity:tox-block,label=insult`. An
    empty text has the score that the scorer gives it.
    """
    made = scorer(order or DEFAULT)
    return metric(made, Order.read(order).options.get("label", made.label))


def metric(scorer: Scorer, label: str) -> Metric:
    """One label of SCORER as a metric of texts."""
    if label not in scorer.labels:
        raise UnknownName(f"label of {scorer.name}", label, scorer.labels, "inherit ls scorers")
    return Metric(
        named("toxicity", scorer, label),
        f"How likely the text is to be called {'toxic' if label == scorer.label else label.replace('_', ' ')}.",
        unit="probability",
        ideal="low",
        score=Label(scorer, label),
        version=scorer.version,
        languages=scorer.languages,
    )


def named(name: str, scorer: Scorer, label: str | None = None) -> str:
    """What a number by SCORER is called; the default scorer's goes without a scorer's name."""
    behind = "" if label in (None, scorer.label) else f",label={label}"
    return name if scorer.name == DEFAULT and not behind else f"{name}:{scorer.name}{behind}"


def scorer(text: str) -> Scorer:
    """The scorer that an order such as `detoxify:original` means; its weights are read when it is first used."""
    order = Order.read(text)
    match order.kind:
        case "tox-block":
            from profiler.scorers.tox_block import ToxBlock

            order.only("label")
            if order.what:
                raise WrongUse(f"there is one tox-block: expected `tox-block`, found {text!r}")
            return ToxBlock()
    raise UnknownName("scorer", order.kind, KINDS, "inherit ls scorers")
