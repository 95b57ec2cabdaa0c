"""One HTTP request of :mod:`bank_vaults.telemetry.endpoints`. Imports http.server, so import it late."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import socket
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from bank_vaults.telemetry.health import Health, Verdict
from bank_vaults.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from bank_vaults.telemetry.exposition import Exposition

logger = logging.getLogger(__name__)


class Pages:
    """What is under each path. Safe from several threads."""

    def __init__(self, metrics: Metrics, health: Health) -> None:
        self._metrics = metrics
        self._health = health
        self._exposition: Exposition | None = None
        self._scrape = threading.Lock()

    def get(self, path: str, accept: str) -> tuple[HTTPStatus, str, bytes]:
        """Status, content type and body of a path."""
        if path == "/metrics":
            content, content_type = self._render(accept)
            return HTTPStatus.OK, content_type, content
        if path == "/healthz":
            return _verdict(self._health.alive())
        if path == "/readyz":
            return _verdict(self._health.ready())
        return HTTPStatus.NOT_FOUND, "text/plain", b"not found\n"

    def _render(self, accept: str) -> tuple[bytes, str]:
        with self._scrape:  # one collector run at a time, and one first import
            if self._exposition is None:
                # prometheus_client: 40 ms and 5 MiB that a process nobody scrapes never pays.
                from bank_vaults.telemetry.exposition import Exposition

                self._exposition = Exposition(self._metrics)
            return self._exposition.render(accept)


def _verdict(verdict: Verdict) -> tuple[HTTPStatus, str, bytes]:
    well, reasons = verdict
    body = json.dumps({"status": "ok" if well else "failing", "reasons": reasons}) + "\n"
    return HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE, "application/json", body.encode()


def serve(connection: socket.socket, peer: tuple[Any, ...], pages: Pages, deadline: float) -> None:
    """Answer one request, or give up at ``deadline`` (monotonic seconds). The caller closes."""
    with contextlib.suppress(OSError):  # the client has left, or was too slow
        _Handler(connection, peer, pages, deadline)


class _Incoming(io.RawIOBase):
    """The reading side of a connection with one time limit for the whole request.

    A time limit for each read would let a client that sends one byte at a time stay for ever.
    """

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connection.settimeout(_remaining(self._deadline))
        return self._connection.recv_into(buffer)


def _remaining(deadline: float) -> float:
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError("the time for this request is over")
    return remaining


class _Handler(BaseHTTPRequestHandler):
    def __init__(
        self, connection: socket.socket, peer: tuple[Any, ...], pages: Pages, deadline: float
    ) -> None:
        self._pages = pages
        self._deadline = deadline
        super().__init__(connection, peer, None)  # type: ignore[arg-type]  # no method here asks the server

    def setup(self) -> None:
        self.connection = self.request
        self.rfile = io.BufferedReader(_Incoming(self.connection, self._deadline))
        self.wfile = self._out = io.BytesIO()  # one send, so that one time limit holds for all of it

    def finish(self) -> None:
        self.rfile.close()
        self.connection.settimeout(_remaining(self._deadline))
        self.connection.sendall(self._out.getvalue())

    def do_GET(self) -> None:
        try:
            status, content_type, body = self._pages.get(
                self.path.partition("?")[0], self.headers.get("Accept", "")
            )
        except Exception:
            logger.exception("a request could not be answered", extra={"fields": {"path": self.path}})
            status, content_type, body = HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", b"internal error\n"
        self._answer(status, body, {"Content-Type": content_type})

    do_HEAD = do_GET  # noqa: N815

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):  # where the base class looks for any other method
            return self._refuse
        raise AttributeError(name)

    def _refuse(self) -> None:
        self._answer(HTTPStatus.METHOD_NOT_ALLOWED, b"", {"Allow": "GET, HEAD"})

    def _answer(self, status: HTTPStatus, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        return "bank-vaults"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        fields = {"client": self.address_string(), "line": format % args}
        logger.debug("http request", extra={"fields": fields})
