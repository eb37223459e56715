"""A drawn chart as its reader sees it: panels with names, scales, marks and words, each where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True)
class Mark:
    """A bar, point, line, tick or cell, from its left to its right and its top to its bottom."""

    kind: str
    label: str
    """What it says of itself; empty where that is left to another."""
    left: float
    right: float
    top: float
    bottom: float
    colour: str
    shape: str
    """Its outline, which tells shapes apart."""
    strength: float
    """How opaque it is."""

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2


@dataclass(frozen=True)
class Words:
    """A line of text, and where it stands."""

    text: str
    x: float
    y: float
    colour: str


@dataclass(frozen=True)
class Panel:
    """One part of a chart."""

    width: float
    height: float
    title: str
    subtitle: str
    names: tuple[Words, ...]
    """Of its rows, from the top, where they are written."""
    heads: tuple[Words, ...]
    """What is written along the scale that runs from left to right."""
    scales: tuple[str, ...]
    """The titles of its axes."""
    marks: tuple[Mark, ...]
    words: tuple[Words, ...]

    def of(self, kind: str) -> list[Mark]:
        return [mark for mark in self.marks if mark.kind == kind]

    def labelled(self, kind: str) -> dict[str, Mark]:
        """What comes first in a mark's label → the mark."""
        return {re.split(r": |, ", mark.label)[0]: mark for mark in self.of(kind)}

    def written(self, name: str) -> list[str]:
        """The words in the row of NAME."""
        (row,) = (label.y for label in self.names if label.text == name)
        return [words.text for words in self.words if abs(words.y - row) < 5]

    def at(self, x: float) -> float:
        """The number for which a place stands, by the numbers along the scale."""
        first, *_, last = ((label.x, _number(label.text)) for label in self.heads)
        return first[1] + (x - first[0]) * (last[1] - first[1]) / (last[0] - first[0])


@dataclass(frozen=True)
class Drawing:
    """A whole picture."""

    source: str

    @cached_property
    def root(self) -> Element:
        return ElementTree.fromstring(self.source)

    @property
    def title(self) -> str:
        return self.root.get("aria-label", "")

    @property
    def text(self) -> str:
        return "".join(self.root.itertext())

    @cached_property
    def panels(self) -> list[Panel]:
        """From left to right, then downwards."""
        scopes = [group for group in self.root.iter(f"{SVG}g") if "role-scope" in group.get("class", "")]
        return [_panel(scope) for scope in scopes if sum(group in scopes for group in scope.iter()) == 1]

    def panel(self, title: str) -> Panel:
        (found,) = (panel for panel in self.panels if panel.title == title)
        return found

    @property
    def marks(self) -> list[Mark]:
        return [mark for panel in self.panels for mark in panel.marks]

    @property
    def words(self) -> list[str]:
        return [words.text for panel in self.panels for words in panel.words]


def _panel(scope: Element) -> Panel:
    background = scope[0].find(f"{SVG}path")
    assert background is not None
    width, height = map(float, re.findall(r"[hv]([\d.]+)", background.get("d", ""))[:2])
    inside = list(_walk(scope[0], 0, 0, ""))

    def texts(where: str) -> list[Words]:
        return [
            Words("".join(element.itertext()), x, y, element.get("fill", ""))
            for element, role, x, y in inside
            if _is(element, "text") and re.search(where, role)
        ]

    return Panel(
        width,
        height,
        "".join(words.text for words in texts("role-title-text")).strip(),
        "".join(words.text for words in texts("role-title-subtitle")),
        tuple(texts("Y-axis.*role-axis-label")),
        # An axis is drawn half a pixel aside, so that its lines are sharp.
        tuple(replace(words, x=words.x - 0.5) for words in texts("X-axis.*role-axis-label")),
        tuple(words.text for words in texts("role-axis-title")),
        tuple(_mark(e, x, y) for e, role, x, y in inside if "role-mark" in role and not _is(e, "text")),
        tuple(texts("role-mark")),
    )


def _walk(element: Element, x: float, y: float, role: str) -> Iterator[tuple[Element, str, float, float]]:
    """Everything drawn inside, with the roles of what it is in, and its place in the panel."""
    for child in element:
        right, down = _moved(child)
        if _is(child, "g"):
            label = child.get("aria-label", "") if child.get("aria-roledescription") == "axis" else ""
            yield from _walk(child, x + right, y + down, f"{role} {child.get('class', '')} {label}")
        elif child.get("class") not in ("background", "foreground"):
            yield child, role, x + right, y + down


def _mark(element: Element, x: float, y: float) -> Mark:
    shape = element.get("d", "")
    if _is(element, "line"):
        kind, across, down = "line", float(element.get("x2", 0)), float(element.get("y2", 0))
    else:
        kind, across, down = element.get("aria-roledescription", "tick"), 0.0, 0.0
        if box := re.fullmatch(r"M([-\d.e]+),([-\d.e]+)h([-\d.e]+)v([-\d.e]+)h.*", shape):
            left, top, across, down = map(float, box.groups())
            x, y = x + left, y + top
    return Mark(
        kind,
        element.get("aria-label", ""),
        min(x, x + across),
        max(x, x + across),
        min(y, y + down),
        max(y, y + down),
        next((c for c in (element.get("fill"), element.get("stroke")) if c and c != "transparent"), ""),
        shape,
        float(element.get("fill-opacity", element.get("opacity", 1))),
    )


def _moved(element: Element) -> tuple[float, float]:
    by = re.match(r"translate\(([-\d.e]+),([-\d.e]+)\)", element.get("transform", ""))
    return (float(by[1]), float(by[2])) if by else (0.0, 0.0)


def _is(element: Element, tag: str) -> bool:
    return element.tag == f"{SVG}{tag}"


def _number(text: str) -> float:
    return float(text.replace("−", "-").replace(",", ""))
