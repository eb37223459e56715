"""Pools, judges and studies: told as their commands tell them."""

import json
import shutil
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from profiler.files import locked
from profiler.service.pools import Choice
from profiler.study import Findings, StageGraph, StageNode, StageRecord
from selection import Pool, SelectOptions, card, preview
from tests.hostile import texts
from tests.service import looked
from tests.service.looked import HTML, page
from tests.support import candidates
from training import Recipe, Training

RESULTS = Path(__file__).parents[2] / "examples" / "steer_length" / "results"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a selection, a file of verdicts, a study and one that has not ended."""
    return looked.reports(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def service(out: Path) -> TestClient:
    return looked.client(out)


@pytest.mark.parametrize(
    ("place", "ids"),
    [("pools", {"chosen"}), ("judges", {"verdicts.jsonl", "odd.jsonl"}), ("studies", {"study", "begun"})],
)
def test_each_kind_has_its_list(service: TestClient, place: str, ids: set[str]) -> None:
    found = service.get(f"/{place}.json").json()
    assert {row["id"] for row in found["rows"]} == ids
    for id in ids:
        assert f'href="/{place}/{id}"' in page(service, f"/{place}")


def test_an_empty_list_says_which_command_fills_it(tmp_path: Path) -> None:
    empty = looked.client(tmp_path)
    assert "inherit sample" in page(empty, "/pools")
    assert "inherit judge" in page(empty, "/judges")
    assert "inherit study" in page(empty, "/studies")


def test_a_selection_is_told_as_its_card_and_can_be_downloaded(out: Path, service: TestClient) -> None:
    told = page(service, "/pools/chosen")
    assert "Headroom of words" in told
    for name in service.get("/pools/chosen.json").json()["files"]:
        assert service.get(f"/pools/chosen/files/{name}").content == (out / "chosen" / name).read_bytes()
    assert "single.jsonl" in told or "chosen.jsonl" in told


def test_a_selection_shows_its_objective_before_and_after_and_answers_beside_each_other(service: TestClient) -> None:
    told = page(service, "/pools/chosen")
    assert "How words is distributed" in told
    drawn = service.get("/pools/chosen/chart.svg?name=distribution-1").text
    assert all(words in drawn for words in ("all candidates", "chosen", "random"))
    examples = next(part for part in service.get("/pools/chosen.json").json()["parts"] if part["id"] == "examples")
    assert [label for label, _, _ in examples["quotes"][0]] == ["Prompt", "Chosen", "Rejected"]


def test_another_objective_is_tried_by_the_scores_that_are_there_and_leaves_nothing(
    out: Path, service: TestClient
) -> None:
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    record = service.get("/api/pools/chosen?objective=max:mtld&top=2").json()
    asked = {"pool": out / "chosen" / "pool", "objective": ["max:mtld"], "top": 2, "out": out}
    told = preview(SelectOptions.model_validate(asked | {"pool": str(asked["pool"])}), Pool(out / "chosen" / "pool"))
    assert record["effects"]["selection"]["headroom"] == told.headroom
    assert record["effects"]["lead"] == card.lead(told)
    shown = page(service, "/pools/chosen?objective=max:mtld&top=2")
    assert "Headroom of mtld" in shown
    assert "inherit select pool -O max:mtld --top 2 -o chosen" in shown
    assert "<svg" in service.get("/pools/chosen/chart.svg?objective=max:mtld&top=2&name=distribution-1").text
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.name[0] != "."} == {
        path: at for path, at in before.items() if path.name[0] != "."
    }


@pytest.mark.parametrize(
    ("told", "field", "words"),
    [
        ("objective=mtld", "objective", "expected a goal such as max:mtld"),
        ("objective=max:toxicity", "objective", "has no scores of toxicity yet"),
        ("objective=max:words&require=words", "require", "expected a requirement"),
        ("objective=max:words&top=none", "top", "expected a whole number"),
    ],
)
def test_what_is_wrong_with_a_choice_stands_beside_its_field(
    service: TestClient, told: str, field: str, words: str
) -> None:
    assert words in service.get(f"/pools/chosen.json?{told}").json()["errors"][field]
    assert f'id="wrong-{field}"' in page(service, f"/pools/chosen?{told}")


def test_blanks_around_a_sign_belong_to_it() -> None:
    choice = Choice(objective="max:mtld  2 * min:flesch", require="words <= 90")
    assert (choice.words("objective"), choice.words("require")) == (("max:mtld", "2*min:flesch"), ("words<=90",))


def test_a_selection_whose_pool_lies_elsewhere_offers_no_other_objective(tmp_path: Path, out: Path) -> None:
    shutil.copytree(out / "chosen", tmp_path / "runs" / "alone")
    shutil.rmtree(tmp_path / "runs" / "alone" / "pool")
    found = selected(tmp_path / "runs" / "alone" / "selection.json", pool=str(out / "chosen" / "pool"))
    assert "Try another objective" not in found


def selected(path: Path, **fields: object) -> str:
    """The page of a selection whose record has other FIELDS."""
    path.write_bytes(json.dumps(json.loads(path.read_bytes()) | fields).encode())
    return page(looked.client(path.parents[1]), f"/pools/{path.parent.name}")


@pytest.mark.parametrize("name", ["../answers.jsonl", "..%2f..%2fanswers.jsonl", "options.toml", "nope"])
def test_nothing_else_can_be_downloaded(service: TestClient, name: str) -> None:
    assert service.get(f"/pools/chosen/files/{name}").status_code == 404


def test_verdicts_are_told_as_agree_tells_them(service: TestClient) -> None:
    assert "as a judge" in page(service, "/judges/verdicts.jsonl")
    assert "<svg" in service.get("/judges/verdicts.jsonl/chart.svg").text
    found = service.get("/judges/odd.jsonl", headers=HTML)
    assert found.status_code == 404
    assert "no" in found.text


@pytest.fixture
def panel(tmp_path: Path) -> TestClient:
    """Two judges and a human on three pairs, of which one goes by the order on two."""
    said = {"mild": ("aa", "ba", "ab"), "stern": ("aa", "bb", "bb")}  # of p1, p2, p3: as given, swapped
    rows = [
        {
            "pair": {
                "id": f"p{place + 1}",
                "prompt": f"Question {place}",
                "a": "One.",
                "b": "Two.",
                "humans": {"kim": "a"},
            },
            "judge": judge,
            "how": "text",
            "template": "t",
            "rulings": [{"order": order, "winner": pair[at]} for at, order in enumerate(("ab", "ba"))],
        }
        for judge, all_ in said.items()
        for place, pair in enumerate(all_)
    ]
    candidates.written(tmp_path / "panel.jsonl", rows)
    return looked.client(tmp_path)


def test_the_pairs_that_raters_differ_on_can_be_read(panel: TestClient) -> None:
    record = panel.get("/api/judges/panel.jsonl/pairs").json()
    assert record["counts"] == {"differ": 2, "flips": 2, "all": 3}
    first = record["pairs"][0]
    assert {said["rater"]: said["verdict"] for said in first["verdicts"]} == {"kim": "a", "mild": "tie", "stern": "b"}
    told = page(panel, "/judges/panel.jsonl/pairs")
    assert "Question 1" in told
    assert "Question 0" not in told
    assert "by the order" in told
    assert 'href="/judges/panel.jsonl/pairs"' in page(panel, "/judges/panel.jsonl")


def test_pairs_are_found_by_who_goes_by_the_order(panel: TestClient) -> None:
    record = panel.get("/judges/panel.jsonl/pairs.json?only=flips&rater=stern").json()
    assert record["pairs"] == []
    found = panel.get("/judges/panel.jsonl/pairs.json?only=flips").json()["pairs"]
    assert [one["flips"] for one in found] == [["mild"]] * 2


def test_pairs_come_a_page_at_a_time_each_once(panel: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("profiler.service.judges.EACH", 2)
    seen, after = [], ""
    while after is not None:
        found = panel.get(f"/judges/panel.jsonl/pairs.json?only=all&after={after}").json()
        seen += [one["pair"]["id"] for one in found["pairs"]]
        after = found["after"]
    assert seen == ["p1", "p2", "p3"]


def test_a_study_is_told_by_its_report(out: Path, service: TestClient) -> None:
    findings = Findings.model_validate_json((out / "study" / "report.json").read_bytes())
    told = page(service, "/studies/study")
    assert findings.name in told
    assert "<svg" in service.get("/studies/study/chart.svg?name=aims&theme=dark").text
    assert service.get("/studies/study/chart.svg?name=nope").status_code == 404


def test_a_study_that_has_not_ended_says_so(service: TestClient) -> None:
    assert "resumes it" in page(service, "/studies/begun")


def planned(out: Path) -> TestClient:
    """A study in which one stage is done, one failed, one runs and one waits."""
    folder = out / "mine"
    (folder / "stages").mkdir(parents=True)
    (folder / "at-work").mkdir()
    (folder / "settings.json").write_text("{}")
    stages = [
        StageNode(kind="sample", title="demo", key="1", state="to do", needs=()),
        StageNode(kind="train", title="<b>", key="2", state="to do", needs=("sample demo",)),
        StageNode(kind="train", title="two", key="3", state="to do", needs=("sample demo",)),
        StageNode(kind="profile", title="two", key=None, state="waits", needs=("train two",)),
    ]
    (folder / "plan.json").write_text(StageGraph(stages=tuple(stages)).model_dump_json())
    done = StageRecord(kind="sample", title="demo", key="1", inputs={}, result="pools", seconds=1)
    (folder / "stages" / "sample-1.json").write_text(done.model_dump_json())
    (folder / "at-work" / "train-2.json").write_text('{"what": "train <b>", "error": "no room"}')
    return looked.client(out)


def test_a_studys_stages_are_a_graph_with_their_states_as_they_are_now(tmp_path: Path) -> None:
    service = planned(tmp_path)
    held = locked(tmp_path / "mine" / "at-work" / "train-3.lock")
    graph = service.get("/api/studies/mine").json()["graph"]
    assert [(box["name"], box["stage"]["state"], box["column"], box["row"]) for box in graph] == [
        ("sample demo", "done", 0, 0),
        ("train <b>", "failed", 1, 0),
        ("train two", "running", 1, 1),
        ("profile two", "waits", 2, 0),
    ]
    told = page(service, "/studies/mine")
    assert told.count("<rect") == 4
    assert told.count("<path d=") == 3
    assert "no room" in told
    assert "<b>" not in told
    held.release()


def test_a_study_shows_how_its_students_learned(tmp_path: Path) -> None:
    service = planned(tmp_path)
    folder = tmp_path / "mine"
    record = StageRecord(kind="train", title="two", key="3", inputs={}, result="students/3", seconds=1)
    (folder / "stages" / "train-3.json").write_text(record.model_dump_json())
    (folder / "students" / "3").mkdir(parents=True)
    counts = dict.fromkeys(("examples", "tokens", "learned", "trained", "parameters", "steps", "seconds"), 2)
    recipe = Recipe(student="s", data="d", out="o")
    made = Training(recipe=recipe, data="", student="", losses=(2.5, 1.5), model=None, versions={}, **counts)
    (folder / "students" / "3" / "training.json").write_text(made.model_dump_json())
    assert "Students&#39; losses" in page(service, "/studies/mine")
    drawn = service.get("/studies/mine/chart.svg?name=losses").text
    assert "loss a token" in drawn
    assert "two" in drawn


def test_what_is_of_another_kind_or_not_there_is_a_sentence(service: TestClient) -> None:
    for address in ("/pools/study", "/judges/chosen", "/studies/nope"):
        assert service.get(address, headers=HTML).status_code == 404


@pytest.mark.parametrize("text", texts.TEXTS[:5])
def test_a_hostile_study_is_shown_and_never_obeyed(tmp_path: Path, text: str) -> None:
    findings = Findings.model_validate_json((RESULTS / "report.json").read_bytes())
    (tmp_path / "study").mkdir()
    hostile = findings.model_copy(update={"name": text, "warnings": (text,)})
    (tmp_path / "study" / "report.json").write_text(hostile.model_dump_json())
    told = page(looked.client(tmp_path), "/studies/study")
    assert not [tag for tag in texts.LIVE if tag in told.lower()]
