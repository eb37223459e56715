"""One of several processes that train together: `accelerate launch -m training RECIPE`."""

from __future__ import annotations

import sys
from pathlib import Path

from profiler.errors import InheritError
from training.recipe import read
from training.sft import first, train


def main() -> None:
    try:
        train(read(Path(sys.argv[1])), lambda text: print(text, file=sys.stderr, flush=True) if first() else None)
    except InheritError as error:
        sys.exit(f"inherit: {error}" if first() else error.exit_code)


if __name__ == "__main__":
    main()
