"""What holds for every test: none of them goes to the network, and none sees the official files of the machine."""

from __future__ import annotations

import os

os.environ["INHERIT_OFFLINE"] = "1"
os.environ.pop("INHERIT_DATA", None)
