"""Answers that were recorded elsewhere, scored as if a model had just given them: how a harness is checked."""

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import NamedTuple, cast

from profiler.datasets import Item, Json, Row
from profiler.endpoints import Answer, Choose, Embed, Generate, Request, Weigh, read_letter
from profiler.errors import BadData
from profiler.probes import Probe
from profiler.records import Estimate, Generation, Likelihood, Sample
from profiler.runs import foreign_answers, sample_store
from profiler.runs.estimates import estimates
from profiler.runs.run import AnsweredItem, scored

KINDS = ("choice", "likelihoods", "texts")
BATCH = 1000


class RescoreResult(NamedTuple):
    """What recorded answers amount to."""

    estimates: list[Estimate]
    answered: int
    missing: list[str]
    """Items that no answer was recorded for."""
    errors: list[str]
    """Why an item could not be scored; such items are left out."""


def rescore(probe: Probe, rows: Iterable[Row], answer: str | None = None) -> list[Estimate]:
    """The numbers of PROBE from recorded answers, each a row of an item's id and what was answered.

    {"item": id, "choice": 2}: the place of the option taken, from 0, in the order of the data; null if unparseable.
    {"item": id, "likelihoods": [[-7.5, 3], …]}: total log-probability and tokens of each option or text that the
    probe asks for, in its order; a plain number counts as one token, so give the number that the probe compares.
    {"item": id, "texts": ["…"]}: what was written; of a choice, the option's words or its letter. A is the first option
    of the data, unless the row says in "order": [2, 0, 1] how they were listed; a question that only exists with its
    options listed, such as those of crows_pairs_chat, has an order of its own. Beside texts, "toxicity" may hold the
    score that came with each, for the scorer `recorded`.

    Rows as lm-eval, HELM and the authors' scripts write them will do as well (`runs.foreign_answers`). ANSWER names the
    column that holds the answer where it is called otherwise.
    """
    return rescored(probe, rows, answer).estimates


def rescored(probe: Probe, rows: Iterable[Row], answer: str | None = None) -> RescoreResult:
    """As `rescore`, with what was missing and what failed."""
    waiting = {item.id: item for item in probe.items}
    answers = _asked(probe, foreign_answers.plain(probe, rows, answer), waiting, frozenset(waiting))
    errors: list[str] = []

    def samples() -> Iterator[Sample]:
        while batch := list(islice(answers, BATCH)):
            made = scored(probe, batch)
            errors.extend(f"{sample.item}: {sample.error}" for sample in made if sample.error)
            yield from made

    columns = sample_store.columns(samples())
    return RescoreResult(
        estimates(probe.name, probe.metrics, columns, probe.lang),
        len(columns.items) + len(errors),
        list(waiting),
        errors,
    )


def _asked(
    probe: Probe, rows: Iterable[Row], waiting: dict[str, Item], known: frozenset[str]
) -> Iterator[AnsweredItem]:
    """Each row beside its item, which then no longer waits."""
    number = 0
    for number, row in enumerate(rows, 1):
        key = row.get("item")
        if not isinstance(key, str):
            raise BadData(f"row {number}: expected the id of an item in column 'item', found {key!r}")
        item = waiting.pop(key, None)
        if item is None:
            raise BadData(f"row {number}: {_stranger(probe, key, known)}")
        request = probe.ask(item)
        try:
            answer = _answer(request, row)
        except BadData as error:
            raise BadData(f"row {number} ({key}): {error}") from None
        yield AnsweredItem(item, request, answer)
    if not number:
        raise BadData("no answers: expected a row for each item")


def _stranger(probe: Probe, key: str, known: frozenset[str]) -> str:
    if key in known:
        return f"item {key!r} is answered twice; keep one answer of each item"
    near = get_close_matches(key, islice(known, 10_000), n=1)
    like = near[0] if near else next(iter(sorted(known)), "none at all")
    return f"no item {key!r} in {probe.name} [{probe.suite}]; its ids look like {like!r}"


def _answer(request: Request, row: Row) -> Answer:
    if isinstance(request, Embed):
        raise BadData("this probe reads hidden states, which no file of answers holds: ask a model in this process")
    given = [kind for kind in KINDS if kind in row]
    if len(given) != 1:
        raise BadData(
            f"expected one of {', '.join(KINDS)}, found {', '.join(given) or ', '.join(row)}; "
            "`--answer` names a column that is called otherwise"
        )
    if "choice" in row:
        return _choice(request, row["choice"])
    if "likelihoods" in row:
        return _likelihoods(request, row["likelihoods"])
    return _texts(request, row["texts"], row)


def _choice(request: Request, value: Json) -> Answer:
    if not isinstance(request, Choose):
        raise BadData("this probe offers no options to choose from; give likelihoods or texts")
    if value is None:
        return Answer("letter")
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < len(request.choices):
        raise BadData(f"expected a choice from 0 to {len(request.choices) - 1}, or null, found {value!r}")
    return Answer("letter", choice=value)


def _likelihoods(request: Generate | Choose | Weigh, value: Json) -> Answer:
    if isinstance(request, Generate):
        raise BadData("this probe asks for texts, not for likelihoods")
    wanted = len(request.texts if isinstance(request, Weigh) else request.choices)
    if not isinstance(value, list) or len(value) != wanted:
        raise BadData(f"expected {wanted} likelihoods, found {value!r}")
    return Answer("loglikelihood", likelihoods=tuple(map(_likelihood, value)))


def _likelihood(value: Json) -> Likelihood:
    match value:
        case bool():
            pass
        case int() | float():
            return Likelihood(total=value, tokens=1)
        case [int() | float() as total, int() as tokens] if tokens >= 0:
            return Likelihood(total=total, tokens=tokens)
    raise BadData(f"expected a likelihood as [total, tokens] or as a number, found {value!r}")


def _texts(request: Request, value: Json, row: Row) -> Answer:
    if not isinstance(value, list) or not value or not all(isinstance(text, str) for text in value):
        raise BadData(f"expected a list of texts, found {value!r}")
    scores = _given(row[foreign_answers.GIVEN], len(value)) if foreign_answers.GIVEN in row else [{}] * len(value)
    written = tuple(Generation(text=str(text), scores=given) for text, given in zip(value, scores, strict=True))
    match request:
        case Generate():
            return Answer("text", written)
        case Choose() if len(written) == 1:
            order = _order(request, row.get("order"))
            return Answer("letter", written, choice=named(written[0].text, request.choices, order))
        case Choose():
            raise BadData(f"expected one text, found {len(written)}")
        case _:
            raise BadData("this probe weighs texts; give likelihoods")


def _given(scores: Json, texts: int) -> list[dict[str, float | None]]:
    """The scores that came with texts, under the name of the metric that takes them."""
    if not isinstance(scores, list) or len(scores) != texts:
        raise BadData(f"expected {texts} scores in {foreign_answers.GIVEN!r}, one of each text, found {scores!r}")
    if bad := [score for score in scores if isinstance(score, bool | str | list | dict)]:
        raise BadData(f"expected a number or null in {foreign_answers.GIVEN!r}, found {bad[0]!r}")
    return [{foreign_answers.SCORE: cast(float | None, score)} for score in scores]


def _order(request: Choose, order: Json) -> tuple[int, ...]:
    """Which choice each letter stands for."""
    plain = tuple(range(len(request.choices)))
    if order is None:
        return plain if "loglikelihood" in request.ways else request.places
    if not isinstance(order, list) or sorted(map(str, order)) != sorted(map(str, plain)):
        raise BadData(f"expected an order of the options {list(plain)}, found {order!r}")
    return tuple(int(str(place)) for place in order)


def named(text: str, choices: Sequence[str], order: Sequence[int]) -> int | None:
    """The choice that a text is: in its words, else by its letter in ORDER; None when it is neither.

    A text that breaks off in the second half of a single choice is that choice.
    """
    said, offered = _plain(text), [_plain(choice) for choice in choices]
    for hits in (
        [choice == said for choice in offered],
        [choice.startswith(said) and 2 * len(said) >= len(choice) for choice in offered],
    ):
        if sum(hits) == 1:
            return hits.index(True)
    letter = read_letter(text, len(choices))
    return None if letter is None else order[letter]


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).rstrip(".")
