"""Texts that are sent here, measured: by a form for people, and in batches for programs."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from typing import Annotated, ClassVar
from urllib.parse import parse_qs

import numpy as np
import orjson
from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, Response
from pydantic import Field, ValidationError

from profiler import metrics
from profiler.datasets import settings
from profiler.errors import WrongUse
from profiler.metrics import Metric
from profiler.records import Record
from profiler.reporting import layout
from profiler.service.pages import Pages, render
from profiler.text import Mark, Text, marks
from selection import PromptedText, objective_metrics, read_objective, utility

router = Pages(tags=["score"])
api = APIRouter(tags=["score"])

MOST = 10_000
"""Texts of a request."""
LARGEST = 16 * 2**20
"""Bytes of a request."""
TRIED = 20_000
"""Characters of a text that is tried on the page."""
ORDERED = ("toxicity", "toxicity:tox-block")
"""Metrics made to order that can be asked for here: others would read files or call servers of the asker's choice."""
TOXIC = 0.5


class ScoreRequest(Record):
    """Texts to be measured, by metrics or by an objective."""

    texts: Annotated[list[str], Field(max_length=MOST)]
    metrics: list[str] = Field(default_factory=list)
    """Names of metrics; all plain ones where neither these nor an objective are named."""
    objective: str | list[str] = Field(default_factory=list)
    """max:M, min:M, near:M=V or 2*max:M; several are added up."""
    prompts: list[str] | None = None
    """What each text answers."""
    lang: str = "en"

    model_config: ClassVar = {"json_schema_extra": {"examples": [{"metrics": ["words"], "texts": ["Two words."]}]}}


class Scores(Record):
    """What the metrics make of the texts, in their order."""

    scores: dict[str, list[float | None]]
    """Metric → a number a text; null where it is undefined."""
    objective: list[float | None] | None = None
    """The goals by their weights, each in its metric's own unit; more is better; null where a score is."""
    versions: dict[str, str]
    """Metric → the implementation that made the number."""


class TriedText(Record):
    """A text, and what was counted where."""

    text: str
    sentences: tuple[tuple[Mark, ...], ...]
    toxic: tuple[float | None, ...]
    """How toxic each sentence is, where a scorer is at hand."""


class TriedNumber(Record):
    """A metric of the texts."""

    metric: str
    family: str
    about: str
    unit: str
    best: str
    values: tuple[float | None, ...]


class TryPage(Record):
    """One text or two, by every plain metric."""

    texts: tuple[TriedText, ...]
    numbers: tuple[TriedNumber, ...]


@router.page("/try", "try.html")
def tried(
    text: Annotated[str, Query(max_length=TRIED)] = "", other: Annotated[str, Query(max_length=TRIED)] = ""
) -> TryPage:
    """A text or two by every plain metric, with what was counted where."""
    given = [Text(each) for each in (text, other) if each.strip()]
    if not given:
        return TryPage(texts=(), numbers=())
    measures = [*metrics.default().values(), metrics.get(ORDERED[0])]
    columns = metrics.measure(given, measures)
    return TryPage(
        texts=tuple(map(_marked, given)),
        numbers=tuple(
            TriedNumber(
                metric=each.name,
                family=each.family or "other",
                about=each.about,
                unit=each.unit,
                best=layout.best(each),
                values=tuple(_numbers(columns[each.name])),
            )
            for each in measures
        ),
    )


@api.post("/try", include_in_schema=False)
async def tried_form(request: Request) -> Response:
    """The same of a form, whose texts are too long for an address."""
    form = parse_qs((await _body(request)).decode("utf-8", "replace"), max_num_fields=8)
    text, other = (form.get(name, [""])[0] for name in ("text", "other"))
    if max(len(text), len(other)) > TRIED:
        raise WrongUse(f"a text to try has up to {TRIED:,} characters; POST /api/score takes longer ones")
    return HTMLResponse(render("try.html", request=request, it=await run_in_threadpool(tried, text, other)))


@api.post(
    "/api/score",
    name="score_texts",
    response_model=Scores,
    openapi_extra={
        "requestBody": {"content": {"application/json": {"schema": ScoreRequest.model_json_schema()}}, "required": True}
    },
)
async def score(request: Request) -> Response:
    """Measure texts by metrics or by an objective: a reward or a gate for a trainer or a filter anywhere."""
    body = await _body(request)
    # A thread costs more than a short text.
    found = _scored(body) if len(body) < 2000 else await run_in_threadpool(_scored, body)
    return Response(found, media_type="application/json")


async def _body(request: Request) -> bytes:
    """What was sent, up to LARGEST bytes of it."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST:
            raise WrongUse(f"a request may bring {LARGEST:,} bytes; send the texts in several")
        parts.append(part)
    return b"".join(parts)


def _scored(body: bytes) -> bytes:
    try:
        asked = ScoreRequest.model_validate(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise WrongUse(f"the request is not JSON: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise WrongUse(f"{'.'.join(map(str, first['loc']))}: {settings.expected(first)}") from None
    words = [asked.objective] if isinstance(asked.objective, str) else asked.objective
    wanted = read_objective(words) if words else None
    names = [*asked.metrics, *(objective_metrics(wanted) if wanted else ())]
    measures = metrics.distinct([*map(_metric, names)] or _plain().values())
    columns = {name: np.ascontiguousarray(one) for name, one in metrics.measure(_texts(asked), measures).items()}
    told: dict[str, object] = {"scores": columns, "objective": None}
    if wanted:
        told["objective"] = sum(
            goal.weight * utility(columns[_metric(goal.metric).name], goal) for goal in wanted.goals
        )
    told["versions"] = {metric.name: metric.version for metric in measures}
    # NaN, which is undefined, is written as null.
    return orjson.dumps(told, option=orjson.OPT_SERIALIZE_NUMPY)


def _texts(asked: ScoreRequest) -> Sequence[Text]:
    if asked.prompts is None:
        return [Text(text, asked.lang) for text in asked.texts]
    if len(asked.prompts) != len(asked.texts):
        raise WrongUse(f"expected a prompt for each text: {len(asked.texts)} texts, {len(asked.prompts)} prompts")
    return [
        PromptedText.to(prompt, text, None, asked.lang) for prompt, text in zip(asked.prompts, asked.texts, strict=True)
    ]


@cache
def _plain() -> dict[str, Metric]:
    """The metrics that are taken of a text unasked; none is installed while the service runs."""
    return metrics.default()


def _metric(name: str) -> Metric:
    """A metric by its name; none that would bring code, a file or a server of the asker's choice."""
    if name in ORDERED:
        return metrics.get(name)
    known = _plain()
    if name not in known:
        near = get_close_matches(name, [*known, *ORDERED], 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise WrongUse(f"no metric {name!r} is to be had here; {hint}GET /try lists them")
    return known[name]


def _marked(text: Text) -> TriedText:
    sentences = tuple(map(tuple, marks(str(text), text.lang)))
    parts = [Text("".join(mark.text + mark.blanks for mark in sentence), text.lang) for sentence in sentences]
    found = metrics.measure(parts, [metrics.get(ORDERED[0])])
    return TriedText(text=str(text), sentences=sentences, toxic=tuple(_numbers(*found.values())))


def _numbers(column: np.ndarray) -> list[float | None]:
    return [None if value != value else value for value in column.tolist()]
