"""The reader of answers: the same as http.client says, or a refusal; and never more than a bounded amount.

http.client is the oracle. Whatever ours accepts means the same to it; where ours refuses what it accepts,
or reads it otherwise, RFC 9112 says so, and the tables ``_STRICTER`` and ``_OTHERWISE`` name each case.
"""

from __future__ import annotations

import http.client
import io
import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bank_vaults.vault import http1
from bank_vaults.vault.http1 import MAX_BODY, Answer, MalformedError, Reader, TooLargeError

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def in_pieces(pieces: Iterable[bytes]) -> Callable[[int], bytes]:
    """A connection that delivers these, and then ends."""
    left = iter([piece for piece in pieces if piece])

    def receive(size: int) -> bytes:
        piece = next(left, b"")
        assert len(piece) <= size
        return piece

    return receive


def read(data: bytes, method: str = "GET") -> tuple[Answer, bool]:
    pieces = (data[start : start + 65536] for start in range(0, len(data), 65536))
    return Reader(in_pieces(pieces)).answer(method)


class Seen(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def tidy(headers: Mapping[str, str]) -> dict[str, str]:
    """Without the blanks and folds that mean nothing: how many in a row, at ends, around commas."""

    def of(value: str) -> str:
        return re.sub(" ?, ?", ",", re.sub("[ \t\r\n]+", " ", value)).strip(" ")

    return {name: of(value) for name, value in headers.items()}


def ours(data: bytes, method: str = "GET") -> Seen | None:
    try:
        answer, _ = read(data, method)
    except (MalformedError, TooLargeError, EOFError):
        return None
    return Seen(answer.status, tidy(answer.headers), answer.body)


class _Sock:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def theirs(data: bytes, method: str = "GET") -> Seen | None:
    """What http.client reads, with repeated fields as one list (RFC 9110, 5.3)."""
    response = http.client.HTTPResponse(cast("http.client.socket.socket", _Sock(data)), method=method)  # type: ignore[name-defined]
    try:
        response.begin()
        headers: dict[str, str] = {}
        for name, value in response.headers.items():
            headers[name.lower()] = f"{headers[name.lower()]}, {value}" if name.lower() in headers else value
        return Seen(response.status, tidy(headers), response.read())
    except (http.client.HTTPException, ValueError):
        return None
    finally:
        response.close()


# -- answers as they should be ---------------------------------------------------------------------------

_NAMES = st.sampled_from([b"Date", b"X-A", b"x-a", b"!#$%&'*+-.^_`|~9", b"Cache-Control"])
_VALUES = st.text(st.characters(codec="latin-1", exclude_characters="\0\r\n"), max_size=12)
_BODIES = st.binary(max_size=60)
_SIZES = st.sampled_from([b"%x", b"%X", b"000%x", b"%x;a=b", b'%x ; c="d"', b"%x;"])


class Script(NamedTuple):
    """An answer, what its body is, and whether it says where it ends."""

    data: bytes
    body: bytes
    framed: bool


@st.composite
def _field_lines(draw: st.DrawFn) -> list[bytes]:
    lines = []
    for name, value in draw(st.lists(st.tuples(_NAMES, _VALUES), max_size=4)):
        lines.append(name + draw(st.sampled_from([b":", b": ", b":\t "])) + value.encode("latin-1"))
        if value.strip(" \t") and draw(st.booleans()):
            lines.append(b" \t" + draw(st.sampled_from([b"folded", b"a: b"])))
    return lines


@st.composite
def _answers(draw: st.DrawFn) -> Script:
    end = draw(st.sampled_from([b"\r\n", b"\n"]))

    def text(*lines: bytes) -> bytes:
        return b"".join(line + end for line in lines)

    interim = draw(st.sampled_from([b"", text(b"HTTP/1.1 100 Continue", b"X: y", b"")]))
    kind = draw(st.sampled_from(["none", "length", "twice", "chunked", "end"]))
    codes = (
        st.sampled_from([204, 304])
        if kind == "none"
        else st.integers(200, 999).filter(lambda code: code not in (204, 304))
    )
    status = f"HTTP/1.1 {draw(codes)}".encode() + draw(st.sampled_from([b"", b" ", b" OK", b" Sch\xf6n  so"]))
    body, framing, content = draw(_BODIES), [], b""
    if kind == "none":
        body = b""
    elif kind == "chunked":
        framing = [b"TRANSFER-encoding: Chunked"]
        pieces = draw(st.lists(_BODIES.filter(bool), max_size=3))
        body = b"".join(pieces)
        content = b"".join(text(draw(_SIZES) % len(piece)) + piece + b"\r\n" for piece in pieces)
        content += text(b"0", *draw(_field_lines()), b"")
    else:
        framing = [b"content-length:%d" % len(body)] * ["end", "length", "twice"].index(kind)
        content = body
    head = text(status, *draw(_field_lines()), *framing, *draw(_field_lines()), b"")
    return Script(interim + head + content, body, framed=kind != "end")


@settings(deadline=None, max_examples=300)
@given(_answers())
def test_any_good_answer_is_read_as_http_client_reads_it(script: Script) -> None:
    seen = ours(script.data)
    assert seen is not None
    assert seen == theirs(script.data)
    assert seen.body == script.body
    assert read(script.data)[1] is script.framed


@settings(deadline=None)
@given(_answers(), st.integers(1, 9))
def test_the_pieces_in_which_an_answer_arrives_do_not_matter(script: Script, size: int) -> None:
    pieces = [script.data[start : start + size] for start in range(0, len(script.data), size)]
    assert Reader(in_pieces(pieces)).answer("GET") == read(script.data)


@settings(deadline=None)
@given(_answers(), st.data())
def test_an_answer_cut_anywhere_is_never_taken_for_a_short_one(script: Script, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(script.data) - 1))
    if script.framed:
        with pytest.raises(EOFError):
            read(script.data[:cut])


@settings(deadline=None)
@given(_answers(), st.binary(min_size=1, max_size=20))
def test_bytes_beyond_the_answer_are_not_in_it_and_end_the_connection(script: Script, more: bytes) -> None:
    if script.framed:
        answer, keep = read(script.data + more)
        assert answer == read(script.data)[0]
        assert not keep


# -- any bytes -------------------------------------------------------------------------------------------

_SEEDS = st.one_of(
    _answers().map(lambda script: script.data),
    st.sampled_from(
        [
            OK + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}",
            CHUNKED + b"2\r\n{}\r\n0\r\n\r\n",
            b"HTTP/1.0 503 X\r\nA: b\r\n c\r\n\r\nbody",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 None\r\n\r\n",
        ]
    ),
)
_BYTES = st.one_of(
    st.binary(max_size=2),
    st.sampled_from(
        [b"\r", b"\n", b"\r\n", b" ", b":", b"-", b"+", b"_", b"0x", b";", b",", b"0", b"1", b"A: b"]
    ),
)
_METHODS = st.sampled_from(["GET", "PUT", "HEAD"])


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    data = draw(_SEEDS)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(_BYTES) + data[at + draw(st.integers(0, 3)) :]
    return data


_PLAIN_CHUNKED = re.compile(rb"transfer-encoding:[ \t]*chunked\r?\n(?![ \t])", re.IGNORECASE)


def _read_otherwise(data: bytes, seen: Seen, other: Seen) -> bool:
    """Where http.client departs from RFC 9112 (``_OTHERWISE`` has an example of each)."""
    chunked = "transfer-encoding" in seen.headers
    return (
        100 < other.status < 200
        or "," in seen.headers.get("content-length", "")
        or (chunked and (seen.status in (204, 304) or not _PLAIN_CHUNKED.search(data)))
    )


@settings(deadline=None, max_examples=500)
@given(st.one_of(_damaged(), st.binary(max_size=60), st.binary(max_size=60).map(OK.__add__)), _METHODS)
def test_what_is_accepted_of_any_bytes_means_the_same_to_http_client(data: bytes, method: str) -> None:
    seen, other = ours(data, method), theirs(data, method)
    if seen is not None:
        assert other is not None
        assert seen == other or _read_otherwise(data, seen, other)


_STRICTER = {
    "no blank between version and status": b"HTTP/1.1\t200 OK\r\nContent-Length: 0\r\n\r\n",
    "a status that is no plain number": b"HTTP/1.1 2_0_0 OK\r\nContent-Length: 0\r\n\r\n",
    "several blanks in the status line": b"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n",
    "an unknown minor version": b"HTTP/1.x 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/0.9": b"HTTP/0.9 200 OK\r\n\r\n",
    "headers that end with the connection": OK + b"Content-Length: 0\r\n",
    "a header line without a colon": OK + b"no header\r\nContent-Length: 2\r\n\r\n{}",
    "a blank before the colon": OK + b"Content-Length : 2\r\n\r\n{}",
    "a folded line before the first header": OK + b" A: b\r\n\r\n",
    "a name with a letter that no name has": OK + b"A(b): c\r\nContent-Length: 0\r\n\r\n",
    "a stray carriage return": OK + b"A: b\rContent-Length: 2\r\n\r\n{}",
    "a zero byte": OK + b"A: b\0\r\nContent-Length: 0\r\n\r\n",
    "a length that is no number": OK + b"Content-Length: two\r\n\r\n{}",
    "a negative length": OK + b"Content-Length: -2\r\n\r\n{}",
    "a length with an underscore": OK + b"Content-Length: 0_2\r\n\r\n{}",
    "an empty length": OK + b"Content-Length:\r\n\r\n{}",
    "lengths that differ": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    "lengths that differ in one line": OK + b"Content-Length: 2, 3\r\n\r\n{}x",
    "an unknown transfer coding": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a size of a chunk with a prefix": CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n",
    "a size of a chunk with a sign": CHUNKED + b"+2\r\n{}\r\n0\r\n\r\n",
    "a chunk longer than its size": CHUNKED + b"2\r\n{}xx0\r\n\r\n",
    "a malformed trailer": CHUNKED + b"2\r\n{}\r\n0\r\nno trailer\r\n\r\n",
    "a trailer that ends with the connection": CHUNKED + b"2\r\n{}\r\n0\r\n",
}


@pytest.mark.parametrize("data", _STRICTER.values(), ids=_STRICTER.keys())
def test_what_http_client_lets_pass_against_the_rfc_is_refused(data: bytes) -> None:
    assert theirs(data) is not None
    with pytest.raises((MalformedError, EOFError)):
        read(data)


_OTHERWISE = {
    "an interim answer other than 100": (
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\n{}",
        Seen(200, {"content-length": "2"}, b"{}"),
    ),
    "equal lengths in one line": (
        OK + b"Content-Length: 2, 2\r\n\r\n{}more",
        Seen(200, {"content-length": "2,2"}, b"{}"),
    ),
    "204 has no body": (
        b"HTTP/1.1 204 None\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        Seen(204, {"transfer-encoding": "chunked"}, b""),
    ),
    "a folded transfer coding": (
        OK + b"Transfer-Encoding:\r\n chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        Seen(200, {"transfer-encoding": "chunked"}, b"{}"),
    ),
    "a blank behind the transfer coding": (
        OK + b"Transfer-Encoding: chunked \r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        Seen(200, {"transfer-encoding": "chunked"}, b"{}"),
    ),
}


@pytest.mark.parametrize(("data", "seen"), _OTHERWISE.values(), ids=_OTHERWISE.keys())
def test_what_http_client_reads_otherwise_is_read_as_the_rfc_says(data: bytes, seen: Seen) -> None:
    assert ours(data) == seen
    assert theirs(data) != seen


# -- where the connection stands afterwards --------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "keep"),
    [
        (OK + b"Content-Length: 0\r\n\r\n", True),
        (OK + b"Content-Length: 0\r\nConnection: Keep-Alive\r\n\r\n", True),
        (OK + b"Content-Length: 0\r\nConnection: x, Close\r\n\r\n", False),
        (OK + b"Content-Length: 0\r\nConnection: x\r\nConnection: close\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 204 None\r\n\r\n", True),
        (b"HTTP/1.1 204 None\r\nConnection: close\r\n\r\n", False),
        (b"HTTP/1.1 204 None\r\n\r\n{}", False),
        (CHUNKED + b"0\r\n\r\n", True),
        (CHUNKED + b"0\r\n\r\n ", False),
        (OK + b"\r\n", False),
    ],
)
def test_a_connection_is_kept_only_when_the_next_answer_will_begin_where_this_one_ends(
    data: bytes, keep: bool
) -> None:
    assert read(data)[1] is keep


def test_chunks_win_over_a_length_and_the_connection_ends() -> None:
    answer, keep = read(OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
    assert answer.body == b"{}"
    assert not keep


@pytest.mark.parametrize("method", ["HEAD", "CONNECT"])
def test_no_body_follows_an_answer_to_head_or_connect(method: str) -> None:
    assert read(OK + b"Content-Length: 5\r\n\r\n", method) == (
        Answer(200, {"content-length": "5"}, b"", True),
        True,
    )
    assert read(OK + b"\r\nhello", method) == (Answer(200, {}, b"", True), False)


def test_a_change_of_protocol_is_refused() -> None:
    with pytest.raises(MalformedError, match="protocol"):
        read(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")


# -- bounds ----------------------------------------------------------------------------------------------


def test_lines_are_at_most_64_kib_long() -> None:
    longest = 65536 - len(b"A:\r\n")
    assert (
        read(OK + b"A:" + b"b" * longest + b"\r\nContent-Length: 0\r\n\r\n")[0].headers["a"] == "b" * longest
    )
    with pytest.raises(MalformedError, match="64 KiB"):
        read(OK + b"A:" + b"b" * (longest + 1) + b"\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("line", [b"A: b\r\n", b" folded\r\n"])
def test_a_head_or_a_trailer_has_at_most_a_hundred_lines(line: bytes) -> None:
    def fields(count: int) -> bytes:
        return b"A: b\r\n" + line * (count - 1) + b"\r\n"

    assert read(b"HTTP/1.1 204 N\r\n" + fields(100))[0].status == 204
    assert read(CHUNKED + b"0\r\n" + fields(100))[0].body == b""
    for data in (b"HTTP/1.1 204 N\r\n" + fields(101), CHUNKED + b"0\r\n" + fields(101)):
        with pytest.raises(MalformedError, match="100 header lines"):
            read(data)


@pytest.mark.parametrize(
    "data",
    [
        OK + b"Content-Length: %d\r\n\r\n" % (MAX_BODY + 1),
        OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
        CHUNKED + b"%x\r\n" % (MAX_BODY + 1),
        CHUNKED + b"f" * 5000 + b"\r\n",
        CHUNKED + b"1\r\nx\r\n%x\r\n" % MAX_BODY,
    ],
)
def test_an_answer_that_says_it_is_too_large_is_refused_before_it_is_read(data: bytes) -> None:
    with pytest.raises(TooLargeError):
        read(data)


def test_leading_zeros_make_no_length_too_large() -> None:
    assert read(OK + b"Content-Length: " + b"0" * 5000 + b"2\r\n\r\n{}")[0].body == b"{}"


@pytest.mark.parametrize(
    "piece",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        OK + b"\r\n" + b"x" * 1000,
        CHUNKED + b"1\r\nx\r\n" * 100,
        CHUNKED + b"1;" + b"x" * 1000 + b"\r\nx\r\n",
    ],
    ids=["interim answers", "body to the end", "small chunks", "chunk extensions"],
)
def test_an_endless_answer_is_refused_after_a_bounded_number_of_bytes(
    monkeypatch: pytest.MonkeyPatch, piece: bytes
) -> None:
    monkeypatch.setattr(http1, "MAX_BODY", 50_000)
    monkeypatch.setattr(http1, "_HEADROOM", 10_000)
    head, _, tail = piece.rpartition(b"\r\n\r\n")
    again = tail or head + b"\r\n\r\n"
    reader = Reader(in_pieces(itertools.chain([piece], itertools.repeat(again, 100_000))))
    with pytest.raises(TooLargeError):
        reader.answer("GET")
    assert reader.received <= 60_000 + len(again)


def test_nothing_shows_what_was_in_an_answer() -> None:
    answer, _ = read(OK + b"X: h3ader\r\nContent-Length: 4\r\n\r\nb0dy")
    assert repr(answer) == "Answer(200)"
    with pytest.raises(MalformedError) as caught:
        read(OK + b"s3cret\r\n\r\n")
    assert "s3cret" not in repr(caught.value)
