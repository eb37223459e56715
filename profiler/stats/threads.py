"""One thread for products of small matrices: those of a BLAS would spend more on waiting for each other."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import ParamSpec, TypeVar

from threadpoolctl import ThreadpoolController

P = ParamSpec("P")
T = TypeVar("T")


def in_one_thread(work: Callable[P, T]) -> Callable[P, T]:
    """WORK, with NumPy's products in the thread that calls it; torch's threads are others."""

    @wraps(work)
    def alone(*args: P.args, **kwargs: P.kwargs) -> T:
        with _libraries().limit(limits=1, user_api="blas"):
            return work(*args, **kwargs)

    return alone


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()
