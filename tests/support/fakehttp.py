"""An HTTP server that answers by script, byte by byte: for the bad days that real servers do not have.

    with FakeServer(Step(reply(200, {"sealed": True})), Step(b"HTTP/1.1 2", then="close")) as server:
        ...
        assert server.requests[0].target == "/v1/sys/seal-status"

One step for each request, in the order in which requests arrive; the last step repeats.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

_LIMIT = 30.0  # seconds; no step of any script lasts longer


def reply(status: int, body: object = None, **headers: str) -> bytes:
    """The bytes of an answer: a dict as JSON, bytes as they are. ``retry_after`` is ``Retry-After``."""
    content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


@dataclass(frozen=True, slots=True)
class Step:
    """What to do about one request: send ``data``, in one piece or a byte each ``drip`` seconds, and then
    keep the connection, close it, reset it, or hang. ``tunnel`` is a port to join the connection with.
    """

    data: bytes = b""
    drip: float = 0.0
    then: Literal["keep", "close", "reset", "hang"] = "keep"
    tunnel: int | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came. ``connection`` counts connections from 0; header names are in lower case."""

    connection: int
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class FakeServer:
    """Listens on a free loopback port, or on a Unix socket, from construction to ``close``."""

    def __init__(self, *script: Step, tls: ssl.SSLContext | None = None, unix: Path | None = None) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.closed_by_peer = threading.Event()
        self._script = list(script)
        self._tls = tls
        self._unix = unix
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self.port = 0
        if unix is None:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.port = self._listener.getsockname()[1]
        else:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(unix))
            self._listener.listen()
        self._listener.settimeout(0.05)
        self._spawn(self._accept)

    @property
    def address(self) -> str:
        """The address of the server."""
        if self._unix is not None:
            return f"unix://{self._unix}"
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def close(self) -> None:
        """End all connections and threads."""
        with self._lock:
            self._stop.set()
            for connected in self._sockets:
                with contextlib.suppress(OSError):
                    connected.shutdown(socket.SHUT_RDWR)
        while self._threads:
            self._threads.pop().join(_LIMIT)
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _spawn(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        thread.start()
        self._threads.append(thread)

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                connected, _ = self._listener.accept()
            except TimeoutError:
                continue
            connected.settimeout(_LIMIT)
            with self._lock:
                if self._stop.is_set():
                    connected.close()
                    return
                number, self.connections = self.connections, self.connections + 1
                self._sockets.append(connected)
            self._spawn(self._serve, connected, number)

    def _serve(self, raw: socket.socket, number: int) -> None:
        connected = raw
        try:
            if self._tls:
                connected = self._tls.wrap_socket(raw, server_side=True)
                with self._lock:
                    self._sockets.append(connected)
            while (request := _read_request(connected, number)) is not None:
                with self._lock:
                    self.requests.append(request)
                    step = self._script.pop(0) if len(self._script) > 1 else self._script[0]
                self._send(connected, step)
                if step.tunnel is not None:
                    self._join(connected, step.tunnel)
                    return
                if step.then == "hang":
                    self._stop.wait(_LIMIT)
                if step.then == "reset":
                    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                if step.then != "keep":
                    return
            self.closed_by_peer.set()
        except OSError:
            pass  # the client went away: that is its right
        finally:
            connected.close()

    def _send(self, connected: socket.socket, step: Step) -> None:
        if not step.drip:
            connected.sendall(step.data)
            return
        for position in range(len(step.data)):
            if self._stop.wait(step.drip):
                return
            connected.sendall(step.data[position : position + 1])

    def _join(self, near: socket.socket, port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), _LIMIT) as far:
            with self._lock:
                self._sockets.append(far)
            back = threading.Thread(target=_pump, args=(far, near), daemon=True)
            back.start()
            _pump(near, far)
            back.join(_LIMIT)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _read_request(connected: socket.socket, number: int) -> Request | None:
    received = b""
    while b"\r\n\r\n" not in received:
        data = connected.recv(65536)
        if not data:
            return None
        received += data
    head, _, body = received.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += connected.recv(65536)
    method, target, _ = line.split(" ")
    return Request(number, method, target, headers, body)
