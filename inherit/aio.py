"""The verbs to be awaited: the same names, options and results, while the caller's event loop goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import inherit
from inherit.running import awaited

if TYPE_CHECKING:
    profile = awaited(inherit.profile)
    compare = awaited(inherit.compare)
    score = awaited(inherit.score)
    rescore = awaited(inherit.rescore)
    judge = awaited(inherit.judge)
    agree = awaited(inherit.agree)
    sample = awaited(inherit.sample)
    select = awaited(inherit.select)
    train = awaited(inherit.train)
    study = awaited(inherit.study)
    load = awaited(inherit.load)

__all__ = [*inherit.VERBS]


def __getattr__(name: str) -> object:
    if name not in inherit.VERBS:
        raise AttributeError(f"module 'inherit.aio' has no attribute {name!r}")
    found = globals()[name] = awaited(getattr(inherit, name))
    return found
