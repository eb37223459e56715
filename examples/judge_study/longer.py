"""A judge without a model: the longer answer is the better one.

`python longer.py demo.jsonl > longer.jsonl` writes its verdicts on the pairs of a verdict file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from profiler.judging import Judgement, Pair


def longer(pair: Pair) -> str:
    return "tie" if len(pair.a) == len(pair.b) else "a" if len(pair.a) > len(pair.b) else "b"


for line in Path(sys.argv[1]).read_text("utf-8").splitlines():
    pair = Judgement.model_validate_json(line).pair
    print(json.dumps({"id": pair.id, "judge": "longer", "verdict": longer(pair)}))
