"""Tags of a run: words by which people find it again, in a small file beside its profile."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

import orjson

from profiler.errors import WrongUse
from profiler.files import write_whole

FILE = "tags.json"
TAG = re.compile(r"[\w.+-]{1,40}")
MOST = 20
"""Tags of a run."""


def read_tags(folder: Path) -> tuple[str, ...]:
    """The tags of a run; none where the file is damaged, for a person can set them again."""
    try:
        found = orjson.loads((folder / FILE).read_bytes())
    except (FileNotFoundError, ValueError):
        return ()
    words = found if isinstance(found, list) else []
    return tuple(word for word in words if isinstance(word, str) and TAG.fullmatch(word))


def save_tags(folder: Path, tags: Iterable[str]) -> tuple[str, ...]:
    """Let a run have these TAGS and no others; each once, in order."""
    made = tuple(sorted(set(tags)))
    for tag in made:
        if not TAG.fullmatch(tag):
            raise WrongUse(f"expected a tag of letters, digits and . _ + -, at most 40 of them, found {tag!r}")
    if len(made) > MOST:
        raise WrongUse(f"a run has at most {MOST} tags, and these are {len(made)}")
    if made:
        write_whole(folder / FILE, orjson.dumps(made) + b"\n")
    else:
        (folder / FILE).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # who watches the profile sees that there is something new
        os.utime(folder / "profile.json")
    return made
