"""Whatever bytes arrive: an answer or an error of ours, never another exception, never the bytes."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from bank_vaults.vault.answers import NotJsonError, decode, error_of, messages_of, retry_after
from bank_vaults.vault.connection import Connection, ExchangeError
from bank_vaults.vault.errors import VaultError
from bank_vaults.vault.http1 import Answer

_PIECES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.0 503 X\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"Content-Length: 2\r\n",
        b"Content-Length: -1\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"\r\n",
        b"{}",
        b"2\r\n{}\r\n",
        b"-1\r\n",
        b"0\r\n\r\n",
    ]
)


@settings(deadline=None)
@given(st.lists(st.one_of(_PIECES, st.binary(max_size=20)), max_size=12))
def test_any_bytes_on_a_connection_are_an_answer_or_an_exchange_error(pieces: list[bytes]) -> None:
    near, far = socket.socketpair()
    with near, far:
        sender = threading.Thread(target=_send_and_end, args=(far, b"".join(pieces)))
        sender.start()
        try:
            answer, _ = Connection(near, time.monotonic).exchange("GET", b"GET", time.monotonic() + 20)
            assert 100 <= answer.status <= 999
        except ExchangeError:
            pass
        finally:
            sender.join()


def _send_and_end(far: socket.socket, data: bytes) -> None:
    far.sendall(data)
    far.shutdown(socket.SHUT_WR)


@settings(deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_any_body_is_an_object_or_no_json(body: bytes, framed: bool) -> None:
    with contextlib.suppress(NotJsonError):
        assert isinstance(decode(Answer(200, {}, body, framed)), dict)


_ERRORS = st.none() | st.text() | st.lists(st.none() | st.integers() | st.text() | st.lists(st.text()))
_BODIES = st.binary(max_size=3000) | _ERRORS.map(lambda errors: json.dumps({"errors": errors}).encode())


@settings(deadline=None)
@given(st.integers(300, 999), _BODIES)
def test_any_refusal_is_an_error_with_short_printable_messages(status: int, body: bytes) -> None:
    answer = Answer(status, {}, body, framed=True)
    error = error_of("GET", "x", answer, time.time)
    assert isinstance(error, VaultError)
    assert error.messages == messages_of(answer)
    assert all(message.isprintable() and 0 < len(message) <= 501 for message in error.messages)
    assert error.outcome_unknown is (status >= 500 and status != 501)


@settings(deadline=None)
@given(st.one_of(st.text(), st.datetimes().map(lambda moment: moment.strftime("%a, %d %b %Y %H:%M:%S GMT"))))
def test_any_retry_after_is_none_or_at_most_a_minute(value: str) -> None:
    pause = retry_after(value, lambda: 1_000_000_000.0)
    assert pause is None or 0 <= pause <= 60
