"""A judge is asked which answer is better, of every pair and in both orders."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from profiler.endpoints import Answer
from profiler.errors import EndpointError
from profiler.judging.prompt import Order, Template
from profiler.judging.records import Judgement, Pair

if TYPE_CHECKING:
    from profiler.endpoints import Client

TOKENS = 512
"""New tokens that a judge may write to give its reasons."""


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
            del waiting[place]
            made = Judgement(
                pair=pairs[place],
                judge=judge,
                how=answer.how,
                template=template.id,
                rulings=tuple(template.ruling(given[order], order, ties) for order in orders),
            )
            yield made, _together([*given.values()])


def _together(answers: Sequence[Answer]) -> Answer:
    """The answers in all orders as one, for whoever counts what was paid."""
    return Answer(
        answers[0].how,
        tuple(part for answer in answers for part in answer.generations),
        tuple(part for answer in answers for part in answer.likelihoods),
    )
