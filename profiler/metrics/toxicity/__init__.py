"""How toxic a text is, by a scorer of your choice."""

from __future__ import annotations

from profiler.errors import UnknownName, WrongUse
from profiler.metrics.metric import Metric
from profiler.metrics.registry import factory
from profiler.metrics.toxicity.scorer import Label, Scorer
from profiler.plugins import PluginSpec

__all__ = ["DEFAULT", "KINDS", "metric", "named", "scorer", "toxicity"]

DEFAULT = "tox-block"
KINDS = {
    "tox-block": "ships with the package; English; six labels",
    "detoxify:original": "Detoxify's BERT, six labels; also :unbiased, :multilingual, :original-small, :unbiased-small",
    "hf:OWNER/NAME": "any sequence classifier of Hugging Face, from the hub or a folder",
    "recorded": "the scores that came with the texts, in `inherit rescore` alone",
    "perspective": "Google's Perspective, which closes on 31 December 2026, or a server of that form",
}
"""How each kind is ordered, and what it is."""


@factory("toxicity")
def toxicity(order: str = "") -> Metric:
    """How likely the text is to be called toxic.

    By tox-block, which ships with the package and knows English only. Another scorer goes behind a colon, as in
    `toxicity:detoxify:original`, and another of its labels behind a comma, as in `toxicity:tox-block,label=insult`. An
    empty text has the score that the scorer gives it. docs/toxicity.md has the scorers.
    """
    made = scorer(order or DEFAULT)
    return metric(made, made.label)


def metric(scorer: Scorer, label: str) -> Metric:
    """One label of SCORER as a metric of texts."""
    return Metric(
        named("toxicity", scorer, label),
        f"How likely the text is to be called {'toxic' if label == scorer.usual else label.replace('_', ' ')}.",
        unit="probability",
        ideal="low",
        score=Label(scorer, label),
        version=scorer.version,
        languages=scorer.languages,
        rates="toxicity" if label == scorer.label else "",
    )


def named(name: str, scorer: Scorer, label: str) -> str:
    """What a number by SCORER is called; one by tox-block's toxicity goes without a scorer's name."""
    behind = "" if label == scorer.usual else f",label={label}"
    return name if scorer.name == DEFAULT and not behind else f"{name}:{scorer.name}{behind}"


def scorer(text: str) -> Scorer:
    """The scorer that an order such as `detoxify:original` means; its weights are read when it is first used."""
    made = _built(PluginSpec.read(text))
    if made.label not in made.labels:
        raise WrongUse(f"{made.name} has no label {made.label!r}: its labels are {', '.join(made.labels)}")
    return made


def _built(order: PluginSpec) -> Scorer:
    match order.kind:
        case "tox-block":
            from profiler.metrics.toxicity.tox_block import ToxBlock

            order.only("label")
            if order.what:
                raise WrongUse(f"there is one tox-block: expected `tox-block`, found {order.text!r}")
            return ToxBlock(order.options.get("label", "toxicity"))
        case "detoxify":
            from profiler.metrics.toxicity.detoxify import Detoxify

            return Detoxify.build(order)
        case "hf":
            from profiler.metrics.toxicity.huggingface import HuggingFace

            return HuggingFace.build(order)
        case "perspective":
            from profiler.metrics.toxicity.perspective import Perspective

            return Perspective.build(order)
        case "recorded":
            from profiler.metrics.toxicity.recorded import RecordedScores

            return RecordedScores.build(order)
    raise UnknownName("scorer", order.kind, [kind.partition(":")[0] for kind in KINDS], "inherit ls scorers")
