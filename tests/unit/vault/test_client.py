"""The client against a scripted server: what a good call is, and what each bad day becomes."""

from __future__ import annotations

import base64
import json
import logging
import os
import select
import socket
import ssl
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trustme

from bank_vaults.domain.secrets import Secret
from bank_vaults.vault.client import Response, VaultClient, _Call
from bank_vaults.vault.config import ClientConfig
from bank_vaults.vault.connection import ConnectError, Connection, ExchangeError
from bank_vaults.vault.endpoints import Endpoint
from bank_vaults.vault.errors import (
    DeniedError,
    FatalError,
    NotFoundError,
    NotInitialisedError,
    SealedError,
    TransientError,
    UnsupportedError,
    VaultError,
)
from bank_vaults.vault.http1 import MAX_BODY
from bank_vaults.vault.tls import Tls, TlsConnection
from tests.support.fakehttp import FakeServer, Step, reply

OK = Step(reply(200, {"sealed": True}))
SHORT = 0.2  # seconds; how long a test waits for what never comes
LONG = 20.0


class Pauses(list[float]):
    """Stands in for sleeping: hours of back-off in no time."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


Connect = Callable[..., VaultClient]


@pytest.fixture
def connect(pauses: Pauses) -> Iterator[Connect]:
    """Make a client of a server or an address; settings of the configuration by name."""
    clients: list[VaultClient] = []

    def make(server: FakeServer | str, **settings: Any) -> VaultClient:
        address = server if isinstance(server, str) else server.address
        config = ClientConfig(address=address, **{"timeout": LONG, **settings})
        clients.append(VaultClient(config, sleep=pauses, jitter=float, now=lambda: 1_000_000_000.0))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def ca() -> trustme.CA:
    return trustme.CA()


def server_context(ca: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*names or ("127.0.0.1",)).configure_cert(context)
    return context


def ca_text(ca: trustme.CA) -> str:
    return ca.cert_pem.bytes().decode()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


# -- a good call -----------------------------------------------------------------------------------------


def test_a_call_sends_headers_and_json_and_returns_the_object(connect: Connect) -> None:
    with FakeServer(Step(reply(200, {"keys": ["a"]}))) as server:
        client = connect(server, token=Secret("t-1"), namespace="team/a")
        answer = client.request("PUT", "sys/unseal", {"key": "share"})
    assert answer == Response(200, {"keys": ["a"]})
    (request,) = server.requests
    assert (request.method, request.target) == ("PUT", "/v1/sys/unseal")
    assert json.loads(request.body) == {"key": "share"}
    assert request.headers["x-vault-request"] == "true"
    assert request.headers["x-vault-token"] == "t-1"
    assert request.headers["x-vault-namespace"] == "team/a"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("bank-vaults/")
    assert request.headers["host"] == f"127.0.0.1:{server.port}"


def test_an_empty_token_is_not_replaced_by_the_one_of_the_environment(connect: Connect) -> None:
    with FakeServer(OK) as server:
        connect(server, token=Secret("t-1")).request("GET", "x", token=Secret(""))
    assert "x-vault-token" not in server.requests[0].headers


def test_token_and_namespace_are_sent_only_where_wanted(connect: Connect) -> None:
    with FakeServer(OK) as server:
        client = connect(server, token=Secret("t-1"), namespace="team")
        client.request("GET", "sys/seal-status", anonymous=True, namespaced=False)
        client.request("GET", "auth/token/lookup-self", token=Secret("t-2"))
    first, second = server.requests
    assert "x-vault-token" not in first.headers
    assert "x-vault-namespace" not in first.headers
    assert second.headers["x-vault-token"] == "t-2"


def test_204_is_an_empty_answer(connect: Connect) -> None:
    with FakeServer(Step(b"HTTP/1.1 204 No Content\r\n\r\n")) as server:
        client = connect(server)
        assert client.request("POST", "sys/seal") == Response(204, {})
        assert client.request("POST", "sys/seal") == Response(204, {})
    assert server.connections == 1


def test_chunked_answers_are_joined(connect: Connect) -> None:
    body = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n{"a":1\r\n1\r\n}\r\n0\r\n\r\n'
    with FakeServer(Step(body)) as server:
        client = connect(server)
        assert client.request("GET", "x").data == {"a": 1}
        assert client.request("GET", "x").data == {"a": 1}
    assert server.connections == 1


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("secret/data/a b", "/v1/secret/data/a%20b"),
        ("/sys/x", "/v1/sys/x"),
        ("secret/ä%2F#", "/v1/secret/%C3%A4%252F%23"),
        ("secret/metadata?list=true", "/v1/secret/metadata?list=true"),
        ("sys/x\r\nX-Evil: 1", "/v1/sys/x%0D%0AX-Evil:%201"),
        ("sys/x?a=\r\n", "/v1/sys/x?a=%0D%0A"),
    ],
)
def test_paths_are_quoted_so_that_no_name_breaks_the_request(
    connect: Connect, path: str, target: str
) -> None:
    with FakeServer(OK) as server:
        connect(server).request("LIST", path)
    assert [request.target for request in server.requests] == [target]


def test_the_path_of_the_address_comes_first(connect: Connect) -> None:
    with FakeServer(OK) as server:
        connect(server.address + "/behind/proxy/").request("GET", "sys/x")
    assert server.requests[0].target == "/behind/proxy/v1/sys/x"


def test_a_unix_socket_is_spoken_to_like_http(connect: Connect, tmp_path: Path) -> None:
    with FakeServer(OK, unix=tmp_path / "s") as server:
        client = connect(server)
        client.connect(LONG)
        assert client.request("GET", "sys/seal-status").data == {"sealed": True}
    assert server.connections == 1


@pytest.mark.parametrize("token", ["t-1\n", "t-1 t-1", "t-1\x00", "t-1ö", "\tt-1"])
def test_a_token_with_a_non_printable_character_is_not_sent(connect: Connect, token: str) -> None:
    with FakeServer(OK) as server, pytest.raises(FatalError, match="non-printable") as caught:
        connect(server).request("GET", "x", token=Secret(token))
    assert server.requests == []
    assert "t-1" not in str(caught.value)


# -- what the server's refusals become -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "invalid key", FatalError),
        (400, "Vault is not initialized", NotInitialisedError),
        (503, "server is not yet initialized", NotInitialisedError),
        (500, "security barrier not initialized", NotInitialisedError),
        (503, "Vault is sealed", SealedError),
        (500, "error: Vault is sealed", SealedError),
        (401, "unauthorized", DeniedError),
        (403, "permission denied", DeniedError),
        (404, "", NotFoundError),
        (404, "no handler for route", NotFoundError),
        (404, "1 error occurred: unsupported path", UnsupportedError),
        (405, "unsupported operation", UnsupportedError),
        (412, "required index state not present", TransientError),
        (429, "quota", TransientError),
        (500, "internal error", TransientError),
        (502, "bad gateway", TransientError),
        (503, "upstream", TransientError),
        (501, "not implemented", FatalError),
        (400, "plugin not initialized", FatalError),
        (300, "", FatalError),
        (303, "", FatalError),
    ],
)
def test_each_refusal_has_its_class(
    connect: Connect, status: int, message: str, kind: type[VaultError]
) -> None:
    with (
        FakeServer(Step(reply(status, {"errors": [message] if message else []}))) as server,
        pytest.raises(VaultError) as caught,
    ):
        connect(server).request("PUT", "sys/x?a=b", {"key": "sh4re"}, retries=0)
    error = caught.value
    assert type(error) is kind
    assert (error.method, error.path, error.status) == ("PUT", "sys/x", status)
    assert str(error) == f"PUT sys/x: {status}" + (f": {message}" if message else "")
    assert "sh4re" not in repr(error)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        (b"", ()),
        (b"upstream  is\n gone\x1b[31m", ("upstream is gone\N{REPLACEMENT CHARACTER}[31m",)),
        (
            b"<html><body>secret page</body>",
            ("the answer is an HTML page: does a proxy or another server answer here?",),
        ),
        (b"x" * 100_000, ("x" * 500 + "…",)),
        (b'{"errors": "no list"}', ()),
        (b'{"errors": [1, null, "", "one", {}]}', ("one",)),
        (b"[1]", ("[1]",)),
        (b"\xff\xfe", ("\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}",)),
        (json.dumps({"errors": ["m"] * 1000}).encode(), ("m",) * 10),
    ],
)
def test_messages_are_short_printable_lines(connect: Connect, body: bytes, messages: tuple[str, ...]) -> None:
    with FakeServer(Step(reply(400, body))) as server, pytest.raises(FatalError) as caught:
        connect(server).request("GET", "x")
    assert caught.value.messages == messages


@pytest.mark.parametrize("body", [b"<html>", b"[1, 2]", b'"text"', b"{", b"\xff", b"[" * 200_000, b"true"])
def test_success_without_json_is_fatal_and_the_outcome_unknown(connect: Connect, body: bytes) -> None:
    with (
        FakeServer(Step(reply(200, body))) as server,
        pytest.raises(FatalError, match="not JSON: is this a Vault or OpenBao server") as caught,
    ):
        connect(server).request("PUT", "sys/init", {})
    assert caught.value.outcome_unknown
    assert caught.value.__cause__ is None
    assert len(server.requests) == 1


# -- answers that are none ------------------------------------------------------------------------------

_WHOLE = reply(200, {"keys": ["0123456789"]})


@pytest.mark.parametrize("cut", range(0, len(_WHOLE), 3))
def test_an_answer_cut_anywhere_is_transient_and_the_outcome_unknown(connect: Connect, cut: int) -> None:
    with (
        FakeServer(Step(_WHOLE[:cut], then="close")) as server,
        pytest.raises(TransientError, match="connection broke") as caught,
    ):
        connect(server).request("PUT", "sys/init", {"secret_shares": 1}, retries=0)
    assert caught.value.outcome_unknown
    assert caught.value.status is None


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{",
        b"HTTP/1.0 200 OK\r\n\r\n",
        b'HTTP/1.0 200 OK\r\n\r\n{"keys": [',
    ],
)
def test_a_cut_without_a_length_is_transient_as_well(connect: Connect, data: bytes) -> None:
    with FakeServer(Step(data, then="close")) as server, pytest.raises(TransientError) as caught:
        connect(server).request("GET", "x", retries=0)
    assert caught.value.outcome_unknown


def test_an_answer_that_ends_with_the_connection_is_taken_when_it_is_whole(connect: Connect) -> None:
    with FakeServer(Step(b'HTTP/1.0 200 OK\r\n\r\n{"a": 1}', then="close")) as server:
        client = connect(server)
        assert client.request("GET", "x").data == {"a": 1}
        assert client.request("GET", "x").data == {"a": 1}
    assert server.connections == 2


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{",
    ],
)
def test_what_is_not_http_is_fatal(connect: Connect, data: bytes) -> None:
    with FakeServer(Step(data)) as server, pytest.raises(FatalError, match="not HTTP"):
        connect(server).request("GET", "x")
    assert len(server.requests) == 1


def test_a_reset_is_transient_and_the_outcome_unknown(connect: Connect) -> None:
    with FakeServer(Step(then="reset")) as server, pytest.raises(TransientError) as caught:
        connect(server).request("PUT", "x", {}, retries=0)
    assert caught.value.outcome_unknown


def test_refused_is_transient_and_nothing_was_sent(connect: Connect) -> None:
    client = connect(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(TransientError, match="PUT sys/init: no connection: Connection refused") as caught:
        client.request("PUT", "sys/init", {}, retries=0)
    assert not caught.value.outcome_unknown
    with pytest.raises(TransientError, match=r"^connect http://127.0.0.1:"):
        client.connect(LONG)


def test_a_missing_unix_socket_is_transient(connect: Connect, tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="No such file") as caught:
        connect(f"unix://{tmp_path}/absent").request("GET", "x", retries=0)
    assert not caught.value.outcome_unknown


def test_no_answer_within_the_limit_is_transient(connect: Connect) -> None:
    with (
        FakeServer(Step(then="hang")) as server,
        pytest.raises(TransientError, match="no complete answer within the time limit") as caught,
    ):
        connect(server).request("PUT", "x", {}, timeout=SHORT)
    assert caught.value.outcome_unknown


@pytest.mark.parametrize("part", [_WHOLE, b"HTTP/1.1 100 Continue\r\n\r\n" * 50])
def test_a_dripping_server_cannot_hold_a_call_longer_than_the_limit(connect: Connect, part: bytes) -> None:
    with FakeServer(Step(part * 50, drip=0.02)) as server, pytest.raises(TransientError, match="time limit"):
        connect(server).request("GET", "x", timeout=SHORT)


def test_an_expired_limit_sends_nothing(connect: Connect) -> None:
    with (
        FakeServer(OK) as server,
        pytest.raises(TransientError, match="no connection within the time limit") as caught,
    ):
        connect(server).request("PUT", "x", {}, timeout=0)
    assert server.requests == []
    assert not caught.value.outcome_unknown


@pytest.mark.parametrize("limit", [MAX_BODY + 1, 10**30])
def test_a_huge_announced_answer_is_fatal_before_it_is_read(connect: Connect, limit: int) -> None:
    with (
        FakeServer(
            Step(f"HTTP/1.1 200 OK\r\nContent-Length: {limit}\r\n\r\n".encode(), then="hang")
        ) as server,
        pytest.raises(FatalError, match="larger than 32 MiB"),
    ):
        connect(server).request("GET", "x")


@pytest.mark.parametrize(
    "framing", [b"Connection: close\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n-1\r\n"]
)
def test_an_endless_answer_is_fatal_when_it_is_too_large(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, framing: bytes
) -> None:
    monkeypatch.setattr("bank_vaults.vault.http1.MAX_BODY", 1000)
    monkeypatch.setattr("bank_vaults.vault.http1._HEADROOM", 1000)
    with (
        FakeServer(Step(b"HTTP/1.1 200 OK\r\n" + framing + b" " * 100_000, then="hang")) as server,
        pytest.raises(FatalError, match="larger than"),
    ):
        connect(server).request("GET", "x")


# -- tries -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [412, 429, 500, 502, 503, 504])
def test_transient_answers_are_tried_again_with_growing_pauses(
    connect: Connect, pauses: Pauses, status: int
) -> None:
    with FakeServer(Step(reply(status)), Step(reply(status)), OK) as server:
        assert connect(server).request("PUT", "x", {"a": 1}).status == 200
    assert [request.body for request in server.requests] == [b'{"a":1}'] * 3
    assert pauses == [1.0, 2.0]


def test_the_last_error_is_raised_when_the_tries_are_used_up(connect: Connect, pauses: Pauses) -> None:
    with FakeServer(Step(reply(500, {"errors": ["no"]}))) as server:
        with pytest.raises(TransientError, match="500: no"):
            connect(server, max_retries=4).request("GET", "x")
        assert len(server.requests) == 5
        with pytest.raises(TransientError):
            connect(server).request("GET", "x", retries=0)
        assert len(server.requests) == 6
    assert pauses == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("first", "sent"),
    [(Step(reply(412)), 2), (Step(reply(429)), 2), (Step(reply(503)), 1), (Step(then="close"), 1)],
)
def test_what_may_not_be_done_twice_is_only_repeated_where_it_was_not_done(
    connect: Connect, first: Step, sent: int
) -> None:
    with FakeServer(first, OK) as server, suppress(TransientError):
        assert connect(server).request("PUT", "x", {}, only_refused=True).status == 200
    assert len(server.requests) == sent


def index(value: int, cluster: str = "c") -> str:
    return base64.b64encode(json.dumps({"cluster": cluster, "value": str(value)}).encode()).decode()


def test_what_was_written_is_asked_for_from_nodes_that_know_of_it(connect: Connect) -> None:
    answers = [("PUT", index(7)), ("GET", index(9)), ("PUT", index(5)), ("PUT", "djE6YWJj"), ("GET", "")]
    with FakeServer(*(Step(reply(200, {}, x_vault_index=text)) for _, text in answers)) as server:
        client = connect(server)
        for method, _ in answers:
            client.request(method, "x")
        sent = [request.headers.get("x-vault-index") for request in server.requests]
        # A later one of a read, an earlier one, and one of another product count for nothing.
        assert sent == [None, index(7), index(7), index(7), index(7)]
        assert server.requests[1].headers["x-vault-inconsistent"] == "forward-active-node"


def test_the_index_of_another_cluster_takes_the_place_of_a_higher_one(connect: Connect) -> None:
    with FakeServer(
        *(Step(reply(200, {}, x_vault_index=text)) for text in (index(7), index(3, "d")))
    ) as server:
        client = connect(server)
        for _ in range(3):
            client.request("PUT", "x")
        assert server.requests[2].headers["x-vault-index"] == index(3, "d")


def test_the_leader_is_asked_how_far_it_is_until_it_says_so(connect: Connect) -> None:
    highest = base64.b64encode(b'{"cluster":"c","value":"18446744073709551615"}').decode()
    answers = [
        Step(reply(200, {}, x_vault_index=index(3))),
        Step(reply(500, {"errors": ["no leader"]})),
        Step(reply(200, {}, x_vault_index=index(9))),
        Step(reply(200, {}, x_vault_index=index(8))),
        Step(reply(200, {}, x_vault_index=index(4))),
        Step(reply(200, {})),
    ]
    with FakeServer(*answers) as server:
        client = connect(server)
        client.request("PUT", "x")
        client.catch_up("c")
        with suppress(TransientError):
            client.request("GET", "x", retries=0)
        for _ in range(2):
            client.request("GET", "x")
        for _ in range(3):  # an answer that is behind, and none at all
            client.catch_up("c")
            client.request("GET", "x")
        sent = [request.headers.get("x-vault-index") for request in server.requests]
    assert sent == [None, highest, highest, index(9), highest, highest, highest]
    assert {request.headers["x-vault-inconsistent"] for request in server.requests[1:]} == {
        "forward-active-node"
    }


def test_a_server_without_an_index_is_asked_once(connect: Connect) -> None:
    with FakeServer(OK) as server:
        client = connect(server)
        client.catch_up("c")
        for _ in range(2):
            client.request("GET", "x")
    assert ["x-vault-index" in request.headers for request in server.requests] == [True, False]


@pytest.mark.parametrize("message", ["Vault is sealed", "Vault is not initialized"])
def test_sealed_and_not_initialised_are_answers_and_not_tried_again(connect: Connect, message: str) -> None:
    with (
        FakeServer(Step(reply(503, {"errors": [message]}))) as server,
        pytest.raises((SealedError, NotInitialisedError)),
    ):
        connect(server).request("GET", "x")
    assert len(server.requests) == 1


def test_an_unknown_outcome_is_not_forgotten_by_a_later_try(connect: Connect) -> None:
    with (
        FakeServer(Step(then="close"), Step(reply(400, {"errors": ["already initialized"]}))) as server,
        pytest.raises(FatalError, match="already") as caught,
    ):
        connect(server).request("PUT", "sys/init", {})
    assert caught.value.outcome_unknown
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("value", "pause"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("Sun, 09 Sep 2001 01:46:45 GMT", 5.0),
        ("Sun, 09 Sep 2001 01:46:30 GMT", 0.0),
        ("soon", 1.0),
        ("-5", 1.0),
        ("1.5", 1.0),
        ("", 1.0),
    ],
)
def test_retry_after_is_heeded_when_it_makes_sense(
    connect: Connect, pauses: Pauses, value: str, pause: float
) -> None:
    with FakeServer(Step(reply(503, retry_after=value)), OK) as server:
        connect(server).request("GET", "x")
    assert pauses == [pause]


@pytest.mark.parametrize("value", ["86400", "Sun, 09 Sep 2035 01:46:45 GMT"])
def test_retry_after_is_capped(connect: Connect, value: str) -> None:
    with FakeServer(Step(reply(429, retry_after=value))) as server, pytest.raises(TransientError) as caught:
        connect(server).request("GET", "x", retries=0)
    assert caught.value.retry_after == 60.0
    assert not caught.value.outcome_unknown


def test_a_pause_beyond_the_limit_of_the_call_is_not_begun(connect: Connect, pauses: Pauses) -> None:
    with (
        FakeServer(Step(reply(503, {"errors": ["busy"]}, retry_after="30"))) as server,
        pytest.raises(TransientError, match="busy"),
    ):
        connect(server).request("GET", "x", timeout=LONG)
    assert len(server.requests) == 1
    assert pauses == []


def test_the_rate_limit_delays_and_refuses_beyond_the_limit(connect: Connect, pauses: Pauses) -> None:
    with FakeServer(OK) as server:
        client = connect(server, rate_limit=(0.1, 2))
        client.request("GET", "x")
        client.request("GET", "x")
        assert pauses == []
        client.request("GET", "x")
        assert list(pauses) == [pytest.approx(10, abs=1)]
        with pytest.raises(TransientError, match="VAULT_RATE_LIMIT") as caught:
            client.request("GET", "x", timeout=5)
    assert not caught.value.outcome_unknown
    assert len(server.requests) == 3


# -- redirects -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_one_redirect_to_the_leader_is_followed_with_method_body_and_token(
    connect: Connect, status: int
) -> None:
    with FakeServer(OK) as leader:
        location = f"{leader.address}/v1/sys/unseal?standby=1"
        with FakeServer(Step(reply(status, location=location))) as standby:
            client = connect(standby, token=Secret("t-1"))
            assert client.request("PUT", "sys/unseal", {"a": 1}).status == 200
    (request,) = leader.requests
    assert (request.method, request.target) == ("PUT", "/v1/sys/unseal?standby=1")
    assert request.body == b'{"a":1}'
    assert request.headers["x-vault-token"] == "t-1"
    assert request.headers["host"] == f"127.0.0.1:{leader.port}"


def test_a_relative_redirect_stays_on_the_server(connect: Connect) -> None:
    with FakeServer(Step(reply(301, location="/v1/clean")), OK) as server:
        assert connect(server).request("GET", "un//clean").status == 200
    assert [request.target for request in server.requests] == ["/v1/un//clean", "/v1/clean"]


def test_a_second_redirect_is_refused(connect: Connect) -> None:
    with (
        FakeServer(Step(reply(307, location="/v1/again"))) as server,
        pytest.raises(FatalError, match="second redirect"),
    ):
        connect(server).request("GET", "x")
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "location",
    [
        "ftp://vault.test/",
        "unix:///run/other.sock",
        "http://[::1",
        "http://h:port/",
        "http://user:pw@h/",
        "http://höst/",
        "http://127.0.0.1:1/ x",
        "",
    ],
)
def test_a_redirect_elsewhere_than_http_is_refused(connect: Connect, location: str) -> None:
    with (
        FakeServer(Step(reply(307, location=location))) as server,
        pytest.raises(FatalError, match="redirect refused: it leads to no"),
    ):
        connect(server).request("GET", "x")
    assert len(server.requests) == 1


def test_a_redirect_is_refused_where_redirects_are_switched_off(connect: Connect) -> None:
    with (
        FakeServer(Step(reply(307, location="/v1/y"))) as server,
        pytest.raises(FatalError, match="VAULT_DISABLE_REDIRECTS"),
    ):
        connect(server, disable_redirects=True).request("GET", "x")


def test_a_redirect_never_leads_from_tls_or_a_unix_socket_to_plain_http(
    connect: Connect, ca: trustme.CA, tmp_path: Path
) -> None:
    with FakeServer(OK) as plain:
        step = Step(reply(307, location=f"{plain.address}/v1/x"))
        with (
            FakeServer(step, tls=server_context(ca)) as protected,
            FakeServer(step, unix=tmp_path / "s") as local,
        ):
            for server in (protected, local):
                client = connect(server, ca_cert_bytes=ca_text(ca), token=Secret("t-1"))
                with pytest.raises(FatalError, match="protected connection to plain http"):
                    client.request("GET", "x")
    assert plain.requests == []


def test_a_leader_that_is_gone_is_transient_and_nothing_happened(connect: Connect) -> None:
    with (
        FakeServer(Step(reply(307, location=f"http://127.0.0.1:{free_port()}/v1/x"))) as server,
        pytest.raises(TransientError, match="refused") as caught,
    ):
        connect(server).request("PUT", "x", {}, retries=0)
    assert not caught.value.outcome_unknown


# -- connections that are kept ---------------------------------------------------------------------------


def test_connect_opens_once_and_sends_nothing(connect: Connect) -> None:
    with FakeServer(OK) as server:
        client = connect(server)
        assert client.idle_socket() is None
        client.connect(LONG)
        client.connect(LONG)
        assert client.idle_socket() is not None
        client.request("GET", "x")
    assert server.connections == 1
    assert len(server.requests) == 1


def test_the_idle_socket_becomes_readable_when_the_server_goes_away(connect: Connect) -> None:
    with FakeServer(OK) as server:
        client = connect(server)
        client.request("GET", "x")
        idle = client.idle_socket()
        assert idle is not None
        assert select.select([idle], [], [], 0)[0] == []
    assert select.select([idle], [], [], LONG)[0] == [idle]
    assert client.idle_socket() is None
    with pytest.raises(TransientError):
        client.connect(LONG)


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_connection_closed_while_idle_loses_no_request(connect: Connect, method: str) -> None:
    with FakeServer(Step(reply(200, {}), then="close"), OK) as server:
        client = connect(server)
        client.request("GET", "x")
        wait_readable(client)
        assert client.request(method, "x", retries=0).data == {"sealed": True}
    assert server.connections == 2


def test_a_connection_reset_while_idle_loses_no_request(connect: Connect) -> None:
    with FakeServer(Step(reply(200, {}), then="reset"), OK) as server:
        client = connect(server)
        client.request("GET", "x")
        wait_readable(client)
        assert client.request("PUT", "x", retries=0).data == {"sealed": True}
    assert server.connections == 2


def test_unasked_bytes_on_an_idle_connection_are_never_taken_for_an_answer(connect: Connect) -> None:
    with FakeServer(Step(reply(200, {}) + reply(200, {"forged": True})), OK) as server:
        client = connect(server)
        assert client.request("GET", "x").data == {}
        assert client.request("GET", "x").data == {"sealed": True}


@pytest.mark.parametrize("then", ["close", "reset"])
def test_a_read_that_meets_a_closing_connection_is_repeated_once(connect: Connect, then: Any) -> None:
    with FakeServer(OK, Step(then=then), OK) as server:
        client = connect(server)
        client.request("GET", "first")
        assert client.request("GET", "second", retries=0).data == {"sealed": True}
    assert [request.connection for request in server.requests] == [0, 0, 1]


def test_a_write_that_meets_a_closing_connection_is_not_repeated_silently(connect: Connect) -> None:
    with FakeServer(OK, Step(then="close"), OK) as server:
        client = connect(server)
        client.request("GET", "first")
        with pytest.raises(TransientError) as caught:
            client.request("PUT", "sys/init", {}, retries=0)
    assert caught.value.outcome_unknown
    assert len(server.requests) == 2


def test_a_connection_idle_for_too_long_is_not_used_again() -> None:
    moment = [0.0]
    with FakeServer(OK) as server:
        config = ClientConfig(address=server.address)
        with VaultClient(config, clock=lambda: moment[0]) as client:
            client.request("GET", "x")
            moment[0] = 89.0
            client.request("GET", "x")
            assert server.connections == 1
            moment[0] = 180.0
            client.request("GET", "x")
    assert server.connections == 2


def test_threads_share_a_client_and_keep_few_connections(connect: Connect) -> None:
    failures: list[BaseException] = []
    with FakeServer(OK) as server:
        client = connect(server)

        def work() -> None:
            try:
                for _ in range(20):
                    assert client.request("GET", "x").data == {"sealed": True}
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        assert failures == []
        assert len(server.requests) == 240
        client.close()
        assert client.idle_socket() is None


def test_close_may_be_called_again_and_later_calls_keep_nothing(connect: Connect) -> None:
    with FakeServer(OK) as server:
        with connect(server) as client:
            client.request("GET", "x")
        client.close()
        assert client.request("GET", "x").status == 200
        assert client.idle_socket() is None


def wait_readable(client: VaultClient) -> None:
    """Wait until the server's closing of the idle connection has arrived, without asking the client."""
    (kept,) = client._transport._idle.values()
    assert select.select([connection.socket for connection in kept], [], [], LONG)[0]


# -- TLS -------------------------------------------------------------------------------------------------


def test_tls_with_a_ca_from_text_file_and_directory(connect: Connect, ca: trustme.CA, tmp_path: Path) -> None:
    file = tmp_path / "deep" / "ca.pem"
    file.parent.mkdir()
    file.write_text(ca_text(ca))
    (tmp_path / "readme.txt").write_text("no certificate")
    with FakeServer(OK, tls=server_context(ca)) as server:
        for settings in (
            {"ca_cert_bytes": ca_text(ca), "ca_cert": "/nowhere"},
            {"ca_cert": str(file), "ca_path": "/nowhere"},
            {"ca_path": str(tmp_path)},
            {"skip_verify": True},
        ):
            client = connect(server, **settings)
            client.connect(LONG)
            assert client.idle_socket() is not None
            client.request("GET", "x")
            client.request("GET", "x")
    assert server.connections == 4


def test_an_intermediate_named_as_trusted_is_trusted(connect: Connect, ca: trustme.CA) -> None:
    child = ca.create_child_ca()
    with FakeServer(OK, tls=server_context(child)) as server:
        assert connect(server, ca_cert_bytes=ca_text(child)).request("GET", "x").status == 200


def test_an_untrusted_certificate_is_fatal_and_says_what_to_set(connect: Connect, ca: trustme.CA) -> None:
    with FakeServer(OK, tls=server_context(ca)) as server:
        for settings in ({}, {"ca_cert_bytes": ca_text(trustme.CA())}):
            with pytest.raises(FatalError, match=r"not trusted: .*VAULT_CACERT") as caught:
                connect(server, **settings).request("GET", "x")
            assert not caught.value.outcome_unknown
    assert server.requests == []


def test_the_name_to_verify_can_be_set(connect: Connect, ca: trustme.CA) -> None:
    with FakeServer(OK, tls=server_context(ca, "vault.test")) as server:
        with pytest.raises(FatalError, match=r"not trusted: .*VAULT_TLS_SERVER_NAME"):
            connect(server, ca_cert_bytes=ca_text(ca)).request("GET", "x")
        client = connect(server, ca_cert_bytes=ca_text(ca), tls_server_name="vault.test")
        assert client.request("GET", "x").status == 200
        with pytest.raises(FatalError, match="cannot be a server's name"):
            connect(server, ca_cert_bytes=ca_text(ca), tls_server_name=".").request("GET", "x")


@pytest.mark.parametrize(
    ("settings", "variable"),
    [
        ({"ca_cert": "/nowhere"}, "VAULT_CACERT /nowhere: No such file"),
        ({"ca_cert": __file__}, "VAULT_CACERT .*: "),
        ({"ca_cert_bytes": "no PEM"}, "VAULT_CACERT_BYTES: "),
        ({"ca_cert_bytes": "größe"}, "VAULT_CACERT_BYTES: "),
        ({"ca_path": "/nowhere"}, "VAULT_CAPATH /nowhere: no PEM"),
        ({"client_cert": "/nowhere", "client_key": "/nowhere", "skip_verify": True}, "VAULT_CLIENT_CERT"),
    ],
)
def test_files_that_cannot_be_used_are_fatal_by_name(
    connect: Connect, ca: trustme.CA, settings: dict[str, Any], variable: str
) -> None:
    with FakeServer(OK, tls=server_context(ca)) as server, pytest.raises(FatalError, match=variable):
        connect(server, **settings).request("GET", "x")


def test_an_encrypted_key_is_an_error_and_no_question_on_the_terminal(
    connect: Connect, ca: trustme.CA, tmp_path: Path
) -> None:
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    leaf = ca.issue_cert("client.test")
    key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
    encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pw"))
    (tmp_path / "cert.pem").write_bytes(leaf.cert_chain_pems[0].bytes())
    (tmp_path / "key.pem").write_bytes(encrypted)
    settings = {"client_cert": str(tmp_path / "cert.pem"), "client_key": str(tmp_path / "key.pem")}
    with FakeServer(OK, tls=server_context(ca)) as server, pytest.raises(FatalError, match="not encrypted"):
        connect(server, skip_verify=True, **settings).request("GET", "x")


def test_rotated_certificates_are_read_again_and_a_broken_rotation_keeps_the_old_ones(
    connect: Connect, ca: trustme.CA, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(ca_text(ca))
    successor = trustme.CA()
    first = FakeServer(Step(reply(200, {}), then="close"), tls=server_context(ca))
    second = FakeServer(OK, tls=server_context(successor))
    with first, second:
        client = connect(first, ca_cert=str(file))
        client.request("GET", "x")
        file.write_text("half a fi")
        assert client.request("GET", "x").status == 200
        assert "changed TLS files cannot be used" in caplog.text
        file.write_text(ca_text(successor))
        with pytest.raises(FatalError, match="not trusted"):
            client.request("GET", "x")
        file.unlink()
        with pytest.raises(FatalError, match="not trusted"):
            client.request("GET", "x")
        file.write_text(ca_text(ca))
        assert client.request("GET", "x").status == 200


def test_a_server_without_tls_is_named_as_such(connect: Connect) -> None:
    with FakeServer(OK) as server:
        address = server.address.replace("http:", "https:")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            talker = threading.Thread(target=_answer_plainly, args=(listener,))
            talker.start()
            address = f"https://127.0.0.1:{listener.getsockname()[1]}"
            with pytest.raises(FatalError, match="does not speak TLS"):
                connect(address).request("GET", "x")
            talker.join(LONG)


def _answer_plainly(listener: socket.socket) -> None:
    connected, _ = listener.accept()
    with connected:
        connected.recv(1)
        connected.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connected.recv(65536)


def test_a_server_that_hangs_up_in_the_handshake_is_transient(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"https://127.0.0.1:{listener.getsockname()[1]}"
        hanger = threading.Thread(target=lambda: listener.accept()[0].close())
        hanger.start()
        with pytest.raises(TransientError, match="TLS") as caught:
            connect(address).request("GET", "x", retries=0)
        hanger.join(LONG)
        assert not caught.value.outcome_unknown
        with pytest.raises(TransientError, match="did not complete the handshake"):
            connect(address).connect(SHORT)


def test_a_server_that_resets_the_handshake_is_transient(connect: Connect) -> None:
    def reset(listener: socket.socket) -> None:
        connected, _ = listener.accept()
        with connected:
            connected.recv(1)
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        talker = threading.Thread(target=reset, args=(listener,))
        talker.start()
        client = connect(f"https://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(TransientError, match="TLS: no connection: Connection reset"):
            client.request("GET", "x", retries=0)
        talker.join(LONG)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "VAULT_CLIENT_CERT and VAULT_CLIENT_KEY"),
        ("TLSV1_ALERT_UNKNOWN_CA", "does it accept the certificate in VAULT_CLIENT_CERT"),
        ("BAD_RECORD_TYPE", "TLS: BAD_RECORD_TYPE"),
        (None, "TLS: failed"),
    ],
)
def test_what_tls_refuses_after_the_handshake_is_permanent_with_a_next_step(reason: Any, words: str) -> None:
    cause = ssl.SSLError(1, "text")
    cause.reason = reason
    near, far = socket.socketpair()
    with near, far:
        why, permanent = TlsConnection(near, lambda: 0.0).explain(cause)
    assert words in why
    assert permanent


def test_a_limit_that_ends_between_connection_and_handshake_is_kept() -> None:
    near, far = socket.socketpair()
    with near, far, pytest.raises(ConnectError, match="did not complete the handshake"):
        Tls(ClientConfig(), lambda: 10.0).secure(near, Endpoint("https", "h", 443), 10.0)


def test_a_limit_that_ends_while_sending_is_kept() -> None:
    near, far = socket.socketpair()
    with near, far, pytest.raises(ExchangeError, match="time limit"):
        Connection(near, lambda: 10.0).exchange("GET", b"GET", 10.0)


def test_a_cut_without_the_goodbye_of_tls_is_no_end_of_an_answer(connect: Connect, ca: trustme.CA) -> None:
    step = Step(b'HTTP/1.0 200 OK\r\n\r\n{"a": 1}', then="reset")
    with (
        FakeServer(step, tls=server_context(ca)) as server,
        pytest.raises(TransientError, match="connection broke"),
    ):
        connect(server, ca_cert_bytes=ca_text(ca)).request("GET", "x", retries=0)


# -- proxies ---------------------------------------------------------------------------------------------


def test_a_plain_call_through_a_proxy_has_the_absolute_form(connect: Connect) -> None:
    with FakeServer(OK) as proxy:
        client = connect("http://vault.test:8200", proxy=proxy.address, proxy_credentials=Secret("user:pw"))
        assert client.request("GET", "sys/x").status == 200
    (request,) = proxy.requests
    assert request.target == "http://vault.test:8200/v1/sys/x"
    assert request.headers["host"] == "vault.test:8200"
    assert request.headers["proxy-authorization"] == "Basic dXNlcjpwdw=="


def test_a_tls_call_goes_through_a_tunnel_and_the_server_never_sees_the_proxys_password(
    connect: Connect, ca: trustme.CA
) -> None:
    with FakeServer(OK, tls=server_context(ca, "vault.test")) as server:
        established = Step(b"HTTP/1.1 200 Connection established\r\n\r\n", tunnel=server.port)
        with FakeServer(established) as proxy:
            client = connect(
                "https://vault.test:8200",
                proxy=proxy.address,
                proxy_credentials=Secret("user:pw"),
                ca_cert_bytes=ca_text(ca),
            )
            client.request("GET", "a")
            client.request("GET", "b")
            client.close()
    (request,) = proxy.requests
    assert (request.method, request.target) == ("CONNECT", "vault.test:8200")
    assert request.headers["proxy-authorization"] == "Basic dXNlcjpwdw=="
    assert [request.target for request in server.requests] == ["/v1/a", "/v1/b"]
    assert "proxy-authorization" not in server.requests[0].headers


@pytest.mark.parametrize(
    ("step", "kind", "words"),
    [
        (Step(reply(407)), FatalError, "user:password@host"),
        (Step(reply(403)), FatalError, "status 403"),
        (Step(reply(502)), TransientError, "status 502"),
        (Step(then="close"), TransientError, "ended before"),
        (Step(b"SSH-2.0\r\n"), FatalError, "not HTTP"),
        (Step(then="hang"), TransientError, "time limit"),
    ],
)
def test_a_proxy_that_gives_no_tunnel_is_named_and_nothing_was_sent(
    connect: Connect, step: Step, kind: type[VaultError], words: str
) -> None:
    with FakeServer(step) as proxy:
        client = connect("https://[fd00::1]:8200", proxy=proxy.address, proxy_credentials=Secret("user:pa55"))
        with pytest.raises(kind, match=words) as caught:
            client.request("PUT", "sys/init", {}, timeout=1, retries=0)
    assert proxy.requests[0].target == "[fd00::1]:8200"
    assert f"proxy {proxy.address}" in str(caught.value)
    assert "pa55" not in str(caught.value)
    assert not caught.value.outcome_unknown


# -- logs ------------------------------------------------------------------------------------------------


def test_each_attempt_is_one_line_at_debug_level_and_no_secret_shows(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "bank_vaults")
    with FakeServer(Step(reply(500)), Step(then="close"), Step(reply(200, {"keys": ["k3y"]}))) as server:
        client = connect(server, token=Secret("t0ken"), namespace="team")
        answer = client.request("PUT", "sys/init?x=y", {"key": "sh4re"})
    assert answer.status == 200
    fields = [vars(record)["fields"] for record in caplog.records]
    assert [(f["method"], f["path"], f["status"]) for f in fields] == [
        ("PUT", "sys/init", 500),
        ("PUT", "sys/init", None),
        ("PUT", "sys/init", 200),
    ]
    assert all(f["milliseconds"] >= 0 for f in fields)
    call = _Call("PUT", "sys/init", "/v1/sys/init", "X-Vault-Token: t0ken", b"sh4re")
    for secret in ("t0ken", "sh4re", "k3y"):
        assert secret not in caplog.text + repr(fields) + repr((client, answer, call))


def test_a_client_knows_its_address_and_the_default_pauses_are_those_of_the_go_client() -> None:
    with VaultClient(ClientConfig(address="http://vault.test:8200")) as client:
        assert client.address == "http://vault.test:8200"
        assert repr(client) == "VaultClient('http://vault.test:8200')"
        pauses = [client._jitter(attempt) for attempt in (1, 2, 3, 1000)]
    assert 1.0 <= pauses[0] <= 1.5
    assert 2.0 <= pauses[1] <= 3.0
    assert 3.0 <= pauses[2] <= 4.5
    assert pauses[3] == 60.0


_HEAVY = {"ssl", "http.client", "email", "urllib", "dataclasses", "inspect", "pathlib", "ipaddress", "random"}


def test_a_plain_call_imports_nothing_heavy() -> None:
    code = (
        "import sys, bank_vaults.vault.client as client, bank_vaults.vault.config as config\n"
        "import bank_vaults.vault.sys\n"
        "settings, _ = config.from_environment({'VAULT_ADDR': sys.argv[1], 'VAULT_CLIENT_TIMEOUT': '20s'})\n"
        "print(client.VaultClient(settings).request('GET', 'sys/seal-status').status, *sys.modules)"
    )
    with FakeServer(OK) as server:
        run = subprocess.run(
            [sys.executable, "-S", "-W", "ignore", "-c", code, server.address],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONPATH": os.pathsep.join(sys.path)},
        )
    status, *modules = run.stdout.split()
    assert status == "200"
    assert _HEAVY.intersection(modules) == set()
