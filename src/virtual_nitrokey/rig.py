"""Sticks in a pcscd of their own: everything that a program with an HSM finds on a real machine.

    with Rig([Image.new()]) as rig:
        subprocess.run(["opensc-tool", "-l"], env={**os.environ, **rig.environment()})

The program runs unchanged: its environment tells it where this pcscd is.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from virtual_nitrokey.card import Card
from virtual_nitrokey.faults import Kind, Rule
from virtual_nitrokey.image import Image
from virtual_nitrokey.pcscd import Pcscd, PcscdError, Reader
from virtual_nitrokey.stick import Stick
from virtual_nitrokey.timing import INSTANT, Clock, Profile
from virtual_nitrokey.trace import Journal

SETTLE_LIMIT = 10.0
"""Seconds for pcscd to notice that a stick was inserted or removed; it takes milliseconds."""
_LOOK_PAUSE = 0.01  # seconds between two looks of pcscd that are asked for


class RigError(Exception):
    """A request that makes no sense for this rig, such as one about a stick it has not."""


class StickStatus(NamedTuple):
    """What can be told of a stick; nothing of it is secret."""

    serial: str
    reader: str
    """The name of its reader, as clients see it."""
    inserted: bool
    visible: bool
    """Whether pcscd has seen it since it was inserted."""
    initialised: bool
    memory_used: int
    memory_limit: int
    """Bytes, as the one before."""
    work: Mapping[str, int]
    """How many operations of each kind the card has done since the rig was made."""
    pins_right: int
    pins_wrong: int
    faults: tuple[str, ...]
    """Those still to come, in their text form."""


class RigStatus(NamedTuple):
    """A rig and its sticks at one moment."""

    directory: str
    environment: Mapping[str, str]
    pcscd_pid: int | None
    sticks: tuple[StickStatus, ...]


def settle(sticks: Iterable[Stick[Card]], pcscd: Pcscd) -> None:
    """Have pcscd notice that these sticks were inserted or removed. Raises PcscdError if it has not after
    SETTLE_LIMIT.
    """
    deadline = time.monotonic() + SETTLE_LIMIT
    for stick in sticks:
        while not stick.settle(0):
            if time.monotonic() > deadline:
                change = "insertion" if stick.inserted else "removal"
                why = "" if pcscd.running else "does not run, and "
                message = (
                    f"pcscd {why}has not noticed the {change} of {stick.serial} for {SETTLE_LIMIT:.0f} s"
                )
                raise PcscdError("pcscd", "; ".join(part for part in (message, pcscd.log()) if part))
            pcscd.look()
            stick.settle(_LOOK_PAUSE)


class Rig:
    """A pcscd and a stick for each of ``images``, all inserted. Use it once, as a context manager.

    ``save`` makes the new image of a stick durable before it counts; without it nothing outlives the rig.
    ``profile`` and ``time_scale`` say how long the cards take. ``directory`` holds the socket of pcscd; a
    temporary one is made and removed if it is not given. ``trace_file`` gets the lines of the journal.

    ValueError for no images, more than pcscd has readers for, two of one serial number, or a scale that is
    none; OSError if the trace file cannot be written. Any thread may call the methods.
    """

    def __init__(
        self,
        images: Sequence[Image],
        *,
        save: Callable[[Image], None] = lambda _image: None,
        profile: Profile = INSTANT,
        time_scale: float = 1.0,
        directory: Path | None = None,
        trace_file: Path | None = None,
    ) -> None:
        self._temporary = directory is None
        # Short, because the name of a socket has room for 107 characters only.
        self.directory = directory or Path(tempfile.mkdtemp(prefix="virtual-nitrokey-"))
        try:
            self._readers = {image.serial: Reader(image.serial) for image in images}
            self._pcscd = Pcscd([Reader(image.serial) for image in images], self.directory / "pcscd")
            clocks = [Clock(profile, time_scale) for _ in images]
            self.journal = Journal(path=trace_file)
        except BaseException:
            self._clean()
            raise
        self.sticks: Mapping[str, Stick[Card]] = {
            image.serial: _stick(image, save, clock, self.journal)
            for image, clock in zip(images, clocks, strict=True)
        }

    # -- what can be asked ---------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        """What makes a program use these sticks and no others."""
        return self._pcscd.environment()

    def stick(self, serial: str | None = None) -> Stick[Card]:
        """The stick with this serial number; without one, the only stick. Raises RigError."""
        if serial is None and len(self.sticks) == 1:
            return next(iter(self.sticks.values()))
        try:
            return self.sticks[serial or ""]
        except KeyError:
            wrong = "say which stick is meant" if serial is None else f"there is no stick {serial}"
            raise RigError(f"{wrong}: there are {', '.join(self.sticks)}") from None

    def status(self) -> RigStatus:
        """The rig at this moment."""
        return RigStatus(
            str(self.directory),
            self.environment(),
            self._pcscd.pid,
            tuple(_status(stick, self._readers[serial].name) for serial, stick in self.sticks.items()),
        )

    # -- what can be done to it ----------------------------------------------------------------------

    def start(self) -> None:
        """Start pcscd and insert the sticks; clients see them when this returns. Raises PcscdError."""
        try:
            self._pcscd.start()
            for index, stick in enumerate(self.sticks.values()):
                stick.start(partial(self._pcscd.connect, index))
            self.settle()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop pcscd and pull all sticks."""
        self._pcscd.stop()
        for stick in self.sticks.values():
            stick.close()
        self.journal.close()
        self._clean()

    def insert(self, serial: str | None = None) -> None:
        """Insert a stick; see :meth:`settle`. Raises RigError."""
        self.stick(serial).insert()

    def remove(self, serial: str | None = None, seconds: float | None = None) -> None:
        """Pull a stick; with ``seconds`` it comes back after them. See :meth:`settle`. Raises RigError."""
        self.stick(serial).remove(seconds)

    def swap(self, removed: str, inserted: str) -> None:
        """Pull one stick and insert another; see :meth:`settle`. Raises RigError, and then does neither."""
        old, new = self.stick(removed), self.stick(inserted)
        old.remove()
        new.insert()

    def settle(self, *serials: str) -> None:
        """Wait until pcscd has noticed all insertions and removals; with serial numbers, those of these
        sticks only. Raises PcscdError, RigError.
        """
        settle(map(self.stick, serials) if serials else self.sticks.values(), self._pcscd)

    def restart_pcscd(self, down_for: float = 0.0) -> None:
        """Stop pcscd, start it after so many seconds, wait until it sees the sticks. Raises PcscdError."""
        self._pcscd.restart(down_for)
        self.settle()

    def reset_login(self, serial: str | None = None) -> None:
        """Log everybody out, as any other process does that opens the token. Raises RigError."""
        # Nobody can tell whether it happens now or just before the next command.
        self.stick(serial).add_fault(Rule(None, Kind.RESET_LOGIN))

    def limit_memory(self, size: int, serial: str | None = None) -> None:
        """Let a stick take no more than so many bytes, as if the rest were full. Raises RigError."""
        self.stick(serial).card.memory_limit = size

    def export(self, path: Path, serial: str | None = None) -> None:
        """Write the image of a stick as it is now, with all its secrets. Raises RigError, OSError."""
        self.stick(serial).card.image.save(path)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _clean(self) -> None:
        if self._temporary:
            with contextlib.suppress(OSError):
                shutil.rmtree(self.directory)


def _stick(image: Image, save: Callable[[Image], None], clock: Clock, journal: Journal) -> Stick[Card]:
    return Stick(image.serial, Card(image, save=save, spend=clock.spend), clock=clock, journal=journal)


def _status(stick: Stick[Card], reader: str) -> StickStatus:
    card = stick.card
    image, counters = card.image, card.counters
    return StickStatus(
        serial=stick.serial,
        reader=reader,
        inserted=stick.inserted,
        visible=stick.visible,
        initialised=bool(image.pins),
        memory_used=image.memory.used,
        memory_limit=card.memory_limit,
        work={work.value: count for work, count in counters.work.items()},
        pins_right=counters.pins_right,
        pins_wrong=counters.pins_wrong,
        faults=tuple(map(str, stick.rules)),
    )
