"""Connections to one server: plain, TLS, Unix socket, through a proxy; kept alive and pooled.

This layer knows HTTP/1.1 and time limits, nothing of Vault. It never repeats a request by itself.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from bank_vaults.vault.config import ClientConfig
from bank_vaults.vault.endpoints import Endpoint, parse_proxy
from bank_vaults.vault.resolver import Resolver
from bank_vaults.vault.tls import TlsContexts, TlsFilesError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_BODY = 32 * 1024 * 1024
"""Bytes of an answer that are accepted."""

_HANDSHAKE_SECONDS = 5.0
_IDLE_SECONDS = 90.0  # as Go's transport: firewalls forget silent connections
_MAX_IDLE = 8
_CHUNK = 64 * 1024

Clock = Callable[[], float]


class ConnectError(Exception):
    """No connection: the request was certainly not sent. ``permanent``: repeating does not mend it."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


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
    """One HTTP answer. The names of the headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Reader(io.RawIOBase):
    """The receiving side of a socket, with one deadline for all that is read through it.

    A time limit on each read alone would let a server that drips one byte now and then hold a call for
    ever.
    """

    def __init__(self, connection: Connection, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline
        self.received = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        self._connection.limit(self._deadline)
        count = self._connection.socket.recv_into(cast("bytearray", buffer))
        self.received += count
        return count

    def makefile(self, *_: object) -> io.BufferedReader:
        """What http.client asks of a socket."""
        return io.BufferedReader(self)


class Connection:
    """One connection, used by one thread at a time."""

    def __init__(self, connected: socket.socket, clock: Clock) -> None:
        self.socket = connected
        self.reused = False
        self.idle_since = 0.0
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
        except (OSError, ValueError):
            return True
        return True

    def exchange(self, method: str, request: bytes, deadline: float) -> tuple[Answer, bool]:
        """Send the bytes of a request and read the answer, and say whether the connection can be kept.

        Raises ExchangeError.
        """
        reader = _Reader(self, deadline)
        try:
            self._send(request, deadline)
            response = http.client.HTTPResponse(cast("socket.socket", reader), method=method)
            try:
                response.begin()
                headers = {name.lower(): value for name, value in response.getheaders()}
                # What follows the answer to CONNECT is the tunnel, not a body.
                body = b"" if method == "CONNECT" else _read_body(response)
                answer = Answer(response.status, headers, body)
                return answer, not response.will_close
            finally:
                response.close()
        except http.client.HTTPException as cause:
            if isinstance(cause, (http.client.IncompleteRead, http.client.RemoteDisconnected)):
                raise self._broken("the connection broke before the answer was complete", reader) from None
            raise ExchangeError(
                "the answer is not HTTP: is this a Vault or OpenBao server?", permanent=True
            ) from None
        except TimeoutError:
            raise ExchangeError("no complete answer within the time limit") from None
        except ssl.SSLError as cause:
            if isinstance(cause, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)):
                raise self._broken("the connection broke before the answer was complete", reader) from None
            raise ExchangeError(f"TLS: {_tls_reason(cause)}", permanent=True) from None
        except OSError as cause:
            raise self._broken(f"the connection broke: {_os_reason(cause)}", reader) from None
        except ValueError:  # http.client lets it through for a damaged length of a chunk
            raise ExchangeError("the answer is damaged HTTP", permanent=True) from None

    def _broken(self, message: str, reader: _Reader) -> ExchangeError:
        return ExchangeError(message, untouched=self.reused and reader.received == 0)

    def _send(self, request: bytes, deadline: float) -> None:
        view = memoryview(request)
        while view:
            self.limit(deadline)
            view = view[self.socket.send(view) :]

    def close(self) -> None:
        self.socket.close()


def _read_body(response: http.client.HTTPResponse) -> bytes:
    if response.length is not None and response.length > MAX_BODY:
        raise ExchangeError(f"the answer is larger than {MAX_BODY} bytes", permanent=True)
    body = response.read() if response.length is not None else response.read(MAX_BODY + 1)
    if len(body) > MAX_BODY:
        raise ExchangeError(f"the answer is larger than {MAX_BODY} bytes", permanent=True)
    return body


class Transport:
    """Opens, keeps and hands out connections. Safe under threads."""

    def __init__(self, config: ClientConfig, clock: Clock = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._proxy = parse_proxy(config.proxy, "VAULT_PROXY_ADDR")[0] if config.proxy else None
        self._tls = TlsContexts(config)
        self._resolver = Resolver(srv=config.srv_lookup)
        self._lock = threading.Lock()
        self._idle: dict[Endpoint, list[Connection]] = {}
        self._closed = False

    def acquire(self, endpoint: Endpoint, deadline: float) -> Connection:
        """A connection that was alive a moment ago, kept or new. Raises ConnectError."""
        return self._take_idle(endpoint) or self.open(endpoint, deadline)

    def exchange(
        self, endpoint: Endpoint, connection: Connection, method: str, request: bytes, deadline: float
    ) -> Answer:
        """Send a request, read the answer, keep the connection if it can be. Raises ExchangeError."""
        keep = False
        try:
            answer, keep = connection.exchange(method, request, deadline)
            return answer
        finally:
            if keep:
                self.release(endpoint, connection)
            else:
                connection.close()

    def release(self, endpoint: Endpoint, connection: Connection) -> None:
        """Keep a connection whose last answer was read to the end."""
        connection.reused = True
        connection.idle_since = self._clock()
        with self._lock:
            kept = self._idle.setdefault(endpoint, [])
            if not self._closed and len(kept) < _MAX_IDLE:
                kept.append(connection)
                return
        connection.close()

    def _take_idle(self, endpoint: Endpoint) -> Connection | None:
        while True:
            with self._lock:
                kept = self._idle.get(endpoint)
                if not kept:
                    return None
                connection = kept.pop()
            if self._clock() - connection.idle_since < _IDLE_SECONDS and not connection.is_stale():
                return connection
            connection.close()

    def idle_socket(self, endpoint: Endpoint) -> socket.socket | None:
        """The socket of a living idle connection, which stays in the pool."""
        connection = self._take_idle(endpoint)
        if connection is None:
            return None
        self.release(endpoint, connection)
        return connection.socket

    def close(self) -> None:
        """Close the idle connections, and those in use as soon as they are released."""
        with self._lock:
            self._closed = True
            kept, self._idle = self._idle, {}
        for connections in kept.values():
            for connection in connections:
                connection.close()

    def target(self, endpoint: Endpoint, path: str) -> str:
        """The request target: the absolute form for a plain request through a proxy (RFC 9112, 3.2.2)."""
        return f"{endpoint}{path}" if self._proxy and endpoint.scheme == "http" else path

    def proxy_headers(self, endpoint: Endpoint) -> str:
        """The header lines that are meant for the proxy."""
        if self._proxy is None or endpoint.scheme != "http":
            return ""
        return self._proxy_authorization()

    def _proxy_authorization(self) -> str:
        credentials = self._config.proxy_credentials
        if credentials is None:
            return ""
        from base64 import b64encode

        return f"Proxy-Authorization: Basic {b64encode(credentials.reveal_bytes()).decode()}\r\n"

    def open(self, endpoint: Endpoint, deadline: float) -> Connection:
        """A new connection, TLS included. Raises ConnectError."""
        try:
            if endpoint.scheme == "unix":
                connected = self._open_unix(endpoint.host, deadline)
            elif self._proxy:
                connected = self._open_tcp(self._proxy, deadline)
            else:
                connected = self._open_tcp(endpoint, deadline)
        except TimeoutError:
            raise ConnectError("no connection within the time limit") from None
        except OSError as cause:
            raise ConnectError(f"no connection: {_os_reason(cause)}") from None
        if endpoint.scheme != "https":
            return Connection(connected, self._clock)
        try:
            if self._proxy:
                self._tunnel(connected, endpoint, deadline)
            return Connection(self._handshake(connected, endpoint, deadline), self._clock)
        except BaseException:
            connected.close()
            raise

    def _remaining(self, deadline: float) -> float:
        remaining = deadline - self._clock()
        if remaining <= 0:
            raise TimeoutError
        return remaining

    def _open_unix(self, path: str, deadline: float) -> socket.socket:
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connected.settimeout(self._remaining(deadline))
            connected.connect(path)
        except BaseException:
            connected.close()
            raise
        return connected

    def _open_tcp(self, endpoint: Endpoint, deadline: float) -> socket.socket:
        addresses = self._resolver.addresses(endpoint, self._remaining(deadline))
        last: OSError = OSError("the name has no address")
        for position, (family, address) in enumerate(addresses):
            # A share of the time for each address, so that a dead first one does not use up all of it.
            share = self._remaining(deadline) / (len(addresses) - position)
            candidate = socket.socket(family, socket.SOCK_STREAM)
            try:
                candidate.settimeout(share)
                candidate.connect(address)
                candidate.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                candidate.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            except OSError as cause:
                candidate.close()
                last = cause
            except BaseException:
                candidate.close()
                raise
            else:
                return candidate
        raise last

    def _tunnel(self, connected: socket.socket, endpoint: Endpoint, deadline: float) -> None:
        """Ask the proxy for a tunnel (RFC 9110, 9.3.6). Raises ConnectError."""
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        authority = f"{host}:{endpoint.port}"
        request = f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{self._proxy_authorization()}\r\n"
        connection = Connection(connected, self._clock)
        try:
            status = connection.exchange("CONNECT", request.encode("ascii"), deadline)[0].status
        except ExchangeError as error:
            raise ConnectError(f"proxy {self._proxy}: {error}", permanent=error.permanent) from None
        if status == http.client.PROXY_AUTHENTICATION_REQUIRED:
            raise ConnectError(
                f"proxy {self._proxy}: it wants a user and a password: http://user:password@host:port",
                permanent=True,
            )
        if not 200 <= status < 300:
            raise ConnectError(f"proxy {self._proxy}: status {status}", permanent=status < 500)

    def _handshake(self, connected: socket.socket, endpoint: Endpoint, deadline: float) -> ssl.SSLSocket:
        try:
            context = self._tls.current()
            name = self._config.tls_server_name or endpoint.host
            connected.settimeout(min(self._remaining(deadline), _HANDSHAKE_SECONDS))
            # A cut without TLS's goodbye must not pass for the end of an answer.
            return context.wrap_socket(connected, server_hostname=name, suppress_ragged_eofs=False)
        except TlsFilesError as error:
            raise ConnectError(str(error), permanent=True) from None
        except ssl.SSLCertVerificationError as cause:
            raise ConnectError(
                f"the certificate of {endpoint} is not trusted: {cause.verify_message}. "
                "Check the CA in VAULT_CACERT and the name in VAULT_TLS_SERVER_NAME",
                permanent=True,
            ) from None
        except (TimeoutError, ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError):
            raise ConnectError("TLS: the server did not complete the handshake") from None
        except ssl.SSLError as cause:
            raise ConnectError(f"TLS: {_tls_reason(cause)}", permanent=True) from None
        except OSError as cause:
            raise ConnectError(f"TLS: no connection: {_os_reason(cause)}") from None
        except ValueError:
            raise ConnectError(f"TLS: {name!r} cannot be a server's name", permanent=True) from None


_NO_TLS = "the server does not speak TLS: must the address begin with http://?"
_NO_CLIENT_CERT = "the server wants a certificate: set VAULT_CLIENT_CERT and VAULT_CLIENT_KEY"
_TLS_HINTS = {
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": _NO_CLIENT_CERT,
}


def _tls_reason(cause: ssl.SSLError) -> str:
    reason = cause.reason or "failed"
    if hint := _TLS_HINTS.get(reason):
        return hint
    if "ALERT" in reason and (
        "CERTIFICATE" in reason or "UNKNOWN_CA" in reason or "HANDSHAKE_FAILURE" in reason
    ):
        return f"the server refused ({reason}): check VAULT_CLIENT_CERT and VAULT_CLIENT_KEY"
    return reason


def _os_reason(cause: OSError) -> str:
    return cause.strerror or str(cause) or type(cause).__name__
