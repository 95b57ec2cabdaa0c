"""How long to wait after failures: exponential, with jitter, capped."""

from __future__ import annotations


def delay(failures: int, *, first: float, longest: float, chance: float) -> float:
    """Seconds to wait after the n-th failure in a row (n from 1).

    ``chance`` in [0, 1) is the caller's random number: the result lies between half of the exponential
    step and the whole, so that many waiting processes drift apart but none comes back at once.
    """
    step = min(longest, first * 2.0 ** min(max(failures - 1, 0), 62))
    return step * (0.5 + chance / 2)


def probe_pause(down: float, *, local: bool) -> float:
    """Seconds between two connection attempts to a server that has been away for ``down`` seconds.

    A twentieth of the time it has been away, at least 20 ms, so that its return is noticed at once; at
    most 50 ms on this host, where a refused connection costs next to nothing, and 1 s elsewhere.
    """
    return min(max(0.02, down / 20), 0.05 if local else 1.0)
