"""Whether the program does its work (alive) and whether the servers can be used (ready).

Pure evaluation of what the loops last noted in :class:`Metrics`: no call leaves the process. The clock is
monotonic and stands still while the machine is suspended, so waking up is no failure.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from bank_vaults.telemetry.metrics import Metrics, ServerObservation

Verdict = tuple[bool, tuple[str, ...]]
"""Whether all is well, and one sentence for each thing that is not."""


_SLOWEST = 180.0
"""Seconds: a cycle may enter shares one after the other, and a paused server takes 60 s for one."""


def cycle_limit(period: float) -> float:
    """How long a loop with this pause between cycles may take for one cycle, in seconds."""
    return max(_SLOWEST, 3 * period)


class Health:
    """The verdicts behind ``/healthz`` and ``/readyz``. Safe from several threads."""

    def __init__(self, metrics: Metrics, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._registered: dict[str, tuple[float, float]] = {}

    def register(self, server: str, limit_seconds: float) -> None:
        """Expect a completed cycle for this server at least every ``limit_seconds``, from now on."""
        with self._lock:
            self._registered[server] = (self._monotonic(), limit_seconds)

    def alive(self, now: float | None = None) -> Verdict:
        """Whether every loop completed a cycle within its limit. ``now`` is on the monotonic clock."""
        now = self._monotonic() if now is None else now
        seen = self._metrics.snapshot().servers
        late = []
        for server, (start, limit) in self._registrations():
            last = seen.get(server, ServerObservation()).last_cycle_monotonic
            age = now - (start if last is None else max(start, last))
            if age > limit:
                late.append(f"{server}: no cycle completed for {age:.0f} s, the limit is {limit:.0f} s")
        return not late, tuple(late)

    def ready(self, now: float | None = None) -> Verdict:
        """Whether every loop is alive and every server was last seen answering, initialised and unsealed."""
        _, reasons = self.alive(now)
        seen = self._metrics.snapshot().servers
        for server, _ in self._registrations():
            if missing := _missing(seen.get(server, ServerObservation())):
                reasons += (f"{server}: {missing}",)
        for file in self._metrics.snapshot().configure.broken:
            reasons += (f"{file}: cannot be used; its last good version stays in force",)
        return not reasons, reasons

    def _registrations(self) -> list[tuple[str, tuple[float, float]]]:
        with self._lock:
            return sorted(self._registered.items())


def _missing(seen: ServerObservation) -> str | None:
    if seen.up is None:
        return "not yet seen"
    if not seen.up:
        return "does not answer"
    if not seen.initialized:
        return "not initialised"
    return "sealed" if seen.sealed or seen.sealed is None else None
