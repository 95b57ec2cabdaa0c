"""As much of an Active Directory as rotating one password needs: it takes ``unicodePwd``, which slapd cannot.

It speaks LDAP (RFC 4511): bind, search and modify of one entry.
"""

from __future__ import annotations

import contextlib
import socketserver
from collections.abc import Iterator
from typing import Final

from tests.support.serving import serving

ACCOUNT: Final = "cn=vault,dc=example,dc=org"

_SEQUENCE, _SET, _INTEGER, _OCTETS, _ENUMERATED = 0x30, 0x31, 0x02, 0x04, 0x0A
_BIND, _UNBIND, _SEARCH, _MODIFY = 0x60, 0x42, 0x63, 0x66
_ENTRY, _DONE = 0x64, 0x65
_OK, _INVALID_CREDENTIALS = 0, 49


class ActiveDirectory:
    """A directory with one account. ``changes`` counts new passwords."""

    def __init__(self, password: str) -> None:
        self.password = password
        self.changes = 0
        self.url = ""

    def answers(self, tag: int, body: bytes) -> list[bytes]:
        """To a request, without the envelopes. Raises KeyError for one that nobody here sends."""
        parts = _parts(body)
        if tag == _BIND:
            right = (parts[1][1].decode(), parts[2][1].decode()) == (ACCOUNT, self.password)
            return [_result(_BIND + 1, _OK if right else _INVALID_CREDENTIALS)]
        if tag == _SEARCH:
            entry = _value(_OCTETS, ACCOUNT.encode()) + _value(_SEQUENCE, b"")
            return [_value(_ENTRY, entry), _result(_DONE, _OK)]
        assert tag == _MODIFY, hex(tag)
        ((_, change),) = _parts(parts[1][1])
        (_, name), (_, values) = _parts(_parts(change)[1][1])
        ((_, value),) = _parts(values)
        assert name == b"unicodePwd"
        self.password = value.decode("utf-16-le").strip('"')
        self.changes += 1
        return [_result(_MODIFY + 1, _OK)]


class _Handler(socketserver.StreamRequestHandler):
    directory: ActiveDirectory

    def handle(self) -> None:
        while head := self.rfile.read(2):
            length = head[1]
            if length & 0x80:
                length = int.from_bytes(self.rfile.read(length & 0x7F), "big")
            (_, number), (tag, body), *_ = _parts(self.rfile.read(length))
            if tag == _UNBIND:
                return
            for answer in self.directory.answers(tag, body):
                self.wfile.write(_value(_SEQUENCE, _value(_INTEGER, number) + answer))


@contextlib.contextmanager
def active_directory(password: str) -> Iterator[ActiveDirectory]:
    """The directory, listening on loopback."""
    found = ActiveDirectory(password)
    handler = type("Handler", (_Handler,), {"directory": found})
    server = _Listener(("127.0.0.1", 0), handler)
    found.url = f"ldap://127.0.0.1:{server.server_address[1]}"
    with serving(server):
        yield found


class _Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True


def _result(tag: int, code: int) -> bytes:
    return _value(tag, _value(_ENUMERATED, bytes([code])) + _value(_OCTETS, b"") * 2)


def _value(tag: int, content: bytes) -> bytes:
    """In BER (X.690): tag, length, content."""
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def _parts(content: bytes) -> list[tuple[int, bytes]]:
    """The values that follow each other."""
    found: list[tuple[int, bytes]] = []
    while content:
        tag, length, start = content[0], content[1], 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(content[2:start], "big")
        found.append((tag, content[start : start + length]))
        content = content[start + length :]
    return found
