"""A stick: a card in a reader of pcscd, inserted or not, with its timing, its faults and its trace."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from virtual_nitrokey import apdu, faults, trace, vpcd
from virtual_nitrokey.apdu import Command
from virtual_nitrokey.commands.files import APPLET
from virtual_nitrokey.faults import Effects, Kind, Rule, Rules
from virtual_nitrokey.instructions import Instruction
from virtual_nitrokey.status import SW
from virtual_nitrokey.timing import Clock, PowerLostError
from virtual_nitrokey.trace import Journal

_RETRY_PAUSE = 0.02  # seconds between two attempts to reach pcscd
_CLOSE_LIMIT = 5.0
_SELECT_APPLET = Command(0x00, Instruction.SELECT, 0x04, 0x00, APPLET).encode()


class SmartCard(Protocol):
    """What a stick needs of its card. It is called from one thread only."""

    def power_on(self) -> None: ...

    def power_off(self) -> None: ...

    def reset(self) -> None: ...

    def transmit(self, raw: bytes) -> bytes: ...


CardT = TypeVar("CardT", bound=SmartCard)


class Stick(Generic[CardT]):
    """A card and the thread that lends it to pcscd. Inserted from the start; any thread may call it.

    ``clock`` is the one that the card spends its time on. When the stick is removed while it works, the
    power is gone: a wait on the clock ends, the command is abandoned, nothing of it is saved.
    """

    def __init__(
        self, serial: str, card: CardT, *, clock: Clock | None = None, journal: Journal | None = None
    ) -> None:
        self.serial = serial
        self.card = card
        self._clock = clock or Clock()
        self._journal = journal or Journal()
        self._changed = threading.Condition()
        self._inserted = True
        self._powered = False  # of the thread's own, as is the next one
        self._atrs_told = 0  # over the present connection
        self._visible = False
        self._closed = False
        self._return_at: float | None = None  # monotonic; when a removed stick comes back by itself
        self._connection: socket.socket | None = None
        self._rules: Rules = ()
        self._thread: threading.Thread | None = None

    # -- what can be asked ---------------------------------------------------------------------------

    @property
    def inserted(self) -> bool:
        """Whether it is in its reader."""
        return self._inserted

    @property
    def visible(self) -> bool:
        """Whether pcscd has seen the card since the stick was inserted."""
        return self._visible

    @property
    def rules(self) -> Rules:
        """The faults still to come."""
        return self._rules

    def settle(self, timeout: float) -> bool:
        """Wait until pcscd has noticed the last insertion or removal, at most ``timeout`` seconds; whether it
        has. A removal counts as noticed where there is no pcscd.
        """
        with self._changed:
            return self._changed.wait_for(self._settled, timeout)

    # -- what can be done to it ----------------------------------------------------------------------

    def start(self, connect: Callable[[], socket.socket]) -> None:
        """Serve in the background. ``connect`` gives a connection to the driver or raises OSError; it is
        asked again and again while the stick is inserted.
        """
        self._thread = threading.Thread(target=self._run, args=[connect], name=self.serial, daemon=True)
        self._thread.start()

    def insert(self) -> None:
        """Put it into its reader; nothing if it is there."""
        with self._changed:
            if not self._inserted:
                self._insert()

    def remove(self, seconds: float | None = None) -> None:
        """Pull it, also while it works. With ``seconds`` it comes back after them. One that is out stays out,
        and without ``seconds`` does not come back by itself any more.
        """
        with self._changed:
            if self._inserted or seconds is None:
                self._return_at = None if seconds is None else time.monotonic() + seconds
            if self._inserted:
                self._inserted = False
                self._journal.write(self.serial, "removed")
                self._disconnect(socket.SHUT_WR)

    def add_fault(self, rule: Rule) -> None:
        """Put one more rule in force."""
        with self._changed:
            self._rules = (*self._rules, rule)

    def clear_faults(self) -> None:
        """Nothing more goes wrong."""
        with self._changed:
            self._rules = ()

    def close(self) -> None:
        """Pull it for good and end its thread."""
        with self._changed:
            self._closed = True
            self._disconnect(socket.SHUT_RDWR)
        if self._thread is not None:
            self._thread.join(_CLOSE_LIMIT)

    # -- the thread ----------------------------------------------------------------------------------

    def _run(self, connect: Callable[[], socket.socket]) -> None:
        while self._wait_inserted():
            try:
                connection = connect()
            except OSError:  # pcscd is away, or has not noticed yet that the former connection ended
                with self._changed:
                    self._changed.wait_for(lambda: self._closed, _RETRY_PAUSE)
                continue
            with connection:
                if self._attach(connection):
                    vpcd.serve(connection, self)
                    self._detach()

    def _wait_inserted(self) -> bool:
        """Wait until the stick is inserted; False if it is closed instead."""
        with self._changed:
            while not self._closed and not self._inserted:
                left = None if self._return_at is None else self._return_at - time.monotonic()
                if left is not None and left <= 0:
                    self._insert()
                else:
                    self._changed.wait(left)
            return not self._closed

    def _attach(self, connection: socket.socket) -> bool:
        """Take the connection into use, unless the stick was pulled meanwhile."""
        with self._changed:
            if self._closed or not self._inserted:
                return False
            self._connection = connection
            self._atrs_told = 0
            self._clock.plug()
            return True

    def _detach(self) -> None:
        with self._changed:
            self._connection = None
            self._visible = False
            self._changed.notify_all()
        self.power_off()

    def _insert(self) -> None:
        """Needs the lock."""
        self._inserted = True
        self._return_at = None
        self._journal.write(self.serial, "inserted")
        self._changed.notify_all()

    def _settled(self) -> bool:
        """Needs the lock."""
        return self._visible if self._inserted else self._connection is None

    def _disconnect(self, how: int) -> None:
        """Needs the lock."""
        self._clock.unplug()
        self._visible = False
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.shutdown(how)
        self._changed.notify_all()

    # -- the slot that vpcd talks to -----------------------------------------------------------------

    def power_on(self) -> None:
        """From the driver."""
        self._powered = True
        self.card.power_on()

    def power_off(self) -> None:
        """From the driver."""
        self._powered = False
        self.card.power_off()

    def reset(self) -> None:
        """From the driver."""
        self.card.reset()

    def told_atr(self) -> None:
        """From the driver. With power on, this is what pcscd takes for the insertion of a card.

        A pcscd that missed the removal, because the stick came back before it looked, gives no power until
        a client wants it: for it the card was there all the time. It has looked twice by the third time.
        """
        with self._changed:
            self._atrs_told += 1
            seen = self._powered or self._atrs_told > 2
            if seen and self._inserted and not self._visible:
                self._visible = True
                self._changed.notify_all()

    def transmit(self, raw: bytes) -> bytes:
        """From the driver: the answer to a command; DroppedError if a fault or a removal prevents one."""
        with self._changed:
            self._rules, effects = faults.meet(self._rules, raw)
        begun = time.monotonic()
        outcome = "connection lost before"
        try:
            answer = self._answer(raw, effects)
            outcome = trace.describe_answer(answer)
            if Kind.DROP in effects:
                outcome += ", lost half way"
                message = vpcd.encode(answer)
                raise self._dropped(message[: len(message) // 2])
        except PowerLostError:
            outcome = "power lost"
            if Kind.REMOVE in effects:
                self.remove(effects[Kind.REMOVE])
            raise self._dropped() from None
        finally:
            milliseconds = (time.monotonic() - begun) * 1000
            text = f"{trace.describe_command(raw)} -> {outcome}, {milliseconds:.1f} ms"
            self._journal.write(self.serial, text)
        return answer

    def _dropped(self, part: bytes = b"") -> vpcd.DroppedError:
        """The connection ends now: for pcscd the card goes, and comes with the next connection."""
        with self._changed:
            self._visible = False
        return vpcd.DroppedError(part)

    def _answer(self, raw: bytes, effects: Effects) -> bytes:
        self._clock.wait(effects.get(Kind.DELAY) or 0.0)  # a stick that was pulled ends here
        if Kind.RESET_LOGIN in effects:
            self.card.transmit(_SELECT_APPLET)
        if Kind.DROP_BEFORE in effects:
            raise self._dropped()
        if Kind.REMOVE in effects:
            self._clock.fail()
            self.card.transmit(raw)
            raise PowerLostError  # the command had no work half way through which it could fail
        status = effects.get(Kind.STATUS)
        if status is not None:
            return apdu.response(b"", int(status))
        answer = self.card.transmit(raw)
        status = effects.get(Kind.STATUS_AFTER)
        if status is not None:
            return apdu.response(b"", int(status))
        if len(answer) > vpcd.LONGEST:  # a reader cannot carry as much as a command may ask for
            return apdu.response(b"", SW.WRONG_LENGTH)
        return answer
