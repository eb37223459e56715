"""A report as one HTML file: no network, readable without JavaScript, light, dark and on paper."""

from __future__ import annotations

import json
import shlex
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.resources import files

from profiler import charts, descent, layout, matrix
from profiler.diagram import Diagram, answers, reliability_chart
from profiler.layout import Key
from profiler.number import count, number
from profiler.probes.calibration import FEW
from profiler.records import Comparison, Endpoint, Jury, Profile, Sample, Section
from profiler.table import SIGNS, Table

Facts = dict[str, str]

HOW: Mapping[str, str] = {
    "text": "the written answer",
    "loglikelihood": "the likelihood of each option",
    "top_logprobs": "the alternatives of the first token",
    "letter": "the letter that was written",
    "verbal": "the letter that was written, and the confidence beside it",
    "sampled": "the letters of several samples",
}
"""How an answer was read, in words."""
SURE = (
    "Dot: the share of right answers in a bin of confidence, at the bin's mean confidence. Line: its 95 % interval. "
    "On the dashed line a model is as often right as it is sure; below it, it is too sure. Below: how many answers "
    "each bin holds."
)


def profile_page(
    profile: Profile,
    table: Table,
    agreement: Table | None,
    examples: Mapping[str, Sequence[Sample]],
    diagrams: Mapping[str, Diagram],
) -> str:
    """A model's numbers, what they rest on, how far scorers agree, and a few of its answers."""
    return _filled(
        title=profile.name,
        kind="profile",
        lead=_lead(profile),
        mini=[section.probe for section in profile.sections if section.suite == "mini"],
        command=_parts(profile_command(profile)),
        facts=_facts(profile),
        sections=[(section, _section(section)) for section in profile.sections],
        chart=charts.svg(charts.profile_chart(profile, charts.PAGE)),
        caption="Dot: the value. Line: its 95 % interval. Each scale starts at zero; rows of one unit share it.",
        spec=charts.profile_chart(profile),
        table=table,
        diagrams=[_diagram(probe, bins) for probe, bins in diagrams.items()],
        agreement=agreement,
        glossary=_glossary([Key(e.probe, e.metric, None) for e in profile.estimates], profile),
        examples=examples,
        differs={},
        refused={},
        record=profile.model_dump(mode="json"),
    )


def comparison_page(comparisons: Sequence[Comparison], table: Table) -> str:
    """What moved, how surely, and what could not be compared."""
    base = comparisons[0]
    return _filled(
        title=table.title,
        kind="comparison",
        lead=[_summary(comparison) for comparison in comparisons],
        mini=[probe for probe, suite in base.suites.items() if suite == "mini"],
        command=_parts(["inherit", "compare", base.base, *(comparison.other for comparison in comparisons)]),
        facts={
            "base": f"{layout.base_name(base)} ({base.base})",
            "compared with it": ", ".join(f"{layout.other_name(c)} ({c.other})" for c in comparisons),
            "resamples": f"{count(base.resamples)}, seed {base.seed}",
        },
        differs={layout.other_name(c): c.differs for c in comparisons},
        refused={layout.other_name(c): c.refused for c in comparisons if c.refused},
        chart=charts.svg(charts.comparison_chart(comparisons, charts.PAGE)),
        caption=(
            "Bar: change in percent of the base. Line: its paired 95 % interval. Grey circle: the same. "
            "Diamond: moved. Triangle up: better. Triangle down: worse. "
            "Bars beyond 300 % are cut; their numbers stand beside them."
        ),
        spec=charts.comparison_chart(comparisons),
        table=table,
        agreement=None,
        glossary=_glossary([Key(c.probe, c.metric, None) for one in comparisons for c in one.changes]),
        sections=[],
        diagrams=[],
        examples={},
        record=[comparison.model_dump(mode="json") for comparison in comparisons],
    )


def jury_page(jury: Jury, table: Table, command: Sequence[str] = ()) -> str:
    """Who agrees with whom, and what each judge favours."""
    judges = [rater.name for rater in jury.raters if rater.kind == "judge"]
    return _filled(
        title=f"{layout.listed(judges)} as {'judges' if len(judges) > 1 else 'a judge'}" if judges else "Humans alone",
        kind="agreement",
        lead=[cell.text for cell in table.head if cell.tone == "quiet"],
        warnings=jury.notes,
        mini=[],
        command=_parts(command),
        facts={
            "pairs": f"{count(jury.pairs)}, of {count(jury.prompts)} prompts",
            "held against": jury.reference or "each other only: no human label is known",
            "resamples": f"{count(jury.resamples)}, seed {jury.seed}",
        },
        sections=[],
        chart=charts.svg(matrix.matrix_chart(jury, charts.PAGE)),
        caption=matrix.CAPTION,
        spec=matrix.matrix_chart(jury),
        table=table,
        diagrams=[_inherited(jury)] if jury.shifts else [],
        agreement=descent.descent_table(jury),
        glossary=[],
        examples={},
        differs={},
        refused={},
        record=jury.model_dump(mode="json"),
    )


def _inherited(jury: Jury) -> dict[str, object]:
    """The figure of what students took from their teachers."""
    return {
        "name": "descent",
        "title": descent.TITLE,
        "label": "Agreement before and after training",
        "caption": descent.CAPTION,
        "chart": charts.svg(descent.descent_chart(jury, charts.PAGE)),
        "spec": descent.descent_chart(jury),
        "few": "",
    }


def _diagram(probe: str, bins: Diagram) -> dict[str, object]:
    """A probe's reliability diagram, how to read it, and its specification."""
    seen = answers(bins)
    drawn = reliability_chart(bins, probe, charts.PAGE)
    return {
        "name": probe,
        "title": f"How sure, how right: {probe}",
        "label": "Reliability diagram",
        "caption": SURE,
        "chart": charts.svg(drawn),
        "spec": reliability_chart(bins, probe),
        "few": f"Only {count(seen)} answers: too few to read more from it than its tendency." if seen < FEW else "",
    }


def profile_command(profile: Profile) -> list[str]:
    """The command that asks the same again, as far as the record tells."""
    parts = ["inherit", "profile", profile.endpoint.model, *_reached(profile.endpoint)]
    for section in profile.sections:
        parts += ["--probe", section.probe]
    suites = sorted({section.suite for section in profile.sections})
    if own := [suite for suite in suites if suite not in ("mini", "paper", "full")]:
        parts += ["--prompts", own[0]]
    elif len(suites) == 1:
        parts += ["--suite", suites[0]]
    if profile.sections:
        parts += ["--limit", str(max(section.items // _asks(section) for section in profile.sections))]
    if len(read := {section.how for section in profile.sections} & {"loglikelihood", "top_logprobs", "letter"}) == 1:
        parts += ["--reading", *read]
    if order := max((section.settings.get("order") or 0 for section in profile.sections), default=0):
        parts += ["--order", str(order)]
    drawn = [_settings(section) for section in profile.sections if section.sampling]
    # Where probes draw in different ways, each does so by itself.
    shared = [each for each in (drawn[0] if drawn else []) if all(each in others for others in drawn)]
    return parts + [word for each in shared for word in each] + _scorers(profile)


def _asks(section: Section) -> int:
    """How often each item of the data was asked."""
    return int(section.settings.get("asks") or 1)


def _parts(command: Sequence[str]) -> list[str]:
    """A command as a shell takes it, in pieces at whose ends a line may break: an option stays with its value."""
    pieces: list[str] = []
    for word in command:
        quoted = shlex.quote(word)
        if pieces and pieces[-1].startswith("--") and " " not in pieces[-1] and not word.startswith("--"):
            pieces[-1] += f" {quoted}"
        else:
            pieces.append(quoted)
    return pieces


def _reached(endpoint: Endpoint) -> list[str]:
    found = ["--url", endpoint.url] if endpoint.url else []
    found += ["--engine", "vllm"] if endpoint.engine == "vllm" else []
    found += ["--key", endpoint.key] if endpoint.url and endpoint.key != Endpoint(model="").key else []
    return found + (["--chat"] if endpoint.chat else [])


def _settings(section: Section) -> list[tuple[str, str]]:
    """Options and values that make a probe draw as it did."""
    drawn = section.sampling
    if drawn is None:
        return []
    parts = [("--temperature", f"{drawn.temperature:g}"), ("--top-p", f"{drawn.top_p:g}")]
    parts += [("--max-tokens", str(drawn.max_tokens)), ("--seed", str(drawn.seed))]
    parts += [("--stop", stop) for stop in drawn.stop]
    given = {name: section.settings.get(name) for name in ("samples", "frame", "system", "lang", "subset")}
    return parts + [(f"--{name}", str(value)) for name, value in given.items() if value]


def _scorers(profile: Profile) -> list[str]:
    """The scorers of toxicity, as far as their names tell; none where only our own scored."""
    made = [name.partition(":") for section in profile.sections for name in section.scorers]
    named = [scorer or "tox-block" for metric, _, scorer in made if metric == "expected_max_toxicity"]
    return [] if named == ["tox-block"] else [word for name in named for word in ("--scorer", name)]


def _lead(profile: Profile) -> list[str]:
    items, failed = sum(section.items for section in profile.sections), profile.errors
    answered = f"{count(items)} items asked, {f'{count(failed)} failed' if failed else 'none failed'}"
    return [f"{answered}. {count(len(profile.estimates))} numbers, each with what it rests on."]


def _summary(comparison: Comparison) -> str:
    """How many metrics got better, worse, moved, stayed: in a sentence."""
    verdicts = [change.verdict for change in comparison.changes if change.group is None]
    words = {"better": "better", "worse": "worse", "moved": "moved", "same": "the same", None: "without a verdict"}
    told = [f"{verdicts.count(verdict)} {word}" for verdict, word in words.items() if verdict in verdicts]
    return f"{layout.other_name(comparison)} against {layout.base_name(comparison)}: {', '.join(told)}."


def _facts(profile: Profile) -> Facts:
    endpoint = profile.endpoint
    return {
        "model": endpoint.model,
        "reached": f"{endpoint.place}, {'chat messages' if endpoint.chat else 'plain completions'}",
        "weights": profile.fingerprint.id,
        "run": profile.id,
        "started": f"{profile.started:%Y-%m-%d %H:%M:%S %Z}, took {number(profile.seconds)} s",
        "tokens paid": f"{count(profile.usage.prompt)} in, {count(profile.usage.completion)} out",
        "made with": ", ".join(f"{name} {version}" for name, version in profile.versions.items()),
    }


def _section(section: Section) -> Facts:
    return {
        "suite": section.suite,
        "items": f"{count(section.items)}, {f'{count(section.errors)} failed' if section.errors else 'none failed'}",
        "read by": HOW[section.how],
        "sampling": layout.sampling(section),
        **{f"setting {name}": json.dumps(value, ensure_ascii=False) for name, value in section.settings.items()},
        **{f"data {name}": digest for name, digest in section.data.items()},
        "probe version": str(section.version),
    }


def _glossary(keys: Sequence[Key], profile: Profile | None = None) -> list[tuple[str, str, str]]:
    """Each metric, what it is about, and which implementation made it."""
    made = {name: by for section in (profile.sections if profile else ()) for name, by in section.scorers.items()}
    return [(key.metric, layout.about(key), made.get(key.metric, "")) for key in dict.fromkeys(keys)]


def _filled(*, warnings: Sequence[str] = (), **values: object) -> str:
    script = source("report.js")
    return filled(
        "report.html",
        script=script,
        warnings=warnings,
        script_hash=b64encode(sha256(script.encode()).digest()).decode(),
        **values,
    )


def filled(template: str, package: str = "profiler", /, **values: object) -> str:
    """A page of our style from a template of PACKAGE; whatever is put into it is escaped."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(lambda name: source(name, package if name == template else "profiler")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"embedded": embedded, "number": number, "count": count}
    return environment.get_template(template).render(signs=SIGNS, style=source("report.css"), **values)


def embedded(value: object) -> str:
    """JSON that can stand in a page: nothing in it ends the element that holds it."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def source(name: str, package: str = "profiler") -> str:
    return (files(package) / "templates" / name).read_text(encoding="utf-8")
