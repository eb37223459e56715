"""A teacher as one names it: `demo`, a path, `MODEL@URL`, or a .toml file that says more."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import JsonValue, ValidationError

from profiler.datasets import settings, template_of
from profiler.errors import BadData, UnknownName, WrongUse
from profiler.http import model_at
from profiler.records import Endpoint, Sampling
from selection.records import SampleOptions, Teacher

ENDPOINT = ("model", "url", "replicas", "key", "header", "chat")
DRAWN = tuple(Sampling.model_fields)
OWN = ("name", "k", "prompt_template", "system", "price", "serve")
BEAMS = ("num_beams", "num_beam_groups", "diversity_penalty")
"""Diverse beam search, as transformers 4 named it."""


def spec_teachers(spec: SampleOptions) -> list[Teacher]:
    """Everyone whom a sampling names, each with what it says of all of them."""
    defaults = spec.model_dump(include={*DRAWN, "k", "system", "chat", "key", "header"})
    defaults |= {"prompt_template": spec.prompt_template} if spec.prompt_template else template_of(spec.column)
    if spec.price:
        defaults["price"] = read_price(spec.price)
    found = [read_teacher(named, defaults) for named in spec.teachers]
    if not found:
        raise WrongUse("expected at least one teacher: demo, a path or hub id, MODEL@URL, or a .toml file")
    names = [one.name for one in found]
    if twice := [name for name in names if names.count(name) > 1]:
        raise WrongUse(f"two teachers are called {twice[0]!r}; give one another `name` in a .toml file")
    return found


def read_teacher(named: str | Mapping[str, object], defaults: Mapping[str, object]) -> Teacher:
    """A teacher by its name or its flat fields (its endpoint's, its sampling's, its own), and DEFAULTS for the rest."""
    fields = {**defaults, **(_named_fields(named) if isinstance(named, str) else named)}
    for name in fields:
        if name in BEAMS:
            why = "transformers 5 no longer has diverse beam search, and servers never had"
            raise WrongUse(f"a teacher's {name} can't be heeded: {why}; draw with a temperature instead")
        if name not in (*ENDPOINT, *DRAWN, *OWN):
            raise UnknownName("field of a teacher", name, (*ENDPOINT, *DRAWN, *OWN), "docs/selection.md")

    if not fields.get("model"):
        raise WrongUse(f"expected at least `model` of a teacher, found {', '.join(map(str, fields)) or 'nothing'}")
    if isinstance(several := fields.get("url"), list | tuple):
        fields |= {"url": several[0] if several else None, "replicas": [*several[1:]]}

    def some(names: Iterable[str]) -> dict[str, object]:
        return {name: fields[name] for name in names if name in fields}

    try:
        default = Teacher.model_fields["sampling"].default.model_dump()
        endpoint, sampling = Endpoint.model_validate(some(ENDPOINT)), Sampling.model_validate(default | some(DRAWN))
        own = {"name": endpoint.model, **some(OWN)}
        made = Teacher.model_validate({**own, "endpoint": endpoint, "sampling": sampling})
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise WrongUse(f"teacher {fields.get('model')!r}: {where}: {settings.expected(problem)}") from None
    if not made.sampling.max_tokens:
        raise WrongUse(f"teacher {made.name!r}: max_tokens: expected at least 1, found 0")
    if made.serve and endpoint.url:
        raise WrongUse(
            f"teacher {endpoint.model!r}: `serve` starts servers of its own, and `url` names one; leave one out"
        )
    return made


def teacher_fields(teacher: Teacher) -> dict[str, JsonValue]:
    """A teacher as flat fields, none left out."""
    whole = teacher.model_dump(mode="json")
    place = {name: whole["endpoint"][name] for name in ENDPOINT if name in whole["endpoint"]}
    return {**place, **whole["sampling"], **{name: whole[name] for name in OWN}}


def _named_fields(word: str) -> dict[str, object]:
    if not word.endswith(".toml"):
        model, url = model_at(word)
        return {"model": model, "url": url.split(",")} if url else {"model": model}
    path = Path(word).expanduser()
    try:
        found = settings.parse_toml(path.read_text("utf-8"), path.name)
    except FileNotFoundError:
        raise BadData(f"expected a teacher at {str(path)!r}, found no such file") from None
    except UnicodeDecodeError as error:
        raise BadData(f"{path.name} is not UTF-8: byte {error.start:,}; save it as UTF-8") from None
    if "model" not in found:
        raise BadData(f"{path.name}: expected at least `model = …`, found {', '.join(found) or 'nothing'}")
    return found


def read_price(words: str) -> tuple[float, float] | None:
    """Money for a million tokens read, and for a million written; None for no words."""
    if not words:
        return None
    read, _, written = words.partition("/")
    try:
        found = float(read), float(written)
    except ValueError:
        found = (-1.0, -1.0)
    if not all(0 <= each < float("inf") for each in found):
        raise WrongUse(f"expected a price such as 0.5/1.5 (read/written, a million tokens), found {words!r}")
    return found
