"""A study whose stages only wait: trainings after one question, a profile after each."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from profiler.files import write_whole
from profiler.study import Stage, Study, carry_out
from profiler.study.stage import Workspace
from profiler.study.stage_order import Schedule

TRAININGS = int(os.environ.get("INHERIT_TEST_TRAININGS", "12"))


def study(out: Path, at_once: int, on: str = "here") -> Study:
    fields = {"teachers": ["demo"], "prompts": "mini", "objectives": {"long": {"goals": ["max:words"]}}}
    return Study.model_validate({**fields, "out": str(out), "at_once": at_once, "on": on})


def waiting(plan: Study) -> Schedule:
    """The study's stages; each training takes the seconds that INHERIT_TEST_SECONDS says, and is noted in `begun`."""
    space = Workspace(Path(plan.out))

    def stage(kind: str, number: int, *needs: Stage) -> Stage:
        def work(key: str, say: object) -> Path:
            if kind == "train":
                with (space.folder / "begun").open("a") as begun:
                    begun.write(f"{number} {os.getpid()}\n")
                time.sleep(float(os.environ.get("INHERIT_TEST_SECONDS", "0")))
            write_whole(space.folder / kind / key, str(number).encode())
            return space.folder / kind / key

        return Stage(kind, str(number), lambda: {"number": number}, work, needs)  # type: ignore[arg-type]

    asked = stage("sample", 0)
    trained = [stage("train", number, asked) for number in range(TRAININGS)]
    told = [stage("profile", number, one) for number, one in enumerate(trained)]
    return Schedule(plan, space, [asked, *trained, *told], [], {})


def do_waiting(plan: Study, number: int, where: str, data: Path | None) -> None:
    """Do one of them, as a process of its own."""
    schedule = waiting(plan)
    schedule.workspace.do(schedule.stages[number], lambda *_: None)


def carried_out(plan: Study) -> None:
    failed = carry_out(waiting(plan), lambda *_: None, lambda *_: None, do_waiting)
    assert not failed, failed


if __name__ == "__main__":
    carried_out(study(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
