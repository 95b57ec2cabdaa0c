"""The card: power, the security state that goes with it, and the dispatch of commands.

It does no input and output of its own but for saving its image, and takes no time but what it computes.
It serves one caller at a time; several threads need a lock around it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from virtual_nitrokey import apdu
from virtual_nitrokey.apdu import Command
from virtual_nitrokey.commands import COMMANDS, SELECT
from virtual_nitrokey.commands.context import Context, Counters, Session, Work
from virtual_nitrokey.image import Image
from virtual_nitrokey.status import SW, CardError

__all__ = ["Card", "Counters", "Work"]

log = logging.getLogger(__name__)

_CLASSES = {cla for cla, _ in COMMANDS}
_BY_AID = 0x04  # P1 of SELECT


def _save_nowhere(_image: Image) -> None: ...


def _spend_nothing(_work: Work, _bits: int) -> None: ...


class Card:
    """A SmartCard-HSM with the persistent state ``image``.

    ``save`` makes a new image durable before it counts, or raises OSError. ``spend(work, bits)`` is called
    once for each unit of work, before its result is known outside and before it changes anything: it may
    wait there as long as a real card takes, or raise to abandon the command. A CardError it raises is
    answered, and what is no Exception passes through.
    """

    def __init__(
        self,
        image: Image,
        *,
        save: Callable[[Image], None] = _save_nowhere,
        spend: Callable[[Work, int], None] = _spend_nothing,
    ) -> None:
        self._context = Context(image, save, spend)

    @property
    def image(self) -> Image:
        """The persistent state as it is now."""
        return self._context.image

    @property
    def counters(self) -> Counters:
        """What the card has done since it was made, as a snapshot."""
        return self._context.counters

    @property
    def memory_limit(self) -> int:
        """How many bytes of files and keys fit. Set below what is in use nothing grows any more."""
        return self._context.memory_limit

    @memory_limit.setter
    def memory_limit(self, limit: int) -> None:
        self._context.memory_limit = limit

    def reset(self) -> None:
        """No applet is selected any more and nobody logged in; so it is as well when power goes or comes."""
        self._context.session = Session()

    power_on = power_off = reset

    def transmit(self, raw: bytes) -> bytes:
        """The answer to a command, whatever the bytes; raises nothing of its own.

        A command that fails has changed nothing but the counter of a wrong PIN.
        """
        try:
            self._context.spend(Work.APDU, 8 * len(raw))
            return apdu.response(self._execute(apdu.parse(raw)), SW.OK)
        except CardError as error:
            return apdu.response(b"", error.sw)
        except Exception as error:  # its text could tell a secret
            log.error("a command failed with %s", type(error).__name__)
            return apdu.response(b"", SW.UNKNOWN)

    def _execute(self, command: Command) -> bytes:
        kind = (command.cla, command.ins)
        if not self._context.session.selected and (kind != SELECT or command.p1 != _BY_AID):
            raise CardError(SW.WRONG_INS)
        if command.cla not in _CLASSES:
            raise CardError(SW.WRONG_CLA)
        handler = COMMANDS.get(kind)
        if handler is None:
            raise CardError(SW.WRONG_INS)
        return handler(self._context, command)
