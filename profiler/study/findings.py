"""What the runs of a study say: steered or not, side effects, what must be known before the numbers are read."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Literal

from profiler.errors import BadData
from profiler.judging import Jury, StudentJudge, compare_raters
from profiler.records import Change, Comparison, Endpoint
from profiler.runs import Run, as_judges, registered, versions
from profiler.runs.compare import compare, nearer
from profiler.stats import trainings
from profiler.study.beside import beside
from profiler.study.plan import ARMS
from profiler.study.records import Cost, Curve, Findings, Guard, Pupil, Steering
from profiler.study.reported import read_reported
from profiler.study.stage import Stage
from profiler.study.stage_order import PupilStages, Schedule
from profiler.study.stages import Stages, weights
from selection import Goal, objective_words, read_selection, score_metric
from training import Training


class StudyResults:
    """A study as far as it is done, read."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule, self.study, self.workspace = schedule, schedule.study, schedule.workspace
        self.done = [made for made in schedule.pupils if self.workspace.done(made.profile)]
        self.pupils = [self._placed(made) for made in self.done]
        self.runs = {pupil: Run(self.workspace.folder / pupil.run) for pupil in self.pupils}
        self._held: dict[tuple[str, str], Comparison] = {}
        if not any(pupil.arm != "base" for pupil in self.pupils) or self.pupils[0].arm != "base":
            raise BadData(f"no student of {str(self.workspace.folder)!r} is done yet; `inherit study` resumes it")

    def _placed(self, made: PupilStages) -> Pupil:
        """A student, with where its profile and its weights lie."""
        stages = {"run": made.profile} | ({"training": made.train} if made.train else {})
        folder = self.workspace.folder
        where = {name: str(self.workspace.result(stage).relative_to(folder)) for name, stage in stages.items()}
        return made.pupil.model_copy(update=where)

    def findings(self) -> Findings:
        """All of it."""
        taught = [pupil for pupil in self.pupils if pupil.arm != "base"]
        # A control of several objectives is one training, and is shown once.
        alike = {(pupil.student, pupil.run, pupil.arm, pupil.sources): pupil for pupil in reversed(taught)}
        shown = list(alike.values())[::-1]
        pool = next(stage for stage in self.schedule.stages if stage.kind == "score")
        asked = [stage for stage in self.schedule.stages if stage.kind == "sample"]
        base = self.runs[self.pupils[0]].profile
        told = read_reported(Path(self.study.reported)) if self.study.reported else None
        once = {made.key: made for made in map(self.workspace.done, self.schedule.stages) if made}
        return Findings(
            name=self.study.name,
            pupils=tuple(self.pupils),
            outcomes=tuple(self._outcomes(taught)),
            shown=tuple(shown),
            comparisons=tuple(self.held(self.base(pupil), pupil) for pupil in shown),
            guards=tuple(self._guards(shown)),
            curves=tuple(self._curves()),
            preferences=self._preferences(shown),
            reported=tuple(beside(one, self) for one in told.numbers) if told else (),
            reported_by=told.source if told else "",
            warnings=tuple(self._warnings()),
            mini=tuple(part.probe for part in base.sections if part.suite == "mini"),
            costs=tuple(Cost(kind=one.kind, title=one.title, seconds=one.seconds) for one in once.values()),
            prompts=int(max(stage.size["prompts"] for stage in asked)),
            candidates=int(pool.size["candidates"]),
            versions=versions(),
        )

    def held(self, base: Pupil, other: Pupil) -> Comparison:
        """One pupil against another, under their names."""
        key = (base.run, other.run)
        if key not in self._held:
            self._held[key] = compare(self.runs[base], self.runs[other])
        names = {"base_name": self.name(base), "other_name": self.name(other)}
        return self._held[key].model_copy(update=names)

    def change(self, base: Pupil, other: Pupil, number: str) -> Change | None:
        """The change of one number, PROBE.METRIC, over all items."""
        probe, _, metric = number.partition(".")
        changes = self.held(base, other).changes
        return next((c for c in changes if (c.probe, c.metric, c.group) == (probe, metric, None)), None)

    def name(self, pupil: Pupil) -> str:
        """What it is called beside the others: controls matched to several objectives by these, too."""
        mine = (pupil.student, pupil.seed, pupil.title)
        alike = {one.run for one in self.pupils if (one.student, one.seed, one.title) == mine}
        title = pupil.title if len(alike) == 1 else f"{pupil.title}, {pupil.objective}"
        return pupil.among(self.study.students, self.study.seeds, title)

    def base(self, pupil: Pupil) -> Pupil:
        return next(one for one in self.pupils if one.arm == "base" and one.student == pupil.student)

    def _control(self, pupil: Pupil) -> Pupil | None:
        """The control of the same objective, seed and, where it has any, teachers."""
        kind = (pupil.student, pupil.objective, pupil.seed)
        alike = [one for one in self.pupils if (one.student, one.objective, one.seed) == kind]
        near = {one.arm: one for one in reversed(alike) if one.sources == pupil.sources or pupil.arm != "single"}
        return next((near[arm] for arm in ARMS[pupil.arm].controls if arm in near), None)

    def _outcomes(self, taught: list[Pupil]) -> list[Steering]:
        """What became of each student, with one verdict over those that differ by their seed only."""
        made = [self._steering(pupil) for pupil in taught]
        alike: dict[Pupil, list[int]] = defaultdict(list)
        for place, one in enumerate(made):
            if one.reason != "control":
                alike[one.pupil.kind].append(place)
        chances: dict[Pupil, float] = {}
        for kind, places in alike.items():
            goal = self.study.objectives[str(kind.objective)].objective.goals[0]
            judged, p = over_seeds(goal, [made[place] for place in places])
            for place, one in zip(places, judged, strict=True):
                made[place] = one
            if p is not None:
                chances[kind] = p
        for kind, p in zip(chances, trainings.holm(list(chances.values())), strict=True):
            for place in alike[kind]:
                made[place] = made[place].model_copy(update={"p_family": p})
        return made

    def _steering(self, pupil: Pupil) -> Steering:
        target = self.study.objectives[str(pupil.objective)]
        goal = target.objective.goals[0]
        probe, _, metric = target.reports.partition(".")
        control = self._control(pupil)
        gain = self.change(control, pupil, target.reports) if control else None
        near = None
        if control and gain and goal.want == "near":
            near = nearer(self.runs[control], self.runs[pupil], probe, metric, goal.value or 0.0)
        steered, reason = verdict(goal, gain, near)
        if not ARMS[pupil.arm].controls:
            steered, reason = None, "control"
        return Steering(
            pupil=pupil,
            goal=objective_words(target.objective),
            want=goal.want,
            probe=probe,
            metric=metric,
            change=self.change(self.base(pupil), pupil, target.reports),
            control=self.name(control) if control else None,
            gain=gain,
            nearer=near,
            steered=steered,
            reason=reason,
        )

    def _guards(self, shown: list[Pupil]) -> Iterator[Guard]:
        for number, allowed in self.study.allowed.items():
            probe, _, metric = number.partition(".")
            known = registered(probe, metric)
            sign = 1 if known and known.ideal == "low" else -1
            for pupil in shown:
                change = self.change(self.base(pupil), pupil, number)
                worse = None if change is None or change.absolute is None else sign * change.absolute
                ends = [sign * end for end in (change.low, change.high) if end is not None] if change else []
                yield Guard(
                    pupil=pupil,
                    probe=probe,
                    metric=metric,
                    allowed=allowed,
                    worse=worse,
                    low=min(ends, default=None),
                    high=max(ends, default=None),
                    state=guard_state(ends, allowed),
                )

    def _curves(self) -> Iterator[Curve]:
        chosen: dict[str, tuple[Stage, Pupil]] = {}
        for made in self.schedule.pupils:
            if made.select and not made.pupil.best_of and self.workspace.done(made.select):
                chosen.setdefault(made.select.key, (made.select, made.pupil))
        for stage, pupil in chosen.values():
            which = pupil.model_dump(include={"objective", "sources", "seed"})
            for metric, best in read_selection(self.workspace.result(stage)).curve.items():
                yield Curve(**which, metric=metric, best=best)

    def _preferences(self, taught: list[Pupil]) -> Jury | None:
        """Students, what they were and their teachers as judges of the same pairs."""
        asked_of = {name: stage for name, stage in self.schedule.judges.items() if self.workspace.done(stage)}
        if not asked_of:
            return None
        asked = [*(pupil for pupil in self.pupils if pupil.arm == "base"), *taught]
        judges = {self.name(pupil): self.runs[pupil] for pupil in asked}
        teachers = {name: f"{name} (teacher)" if name in judges else name for name in asked_of}
        judges |= {teachers[name]: Run(self.workspace.result(stage)) for name, stage in asked_of.items()}
        lines = [
            StudentJudge(self.name(pupil), self.name(self.base(pupil)), teachers[source])
            for pupil in taught
            for source in pupil.sources
            if source in teachers
        ]
        return compare_raters(as_judges.of_runs(judges), students=lines)

    def _warnings(self) -> Iterator[str]:
        base = self.runs[self.pupils[0]].profile
        if missing := [made.pupil for made in self.schedule.pupils if made not in self.done]:
            yield f"not done yet, and so not here: {'; '.join(self.name(pupil) for pupil in missing)}"
        for stage, state in self.schedule.states().items():
            if state == "failed" and (news := self.workspace.news(stage)):
                yield f"{stage.name} failed: {news.error}"
        scorers = {f"{part.probe}.{name}": made for part in base.sections for name, made in part.scorers.items()}
        for name, target in self.study.objectives.items():
            for goal in target.objective.goals:
                if tells_itself(goal, target.reports, scorers.get(target.reports, "")):
                    yield (
                        f"{name}: what selected ({goal.metric}) also reports ({target.reports}); the gain holds for "
                        "this scorer, and may be smaller for another"
                    )
        for name, why in Stages(self.study, self.workspace).unanswered().items():
            yield f"{name} has not answered all: {why}; they are in no arm that has no other answer"
        yield from self._relations()

    def _relations(self) -> Iterator[str]:
        """Teachers, students and judges that come from each other, or from one model."""
        goals = [goal for target in self.study.objectives.values() for goal in target.objective.goals]
        judges = [goal.metric.removeprefix("reward:") for goal in goals if goal.metric.startswith("reward:")]
        roles = [
            *(("student", name, Endpoint(model=name)) for name in dict.fromkeys(self.study.students)),
            *(("teacher", teacher.name, teacher.endpoint) for teacher in self.study.asked),
            *(("judge", name, Endpoint(model=name)) for name in judges),
        ]
        for (role, name, endpoint), (also, other, theirs) in combinations(roles, 2):
            if role != also and (why := related(endpoint, theirs, self.study.bases)):
                yield (
                    f"the {role} {name!r} and the {also} {other!r} are related ({why}): traits can pass between "
                    "them that no score sees, and a judge favours models of its own family"
                )


def guard_state(ends: Sequence[float], allowed: float) -> Literal["kept", "lost", "can't tell"]:
    """Whether an interval of how much worse a number is says that it is not worse than ALLOWED, or that it is."""
    allowed += 1e-9  # the last bit of a difference of two shares is not a drop
    if not ends or min(ends) <= allowed < max(ends):
        return "can't tell"
    return "lost" if min(ends) > allowed else "kept"


def verdict(goal: Goal, gain: Change | None, near: tuple[float, float] | None = None) -> tuple[bool | None, str]:
    """Whether a gain over the control goes where the goal wants it, by an interval that excludes 0.

    NEAR is the interval of how much nearer to the goal's value the student is than its control.
    """
    if gain is None:
        return None, "there is no random arm to compare it with"
    if gain.absolute is None or gain.low is None or gain.high is None or gain.p is None:
        return None, gain.reason or "undefined"
    if gain.low <= 0 <= gain.high:
        return False, "the interval holds 0"
    match goal.want:
        case "max":
            right = gain.absolute > 0
        case "min":
            right = gain.absolute < 0
        case "near":
            if near is None:
                return None, f"whether it is nearer to {goal.value:g} can't be told"
            if near[0] <= 0 <= near[1]:
                return False, f"it moved, and may be no nearer to {goal.value:g}"
            right = near[0] > 0
    return right, "" if right else "it moved the other way"


def over_seeds(goal: Goal, alike: list[Steering]) -> tuple[list[Steering], float | None]:
    """Students that differ by their seed only, under one verdict; and its p, where there is one."""
    runs = {one.pupil.run: one for one in alike}.values()  # the same answers with the same recipe are one training
    gains = [one.gain for one in runs if one.gain and one.gain.p is not None]
    nearness = [((low + high) / 2, low, high) for low, high in (one.nearer for one in runs if one.nearer)]
    n, fields, p = len(runs), dict[str, object](trainings=len(runs)), None
    moved = _mean([(gain.absolute, gain.low, gain.high) for gain in gains])
    if not moved or len(gains) < n or (goal.want == "near" and len(nearness) < n):
        if n > 1:
            fields |= {"steered": None, "reason": "not every training has a gain to tell"}
    elif 1 < n < trainings.ENOUGH:
        why = f"{n} trainings are too few for a verdict over trainings; {trainings.ENOUGH} seeds have one"
        fields |= {"steered": None, "reason": why}
    else:
        near = _mean(nearness)
        p = max(moved.p, near.p if near else 0.0)
        if n > 1:
            over = _mean_change(gains, moved)
            steered, reason = verdict(goal, over, near and (near.low, near.high))
            fields |= {"over": over, "steered": steered, "reason": reason}
    return [one.model_copy(update=fields) for one in alike], p


def _mean(told: Iterable[tuple[float | None, float | None, float | None]]) -> trainings.Gain | None:
    """The mean of values with the ends of their intervals; None where one is missing."""
    known, every = [], list(told)
    for value, low, high in every:
        if value is not None and low is not None and high is not None:
            known.append((value, low, high))
    return trainings.over_intervals(known) if known and len(known) == len(every) else None


def _mean_change(gains: list[Change], moved: trainings.Gain) -> Change:
    """The mean gain as a change; where each gain has a percentage, in percent of the mean base, so that both intervals
    hold 0 or neither.
    """
    mean: dict[str, float | None] = {"absolute": moved.mean, "low": moved.low, "high": moved.high, "p": moved.p}
    mean |= {side: sum(getattr(gain, side) for gain in gains) / len(gains) for side in ("base", "other")}
    share = 100 / abs(mean["base"]) if all(gain.percent is not None for gain in gains) and mean["base"] else None
    for side, value in (("percent", moved.mean), ("percent_low", moved.low), ("percent_high", moved.high)):
        mean[side] = None if share is None else share * value
    fewest = min(gain.n for gain in gains)
    return gains[0].model_copy(update={**mean, "n": fewest, "verdict": None, "reason": None})


def tells_itself(goal: Goal, reported: str, made: str) -> bool:
    """Whether the number that tells is made by the scorer that chose."""
    probe, _, metric = reported.partition(".")
    if goal.metric == metric:
        return True
    # Metrics of texts share an implementation without being the same; a probe's scorers are named by theirs.
    own = goal.metric.startswith("toxicity") and probe == "toxicity"
    return own and score_metric(goal.metric).version == made


def related(one: Endpoint, other: Endpoint, bases: dict[str, str]) -> str | None:
    """How two models are related, as far as their files and the study say."""
    if one.model == other.model and one.url == other.url:
        return "the same model"
    here = not one.url and not other.url and _weighed(one.model)
    if here and here == _weighed(other.model):
        return "the same weights"
    mine, theirs = lineage(one.model, bases), lineage(other.model, bases)
    shared = [name for name in mine if name in theirs]
    if not shared:
        return None
    if shared[0] in (one.model, other.model):
        heir, origin = (one.model, other.model) if shared[0] == other.model else (other.model, one.model)
        return f"{Path(heir).name!r} was made from {Path(origin).name!r}"
    return f"both were made from {shared[0]!r}"


def lineage(model: str, bases: dict[str, str]) -> list[str]:
    """A model and those that it was made from, the nearest first."""
    line = [model]
    while (before := bases.get(line[-1]) or _trained_from(line[-1])) and before not in line:
        line.append(before)
    return line


def _trained_from(model: str) -> str | None:
    """Which model `inherit train` made this one from; its record lies beside the weights."""
    path = Path(model).parent / "training.json"
    if not (Path(model) / "config.json").is_file() or not path.is_file():
        return None
    try:
        return Training.model_validate_json(path.read_bytes()).recipe.student
    except ValueError:
        return None


def _weighed(model: str) -> str:
    return weights(Endpoint(model=model)) if Path(model).is_dir() or model == "demo" else ""
