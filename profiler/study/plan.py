"""What a study is to find out: a file in YAML or TOML, checked before anything is paid for."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from profiler import metrics, probes
from profiler.datasets import Prompts, prompts, settings, template_of
from profiler.errors import UnknownName, WrongUse
from profiler.places import place_at
from profiler.probes import Probe, ProbeOptions, Suite
from profiler.records import Record, Sampling, Template
from profiler.study.reported import read_reported
from profiler.study.stage import Kind, Resources
from selection import Objective, Teacher, active_filters, objective_metrics, read_objective, read_teacher
from training import Recipe, recipe_of

Arm = Literal["base", "first", "random", "single", "multi", "multi-random", "equal"]
MIXED: tuple[Arm, ...] = ("multi-random", "random")
"""What the choice from several teachers is compared with."""


class Teaching(NamedTuple):
    """What the students of an arm are taught."""

    about: str
    rows: str = ""
    """Which of a selection's data sets."""
    alone: bool = False
    """Of one teacher."""
    controls: tuple[Arm, ...] = ()
    """What its students are compared with, the best control first; none for a control."""


ARMS: Mapping[Arm, Teaching] = {
    "base": Teaching("the student untouched"),
    "first": Teaching("taught the first answer of one teacher", "first", True),
    "random": Teaching("taught one of a teacher's k answers at random: the control of `single`", "random", True),
    "single": Teaching("taught the best of one teacher's k answers", "chosen", True, ("random",)),
    "multi": Teaching("taught the best of all teachers' answers, k from each", "chosen", False, MIXED),
    "multi-random": Teaching("taught one of all teachers' answers at random: the control of `multi`", "random"),
    "equal": Teaching("taught the best of k answers that all teachers share", "equal", False, MIXED),
}
OWN = ("student", "data", "out", "seed")
"""Keys of a recipe that the study sets."""
ABILITY = "ability.acc_mean"
DROP = 0.02


class Aim(Record):
    """An objective, and the number that tells whether it was reached."""

    goals: tuple[str, ...]
    """max:M, min:M, near:M=V or 2*max:M, as `inherit select --objective` takes them."""
    combine: Literal["sum", "lexicographic", "pareto"] = "sum"
    """How several goals make one choice."""
    require: tuple[str, ...] = ()
    """Only answers with, say, toxicity<=0.2."""
    hold: tuple[str, ...] = ()
    """words=0.25: within a quarter of the prompt's middle candidate."""
    temperature: float = Field(0.0, ge=0)
    """Above 0 the choice is drawn softly."""
    report: str | None = None
    """PROBE.METRIC of the profile that tells; the first goal's metric in the attributes probe if left out."""

    @cached_property
    def objective(self) -> Objective:
        return read_objective(self.goals, self.combine, self.require, self.hold, self.temperature)

    @property
    def reports(self) -> str:
        return self.report or f"attributes.{self.objective.goals[0].metric}"


class StudentSettings(Record):
    """What is not for one student as the study has it for all."""

    recipe: dict[str, object] = Field(default_factory=dict)
    """Keys of `recipe` that it has otherwise."""
    resources: dict[Kind, Resources] = Field(default_factory=dict)
    """What its trainings and profiles want, in place of all that `resources` says of the kind."""


class StudyProbe(Record):
    """A probe that every student is asked, and its options."""

    probe: str
    suite: Suite = "auto"
    prompts: str | None = None
    """A file or hub data set instead of the suite's."""
    column: str | None = None
    limit: int | None = Field(None, ge=1)
    """Ask only so many items, picked by seed."""
    samples: int | None = Field(None, ge=1)
    """Samples per prompt."""
    prompt_template: Template | None = None
    """Text with {prompt} in it, for a plain completion."""
    system: str = ""
    subset: str | None = None
    scorers: tuple[str, ...] = ()
    sampling: dict[str, float | int | tuple[str, ...]] = Field(default_factory=dict)
    """temperature, top_p, top_k, repetition_penalty, max_tokens, stop, seed: what differs from the probe's own."""

    def build(self, lang: str) -> Probe:
        """The probe; what it reads is fetched where it is unavailable."""
        return probes.get(self.probe).build(self.options(lang))

    def options(self, lang: str) -> ProbeOptions:
        """What is said of the probe."""
        where = f"`profile` of {self.probe}"
        settings.refuse_unknown(f"key of `sampling` in {where}", self.sampling, Sampling, "inherit study --show")
        fields = self.model_dump(exclude={"probe", "sampling"})
        return settings.validated(ProbeOptions, {**fields, **self.sampling, "lang": lang}, where)


class Study(Record):
    """Students x teachers x objectives x arms x seeds."""

    name: str = Field("study", min_length=1)
    """What it is called."""
    out: str = Field(min_length=1)
    """Folder for everything that is made; a stage that is in it is not done again."""
    students: tuple[str, ...] = ("demo",)
    """Models to teach: checkpoints' folders, hub ids, or demo."""
    teachers: tuple[str | dict[str, object], ...]
    """As `inherit sample` takes them: demo, a path, MODEL@URL, a .toml file, or its fields."""
    single: tuple[str, ...] = ()
    """Teachers that the arms of one teacher are made for; all if left out."""
    prompts: str
    """What teachers are asked: a .jsonl, .csv or .parquet file, hub:OWNER/NAME, or mini."""
    column: str | None = None
    """The column that holds the prompt; alpaca: instruction and input in Alpaca's template, with no other around it."""
    lang: str = "en"
    limit: int | None = Field(None, ge=1)
    """Prompts, picked by seed."""
    k: int = Field(10, ge=1)
    """Candidates per prompt and teacher."""
    best_of: tuple[int, ...] = ()
    """Also teach the best of only so many candidates, say [1, 2, 4]: what more of them bring once they are taught."""
    best_of_students: tuple[str, ...] = ()
    """Students that `best_of` is for; all if left out."""
    best_of_arms: tuple[Arm, ...] = ()
    """Arms that `best_of` is for: single, multi, equal; all of those in `arms` if left out."""
    sampling: dict[str, object] = Field(default_factory=dict)
    """What goes for every teacher: temperature, top_p and the like, max_tokens, stop, seed,
    prompt_template, system, price."""
    objectives: dict[str, Aim]
    """A name → goals."""
    arms: tuple[Arm, ...] = ("base", "random", "single", "multi")
    """Of base, first, random, single, multi, multi-random, equal."""
    seeds: tuple[int, ...] = (0,)
    """Each decides a choice's ties and controls, and a training's order."""
    skip_filters: tuple[str, ...] = ()
    """Filters that are not applied; `inherit select --help` lists them."""
    chat: bool = False
    """Teach and ask through the students' chat template."""
    recipe: dict[str, object] = Field(default_factory=dict)
    """Keys of `inherit train --show` but student, data, out and seed."""
    profile: tuple[StudyProbe, ...] = (StudyProbe.model_validate({"probe": "attributes"}),)
    """Probes that every student is asked."""
    guard: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = Field(default_factory=dict)
    """PROBE.METRIC → how far it may get worse than the base's; ability.acc_mean: 0.02 where ability is asked."""
    on: str = "here"
    """Where stages run: here, ray, ray://HOST:PORT, slurm or slurm:PARTITION."""
    at_once: int = Field(1, ge=1)
    """Stages that may run here at the same time; those that only ask servers are not counted."""
    resources: dict[Kind, Resources] = Field(default_factory=dict)
    """What a stage of a kind wants: train: {gpus: 8, processes: 8}, profile: {gpus: 1, engine: vllm}; the kinds are
    sample, score, select, train, profile and preferences."""
    per_student: dict[str, StudentSettings] = Field(default_factory=dict)
    """One of `students` → what it has otherwise: {recipe: {merge: true}, resources: {train: {gpus: 8}}}."""
    reported: str | None = None
    """A TOML file of numbers that others reported, which the report sets beside its own (docs/study.md)."""
    bases: dict[str, str] = Field(default_factory=dict)
    """Model → the model that it was made from, where its folder does not say so: who is related to whom."""

    @cached_property
    def asked(self) -> tuple[Teacher, ...]:
        """The teachers, with what the study says of all of them."""
        defaults = {**template_of(self.column), **self.sampling, "k": self.k}
        return tuple(read_teacher(one, defaults) for one in self.teachers)

    def fewer(self, student: str, arm: Arm) -> tuple[int, ...]:
        """So many candidates, best of which a student of this arm is taught as well."""
        meant = student in (self.best_of_students or self.students) and arm in (self.best_of_arms or self.arms)
        return tuple(sorted(self.best_of)) if meant and ARMS[arm].controls else ()

    def wants(self, kind: Kind, student: str | None = None) -> Resources:
        """What a stage of this kind wants for itself, of this STUDENT where it is one's."""
        return (self.resources | self._own(student).resources).get(kind, Resources())

    def _own(self, student: str | None) -> StudentSettings:
        """What a student has otherwise."""
        return self.per_student.get(student or "", StudentSettings())

    @property
    def allowed(self) -> dict[str, float]:
        """Metric → the drop that is allowed."""
        asks = any(one.probe == ABILITY.partition(".")[0] for one in self.profile)
        return ({ABILITY: DROP} if asks else {}) | self.guard

    def stays_adapter(self, student: str) -> bool:
        """Whether a student's adapters are not worked into it."""
        recipe = self.taught(student, "data", "out", 0)
        return recipe.method != "full" and not recipe.merge

    def rows(self) -> Prompts:
        return prompts(self.prompts, self.column, self.lang)

    def taught(self, student: str, data: str, out: str, seed: int) -> Recipe:
        """The recipe of one training."""
        form = "chat" if self.chat else "plain"
        ours = {"student": student, "data": data, "out": out, "seed": seed}
        fields = {"form": form, **template_of(self.column), **self.recipe, **self._own(student).recipe, **ours}
        return recipe_of(fields, "recipe")


def read_study(path: Path, **changes: object) -> Study:
    """The study in a file, with CHANGES; files that it names are looked for beside it."""
    return study_of(settings.load(path) | changes, path)


def study_of(fields: Mapping[str, object], path: Path) -> Study:
    """The study of these fields; what is wrong is said in one sentence."""
    settings.refuse_unknown("study key", fields, Study, "inherit study --show")
    for kind, key in ((Aim, "objectives"), (StudyProbe, "profile"), (StudentSettings, "per_student")):
        given = fields.get(key)
        parts = given.values() if isinstance(given, Mapping) else given if isinstance(given, list) else []
        for part in parts:
            if isinstance(part, Mapping):
                settings.refuse_unknown(f"key of `{key}`", part, kind, "inherit study --show")
    found = settings.validated(Study, {"out": str(path.with_suffix("")), **fields}, str(path))
    return _sound(_placed(found, path.parent), path)


def _placed(study: Study, folder: Path) -> Study:
    """With the files that it names where they are, seen from here."""

    def placed(name: str) -> str:
        there = folder / name
        return str(there) if not Path(name).is_absolute() and there.exists() else name

    def model(one: str | dict[str, object]) -> str | dict[str, object]:
        if isinstance(one, str):
            return placed(one)
        return {**one, "model": placed(str(one["model"]))} if one.get("model") else one

    asks = (one.model_copy(update={"prompts": one.prompts and placed(one.prompts)}) for one in study.profile)
    there = {
        "out": study.out if Path(study.out).is_absolute() else str(folder / study.out),
        "prompts": placed(study.prompts),
        "students": tuple(map(placed, study.students)),
        "per_student": {placed(name): own for name, own in study.per_student.items()},
        "best_of_students": tuple(map(placed, study.best_of_students)),
        "teachers": tuple(map(model, study.teachers)),
        "profile": tuple(asks),
        "reported": study.reported and placed(study.reported),
    }
    return study.model_copy(update=there)


def _sound(study: Study, path: Path) -> Study:
    """Refuse what can't be meant, before anything is paid for."""
    if not study.objectives or not study.students or not study.seeds:
        raise WrongUse(f"{path}: expected at least one of `students`, `objectives` and `seeds`")
    for key in ("students", "seeds", "single", "arms", "best_of", "best_of_students", "best_of_arms"):
        named = getattr(study, key)
        if twice := [one for one in named if named.count(one) > 1]:
            raise WrongUse(f"{path}: `{key}` holds {twice[0]!r} twice; name it once")
    if "" in study.objectives:
        raise WrongUse(f"{path}: an objective has no name; `objectives` are names with goals")
    _fewer(study, path)
    if place_at(study.on) and study.at_once > 1:
        raise WrongUse(f"{path}: `at_once` is for this machine; {study.on} has its own places: leave it out")
    _sharing(study, path)
    _recipes(study, path)
    _teaching(study, path)
    active_filters(study.skip_filters)
    _telling(study, path)
    return study


def _settings(study: Study) -> dict[str, StudentSettings]:
    """What is for all students, and for one: by what stands before its keys."""
    everyone = StudentSettings(recipe=study.recipe, resources=study.resources)
    return {"": everyone} | {f"per_student.{name}.": own for name, own in study.per_student.items()}


def _sharing(study: Study, path: Path) -> None:
    """Resources that are for the stages they are named for."""
    for whose, told in _settings(study).items():
        for kind, wants in told.resources.items():
            key = f"{whose}resources.{kind}"
            if whose and kind not in ("train", "profile"):
                raise WrongUse(f"{path}: `{key}` is of no student; expected train or profile")
            if wants.processes > 1 and kind != "train":
                raise WrongUse(f"{path}: `{key}.processes` is for trainings alone; leave it out")
            if wants.engine != "local" and kind not in ("profile", "preferences"):
                raise WrongUse(f"{path}: `{key}.engine` is for profiles and preferences; leave it out")


def _recipes(study: Study, path: Path) -> None:
    """Recipes that each student can be taught by."""
    for name in study.per_student:
        if name not in study.students:
            raise UnknownName("student in `per_student`", name, study.students, str(path))
    for whose, told in _settings(study).items():
        if mine := [key for key in told.recipe if key in OWN]:
            raise WrongUse(f"{path}: `{whose}recipe.{mine[0]}` is set by the study; leave it out")
    for name in study.students:
        taught = study.taught(name, "data", "out", 0)
        try:
            taught.share(study.wants("train", name).processes)
        except WrongUse as error:
            raise WrongUse(f"{path}: {error}") from None


def _fewer(study: Study, path: Path) -> None:
    """What is taught the best of fewer candidates."""
    if wrong := [many for many in study.best_of if not 1 <= many < study.k]:
        raise WrongUse(f"{path}: `best_of` holds {wrong[0]}; expected numbers from 1 to {study.k - 1}, below `k`")
    chosen = [arm for arm in study.arms if ARMS[arm].controls]
    for key, named, known in (
        ("best_of_students", study.best_of_students, study.students),
        ("best_of_arms", study.best_of_arms, chosen),
    ):
        if named and not study.best_of:
            raise WrongUse(f"{path}: `{key}` says whom `best_of` is for, and there is no `best_of`")
        if other := [name for name in named if name not in known]:
            raise WrongUse(f"{path}: `{key}` holds {other[0]!r}; expected some of {', '.join(known) or 'none'}")


def _teaching(study: Study, path: Path) -> None:
    """Teachers and arms that go together."""
    named = [teacher.name for teacher in study.asked]
    if twice := [name for name in named if named.count(name) > 1]:
        raise WrongUse(f"{path}: two teachers are called {twice[0]!r}; give one another `name`")
    for name in study.single:
        if name not in named:
            raise UnknownName("teacher in `single`", name, named, str(path))
    if not set(study.arms) - {"base"}:
        raise WrongUse(f"{path}: `arms` holds nothing to teach; expected some of {', '.join(ARMS)}")
    several = [arm for arm in study.arms if arm != "base" and not ARMS[arm].alone]
    if several and len(named) < 2:
        raise WrongUse(f"{path}: the arm {min(several)!r} needs at least two teachers, found {len(named)}")


def _telling(study: Study, path: Path) -> None:
    """Probes, objectives and guards that go together."""
    asked = [one.probe for one in study.profile]
    if twice := [name for name in asked if asked.count(name) > 1]:
        raise WrongUse(f"{path}: `profile` asks {twice[0]!r} twice; a probe is asked once")
    for ask in study.profile:
        probes.refuse_idle([ask.probe], ask.options(study.lang))
    for name, target in study.objectives.items():
        for metric in objective_metrics(target.objective):
            if ":" not in metric:  # what is loaded by its path is loaded when it is used
                metrics.get(metric)
        _told(study, f"objectives.{name}", target.reports, path)
    for metric in study.guard:
        _told(study, "guard", metric, path)
    for one in read_reported(Path(study.reported)).numbers if study.reported else ():
        _told(study, f"reported: {one.what}", one.number, path)
        if unknown := [arm for arm in one.arms if arm not in ARMS]:
            raise UnknownName(f"arm of {one.what!r}", unknown[0], ARMS, "inherit study --show")


def _told(study: Study, where: str, named: str, path: Path) -> None:
    """A number that the profile will hold."""
    probe, _, metric = named.partition(".")
    if probe not in (asked := [one.probe for one in study.profile]):
        raise WrongUse(
            f"{path}: `{where}` is measured by {named!r}, and `profile` asks only {', '.join(asked) or 'nothing'}; add "
            "the probe, or name another number with `report`"
        )
    kind = probes.get(probe)
    if not kind.metric(metric):
        ours = [known.name for known in kind().metrics]
        raise UnknownName(f"metric of {probe}", metric, ours, "inherit ls metrics")


def study_text(study: Study | None = None) -> str:
    """A study as YAML, each key explained; without one, all defaults."""
    return settings.text(Study, study, null="")
