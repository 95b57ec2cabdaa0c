"""Fresh sticks for tests, in the readers of one pcscd.

Measured: a pcscd of its own for each test takes 0.1 s and two processes more, and a PKCS#11 module that a
test process has loaded would lose it; to exchange the stick in a reader takes 0.02 s.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from virtual_nitrokey.card import Card, Counters
from virtual_nitrokey.faults import Rule
from virtual_nitrokey.image import Image
from virtual_nitrokey.pcscd import MOST_READERS, SEEN_BY_OPENSC, Pcscd, Reader
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


class ReaderPool:
    """A pcscd with readers for sticks, which are empty while none is lent: SEEN_BY_OPENSC of them, and more
    for as long as more sticks are wanted. A context manager.
    """

    def __init__(self, directory: Path, profile: Profile, time_scale: float) -> None:
        self._clock = partial(Clock, profile, time_scale)
        self._readers = _readers(SEEN_BY_OPENSC)
        self._lent: dict[int, Nitrokey] = {}  # by the index of the reader
        self.pcscd = Pcscd(self._readers, directory)

    @contextmanager
    def lend(self, count: int) -> Iterator[list[Nitrokey]]:
        """So many sticks that were never initialised, all inserted; clients see no former ones any more.

        If that takes other readers than there are, pcscd is started anew, and sticks that are lent already
        are inserted again. ValueError if there cannot be so many; PcscdError.
        """
        total = len(self._lent) + count
        if count < 1 or total > MOST_READERS:
            raise ValueError(f"{count} sticks besides {len(self._lent)}: {MOST_READERS} are the most at once")
        self._provide(max(total, len(self._readers) if self._lent else SEEN_BY_OPENSC))
        free = [index for index in range(len(self._readers)) if index not in self._lent]
        with ExitStack() as stack:
            fresh = [self._insert(index) for index in free[:count]]
            for index in free[:count]:
                stack.callback(self._take_back, index)
            for nitrokey in self._lent.values():
                nitrokey.settle()
            yield fresh

    def _provide(self, count: int) -> None:
        """Let pcscd run, with so many readers; the first ones are always the same."""
        if count != len(self._readers):
            self.pcscd.stop()
            self._readers = _readers(count)
            self.pcscd.equip(self._readers)
        if not self.pcscd.running:  # or a test stopped it
            self.pcscd.start()

    def _insert(self, index: int) -> Nitrokey:
        nitrokey = self._lent[index] = Nitrokey(self._readers[index], self.pcscd, self._clock())
        nitrokey.stick.start(partial(self.pcscd.connect, index))
        return nitrokey

    def _take_back(self, index: int) -> None:
        nitrokey = self._lent.pop(index)
        nitrokey.stick.remove()
        nitrokey.settle()  # else pcscd would not see that the next one is another
        nitrokey.stick.close()

    def __enter__(self) -> Self:
        self.pcscd.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pcscd.stop()


def _readers(count: int) -> list[Reader]:
    return [Reader(f"DENK{number:07d}") for number in range(1, count + 1)]
