"""The proxy does what the fault tests order."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections.abc import Iterator

import pytest

from tests.support.faultproxy import (
    CUT,
    DROP_ANSWER,
    GARBAGE,
    HANG,
    HOLD,
    HTML,
    TRUNCATE,
    Delay,
    FaultProxy,
    Status,
)
from tests.support.servers import Server, api, initialise, unseal


@pytest.fixture
def proxy(any_server: Server) -> Iterator[FaultProxy]:
    with FaultProxy(any_server) as proxy:
        yield proxy


@contextlib.contextmanager
def client(proxy: FaultProxy, timeout: float = 10.0) -> Iterator[http.client.HTTPConnection]:
    port = int(proxy.address.rpartition(":")[2])
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)) as connection:
        yield connection


def call(
    connection: http.client.HTTPConnection, method: str, path: str, body: str | None = None
) -> tuple[int, bytes]:
    connection.request(method, f"/v1/{path}", body)
    response = connection.getresponse()
    return response.status, response.read()


def test_without_faults_it_is_transparent_and_keeps_connections_alive(proxy: FaultProxy) -> None:
    with client(proxy) as connection:
        for _ in range(3):
            status, content = call(connection, "GET", "sys/seal-status?x=1")
            assert status == 200
            assert json.loads(content)["initialized"] is False
    assert proxy.requests == [("GET", "sys/seal-status")] * 3


def test_the_nth_request_is_refused_and_the_next_is_not(proxy: FaultProxy) -> None:
    proxy.on("GET", "sys/*", Status(429, retry_after=3), nth=2)
    with client(proxy) as connection:
        assert call(connection, "GET", "sys/seal-status")[0] == 200
        connection.request("GET", "/v1/sys/seal-status")
        refused = connection.getresponse()
        assert (refused.status, refused.headers["Retry-After"]) == (429, "3")
        refused.read()
        assert call(connection, "GET", "sys/seal-status")[0] == 200


def test_a_fault_for_ever_ends_when_healed(proxy: FaultProxy) -> None:
    proxy.on("*", "*", Status(503), times=None)
    with client(proxy) as connection:
        assert [call(connection, "GET", "sys/init")[0] for _ in range(3)] == [503] * 3
        proxy.heal()
        assert call(connection, "GET", "sys/init")[0] == 200


def test_a_dropped_answer_leaves_a_server_that_acted(proxy: FaultProxy, any_server: Server) -> None:
    proxy.on("PUT", "sys/init", DROP_ANSWER)
    with client(proxy) as connection, pytest.raises(http.client.RemoteDisconnected):
        call(connection, "PUT", "sys/init", '{"secret_shares": 1, "secret_threshold": 1}')
    assert api(any_server, "GET", "sys/init").body["initialized"] is True


def test_a_cut_leaves_a_server_that_did_nothing(proxy: FaultProxy, any_server: Server) -> None:
    proxy.on("PUT", "sys/init", CUT)
    with client(proxy) as connection, pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        call(connection, "PUT", "sys/init", '{"secret_shares": 1, "secret_threshold": 1}')
    assert api(any_server, "GET", "sys/init").body["initialized"] is False


def test_a_truncated_answer_is_half_an_answer(proxy: FaultProxy) -> None:
    proxy.on("GET", "sys/init", TRUNCATE)
    with client(proxy) as connection, pytest.raises(http.client.IncompleteRead):
        call(connection, "GET", "sys/init")


def test_garbage_and_a_page_come_instead_of_the_answer(proxy: FaultProxy) -> None:
    proxy.on("GET", "sys/init", GARBAGE)
    proxy.on("GET", "sys/init", HTML)
    with client(proxy) as connection, pytest.raises(http.client.BadStatusLine):
        call(connection, "GET", "sys/init")
    with client(proxy) as connection:
        status, content = call(connection, "GET", "sys/init")
    assert (status, content[:6]) == (200, b"<html>")


def test_a_request_hangs_until_released(proxy: FaultProxy) -> None:
    proxy.on("GET", "sys/init", HANG)

    def release_it() -> None:
        proxy.wait_for("GET", "sys/init")
        proxy.release()

    helper = threading.Thread(target=release_it)
    helper.start()
    with client(proxy) as connection, pytest.raises(http.client.RemoteDisconnected):
        call(connection, "GET", "sys/init")
    helper.join()


def test_a_client_may_give_up_on_a_request_that_hangs(proxy: FaultProxy) -> None:
    proxy.on("GET", "sys/init", HANG)
    with client(proxy, timeout=0.1) as connection, pytest.raises(TimeoutError):
        call(connection, "GET", "sys/init")
    with client(proxy) as connection:
        assert call(connection, "GET", "sys/init")[0] == 200


def test_a_delayed_request_is_answered(proxy: FaultProxy) -> None:
    proxy.on("GET", "sys/init", Delay(0.01))
    with client(proxy) as connection:
        assert call(connection, "GET", "sys/init")[0] == 200


def test_a_held_request_is_answered_when_it_may_go(proxy: FaultProxy) -> None:
    proxy.on("GET", "sys/init", HOLD)
    with client(proxy, timeout=0.1) as connection, pytest.raises(TimeoutError):
        call(connection, "GET", "sys/init")
    proxy.on("GET", "sys/init", HOLD)
    proxy.let_go()
    with client(proxy) as connection:
        assert call(connection, "GET", "sys/init")[0] == 200


def test_the_death_of_the_server_ends_idle_connections(proxy: FaultProxy, any_server: Server) -> None:
    with client(proxy) as connection:
        assert call(connection, "GET", "sys/init")[0] == 200
        any_server.kill()
        assert connection.sock is not None
        assert connection.sock.recv(1) == b""
    with client(proxy) as connection, pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        call(connection, "GET", "sys/init")


def test_all_connections_can_be_cut_at_once(proxy: FaultProxy) -> None:
    with client(proxy) as connection:
        assert call(connection, "GET", "sys/init")[0] == 200
        proxy.cut_all()
        assert connection.sock is not None
        assert connection.sock.recv(1) == b""


def test_waiting_for_a_request_that_never_comes_is_bounded(proxy: FaultProxy) -> None:
    with pytest.raises(AssertionError, match="no 1 requests PUT sys/init"):
        proxy.wait_for("PUT", "sys/init", limit=0.01)
    assert proxy.count("PUT", "sys/init") == 0


def test_it_refuses_a_server_that_speaks_tls(any_server: Server) -> None:
    any_server.tls = "server"
    with pytest.raises(ValueError, match="plain HTTP only"):
        FaultProxy(any_server)


def test_headers_are_added_to_what_is_forwarded(any_server: Server) -> None:
    keys = initialise(any_server)
    unseal(any_server, keys)
    with (
        FaultProxy(any_server, headers={"X-Vault-Token": keys.root_token}) as proxy,
        client(proxy) as connection,
    ):
        assert call(connection, "GET", "sys/mounts")[0] == 200
