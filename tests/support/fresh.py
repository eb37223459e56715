"""A process that nothing was imported into before: it carries out the commands that come line by line, and says how."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from importlib import import_module

from tests.support.command import inherit


def main() -> None:
    told = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library writes past Python must not come between the lines
    for line in sys.stdin:
        words, stdin = json.loads(line)
        sys.argv = ["inherit", *words]
        if words[0] == "study":  # what is printed does not hang on what is installed here
            import_module("training.student").NEEDED = ()
        told.write(json.dumps(asyncio.run(inherit(*words, stdin=stdin))) + "\n")
        told.flush()


if __name__ == "__main__":
    main()
