"""Commands and responses as bytes (ISO/IEC 7816-3, 12.1; ISO/IEC 7816-4, 5.1)."""

from __future__ import annotations

from typing import NamedTuple

from virtual_nitrokey.status import SW, CardError

_HEADER = 4  # bytes: CLA INS P1 P2


class Command(NamedTuple):
    """One command APDU.

    ``le`` is the largest number of bytes wanted in the response: 256 or 65536 where the bytes are zero,
    None where there is no Le field. ``extended`` says that the lengths are of the long form.
    """

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = b""
    le: int | None = None
    extended: bool = False

    @property
    def p1p2(self) -> int:
        """P1 and P2 as one number of two bytes."""
        return self.p1 << 8 | self.p2

    def encode(self) -> bytes:
        """The bytes of the command. ValueError if the lengths do not fit the chosen form."""
        header = bytes((self.cla, self.ins, self.p1, self.p2))
        if not self.extended:
            return header + self._body(255, 256, 1)
        if not self.data and self.le is None:
            raise ValueError("a command without data and Le has no extended form")
        return header + b"\0" + self._body(65535, 65536, 2)

    def _body(self, most_data: int, most_le: int, width: int) -> bytes:
        if len(self.data) > most_data:
            raise ValueError(f"{len(self.data)} bytes of data, this form takes {most_data}")
        body = len(self.data).to_bytes(width, "big") + self.data if self.data else b""
        if self.le is None:
            return body
        if not 1 <= self.le <= most_le:
            raise ValueError(f"Le is {self.le}, this form takes 1 to {most_le}")
        return body + (self.le % most_le).to_bytes(width, "big")

    def __repr__(self) -> str:
        """Without the data: it may be a PIN."""
        le = "-" if self.le is None else self.le
        return f"<{self.cla:02X} {self.ins:02X} {self.p1:02X} {self.p2:02X} data:{len(self.data)} le:{le}>"


def parse(raw: bytes) -> Command:
    """Read a command of any case, short or extended. CardError (6700) if the lengths do not add up."""
    if len(raw) < _HEADER:
        raise CardError(SW.WRONG_LENGTH)
    cla, ins, p1, p2 = raw[:_HEADER]
    body = raw[_HEADER:]
    # One zero byte alone is a short Le; before anything else it announces the long form.
    extended = len(body) > 1 and body[0] == 0
    width = 2 if extended else 1
    data, le = _split(body[1:] if extended else body, width)
    most_le = 1 << 8 * width
    return Command(cla, ins, p1, p2, data, None if le is None else le or most_le, extended)


def _split(body: bytes, width: int) -> tuple[bytes, int | None]:
    """Data and Le of a body with length fields of ``width`` bytes."""
    if not body:
        return b"", None
    length = int.from_bytes(body[:width], "big")
    if len(body) == width:
        return b"", length
    data, le = body[width : width + length], body[width + length :]
    if not data or len(data) != length or len(le) not in (0, width):
        raise CardError(SW.WRONG_LENGTH)
    return data, int.from_bytes(le, "big") if le else None


def response(data: bytes, sw: int) -> bytes:
    """The bytes of a response: the data, then SW1 and SW2."""
    return data + sw.to_bytes(2, "big")
