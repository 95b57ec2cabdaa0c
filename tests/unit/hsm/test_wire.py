"""Messages arrive whole and in order however they are cut; anything else is told, never believed."""

from __future__ import annotations

import fcntl
import resource
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bank_vaults.hsm import wire
from bank_vaults.hsm.wire import Channel, WireError

_FAR = 30.0
"""Seconds that no test waits for."""

_PLAIN = (
    st.none() | st.booleans() | st.integers(-(1 << 53), 1 << 53) | st.text(max_size=8) | st.binary(max_size=8)
)
_VALUES = st.recursive(
    _PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=8,
)
_MESSAGES = st.dictionaries(st.text(max_size=4).filter(lambda name: name != "$"), _VALUES, max_size=4)


@contextmanager
def _pair() -> Iterator[tuple[socket.socket, Channel]]:
    raw, end = socket.socketpair()
    with closing(raw), closing(Channel(end)) as channel:
        yield raw, channel


def _sent(messages: Sequence[dict[str, Any]]) -> bytes:
    """The bytes of these messages."""
    with _pair() as (raw, channel):
        for message in messages:
            channel.send(message)
        channel.close()
        return b"".join(iter(lambda: raw.recv(65536), b""))


@settings(max_examples=50)
@given(st.lists(_MESSAGES, min_size=1, max_size=4), st.lists(st.integers(1, 30), min_size=1))
def test_messages_cut_anywhere_arrive_whole_and_in_order(
    messages: list[dict[str, Any]], pieces: list[int]
) -> None:
    data = _sent(messages)
    with _pair() as (raw, channel):
        received = []
        while data:
            piece = pieces[len(data) % len(pieces)]
            raw.sendall(data[:piece])
            data = data[piece:]
            with suppress(TimeoutError):
                received.append(channel.receive(0.0001))
        while len(received) < len(messages):
            received.append(channel.receive(_FAR))
    assert received == messages


def test_a_message_of_bytes_is_no_text_and_no_object() -> None:
    assert _sent([{"pin": b"\0\xff"}]) == b'{"pin": {"$": "AP8="}}\n'


@settings(max_examples=300)
@given(st.binary(max_size=40).filter(lambda line: b"\n" not in line))
def test_garbage_is_told_and_never_becomes_a_message(garbage: bytes) -> None:
    with _pair() as (raw, channel):
        raw.sendall(garbage + b"\n")
        with pytest.raises(WireError, match=r"not JSON|not an object"):
            channel.receive(_FAR)


@pytest.mark.parametrize(
    "line",
    [
        b"[]",
        b"1",
        b'"text"',
        b'{"a": 1',
        b'{"v": {"$": "=" }}',
        b'{"v": {"$": "A" }}',
        b'{"v": {"$": 5}}',
        b'{"v": {"$": null}}',
        b'{"v": {"$": "\xc3\xa9"}}',
        b'{"$": "AP8="}',
        b"[" * 100_000,
        b"1" * 5000,
    ],
)
def test_what_is_nearly_a_message_is_none(line: bytes) -> None:
    with _pair() as (raw, channel):
        raw.sendall(line + b"\n")
        with pytest.raises(WireError, match=r"not JSON|not an object"):
            channel.receive(_FAR)


def test_a_message_that_was_cut_by_the_end_is_none() -> None:
    with _pair() as (raw, channel):
        raw.sendall(b'{"done": {}}')
        raw.close()
        with pytest.raises(WireError, match="the other side is gone"):
            channel.receive(_FAR)


def test_a_message_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_LONGEST", 1000)
    with _pair() as (raw, channel):
        raw.sendall(b"1" * 1001)
        with pytest.raises(WireError, match="too long"):
            channel.receive(_FAR)


@pytest.mark.parametrize("begun", [b"", b'{"done": '])
@pytest.mark.parametrize("limit", [0.0, 0.01])
def test_an_answer_that_does_not_come_is_waited_for_no_longer_than_the_limit(
    begun: bytes, limit: float
) -> None:
    with _pair() as (raw, channel):
        raw.sendall(begun)
        with pytest.raises(TimeoutError, match=f"no answer within {limit:g} s"):
            channel.receive(limit)


def test_time_that_passed_between_two_pieces_counts() -> None:
    with _pair() as (raw, channel):
        enough = threading.Event()

        def drip() -> None:
            with suppress(OSError):
                while not enough.wait(0.005):
                    raw.sendall(b" ")

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            with pytest.raises(TimeoutError):
                channel.receive(0.1)
        finally:
            enough.set()
            thread.join()


def test_who_takes_nothing_is_waited_for_no_longer_than_the_limit() -> None:
    with _pair() as (_, channel), pytest.raises(TimeoutError, match=r"not taken within 0\.01 s"):
        channel.send({"value": b"x" * (1 << 22)}, 0.01)


def test_a_message_larger_than_every_buffer_passes() -> None:
    message = {"value": bytes(range(256)) * 4096}
    with _pair() as (raw, channel), closing(Channel(raw)) as other:
        thread = threading.Thread(target=channel.send, args=(message, _FAR))
        thread.start()
        assert other.receive(_FAR) == message
        thread.join()


def test_a_side_that_is_gone_is_told_at_both_ends() -> None:
    with _pair() as (raw, channel):
        raw.close()
        with pytest.raises(WireError, match="the other side is gone"):
            channel.receive(None)
        with pytest.raises(WireError, match="the other side is gone: Broken pipe"):
            channel.send({})


def test_a_side_that_went_away_with_unread_words_is_told() -> None:
    with _pair() as (raw, channel):
        channel.send({})
        raw.close()
        with pytest.raises(WireError, match="the other side is gone: Connection reset by peer"):
            channel.receive(None)


def test_a_time_limit_is_of_one_call_only() -> None:
    with _pair() as (raw, channel), closing(Channel(raw)) as other:
        with pytest.raises(TimeoutError):
            channel.receive(0.001)
        late = threading.Timer(0.05, other.send, ({"late": True},))
        late.start()
        assert channel.receive(None) == {"late": True}
        late.join()


def test_what_is_no_json_and_no_bytes_is_not_sent() -> None:
    with _pair() as (_, channel), pytest.raises(TypeError, match="object is not sent"):
        channel.send({"value": object()})


def test_a_process_with_many_open_files_is_served_as_well() -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] <= 1100:
        pytest.skip("this shell allows no more than 1024 open files")
    with _pair() as (raw, channel):
        high = fcntl.fcntl(raw, fcntl.F_DUPFD_CLOEXEC, 1050)  # beyond what select(2) can watch
        with closing(Channel(socket.socket(fileno=high))) as other:
            channel.send({"answer": 1})
            assert other.receive(_FAR) == {"answer": 1}
