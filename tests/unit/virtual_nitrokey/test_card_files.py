"""Promises about reading, writing, deleting and listing files."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.virtual_nitrokey.terminal import FACTORY, Terminal
from virtual_nitrokey.card import Work
from virtual_nitrokey.image import Image
from virtual_nitrokey.memory import CAPACITY, MOST_ENTRIES
from virtual_nitrokey.status import SW


@pytest.fixture
def terminal() -> Terminal:
    return Terminal().ready()


def test_the_commands_of_opensc_make_and_read_a_file(terminal: Terminal) -> None:
    assert terminal.raw("00D7CE0106540200005300") == (b"", SW.OK)
    assert terminal.raw("00D7000000010654020000 5381FF" + "11" * 255) == (b"", SW.OK)
    assert terminal.raw("00D7000009540200FF5303222222") == (b"", SW.OK)
    assert terminal.select(0xCE01).data[2:6].hex() == "81020102"
    assert terminal.raw("00B1000004540200FE00") == (bytes.fromhex("11222222"), SW.OK)


@pytest.mark.parametrize(
    ("offset", "le", "expected"),
    [
        (0, 256, b"0123456789"),
        (0, 4, b"0123"),
        (7, 254, b"789"),
        (9, 1, b"9"),
        (10, 256, b""),
        (10, 254, b""),
    ],
)
def test_reading_ends_at_the_end_of_the_file(
    terminal: Terminal, offset: int, le: int, expected: bytes
) -> None:
    terminal.write(0xCF00, b"0123456789")
    assert terminal.read(0xCF00, offset, le) == (expected, SW.OK)


def test_reading_beyond_the_end_is_refused(terminal: Terminal) -> None:
    terminal.write(0xCF00, b"0123456789")
    assert terminal.read(0xCF00, 11) == (b"", SW.WRONG_OFFSET)


def test_reading_and_writing_by_identifier_make_a_file_the_current_one(terminal: Terminal) -> None:
    terminal.write(0xCF00, b"first")
    assert terminal.read(0).data == b"first"
    terminal.read(0x2F02)
    assert terminal.read(0).data == FACTORY.memory.content(0x2F02)
    assert terminal.read(0xCF01).sw == SW.NOT_FOUND
    assert terminal.write(0xCF00, b"x", 9) == SW.WRONG_OFFSET
    assert terminal.read(0).data == FACTORY.memory.content(0x2F02)


def test_without_a_current_file_nothing_is_read_or_written(terminal: Terminal) -> None:
    assert terminal.read(0).sw == SW.NOT_ALLOWED
    assert terminal.write(0, b"x") == SW.NOT_ALLOWED


def test_a_gap_is_refused(terminal: Terminal) -> None:
    assert terminal.write(0xCF00, b"x", 1) == SW.WRONG_OFFSET
    assert terminal.select(0xCF00).sw == SW.NOT_FOUND
    terminal.write(0xCF00, b"ab")
    assert terminal.write(0xCF00, b"x", 3) == SW.WRONG_OFFSET
    assert terminal.write(0xCF00, b"c", 2) == SW.OK
    assert terminal.read(0xCF00).data == b"abc"


def test_60000_bytes_are_written_in_pieces_and_read_back(terminal: Terminal) -> None:
    content = bytes(range(240)) * 250
    for at in range(0, len(content), 230):
        assert terminal.write(0xCD00, content[at : at + 230], at) == SW.OK
    read = b"".join(terminal.read(0xCD00, at, 256).data for at in range(0, len(content), 256))
    assert read == content
    assert terminal.select(0xCD00).data[2:6].hex() == "8102ea60"


def test_a_file_ends_at_65535_bytes(terminal: Terminal) -> None:
    assert terminal.write(0xCF00, bytes(0xFFFF - 16)) == SW.OK
    assert terminal.write(0xCF00, bytes(16), 0xFFFF - 16) == SW.OK
    assert terminal.write(0xCF00, b"x", 0xFFFF) == SW.NO_SPACE


@pytest.mark.parametrize(
    "data",
    [
        "",
        "54",
        "5402 0000",
        "5300",
        "530154",
        "5300 54020000",
        "54020000 5300 5300",
        "5401 00 5300",
        "5403 000000 5300",
        "54020000 5302 00",
        "54020000 5500",
    ],
)
def test_an_update_needs_exactly_offset_and_data(terminal: Terminal, data: str) -> None:
    assert terminal.send(0x00, 0xD7, 0xCF00, bytes.fromhex(data)).sw == SW.WRONG_DATA
    assert terminal.select(0xCF00).sw == SW.NOT_FOUND


@pytest.mark.parametrize("data", ["", "5401 00", "5403 000000", "5300", "54020000 5300", "5402 00"])
def test_a_read_needs_exactly_an_offset(terminal: Terminal, data: str) -> None:
    assert terminal.send(0x00, 0xB1, 0x2F02, bytes.fromhex(data), 256).sw == SW.WRONG_DATA


def test_a_read_needs_a_length(terminal: Terminal) -> None:
    assert terminal.send(0x00, 0xB1, 0x2F02, bytes.fromhex("54020000")).sw == SW.WRONG_LENGTH


def test_private_objects_are_read_only_with_the_pin_but_tell_their_size(terminal: Terminal) -> None:
    terminal.write(0xCD00, b"secret")
    terminal.select_applet()
    assert terminal.select(0xCD00).data[2:6].hex() == "81020006"
    assert terminal.read(0).sw == SW.NOT_LOGGED_IN
    assert terminal.read(0xCD00).sw == SW.NOT_LOGGED_IN
    assert terminal.read(0xCD01).sw == SW.NOT_LOGGED_IN
    terminal.verify()
    assert terminal.read(0xCD00).data == b"secret"


@pytest.mark.parametrize("fid", [0x2F03, 0xC401, 0xCE01, 0xC801, 0xCA01, 0xC900, 0xCF00])
def test_public_files_are_read_by_everybody_and_written_with_the_pin(terminal: Terminal, fid: int) -> None:
    terminal.write(fid, b"public")
    terminal.select_applet()
    assert terminal.read(fid).data == b"public"
    assert terminal.write(fid, b"other") == SW.NOT_LOGGED_IN
    assert terminal.delete(fid) == SW.NOT_LOGGED_IN
    terminal.verify()
    assert terminal.delete(fid) == SW.OK
    assert terminal.read(fid).sw == SW.NOT_FOUND


@pytest.mark.parametrize("fid", [0xCC00, 0xCC01, 0x2F10])
def test_keys_are_never_read(terminal: Terminal, fid: int) -> None:
    assert terminal.read(fid).sw == SW.NOT_LOGGED_IN


@pytest.mark.parametrize("fid", [0x2F00, 0x2F02, 0xCC00, 0xCC01])
def test_what_is_written_by_no_one(terminal: Terminal, fid: int) -> None:
    assert terminal.write(fid, b"x") == SW.NOT_LOGGED_IN


@pytest.mark.parametrize("fid", [0x2F00, 0x2F02, 0xCC00])
def test_what_is_deleted_by_no_one(terminal: Terminal, fid: int) -> None:
    assert terminal.delete(fid) == SW.NOT_LOGGED_IN


@pytest.mark.parametrize("fid", [0x3F00, 0x2F04, 0x5015, 0xDD00])
def test_other_identifiers_are_no_files(terminal: Terminal, fid: int) -> None:
    assert terminal.write(fid, b"x") == SW.NOT_FOUND
    assert terminal.read(fid).sw == SW.NOT_FOUND
    assert terminal.delete(fid) == SW.NOT_FOUND


def test_a_deleted_file_is_gone_and_not_current(terminal: Terminal) -> None:
    terminal.write(0xCF00, b"first")
    terminal.write(0xCF01, b"second")
    assert terminal.delete(0xCF00) == SW.OK
    assert terminal.read(0).data == b"second"
    assert terminal.delete(0xCF01) == SW.OK
    assert terminal.read(0).sw == SW.NOT_ALLOWED
    assert terminal.delete(0xCF01) == SW.NOT_FOUND


def test_delete_takes_one_identifier_by_p1_02(terminal: Terminal) -> None:
    assert terminal.raw("00E4020001CF").sw == SW.WRONG_LENGTH
    assert terminal.raw("00E4000002CF00").sw == SW.WRONG_P1P2


def test_everything_is_listed_keys_first(terminal: Terminal) -> None:
    terminal.write(0xCF00, b"")
    terminal.write(0xC900, b"")
    assert terminal.raw("80580000000000") == (bytes.fromhex("CC00 2F02 CF00 C900"), SW.OK)
    assert terminal.raw("8058000000").sw == SW.OK
    assert terminal.raw("8058000100").sw == SW.WRONG_P1P2


def test_a_write_that_does_not_fit_leaves_the_old_content(terminal: Terminal) -> None:
    terminal.write(0xCF00, b"old content")
    terminal.write(0xCF01, bytes(60000))
    left = CAPACITY - 60011
    assert terminal.write(0xCF00, bytes(left + 12)) == SW.NO_SPACE
    assert terminal.read(0xCF00).data == b"old content"
    assert terminal.write(0xCF00, bytes(left + 11)) == SW.OK
    assert terminal.write(0xCF02, b"x") == SW.NO_SPACE
    assert terminal.select(0xCF02).sw == SW.NOT_FOUND
    assert terminal.delete(0xCF00) == SW.OK
    assert terminal.write(0xCF02, b"x") == SW.OK


def test_with_a_lower_limit_nothing_grows_but_everything_can_go(terminal: Terminal) -> None:
    terminal.write(0xCF00, bytes(100))
    terminal.card.memory_limit = 50
    assert terminal.card.memory_limit == 50
    assert terminal.write(0xCF00, bytes(101)) == SW.NO_SPACE
    assert terminal.write(0xCF00, b"rewritten") == SW.OK
    assert terminal.delete(0xCF00) == SW.OK
    assert terminal.write(0xCF00, bytes(51)) == SW.NO_SPACE
    assert terminal.write(0xCF00, bytes(50)) == SW.OK


def test_no_more_than_507_entries_are_kept(terminal: Terminal) -> None:
    fids = [high << 8 | low for high in (0xC4, 0xC8) for low in range(256)]
    fitting = [fid for fid in fids if terminal.write(fid, b"") == SW.OK]
    assert len(terminal.listed()) == len(fitting) + 2 == MOST_ENTRIES
    assert terminal.write(fids[-1], b"") == SW.NO_SPACE
    assert terminal.delete(fids[0]) == SW.OK
    assert terminal.write(fids[-1], b"") == SW.OK


@pytest.mark.parametrize(
    ("number", "sw"), [(errno.ENOSPC, SW.NO_SPACE), (errno.EDQUOT, SW.NO_SPACE), (errno.EACCES, SW.UNKNOWN)]
)
def test_what_cannot_be_saved_has_not_happened(
    terminal: Terminal, number: int, sw: SW, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(image: Image) -> None:
        raise OSError(number, "no")

    terminal.write(0xCF00, b"old")
    before, keep = terminal.card.image, terminal.disk
    terminal.disk = refuse
    assert terminal.write(0xCF00, b"new") == sw
    assert terminal.delete(0xCF00) == sw
    assert terminal.write(0xCF01, b"") == sw
    assert terminal.card.image is before
    assert terminal.read(0).data == b"old"
    assert "the state of stick DENK0100001 could not be saved" in caplog.text
    terminal.disk = keep
    assert terminal.write(0xCF00, b"new") == SW.OK
    assert terminal.saved[-1] is terminal.card.image


def test_each_change_is_saved_and_is_one_unit_of_work(terminal: Terminal) -> None:
    spent: list[tuple[Work, int]] = []
    terminal = Terminal(spend=lambda work, bits: spent.append((work, bits))).ready()
    spent.clear()
    terminal.write(0xCF00, b"12345678")
    terminal.delete(0xCF00)
    assert [unit for unit in spent if unit[0] is not Work.APDU] == [
        (Work.FILE_WRITE, 64),
        (Work.FILE_WRITE, 0),
    ]
    assert terminal.card.counters.work[Work.FILE_WRITE] == 2


@given(st.lists(st.tuples(st.integers(0, 60), st.binary(max_size=30)), max_size=12))
def test_a_file_is_what_was_written_into_it(writes: list[tuple[int, bytes]]) -> None:
    terminal = Terminal().ready()
    expected = bytearray()
    terminal.write(0xCD00, b"")
    for offset, part in writes:
        sw = terminal.write(0xCD00, part, offset)
        assert sw == (SW.OK if offset <= len(expected) else SW.WRONG_OFFSET)
        if sw == SW.OK:
            expected[offset : offset + len(part)] = part
    assert terminal.read(0xCD00).data == bytes(expected)
