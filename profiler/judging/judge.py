"""A judge: what it is shown, as a text file has it, how it is asked of every pair, and how its verdict is read."""

import math
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Literal, cast

from profiler.endpoints import Answer, Choose, Client, Generate, Request
from profiler.errors import BadData, EndpointError, UnknownName
from profiler.judging.records import Judgement, Pair, Ruling, Winner
from profiler.records import Sampling

TOKENS = 512
"""New tokens that a judge may write to give its reasons."""

By = Literal["labels", "reasons", "answers"]
"""How a verdict is had: the label's probability, a written verdict, or the likelihood of the answers themselves."""
Order = Literal["ab", "ba"]
ORDERS: tuple[Order, ...] = ("ab", "ba")

PLACES: Mapping[str, tuple[str, ...]] = {
    "labels": ("prompt", "first", "second"),
    "reasons": ("prompt", "first", "second"),
    "answers": ("prompt",),
}
HEADINGS = ("by", "cue", "tie")
PLACE = re.compile(r"\{(prompt|first|second|tie)\}")
MARK = re.compile(r"\[\[\s*([ABC])\s*\]\]")
LABELS = (" A", " B", " C")


@dataclass(frozen=True)
class Template:
    """What a judge is shown, and how it answers."""

    name: str
    digest: str
    by: By
    body: str
    cue: str = "Better answer:"
    """What a label continues."""
    tie: str = ""
    """The sentence that allows a tie; without one the template knows none."""

    @property
    def id(self) -> str:
        """Names the very wording, for a verdict file."""
        return f"{self.name}@{self.digest}"

    def orders(self) -> tuple[Order | None, ...]:
        """The orders in which it is asked: always both, unless answers are weighed one by one."""
        return (None,) if self.by == "answers" else ORDERS

    def request(self, pair: Pair, order: Order | None, ties: bool, tokens: int) -> Request:
        """What a judge is asked of PAIR; TOKENS bound what it writes."""
        text = self._filled(pair, order, ties)
        match self.by:
            case "answers":
                return Choose(text, (f" {pair.a}", f" {pair.b}"), ways=("loglikelihood",))
            case "reasons":
                return Generate(text, Sampling(max_tokens=tokens), prompt_template="{prompt}\n\n### Comparison\n")
            case "labels":
                asked = f"{text}\n\nAnswer with {'A, B or C' if ties else 'A or B'}, one letter and nothing else."
                return Choose(f"{text}\n\n{self.cue}", LABELS if ties else LABELS[:2], asked)

    def _filled(self, pair: Pair, order: Order | None, ties: bool) -> str:
        shown = (pair.b, pair.a) if order == "ba" else (pair.a, pair.b)
        said = {"prompt": pair.prompt, "first": shown[0], "second": shown[1], "tie": self.tie if ties else ""}
        lines = self.body.split("\n")
        # In one pass, line by line: an answer that holds "{second}" is an answer, and no tie leaves no blank behind.
        filled = (PLACE.sub(lambda place: said[place[1]], line) for line in lines)
        return "\n".join(f.rstrip() if "{tie}" in line else f for f, line in zip(filled, lines, strict=True))

    def ruling(self, answer: Answer, order: Order | None, ties: bool) -> Ruling:
        """What a judge's answer says, by the answers' names."""
        if answer.error:
            return Ruling(order=order, error=answer.error)
        text = answer.generations[0].text if answer.generations else ""
        shares = _shares([likelihood.total for likelihood in answer.likelihoods]) or answer.confidences
        place = read_verdict(text, ties) if self.by == "reasons" else answer.choice
        if shares:
            best = [place for place, share in enumerate(shares) if share == max(shares)]
            place = best[0] if len(best) == 1 else 2
        if order == "ba":
            shares = (*shares[1::-1], *shares[2:])
        names: tuple[Winner, ...] = ("b", "a", "tie") if order == "ba" else ("a", "b", "tie")
        return Ruling(order=order, winner=None if place is None else names[place], shares=shares, text=text)


async def ask_judge(
    client: Client, judge: str, pairs: Sequence[Pair], template: Template, ties: bool = False, tokens: int = TOKENS
) -> AsyncIterator[tuple[Judgement, Answer]]:
    """A judgement for each pair, as soon as its last order is answered, with all that was answered for it."""
    orders = template.orders()
    if pairs and (why := await client.refusal(template.request(pairs[0], orders[0], ties, tokens))):
        raise EndpointError(f"{judge!r} can't judge by {template.name!r}: {why}")
    requests = (
        ((place, order), template.request(pair, order, ties, tokens))
        for place, pair in enumerate(pairs)
        for order in orders
    )
    waiting: dict[int, dict[Order | None, Answer]] = {}
    async for (place, order), answer in client.answer(requests):
        given = waiting.setdefault(place, {})
        given[order] = answer
        if len(given) == len(orders):
            answers = [*waiting.pop(place).values()]
            made = Judgement(
                pair=pairs[place],
                judge=judge,
                how=answer.how,
                template=template.id,
                rulings=tuple(template.ruling(given[order], order, ties) for order in orders),
            )
            # The answers in all orders as one, for whoever counts what was paid.
            generations = tuple(part for one in answers for part in one.generations)
            yield made, Answer(answers[0].how, generations, tuple(part for one in answers for part in one.likelihoods))


def load_template(name: str) -> Template:
    """The shipped template called NAME, or that of a .txt file."""
    if name in PLACES:
        path = Path(str(files("profiler") / "judging" / "prompts" / f"{name}.txt"))
    elif name.endswith(".txt"):
        path = Path(name).expanduser()
        if not path.is_file():
            raise BadData(f"expected a judge's prompt, found no file at {name!r}")
    else:
        raise UnknownName("judge prompt", name, PLACES, "inherit judge --help")
    try:
        return parse_template(path.stem, path.read_text("utf-8"))
    except UnicodeDecodeError as error:
        raise BadData(f"{path} is not UTF-8: byte {error.start:,}; save it as UTF-8") from None


def parse_template(name: str, text: str) -> Template:
    """A template's headings, then a line of dashes, then what is shown; without headings all of it is shown."""
    head, line, body = text.partition("\n---\n")
    headings: dict[str, str] = {}
    for number, row in enumerate(head.splitlines() if line else (), 1):
        key, colon, value = row.partition(":")
        if not colon or key.strip() not in HEADINGS:
            raise BadData(f"prompt {name!r} line {number}: expected {', '.join(HEADINGS)} and a colon, found {row!r}")
        headings[key.strip()] = value.strip()
    by = headings.get("by", "labels")
    if by not in PLACES:
        raise BadData(f"prompt {name!r}: expected `by:` {', '.join(PLACES)}, found {by!r}")
    shown = (body if line else text).rstrip("\n")
    if lacking := [place for place in PLACES[by] if f"{{{place}}}" not in shown]:
        raise BadData(f"prompt {name!r}: no place for {', '.join(f'{{{place}}}' for place in lacking)}")
    digest = sha256(text.encode()).hexdigest()[:8]
    cue, tie = headings.get("cue", Template.cue), headings.get("tie", Template.tie)
    return Template(name, digest, cast(By, by), shown, cue, tie)


def read_verdict(text: str, ties: bool = True) -> int | None:
    """The place that a written verdict names in double brackets; None where it names none, or several at the end.

    A judge that weighs both while it thinks may name both; then only what its last line says counts.
    """
    marks = set(MARK.findall(text))
    if len(marks) > 1:
        marks = set(MARK.findall(text.strip().splitlines()[-1]))
    if len(marks) != 1:
        return None
    place = "ABC".index(marks.pop())
    return None if place == 2 and not ties else place


def _shares(totals: Sequence[float]) -> tuple[float, ...]:
    """Log-probabilities as shares that sum to 1."""
    weights = [math.exp(total - max(totals)) for total in totals]
    return tuple(weight / sum(weights) for weight in weights)
