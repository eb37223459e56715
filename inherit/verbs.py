"""The command's verbs as functions: each makes the verb's record, does what the command does, and gives the result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast, get_args, get_origin

from inherit.results import ProfileResult, Result, ScoreResult
from inherit.running import LOOP, plainly
from profiler.datasets import settings
from profiler.endpoints import through
from profiler.errors import BadData, UnknownName, WrongUse
from profiler.http import wait
from profiler.records import Comparison, Json, Record
from profiler.reporting.profile import estimates_table, run_report
from profiler.reporting.report import Part, Report
from profiler.runs.options import (
    AgreeOptions,
    CompareOptions,
    JudgeOptions,
    ProfileOptions,
    RescoreOptions,
    ScoreOptions,
)

if TYPE_CHECKING:
    import openai

    from profiler.judging import Jury
    from profiler.records import Estimate
    from profiler.reporting.table import FlatRow
    from profiler.study import Findings
    from selection import PoolContents, Selection
    from training import Training

    Client = openai.OpenAI | openai.AsyncOpenAI

R = TypeVar("R", bound=Record)
Place = str | PathLike[str]
Options = object
"""Of an option: what the verb's record takes."""

OWN_ENDPOINT = ("model", "url", "key", "header", "engine", "name", "out", "concurrency", "log")
"""Options of a profile that are not how it was asked: another model has others."""


@plainly
def profile(
    model: Place, *, like: ProfileResult | Place | None = None, client: Client | None = None, **options: Options
) -> ProfileResult:
    """Ask MODEL the probes and leave a profile.

    like: a profile whose questions are asked, in its way, but for what other options say.
    client: an OpenAI or Azure client of yours, whose address, headers, key and connections are used.
    """
    from profiler.cli import profile as command
    from profiler.reporting import report

    base = found(like, options.get("out", "runs")) if like else None
    with reached(client, options) as place:
        known = {**(asked_of(base) if base else {}), **options, **place, "model": model}
        told = checked(ProfileOptions, "profile", known, ("like", "client"))
        run = command.ask(told, wait, offline=base is not None and base.record.endpoint.model == "demo")
    report.save(run_report(run), run.folder / "report.html")
    return ProfileResult(run)


@plainly
def compare(
    base: ProfileResult | Place, *others: ProfileResult | Place, **options: Options
) -> Result[tuple[Comparison, ...]]:
    """Show what changed from BASE to each of OTHERS: profiles, or what `load` takes."""
    from profiler.reporting.comparison import comparison_report
    from profiler.runs import compare, sample_store

    told = checked(CompareOptions, "compare", {**options, "base": base, "others": others})
    left = sample_store.load(told.base, told.out)
    rights = [sample_store.load(other, told.out) for other in told.others]
    made = tuple(compare.compare(left, right, primary=told.primary, margins=told.margins) for right in rights)
    return Result(comparison_report(made, told.intervals, told.all, [left, *rights]), made)


@plainly
def score(texts: Iterable[str] | Place, metrics: Iterable[str] | str = (), **options: Options) -> ScoreResult:
    """Measure texts: strings, or a file of them. `samples()` has the scores of each text."""
    from profiler.runs import sample_store, score_texts

    file = texts if isinstance(texts, str | PathLike) else "texts"
    told = checked(ScoreOptions, "score", {**options, "file": file, "metrics": metrics})
    given = None if isinstance(texts, str | PathLike) else texts
    if given is not None and told.gold is not None:
        raise WrongUse("`gold` names a column of a file: give the file instead of its texts")
    made = score_texts.scores(told, given=given)
    report = numbers("scores", made.estimates)
    columns = made.columns.columns
    rows = [
        {"row": int(row), **{name: sample_store.or_none(float(column[place])) for name, column in columns.items()}}
        for place, row in enumerate(made.columns.items)
    ]
    return ScoreResult(report, made.estimates, rows)


@plainly
def rescore(
    probe: str, answers: Iterable[Mapping[str, Json]] | Place, **options: Options
) -> Result[Sequence[Estimate]]:
    """Score answers that were recorded elsewhere, rows or a file of them, without a model."""
    from profiler.cli import files
    from profiler.runs import foreign_answers

    file = answers if isinstance(answers, str | PathLike) else "answers"
    told = checked(RescoreOptions, "rescore", {**options, "probe": probe, "file": file})
    rows = foreign_answers.read(told.file) if isinstance(answers, str | PathLike) else answers
    asked, found = files.scored(told, rows)
    lead = [f"{asked.name} [{asked.suite}]: {found.answered:,} of {asked.count:,} items answered."]
    if found.errors:
        lead.append(f"{len(found.errors):,} could not be scored, and are in no number; the first: {found.errors[0]}")
    return Result(numbers("rescoring", found.estimates, lead), found.estimates)


@plainly
def judge(model: Place, *, client: Client | None = None, **options: Options) -> Result[Jury]:
    """Ask MODEL which of two answers is better, in both orders; `path` is the verdict file that `agree` reads."""
    from profiler import judging
    from profiler.cli import judge as command
    from profiler.reporting.judging import jury_report

    with reached(client, options) as place:
        path = command.ask(checked(JudgeOptions, "judge", {**options, **place, "model": model}, ("client",)), wait)
    made = judging.compare_raters(judging.read_labels([path]))
    return Result(jury_report(made), made, path)


@plainly
def agree(*files: Place | Result[Jury], **options: Options) -> Result[Jury]:
    """Show how far recorded verdicts agree with human labels and each other."""
    from profiler.cli import judge as command
    from profiler.reporting.judging import jury_report

    made = command.jury(checked(AgreeOptions, "agree", {**options, "files": files}))
    return Result(jury_report(made), made)


@plainly
def sample(
    *teachers: Place | Mapping[str, object], client: Client | None = None, **options: Options
) -> Result[PoolContents]:
    """Draw k candidates per prompt from each of TEACHERS; `path` is the pool that `select` chooses from."""
    from profiler.cli import candidates
    from selection import Pool, SampleOptions, refuse_incomplete

    with reached(client, {}) as place:
        named = [{"model": fspath(one), **place} if place and not isinstance(one, Mapping) else one for one in teachers]
        told = checked(SampleOptions, "sample", {**options, "teachers": named}, ("client",))
        shares = wait(candidates.ask(told))
    refuse_incomplete(shares)
    pool = Pool(told.out)
    told_of = [
        f"{one.teacher.name}: {one.done - one.failed:,} of {one.total:,} prompts, {one.words()}" for one in shares
    ]
    report = Report("pool", told.out, told_of, (), pool.about, rows=lambda: [candidate_row(one) for one in pool.rows()])
    return Result(report, pool.about, Path(told.out))


def candidate_row(one: Record) -> FlatRow:
    """A candidate without what is nested in it but its scores."""
    flat = one.model_dump(exclude={"sampling", "usage", "scores"})
    return {**flat, **one.model_dump(include={"scores"})["scores"]}


@plainly
def select(pool: Place | Result[PoolContents], objective: Iterable[str] | str, **options: Options) -> Result[Selection]:
    """Keep the answers that carry what is wanted, and controls that show what choosing does."""
    from profiler.cli import candidates
    from selection import SelectOptions, card

    told = checked(SelectOptions, "select", {**options, "pool": pool, "objective": objective})
    made = candidates.choose(told)
    return Result(card.card(made), made, told.out)


@plainly
def train(recipe: Place | None = None, *, log: str | None = None, **options: Options) -> Result[Training]:
    """Train a student on chosen answers, as a RECIPE file and the options say; `path` is the model that was made.

    log: wandb, mlflow, tensorboard or trackio, where the trainer reports to.
    """
    from profiler.cli import train as command
    from training import Recipe, recipe_of

    known = {**(settings.load(Path(fspath(recipe)).expanduser()) if recipe else {}), **plain(Recipe, "train", options)}
    made = command.alone(recipe_of(known, "inherit.train"), log)
    rows = [{"step": step, "loss": loss} for step, loss in enumerate(made.losses, 1)]
    report = Report("training", made.recipe.student, command.summary(made).splitlines(), (), made, lambda: rows)
    return Result(report, made, Path(made.model or made.adapter or made.recipe.out))


@plainly
def study(plan: Place | None = None, **options: Options) -> Result[Findings]:
    """See what students inherit, arm by arm, as a PLAN file and the options say; what is done is not done again."""
    from profiler.cli import study as command
    from profiler.study import Schedule, Study, StudyResults, report, study_of

    path = Path(fspath(plan)).expanduser() if plan else Path("study")
    known = {**(settings.load(path) if plan else {}), **plain(Study, "study", options)}
    schedule = Schedule.of(study_of(known, path))
    command.carry_out(schedule)
    made, out = StudyResults(schedule).findings(), Path(schedule.study.out)
    report.save(made, out)
    return Result(report.study_report(made), made, out)


@plainly
def load(run: Place = "latest", *, out: Place = "runs") -> ProfileResult:
    """A profile of before: its folder, the end of the folder's name under OUT, its name, or `latest`."""
    return found(run, out)


def found(run: ProfileResult | Place, out: object) -> ProfileResult:
    from profiler.runs import sample_store

    if isinstance(run, ProfileResult):
        return run
    return ProfileResult(sample_store.load(fspath(run), Path(fspath(out))))  # type: ignore[call-overload]


def asked_of(base: ProfileResult) -> dict[str, object]:
    """The options that ask another model what BASE was asked."""
    path = base.run.folder / "options.json"
    if not path.is_file():
        raise BadData(f"{base.run.folder} does not hold the options that it was asked with, so nothing can be like it")
    kept = {name: value for name, value in settings.load(path).items() if name not in OWN_ENDPOINT}
    suites = {part.suite for part in base.record.sections}
    # What `auto` found then may not be what it finds now.
    return kept | ({"suite": suites.pop()} if len(suites) == 1 and suites <= {"mini", "paper", "full"} else {})


@contextmanager
def reached(client: Client | None, options: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """Inside, a user's client carries what goes to its address; the options that lead there."""
    if client is None:
        yield {}
        return
    if not hasattr(client, "base_url") or not type(client).__module__.startswith("openai"):
        raise WrongUse(f"expected `client` to be an openai.OpenAI, AsyncOpenAI or Azure client, found {client!r}")
    if options.get("url"):
        raise WrongUse("`client` has an address of its own; leave out `url`")
    with through(client, LOOP.get()) as url:
        yield {"url": url}


def checked(record: type[R], verb: str, given: Mapping[str, object], own: Iterable[str] = ()) -> R:
    """The RECORD of what is GIVEN; OWN are keywords that it does not have."""
    return settings.validated(record, plain(record, verb, given, own), f"inherit.{verb}")


def plain(record: type[Record], verb: str, given: Mapping[str, object], own: Iterable[str] = ()) -> dict[str, object]:
    """What is GIVEN as a record takes it: paths as text, a single one as a list of one; a wrong name is refused."""
    for name in given:
        if name not in record.model_fields:
            raise UnknownName(f"option of inherit.{verb}", name, [*record.model_fields, *own], f"help(inherit.{verb})")

    def told(kind: object, value: object) -> object:
        if tuple in (get_origin(kind), *map(get_origin, get_args(kind))):
            alone = isinstance(value, str | PathLike | Mapping) or not isinstance(value, Iterable)
            several = [value] if alone else cast(Iterable[object], value)
            return [fspath(one) if isinstance(one, PathLike) else one for one in several]
        return fspath(value) if isinstance(value, PathLike) else value

    return {
        name: told(record.model_fields[name].annotation, value) for name, value in given.items() if value is not None
    }


def numbers(kind: str, found: Sequence[Estimate], lead: Sequence[str] = ()) -> Report:
    """A report on numbers that stand on their own."""
    return Report(
        kind, kind, lead, (Part("", table=estimates_table(found)),), found, lambda: [one.model_dump() for one in found]
    )
