"""What is told of a model: its numbers, what they rest on, how far scorers agree, and a few of its answers."""

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from profiler.endpoints import headings
from profiler.errors import FAILED
from profiler.probes import every
from profiler.records import Capabilities, Endpoint, Estimate, Fingerprint, Profile, Sample, Section
from profiler.reporting import layout
from profiler.reporting.charts.by_group import by_group, by_group_chart
from profiler.reporting.charts.changes import profile_chart
from profiler.reporting.charts.reliability import Diagram, answers, diagram, reliability_chart
from profiler.reporting.layout import MINI, Key
from profiler.reporting.numbers import DASH, count, counted, interval, number, places, plain, with_interval
from profiler.reporting.report import Facts, Figure, Origin, Part, Report
from profiler.reporting.samples import EACH, SampleList, options, picked, sample_list
from profiler.reporting.table import Cell, Row, Table, as_text
from profiler.reporting.themes import THEMES, Line, Point, mains, outstanding, profile_cards
from profiler.runs import Run

Examples = Mapping[str, Sequence[Sample]]
"""Some samples of each probe."""
Diagrams = Mapping[str, Diagram]
"""Probe → how its confidence and its accuracy go together."""

COLUMNS = ("metric", "value", "95 % interval", "unit", "n", "undefined")
HOW: Mapping[str, str] = {
    "text": "the written answer",
    "loglikelihood": "the likelihood of each option",
    "top_logprobs": "the alternatives of the first token",
    "letter": "the letter that was written",
    "verbal": "the letter that was written, and the confidence beside it",
    "sampled": "the letters of several samples",
    "hidden_states": "where the model places each text",
}
"""How an answer was read, in words."""
CUT = 0.2
"""From this share of answers on that the token limit cut, a reader is warned."""
SCREEN = 30
"""More numbers than these are too many for a first look."""
SURE = (
    "Dot: the proportion of right answers in a bin of confidence, at the bin's mean confidence. Line: its 95 % "
    "interval. On the dashed line a model is as often right as it is sure; below it, it is too sure. Below: how many "
    "answers each bin holds."
)

GROUPS = "Dot: the value in a group. Line: its 95 % interval. Upright line: the best value, where it is 0."


def run_report(run: Run) -> Report:
    """A finished run, with what a page shows of its samples."""
    # A page may be passed on: where this machine keeps its files is nobody else's business.
    address = None if Path(run.address).is_absolute() else run.address
    return profile_report(run.profile, examples(run), diagrams(run), address)


def profile_report(
    profile: Profile, examples: Examples | None = None, diagrams: Diagrams | None = None, address: str | None = None
) -> Report:
    chart, endpoint, paid = partial(profile_chart, profile), profile.endpoint, profile.usage
    made = {name: by for section in profile.sections for name, by in section.scorers.items()}
    suites = {section.probe: section.suite for section in profile.sections}
    glossary = layout.glossary([Key(e.probe, e.metric, None) for e in profile.estimates], made)
    agreement = agreement_table(profile)
    whose = {"profile": profile.id, "name": profile.name}
    asked = f"{counted(sum(section.items for section in profile.sections), 'item')} asked, {_failed(profile.errors)}"
    if profile.incomplete:
        asked = f"INCOMPLETE, too much failed ({', '.join(profile.incomplete)}): {asked}"
    caption = "Dot: the value. Line: its 95 % interval. Each scale starts at zero; rows of one unit share it."
    return Report(
        kind="profile",
        title=profile.name,
        lead=[f"{asked}. {counted(len(profile.estimates), 'number')}, each with what it rests on."],
        parts=(
            Part.glance(chart, caption),
            *(_diagram(profile, place, *each) for place, each in enumerate((diagrams or {}).items(), 1)),
            Part("The numbers", table=profile_table(profile), glossary=glossary, id="numbers"),
            *_by_groups(profile),
            *([Part(agreement.title, table=agreement, id="agreement")] if agreement else []),
        ),
        points=points(profile, bool(examples), address),
        cards=profile_cards(profile),
        record=profile,
        rows=lambda: [
            {**whose, **e.model_dump(), "suite": suites[e.probe], "unit": layout.unit(e)}
            for e in (*profile.estimates, *profile.agreements)
        ],
        chart=chart,
        mini=_mini(profile),
        origin=Origin(
            command=profile_command(profile),
            facts={
                "model": endpoint.answering,
                "reached": f"{endpoint.place}, {'chat messages' if endpoint.chat else 'plain completions'}",
                "weights": profile.fingerprint.id,
                "run": profile.id,
                "started": f"{profile.started:%Y-%m-%d %H:%M:%S %Z}, took {number(profile.seconds)} s",
                "tokens paid": f"{count(paid.prompt)} in, {paid.least}{count(paid.completion)} out",
                "made with": ", ".join(f"{name} {version}" for name, version in profile.versions.items()),
            },
            sections=[(section.probe, _section(section)) for section in profile.sections],
            samples=partial(_sample_lists, profile, examples or {}),
        ),
        indent=2,
    )


def points(profile: Profile, read: bool, address: str | None = None) -> list[Point]:
    """What stands out, how sure, and what to do next."""
    items = counted(sum(section.items for section in profile.sections), "item")
    few, cut = _few(profile), _cut(profile)
    sure = [Line(f"{items} asked, {_failed(profile.errors)}. Each number has its 95 % interval.")]
    if profile.incomplete:
        sure.append(Line(f"Incomplete, too much failed: {', '.join(profile.incomplete)}.", tone="loud"))
    sure += [Line(f"{cell.text}.", tone=cell.tone) for cell in (*few, *cut)]
    compare = shlex.join(["inherit", "compare", "BASE", address or profile.id])
    todo = [Line("Compare it with the model that it learned from:", compare)]
    if few:
        todo.append(Line("For narrower intervals ask more items: --limit with a larger number."))
    if _mini(profile):
        todo.append(Line("Ask the published sets, which --suite mini stands in for:", "inherit data fetch"))
    if read:
        todo.append(Line("Read some of its answers: the samples at the end of this page."))
    return [
        Point("What stands out", outstanding(profile)),
        Point("How sure", sure),
        Point("What to do next", todo),
    ]


def _mini(profile: Profile) -> list[str]:
    return [section.probe for section in profile.sections if section.suite == "mini"]


def first_look(run: Run) -> str:
    """What a run that has just ended shows: its table, or where that is longer than a screen what matters most."""
    profile = run.profile
    if len(profile.estimates) <= SCREEN:
        return as_text(profile_table(profile))
    found = layout.overall(profile.estimates)
    known = {key: main.words for theme in THEMES for key, main in mains(theme, found).items()}
    shown = [
        (found[key], words)
        for section in profile.sections
        for key, words in (_of(known, section.probe) or _of({key: key.metric for key in found}, section.probe)[:1])
    ]
    suites = {section.probe: section.suite for section in profile.sections}
    items = counted(sum(section.items for section in profile.sections), "item")
    asked = f"{items} of {counted(len(profile.sections), 'probe')} took {number(profile.seconds)} s"
    table = Table(
        title=f"{profile.name}: {asked}, {_failed(profile.errors)}",
        columns=("", "value", "95 % interval", "best", "probe"),
        rows=tuple(Row.of(words, *_look(e)) for e, words in shown),
        notes=(
            Cell(
                f"{len(shown)} of {count(len(profile.estimates))} numbers; all of them: inherit show {run.folder}",
                "quiet",
            ),
            *layout.mini_notes(suites),
            *_cut(profile),
        ),
    )
    return as_text(table)


def _of(named: Mapping[Key, str], probe: str) -> list[tuple[Key, str]]:
    return [(key, words) for key, words in named.items() if key.probe == probe]


def _look(estimate: Estimate) -> tuple[Cell, ...]:
    """A number for a first look: its interval without how it was found, and where it would like to be."""
    value, within, *_ = _cells(estimate)
    ideal = layout.metric(Key.of(estimate)).ideal
    best = DASH if ideal is None else f"{ideal:g}" if isinstance(ideal, float | int) else ideal
    if estimate.low is None:
        within = Cell(DASH, "quiet")
    return value, Cell(within.text.partition(f" {DASH} ")[0], within.tone), Cell(best), Cell(estimate.probe, "quiet")


def diagrams(run: Run) -> Diagrams:
    """The reliability diagrams of the probes that know a confidence."""
    found = {section.probe: diagram(run.columns(section.probe)) for section in run.profile.sections}
    return {probe: bins for probe, bins in found.items() if bins}


def examples(run: Run, each: int = EACH) -> Examples:
    """Some samples of each probe."""
    return {section.probe: picked(run, section.probe, each) for section in run.profile.sections}


def _sample_lists(profile: Profile, examples: Examples) -> list[SampleList]:
    asked = {section.probe: section.items for section in profile.sections}
    return [sample_list(probe, samples, asked[probe]) for probe, samples in examples.items() if samples]


def _diagram(profile: Profile, place: int, probe: str, bins: Diagram) -> Part:
    """A probe's reliability diagram, and how to read it."""
    seen = answers(bins)
    enough = max((layout.metric(Key.of(e)).enough for e in profile.estimates if e.probe == probe), default=0)
    few = f"Only {count(seen)} answers: too few to read more from it than its tendency." if seen < enough else ""
    figure = Figure(probe, partial(reliability_chart, bins, probe), "Reliability diagram", SURE)
    return Part(f"How sure, how right: {probe}", figure=figure, warning=few, id=f"sure-{place}")


def _by_groups(profile: Profile) -> Iterable[Part]:
    """A picture of each probe that has numbers of several groups, such as BBQ's categories."""
    for place, section in enumerate(profile.sections, 1):
        if numbers := by_group(profile.estimates, section.probe):
            draw = partial(by_group_chart, numbers, section.probe)
            figure = Figure(f"{section.probe}-groups", draw, "Numbers of each group", GROUPS)
            yield Part(f"Group by group: {section.probe}", figure=figure, id=f"groups-{place}")


def profile_table(profile: Profile) -> Table:
    found = {Key.of(e): e for e in profile.estimates}
    suites = {section.probe: section.suite for section in profile.sections}
    return Table(
        title=f"{profile.name} · {profile.id}",
        columns=COLUMNS,
        rows=layout.rows(found, suites, lambda key: layout.row(key, *_cells(found[key]))),
        head=tuple(_circumstances(section) for section in profile.sections),
        notes=(*layout.mini_notes(suites), *_cut(profile), *_few(profile)),
    )


def agreement_table(profile: Profile) -> Table | None:
    """How far scorers of the same texts agree, two by two; None where each text had one scorer."""
    found = {(e.probe, e.group, e.metric): e for e in profile.agreements}
    if not found:
        return None
    measures = tuple(dict.fromkeys(e.metric for e in profile.agreements))
    pairs = dict.fromkeys((e.probe, e.group, e.n) for e in profile.agreements)
    shown = {key: with_interval(e.value, e.low, e.high, 2) for key, e in found.items()}
    rows = (
        Row.of(str(group), *(shown[probe, group, each] for each in measures), count(texts))
        for probe, group, texts in pairs
    )
    note = Cell("Over all texts that both scored; 95 % intervals resample prompts.", "quiet")
    return Table("How far the scorers agree", ("scorers", *measures, "texts"), tuple(rows), notes=(note,))


def _cut(profile: Profile) -> list[Cell]:
    """Where answers did not end by themselves, what they are like is the limit's doing."""
    most = {section.probe: section.sampling.max_tokens for section in profile.sections if section.sampling}
    return [
        Cell(
            f"{e.probe}: {number(100 * e.value)} % of the answers were cut off at {count(most[e.probe])} tokens, so "
            "their length is the limit's; --max-tokens raises it",
            "loud",
        )
        for e in profile.estimates
        if e.metric == "truncated" and e.group is None and e.value is not None and e.value > CUT
    ]


def _few(profile: Profile) -> tuple[Cell, ...]:
    """Which numbers rest on too few items to be read."""
    short: dict[tuple[str, int], list[str]] = {}
    for estimate in profile.estimates:
        metric = layout.metric(Key.of(estimate))
        if estimate.group is None and estimate.value is not None and estimate.n < metric.enough:
            short.setdefault((estimate.probe, metric.enough), []).append(metric.name)
    return tuple(
        Cell(f"{probe}: fewer than {count(enough)} items, too few for {', '.join(names)}", "loud")
        for (probe, enough), names in short.items()
    )


def _circumstances(section: Section) -> Cell:
    """How a probe was asked, in one line."""
    mini = section.suite == "mini"
    which = f"{section.probe} {MINI if mini else f'[{section.suite}]'}"
    parts = [which, counted(section.items, "item"), _failed(section.errors, section.items), f"read by {section.how}"]
    return Cell(" · ".join([*parts, *([_sampling(section)] if section.sampling else [])]), "loud" if mini else "quiet")


def _failed(errors: int, items: int | None = None) -> str:
    if not errors:
        return "none failed"
    return f"{count(errors)} failed" + (": INCOMPLETE" if items is not None and errors > FAILED * items else "")


def _sampling(section: Section) -> str:
    if section.sampling is None:
        return DASH
    drawn = section.sampling
    ends = "the template's headings" if _by_template(section) else ", ".join(map(repr, drawn.stop))
    stop = f", stop {ends}" if drawn.stop else ""
    rarer = "".join(f"{name} {value:g}, " for name, value in drawn.rarer.items())
    size = f"max_tokens {drawn.max_tokens}, seed {drawn.seed}"
    return f"temperature {drawn.temperature:g}, top_p {drawn.top_p:g}, {rarer}{size}{stop}"


def _by_template(section: Section) -> bool:
    """Whether answers end where the prompt template begins again, which they do if nothing else is said."""
    template = (section.writing and section.writing.prompt_template) or ""
    return section.sampling is not None and section.sampling.stop == headings(template)


def _cells(estimate: Estimate) -> tuple[Cell, ...]:
    decimals = places(estimate.value, estimate.low, estimate.high)
    within = interval(estimate.low, estimate.high, decimals)
    if estimate.reason:
        within = f"{DASH} {estimate.reason}" if estimate.low is None else f"{within} {DASH} {estimate.reason}"
    return (
        Cell(number(estimate.value, decimals)),
        Cell(within, "quiet" if estimate.reason or estimate.low is None else None),
        Cell(layout.unit(estimate), "quiet"),
        Cell(count(estimate.n)),
        Cell(count(estimate.undefined) if estimate.undefined else "", "quiet"),
    )


def _section(section: Section) -> Facts:
    return {
        "suite": section.suite,
        "items": f"{count(section.items)}, {_failed(section.errors, section.items)}",
        "read by": HOW[section.how],
        "sampling": _sampling(section),
        **{f"setting {name}": json.dumps(value, ensure_ascii=False) for name, value in section.settings.items()},
        **{f"data {name}": digest for name, digest in section.data.items()},
        "probe version": str(section.version),
    }


def profile_command(profile: Profile) -> list[str]:
    """The command that asks the same again, as far as the record tells."""
    sections, endpoint = profile.sections, profile.endpoint
    suites = sorted({section.suite for section in sections})
    own = [suite for suite in suites if suite not in ("mini", "paper", "full")]
    read = {section.how for section in sections} & {"loglikelihood", "top_logprobs", "letter"}
    reached = {
        "--url": endpoint.url or None,
        "--engine": endpoint.engine if endpoint.engine == "vllm" else None,
        "--key": endpoint.key if endpoint.url and endpoint.key != Endpoint(model="").key else None,
    }
    asked = {
        "--prompts": own[0] if own else None,
        "--suite": suites[0] if len(suites) == 1 and not own else None,
        "--limit": max((section.items // section.asks for section in sections), default=None),
        "--scoring-method": "".join(read) if len(read) == 1 else None,
        "--order": max((section.order for section in sections), default=0) or None,
    }
    drawn = [_settings(section) for section in sections if section.sampling]
    quick = any(_quick(section) for section in sections)
    # Where probes draw in different ways, each does so by itself.
    shared = [each for each in (drawn[0] if drawn else []) if all(each in others for others in drawn)]
    words = ["inherit", "profile", endpoint.adapter or endpoint.model, *_words(reached.items())]
    words += [*_words(("--header", header) for header in endpoint.header), *(["--chat"] if endpoint.chat else [])]
    words += ["--quick"] if quick else []
    words += _words(("--probe", section.probe) for section in sections) + _words(asked.items()) + _words(shared)
    return words + _words(("--scorer", name) for name in _scorers(profile))


def _quick(section: Section) -> bool:
    """Whether it looks as `--quick` leaves it, which no other options can say of several probes at once."""
    kind = every().get(section.probe)
    drawn, given = section.sampling, section.writing
    said = {"max_tokens": drawn and drawn.max_tokens, "samples": given and given.samples}
    brief = {name: said[name] == much for name, much in (kind.brief if kind else {}).items() if name in said}
    return bool(brief) and all(brief.values())


def _words(options: Iterable[tuple[str, object]]) -> list[str]:
    """Options with their values, without those that have none."""
    return [word for option, value in options if value is not None for word in (option, str(value))]


def _settings(section: Section) -> list[tuple[str, object]]:
    """Options and values that make a probe draw as it did."""
    drawn = section.sampling
    if drawn is None:
        return []
    numbers = {"temperature": f"{drawn.temperature:g}", "top_p": f"{drawn.top_p:g}"}
    numbers |= {name: f"{value:g}" for name, value in drawn.rarer.items()}
    numbers |= {"max_tokens": str(drawn.max_tokens), "seed": str(drawn.seed)}
    given = section.writing.model_dump() if section.writing else {}
    written = {name: given.get(name) or None for name in ("samples", "prompt_template", "system", "lang", "subset")}
    stops = () if _by_template(section) else drawn.stop
    named = [*numbers.items(), *(("stop", stop) for stop in stops), *written.items()]
    return [(f"--{name.replace('_', '-')}", value) for name, value in named]


def _scorers(profile: Profile) -> list[str]:
    """The scorers of toxicity, as far as their names tell; none where only our own scored."""
    made = [name.partition(":") for section in profile.sections for name in section.scorers]
    named = [scorer or "tox-block" for metric, _, scorer in made if metric == "expected_max_toxicity"]
    return [] if named == ["tox-block"] else named


def estimates_text(found: Sequence[Estimate]) -> str:
    return as_text(estimates_table(found))


def estimates_table(found: Sequence[Estimate]) -> Table:
    """A table of numbers that stand on their own, such as `inherit score` makes."""
    metrics = list(dict.fromkeys(e.metric for e in found))
    ordered = sorted(found, key=lambda e: (metrics.index(e.metric), e.group is not None))
    rows = tuple(Row.of(e.group or e.metric, *_cells(e), depth=int(e.group is not None)) for e in ordered)
    return Table("", COLUMNS, rows)


def sample_text(sample: Sample) -> str:
    """One exchange, for a reader: question, answers, scores."""
    head = f"{sample.probe} / {sample.item}" + (f" ({sample.group})" if sample.group else "")
    lines = [plain(head), *_quoted("> ", sample.prompt)]
    for answer in sample.answers:
        lines += _quoted("  | ", answer.thought) if answer.thought else []
        lines += _quoted("  ", answer.text or "(empty)") + ([f"  [{answer.finish}]"] if answer.finish else [])
    for option in options([sample], [""]):
        marks = f"  [{', '.join(option.marks)}]" if option.marks else ""
        lines.append(f"  {f'{option.letter}. ' if option.letter else '- '}{plain(option.text)}{marks}")
    if sample.choice is not None and not sample.options:
        lines.append(f"  took option {sample.choice + 1}, read by {sample.how}")
    if sample.scores:
        lines.append("  " + ", ".join(f"{plain(name)} {number(value)}" for name, value in sample.scores.items()))
    if sample.error:
        lines.append(f"  FAILED: {plain(sample.error)}")
    return "\n".join(lines)


def _quoted(mark: str, text: str) -> list[str]:
    return [mark + plain(line.expandtabs()) for line in text.splitlines() or [""]]


def capabilities_text(found: Capabilities, fingerprint: Fingerprint, refusals: Mapping[str, str | None]) -> str:
    """What an endpoint can do, and which probes that allows."""
    able = {name: value for name, value in found.model_dump().items() if name not in ("notes", "uncut", "adapted")}
    said = {True: "yes", False: "no", None: "can't be seen"}
    lines = [f"weights {fingerprint.id}", "", "the endpoint"]
    lines += [_line(name, said.get(value, str(value)), found.notes.get(name)) for name, value in able.items()]
    lines += ["", "how it is asked", *(f"  {plain(words)}" for words in found.adapted)] if found.adapted else []
    lines += ["", "the probes that this allows"]
    lines += [_line(probe, said[not why], why) for probe, why in refusals.items()]
    return "\n".join(lines) + "\n"


def _line(name: str, said: str, why: str | None) -> str:
    return f"  {name:<22}{said:<15}{plain(why or '')}".rstrip()
