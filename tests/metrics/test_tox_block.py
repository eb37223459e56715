"""tox-block has the scores of the package that it comes from, whatever it is scored with."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiler import metrics
from profiler.errors import UnknownName, WrongUse
from profiler.metrics.metric import measure, measured
from profiler.metrics.toxicity.tox_block import LENGTH, ToxBlock, load
from profiler.text.counting import Text
from tests.support.places import GOLDEN as GOLDENS

GOLDEN = json.loads((GOLDENS / "tox_block.json").read_text(encoding="utf-8"))
TEXTS = list(GOLDEN["values"])
SCORER = ToxBlock()


def test_its_scores_are_those_of_its_own_package():
    assert tuple(GOLDEN["labels"]) == SCORER.labels
    found = SCORER.scores(TEXTS)
    assert found == pytest.approx(np.array(list(GOLDEN["values"].values())), abs=2e-6)


@pytest.mark.parametrize(
    ("text", "scores"),
    [
        ("Shut up, you stupid idiot.", (0.99808, 0.11372, 0.92906, 0.00954, 0.96732, 0.01477)),
        ("I will kill you.", (0.94067, 0.12378, 0.20697, 0.93692, 0.41377, 0.16645)),
        ("The weather report says rain tomorrow.", (0.00042, 0.0, 0.00009, 0.00002, 0.00006, 0.00003)),
        ("", (0.0195, 0.00022, 0.00377, 0.00065, 0.00417, 0.00193)),
    ],
)
def test_its_published_examples(text, scores):
    assert SCORER.scores([text])[0] == pytest.approx(scores, abs=1e-5)


def test_a_text_scores_the_same_alone_as_among_others():
    together = SCORER.scores(TEXTS)
    shuffled = np.random.default_rng(0).permutation(len(TEXTS))
    assert SCORER.scores([TEXTS[place] for place in shuffled]) == pytest.approx(together[shuffled], abs=1e-6)
    for place, text in enumerate(TEXTS):
        assert SCORER.scores([text])[0] == pytest.approx(together[place], abs=1e-6), text


def test_it_reads_the_last_words_that_it_knows():
    insult = "you stupid idiot "
    calm = "the weather is nice today and we walk along the river "
    assert SCORER.scores([insult + calm * 20])[0] == pytest.approx(SCORER.scores([calm * 20])[0], abs=1e-6)
    assert len(calm.split()) * 20 > LENGTH
    assert SCORER.scores(["qwxz " + insult])[0] == pytest.approx(SCORER.scores([insult])[0], abs=1e-6)


KERAS = str.maketrans(dict.fromkeys('!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n', " "))
SAID = ["The", "idiot", "don't", "—\xa0Carl", "nobody’s", "İs", "qwxz", "ΣΑΣ", "你好", "\ud83d", "\0", "_"]
BLANKS = [" ", "  ", "\n", "\t", "\r\n", "\v", "\x1c", "\xa0", "\u2028", ".", "-", "'"]


@settings(max_examples=200)
@given(st.lists(st.lists(st.tuples(st.sampled_from(SAID), st.sampled_from(BLANKS)), max_size=120), max_size=4))
def test_it_reads_words_as_keras_parts_them(texts):
    network = load()
    plain = ["".join(word + blank for word, blank in text) for text in texts]
    words, sizes = network.read(plain)
    for place, text in enumerate(plain):
        found = [
            network.vocabulary.get(w.encode("utf-8", "surrogatepass")) for w in text.lower().translate(KERAS).split(" ")
        ]
        known = [number for number in found if number][-LENGTH:]
        assert sizes[place] == len(known)
        assert words[:, place].tolist() == [0] * (LENGTH - len(known)) + known


def test_no_texts_have_no_scores():
    assert SCORER.scores([]).shape == (0, 6)


def test_it_knows_english_only():
    metric = metrics.get("toxicity")
    assert np.isnan(measure([Text("Du Idiot!", "de")], [metric])["toxicity"][0])
    assert "en" in str(metric.foreign("de"))


def test_its_labels_are_metrics_of_one_pass(monkeypatch):
    passes = []
    monkeypatch.setattr(ToxBlock, "scores", lambda self, texts: passes.append(len(texts)) or np.zeros((len(texts), 6)))
    names = ["toxicity", "toxicity:tox-block,label=insult", "toxicity:tox-block,label=threat"]
    found = measure([Text("once"), Text("twice"), Text("twice")], [metrics.get(name) for name in names])
    assert passes == [2]  # a text that comes twice is scored once, and counts twice
    assert {name: len(column) for name, column in found.items()} == dict.fromkeys(names, 3)


class Line(tuple):
    @property
    def text(self):
        return self[0]


def test_workers_give_the_same_scores():
    metric, batches = metrics.get("toxicity"), [[Line([Text(text)]) for text in TEXTS]] * 3
    alone = [columns["toxicity"] for _, columns in measured(batches, [metric])]
    assert all(np.allclose(a, b["toxicity"]) for a, (_, b) in zip(alone, measured(batches, [metric], 2), strict=True))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("toxicity:tox-blok", "no scorer 'tox-blok'; did you mean 'tox-block'"),
        ("toxicity:tox-block,label=insolt", "tox-block has no label 'insolt': its labels are toxicity, .*insult"),
        ("toxicity:tox-block,lable=insult", "no option of scorer 'tox-block' 'lable'; did you mean 'label'"),
        ("toxicity:tox-block,label", "expected OPTION=VALUE behind the comma, found 'label'"),
        ("toxicity:tox-block:2", "there is one tox-block"),
    ],
)
def test_an_order_that_can_not_be_met_says_what_can(name, says):
    with pytest.raises((UnknownName, WrongUse), match=says):
        metrics.get(name)


def test_its_licence_goes_with_it():
    folder = files("profiler.metrics.toxicity") / "weights"
    assert "Copyright (c) 2020 Pascal Bliem" in (folder / "LICENSE").read_text(encoding="utf-8")
    assert "MIT" in (folder / "README.md").read_text(encoding="utf-8")
