"""The wire protocol between vpcd, the reader driver of vsmartcard, and the card behind it.

Each message, in both directions, is a length of two bytes, big endian, and as many bytes. A single byte
to the card is a control code; everything longer is a command APDU. The card answers APDUs and requests
for its ATR and nothing else (vsmartcard, virtualsmartcard manual, "Communication between vpcd and vpicc").
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from enum import IntEnum
from typing import Protocol

ATR = bytes.fromhex("3BFE1800008131FE458031815448534D31738021408107FA")
"""Answer to reset of a SmartCard-HSM with contacts (ISO/IEC 7816-3, 8.2)."""
LONGEST = 0xFFFF  # bytes of a message

_RECEIVE = 1 << 16
_NOTICE_LIMIT = 2.0  # seconds; vpcd looks for its card every 0.4 s


class Control(IntEnum):
    """A message of one byte from vpcd."""

    POWER_OFF = 0
    POWER_ON = 1
    RESET = 2
    ATR = 4


Frame = Control | bytes
"""A message from vpcd: a control code, or the bytes of a command APDU."""


class Slot(Protocol):
    """What is behind a connection: a card that has power or not."""

    def power_on(self) -> None: ...

    def power_off(self) -> None: ...

    def reset(self) -> None: ...

    def transmit(self, raw: bytes) -> bytes:
        """The answer to a command APDU, LONGEST bytes at most; or raises DroppedError."""
        ...

    def told_atr(self) -> None:
        """The ATR was sent."""
        ...


class DroppedError(Exception):
    """The connection is to end in place of an answer, after ``part`` of the message was sent."""

    def __init__(self, part: bytes = b"") -> None:
        super().__init__(f"{len(part)} bytes sent")
        self.part = part


class Decoder:
    """Takes the stream from vpcd in any pieces and gives the messages in it.

    Empty messages and unknown control codes are left out: nobody waits for an answer to them. Two or
    three bytes are too few for an APDU, but an answer is expected: the card says so itself.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, piece: bytes) -> Iterator[Frame]:
        """The messages that this piece completes."""
        buffer = self._buffer
        buffer += piece
        while len(buffer) >= 2 and len(buffer) >= 2 + (length := int.from_bytes(buffer[:2], "big")):
            payload = bytes(buffer[2 : 2 + length])
            del buffer[: 2 + length]
            if length > 1:
                yield payload
            elif payload and payload[0] in tuple(Control):
                yield Control(payload[0])


def encode(payload: bytes) -> bytes:
    """A message to or from vpcd. ValueError above 65535 bytes."""
    if len(payload) > LONGEST:
        raise ValueError(f"a message of {len(payload)} bytes")
    return len(payload).to_bytes(2, "big") + payload


def serve(connection: socket.socket, slot: Slot) -> None:
    """Be the card at the other end of this TCP connection until it ends, from whichever side.

    When this returns, vpcd has noticed the end: it is the end of the connection on its side.
    """
    decoder = Decoder()
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while piece := _receive(connection):
                for frame in decoder.feed(piece):
                    _handle(connection, frame, slot)
        except DroppedError as dropped:
            connection.sendall(dropped.part)
    _hang_up(connection)


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
    deadline = time.monotonic() + _NOTICE_LIMIT
    with contextlib.suppress(OSError):
        connection.settimeout(_NOTICE_LIMIT)
        while connection.recv(_RECEIVE) and time.monotonic() < deadline:
            pass  # what vpcd asks before it notices


def _receive(connection: socket.socket) -> bytes:
    """The driver (3.3) writes length and payload apart and, without TCP_NODELAY, waits in between for the
    acknowledgement: unless that comes at once, each command takes 40 ms more. Linux forgets the option
    after some packets (tcp(7)), so it is set anew on both sides of the wait.
    """
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
    piece = connection.recv(_RECEIVE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
    return piece


def _handle(connection: socket.socket, frame: Frame, slot: Slot) -> None:
    match frame:
        case Control.POWER_OFF:
            slot.power_off()
        case Control.POWER_ON:
            slot.power_on()
        case Control.RESET:
            slot.reset()
        case Control.ATR:
            connection.sendall(encode(ATR))
            slot.told_atr()
        case _:
            connection.sendall(encode(slot.transmit(frame)))
