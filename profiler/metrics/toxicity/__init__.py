"""How toxic a text is, by a scorer of your choice."""

from typing import cast

from profiler.errors import UnknownName, WrongUse
from profiler.metrics.metric import FACTORIES, Metric
from profiler.metrics.toxicity.scorer import Label, Scorer
from profiler.plugins import PluginSpec, imported

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
SCORERS = {
    "tox-block": "tox_block:ToxBlock",
    "detoxify": "detoxify:Detoxify",
    "hf": "classifier:HuggingFace",
    "recorded": "scorer:RecordedScores",
    "perspective": "perspective:Perspective",
}
"""Each kind's class, imported when it is ordered."""


def toxicity(order: str = "") -> Metric:
    """How likely the text is to be called toxic.

    By tox-block, which ships with the package and knows English only. Another scorer goes behind a colon, as in
    `toxicity:detoxify:original`, and another of its labels behind a comma, as in `toxicity:tox-block,label=insult`. An
    empty text has the score that the scorer gives it. docs/toxicity.md has the scorers.
    """
    made = scorer(order or DEFAULT)
    return metric(made, made.label)


FACTORIES["toxicity"] = toxicity


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
        light=scorer.light,
    )


def named(name: str, scorer: Scorer, label: str) -> str:
    """What a number by SCORER is called; one by tox-block's toxicity goes without a scorer's name."""
    behind = "" if label == scorer.usual else f",label={label}"
    return name if scorer.name == DEFAULT and not behind else f"{name}:{scorer.name}{behind}"


def scorer(text: str) -> Scorer:
    """The scorer that an order such as `detoxify:original` means; its weights are read when it is first used."""
    order = PluginSpec.read(text)
    if order.kind not in SCORERS:
        raise UnknownName("scorer", order.kind, list(SCORERS), "inherit ls scorers")
    made = cast(type[Scorer], imported(f"{__name__}.{SCORERS[order.kind]}")).build(order)
    if made.label not in made.labels:
        raise WrongUse(f"{made.name} has no label {made.label!r}: its labels are {', '.join(made.labels)}")
    return made
