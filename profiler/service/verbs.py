"""What can be submitted: verbs of the command, each with the record that the command makes of its options."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pydantic import ValidationError

from profiler.datasets import settings
from profiler.errors import WrongUse
from profiler.http import check_address, check_key_name, header_parts
from profiler.records import Record
from profiler.runs import profile
from profiler.runs.options import AgreeOptions, CompareOptions, JudgeOptions, ProfileOptions, ScoreOptions
from profiler.study import Study, study_of
from selection import SampleOptions, SelectOptions


class StudyJob(Study):
    """Students x teachers x objectives x arms x seeds."""

    out: str = "study"
    """Folder for everything that is made; a stage that is in it is not done again."""


VERBS: dict[str, type[Record]] = {
    "profile": ProfileOptions,
    "compare": CompareOptions,
    "judge": JudgeOptions,
    "agree": AgreeOptions,
    "sample": SampleOptions,
    "select": SelectOptions,
    "score": ScoreOptions,
    "study": StudyJob,
}
DEMO = {"model": "demo", "suite": "mini", "quick": True}
"""A profile for trying things out."""


class Told(NamedTuple):
    """What a verb is told."""

    record: Record
    options: dict[str, Any]
    """The same as its process reads it."""


def options(verb: str, given: Mapping[str, object], out: Path) -> Told:
    """What VERB is told, all of it, checked as the command does; paths are seen from the service's folder, OUT."""
    record = VERBS[verb]
    for name, value, _ in leaves(given):
        check_secret(name, str(value))
    if verb == "study":
        whole = {"out": StudyJob.model_fields["out"].default, **given}
        return Told(study_of(whole, out.resolve() / "study.json"), whole)
    there = {"out": "."} if "out" in record.model_fields and not record.model_fields["out"].is_required() else {}
    told = settings.checked(record, {**there, **given}, f"inherit {verb}")
    if isinstance(told, ProfileOptions):
        profile.named(told)
    if isinstance(told, ScoreOptions) and told.file == "-":
        raise WrongUse("inherit score: `file`: a job has no stdin; name a file in the service's folder")
    if isinstance(told, SampleOptions) and any(isinstance(one, dict) for one in told.teachers):
        raise WrongUse("inherit sample: `teachers`: expected demo, a path, MODEL@URL or a .toml file's name")
    return Told(told, told.model_dump(mode="json", exclude_none=True))


def wrong(verb: str, given: Mapping[str, object]) -> dict[str, str]:
    """Field → what is wrong with what VERB is told there, as far as each can be told by itself."""
    record = VERBS[verb]
    found = {name: f"inherit {verb} takes no {name!r}" for name in given if name not in record.model_fields}
    try:
        record.model_validate({name: value for name, value in given.items() if name not in found})
    except ValidationError as error:
        for problem in error.errors():
            found.setdefault(str(problem["loc"][0]) if problem["loc"] else "", settings.expected(problem))
    for name, value, _ in leaves(given):
        try:
            check_secret(name, str(value))
        except WrongUse as error:
            found[name] = str(error)
    return found


def check_secret(name: str, value: str) -> None:
    """Refuse what is or holds a secret: what is submitted is stored."""
    match name:
        case "key":
            check_key_name(value)
        case "header":
            header_parts(value)
        case "url":
            check_address(value)
        case "on" if "://" in value:
            raise WrongUse(f"`on`: a job runs here, on ray or on slurm:PARTITION, and not at an address, {value!r}")
    for address in _addresses(value):
        check_address(address)


def _addresses(value: str) -> list[str]:
    """The addresses of a server and its replicas: URL, or MODEL@URL,URL."""
    found = re.search(r"(?:^|@)(https?://.*)", value)
    return re.split(r",(?=https?://)", found[1]) if found else []


def endpoints(told: Mapping[str, object]) -> tuple[str, ...]:
    """HOST:PORT of the servers that a job asks."""
    found: dict[str, None] = {}
    for name, value, _ in leaves(told):
        for address in _addresses(str(value)) if name in ("url", "replica", "replicas", "teachers") else ():
            parts = urlsplit(address)
            found[f"{parts.hostname}:{parts.port or {'http': 80, 'https': 443}[parts.scheme]}"] = None
    return tuple(found)


class Leaf(NamedTuple):
    """A text or a path that was told."""

    name: str
    """Its field's."""
    value: str | Path
    beside: Mapping[str, object]
    """What its field stands among."""


def leaves(told: object, name: str = "", beside: Mapping[str, object] = MappingProxyType({})) -> Iterator[Leaf]:
    """Every text and path that was told, under the name of its field."""
    if isinstance(told, Mapping):
        for inner, value in told.items():
            yield from leaves(value, inner, told)
    elif isinstance(told, list | tuple):
        for value in told:
            yield from leaves(value, name, beside)
    elif isinstance(told, str | Path):
        yield Leaf(name, told, beside)
