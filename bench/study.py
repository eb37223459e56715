"""A study of twelve trainings that only wait, with one and with two places to train: what the second place saves."""

import argparse
import os
import tempfile
import time
from pathlib import Path

from tests.support.stages import carried_out, study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of a training")
    seconds = parser.parse_args().seconds
    os.environ["INHERIT_TEST_SECONDS"] = str(seconds)
    took = {}
    for places in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            begun = time.monotonic()
            carried_out(study(Path(folder) / "study", places))
            took[places] = time.monotonic() - begun
        print(f"{places} at once: {took[places]:.1f} s for 12 trainings of {seconds:g} s")
    print(f"ratio {took[2] / took[1]:.2f} (at most 0.60)")


if __name__ == "__main__":
    main()
