"""An objective as one writes it: `max:mtld`, `2*min:toxicity`, `near:words=150`; `toxicity<=0.2`; `words=0.25`."""

import re
from collections.abc import Iterable
from typing import Literal

from profiler.errors import WrongUse
from selection.records import Bound, Goal, Hold, Objective, SelectOptions

GOAL = re.compile(
    r"(?:(?P<weight>[^*:]+)\*)?(?:(?P<want>max|min):(?P<metric>[^=\n]+|.*,.*)|near:(?P<near>.+)=(?P<value>[^=\n]*))"
)
"""The options of a metric made to order, behind its commas, hold equals signs of their own."""
BOUND = re.compile(r"(?P<metric>.+?)\s*(?P<sign><=|>=|<|>)\s*(?P<value>[^<>=]+)")


def read_objective(
    goals: Iterable[str],
    combine: Literal["sum", "lexicographic", "pareto"] = "sum",
    require: Iterable[str] = (),
    hold: Iterable[str] = (),
    temperature: float = 0.0,
) -> Objective:
    """The objective that these words mean."""
    found = Objective(
        goals=tuple(map(read_goal, goals)),
        combine=combine,
        require=tuple(map(_read_bound, require)),
        hold=tuple(map(_read_hold, hold)),
        temperature=temperature,
    )
    if not found.goals:
        raise WrongUse("expected at least one goal such as max:mtld")
    if combine != "sum" and temperature:
        choice = "Pareto" if combine == "pareto" else combine
        raise WrongUse(f"a {choice} choice has no temperature; leave one of the two out")
    if combine != "sum" and (weighted := next((goal for goal in found.goals if goal.weight != 1), None)):
        raise WrongUse(
            f"the weight {weighted.weight:g} of {weighted.metric} means nothing to --combine {combine}; leave it out, "
            "or take --combine sum"
        )
    return found


def spec_objective(spec: SelectOptions) -> Objective:
    """The objective that a selection is told."""
    return read_objective(spec.objective, spec.combine, spec.require, spec.hold, spec.temperature)


def read_goal(words: str) -> Goal:
    match = GOAL.fullmatch(words.strip())
    if not match:
        raise WrongUse(f"expected a goal such as max:mtld, min:toxicity, near:words=150 or 2*max:mtld, found {words!r}")
    weight = 1.0 if match["weight"] is None else _number(match["weight"], words)
    if weight <= 0:
        raise WrongUse(f"the weight in {words!r} is {weight:g}: expected one above 0; say min: to want less")
    if match["near"]:
        return Goal(metric=match["near"], want="near", value=_number(match["value"], words), weight=weight)
    return Goal.model_validate({"metric": match["metric"], "want": match["want"], "weight": weight})


def _read_bound(words: str) -> Bound:
    match = BOUND.fullmatch(words.strip())
    if not match:
        raise WrongUse(f"expected a requirement such as 'toxicity<=0.2' (<=, >=, < or >), found {words!r}")
    value = _number(match["value"], words)
    return Bound.model_validate({"metric": match["metric"], "sign": match["sign"], "value": value})


def _read_hold(words: str) -> Hold:
    metric, _, share = words.strip().rpartition("=")
    if not metric or not share:
        raise WrongUse(f"expected a metric and a proportion such as words=0.25, found {words!r}")
    found = _number(share, words)
    if found < 0:
        raise WrongUse(f"the proportion in {words!r} is below 0: expected one such as words=0.25")
    return Hold(metric=metric, share=found)


def _number(word: str, words: str) -> float:
    try:
        value = float(word)
    except ValueError:
        raise WrongUse(f"expected a number, found {word!r} in {words!r}") from None
    if value - value != 0:
        raise WrongUse(f"expected a finite number, found {word!r} in {words!r}")
    return value


def objective_metrics(wanted: Objective) -> list[str]:
    """The metrics that an objective names, each once."""
    named: list[Goal | Bound | Hold] = [*wanted.goals, *wanted.require, *wanted.hold]
    return list(dict.fromkeys(part.metric for part in named))


def objective_words(wanted: Objective) -> str:
    """The objective in words, as it is written."""
    goals = [
        f"{f'{goal.weight:g}*' if goal.weight != 1 else ''}{goal.want}:{goal.metric}"
        f"{'' if goal.value is None else f'={goal.value:g}'}"
        for goal in wanted.goals
    ]
    words = {"sum": " + ", "lexicographic": ", then ", "pareto": " and (Pareto) "}[wanted.combine].join(goals)
    if wanted.require:
        words += ", with " + " and ".join(f"{part.metric}{part.sign}{part.value:g}" for part in wanted.require)
    if wanted.hold:
        words += ", " + " and ".join(f"{part.metric} within {part.share:.0%} of the middle" for part in wanted.hold)
    return words + (f", at temperature {wanted.temperature:g}" if wanted.temperature else "")
