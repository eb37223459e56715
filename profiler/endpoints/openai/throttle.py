"""How many requests may be in flight to a server, and how close behind each other."""

import asyncio
import time
from collections import deque

PACE = 0.9
"""Share of the time between two replies that is kept between two requests."""

TICK = 0.001
"""Seconds below which the event loop's timers can't be told apart."""


class Throttle:
    """How many requests may be in flight: one more a round of successes, half as many when told to slow down."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = float(most)
        self._busy = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._opens = 0.0
        self._cut = 0.0
        self._typical = 0.0
        self._next = 0.0

    async def enter(self) -> None:
        while True:
            if (pause := self._opens - time.monotonic()) > 0:
                await asyncio.sleep(pause)
            elif self._busy < int(self.limit):
                self._busy += 1
                if (wait := self._spaced()) >= TICK:
                    try:
                        await asyncio.sleep(wait)
                    except asyncio.CancelledError:
                        self.leave()
                        raise
                return
            else:
                turn = asyncio.get_running_loop().create_future()
                self._queue.append(turn)
                try:
                    await turn
                except asyncio.CancelledError:
                    self._wake()
                    raise

    def _spaced(self) -> float:
        """Seconds to wait, to leave room behind the request before.

        Requests that were sent together are answered together, and then wait for each other in this process, round
        after round. Sent at little more than the rate at which they come back, they spread out and nobody is held up.
        """
        spacing = PACE * self._typical / self.limit
        if spacing < TICK:
            return 0.0
        now = time.monotonic()
        wait = max(0.0, self._next - now)
        self._next = now + wait + spacing
        return wait

    def leave(self) -> None:
        self._busy -= 1
        self._wake()

    def _wake(self) -> None:
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def eased(self, seconds: float) -> None:
        """A request went well and took so long."""
        self._typical += (seconds - self._typical) * (0.05 if self._typical else 1.0)
        if self.limit < self.most:
            self.limit = min(self.most, self.limit + 1 / self.limit)
            self._wake()

    def congested(self, started: float, wait: float | None) -> None:
        """A request that was sent at `started` was too much for the server."""
        if wait is not None:
            self._opens = max(self._opens, time.monotonic() + wait)
        if started >= self._cut:  # requests sent before the last cut say nothing new
            self.limit = max(1.0, self.limit / 2)
            self._cut = time.monotonic()
