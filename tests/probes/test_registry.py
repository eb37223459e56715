"""Names lead to metrics: ours, a package's, a user's own."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import numpy as np
import pytest

from profiler import metrics, plugins, probes
from profiler.errors import BadData, UnknownName, WrongUse
from profiler.metrics.metric import Metric, measure
from profiler.text.counting import Text


def exclamations(texts):
    """Exclamation marks.

    One number a text.
    """
    return [text.count("!") if text else None for text in texts]


def all_in_one(texts):
    return [len(texts)]


NOT_A_METRIC = 7
SHOUTING = Metric(
    "shouting", "Capital letters.", score=lambda texts: np.array([sum(map(str.isupper, t)) for t in texts])
)


def test_a_metric_is_found_by_name():
    assert metrics.get("mtld").name == "mtld"
    assert metrics.get("mtld").about.startswith("MTLD: how many words")


def test_a_misspelt_metric_brings_the_nearest_name():
    with pytest.raises(UnknownName, match="no metric 'gunning_frog'; did you mean 'gunning_fog'"):
        metrics.get("gunning_frog")


def test_a_misspelt_probe_brings_the_nearest_name():
    with pytest.raises(UnknownName, match="no probe 'atributes'; did you mean 'attributes'"):
        probes.get("atributes")


def test_each_of_our_probes_says_what_it_heeds_and_another_packages_may_heed_all(monkeypatch):
    ours = {name: kind for name, kind in probes.every().items() if kind.__module__.startswith("profiler.")}
    assert len(ours) > 12
    assert all(kind.takes is not None for kind in ours.values())
    options = probes.ProbeOptions(prompts="mine.jsonl", bins=("7:mass",))
    with pytest.raises(WrongUse, match=r"--prompts is for .*, and nothing but bbq, stereoset is asked; leave it out"):
        probes.refuse_idle(["bbq", "stereoset"], options)
    with pytest.raises(WrongUse, match=r"--bins is for calibration, .*, and nothing but attributes is asked"):
        probes.refuse_idle(["attributes"], options)
    monkeypatch.setattr(ours["attributes"], "takes", None)
    probes.refuse_idle(["attributes"], options)


def test_a_users_function_is_a_metric_by_its_path():
    metric = metrics.get(f"{__name__}:exclamations")
    assert (metric.about, metric.version) == ("Exclamation marks.", f"{__name__}:exclamations")
    scores = measure([Text("Hi!"), Text(""), Text("Stop!!")], [metric])[metric.name]
    assert np.array_equal(scores, [1, np.nan, 2], equal_nan=True)


def test_a_path_may_lead_to_a_metric_and_to_one_of_ours():
    assert metrics.get(f"{__name__}:SHOUTING") is SHOUTING
    assert metrics.get("profiler.metrics.diversity:mtld") is metrics.get("mtld")


@pytest.mark.parametrize("path", ["no_such_module:f", f"{__name__}:no_such_function", f"{__name__}:NOT_A_METRIC"])
def test_a_path_that_leads_nowhere_is_wrong_use(path):
    with pytest.raises(WrongUse, match=path.partition(":")[2]):
        metrics.get(path)


def test_a_function_that_loses_a_text_is_told_so():
    with pytest.raises(BadData, match=r"all_in_one gave \(1,\) scores for 2 texts"):
        measure([Text("a"), Text("b")], [metrics.get(f"{__name__}:all_in_one")])


def test_an_installed_package_adds_a_metric(monkeypatch):
    entry = EntryPoint("marks", f"{__name__}:exclamations", "inheritance_profiler.metrics")
    monkeypatch.setattr(plugins, "entry_points", lambda group: [entry] if group == entry.group else [])
    monkeypatch.setattr(plugins, "installed", plugins.installed.__wrapped__)
    assert metrics.get("marks").name == "marks"
    assert measure([Text("!!")], [metrics.get("marks")])["marks"].tolist() == [2]


def test_a_metric_that_is_registered_later_is_in_the_profile(monkeypatch):
    monkeypatch.setattr("profiler.metrics.metric.METRICS", {**metrics.default()})
    asked = probes.get("attributes")()

    @metrics.register(version="1")
    def marks(texts):
        """Exclamation marks."""
        return np.array([text.count("!") for text in texts], float)

    assert "marks" in {metric.name for metric in asked.metrics} & {metric.name for metric in asked.text_metrics}
