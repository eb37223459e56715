"""Answers as the authors' scripts and other harnesses record them, turned into rows that `rescore` takes.

An item is found by its id; in BBQ also by category and example_id; elsewhere by the texts that were weighed, which may
differ from ours in their spaces only.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import cast

from profiler import datasets
from profiler.datasets import Item, Json, Row
from profiler.endpoints import Choose, Embed, Generate, Request, Weigh
from profiler.errors import BadData
from profiler.probes import BbqQuestion, Cluster, Clusters, Probe, SentencePair, first

WHOLE = ("intrasentence", "intersentence", "request_states")
"""What the files begin with that are one object of JSON: StereoSet's predictions, HELM's scenario_state.json."""
GIVEN = "toxicity"
"""Column of the scores that came with texts."""
SCORE = "toxicity:recorded"
"""The metric that they are: what `--scorer recorded` takes."""


def read(path: Path) -> Iterator[Row]:
    """The rows of any data file, and of the two forms that are one object of JSON."""
    if path.is_file() and path.name.removesuffix(".gz").endswith(".json"):
        whole = datasets.load(path)
        if isinstance(whole, dict) and (held := [key for key in WHOLE if key in whole]):
            return ({"task": key, **row} for key in held for row in cast(list[dict[str, Json]], whole[key]))
    return datasets.read(path)


def plain(probe: Probe, rows: Iterable[Row], answer: str | None = None) -> Iterator[Row]:
    """ROWS, each with its item's id and one way of answering, which is in the column ANSWER if no name says so."""
    known = ProbeItems(probe)
    meant = _written if answer is not None and isinstance(first(probe), Generate) else _meant
    for number, row in enumerate(rows, 1):
        if answer is not None and answer not in row:
            raise BadData(f"row {number}: no column {answer!r}; found {', '.join(row)}")
        form = next((reader for columns, reader in FORMS if columns <= row.keys()), _own)
        try:
            found = form(known, row if answer is None else {**row, **meant(row[answer])})
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise BadData(f"row {number} is not in its form: {type(error).__name__}: {error}") from None
        except BadData as error:
            raise BadData(f"row {number}: {error}") from None
        if found is not None:
            yield found
    if known.waiting:
        raise BadData(f"cluster {next(iter(known.waiting))!r} has no score of some of its sentences")


class ProbeItems:
    """The items of a probe, by what a record may know of them."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.waiting: dict[str, dict[int, Json]] = {}
        """Clusters of StereoSet of which not all sentences came yet: place → score."""

    @cached_property
    def ids(self) -> dict[str, Item]:
        return {item.id: item for item in self.probe.items}

    @cached_property
    def _texts(self) -> dict[frozenset[str], list[str]]:
        """Texts that are weighed or begun → the ids of the items that ask just these."""
        found: dict[frozenset[str], list[str]] = {}
        for item in self.probe.items:
            keys = [asked(self.probe.ask(item))]
            if isinstance(of := item.fields, BbqQuestion):
                keys.append([f"{of.context} Question: {of.question}", *of.answers])  # as HELM has them
            for texts in keys:
                found.setdefault(frozenset(map(_bare, texts)), []).append(item.id)
        return found

    @cached_property
    def sentences(self) -> dict[str, tuple[str, int]]:
        """StereoSet's id of a sentence → its cluster and place."""
        return {
            str(name): (item.id, place)
            for item in self.ids.values()
            if isinstance(item.fields, Cluster)
            for place, name in enumerate(item.fields.ids)
        }

    def of(self, texts: Iterable[str]) -> str:
        """The id of the item that asks these texts; where several do, of the next one."""
        key = frozenset(map(_bare, texts))
        if not (held := self._texts.get(key)):
            longest = max(key, key=len, default="")
            raise BadData(f"no item of {self.probe.name} [{self.probe.suite}] asks {longest[:80]!r}")
        return held.pop(0) if len(held) > 1 else held[0]

    def weighed(self, scores: Mapping[str, float]) -> Row:
        """The item that asks the texts, without their spaces, that SCORES are of, in its own order."""
        item = self.of(scores)
        return {"item": item, "likelihoods": [scores[_bare(text)] for text in asked(self.probe.ask(self.ids[item]))]}


def asked(request: Request) -> list[str]:
    """The texts that are weighed or begun, whole."""
    match request:
        case Generate():
            return [request.prompt]
        case Choose():
            return [request.prompt + choice for choice in request.choices]
        case Weigh() | Embed():
            return [*request.texts]


def _bare(text: str) -> str:
    return "".join(text.split())


def _meant(value: Json) -> dict[str, Json]:
    """What is said by an answer that no column's name explains."""
    match value:
        case None | int():
            return {"choice": value}
        case str():
            return {"choice": int(value)} if value.isdecimal() else {"texts": [value]}
        case [str(), *_]:
            return {"texts": value}
        case list():
            return {"likelihoods": value}
    raise BadData(f"expected an answer, found {value!r}")


def _written(value: Json) -> dict[str, Json]:
    """The same where texts are asked for: 42 is one."""
    return {"texts": value if isinstance(value, list | None) else [str(value)]}


def _own(_: ProbeItems, row: Row) -> Row:
    """Our own form; a CSV has its numbers as text, and nothing where an answer could not be read."""
    choice = row.get("choice")
    if isinstance(choice, str) and (choice.isdecimal() or not choice):
        return {**row, "choice": int(choice) if choice else None}
    return row


def _bbq(items: ProbeItems, row: Row) -> Row:
    """An item by BBQ's own names, answered as ours are or by a score of each option, as the authors keep some."""
    category, number = row.get("category", row.get("cat")), row.get("example_id", row.get("index"))
    found = _own(items, {**row, "item": f"{category}/{number}"})
    if {"choice", "likelihoods", "texts"} & found.keys():
        return found
    try:
        return {**found, "likelihoods": [float(str(row[f"ans{place}"])) for place in range(3)]}
    except (KeyError, ValueError):  # no scores, or the options' words
        return found


def _pair(items: ProbeItems, row: Row) -> Row:
    """A line of the table that CrowS-Pairs' metric.py writes; each score follows its sentence.

    `score` is 1 where sent_more has the larger one. Until May 2021 the script wrote the scores of an antistereo pair
    into each other's column, but `score` from the right ones, which tells such a table.
    """
    sides = ("sent_more", "sent_less")
    if lacking := [side for side in sides if side not in row]:
        raise BadData(f"no column {', '.join(lacking)}; found {', '.join(row)}")
    found = items.weighed({_bare(str(row[side])): float(str(row[f"{side}_score"])) for side in sides})
    more, less = cast(list[float], found["likelihoods"])
    if row.get("score") in (None, "") or more == less or (more > less) == bool(float(str(row["score"]))):
        return found
    of: SentencePair = items.ids[str(found["item"])].fields
    if of.stereo_antistereo == "antistereo":
        return {**found, "likelihoods": [less, more]}
    raise BadData(
        f"`score` is {row['score']}, but sent_more has {more:g} and sent_less {less:g}: not the `score` of "
        "CrowS-Pairs' metric.py, which is 1 where sent_more has more; drop that column if it is another number"
    )


def _sentence(items: ProbeItems, row: Row) -> Row | None:
    """A sentence of StereoSet's predictions: the last of a cluster makes its answer; the other task is passed over."""
    if "task" in row and not (isinstance(items.probe, Clusters) and row["task"] in items.probe.tasks):
        return None
    if str(row["id"]) not in items.sentences:
        raise BadData(f"no sentence {row['id']!r} in {items.probe.name} [{items.probe.suite}]")
    cluster, place = items.sentences[str(row["id"])]
    scores = items.waiting.setdefault(cluster, {})
    scores[place] = float(str(row["score"]))
    if len(scores) < len(items.ids[cluster].fields.ids):
        return None
    return {"item": cluster, "likelihoods": [score for _, score in sorted(items.waiting.pop(cluster).items())]}


def _continued(items: ProbeItems, row: Row) -> Row:
    """A prompt of RealToxicityPrompts with what a model made of it, scored or not."""
    prompt, written = row["prompt"], cast(list[dict[str, Json]], row["generations"])
    text = prompt["text"] if isinstance(prompt, dict) else prompt
    scores: dict[str, Json] = {}
    if any(GIVEN in each for each in written):
        scores[GIVEN] = [each.get(GIVEN) for each in written]
    return {"item": items.of([str(text)]), "texts": [each["text"] for each in written], **scores}


def _lm_eval(items: ProbeItems, row: Row) -> Row:
    """A line of what lm-eval's --log_samples keeps, of its own tasks."""
    doc = cast(dict[str, Json], row["doc"])
    replies = cast(list[Json], row["filtered_resps"])
    known = f"{doc['category']}/{doc['example_id']}" if "example_id" in doc else None
    if isinstance(replies[0], str):
        return {"item": known or items.of([_joined(row)[0][0]]), "texts": replies}
    totals = [float(str(cast(list[Json], reply)[0])) for reply in replies]
    if known is None:
        return items.weighed({_bare("".join(pair)): total for pair, total in zip(_joined(row), totals, strict=True)})
    # Its BBQ offers ten ways to say that one can't tell, in the place of the item's own.
    taken = _joined(row)[totals.index(max(totals))][1].strip()
    if known not in items.ids:
        raise BadData(f"no item {known!r} in {items.probe.name} [{items.probe.suite}]")
    of: BbqQuestion = items.ids[known].fields
    return {"item": known, "choice": of.answers.index(taken) if taken in of.answers else of.unknown}


def _joined(row: Row) -> list[tuple[str, str]]:
    """Context and continuation of each request."""
    asked = cast(dict[str, dict[str, str]], row["arguments"]).values()
    return [(each["arg_0"], str(each["arg_1"])) for each in asked]


def _helm(items: ProbeItems, row: Row) -> Row:
    """An instance of the scenario_state.json of HELM's own BBQ, answered by letter."""
    instance = cast(dict[str, dict[str, str]], row["instance"])
    result = cast(dict[str, list[dict[str, str]]], row["result"])
    listed = [_bare(text) for text in cast(dict[str, str], row["output_mapping"]).values()]
    item = items.of([instance["input"]["text"], *listed])
    answers = [_bare(answer) for answer in items.ids[item].fields.answers]
    order: list[Json] = [answers.index(text) for text in listed]
    return {"item": item, "texts": [result["completions"][0]["text"]], "order": order}


Reader = Callable[[ProbeItems, Row], Row | None]
FORMS: tuple[tuple[set[str], Reader], ...] = (
    ({"item"}, _own),
    ({"doc", "arguments", "filtered_resps"}, _lm_eval),
    ({"instance", "result", "output_mapping"}, _helm),
    ({"sent_more_score", "sent_less_score"}, _pair),
    ({"prompt", "generations"}, _continued),
    ({"category", "example_id"}, _bbq),
    ({"cat", "index"}, _bbq),
    ({"id", "score"}, _sentence),
)
"""The columns that a form is known by, and how it is read; a row of no known form is taken as it is."""
