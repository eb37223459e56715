"""Templates of pages; a report as one HTML file: no network, readable without JavaScript, light, dark, on paper."""

from __future__ import annotations

import json
import shlex
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

from pydantic_core import to_jsonable_python

from profiler.reporting.charts import theme
from profiler.reporting.numbers import number
from profiler.reporting.table import SIGNS, Table

if TYPE_CHECKING:
    from jinja2 import Environment

    from profiler.reporting.report import Figure, Report


def html(report: Report) -> str:
    """The page of a report; whatever is put into it is escaped."""
    script = _source("report.js")
    return (
        environment()
        .get_template("page.html")
        .render(
            report=report,
            record=to_jsonable_python(report.record),
            command=pieces(report.origin.command) if report.origin else (),
            style=style(),
            script=script,
            script_hash=b64encode(sha256(script.encode()).digest()).decode(),
        )
    )


def style() -> str:
    """How a report looks: the colours that its charts have, by light and in the dark, and the rest."""
    light, dark = map(_colours, (theme.LIGHT, theme.DARK))
    colours = f":root {{ {light} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
    return colours + _source("report.css")


def _colours(palette: theme.Palette) -> str:
    return "".join(f"--{name}: {colour}; " for name, colour in asdict(palette).items() if isinstance(colour, str))


def fragment(lead: Sequence[str], tables: Sequence[Table]) -> str:
    """A part of somebody else's page, such as a notebook: sentences, then tables."""
    return environment().get_template("fragment.html").render(lead=lead, tables=tables)


@cache
def environment(*rooms: str) -> Environment:
    """Templates of ROOMS, such as profiler.service, which may import those of this one: grid, cards, samples."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=ChoiceLoader([PackageLoader(room) for room in (*rooms, "profiler.reporting")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["signs"] = SIGNS
    made.filters |= {
        "embedded": _embedded,
        "number": number,
        "drawn": _drawn,
        "specified": lambda figure: theme.compose(figure.draw, theme.LIGHT).to_dict(validate=False),
    }
    return made


def _drawn(figure: Figure) -> list[tuple[str, str]]:
    """A chart as it is drawn for a wide page and for a narrow one; the style shows one of them."""
    drawn = (("broad", theme.PAGE), ("narrow", theme.NARROW))
    return [(kind, theme.svg(theme.compose(figure.draw, palette))) for kind, palette in drawn]


def pieces(command: Sequence[str]) -> list[str]:
    """A command as a shell takes it, in pieces at whose ends a line may break: an option stays with its value."""
    pieces: list[str] = []
    for word in command:
        quoted = shlex.quote(word)
        if pieces and pieces[-1].startswith("--") and " " not in pieces[-1] and not word.startswith("--"):
            pieces[-1] += f" {quoted}"
        else:
            pieces.append(quoted)
    return pieces


def _embedded(value: object) -> str:
    """JSON that can stand in a page: nothing in it ends the element that holds it."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _source(name: str) -> str:
    return (files("profiler.reporting") / "templates" / name).read_text(encoding="utf-8")
