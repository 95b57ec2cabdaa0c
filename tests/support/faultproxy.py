"""A proxy in front of a real server that misbehaves on order.

    with FaultProxy(server) as proxy:
        proxy.on("PUT", "sys/init", DROP_ANSWER)           # the server acts, its answer is lost
        proxy.on("PUT", "sys/unseal", Status(503), nth=2)  # the second share from now on is refused
        run(VAULT_ADDR=proxy.address)
        assert proxy.count("PUT", "sys/init") == 1

It speaks plain HTTP on both sides, keeps connections alive, and holds one upstream connection for each
of its own: a server that dies closes its clients' idle connections here too. It has no memory of bodies.
"""

from __future__ import annotations

import contextlib
import fnmatch
import http.client
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final, Self, cast

from tests.support.servers import Server

_HANG_LIMIT = 60.0  # seconds
_REMEMBERED = 10_000  # requests


@dataclass(frozen=True, slots=True)
class Status:
    """Answer with this status and an error body of the server's own form; nothing is forwarded."""

    code: int
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Delay:
    """Wait so many seconds, then forward."""

    seconds: float


@dataclass(frozen=True, slots=True)
class _Named:
    name: str


HOLD: Final = _Named("hold")
"""Keep the request until ``let_go``, then forward."""
HANG: Final = _Named("hang")
"""Take the request, forward nothing, never answer (until the client leaves or ``release``)."""
CUT: Final = _Named("cut")
"""Close the connection, forward nothing."""
DROP_ANSWER: Final = _Named("drop the answer")
"""Forward, let the server act, then close the connection without a word of its answer."""
TRUNCATE: Final = _Named("truncate")
"""Forward, then send the head and half of the body and close the connection."""
GARBAGE: Final = _Named("garbage")
"""Answer with bytes that are not HTTP; nothing is forwarded."""
HTML: Final = _Named("html")
"""Answer 200 with a page, as a captive portal or a wrong address does; nothing is forwarded."""

Fault = Status | Delay | _Named


@dataclass(slots=True)
class _Rule:
    method: str
    path: str
    fault: Fault
    skip: int
    times: int | None


class FaultProxy:
    """Use it as a context manager. Paths are those after ``/v1/``, without the query.

    ``headers`` are added to each request that is forwarded.
    """

    def __init__(self, server: Server, *, headers: Mapping[str, str] | None = None) -> None:
        if server.tls != "off":
            raise ValueError("the proxy speaks plain HTTP only")
        self.headers = dict(headers or {})
        self.upstream_port = server.port
        self.closing = threading.Event()
        self.released = threading.Event()
        self.going = threading.Event()
        self._changed = threading.Condition()
        self._rules: list[_Rule] = []
        self._requests: deque[tuple[str, str]] = deque(maxlen=_REMEMBERED)
        self._open: set[socket.socket] = set()
        self._http = _Listener(self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), name="fault proxy")

    @property
    def address(self) -> str:
        """The URL of the proxy, for ``VAULT_ADDR``."""
        return f"http://127.0.0.1:{self._http.server_port}"

    def on(self, method: str, path: str, fault: Fault, *, nth: int = 1, times: int | None = 1) -> None:
        """Program a fault for the ``nth`` matching request from now on, and for ``times`` requests.

        ``times=None`` is for ever. Method and path may hold ``*``. Of several rules the first acts, and
        the later ones do not count that request.
        """
        with self._changed:
            self._rules.append(_Rule(method, path, fault, nth - 1, times))

    def heal(self) -> None:
        """Forget all faults; requests that hang go on hanging."""
        with self._changed:
            self._rules.clear()

    def release(self) -> None:
        """End all requests that hang, now and later, by closing their connections."""
        self.released.set()

    def let_go(self) -> None:
        """Forward all requests that are held, now and later."""
        self.going.set()

    def cut_all(self) -> None:
        """Close every connection that is open now, idle or not."""
        with self._changed:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    @property
    def requests(self) -> list[tuple[str, str]]:
        """All requests so far, as (method, path), also those that met a fault."""
        with self._changed:
            return list(self._requests)

    def count(self, method: str, path: str) -> int:
        """How many requests matched; ``*`` as in :meth:`on`."""
        return sum(_matches(method, path, seen) for seen in self.requests)

    def wait_for(self, method: str, path: str, n: int = 1, limit: float = 30.0) -> None:
        """Wait until ``n`` matching requests arrived. Raises AssertionError."""
        with self._changed:
            arrived = self._changed.wait_for(
                lambda: sum(_matches(method, path, seen) for seen in self._requests) >= n, limit
            )
        assert arrived, f"no {n} requests {method} {path} within {limit:.0f} s, only {self.requests}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self.let_go()
        self._http.shutdown()
        self._thread.join()
        self.cut_all()
        self._http.server_close()  # waits for the connections' threads

    # -- for the connections' threads ----------------------------------------------------------------

    def arrived(self, method: str, path: str) -> Fault | None:
        """Note a request and say what is wrong with it."""
        with self._changed:
            self._requests.append((method, path))
            self._changed.notify_all()
            for rule in self._rules:
                if not _matches(rule.method, rule.path, (method, path)) or rule.times == 0:
                    continue
                if rule.skip:
                    rule.skip -= 1
                    continue
                if rule.times is not None:
                    rule.times -= 1
                return rule.fault
            return None

    def opened(self, connection: socket.socket) -> None:
        """A connection to cut when the proxy ends."""
        with self._changed:
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        """A connection that ended."""
        with self._changed:
            self._open.discard(connection)


def _matches(method: str, path: str, seen: tuple[str, str]) -> bool:
    return fnmatch.fnmatchcase(seen[0], method) and fnmatch.fnmatchcase(seen[1], path)


class _Listener(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close waits for them and no socket is left open

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.proxy = cast(_Listener, self.server).proxy
        self.upstream = http.client.HTTPConnection("127.0.0.1", self.proxy.upstream_port, timeout=_HANG_LIMIT)
        self.proxy.opened(self.connection)

    def handle(self) -> None:
        # A server that is not there refuses; the nearest thing to say from here is to hang up at once.
        with contextlib.suppress(OSError, http.client.HTTPException):
            self.upstream.connect()
            super().handle()

    def finish(self) -> None:
        self.proxy.closed(self.connection)
        self.upstream.close()
        with contextlib.suppress(OSError):
            super().finish()

    def handle_one_request(self) -> None:
        # Between requests the death of the server must end the client's connection.
        while not self.proxy.closing.is_set():
            upstream = self.upstream.sock
            waiting = [self.connection] if upstream is None else [self.connection, upstream]
            ready, _, _ = select.select(waiting, [], [], 0.1)
            if self.connection in ready:
                super().handle_one_request()
                return
            if ready:
                break
        self.close_connection = True

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0].removeprefix("/v1/")
        fault = self.proxy.arrived(self.command, path)
        match fault:
            case None:
                self._forward(body)
            case Status(code, retry_after):
                more = {} if retry_after is None else {"Retry-After": str(retry_after)}
                self._answer(code, "application/json", b'{"errors":["a fault on order"]}', more)
            case Delay(seconds):
                self.proxy.closing.wait(seconds)
                self._forward(body)
            case _ if fault is HOLD:
                self.proxy.going.wait(_HANG_LIMIT)
                self._forward(body)
            case _ if fault is HTML:
                self._answer(200, "text/html", b"<html><body>Please log in</body></html>")
            case _ if fault is GARBAGE:
                self.wfile.write(b"\x00\x15\x03\x01 not HTTP at all\r\n\r\n")
                self.close_connection = True
            case _ if fault is HANG:
                self._hang()
            case _ if fault is CUT:
                self.close_connection = True
            case _:
                self._forward(body, drop=fault is DROP_ANSWER, truncate=fault is TRUNCATE)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = do_LIST = _serve  # noqa: N815

    def _forward(self, body: bytes, *, drop: bool = False, truncate: bool = False) -> None:
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        headers |= self.proxy.headers
        try:
            self.upstream.request(self.command, self.path, body or None, headers)
            response = self.upstream.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            self.close_connection = True
            return
        if drop:
            self.close_connection = True
            return
        self.send_response_only(response.status)
        for name, value in response.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if truncate else content)
        self.close_connection |= truncate

    def _answer(self, code: int, kind: str, content: bytes, more: dict[str, str] | None = None) -> None:
        self.send_response_only(code)
        for name, value in (
            {"Content-Type": kind, "Content-Length": str(len(content))} | (more or {})
        ).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _hang(self) -> None:
        deadline = time.monotonic() + _HANG_LIMIT
        while time.monotonic() < deadline and not self.proxy.closing.is_set():
            if self.proxy.released.wait(0.02) or self._client_left():
                break
        self.close_connection = True

    def _client_left(self) -> bool:
        ready, _, _ = select.select([self.connection], [], [], 0)
        return bool(ready) and self.connection.recv(1, socket.MSG_PEEK) == b""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing: the requests are in ``FaultProxy.requests``."""
