"""One of several processes that train together: `accelerate launch -m training RECIPE`."""

import sys
from pathlib import Path

from profiler.errors import InheritError
from training.recipe import read_recipe
from training.sft import train, writes


def main() -> None:
    try:
        train(
            read_recipe(Path(sys.argv[1])), lambda text: print(text, file=sys.stderr, flush=True) if writes() else None
        )
    except InheritError as error:
        sys.exit(f"inherit: {error}" if writes() else error.exit_code)


if __name__ == "__main__":
    main()
