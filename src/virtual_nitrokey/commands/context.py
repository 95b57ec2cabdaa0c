"""What the commands of the card work on: its persistent image and its security state.

The image is replaced as a whole: first saved, then taken over. So a command that fails, also for want of
space on the disk, leaves the card as it was.
"""

from __future__ import annotations

import errno
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import Enum
from typing import NamedTuple

from virtual_nitrokey.apdu import Command
from virtual_nitrokey.image import Image
from virtual_nitrokey.memory import CAPACITY, MOST_ENTRIES, Access, Memory
from virtual_nitrokey.pins import Reference
from virtual_nitrokey.status import SW, CardError

log = logging.getLogger(__name__)

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Work(Enum):
    """What takes a real card its time."""

    APDU = "apdu"
    RSA_PRIVATE = "rsa-private"
    EC_AGREE = "ec-agree"
    EC_SIGN = "ec-sign"
    RSA_GENERATE = "rsa-generate"
    EC_GENERATE = "ec-generate"
    FILE_WRITE = "file-write"
    INITIALISE = "initialise"


class Counters(NamedTuple):
    """What a card has done since it was made: units of each work, and PINs compared."""

    work: Mapping[Work, int]
    pins_right: int
    pins_wrong: int


class Session(NamedTuple):
    """What is gone when the power is: the applet, the PINs that were right, the current file."""

    selected: bool = False
    verified: frozenset[Reference] = frozenset()
    current: int | None = None


class Context:
    """The state of one card while it carries out commands.

    ``save`` makes an image durable before it counts; it raises OSError when it cannot. ``spend`` is
    called once for each unit of work, with the size of the key or of the data in bits, before the result
    is known outside and before anything is changed. It may take its time, or raise to abandon the command.
    """

    def __init__(
        self, image: Image, save: Callable[[Image], None], spend: Callable[[Work, int], None]
    ) -> None:
        self.image = image
        self.session = Session()
        self.memory_limit = CAPACITY
        self._save = save
        self._spend = spend
        self._work: Counter[Work] = Counter()
        self._pins: Counter[bool] = Counter()

    @property
    def counters(self) -> Counters:
        """A snapshot."""
        return Counters(dict.fromkeys(Work, 0) | self._work, self._pins[True], self._pins[False])

    def spend(self, work: Work, bits: int) -> None:
        """Do and count one unit of work."""
        self._spend(work, bits)
        self._work[work] += 1

    def require(self, access: Access) -> None:
        """CardError (6982) unless the security state grants this."""
        if access is Access.ALWAYS or (access is Access.USER and Reference.USER in self.session.verified):
            return
        raise CardError(SW.NOT_LOGGED_IN)

    def store(self, memory: Memory, written: int) -> None:
        """Change the memory by ``written`` bytes. CardError (6A84) if more does not fit; less always does."""
        before = self.image.memory
        if memory.used > max(self.memory_limit, before.used):
            raise CardError(SW.NO_SPACE)
        if memory.entries > max(MOST_ENTRIES, before.entries):
            raise CardError(SW.NO_SPACE)
        self.spend(Work.FILE_WRITE, 8 * written)
        self.commit(replace(self.image, memory=memory))

    def commit(self, image: Image) -> None:
        """Replace the image. CardError if it could not be saved: 6A84 if the disk is full, else 6F00."""
        try:
            self._save(image)
        except OSError as error:
            log.error("the state of stick %s could not be saved: %s", image.serial, error)
            full = error.errno in _DISK_FULL
            raise CardError(SW.NO_SPACE if full else SW.UNKNOWN) from error
        self.image = image

    def compared(self, reference: Reference, *, right: bool) -> None:
        """A PIN was compared: count it; the security state of this PIN is what came out."""
        self._pins[right] += 1
        self.forget(reference)
        if right:
            self.session = self.session._replace(verified=self.session.verified | {reference})

    def forget(self, reference: Reference) -> None:
        """The PIN is not verified any more."""
        self.session = self.session._replace(verified=self.session.verified - {reference})


Handler = Callable[[Context, Command], bytes]
