"""`python -m profiler.harnesses.evalhub`: carry out the job that EvalHub started, or print our `provider` file."""

from __future__ import annotations

import json
import sys

from profiler.errors import MissingExtra
from profiler.harnesses.evalhub import provider

if __name__ == "__main__":
    if sys.argv[1:] == ["provider"]:
        sys.stdout.write(json.dumps(provider.provider(), indent=1) + "\n")
    elif sys.argv[1:]:
        sys.exit(
            "expected nothing, in a job of EvalHub's, or `provider`, which prints the file for its config/providers"
        )
    else:
        try:
            from profiler.harnesses.evalhub import job
        except ModuleNotFoundError:
            sys.exit(f"inherit: {MissingExtra('evalhub', 'a job of EvalHub')}")
        sys.exit(job.main())
