"""What holds for every test: none goes to the network or sees the official files of the machine."""

from __future__ import annotations

import os

from hypothesis import settings

os.environ["INHERIT_OFFLINE"] = "1"
os.environ.pop("INHERIT_DATA", None)
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
