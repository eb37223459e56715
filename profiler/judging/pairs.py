"""Pairs of answers to judge: the shipped ones, those of any file, and those made of what two writers wrote."""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path

from profiler import datasets
from profiler.datasets import Row, official
from profiler.errors import BadData
from profiler.judging.columns import UNSAID, FileForm
from profiler.judging.records import Pair, Winner
from profiler.judging.verdict_files import NAMES, PairLabels, read_labels

PROMPTS = ("prompt", "instruction", "question", "query", "input", "context")
TEXTS = ("text", "output", "answer", "response", "completion")
WRITERS = ("source", "generator", "writer", "model", "teacher")

PANDALM = official("pandalm")


def load_pairs(names: Sequence[str], form: FileForm = UNSAID) -> list[Pair]:
    """The sets called mini or pandalm, or the pairs of files, with what humans say of them."""
    if [*names] == ["mini"]:
        return [Pair.model_validate(row) for row in datasets.mini.rows("pairs")]
    if [*names] == ["pandalm"]:
        (file,) = PANDALM.files
        PANDALM.read(file)  # says what is wrong where it is not what its authors published
        path = PANDALM.get(file).path
        return pairs_of(read_labels([path]), path.name)
    paths = [Path(name).expanduser() for name in names]
    return pairs_of(read_labels(paths, form, needed=False), ", ".join(path.name for path in paths))


def pairs_of(labels: PairLabels, name: str) -> list[Pair]:
    """The pairs behind labels, with the humans' among these."""
    humans: dict[str, dict[str, Winner]] = {key: {} for key in labels.pairs}
    for rater, theirs in labels.raters.items():
        for key, vote in theirs.votes[False].items() if theirs.human else ():
            if vote.code >= 0:
                humans[key][rater] = NAMES[vote.code]
    for pair in labels.pairs.values():
        if not (pair.prompt and (pair.a or pair.b)):
            raise BadData(f"pair {pair.id!r} of {name}: expected a prompt and two answers, found none; "
                          "columns such as prompt, a and b, or instruction, output_1 and output_2")  # fmt: skip
        if pair.id in labels.halves:
            raise BadData(f"pair {pair.id!r} of {name}: an answer is null, which can't be judged; an empty one is ''")
    return [pair.model_copy(update={"humans": humans[key]}) for key, pair in labels.pairs.items()]


def pairs_between(paths: Sequence[Path], first: str, second: str) -> list[Pair]:
    """Pairs of what two writers wrote to the same prompts: each one's first text."""
    wrote: dict[str, dict[str, str]] = {}
    known: dict[str, None] = {}
    for path in paths:
        for row in datasets.read(path):
            prompt, text, writer = _candidate(row, path)
            known[writer] = None
            if writer in (first, second):
                wrote.setdefault(prompt, {}).setdefault(writer, text)
    for writer in (first, second):
        if writer not in known:
            raise BadData(f"no text of {writer!r}; the writers are {', '.join(known)}")
    found = []
    for prompt, texts in wrote.items():
        if len(texts) == 2:
            key = blake2b(prompt.encode("utf-8", "replace"), digest_size=8).hexdigest()
            found.append(Pair(id=key, prompt=prompt, a=texts[first], b=texts[second], writer_a=first, writer_b=second))
    return found


def _candidate(row: Row, path: Path) -> tuple[str, str, str]:
    prompt = "\n\n".join(str(row[column]) for column in ("instruction", "input") if row.get(column))
    prompt = prompt if "instruction" in row else _text(row, PROMPTS, path)
    usual = Path(path.name.removesuffix(".gz")).stem
    writer = next((str(row[column]) for column in WRITERS if row.get(column) is not None), usual)
    return prompt, _text(row, TEXTS, path), writer


def _text(row: Row, columns: Iterable[str], path: Path) -> str:
    found = next((row[column] for column in columns if isinstance(row.get(column), str)), None)
    if found is None:
        raise BadData(f"{path.name}: expected one of the columns {', '.join(columns)}, found {', '.join(row)}")
    return str(found)
