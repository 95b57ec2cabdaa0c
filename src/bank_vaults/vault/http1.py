"""Reading HTTP/1.1 answers (RFC 9112): bytes in, an answer or an error out. No sockets here.

In place of ``http.client``, whose imports alone take longer than the first question to a server may.
Tolerated are lines that end with LF alone (2.2; not behind the data of a chunk), folded fields (5.2) and a
status line without a reason (4). Everything else that the RFC does not allow is refused, above all what
leaves the end of an answer in doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

MAX_BODY = 32 * 1024 * 1024
"""Bytes of an answer that are accepted."""

_HEADROOM = 1024 * 1024  # for the fields, the framing of chunks and interim answers
_LONGEST_LINE = 65536
_MOST_LINES = 100  # of fields in one head or trailer
_PIECE = 65536  # bytes asked for at once

_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")
_BLANKS = " \t"


class MalformedError(Exception):
    """The bytes are no answer of HTTP/1.1. The message says what is wrong, and has none of the bytes."""


class TooLargeError(Exception):
    """The answer is larger than ``MAX_BODY``, or says that it will be."""


class Answer(NamedTuple):
    """One HTTP answer. The names of the headers are in lower case.

    ``framed`` is whether the answer said where it ends. One that ends with the connection may have been
    cut.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    framed: bool

    def __repr__(self) -> str:
        return f"Answer({self.status})"  # bodies and headers hold secrets


class Reader:
    """Reads one answer from ``receive(n)``, which returns at most n bytes, and none at the end.

    ``received`` counts the bytes taken so far.
    """

    def __init__(self, receive: Callable[[int], bytes]) -> None:
        self._receive = receive
        self._buffer = bytearray()
        self._at = 0
        """How much of the buffer has been taken."""
        self.received = 0

    def answer(self, method: str) -> tuple[Answer, bool]:
        """The answer to a request of ``method``, and whether the connection can be kept afterwards.

        Raises MalformedError, TooLargeError, EOFError where the answer is not complete, and whatever
        ``receive`` raises.
        """
        status = 100
        while status < 200:  # interim answers may come at any time (RFC 9110, 15.2)
            minor, status = self._status()
            fields = self._fields()
            if status == 101:
                raise MalformedError("a change of protocol that nobody asked for")
        keep = minor > 0 and "close" not in fields.get("connection", "").lower()
        if method in ("HEAD", "CONNECT") or status in (204, 304):
            # No body, whatever the fields say. What follows the answer to CONNECT is the tunnel.
            return Answer(status, fields, b"", framed=True), keep and self._is_empty()
        coding, length = fields.get("transfer-encoding"), fields.get("content-length")
        if coding is not None:
            if coding.lower() != "chunked":
                raise MalformedError("a transfer coding that nobody asked for")
            # It overrides a length (6.3). An error would be allowed, but the answer of sys/init comes once.
            body, framed = self._chunks(), True
            keep = keep and length is None
        elif length is not None:
            body, framed = self._exactly(_number_of(length)), True
        else:
            body, framed = self._rest(), False
        return Answer(status, fields, body, framed), keep and framed and self._is_empty()

    def _status(self) -> tuple[int, int]:
        """The minor version and the status code."""
        version, _, rest = self._line().partition(" ")
        major, minor, code = version[:-1], version[-1:], rest.partition(" ")[0]
        if major != "HTTP/1." or not minor.isdecimal():
            raise MalformedError("it does not begin with HTTP/1")
        if len(code) != 3 or not code.isdecimal() or code < "100":
            raise MalformedError("the status is no number of three digits")
        return int(minor), int(code)

    def _fields(self) -> dict[str, str]:
        """Header or trailer fields to the empty line. Several of one name are one list (RFC 9110, 5.3)."""
        fields: dict[str, str] = {}
        name = ""
        for _ in range(_MOST_LINES + 1):
            line = self._line()
            if not line:
                return fields
            if line[0] in _BLANKS and name:
                fields[name] = f"{fields[name]} {line.strip(_BLANKS)}".strip(_BLANKS)
                continue
            name, colon, value = line.partition(":")
            name, value = _name(name if colon else ""), value.strip(_BLANKS)
            fields[name] = f"{fields[name]}, {value}" if name in fields else value
        raise MalformedError(f"more than {_MOST_LINES} header lines")

    def _chunks(self) -> bytes:
        """A chunked body (7.1). Extensions and trailers are read and dropped."""
        body = bytearray()
        while size := self._chunk_size():
            if len(body) + size > MAX_BODY:
                raise TooLargeError
            body += self._exactly(size)
            if self._exactly(2) != b"\r\n":
                raise MalformedError("a chunk longer than it says")
        self._fields()
        return bytes(body)

    def _chunk_size(self) -> int:
        digits = self._line().partition(";")[0].rstrip(_BLANKS).encode("latin-1")
        if not digits or not _HEX_DIGITS.issuperset(digits):
            raise MalformedError("a chunk without a size")
        return int(digits, 16)

    def _exactly(self, count: int) -> bytes:
        if count > MAX_BODY:
            raise TooLargeError  # before that much memory is used
        while len(self._buffer) - self._at < count:
            self._fill()
        data = bytes(self._buffer[self._at : self._at + count])
        self._at += count
        return data

    def _rest(self) -> bytes:
        """All to the end of the connection."""
        while True:
            try:
                self._fill()
            except EOFError:
                return bytes(self._buffer[self._at :])

    def _line(self) -> str:
        """One line without its end."""
        while (end := self._buffer.find(b"\n", self._at, self._at + _LONGEST_LINE)) < 0:
            if len(self._buffer) - self._at >= _LONGEST_LINE:
                raise MalformedError("a line longer than 64 KiB")
            self._fill()
        line = self._buffer[self._at : end].decode("latin-1").removesuffix("\r")
        self._at = end + 1
        if "\r" in line or "\0" in line:  # others may read them as ends of lines (RFC 9110, 5.5)
            raise MalformedError("a stray carriage return or a zero byte")
        return line

    def _is_empty(self) -> bool:
        """Whether nothing stands behind what has been taken."""
        return self._at == len(self._buffer)

    def _fill(self) -> None:
        data = self._receive(_PIECE)
        if not data:
            raise EOFError
        self.received += len(data)
        if self.received > MAX_BODY + _HEADROOM:
            raise TooLargeError
        if self._at > _PIECE:
            del self._buffer[: self._at]
            self._at = 0
        self._buffer += data


@lru_cache(maxsize=64)
def _name(written: str) -> str:
    """The name of a field in lower case. Servers send the same few again and again."""
    if not (written and _TOKEN.issuperset(written)):
        raise MalformedError("a header line without a name")
    return written.lower()


def _number_of(length: str) -> int:
    """A Content-Length. A list of equal numbers is the one number (6.3), unequal ones are an error."""
    values = {value.strip(_BLANKS) for value in length.split(",")}
    digits = values.pop()
    if values or not digits.isdecimal():
        raise MalformedError("a Content-Length that is no number")
    digits = digits.lstrip("0") or "0"
    if len(digits) > len(str(MAX_BODY)):
        raise TooLargeError  # and Python refuses to read a number of thousands of digits
    return int(digits)
