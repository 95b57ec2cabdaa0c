"""A terminal for the tests: it sends commands to a card and reads its answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from virtual_nitrokey import tlv
from virtual_nitrokey.apdu import Command
from virtual_nitrokey.card import Card, Work
from virtual_nitrokey.image import Image

APPLET = bytes.fromhex("E82B0601040181C31F0201")
PIN = b"648219"
SO_PIN = b"57621880"

FACTORY = Image.new("DENK0100001")
"""A stick that was never initialised; its device key is made once for all tests."""


class Answer(NamedTuple):
    """What came back: the data, and the status word as a number."""

    data: bytes
    sw: int


class Terminal:
    """A card with the applet selected, and everything it has saved."""

    def __init__(
        self, image: Image = FACTORY, *, spend: Callable[[Work, int], None] = lambda work, bits: None
    ) -> None:
        self.saved: list[Image] = []
        self.disk: Callable[[Image], None] = self.saved.append
        self.card = Card(image, save=lambda image: self.disk(image), spend=spend)
        self.select_applet()

    def raw(self, command: bytes | str) -> Answer:
        answer = self.card.transmit(bytes.fromhex(command) if isinstance(command, str) else command)
        return Answer(answer[:-2], int.from_bytes(answer[-2:], "big"))

    def send(self, cla: int, ins: int, p1p2: int = 0, data: bytes = b"", le: int | None = None) -> Answer:
        extended = len(data) > 255 or (le or 0) > 256
        return self.raw(Command(cla, ins, p1p2 >> 8, p1p2 & 0xFF, data, le, extended).encode())

    def select_applet(self) -> Answer:
        return self.send(0x00, 0xA4, 0x0400, APPLET, 256)

    def select(self, fid: int) -> Answer:
        return self.send(0x00, 0xA4, 0, fid.to_bytes(2, "big"), 256)

    def read(self, fid: int, offset: int = 0, le: int = 65536) -> Answer:
        return self.send(0x00, 0xB1, fid, tlv.encode(0x54, offset.to_bytes(2, "big")), le)

    def write(self, fid: int, part: bytes, offset: int = 0) -> int:
        return self.send(0x00, 0xD7, fid, tlv.join((0x54, offset.to_bytes(2, "big")), (0x53, part))).sw

    def delete(self, fid: int) -> int:
        return self.send(0x00, 0xE4, 0x0200, fid.to_bytes(2, "big")).sw

    def listed(self) -> list[int]:
        data = self.send(0x80, 0x58, 0, le=65536).data
        return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]

    def verify(self, pin: bytes = PIN, reference: int = 0x81) -> int:
        return self.send(0x00, 0x20, reference, pin).sw

    def pin_state(self, reference: int = 0x81) -> int:
        return self.send(0x00, 0x20, reference).sw

    def change_pin(self, old: bytes, new: bytes, reference: int = 0x81) -> int:
        return self.send(0x00, 0x24, reference, old + new).sw

    def unblock(self, so_pin: bytes = SO_PIN, new: bytes = b"") -> int:
        return self.send(0x00, 0x2C, 0x0081 if new else 0x0181, so_pin + new).sw

    def initialise(
        self,
        pin: bytes = PIN,
        so_pin: bytes = SO_PIN,
        *,
        options: int = 1,
        tries: int = 3,
        shares: int | None = None,
    ) -> int:
        data = tlv.join(
            (0x80, options.to_bytes(2, "big")), (0x81, pin), (0x82, so_pin), (0x91, bytes((tries,)))
        )
        if shares is not None:
            data += tlv.encode(0x92, bytes((shares,)))
        return self.send(0x80, 0x50, 0, data).sw

    def ready(self, **choices: int) -> Terminal:
        """Initialised, and the user logged in."""
        assert self.initialise(**choices) == 0x9000  # type: ignore[arg-type]  # options, tries and shares only
        assert self.verify() == 0x9000
        return self
