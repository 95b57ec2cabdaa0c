"""Connections to one server: plain, TLS, Unix socket, through a proxy; kept alive and pooled.

Nothing here knows of Vault, or repeats a request.
"""

from __future__ import annotations

import socket
import threading
import time
from functools import cached_property
from typing import TYPE_CHECKING

from bank_vaults.vault.config import ClientConfig
from bank_vaults.vault.connection import Clock, ConnectError, Connection, ExchangeError, os_reason
from bank_vaults.vault.endpoints import Endpoint, parse_proxy
from bank_vaults.vault.http1 import Answer
from bank_vaults.vault.resolver import Resolver

if TYPE_CHECKING:
    from bank_vaults.vault.tls import Tls

_IDLE_SECONDS = 90.0  # as Go's transport: firewalls forget silent connections


class Transport:
    """Opens, keeps and hands out connections. Safe under threads."""

    def __init__(self, config: ClientConfig, clock: Clock = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._proxy = parse_proxy(config.proxy, "VAULT_PROXY_ADDR")[0] if config.proxy else None
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
        """Keep a connection for the next call."""
        connection.reused = True
        with self._lock:
            kept = self._idle.setdefault(endpoint, [])
            if not self._closed and len(kept) < self._config.most_idle:
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
            if self._clock() - connection.last_used < _IDLE_SECONDS and not connection.is_stale():
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
            raise ConnectError(f"no connection: {os_reason(cause)}") from None
        if endpoint.scheme != "https":
            return Connection(connected, self._clock)
        try:
            if self._proxy:
                self._tunnel(connected, endpoint, deadline)
            return self._tls.secure(connected, endpoint, deadline)
        except BaseException:
            connected.close()
            raise

    @cached_property
    def _tls(self) -> Tls:
        from bank_vaults.vault.tls import Tls  # ssl takes 9 ms, and plain http has no use for it

        return Tls(self._config, self._clock)

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
        if status == 407:
            raise ConnectError(
                f"proxy {self._proxy}: it wants a user and a password: http://user:password@host:port",
                permanent=True,
            )
        if not 200 <= status < 300:
            raise ConnectError(f"proxy {self._proxy}: status {status}", permanent=status < 500)
