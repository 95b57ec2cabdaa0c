"""Promises about commands and responses as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtual_nitrokey.apdu import Command, parse, response
from virtual_nitrokey.status import SW, CardError, tries_left

BYTE = st.integers(0, 255)


@st.composite
def commands(draw: st.DrawFn) -> Command:
    extended = draw(st.booleans())
    data = draw(st.binary(max_size=600 if extended else 255))
    le = draw(st.none() | st.integers(1, 65536 if extended else 256))
    header = (draw(BYTE), draw(BYTE), draw(BYTE), draw(BYTE))
    return Command(*header, data, le, extended and bool(data or le))


@given(commands())
def test_what_is_written_is_read_back(command: Command) -> None:
    assert parse(command.encode()) == command


@given(st.binary(max_size=300))
def test_any_bytes_are_a_command_or_of_wrong_length(raw: bytes) -> None:
    try:
        command = parse(raw)
    except CardError as error:
        assert error.sw == SW.WRONG_LENGTH
    else:
        assert command.encode() == raw


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("00200085", Command(0x00, 0x20, 0x00, 0x85)),
        ("8052000000", Command(0x80, 0x52, 0, 0, b"", 256)),
        ("0084000020", Command(0x00, 0x84, 0, 0, b"", 32)),
        ("80580000000000", Command(0x80, 0x58, 0, 0, b"", 65536, extended=True)),
        ("008400000003E8", Command(0x00, 0x84, 0, 0, b"", 1000, extended=True)),
        ("00A4040006A00000000101", Command(0x00, 0xA4, 4, 0, bytes.fromhex("A00000000101"))),
        ("00A40000022F0200", Command(0x00, 0xA4, 0, 0, b"\x2f\x02", 256)),
        ("00B1000004540200FFFE", Command(0x00, 0xB1, 0, 0, b"\x54\x02\x00\xff", 254)),
        ("00D70000000106" + "54" * 262, Command(0x00, 0xD7, 0, 0, b"\x54" * 262, extended=True)),
        ("80620121000100" + "11" * 256 + "0200", Command(0x80, 0x62, 1, 0x21, b"\x11" * 256, 512, True)),
    ],
)
def test_the_commands_of_opensc_are_understood(raw: str, expected: Command) -> None:
    assert parse(bytes.fromhex(raw)) == expected


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "00A404",
        "00A404000000",
        "00A4040003AABB",
        "00A4040001AABBCC",
        "00A404000000000102",
        "00A4040000000201",
    ],
)
def test_lengths_that_do_not_add_up_are_refused(raw: str) -> None:
    with pytest.raises(CardError) as caught:
        parse(bytes.fromhex(raw))
    assert caught.value.sw == SW.WRONG_LENGTH


@pytest.mark.parametrize(
    "command",
    [
        Command(0, 0, 0, 0, bytes(256)),
        Command(0, 0, 0, 0, b"", 257),
        Command(0, 0, 0, 0, b"", 0),
        Command(0, 0, 0, 0, extended=True),
        Command(0, 0, 0, 0, bytes(65536), extended=True),
        Command(0, 0, 0, 0, b"", 65537, extended=True),
    ],
)
def test_a_command_that_fits_no_form_is_not_written(command: Command) -> None:
    with pytest.raises(ValueError, match=r"form"):
        command.encode()


def test_the_parameters_read_as_one_number() -> None:
    assert Command(0x00, 0xD7, 0xCE, 0x01).p1p2 == 0xCE01


def test_a_printed_command_shows_no_pin() -> None:
    shown = repr(Command(0x00, 0x20, 0x00, 0x81, b"banzai"))
    assert shown == "<00 20 00 81 data:6 le:->"


def test_a_response_ends_with_its_status_word() -> None:
    assert response(b"\x01\x02", SW.OK) == b"\x01\x02\x90\x00"
    assert response(b"", tries_left(2)) == b"\x63\xc2"


def test_an_error_names_its_status_word() -> None:
    assert str(CardError(SW.NOT_FOUND)) == "6A82"


@pytest.mark.parametrize("number", [-1, 16])
def test_tries_that_fit_no_status_word_are_refused(number: int) -> None:
    with pytest.raises(ValueError, match="0 to 15"):
        tries_left(number)
