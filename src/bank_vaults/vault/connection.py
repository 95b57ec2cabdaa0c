"""One connection to a server: bytes of a request out, an HTTP/1.1 answer in, within a time limit."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_BODY = 32 * 1024 * 1024
"""Bytes of an answer that are accepted."""

_HEADROOM = 1024 * 1024  # for headers and the framing of chunks

Clock = Callable[[], float]

CUT = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
"""The errors of TLS that only say that the connection ended."""

_NO_TLS = "the server does not speak TLS: must the address begin with http://?"
_NO_CLIENT_CERT = "the server wants a certificate: set VAULT_CLIENT_CERT and VAULT_CLIENT_KEY"
_TLS_HINTS = {
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": _NO_CLIENT_CERT,
}


class ExchangeError(Exception):
    """The connection was there, the answer was not: the request may have reached the server.

    ``permanent``: repeating does not mend it. ``untouched``: the connection had been idle, and not one
    byte of an answer came, so that most likely the server had closed it just before.
    """

    def __init__(self, message: str, *, permanent: bool = False, untouched: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.untouched = untouched


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer. The names of the headers are in lower case.

    ``framed`` is whether the answer said where it ends. One that ends with the connection may have been
    cut.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    framed: bool


class _Reader(io.RawIOBase):
    """The receiving side of a connection, with one deadline for all that is read through it.

    A time limit on each read alone would let a server that drips one byte now and then hold a call for
    ever.
    """

    def __init__(self, connection: Connection, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline
        self.received = 0
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        self._connection.limit(self._deadline)
        count = self._connection.socket.recv_into(cast("bytearray", buffer))
        self.received += count
        self.ended = count == 0
        if self.received > MAX_BODY + _HEADROOM:
            raise _too_large()
        return count

    def makefile(self, *_: object) -> io.BufferedReader:
        """What http.client asks of a socket."""
        return io.BufferedReader(self)


class Connection:
    """A connection, used by one thread at a time. ``reused`` is whether it has been idle in a pool."""

    def __init__(self, connected: socket.socket, clock: Clock) -> None:
        self.socket = connected
        self.reused = False
        self.last_used = clock()
        self._clock = clock

    def limit(self, deadline: float) -> None:
        """Set the socket's time limit to what is left. Raises TimeoutError."""
        remaining = deadline - self._clock()
        if remaining <= 0:
            raise TimeoutError
        self.socket.settimeout(remaining)

    def is_stale(self) -> bool:
        """Whether the server closed the connection, or sent what nobody asked for, while it was idle.

        Reading, not polling, since TLS 1.3 sends session tickets after the handshake: bytes on the
        socket alone do not mean that anything is wrong.
        """
        try:
            self.socket.settimeout(0)
            self.socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            return True
        return True

    def exchange(self, method: str, request: bytes, deadline: float) -> tuple[Answer, bool]:
        """Send the bytes of a request, read the answer, and say whether the connection can be kept.

        Raises ExchangeError.
        """
        reader = _Reader(self, deadline)
        try:
            self._send(request, deadline)
            result = _receive(method, reader)
        except (http.client.HTTPException, ValueError) as cause:  # ValueError: a negative length of a chunk
            if reader.ended or isinstance(cause, http.client.IncompleteRead):
                raise self._broken("it ended before the answer was complete", reader) from None
            raise ExchangeError(
                "the answer is not HTTP: is this a Vault or OpenBao server?", permanent=True
            ) from None
        except TimeoutError:
            raise ExchangeError("no complete answer within the time limit") from None
        except CUT:
            raise self._broken("it ended before the answer was complete", reader) from None
        except ssl.SSLError as cause:
            raise ExchangeError(f"TLS: {tls_reason(cause)}", permanent=True) from None
        except OSError as cause:
            raise self._broken(os_reason(cause), reader) from None
        self.last_used = self._clock()
        return result

    def _broken(self, why: str, reader: _Reader) -> ExchangeError:
        return ExchangeError(f"the connection broke: {why}", untouched=self.reused and not reader.received)

    def _send(self, request: bytes, deadline: float) -> None:
        view = memoryview(request)
        while view:
            self.limit(deadline)
            view = view[self.socket.send(view) :]

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()


def _receive(method: str, reader: _Reader) -> tuple[Answer, bool]:
    response = http.client.HTTPResponse(cast("socket.socket", reader), method=method)
    try:
        response.begin()
        if reader.ended:  # http.client takes the end of the connection for the end of the headers
            raise http.client.IncompleteRead(b"")
        headers = {name.lower(): value for name, value in response.getheaders()}
        framed = response.length is not None or bool(response.chunked)
        # What follows the answer to CONNECT is the tunnel, not a body.
        body = b"" if method == "CONNECT" else _read_body(response)
        return Answer(response.status, headers, body, framed), not response.will_close
    finally:
        response.close()


def _read_body(response: http.client.HTTPResponse) -> bytes:
    if response.length is not None and response.length > MAX_BODY:
        raise _too_large()  # before http.client asks for that much memory
    return response.read()


def _too_large() -> ExchangeError:
    return ExchangeError(f"the answer is larger than {MAX_BODY >> 20} MiB", permanent=True)


def tls_reason(cause: ssl.SSLError) -> str:
    """What went wrong with TLS, with the next step where it is known."""
    reason = cause.reason or "failed"
    if reason in _TLS_HINTS:
        return _TLS_HINTS[reason]
    if "ALERT" in reason:
        return f"the server refused ({reason}): does it accept the certificate in VAULT_CLIENT_CERT?"
    return reason


def os_reason(cause: OSError) -> str:
    """What the system says."""
    return cause.strerror or str(cause) or type(cause).__name__
