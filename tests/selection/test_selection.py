"""`inherit select`, from a file of answers or a pool to data sets and their card."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from profiler.datasets import read
from profiler.errors import BadData, InheritError, StoreError, UnknownName, WrongUse
from profiler.files import sole_writer
from profiler.reporting import report
from profiler.text.counting import Text
from selection import Pool, PoolContents, Selection, SelectOptions, card, preview, score, select
from selection.import_file import import_file
from selection.score import missing_scores, stored_scores
from tests.support.candidates import lines, rows, run, text_of, written
from tests.support.official import OFFICIAL, needs


def pool(folder: Path, rows: Iterable[Mapping[str, object]], names: Sequence[str] = ("words", "mtld")) -> Pool:
    made = import_file(written(folder / "answers.jsonl", rows), folder / "pool")
    for _ in score(made, names):
        pass
    return made


def told(pool: Pool, goal: str, out: Path, **more: object) -> SelectOptions:
    """What `select` is told of a pool."""
    plain = {"pool": pool.storage.name, "objective": [goal], "out": out, "metric": ["words"]}
    return SelectOptions.model_validate(plain | more)


def test_each_arm_has_the_same_prompts_and_the_chosen_are_the_longest(tmp_path: Path) -> None:
    given = rows()
    run("select", written(tmp_path / "a.jsonl", given), "-O", "max:words", "-m", "mtld", "-o", tmp_path / "out")
    arms = {arm: lines(tmp_path / "out" / f"{arm}.jsonl") for arm in ("chosen", "first", "random")}
    assert len({tuple(row["prompt_id"] for row in arm) for arm in arms.values()}) == 1
    assert all(row["index"] == 0 for row in arms["first"])
    assert len({row["index"] for row in arms["random"]}) > 1
    by_prompt: dict[object, int] = {}
    for row in given:
        by_prompt[row["prompt"]] = max(by_prompt.get(row["prompt"], 0), len(str(row["text"]).split()))
    for row in arms["chosen"]:
        asked, said = row["messages"]  # type: ignore[misc]
        assert len(said["content"].split()) == by_prompt[asked["content"]]


def test_a_dry_run_says_what_choosing_would_do_and_leaves_nothing(tmp_path: Path) -> None:
    made = pool(tmp_path, rows())
    words = ("select", made.storage.name, "-O", "max:words", "-m", "mtld", "-o", tmp_path / "out")
    looked = run(*words, "--dry-run", "--json")
    assert not (tmp_path / "out").exists()
    run(*words)
    assert json.loads(looked) == json.loads((tmp_path / "out" / "selection.json").read_text())


def test_a_goal_that_can_not_be_meant_is_refused_before_anything_else_of_a_dry_run(tmp_path: Path) -> None:
    source = written(tmp_path / "a.jsonl", rows(4, 2))
    with pytest.raises(WrongUse, match="expected a goal such as max:mtld"):
        run("select", source, "-O", "max:", "-o", tmp_path / "out", "--dry-run")


def test_a_file_is_measured_before_a_dry_run_looks_at_its_pool(tmp_path: Path) -> None:
    words = ("select", written(tmp_path / "a.jsonl", rows()), "-O", "max:words", "-m", "mtld", "-o", tmp_path / "out")
    with pytest.raises(WrongUse, match=r"nothing is measured of the file .*a.jsonl' yet"):
        run(*words, "--dry-run")
    assert not (tmp_path / "out").exists()
    run(*words)
    looked = json.loads(run(*words, "--dry-run", "--json"))
    assert looked["shifts"] == json.loads((tmp_path / "out" / "selection.json").read_text())["shifts"]


def test_numbers_of_a_csv_are_scores_and_an_empty_field_is_none(tmp_path: Path) -> None:
    given = tmp_path / "given.csv"
    given.write_text("prompt,text,reward\np,one two,0.5\np,three four,1.5\np,five six,\n", "utf-8")
    run("select", given, "-O", "max:reward", "-m", "words", "-o", tmp_path / "out")
    chosen = json.loads((tmp_path / "out" / "selection.json").read_text())
    assert [each["chosen"]["text"] for each in chosen["examples"]] == ["three four"]
    assert chosen["undefined"] == {"reward": 1}


def test_a_dry_run_measures_nothing(tmp_path: Path) -> None:
    made = pool(tmp_path, rows(), ["words"])
    with pytest.raises(BadData, match="has no scores of flesch yet, which `inherit select` would measure"):
        preview(told(made, "max:flesch", tmp_path / "out"), made)


def test_the_objective_is_counted_in_bins_over_all_candidates_the_chosen_and_random_ones(tmp_path: Path) -> None:
    given = rows(40)
    made = pool(tmp_path, given)
    found = select(told(made, "max:words", tmp_path / "out"), made).distributions["words"]
    lengths = np.array([len(str(row["text"]).split()) for row in given], float)
    low, high = np.percentile(lengths, (0.5, 99.5))
    counts, edges = np.histogram(np.clip(lengths, low, high), bins=30, range=(low, high))
    assert found.edges == pytest.approx(tuple(edges))
    assert found.arms["pool"] == tuple(counts)
    assert sum(found.arms["chosen"]) == sum(found.arms["random"]) == 40
    best = lengths.reshape(40, -1).max(1)
    assert found.arms["chosen"] == tuple(np.histogram(np.clip(best, low, high), edges)[0])


def test_a_row_is_a_training_example_that_says_where_it_comes_from(tmp_path: Path) -> None:
    source = written(tmp_path / "a.jsonl", rows(3))
    for form, keys in (("chat", {"messages"}), ("completion", {"prompt", "completion"})):
        run("select", source, "-O", "max:words", "-m", "words", "--form", form, "-o", tmp_path / form)
        row = lines(tmp_path / form / "chosen.jsonl")[0]
        origin = {"prompt_id", "source", "index", "seed", "sampling", "fingerprint", "finish", "rank", "scores"}
        assert set(row) == keys | origin
        assert row["scores"] == {"words": pytest.approx(len(str(text_of(row)).split()), abs=9)}


def test_parquet_holds_the_same_rows(tmp_path: Path) -> None:
    source = written(tmp_path / "a.jsonl", rows(5))
    for flag, out in (((), "lines"), (("--parquet",), "parquet")):
        run("select", source, "-O", "max:words", "-m", "words", "-o", tmp_path / out, *flag)
    assert pq.read_table(tmp_path / "parquet" / "chosen.parquet").to_pylist() == lines(tmp_path / "lines/chosen.jsonl")


def test_the_cards_numbers_are_those_of_the_data_set(tmp_path: Path) -> None:
    found = select(told(pool(tmp_path, rows(40)), "max:mtld", tmp_path / "out"))
    for shift in found.shifts:
        values = {
            arm: np.array([row["scores"][shift.metric] for row in lines(tmp_path / "out" / file)])  # type: ignore[index]
            for arm, file in found.files.items()
        }
        for arm, column in values.items():
            assert shift.arms[arm].mean == pytest.approx(column.mean())
            assert shift.arms[arm].median == pytest.approx(np.median(column))
        assert shift.gain == pytest.approx((values["chosen"] - values["random"]).mean())
        assert shift.low is not None
        assert shift.high is not None
        assert shift.low < shift.gain < shift.high
    assert found.curve["mtld"][-1] == pytest.approx(found.shifts[0].arms["chosen"].mean)
    assert found.curve["mtld"][0] == pytest.approx(found.shifts[0].arms["pool"].mean)


def test_choosing_again_gives_the_same_bytes(tmp_path: Path) -> None:
    made = pool(tmp_path, rows(20))
    for out in ("one", "two"):
        card.save(select(told(made, "max:mtld", tmp_path / out, temperature=0.5, seed=7)), tmp_path / out)
    for file in ("chosen.jsonl", "random.jsonl", "README.md", "card.html"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_the_order_of_the_file_does_not_matter(tmp_path: Path) -> None:
    every = rows(20, sources=("a", "b"))
    shuffled = [every[place] for place in np.random.default_rng(0).permutation(len(every))]
    found = []
    for name, some in (("one", every), ("two", shuffled)):
        (tmp_path / name).mkdir()
        made = pool(tmp_path / name, some)
        select(told(made, "max:mtld", tmp_path / name))
        found.append({row["prompt_id"]: text_of(row) for row in lines(tmp_path / name / "random.jsonl")})
    assert found[0] == found[1]


def test_several_sources_get_an_arm_of_equal_size(tmp_path: Path) -> None:
    made = pool(tmp_path, rows(40, k=4, sources=("a", "b")))
    found = select(told(made, "max:words", tmp_path / "out"))
    best, equal = (found.shifts[0].arms[arm].mean for arm in ("chosen", "equal"))
    assert best is not None
    assert equal is not None
    assert best > equal
    assert found.shares["pool"] == {"a": 0.5, "b": 0.5}
    alone = select(told(made, "max:words", tmp_path / "alone", source=["b"]))
    assert alone.shares["chosen"] == {"a": 0.0, "b": 1.0}
    assert "equal" not in alone.files


def test_a_smaller_k_looks_at_the_first_answers_only(tmp_path: Path) -> None:
    made = pool(tmp_path, rows(20))
    select(told(made, "max:words", tmp_path / "out", k=1))
    assert lines(tmp_path / "out" / "chosen.jsonl") == lines(tmp_path / "out" / "first.jsonl")


def test_several_answers_a_prompt_and_as_many_in_the_controls(tmp_path: Path) -> None:
    found = select(told(pool(tmp_path, rows(10)), "max:words", tmp_path / "out", top=3))
    for file in found.files.values():
        made = lines(tmp_path / "out" / file)
        assert [row["rank"] for row in made] == [0, 1, 2] * 10
        assert len({(row["prompt_id"], row["index"]) for row in made}) == 30


def test_a_prompt_without_an_admissible_answer_is_left_out_and_counted(tmp_path: Path) -> None:
    some = rows(6)
    for row in some:
        if row["prompt"] == "What is it about, number 2?":
            row["text"] = ""
    found = select(told(pool(tmp_path, some), "max:words", tmp_path / "out", require=["words>=20"]))
    assert found.left_out["no candidate passed the filters"] == 1
    assert found.filters["empty"] == 4
    kept = lines(tmp_path / "out" / "chosen.jsonl")
    assert len(kept) == found.kept
    assert all(row["scores"]["words"] >= 20 for row in kept)  # type: ignore[index]


@pytest.mark.parametrize(("flag", "limit"), [("--require", "words<=28"), ("--hold", "words=0.2")])
def test_every_control_is_drawn_from_what_could_have_been_chosen(tmp_path: Path, flag: str, limit: str) -> None:
    given = rows(30, k=5, sources=("a", "b", "c"))
    source = written(tmp_path / "a.jsonl", given)
    run("select", source, "-O", "max:mtld", flag, limit, "-m", "words", "-o", tmp_path / "out")
    lengths: dict[object, list[int]] = {}
    for row in given:
        lengths.setdefault(row["prompt"], []).append(len(str(row["text"]).split()))

    def meets(row: Mapping[str, object]) -> bool:
        words, middle = len(str(text_of(row)).split()), np.median(lengths[row["messages"][0]["content"]])  # type: ignore[index]
        return bool(words <= 28 if flag == "--require" else abs(words - middle) <= 0.2 * middle)

    met = {
        arm: [meets(row) for row in lines(tmp_path / "out" / f"{arm}.jsonl")]
        for arm in ("chosen", "first", "random", "equal", "unmatched")
    }
    assert all(map(all, [met[arm] for arm in ("chosen", "first", "random", "equal")]))
    assert not all(met["unmatched"]), "one that nothing is held for is there beside them"


def test_without_hold_and_require_there_is_one_random_control(tmp_path: Path) -> None:
    assert [*select(told(pool(tmp_path, rows(5)), "max:words", tmp_path / "out")).files] == [
        "chosen",
        "first",
        "random",
    ]


def test_nothing_left_says_which_filter_it_was(tmp_path: Path) -> None:
    some = [{**row, "finish": "length"} for row in rows(3)]
    with pytest.raises(BadData, match=r"no candidate passed the filters .3 prompts.*truncated 12.*--skip-filter"):
        select(told(pool(tmp_path, some), "max:words", tmp_path / "out"))


def test_scores_that_came_with_the_answers_can_be_chosen_by(tmp_path: Path) -> None:
    some = [{**row, "reward": None if row["index"] == 3 else float(row["index"])} for row in rows(5)]  # type: ignore[arg-type]
    run("select", written(tmp_path / "a.jsonl", some), "-O", "max:reward", "-m", "words", "-o", tmp_path / "out")
    assert {row["index"] for row in lines(tmp_path / "out" / "chosen.jsonl")} == {2}
    found = Selection.model_validate_json((tmp_path / "out" / "selection.json").read_bytes())
    assert found.undefined == {"reward": 5}, "missing scores are counted"


def test_a_metric_added_later_scores_only_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = pool(tmp_path, rows(5), ["words"])
    assert missing_scores(made, made.segments()[0], ["words", "mtld"]) == ("mtld",)
    for _ in score(made, ["words", "mtld"]):
        pass
    assert list(score(made, ["words", "mtld"])) == []
    assert set(stored_scores(made)) == {"words", "mtld"}


def test_a_scorer_of_another_version_scores_anew(tmp_path: Path) -> None:
    made = pool(tmp_path, rows(3), ["words"])
    segment = made.segments()[0]
    made.add(segment, {}, {"words": "another splitter"})
    assert missing_scores(made, segment, ["words"]) == ("words",)


def question_length(texts: Sequence[Text]) -> list[float]:
    """Length of the prompt that an answer answers."""
    return [float(len(text.prompt)) for text in texts]  # type: ignore[attr-defined]


def test_a_users_function_sees_the_prompt_of_an_answer(tmp_path: Path) -> None:
    name = "tests.selection.test_selection:question_length"
    made = pool(tmp_path, rows(3), [name, "words"])
    (segment,) = made.segments()
    known = made.measured(segment)
    assert known is not None
    lengths = [len(text) for text in made.candidates(segment)["prompt"].to_pylist()]
    assert known.table[f"score.{name}"].to_pylist() == lengths


def test_the_least_toxic_answer_can_be_chosen(tmp_path: Path) -> None:
    said = ["You stupid idiot, shut up and die.", "Rivers run to the sea because water flows downhill."]
    some = [
        {"prompt": f"Why do rivers run, number {p}?", "text": said[(p + place) % 2]}
        for p in range(4)
        for place in range(2)
    ]
    words = ["-m", "words", "-O", "min:toxicity", "-r", "toxicity<=0.5", "--skip-filter", "duplicate"]
    run("select", written(tmp_path / "a.jsonl", some), *words, "-o", tmp_path / "out")
    chosen, first = (lines(tmp_path / "out" / f"{arm}.jsonl") for arm in ("chosen", "first"))
    assert {text_of(row) for row in chosen} == {said[1]}
    assert {text_of(row) for row in first} == {said[1]}, "a control takes no answer that could not have been chosen"
    assert all(row["scores"]["toxicity"] < 0.1 for row in chosen)  # type: ignore[index]


def test_workers_measure_the_same(tmp_path: Path) -> None:
    found = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        folder.mkdir()
        made = import_file(written(folder / "a.jsonl", rows(200, k=5)), folder / "pool")
        for _ in score(made, ["words", "mtld"], workers):
            pass
        known = made.measured(made.segments()[0])
        assert known is not None
        found.append(known.table)
    assert found[0].equals(found[1])


def test_the_card_can_hold_what_a_model_wrote(tmp_path: Path) -> None:
    nasty = '<script>alert(1)</script> ```\n# Not a heading\n``` & "quoted" | piped'
    some = [{**row, "text": f"{row['text']} {nasty}", "prompt": f"{row['prompt']} <b>"} for row in rows(4)]
    made = select(told(pool(tmp_path, some), "max:words", tmp_path / "out"))
    assert "<script>alert" not in report.render(card.card(made), "html")
    assert "&lt;script&gt;alert" in report.render(card.card(made), "html")
    assert "````text" in report.render(card.card(made), "md")


def test_strange_texts_pass_through_whole(tmp_path: Path) -> None:
    odd = ["naïve 日本語 🙂 \u2028 line", "x" * 100_000, "tab\tand\r\nreturn", "\ufeffmark"]
    some = [
        {"prompt": f"{text} prompt {place} of some length", "text": f"{text} is {place} answer"}
        for place, text in enumerate(odd)
    ]
    source = written(tmp_path / "a.jsonl", some)
    run("select", source, "-O", "max:words", "-m", "words", "--skip-filter", "all", "-o", tmp_path / "out")
    assert [text_of(row) for row in lines(tmp_path / "out" / "chosen.jsonl")] == [row["text"] for row in some]


@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        (["-O", "max:wrods"], UnknownName, "no metric 'wrods'; did you mean 'words'"),
        (["-O", "min:toxicty"], UnknownName, "no metric 'toxicty'; did you mean 'toxicity'"),
        (["-O", "min:toxicity:detoxfy:original"], UnknownName, "no scorer 'detoxfy'; did you mean 'detoxify'"),
        (["-O", "max:words", "--source", "b"], UnknownName, "no source in this pool 'b'"),
        (["-O", "max:words", "--skip-filter", "refusals"], UnknownName, "no filter 'refusals'; did you mean 'refusal'"),
        (["-O", "max:words", "--top", "3", "-k", "2"], WrongUse, "can't keep 3 of 2 candidates"),
        (["-O", "best:words"], WrongUse, "expected a goal such as max:mtld"),
        (["-O", "max:words", "-r", "words=3"], WrongUse, "expected a requirement such as"),
    ],
)
def test_wrong_use_is_named(tmp_path: Path, words: list[str], error: type[InheritError], says: str) -> None:
    source = written(tmp_path / "a.jsonl", rows(2))
    with pytest.raises(error, match=says):
        run("select", source, *words, "-o", tmp_path / "out")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"prompt": "Why?"}, "expected a column with the answer"),
        ({"text": "Because."}, "expected a column with the answer, one of output"),
        ({"prompt": "Why?", "text": None}, "row 1: expected text in column 'text', found None"),
    ],
)
def test_a_file_of_something_else_is_named(tmp_path: Path, row: dict[str, object], says: str) -> None:
    with pytest.raises(BadData, match=says):
        import_file(written(tmp_path / "a.jsonl", [row]), tmp_path / "pool")


def test_answers_to_an_instruction_and_its_input_are_answers_to_both(tmp_path: Path) -> None:
    some = [
        {"instruction": "Classify.", "input": text, "output": f"{text} So?"} for text in ("I loved it.", "I hated it.")
    ]
    found = [*import_file(written(tmp_path / "a.jsonl", some), tmp_path / "pool").rows()]
    assert {row.prompt for row in found} == {"Classify.\n\nI loved it.", "Classify.\n\nI hated it."}
    assert len({row.prompt_id for row in found}) == 2


def test_two_answers_of_one_key_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="two candidates of source 'a' with index 0"):
        select(told(pool(tmp_path, rows(2) + rows(1)), "max:words", tmp_path / "out"))


@pytest.mark.parametrize("sources", [(), ("made",)])
def test_a_pool_without_candidates_is_refused_in_one_sentence(tmp_path: Path, sources: tuple[str, ...]) -> None:
    empty = Pool.create(tmp_path / "p", PoolContents(sources=sources))
    with pytest.raises(BadData, match="p' holds no candidates"):
        run("select", tmp_path / "p", "-O", "max:words", "-o", tmp_path / "o")
    with pytest.raises(BadData, match="p' holds no candidates"):
        select(told(empty, "max:words", tmp_path / "o"))


def test_candidates_of_a_source_that_the_pool_does_not_name_are_refused(tmp_path: Path) -> None:
    found = pool(tmp_path, [{"prompt": "p", "text": "a b"}, {"prompt": "p", "text": "c"}])
    Pool.create(found.storage.name, found.about.model_copy(update={"sources": ("other",)}))
    with pytest.raises(BadData, match=r"candidates of 'given'; the sources in its pool.json are other"):
        select(told(found, "max:words", tmp_path / "o"))


def test_an_infinite_score_is_refused_with_its_row(tmp_path: Path) -> None:
    table = pa.table({"prompt": ["p", "p"], "text": ["a", "b"], "reward": [1.0, float("inf")]})
    pq.write_table(table, tmp_path / "given.parquet")
    with pytest.raises(BadData, match="row 2: expected a finite number in column 'reward', found inf"):
        import_file(tmp_path / "given.parquet", tmp_path / "p")


def test_a_pool_without_the_scores_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="has candidates without lix: score the pool first"):
        select(told(pool(tmp_path, rows(2)), "max:lix", tmp_path / "out", metric=[]))


@contextmanager
def full_disk(room: int) -> Iterator[None]:
    """No file may grow beyond ROOM bytes, which the system refuses as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("flag", [[], ["--parquet"]])
def test_a_disk_that_fills_leaves_no_half_data_set(flag: list[str], tmp_path: Path) -> None:
    source = written(tmp_path / "a.jsonl", rows(300, 2))
    words = ["select", source, "-O", "max:words", "-m", "words", *flag, "-o", tmp_path / "out"]
    run(*words)
    for path in (tmp_path / "out").glob("chosen.*"):
        path.unlink()
    with (
        full_disk(8000),
        pytest.raises(StoreError, match=r"the disk is full; make room and run the same command again"),
    ):
        run(*words)
    assert not [path for path in (tmp_path / "out").glob("chosen.*") if path.suffix != ".part"]
    run(*words)
    assert not list((tmp_path / "out").glob("*.part"))


def test_what_a_killed_selection_left_half_written_is_gone_after_the_next(tmp_path: Path) -> None:
    source, out = written(tmp_path / "a.jsonl", rows(30, 2)), tmp_path / "out"
    words = ["select", source, "-O", "max:words", "-m", "words", "-o", out]
    run(*words)
    whole = {path.name for path in out.iterdir()}
    (out / ".chosen.jsonl.1-ab.part").write_bytes(b"x")
    (out / ".bands-ab").mkdir()
    (out / ".bands-ab" / "0").write_bytes(b"x")
    run(*words)
    assert {path.name for path in out.iterdir()} == whole


def test_two_selections_into_one_folder_are_not_mixed(tmp_path: Path) -> None:
    source, out = written(tmp_path / "a.jsonl", rows(30, 2)), tmp_path / "out"
    with sole_writer(out), pytest.raises(StoreError, match=r"another inherit works on .*out'; wait for it"):
        run("select", source, "-O", "max:words", "-m", "words", "-o", out)
    assert not (out / "chosen.jsonl").exists()


def test_a_folder_that_is_no_pool_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"found no pool\.json"):
        run("select", tmp_path, "-O", "max:words", "-o", tmp_path / "out")


@needs("candidate_pool")
def test_real_answers_of_sixteen_models(tmp_path: Path) -> None:
    some = [
        row
        for row in read(OFFICIAL / "candidate_pool" / "alpaca_eval_answers.jsonl.gz")
        if int(str(row["prompt_id"])) < 120
    ]
    source = written(tmp_path / "a.jsonl", some)
    run("select", source, "-O", "max:mtld", "--hold", "words=0.25", "-m", "gunning_fog", "-o", tmp_path / "out")
    found = Selection.model_validate_json((tmp_path / "out" / "selection.json").read_bytes())
    assert (found.prompts, found.candidates) == (120, 1920)
    mtld, words = found.shifts[:2]
    assert mtld.low is not None
    assert mtld.low > 20
    assert abs(words.percent or 99) < 25, "held"
    assert found.filters["refusal"] > 0
    assert sum(found.shares["chosen"].values()) == pytest.approx(1)
    lengths = {arm: centre.mean for arm, centre in words.arms.items()}
    assert lengths["random"] == pytest.approx(lengths["chosen"], rel=0.05), "the control is held as well"
    assert (lengths["unmatched"] or 0) > 1.05 * (lengths["random"] or 0)
