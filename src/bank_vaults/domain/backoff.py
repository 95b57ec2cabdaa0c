"""How long to wait after failures: exponential, with jitter, capped."""

from __future__ import annotations


def delay(failures: int, *, first: float, longest: float, chance: float) -> float:
    """Seconds to wait after the n-th failure in a row (n from 1).

    ``chance`` in [0, 1) is the caller's random number: the result lies between half of the exponential
    step and the whole, so that many waiting processes drift apart but none comes back at once.
    """
    step = min(longest, first * 2.0 ** min(max(failures - 1, 0), 62))
    return step * (0.5 + chance / 2)
