"""What the examples say is what their stored scores say."""

from __future__ import annotations

import subprocess
import sys

from tests.support.places import ROOT

STUDY = ROOT / "examples" / "steer_length"


def test_the_committed_studys_numbers_are_those_of_its_stored_scores() -> None:
    done = subprocess.run([sys.executable, STUDY / "recompute.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("the report says the same\n")


def test_a_study_that_is_carried_out_can_be_read_again() -> None:
    from profiler.study.records import Findings

    found = Findings.model_validate_json((STUDY / "results" / "report.json").read_bytes())
    assert {outcome.pupil.arm for outcome in found.outcomes} == {"random", "single"}
    assert {outcome.trainings for outcome in found.outcomes if outcome.gain} == {5}
    assert {outcome.pupil.objective for outcome in found.outcomes} == {"length", "vocabulary"}
