"""A reader for the tests: the side of vpcd, which listens for a card and asks it things."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Self

from virtual_nitrokey.vpcd import ATR, Control, encode

LIMIT = 10.0  # seconds for anything that the other side does at once


class Reader:
    """Listens on loopback; one card at a time, whose connection is ``card``. A context manager."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(LIMIT)
        self.card = socket.socket()

    def connect(self) -> socket.socket:
        """From the side of the card."""
        return socket.create_connection(self._listener.getsockname(), LIMIT)

    def accept(self) -> None:
        """Take the next card."""
        self.card.close()
        self.card, _ = self._listener.accept()
        self.card.settimeout(LIMIT)

    def see_card(self) -> None:
        """What pcscd does with a new card."""
        self.accept()
        self.control(Control.POWER_ON)
        assert self.atr() == ATR

    def control(self, code: Control) -> None:
        self.card.sendall(encode(bytes((code,))))

    def atr(self) -> bytes:
        self.control(Control.ATR)
        return self.answer()

    def transmit(self, raw: bytes) -> bytes:
        self.card.sendall(encode(raw))
        return self.answer()

    def answer(self) -> bytes:
        """The next message. EOFError if the connection ends in place of it."""
        return self._exactly(int.from_bytes(self._exactly(2), "big"))

    def rest(self) -> bytes:
        """Everything up to the end of the connection, which is ended from this side as well."""
        found = b"".join(iter(lambda: self.card.recv(1 << 16), b""))
        self.card.close()
        return found

    def _exactly(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            piece = self.card.recv(size - len(found))
            if not piece:
                raise EOFError
            found += piece
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.card.close()
        self._listener.close()
