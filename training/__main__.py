"""One of several processes that train together: `accelerate launch -m training RECIPE [TRACKER]`."""

import sys
from pathlib import Path

from profiler.errors import InheritError
from training.recipe import read_recipe
from training.sft import train, writes


def main() -> None:
    try:
        path, *log = sys.argv[1:]
        train(
            read_recipe(Path(path)), lambda text: print(text, file=sys.stderr, flush=True) if writes() else None, *log
        )
    except InheritError as error:
        sys.exit(f"inherit: {error}" if writes() else error.exit_code)


if __name__ == "__main__":
    main()
