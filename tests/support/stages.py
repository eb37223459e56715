"""A study whose stages only wait: trainings after one question, a profile after each, every other on one server."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from profiler.endpoints import SharedServer
from profiler.files import write_whole
from profiler.study import Stage, Study, carry_out
from profiler.study.graph import Failures, do_sharing
from profiler.study.stage import Workspace
from profiler.study.stage_order import Schedule
from tests.support.places import ROOT

TRAININGS = int(os.environ.get("INHERIT_TEST_TRAININGS", "12"))


def study(out: Path, at_once: int, on: str = "here") -> Study:
    fields = {"teachers": ["demo"], "prompts": "mini", "objectives": {"long": {"goals": ["max:words"]}}}
    return Study.model_validate({**fields, "out": str(out), "at_once": at_once, "on": on})


def waiting(plan: Study) -> Schedule:
    """The study's stages; each training takes the seconds that INHERIT_TEST_SECONDS says, and is noted in `begun`."""
    space, shared = Workspace(Path(plan.out)), SharedServer()

    def stage(kind: str, number: int, *needs: Stage) -> Stage:
        def work(key: str, say: object) -> Path:
            if kind == "train":
                with (space.folder / "begun").open("a") as begun:
                    begun.write(f"{number} {os.getpid()}\n")
                time.sleep(float(os.environ.get("INHERIT_TEST_SECONDS", "0")))
            write_whole(space.folder / kind / key, str(number).encode())
            return space.folder / kind / key

        server = shared if kind == "profile" and number % 2 else None
        return Stage(kind, str(number), lambda: {"number": number}, work, needs, server=server)  # type: ignore[arg-type]

    asked = stage("sample", 0)
    trained = [stage("train", number, asked) for number in range(TRAININGS)]
    told = [stage("profile", number, one) for number, one in enumerate(trained)]
    return Schedule(plan, space, [asked, *trained, *told], [], {})


def do_waiting(plan: Study, number: int, where: str, data: Path | None) -> Failures:
    """Do one of them, as a process of its own."""
    return do_sharing(waiting(plan), number, lambda *_: None)


def carried_out(plan: Study) -> None:
    failed = carry_out(waiting(plan), lambda *_: None, lambda *_: None, do_waiting)
    assert not failed, failed


def driven_twice(folder: Path, *words: str, running: int, **environment: str) -> None:
    """A study in FOLDER whose driver is killed while so many trainings run, and which another carries out."""
    settings = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, "-m", "tests.support.stages", str(folder / "study"), *words]
    begun, many = folder / "study" / "begun", int(settings["INHERIT_TEST_TRAININGS"])
    driver = subprocess.Popen(command, env=settings, cwd=folder)
    while not begun.exists() or len(begun.read_text("utf-8").splitlines()) < running:
        assert driver.poll() is None
        time.sleep(0.02)
    driver.kill()
    driver.wait()
    assert subprocess.run(command, env=settings, cwd=folder, check=False, timeout=300).returncode == 0
    numbers = [line.split()[0] for line in begun.read_text("utf-8").splitlines()]
    assert sorted(numbers) == [str(number) for number in range(many)], "none was begun twice"
    assert len([*(folder / "study" / "stages").iterdir()]) == 1 + 2 * many


if __name__ == "__main__":
    carried_out(study(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
