"""How long to wait: after failed actions, and between looks at a server that gives no usable answer."""

from __future__ import annotations


def delay(failures: int, *, first: float, longest: float, chance: float) -> float:
    """Seconds to wait after the n-th failure in a row (n from 1).

    ``chance`` in [0, 1) is the caller's random number: the result lies between half of the exponential
    step and the whole, so that many waiting processes drift apart but none comes back at once.
    """
    step = min(longest, first * 2.0 ** min(max(failures - 1, 0), 62))
    return step * (0.5 + chance / 2)


def ask_pause(failing: float) -> float:
    """Seconds between two questions to a server that is there and has answered wrongly for so long.

    Each question costs it work and a line in its log: a tenth of the time passed, from 50 ms to 5 s.
    """
    return min(max(0.05, failing / 10), 5.0)


def probe_pause(down: float, *, local: bool) -> float:
    """Seconds between two connection attempts to a server that has been away for ``down`` seconds.

    A twentieth of the time it has been away, at least 20 ms, so that its return is noticed at once; at
    most 50 ms on this host, where a refused connection costs next to nothing, and 1 s elsewhere.
    """
    return min(max(0.02, down / 20), 0.05 if local else 1.0)
