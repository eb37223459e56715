"""How long lm-eval takes for a part of a task at each of several concurrencies; called by bench/lm_eval.py."""

from __future__ import annotations

import json
import sys
import time
from copy import deepcopy

from lm_eval.models.openai_completions import LocalCompletionsAPI
from lm_eval.tasks import TaskManager

import inheritance_profile_finder as finder


def main(task: str, metadata: dict[str, object], limit: int, sizes: list[int], **arguments: object) -> None:
    manager = TaskManager(include_path=finder.FOLDER, include_defaults=False, metadata={**arguments, **metadata})
    built = manager.load(task)["tasks"][task]
    built.build_all_requests(limit=limit)
    seconds = {}
    for size in sizes:
        model = LocalCompletionsAPI(**{**arguments, "num_concurrent": size})
        asked = deepcopy(built.instances)  # it takes arguments out of what it is given
        ask = getattr(model, asked[0].request_type)
        begun = time.perf_counter()
        ask(asked, disable_tqdm=True)
        seconds[size] = time.perf_counter() - begun
    print(json.dumps(seconds))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
