"""What a verb can be told, as its signature and its help: its own parameters, then the fields of its record."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature, cleandoc, signature
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from profiler.cli import ours
from profiler.plugins import imported
from profiler.records import Flag, Record

RECORDS = {
    "profile": "profiler.runs.options:ProfileOptions",
    "compare": "profiler.runs.options:CompareOptions",
    "score": "profiler.runs.options:ScoreOptions",
    "rescore": "profiler.runs.options:RescoreOptions",
    "judge": "profiler.runs.options:JudgeOptions",
    "agree": "profiler.runs.options:AgreeOptions",
    "sample": "selection:SampleOptions",
    "select": "selection:SelectOptions",
    "train": "training:Recipe",
    "study": "profiler.study:Study",
}
"""Verb → its record, but for those that have none."""


def described(verb: Callable[..., object]) -> Callable[..., object]:
    """VERB, whose signature and help say all that it can be told."""
    if verb.__name__ not in RECORDS:
        return verb
    if not RECORDS[verb.__name__].startswith("profiler.runs"):
        ours.insist()
    record = cast(type[Record], imported(RECORDS[verb.__name__]))
    given = signature(verb)
    own = [each for each in given.parameters.values() if each.kind is not Parameter.VAR_KEYWORD]
    names = {each.name for each in own}
    fields = {name: field for name, field in record.model_fields.items() if name not in names}
    # What stands by its place on the command line does so in the function, in whatever form Python has it.
    fields = {name: field for name, field in fields.items() if Flag(argument=True) not in field.metadata}
    required = None if names & {"recipe", "plan"} else Parameter.empty  # a file may have it
    options = [
        Parameter(
            name,
            Parameter.KEYWORD_ONLY,
            default=required if field.is_required() else field.get_default(call_default_factory=True),
            annotation=hint(field.annotation),
        )
        for name, field in fields.items()
    ]
    verb.__signature__ = Signature([*own, *options], return_annotation=given.return_annotation)  # type: ignore[attr-defined]
    lines = [f"    {name}: {' '.join((field.description or '').split())}".rstrip() for name, field in fields.items()]
    verb.__doc__ = "\n".join([cleandoc(verb.__doc__ or ""), "", "Options:", *lines])
    return verb


def hint(kind: Any) -> str:
    """A type as a signature writes it: several of something may be any sequence, a path may be text."""
    if get_origin(kind) is Annotated:
        return hint(get_args(kind)[0])
    parts = [hint(each) for each in get_args(kind) if each is not ...] if get_origin(kind) is not Literal else []
    match get_origin(kind) or kind:
        case origin if origin is tuple or origin is list:
            return f"Sequence[{parts[0]}]"
        case origin if origin is dict:
            return f"Mapping[{', '.join(parts)}]"
        case origin if origin is Literal:
            return f"Literal[{', '.join(map(repr, get_args(kind)))}]"
        case origin if origin is Union or origin is UnionType:
            return " | ".join(parts)
        case plain if plain is NoneType:
            return "None"
        case plain if plain is Path:
            return "str | PathLike[str]"
        case plain if plain in (str, int, float, bool):
            return str(plain.__name__)
    return "object"
