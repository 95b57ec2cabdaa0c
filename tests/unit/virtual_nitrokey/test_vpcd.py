"""The wire protocol of vpcd, and being a card on it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.virtual_nitrokey.reader import LIMIT, Reader
from virtual_nitrokey import vpcd
from virtual_nitrokey.vpcd import Control, Decoder, DroppedError, Frame, encode


def decoded(stream: bytes, cuts: list[int]) -> list[Frame]:
    decoder = Decoder()
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    return [frame for start, end in pairwise(places) for frame in decoder.feed(stream[start:end])]


@given(
    st.lists(st.sampled_from(Control) | st.binary(min_size=2, max_size=300)), st.lists(st.integers(0, 900))
)
def test_messages_are_read_whole_however_they_are_cut(frames: list[Frame], cuts: list[int]) -> None:
    stream = b"".join(encode(bytes((f,)) if isinstance(f, Control) else f) for f in frames)
    assert decoded(stream, cuts) == frames


@given(st.binary(max_size=2000), st.lists(st.integers(0, 2000)))
def test_any_bytes_are_decoded_the_same_in_any_pieces(stream: bytes, cuts: list[int]) -> None:
    assert decoded(stream, cuts) == decoded(stream, [])


def test_empty_messages_and_unknown_controls_are_left_out() -> None:
    assert decoded(encode(b"") + encode(b"\x03") + encode(b"\xff") + encode(b"\x04"), []) == [Control.ATR]


def test_a_message_has_room_for_65535_bytes() -> None:
    assert len(encode(bytes(65535))) == 65537
    with pytest.raises(ValueError, match="65536"):
        encode(bytes(65536))


class Slot:
    """Writes down what happens; answers each command with itself and 9000."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.drop: DroppedError | None = None

    def power_on(self) -> None:
        self.events.append("on")

    def power_off(self) -> None:
        self.events.append("off")

    def reset(self) -> None:
        self.events.append("reset")

    def told_atr(self) -> None:
        self.events.append("atr")

    def transmit(self, raw: bytes) -> bytes:
        if self.drop:
            raise self.drop
        return raw + b"\x90\0"


@pytest.fixture
def slot() -> Slot:
    return Slot()


@pytest.fixture
def reader(slot: Slot) -> Iterator[Reader]:
    with Reader() as reader:
        connection = reader.connect()
        serving = threading.Thread(target=vpcd.serve, args=[connection, slot], name="serving")
        with connection:
            serving.start()
            reader.accept()
            yield reader
            reader.card.close()
            serving.join(LIMIT)
        assert not serving.is_alive()


def test_the_card_gets_power_resets_and_commands(reader: Reader, slot: Slot) -> None:
    for code in (Control.POWER_ON, Control.RESET, Control.POWER_OFF):
        reader.control(code)
    assert reader.transmit(b"abcd") == b"abcd\x90\0"
    assert slot.events == ["on", "reset", "off"]


def test_the_atr_is_told_at_any_time(reader: Reader, slot: Slot) -> None:
    assert reader.atr() == vpcd.ATR
    reader.transmit(b"abcd")
    assert reader.atr() == vpcd.ATR
    reader.transmit(b"abcd")
    assert slot.events == ["atr", "atr"]


@pytest.mark.parametrize("part", [b"", b"\0\4a"])
def test_a_dropped_connection_ends_after_the_part_that_was_to_be_sent(
    reader: Reader, slot: Slot, part: bytes
) -> None:
    slot.drop = DroppedError(part)
    reader.card.sendall(encode(b"abcd"))
    assert reader.rest() == part


def test_serving_ends_only_when_the_reader_has_noticed(reader: Reader, slot: Slot) -> None:
    slot.drop = DroppedError()
    reader.card.sendall(encode(b"abcd"))
    assert reader.card.recv(1) == b""
    (serving,) = [thread for thread in threading.enumerate() if thread.name == "serving"]
    reader.control(Control.ATR)  # the presence poll of a reader that has not noticed yet
    assert serving.is_alive()
    reader.card.close()
    serving.join(LIMIT)
    assert not serving.is_alive()


def test_a_reader_that_never_notices_is_given_up(monkeypatch: pytest.MonkeyPatch, slot: Slot) -> None:
    monkeypatch.setattr(vpcd, "_NOTICE_LIMIT", 0.05)
    slot.drop = DroppedError()
    with Reader() as reader, reader.connect() as connection:
        reader.accept()
        reader.card.sendall(encode(b"abcd"))
        vpcd.serve(connection, slot)
        assert reader.card.recv(1) == b""


class Watched:
    """A socket, and in which order its options are set to 1 and it is read."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.seen: list[int | str] = []

    def setsockopt(self, level: int, option: int, value: int) -> None:
        assert (level, value) == (socket.IPPROTO_TCP, 1)
        self.seen.append(option)
        self._connection.setsockopt(level, option, value)

    def recv(self, size: int) -> bytes:
        self.seen.append("read")
        return self._connection.recv(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def test_answers_are_sent_and_commands_acknowledged_at_once(slot: Slot) -> None:
    with Reader() as reader, reader.connect() as connection:
        reader.accept()
        reader.card.sendall(encode(b"abcd"))
        reader.card.shutdown(socket.SHUT_WR)
        watched = Watched(connection)
        vpcd.serve(watched, slot)  # type: ignore[arg-type]  # all that it needs of a socket
        assert reader.answer() == b"abcd\x90\0"
    # The system forgets the second option, so that it is set on both sides of each wait.
    first, *others, last = watched.seen
    assert (first, last) == (socket.TCP_NODELAY, "read")  # the last: until the reader has noticed
    reads = others.count("read")
    assert reads >= 2
    assert others == [socket.TCP_QUICKACK, "read", socket.TCP_QUICKACK] * reads


def test_a_connection_that_is_gone_is_no_error(slot: Slot) -> None:
    with Reader() as reader, reader.connect() as connection:
        reader.accept()
        connection.close()
        vpcd.serve(connection, slot)
