"""A probe as a task of lm-eval: lm-eval asks its requests and hands the answers back; the numbers are ours."""

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple, cast

from lm_eval.api.group import Group
from lm_eval.api.instance import Instance
from lm_eval.api.task import Task
from lm_eval.config.task import TaskConfig
from lm_eval.utils import warning_once

from profiler import probes
from profiler.datasets import Item, Watch, found_in, watched
from profiler.endpoints import Answer, AnswerReader, Request, SampleCall, ScoreCall, Value
from profiler.errors import BadData, EndpointError, NotAvailable
from profiler.harnesses.lm_eval import options
from profiler.metrics import measure
from profiler.probes import Probe
from profiler.records import Capabilities, Estimate, Generation, Likelihood, Sample
from profiler.runs import BATCH, AnsweredItem, Progress, estimates, sample_store, scored, section, versions
from profiler.text import Text

log = logging.getLogger("lm_eval.inherit")
"""Among lm-eval's own, so that it is shown as they are."""

ITEMS = "items"
"""The metric that carries each item's sample through lm-eval, and is their number."""
MINI = " [mini]"
"""Stands behind whatever is called by a name and has numbers of a mini set."""
STDERR = "_stderr"
"""lm-eval prints a metric of this ending as the error of the metric before it."""

Doc = Mapping[str, object]
Template = Callable[[list[dict[str, str]]], object]


class LoggedDownloads(Watch):
    """Says what can't be had, or is not vouched for, in lm-eval's own log."""

    def failed(self, why: str) -> None:
        log.warning("%s", why)

    unsure = failed


class TaskRequest(NamedTuple):
    """An item, what is asked of it, and lm-eval's instances of that."""

    item: Item
    request: Request
    instances: Sequence[Instance]


class ProbeTask(Task):  # type: ignore[misc]
    """The task of a YAML file that names a probe."""

    def __init__(self, config: dict[str, object]) -> None:
        metadata = cast(dict[str, object], config["metadata"])
        self.model = options.EvaluatedModel(metadata)
        self.scoring_method = options.scoring_method(metadata)
        self.folder = options.folder(metadata)
        self.options = options.options(metadata)
        self.kind = probes.get(str(config["probe"]))
        self.template: Template | None = None
        self.scoring = True
        self.asked: list[TaskRequest] = []
        self.samples: dict[str, Sample] = {}
        self.numbers: dict[str, Estimate] = {}
        self._alone = True
        self._shown: list[str] = []
        self._docs: list[Doc] = []
        self._instances: list[Instance] = []
        with found_in(self.folder):
            self.probe = self.built()
            items = list(self.probe.items)
        self._every = [document(item) for item in items]
        how = self.reader.how(self.probe.ask(items[0]))
        self.OUTPUT_TYPE = "loglikelihood" if how == "loglikelihood" else "generate_until"
        self.VERSION = self.probe.version
        self._config = TaskConfig(
            task=str(config["task"]),
            task_alias=f"{config['task']}{MINI if self.probe.suite == 'mini' else ''}",
            output_type=self.OUTPUT_TYPE,
            generation_kwargs=options.arguments(self.probe.sampling) if how != "loglikelihood" else None,
            num_fewshot=0,
        )
        self._drawn = dict(self._config.generation_kwargs or {})
        if self.probe.missing:
            log.warning("%s leaves out what is unavailable: %s", self.task_name, ", ".join(self.probe.missing))
        if self.probe.suite == "mini":
            log.warning("%s asks a MINI set: for trying things out; do not publish its numbers", self.task_name)
            warning_once(log, "where the paper's data are: --metadata data=FOLDER, or the variable INHERIT_DATA")

    def built(self) -> Probe:
        try:
            with watched(LoggedDownloads()):
                return self.kind.build(self.options)
        except NotAvailable as error:
            raise NotAvailable(f"{error}; from lm-eval: --metadata data=FOLDER") from None

    # What is asked

    @property
    def reader(self) -> AnswerReader:
        """How requests are put: likelihoods wherever lm-eval gives them, which it does but for chat endpoints."""
        able = Capabilities(completions=not self.model.chat, chat=True, echo=not self.model.chat)
        return AnswerReader(able, self.template is not None, self.scoring_method)

    def build_all_requests(
        self,
        *,
        limit: int | None = None,
        samples: list[int] | None = None,
        rank: int = 0,
        world_size: int = 1,
        system_instruction: str | None = None,
        apply_chat_template: bool = False,
        chat_template: Template | None = None,
        **_: object,
    ) -> None:
        """The instances of the items that `inherit profile --limit` would ask, or of those at the places SAMPLES."""
        self.template = chat_template if apply_chat_template else None
        self._alone = world_size == 1
        drawn = self._config.generation_kwargs or {}
        changed = {name: value for name, value in drawn.items() if self._drawn.get(name) != value}
        said = {"limit": limit, "system": system_instruction or self.options.system, **options.sampling(changed)}
        self.options = self.options.model_copy(update=said)
        with found_in(self.folder):
            self.probe = self.kind.build(self.options)
            measure([Text("", self.probe.lang)], self.probe.text_metrics)  # a missing part shows before all else
            items = list(self.probe.items)
        if samples is not None:
            items = picked(items, samples)
        self._docs = [document(item) for item in items]
        mine = self.doc_iterator(rank=rank, world_size=world_size)
        self.asked = [self.asking(items[number], doc, number) for number, doc in mine]
        self._instances = [instance for asking in self.asked for instance in asking.instances]
        self.model.check(weighs=any(one.request_type == "loglikelihood" for one in self._instances))

    def doc_iterator(self, *, rank: int = 0, world_size: int = 1, **_: object) -> Iterator[tuple[int, Doc]]:
        return islice(enumerate(self._docs), rank, None, world_size)

    def asking(self, item: Item, doc: Doc, number: int) -> TaskRequest:
        request = self.probe.ask(item)
        if obstacle := self.reader.obstacle(request):
            instead = "The group inheritance_profile_chat holds what can be asked in words."
            raise EndpointError(f"{self.task_name} can't be asked here: {obstacle}. {instead}")
        place = (self.task_name, number, 1)
        match self.reader.call(request):
            case ScoreCall(prefix, texts):
                made = [Instance("loglikelihood", doc, (prefix, text), idx, place) for idx, text in enumerate(texts)]
            case SampleCall(prompt, drawn, indices, chat, system):
                context = self.said(prompt, system) if chat else prompt
                seeds = {idx: drawn.seed + idx if self.model.served else None for idx in indices}
                made = [
                    Instance("generate_until", doc, (context, options.arguments(drawn, seed)), idx, place)
                    for idx, seed in seeds.items()
                ]
        return TaskRequest(item, request, made)

    def said(self, prompt: str, system: str) -> object:
        """The prompt as the user's message."""
        if self.template is None:
            raise EndpointError("a chat endpoint is asked through its template: give lm-eval --apply_chat_template")
        head = [{"role": "system", "content": system}] if system else []
        return self.template([*head, {"role": "user", "content": prompt}])

    # What came back

    def apply_filters(self) -> None:
        """Take the answers and score them together: text metrics are quicker on a batch."""
        for instance in self._instances:
            instance.filtered_resps["none"] = instance.resps[0]
        if not self.scoring:
            return
        answered = [AnsweredItem(asking.item, asking.request, self.answer(asking)) for asking in self.asked]
        refuse_copies([asked.answer for asked in answered])
        batches = (answered[start : start + BATCH] for start in range(0, len(answered), BATCH))
        self.samples = {sample.item: sample for batch in batches for sample in scored(self.probe, batch)}
        self.count()
        # Another process may have what a metric needs, and lm-eval wants the same names from each.
        numbers = self.numbers.values()
        self._shown = [number.metric for number in numbers if number.value is not None or not self._alone]

    def answer(self, asking: TaskRequest) -> Answer:
        values = [self.value(instance) for instance in asking.instances]
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            return Answer(self.reader.how(asking.request), error="lm-eval gave no finite log-likelihood")
        return self.reader.answer(asking.request, known)

    def value(self, instance: Instance) -> Value | None:
        answer = instance.resps[0]
        if instance.request_type == "generate_until":
            return Generation(text=answer)
        total = float(answer[0])
        return Likelihood(total=total, tokens=self.model.count(*instance.arguments)) if math.isfinite(total) else None

    def count(self) -> None:
        """Turn samples into numbers; a metric that has none is named with the reason, and is then absent."""
        columns = sample_store.columns(self.samples.values())
        found = estimates.estimates(self.probe.name, self.probe.metrics, columns, self.probe.lang, grouped=False)
        self.numbers = {number.metric: number for number in found}
        for number in found:
            if number.value is None:
                log.warning("%s: no %s: %s", self.task_name, number.metric, number.reason)
        if failed := [sample for sample in self.samples.values() if sample.error]:
            log.warning("%s: %d items failed, the first: %s", self.task_name, len(failed), failed[0].error)

    def process_results(self, doc: Doc, results: Sequence[object]) -> dict[str, object]:
        """The item's sample, and its own value under each metric's name."""
        if not self.scoring:
            return {}
        sample = self.samples[str(doc["item"])]
        found: dict[str, object] = {ITEMS: sample.model_dump(mode="json", exclude_defaults=True)}
        for name in self._shown:
            found |= {name: sample.scores.get(name), f"{name}{STDERR}": None}
        return found

    def aggregation(self) -> dict[str, Callable[[Sequence[object]], object]]:
        """Corpus-level numbers: lm-eval takes them in the order of `process_results`, the items first."""
        made: dict[str, Callable[[Sequence[object]], object]] = {ITEMS: self.gathered}
        for name in self.numbers:
            made |= {name: partial(self.number, name), f"{name}{STDERR}": partial(self.stderr, name)}
        return made

    def gathered(self, rows: Sequence[object]) -> int:
        """How many items have an answer; the numbers are now those of every process that asked."""
        if len(rows) != len(self.samples):
            self.samples = {sample.item: sample for sample in map(Sample.model_validate, rows)}
            self.count()
        return sum(sample.error is None for sample in self.samples.values())

    def number(self, name: str, _: Sequence[object]) -> float | None:
        return self.numbers[name].value

    def stderr(self, name: str, _: Sequence[object]) -> float | str:
        found = self.numbers[name].stderr
        return "N/A" if found is None else found

    def higher_is_better(self) -> dict[str, bool | None]:
        return {metric.name: {"high": True, "low": False}.get(str(metric.ideal)) for metric in self.probe.metrics}

    def override_metric(self, metric_name: str) -> None:
        """--predict_only: answers are kept, nothing is scored."""
        self.scoring = False

    # What is written down

    def dump_config(self) -> dict[str, object]:
        """What the results file says of the task: all that is needed to get its numbers again, and no key of an API."""
        failed = sum(sample.error is not None for sample in self.samples.values())
        how = self.reader.how(self.asked[0].request)
        done = Progress(self.probe.name, self.probe.count, len(self.samples), failed, how=how)
        with found_in(self.folder):
            asked = section(self.probe, done).model_dump(mode="json")
        return {
            "task": self.task_name,
            "task_alias": self._config.task_alias,
            "output_type": self.OUTPUT_TYPE,
            "num_fewshot": 0,
            "repeats": 1,
            "metadata": {"version": self.VERSION, "inherit": asked, "versions": versions()},
        }

    def has_training_docs(self) -> bool:
        return False

    has_validation_docs = has_training_docs

    def has_test_docs(self) -> bool:
        return True

    def test_docs(self) -> list[Doc]:
        return self._every

    def doc_to_text(self, doc: Doc) -> str:
        return str(doc["item"])

    def doc_to_target(self, doc: Doc) -> str:
        return ""

    def construct_requests(self, doc: Doc, ctx: object, **_: object) -> list[Instance]:
        raise NotImplementedError("instances are made by build_all_requests")


summed_up = Group.aggregate


def marked(group: Group, numbers: Mapping[str, object]) -> dict[str, object]:
    """How lm-eval sums up a group, and whether a mini set is in it: lm-eval asks its tasks for nothing."""
    found: dict[str, object] = summed_up(group, numbers)
    ours = (task for task in group.get_all_tasks() if isinstance(task, ProbeTask))
    return found | {"alias": f"{found['alias']}{MINI}"} if any(task.probe.suite == "mini" for task in ours) else found


Group.aggregate = marked


def document(item: Item) -> Doc:
    """An item as lm-eval logs it."""
    return {"item": item.id, "group": item.group, "cluster": item.cluster, **item.fields._asdict()}


def picked(items: Sequence[Item], places: Sequence[int]) -> list[Item]:
    """The items at PLACES, in that order: lm-eval numbers what it logs by it."""
    if wrong := [place for place in places if not 0 <= place < len(items)]:
        raise BadData(f"--samples {wrong[0]}: expected places from 0 to {len(items) - 1}")
    if len(set(places)) < len(places):
        raise BadData("--samples names a place twice; an item is asked once")
    return [items[place] for place in places]


def refuse_copies(answers: Sequence[Answer]) -> None:
    """Several samples of a prompt must differ, or all that is said of their spread is false.

    A single prompt may have but one likely answer; half of all prompts can't, unless a mere letter is asked for.
    """
    several = [answer.generations for answer in answers if answer.how == "text" and len(answer.generations) > 1]
    drawn = [{text.text for text in generations} for generations in several]
    alike = sum(len(texts) == 1 for texts in drawn)
    if drawn and 2 * alike > len(drawn):
        most = max(map(len, several))
        raise EndpointError(
            f"{alike} of {len(drawn)} prompts got the same answer {most} times over, so these are not {most} samples: "
            "the endpoint may ignore `seed`, or a cache gave one answer for all; draw with a temperature above 0, and "
            "into a --use_cache of its own"
        )
