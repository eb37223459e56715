"""Google's Perspective API, until it closes on 31 December 2026, or a server that speaks its form."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from threading import Lock

import numpy as np
import orjson

from profiler import http
from profiler.datasets import forbidden
from profiler.errors import EndpointError, Refused, Unreadable, WrongUse
from profiler.http import Retry
from profiler.metrics.toxicity.scorer import Scorer
from profiler.plugins import PluginSpec
from profiler.stats import FloatArray

URL = "https://commentanalyzer.googleapis.com"
CLOSES = date(2026, 12, 31)
LABELS = ("toxicity", "severe_toxicity", "identity_attack", "insult", "profanity", "threat")
RATE = 1.0
"""Requests a second that Google grants unasked."""
RETRY = Retry(tries=5, first=1.0)
PATIENCE = 30.0


@dataclass(frozen=True)
class Perspective(Scorer):
    """Perspective's attributes; it never told its versions, so a number's version is the month it was made in."""

    url: str = URL
    key: str = "PERSPECTIVE_API_KEY"
    """Name of the environment variable that holds the key."""
    rate: float = RATE
    pause: float = RETRY.first
    label: str = field(default="toxicity", compare=False)
    version: str = field(default_factory=lambda: f"perspective-v1alpha1/{datetime.now(UTC):%Y-%m}")

    name = "perspective"
    labels = LABELS

    @classmethod
    def build(cls, order: PluginSpec) -> Perspective:
        """Of an order such as `perspective`, `perspective,rate=10` or `perspective,url=http://localhost:8080`."""
        order.only("label", "key", "rate", "url")
        if order.what:
            raise WrongUse(f"there is one perspective: expected options behind a comma, found {order.text!r}")
        given = order.options
        try:
            rate = float(given.get("rate", RATE))
        except ValueError:
            rate = 0.0
        if not 0 < rate < math.inf:
            raise WrongUse(f"scorer {order.text!r}: expected rate=REQUESTS A SECOND, found {given['rate']!r}")
        url = given.get("url", URL).rstrip("/")
        if not url.startswith(("https://", "http://")):
            raise WrongUse(f"scorer {order.text!r}: expected url=http://… or https://…, found {url!r}")
        made = cls(url, given.get("key", cls.key), rate, label=given.get("label", "toxicity"))
        made.secret()
        return made

    def secret(self) -> str:
        """The key; a server of one's own may need none."""
        if bounds := http.Bounds.current():
            bounds.check_key(self.key)
        key = os.environ.get(self.key, "")
        if not key and self.url == URL:
            raise WrongUse(
                f"Perspective needs a key: set the environment variable {self.key}. Google gives out no new ones, and "
                f"the service closes on {CLOSES.day} {CLOSES:%B %Y}; tox-block and detoxify need none"
            )
        return key

    def scores(self, texts: Sequence[str]) -> FloatArray:
        """An empty text is not sent, because Perspective refuses it: nothing was said, so it scores 0."""
        asked(self, "Good morning.")  # whether the key is taken shows on the first use, before a model is asked
        with ThreadPoolExecutor(min(16, math.ceil(self.rate))) as pool:
            once = [text for text in dict.fromkeys(texts) if text.strip()]
            found = dict(zip(once, pool.map(lambda text: asked(self, text), once), strict=True))
        nothing = (0.0,) * len(LABELS)
        return np.array([found.get(text, nothing) for text in texts], np.float64).reshape(-1, len(LABELS))


@lru_cache(maxsize=1 << 18)
def asked(scorer: Perspective, text: str) -> tuple[float, ...]:
    """A text's score under each label; asked for once in a process."""
    body = {
        "comment": {"text": text},
        "languages": ["en"],
        "requestedAttributes": {label.upper(): {} for label in LABELS},
        "doNotStore": True,
    }
    # The key travels in a header, which no log of addresses holds.
    head = {"Content-Type": "application/json", "X-Goog-Api-Key": scorer.secret()}

    async def ask() -> bytes:
        _pace(scorer.url, scorer.rate).wait()
        if variable := forbidden():
            raise Refused(f"Perspective is on the network, and {variable} forbids connections")
        return await http.sent(f"{scorer.url}/v1alpha1/comments:analyze", orjson.dumps(body), head, seconds=PATIENCE)

    try:
        return _read(http.wait(replace(RETRY, first=scorer.pause).persist(ask)))
    except http.Failed as error:
        if not RETRY.cures(error.status):
            raise Refused(f"Perspective refused: {_said(error)}") from None
        late = datetime.now(UTC).date() > CLOSES
        closed = f"; the service was to close on {CLOSES.day} {CLOSES:%B %Y}" if late else ""
        raise EndpointError(f"Perspective gave no score in {RETRY.tries} tries: {_said(error)}{closed}") from None


def _read(answer: bytes) -> tuple[float, ...]:
    try:
        found = orjson.loads(answer)["attributeScores"]
        return tuple(float(found[label.upper()]["summaryScore"]["value"]) for label in LABELS)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"Perspective's answer is not in its form ({type(error).__name__}: {error})") from None


def _said(error: http.Failed) -> str:
    """The reason in the service's own words."""
    try:
        return f"{error.status} {orjson.loads(error.body)['error']['message']}"
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return str(error)


class Pace:
    """Lets a number of requests pass in a second, evenly."""

    def __init__(self, rate: float) -> None:
        self._gap = 1 / rate
        self._next = 0.0
        self._lock = Lock()

    def wait(self) -> None:
        with self._lock:
            now = time.monotonic()
            mine = max(now, self._next)
            self._next = mine + self._gap
        time.sleep(mine - now)


@lru_cache(maxsize=8)
def _pace(url: str, rate: float) -> Pace:
    return Pace(rate)
