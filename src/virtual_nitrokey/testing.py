"""Fresh sticks for tests, in the readers of one pcscd.

pcscd knows its readers from its start and looks into them every 0.4 s. Measured: a pcscd of its own for each
test takes 0.46 s and two processes more. To exchange the stick in one reader takes 0.6 s, because one look
shows that it is empty and only the next one that there is another stick. With two readers that take turns,
the same look shows that the old stick is gone and that the new one is there: 0.2 s, and 0.4 s at most.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from virtual_nitrokey.card import Card, Counters
from virtual_nitrokey.faults import Rule
from virtual_nitrokey.image import Image
from virtual_nitrokey.pcscd import SEEN_BY_OPENSC, Pcscd, Reader
from virtual_nitrokey.rig import settle
from virtual_nitrokey.stick import Stick
from virtual_nitrokey.timing import Clock, Profile
from virtual_nitrokey.trace import Journal


class Nitrokey:
    """A fresh stick in a reader. It is kept nowhere: at the end of the test it is gone."""

    def __init__(self, reader: Reader, pcscd: Pcscd, clock: Clock) -> None:
        self.serial = reader.serial
        """The serial number of stick and token: ``DENK0000001``."""
        self.reader = reader.name
        """The name of its reader, as clients see it."""
        self._pcscd = pcscd
        self._journal = Journal()
        card = Card(Image.new(reader.serial), spend=clock.spend)
        self.stick = Stick(reader.serial, card, clock=clock, journal=self._journal)
        """The stick itself, for what the methods here do not offer."""

    @property
    def image(self) -> Image:
        """All that the stick keeps, as it is now."""
        return self.stick.card.image

    @property
    def counters(self) -> Counters:
        """What the card has done, as a snapshot."""
        return self.stick.card.counters

    @property
    def trace(self) -> list[str]:
        """What the stick has been asked and has answered, a line for each command, without secrets."""
        return [line.text for line in self._journal.after(0)]

    def insert(self) -> None:
        """Insert it; clients see it when this returns. Raises PcscdError."""
        self.stick.insert()
        self.settle()

    def remove(self) -> None:
        """Pull it, also while it works; clients see that when this returns. Raises PcscdError."""
        self.stick.remove()
        self.settle()

    def settle(self) -> None:
        """Wait until clients see it as it is, such as after a restart of pcscd. Raises PcscdError."""
        settle([self.stick], self._pcscd)

    def fault(self, rule: str) -> None:
        """Let something go wrong: ``decipher nth=2 status=6F00``. ValueError if the rule is none."""
        self.stick.add_fault(Rule.parse(rule))

    def clear_faults(self) -> None:
        """Nothing more goes wrong."""
        self.stick.clear_faults()


class _Bay:
    """A reader, and the stick that is in it or was, until clients have seen that it is empty."""

    def __init__(self, index: int, reader: Reader, pcscd: Pcscd) -> None:
        self._index = index
        self._reader = reader
        self._pcscd = pcscd
        self._nitrokey: Nitrokey | None = None

    def fill(self, clock: Clock) -> Nitrokey:
        """Insert a fresh stick. Raises PcscdError."""
        self.empty()  # in one look pcscd would not see that another stick took the place of the former one
        self._nitrokey = Nitrokey(self._reader, self._pcscd, clock)
        self._nitrokey.stick.start(partial(self._pcscd.connect, self._index))
        return self._nitrokey

    def pull(self) -> None:
        """Pull the stick for good, if there is one."""
        if self._nitrokey is not None:
            self._nitrokey.stick.remove()

    def empty(self) -> None:
        """Wait until clients see nothing of the stick that was pulled. Raises PcscdError."""
        if self._nitrokey is not None:
            self._nitrokey.settle()
            self._nitrokey.stick.close()
            self._nitrokey = None


class ReaderPool:
    """A pcscd with SEEN_BY_OPENSC readers, which are empty while no stick is lent. A context manager."""

    def __init__(self, directory: Path, profile: Profile, time_scale: float) -> None:
        readers = [Reader(f"DENK{number:07d}") for number in range(1, SEEN_BY_OPENSC + 1)]
        self.pcscd = Pcscd(readers, directory)
        self._clock = partial(Clock, profile, time_scale)
        self._free = deque(_Bay(index, reader, self.pcscd) for index, reader in enumerate(readers))

    @contextmanager
    def lend(self, count: int) -> Iterator[list[Nitrokey]]:
        """So many sticks that were never initialised, all inserted; clients see no former ones any more.

        ValueError if so many readers are not free; PcscdError.
        """
        if not 1 <= count <= len(self._free):
            raise ValueError(
                f"{count} sticks are not to be had: of {SEEN_BY_OPENSC} readers {len(self._free)} are free"
            )
        if not self.pcscd.running:  # a test stopped it
            self.pcscd.start()
        bays = [self._free.popleft() for _ in range(count)]
        try:
            fresh = [bay.fill(self._clock()) for bay in bays]
            for bay in self._free:
                bay.empty()
            for nitrokey in fresh:
                nitrokey.settle()
            yield fresh
        finally:
            for bay in bays:
                bay.pull()
            self._free.extend(bays)

    def __enter__(self) -> Self:
        self.pcscd.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pcscd.stop()
        for bay in self._free:
            bay.empty()
