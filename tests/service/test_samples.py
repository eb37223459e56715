"""The samples of a run: found, paged, and shown beside another run's."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from profiler.records import Generation, Sample
from profiler.runs import Run
from profiler.runs.sample_store import Journal
from profiler.service import samples as module
from tests.hostile import texts
from tests.service import looked
from tests.service.looked import BASE, HTML, OTHER, page

ATTRIBUTES = f"/api/runs/{BASE}/samples/attributes"
ODD = 'a/b "c" ü?&#.. %'


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return looked.folder(tmp_path)


@pytest.fixture
def service(out: Path) -> TestClient:
    return looked.client(out)


def samples(out: Path, run: str, many: list[Sample]) -> None:
    """Let a run's attributes have been answered by these."""
    journal = Journal(out / run, "attributes")
    journal.append(many)
    journal.seal()


def sample(item: str, text: str = "An answer.", prompt: str = "Why?", **fields: object) -> Sample:
    plain = {"probe": "attributes", "item": item, "prompt": prompt, "how": "text", "scores": {"words": 2.0}}
    return Sample.model_validate(plain | {"answers": (Generation(text=text),)} | fields)


def asked(service: TestClient, **query: object) -> list[str]:
    found = service.get(ATTRIBUTES, params={name: str(value) for name, value in query.items()})
    assert found.status_code == 200, found.text
    return [each["item"] for each in found.json()["samples"]]


def test_each_sample_stands_on_one_page(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples(out, BASE, [sample(f"q{place}", scores={"words": float(place % 5)}) for place in range(23)])
    monkeypatch.setattr(module, "PAGE", 4)
    service = looked.client(out)

    def walk(**query: str) -> list[str]:
        found: list[str] = []
        after = ""
        while True:
            told = service.get(ATTRIBUTES, params={**query, "after": after}).json()
            found += [each["item"] for each in told["samples"]]
            after = told["after"]
            if after is None:
                return found

    assert walk() == [f"q{place}" for place in range(23)]
    assert sorted(walk(sort="words")) == sorted(walk(sort="words", down="false")) == sorted(walk())
    assert walk(sort="words")[:4] == ["q4", "q9", "q14", "q19"]
    assert walk(score="words", low="4") == ["q4", "q9", "q14", "q19"]


def test_a_long_search_is_continued_on_the_next_page(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples(out, BASE, [sample(f"q{place}", "needle" if place == 19 else "hay") for place in range(20)])
    monkeypatch.setattr(module, "COSTLY", 8)
    monkeypatch.setattr(module, "ENOUGH", 0.0)
    service = looked.client(out)
    first = service.get(ATTRIBUTES, params={"q": "needle"}).json()
    assert (first["samples"], first["searched"], first["total"]) == ([], 8, 20)
    second = service.get(ATTRIBUTES, params={"q": "needle", "after": first["after"]}).json()
    third = service.get(ATTRIBUTES, params={"q": "needle", "after": second["after"]}).json()
    assert [each["item"] for each in third["samples"]] == ["q19"]
    assert third["after"] is None
    assert "Looked at 8 of 20 samples so far" in page(service, f"/runs/{BASE}/samples/attributes?q=needle")


def test_samples_are_found_by_group_error_undefined_score_and_text(out: Path) -> None:
    samples(
        out,
        BASE,
        [
            sample("plain"),
            sample("grouped", group="g"),
            sample("failed", answers=(), scores={}, error="timeout"),
            sample("unknown", scores={"words": None}),
            sample("said", 'It is "QUOTED", ümlaut.'),
        ],
    )
    service = looked.client(out)
    assert asked(service, group="g") == ["grouped"]
    assert asked(service, only="error") == ["failed"]
    assert asked(service, only="undefined") == ["unknown"]
    assert asked(service, q='"quoted", ÜMLAUT') == ["said"]
    assert asked(service, q="scores") == []


def test_a_filter_that_is_no_number_is_refused(service: TestClient) -> None:
    for low in ("x", "nan", "1e999x", "--1"):
        assert service.get(ATTRIBUTES, params={"score": "words", "low": low}).status_code == 422


def test_samples_that_differ_from_another_run_are_those_whose_scores_or_choice_do(out: Path) -> None:
    samples(out, BASE, [sample("same"), sample("other", scores={"words": 3.0}), sample("chosen", choice=1)])
    samples(out, OTHER, [sample("chosen", choice=0), sample("other"), sample("same")])
    service = looked.client(out)
    assert asked(service, only="differs", base=OTHER) == ["other", "chosen"]
    assert service.get(ATTRIBUTES, params={"only": "differs"}).status_code == 422


def test_a_sample_has_an_address_whatever_its_key_holds(out: Path) -> None:
    samples(out, BASE, [sample("before"), sample(ODD, "kept"), sample("after")])
    service = looked.client(out)
    told = page(service, f"/runs/{BASE}/samples/attributes")
    link = next(part.split('"')[0] for part in told.split('href="') if "%22c%22" in part.split('"')[0])
    one = page(service, link)
    assert "kept" in one
    assert f"/runs/{BASE}/samples/attributes/before" in one
    assert f"/runs/{BASE}/samples/attributes/after" in one
    record = service.get(link + ".json").json()
    assert record["item"] == ODD


def test_two_runs_answers_stand_side_by_side_word_by_word(out: Path) -> None:
    samples(out, BASE, [sample("q", "The sky is blue.")])
    samples(out, OTHER, [sample("q", "The sky is green.")])
    one = page(looked.client(out), f"/runs/{OTHER}/samples/attributes/q?base={BASE}")
    assert "<ins> blue.</ins>" in one
    assert "<ins> green.</ins>" in one


@pytest.mark.parametrize("step", [1, 7])  # keys in order, each part holding its own; keys in none, any part any key
def test_a_sample_is_found_with_its_neighbours_wherever_in_the_file_it_stands(
    out: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    monkeypatch.setattr("profiler.runs.sample_store.BATCH", 2)
    keys = [f"q{place * step % 23:02}" for place in range(23)]
    samples(out, BASE, [sample(key, f"About {key}.") for key in keys])
    samples(out, OTHER, [sample(key, f"Of {key}.") for key in reversed(keys)])
    service = looked.client(out)
    for place, key in enumerate(keys):
        told = service.get(f"/runs/{BASE}/samples/attributes/{key}.json?base={OTHER}").json()
        assert [side["sample"]["item"] for side in told["sides"]] == [key, key]
        assert [side["sample"]["answers"][0]["text"] for side in told["sides"]] == [f"Of {key}.", f"About {key}."]
        beside = [*keys[:place], None][place - 1 if place else -1], [*keys, None][place + 1]
        assert (told["row"], (told["previous"], told["next"])) == (place, beside)
    assert service.get(f"/runs/{BASE}/samples/attributes/q99.json").status_code == 404


def test_every_shipped_sample_can_be_opened(out: Path, service: TestClient) -> None:
    for probe in ("attributes", "bbq", "calibration"):
        for each in list(Run(out / BASE).samples(probe))[:3]:
            record = service.get(f"/runs/{BASE}/samples/{probe}/{each.item}.json").json()
            assert record["sides"][0]["sample"] == each.model_dump(mode="json")


def test_what_is_not_there_is_a_sentence(out: Path, service: TestClient) -> None:
    for place, words in (
        (f"{BASE}/samples/nope", "no probe"),
        (f"{BASE}/samples/..%2f..%2fprofile", "no probe"),
        (f"{BASE}/samples/bbq/nope", "was not asked"),
        ("nope/samples/bbq", "no run"),
    ):
        found = service.get(f"/runs/{place}", headers=HTML)
        assert found.status_code == 404, place
        assert words in found.text, found.text
    (out / BASE / "samples" / "bbq.parquet").write_bytes(b"PAR1 no")
    assert "damaged" in service.get(f"/runs/{BASE}/samples/bbq").json()["detail"]
    (out / BASE / "samples" / "bbq.parquet").unlink()
    assert "are gone" in service.get(f"/runs/{BASE}/samples/bbq").json()["detail"]


@pytest.mark.parametrize("text", texts.TEXTS)
def test_hostile_texts_are_shown_and_never_obeyed(out: Path, text: str) -> None:
    hostile = sample(text.replace("\x00", ""), text, text, group=text, scores={text: 1.0})
    samples(out, BASE, [hostile])
    samples(out, OTHER, [hostile])
    service = looked.client(out)
    told = service.get(f"/runs/{BASE}/samples/attributes", params={"q": text[:200], "sort": text[:200]}, headers=HTML)
    found = [told.text, page(service, f"/runs/{BASE}/samples/attributes?base={OTHER}")]
    found.append(service.get(f"/runs/{BASE}/samples/attributes", params={"group": text[:300]}, headers=HTML).text)
    for each in found:
        assert not [tag for tag in texts.LIVE if tag in each.lower()]
