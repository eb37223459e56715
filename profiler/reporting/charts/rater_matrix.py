"""Who agrees with whom: judges and humans against each other, as a heatmap."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap

from profiler.judging import Agreement, Jury, Rater
from profiler.reporting.charts import altair as alt
from profiler.reporting.charts import theme
from profiler.reporting.charts.before_after import TITLE, before_after, share
from profiler.reporting.charts.theme import LIGHT, Chart, Datum, Palette
from profiler.reporting.numbers import count, number, with_interval

Pairwise = Mapping[tuple[str, str], Agreement]
"""A number of every two raters."""

SIDE = 62
"""Of a cell, while there are few."""
SMALL = 40
MANY = 12
LINE = 40
"""Letters of a line beside whose names a telephone still has room."""
FULL = 0.55
"""Opacity of a kappa of 1: what is written over it stays readable, on light and on dark paper."""
LEGEND = (
    "Cohen's kappa of every two raters (ties are a label), and below it the proportion of pairs with the same label"
)
CAPTION = (
    "The bluer, the further they agree beyond chance; orange: less than by chance. "
    "Empty: oneself, or a human and the majority that the human is part of."
)


def rater_matrix_chart(jury: Jury, palette: Palette = LIGHT, students: bool = False) -> Chart:
    """Colour and number: agreement beyond chance; small: agreement; below, what STUDENTS took, if any were named."""
    panels: list[alt.LayerChart | alt.HConcatChart] = [_matrix(jury, palette)]
    title = f"How far {count(len(_order(jury)))} raters agree on {count(jury.pairs)} pairs"
    if students and jury.shifts:
        return theme.whole([*panels, before_after(jury, palette)], f"{title}; {TITLE.lower()}", palette)
    return theme.whole(panels, title, palette)


def _matrix(jury: Jury, palette: Palette) -> alt.LayerChart:
    """A row a rater, a cell for each other."""
    raters = _order(jury)
    names = [rater.name for rater in raters]
    kappas, shares = _pairwise(jury, "kappa"), _pairwise(jury, "agreement")
    few = len(names) <= MANY
    side = SIDE if few else SMALL
    long = max(map(len, names), default=0) * 7 > side
    across = alt.Axis(
        orient="top",
        labelAngle=-35 if long else 0,
        labelAlign="left" if long else "center",
        labelLimit=130,
        labelColor=palette.text,
        labelFontSize=12,
    )
    down = alt.Axis(labelLimit=240, minExtent=theme.extent(names))
    cells = theme.rows([_cell(one, other, kappas, shares) for one in raters for other in raters])
    met = theme.known(cells, "kappa").mark_rect(stroke=palette.grid)
    depth = alt.FillOpacity("size:Q", legend=None).scale(domain=[0, 1], range=[0.04, FULL])
    kappa = cells.mark_text(dy=-7 if few else 0, fontSize=13 if few else 11, fontWeight=600, aria=False)
    agreement = cells.mark_text(dy=10, fontSize=10, fontWeight=400, aria=False)
    layers = [
        cells.mark_rect(color=palette.grid, opacity=0.25, aria=False),
        met.encode(theme.colour("side", {"beyond": palette.moved, "below": palette.worse}), depth),
        kappa.encode(alt.Text("kappa_written:N")),
        agreement.encode(alt.Text("agreement_written:N")),
    ]
    legend = wrap(LEGEND, LINE) if palette.narrow else LEGEND
    return alt.layer(
        *(layers if few else layers[:-1]),
        title=alt.TitleParams("Who agrees with whom", subtitle=legend, subtitleColor=palette.quiet, offset=12),
        width=alt.Step(side),
        height=alt.Step(side),
    ).encode(alt.X("other:N", sort=names, title=None, axis=across), alt.Y("rater:N", sort=names, title=None, axis=down))


def _order(jury: Jury) -> list[Rater]:
    """Judges, then what they are compared with, then humans where they are few enough to be compared with judges."""
    compared = {n.rater for n in jury.numbers} | {n.against for n in jury.numbers}
    known = [rater for rater in jury.raters if rater.name in compared]
    return sorted(known, key=lambda rater: ("judge", "reference", "human").index(rater.kind))


def _cell(one: Rater, other: Rater, kappas: Pairwise, shares: Pairwise) -> Datum:
    pair = (one.name, other.name)
    if pair not in kappas or pair not in shares:
        return {"rater": one.name, "other": other.name, "kappa": None, "kappa_written": "", "agreement_written": ""}
    kappa, both = kappas[pair], shares[pair]
    told = [with_interval(found.value, found.low, found.high, 2) for found in (kappa, both)]
    value = 0.0 if kappa.value is None else kappa.value
    return {
        "rater": one.name,
        "other": other.name,
        "kappa": value,
        "size": min(1.0, abs(value)),
        "side": "below" if value < 0 else "beyond",
        "kappa_written": number(kappa.value, 2),
        "agreement_written": share(both.value),
        "told": f"{one.name} and {other.name}: kappa {told[0]}, agreement {told[1]}, {count(both.n)} pairs",
    }


def _pairwise(jury: Jury, metric: str) -> Pairwise:
    """The number of every two raters, whichever of them stands first; judges by the reading that is compared."""
    chosen = {rater.name: rater.reading for rater in jury.raters if rater.kind == "judge"}
    return {
        names: n
        for n in jury.numbers
        if n.metric == metric and n.against and not n.group and n.reading in (None, chosen.get(n.rater))
        for names in ((n.rater, n.against), (n.against, n.rater))
    }
