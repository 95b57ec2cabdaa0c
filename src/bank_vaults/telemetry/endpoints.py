"""The HTTP port: ``/metrics``, ``/healthz``, ``/readyz``. No request ever reaches the Vault server.

Bound at once, so that a taken port ends the start; everything heavy is imported by the serving thread.
"""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import threading
import time
from collections.abc import Callable
from functools import partial

from bank_vaults.telemetry.health import Health
from bank_vaults.telemetry.metrics import Metrics

REQUEST_LIMIT = 5.0
"""Seconds from accepting a connection to the end of its answer."""
MOST_REQUESTS = 8
"""Requests served at the same time; each costs a thread."""

_ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[^\[\]:/\s]*)):(?P<port>[0-9]{1,5})")
_ACCEPT_PAUSE = 0.1  # seconds, after accept failed, for example for want of descriptors
_BUSY = b"HTTP/1.0 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

logger = logging.getLogger(__name__)


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of ``:9091``, ``127.0.0.1:0``, ``[::1]:9091``, ``host:9091``; host "" means all.

    Raises ValueError.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match["port"]) > 65535:
        raise ValueError(f"{address!r} is not an address of the form HOST:PORT, [IPV6]:PORT or :PORT")
    return match["v6"] or match["host"] or "", int(match["port"])


def _listen(host: str, port: int) -> socket.socket:
    if not host:
        dual = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if dual else socket.AF_INET
        return socket.create_server(("", port), family=family, dualstack_ipv6=dual)
    try:  # a number first: for a name the system loads its whole resolver, 3 ms of the start
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family, _, _, _, resolved = found[0]
    return socket.create_server(resolved, family=family)


class Endpoints:
    """The server of one address. Raises ValueError for an address that :func:`parse_address` refuses."""

    def __init__(self, address: str, metrics: Metrics, health: Health) -> None:
        self._address = address
        self._host, self._port = parse_address(address)
        self._metrics = metrics
        self._health = health
        self._listener: socket.socket | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._requests: dict[threading.Thread, socket.socket] = {}
        self._acceptor: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port in use, which differs from the one asked for when that was 0."""
        return self._port

    def start(self) -> None:
        """Bind and serve in the background. Raises OSError that names the address if it cannot be bound."""
        try:
            listener = _listen(self._host, self._port)
        except OSError as error:
            reason = str(error.strerror).partition(" (while ")[0]  # Python adds the address in its own form
            raise OSError(error.errno, f"cannot listen on {self._address}: {reason}") from error
        self._port = listener.getsockname()[1]
        self._listener = listener
        self._acceptor = threading.Thread(target=self._accept, args=[listener], name="endpoints", daemon=True)
        self._acceptor.start()
        logger.info("vault metrics exporter enabled: %s/metrics", self._address)

    def stop(self) -> None:
        """Stop serving: running answers are finished, unfinished requests are dropped."""
        if self._listener is None or self._acceptor is None:
            return
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the acceptor, which closing does not
        self._acceptor.join()
        self._listener.close()
        self._listener = None
        with self._lock:
            requests = list(self._requests.items())
            for _, connection in requests:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)
        for thread, _ in requests:
            thread.join()

    def _accept(self, listener: socket.socket) -> None:
        pages = None
        while not self._stopping.is_set():
            try:
                connection, peer = listener.accept()
            except OSError:
                self._stopping.wait(_ACCEPT_PAUSE)
                continue
            deadline = time.monotonic() + REQUEST_LIMIT
            # Not before somebody asks: http.server takes 40 ms, which this thread would take from the start.
            from bank_vaults.telemetry import handler

            pages = pages or handler.Pages(self._metrics, self._health)
            self._dispatch(connection, partial(handler.serve, connection, peer, pages, deadline))

    def _dispatch(self, connection: socket.socket, serve: Callable[[], None]) -> None:
        """Serve in a thread of its own if there is one to spare, else turn the client away."""

        def run() -> None:
            with connection:
                try:
                    serve()
                finally:
                    with self._lock:
                        del self._requests[thread]

        thread = threading.Thread(target=run, name="endpoints-request", daemon=True)
        with self._lock:
            if len(self._requests) < MOST_REQUESTS and not self._stopping.is_set():
                try:
                    thread.start()
                except RuntimeError:  # the system grants no more threads: as good as too many requests
                    pass
                else:
                    self._requests[thread] = connection
                    return
        with connection, contextlib.suppress(OSError):
            connection.setblocking(False)
            connection.sendall(_BUSY)
