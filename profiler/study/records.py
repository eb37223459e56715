"""What a study found: one record behind its report."""

from collections.abc import Collection
from pathlib import Path
from typing import Literal

from profiler.judging import Jury
from profiler.records import SCHEMA, Change, Comparison, Record
from profiler.study.plan import ARMS, Arm
from profiler.study.reported import Beside


class Pupil(Record):
    """A student of one arm."""

    student: str
    arm: Arm
    objective: str | None = None
    """None for the untouched student."""
    sources: tuple[str, ...] = ()
    """The teachers whose answers it was taught."""
    best_of: int | None = None
    """How many candidates of each teacher it is the best of, where that is not all of them."""
    seed: int = 0
    run: str = ""
    """Its profile, seen from the study's folder."""
    training: str | None = None
    """Its weights."""

    @property
    def kind(self) -> "Pupil":
        """What it shares with those that differ by their seed only."""
        return self.model_copy(update={"seed": 0, "run": "", "training": None})

    @property
    def title(self) -> str:
        """Which it is, in a few words."""
        if self.arm == "base":
            return "base"
        whose = f" of {self.sources[0]}" if len(self.sources) == 1 else ""
        return f"{self.arm}{whose}" + (f", {self.objective}" if ARMS[self.arm].controls else "") + self.fewer

    @property
    def fewer(self) -> str:
        return f", best of {self.best_of}" if self.best_of else ""

    def among(self, students: Collection[str], seeds: Collection[int], title: str) -> str:
        """Its TITLE, and what tells it from the others of these STUDENTS and SEEDS."""
        model = f"{Path(self.student).name}: " if len(students) > 1 else ""
        return f"{model}{title}" + (f", seed {self.seed}" if len(seeds) > 1 else "")


class Steering(Record):
    """How far one student was steered towards its objective."""

    pupil: Pupil
    goal: str
    """The objective as it is written."""
    want: Literal["max", "min", "near"]
    probe: str
    metric: str
    """The number that tells."""
    change: Change | None
    """Against the untouched student."""
    control: str | None
    """The arm that it is compared with to see what choosing alone does."""
    gain: Change | None
    """Against the control, with a paired interval."""
    nearer: tuple[float, float] | None = None
    """The 95 % interval of how much nearer to the goal's value it is than its control, where the goal has one."""
    steered: bool | None
    """Whether the objective beats its control by an interval that excludes 0; None where that can't be told. One
    verdict for all trainings that differ by their seed only."""
    reason: str = ""
    trainings: int = 1
    """How many trainings the verdict rests on."""
    over: Change | None = None
    """The mean gain over these trainings: its interval and p hold their spread and the prompts'. None below three."""
    p_family: float | None = None
    """Corrected for all objectives and arms of the study (Holm); `steered` goes by the single interval."""


class Guard(Record):
    """Whether a number got no worse than it may."""

    pupil: Pupil
    probe: str
    metric: str
    allowed: float
    """How much worse than the base's it may be."""
    worse: float | None
    """How much worse it is; below 0 where it is better."""
    low: float | None
    high: float | None
    state: Literal["kept", "lost", "can't tell"]
    """Kept where the whole interval is within what is allowed, lost where all of it is beyond."""


class Curve(Record):
    """What more candidates would bring, from the stored scores."""

    objective: str
    metric: str
    sources: tuple[str, ...]
    seed: int
    best: tuple[float | None, ...]
    """Expected mean when the best of 1, 2, … is kept; the first is that of a random one."""


class Cost(Record):
    """What a stage took."""

    kind: str
    title: str
    seconds: float


class Findings(Record):
    """All that a study found; report.json."""

    schema_version: int = SCHEMA
    name: str
    pupils: tuple[Pupil, ...]
    outcomes: tuple[Steering, ...]
    shown: tuple[Pupil, ...]
    """Those that were taught, each training once."""
    comparisons: tuple[Comparison, ...]
    """Each of them against its untouched student, in the same order."""
    guards: tuple[Guard, ...]
    curves: tuple[Curve, ...]
    preferences: Jury | None = None
    """Students, what they were and their teachers as judges; None where `profile` does not ask `preferences`."""
    reported: tuple[Beside, ...] = ()
    """Numbers of others, beside those of this study."""
    reported_by: str = ""
    warnings: tuple[str, ...]
    """What a reader must know before the numbers."""
    mini: tuple[str, ...] = ()
    """Probes that were asked small sets of our own."""
    costs: tuple[Cost, ...]
    prompts: int
    candidates: int
    versions: dict[str, str]

    @property
    def controls(self) -> list[Comparison]:
        """What teaching alone does: of each student model, the first that was taught answers which nobody chose."""
        both = zip(reversed(self.shown), reversed(self.comparisons), strict=True)
        firsts = {pupil.student: found for pupil, found in both if not ARMS[pupil.arm].controls}
        return list(firsts.values())[::-1]

    def who(self, pupil: Pupil) -> str:
        """A student beside others of the same objective."""
        whose = pupil.sources[0] if len(pupil.sources) == 1 else f"{len(pupil.sources)} teachers"
        students, seeds = {one.student for one in self.pupils}, {one.seed for one in self.pupils}
        return pupil.among(students, seeds, f"{pupil.arm} of {whose}{pupil.fewer}")
