"""When to send: the rate limit and the pauses between tries."""

from __future__ import annotations

import threading
from collections.abc import Callable

_SHORTEST, _LONGEST = 1.0, 1.5  # seconds; the defaults of the Go client
_CAP = 60.0


def linear_jitter(failed: int) -> float:
    """Seconds to pause after the ``failed``-th try: linear with jitter, so that clients spread out."""
    import random  # 5 ms, and only a failed call needs it

    return min(failed * random.uniform(_SHORTEST, _LONGEST), _CAP)  # noqa: S311  no secret depends on it


class TokenBucket:
    """At most ``burst`` requests at once and ``rate`` a second in the long run. Safe under threads."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens = float(burst)
        self._refilled = clock()

    def reserve(self, deadline: float) -> float | None:
        """Take a place; the seconds to wait for it, or None, and no place, if it lies after ``deadline``."""
        with self._lock:
            now = self._clock()
            self._tokens = min(self._burst, self._tokens + (now - self._refilled) * self._rate)
            self._refilled = now
            pause = max(0.0, (1 - self._tokens) / self._rate)
            if now + pause > deadline:
                return None
            self._tokens -= 1
            return pause
