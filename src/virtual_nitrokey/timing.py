"""How long a card takes, and waiting for that in a way that pulling the plug cuts short."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple

from virtual_nitrokey.card import Work

LONGEST_WAIT = 1e9
"""Seconds, some thirty years. Threads cannot wait for much longer: the attempt is an error."""
LARGEST_SCALE = 1e6
"""Of the time that a stick takes: no work of any profile becomes longer than LONGEST_WAIT."""


class PowerLostError(BaseException):
    """The stick was pulled while it worked: what was not saved is lost.

    It is no Exception, so that a card which answers its own errors with a status word lets it through.
    """


class Profile(NamedTuple):
    """How long a kind of card takes: ``seconds(work, bits)`` for one unit of work."""

    name: str
    seconds: Callable[[Work, int], float]


def _nitrokey_hsm(work: Work, bits: int) -> float:
    """Rates from the vendor's questions and answers on the Nitrokey HSM, by the minute: signatures RSA-2048
    100 and ECDSA-256 360, new keys RSA-2048 2 and EC-256 10. Other sizes follow the textbook: the third
    power of the length for an operation, the fourth for finding primes.

    28 ms for one APDU is what the debug log in OpenSC's issue 2432 shows for a Nitrokey HSM. Opening a token
    with a key pair and five data objects takes some 40 of them; with many objects it comes to the four
    seconds of issue 2444.
    """
    match work:
        case Work.APDU:
            return 0.028
        case Work.RSA_PRIVATE:
            return 0.6 * (bits / 2048) ** 3
        case Work.EC_SIGN:
            return 60 / 360 * (bits / 256) ** 3
        case Work.EC_AGREE:
            return 0.2 * (bits / 256) ** 3
        case Work.RSA_GENERATE:
            return 30.0 * (bits / 2048) ** 4
        case Work.EC_GENERATE:
            return 6.0 * (bits / 256) ** 3
        case Work.FILE_WRITE:  # an estimate: erasing and writing pages of EEPROM
            return 0.01 + 50e-6 * bits / 8
        case Work.INITIALISE:  # an estimate for a stick with little on it
            return 2.0


INSTANT = Profile("instant", lambda _work, _bits: 0.0)
NITROKEY_HSM = Profile("nitrokey-hsm", _nitrokey_hsm)
PROFILES: Mapping[str, Profile] = {profile.name: profile for profile in (INSTANT, NITROKEY_HSM)}


class Clock:
    """The time that one stick takes: the profile's, times ``time_scale``.

    One thread waits here; any other may pull the plug. ValueError for a scale that is not from 0 to
    LARGEST_SCALE.
    """

    def __init__(self, profile: Profile = INSTANT, time_scale: float = 1.0) -> None:
        if not 0 <= time_scale <= LARGEST_SCALE:
            raise ValueError(f"a time scale is from 0 to {LARGEST_SCALE:.0f}, not {time_scale}")
        self._profile = profile
        self._time_scale = time_scale
        self._unplugged = threading.Event()
        self._failing = False

    def spend(self, work: Work, bits: int) -> None:
        """Take the time of one unit of work. Raises PowerLostError if the plug is pulled meanwhile."""
        seconds = self._profile.seconds(work, bits) * self._time_scale
        if self._failing and work is not Work.APDU:
            self.wait(seconds / 2)
            raise PowerLostError
        self.wait(seconds)

    def wait(self, seconds: float) -> None:
        """Let so much real time pass. PowerLostError if the plug is pulled meanwhile, or was before."""
        if self._unplugged.wait(seconds) if seconds else self._unplugged.is_set():
            raise PowerLostError

    def unplug(self) -> None:
        """End the wait that is going on, and all until :meth:`plug`."""
        self._unplugged.set()

    def plug(self) -> None:
        """Power is back."""
        self._unplugged.clear()
        self._failing = False

    def fail(self) -> None:
        """Lose power, until :meth:`plug`, half way through whatever work comes next."""
        self._failing = True
