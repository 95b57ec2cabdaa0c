"""Promises of the HTTP port."""

from __future__ import annotations

import http.client
import json
import logging
import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from bank_vaults.telemetry import endpoints as module
from bank_vaults.telemetry import handler
from bank_vaults.telemetry.endpoints import MOST_REQUESTS, Endpoints, parse_address
from bank_vaults.telemetry.health import Health
from bank_vaults.telemetry.metrics import Metrics


class _Room:
    def __init__(self) -> None:
        self.now = 0.0
        self.metrics = Metrics(monotonic=lambda: self.now)
        self.health = Health(self.metrics, lambda: self.now)
        self.endpoints = Endpoints("127.0.0.1:0", self.metrics, self.health)

    def request(self, method: str, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.endpoints.port, timeout=30)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.endpoints.port), timeout=30)


@pytest.fixture
def room() -> Iterator[_Room]:
    room = _Room()
    room.endpoints.start()
    yield room
    room.endpoints.stop()


def _read_all(connection: socket.socket) -> bytes:
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def test_metrics_are_served_in_the_text_format(room: _Room) -> None:
    room.metrics.observe_server("a", up=True, initialized=True, sealed=True, leader=None)
    status, headers, body = room.request("GET", "/metrics")
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    names = {family.name for family in text_string_to_metric_families(body.decode())}
    assert {"vault_sys_sealed", "bank_vaults_server_up", "process_open_fds"} <= names


def test_openmetrics_are_served_when_asked_for(room: _Room) -> None:
    _, headers, body = room.request("GET", "/metrics", Accept="application/openmetrics-text;version=1.0.0")
    assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert body.endswith(b"# EOF\n")


def test_health_says_which_loop_hangs(room: _Room) -> None:
    room.health.register("a", 30)
    assert room.request("GET", "/healthz")[0] == 200
    room.now = 31.0
    status, headers, body = room.request("GET", "/healthz")
    assert (status, headers["Content-Type"]) == (503, "application/json")
    assert json.loads(body) == {
        "status": "failing",
        "reasons": ["a: no cycle completed for 31 s, the limit is 30 s"],
    }


def test_readiness_says_what_is_missing(room: _Room) -> None:
    room.health.register("a", 30)
    room.metrics.observe_server("a", up=True, initialized=True, sealed=True, leader=None)
    status, _, body = room.request("GET", "/readyz?verbose")
    assert (status, json.loads(body)["reasons"]) == (503, ["a: sealed"])
    room.metrics.observe_server("a", up=True, initialized=True, sealed=False, leader=True)
    status, _, body = room.request("GET", "/readyz")
    assert (status, json.loads(body)) == (200, {"status": "ok", "reasons": []})


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz", "/nowhere"])
def test_head_is_get_without_body(room: _Room, path: str) -> None:
    status, headers, body = room.request("HEAD", path)
    assert status == room.request("GET", path)[0]
    assert body == b""
    assert int(headers["Content-Length"]) > 0


@pytest.mark.parametrize("path", ["/", "/metrics/", "/metrics/../healthz", "/debug/pprof", "*"])
def test_any_other_path_is_not_found(room: _Room, path: str) -> None:
    assert room.request("GET", path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_any_other_method_is_refused(room: _Room, method: str) -> None:
    status, headers, _ = room.request(method, "/metrics")
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "nonsense", [b"\r\n", b"\x16\x03\x01\x02\x00\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"]
)
def test_nonsense_harms_nobody_else(room: _Room, nonsense: bytes) -> None:
    with room.connect() as connection:
        connection.sendall(nonsense)
        connection.shutdown(socket.SHUT_WR)
        _read_all(connection)
    assert room.request("GET", "/healthz")[0] == 200


def test_a_client_that_leaves_before_the_answer_harms_nobody_else(room: _Room) -> None:
    for _ in range(20):
        with room.connect() as connection:
            connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
    for _ in range(100):
        if room.request("GET", "/healthz")[0] == 200:
            return
    pytest.fail("the endpoints do not answer any more")


def test_a_failing_page_is_an_internal_error_and_logged(
    room: _Room, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(room.metrics, "snapshot", fail)
    assert room.request("GET", "/metrics")[::2] == (500, b"internal error\n")
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == [
        "a request could not be answered"
    ]


def test_requests_are_logged_only_at_debug(room: _Room, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "bank_vaults"):
        room.request("GET", "/nowhere")
        room.endpoints.stop()
    access = [record for record in caplog.records if record.message == "http request"]
    assert [record.levelno for record in access] == [logging.DEBUG]


def test_too_many_requests_are_turned_away_and_the_place_is_free_again(room: _Room) -> None:
    waiting = []
    try:
        for _ in range(MOST_REQUESTS):
            connection = room.connect()
            connection.sendall(b"GET /healthz HTTP/1.0\r\n")  # and then nothing
            waiting.append(connection)
        with room.connect() as excess:
            assert _read_all(excess).startswith(b"HTTP/1.0 503 ")
        waiting[0].sendall(b"\r\n")
        assert _read_all(waiting[0]).startswith(b"HTTP/1.0 200 ")
        for _ in range(1000):  # the thread ends a moment after its answer
            with room.connect() as connection:
                connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
                if _read_all(connection).startswith(b"HTTP/1.0 200 "):
                    break
        else:
            pytest.fail("the place of a finished request is never free again")
    finally:
        for connection in waiting:
            connection.close()


def test_without_a_thread_to_spare_a_client_is_turned_away(
    room: _Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.request("GET", "/healthz")
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "endpoints-request":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with room.connect() as connection:
        assert _read_all(connection).startswith(b"HTTP/1.0 503 ")
    monkeypatch.undo()
    assert room.request("GET", "/healthz")[0] == 200


def test_a_slow_client_is_left_after_the_limit_however_often_it_sends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "REQUEST_LIMIT", 0.2)
    room = _Room()
    room.endpoints.start()
    try:
        with room.connect() as connection:
            connection.settimeout(0.01)
            for _ in range(3000):
                try:
                    connection.sendall(b"x")
                    if connection.recv(1) == b"":
                        break
                except TimeoutError:
                    continue
                except OSError:
                    break
            else:
                pytest.fail("the slow client is served for ever")
    finally:
        room.endpoints.stop()


def test_a_request_that_is_over_time_is_not_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = socket.socketpair()
    with here, there:
        there.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        metrics = Metrics()
        handler.serve(here, ("client",), handler.Pages(metrics, Health(metrics)), time.monotonic() - 1)
        here.shutdown(socket.SHUT_WR)
        assert there.recv(1) == b""


def test_collector_runs_never_overlap(room: _Room, monkeypatch: pytest.MonkeyPatch) -> None:
    running, worst = 0, 0
    lock = threading.Lock()
    snapshot = room.metrics.snapshot

    def slow() -> Any:
        nonlocal running, worst
        with lock:
            running += 1
            worst = max(worst, running)
        time.sleep(0.02)
        with lock:
            running -= 1
        return snapshot()

    monkeypatch.setattr(room.metrics, "snapshot", slow)
    clients = [threading.Thread(target=room.request, args=["GET", "/metrics"]) for _ in range(5)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert worst == 1


def test_a_failing_accept_is_survived(room: _Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ACCEPT_PAUSE", 0.001)
    failures = iter([OSError("too many open files")] * 3)
    accept = socket.socket.accept

    def fail(listener: socket.socket) -> Any:
        for failure in failures:
            raise failure
        return accept(listener)

    room.request("GET", "/healthz")
    monkeypatch.setattr(socket.socket, "accept", fail)
    assert room.request("GET", "/healthz")[0] == 200
    assert room.request("GET", "/healthz")[0] == 200


def test_stop_ends_waiting_requests_and_frees_the_port(room: _Room) -> None:
    with room.connect() as connection:
        connection.sendall(b"GET /healthz HTTP/1.0\r\n")
        room.request("GET", "/healthz")  # the one before it has been accepted
        room.endpoints.stop()
        _read_all(connection)
    with pytest.raises(ConnectionRefusedError):
        room.connect()
    room.endpoints.stop()
    again = Endpoints(f"127.0.0.1:{room.endpoints.port}", room.metrics, room.health)
    again.start()
    again.stop()


def test_stop_before_start_does_nothing() -> None:
    _Room().endpoints.stop()


def test_a_taken_port_ends_the_start_with_the_address(room: _Room) -> None:
    address = f"127.0.0.1:{room.endpoints.port}"
    with pytest.raises(OSError, match=f"cannot listen on {re.escape(address)}: .*in use"):
        Endpoints(address, room.metrics, room.health).start()


def test_an_address_of_another_machine_ends_the_start() -> None:
    metrics = Metrics()
    with pytest.raises(OSError, match=r"cannot listen on 192\.0\.2\.1:0: "):
        Endpoints("192.0.2.1:0", metrics, Health(metrics)).start()


def test_a_name_that_does_not_resolve_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    metrics = Metrics()
    with pytest.raises(OSError, match=r"cannot listen on host\.invalid:0: Name or service not known"):
        Endpoints("host.invalid:0", metrics, Health(metrics)).start()


def test_the_start_is_announced_with_the_address_as_given(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    with caplog.at_level(logging.INFO, "bank_vaults"):
        endpoints = Endpoints("localhost:0", metrics, Health(metrics))
        endpoints.start()
        endpoints.stop()
    assert caplog.messages == ["vault metrics exporter enabled: localhost:0/metrics"]


@pytest.mark.parametrize("dual", [True, False])
def test_without_a_host_all_addresses_are_served(dual: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    dual = dual and socket.has_dualstack_ipv6()
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: dual)
    metrics = Metrics()
    endpoints = Endpoints(":0", metrics, Health(metrics))
    endpoints.start()
    try:
        for host in ("127.0.0.1", "::1") if dual else ("127.0.0.1",):
            with socket.create_connection((host, endpoints.port), timeout=30) as connection:
                connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
                assert _read_all(connection).startswith(b"HTTP/1.0 200 ")
    finally:
        endpoints.stop()


@pytest.mark.parametrize(
    ("address", "parsed"),
    [
        (":9091", ("", 9091)),
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("[::1]:9091", ("::1", 9091)),
        ("[fe80::1%eth0]:9091", ("fe80::1%eth0", 9091)),
        ("vault-0.vault:65535", ("vault-0.vault", 65535)),
    ],
)
def test_the_forms_of_an_address(address: str, parsed: tuple[str, int]) -> None:
    assert parse_address(address) == parsed


@pytest.mark.parametrize(
    "address",
    ["", "9091", "localhost", "::1:9091", "[::1]", ":65536", ":-1", ":x", "a b:1", "[]:1", ":٣", ":1\n"],
)
def test_anything_else_is_no_address(address: str) -> None:
    with pytest.raises(ValueError, match="is not an address of the form"):
        parse_address(address)


@given(st.text())
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    try:
        _, port = parse_address(text)
    except ValueError:
        return
    assert 0 <= port <= 65535
