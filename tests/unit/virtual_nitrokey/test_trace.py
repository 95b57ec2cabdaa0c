"""The trace: readable, bounded, and without secrets."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtual_nitrokey import tlv
from virtual_nitrokey.apdu import Command
from virtual_nitrokey.commands import COMMANDS
from virtual_nitrokey.instructions import Instruction
from virtual_nitrokey.trace import Journal, describe_answer, describe_command

SHORT = st.binary(max_size=255)
ANSWERS = st.builds(bytes.__add__, st.binary(max_size=300), st.binary(min_size=2, max_size=2))


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("00A404000BE82B0601040181C31F020100", "SELECT 0400 applet [11]"),
        ("00A4040006A00000000101", "SELECT 0400 another applet [6]"),
        ("00A4000002CF0000", "SELECT 0000 file CF00 [2]"),
        ("00A40800045015494600", "SELECT 0800 no file [4]"),
        ("00A40900022F0000", "SELECT 0900 [2]"),
        ("00B1000004540200FE00", "READ 0000 current file at 254 [4]"),
        ("00B1CD0104540200FE00", "READ CD01 file CD01 at 254 [4]"),
        ("00B10000055402", "malformed command, 7 bytes"),
        ("00B1000004FFFFFFFF00", "READ 0000 current file [4]"),
        ("00B100000353010000", "READ 0000 current file [3]"),
        ("00D7C901065402000053000000"[:22], "UPDATE C901 file C901 at 0 [6]"),
        ("00E4020002CD00", "DELETE 0200 file CD00 [2]"),
        ("0020008106363438323139", "VERIFY 0081 user PIN [6]"),
        ("00200088", "VERIFY 0088 state of SO-PIN"),
        ("00200085", "VERIFY 0085 state of another PIN"),
        ("002400810C" + "36" * 12, "CHANGE-PIN 0081 user PIN [12]"),
        ("002C018108" + "36" * 8, "UNBLOCK-PIN 0181 user PIN [8]"),
        ("80500000" + "04" + "36" * 4, "INITIALISE 0000 [4]"),
        ("0046010000000136" + "0000", "GENERATE 0100 key 1 [1]"),
        ("80620221" + "0136", "DECIPHER 0221 key 2, RSA raw [1]"),
        ("80620222" + "0136", "DECIPHER 0222 key 2, RSA PKCS#1 [1]"),
        ("80620280" + "0136", "DECIPHER 0280 key 2, ECDH [1]"),
        ("80680C73" + "0136", "SIGN 0C73 key 12, ECDSA [1]"),
        ("80680C99" + "0136", "SIGN 0C99 key 12, unknown algorithm [1]"),
        ("8052000000", "KEY-DOMAIN 0000 state"),
        ("8052000001FF00", "KEY-DOMAIN 0000 share [1]"),
        ("80720192000000", "WRAP 0192 key 1"),
        ("80580000000000", "ENUMERATE 0000"),
        ("8099010203", "80 99 0102"),
        ("00", "malformed command, 1 bytes"),
    ],
)
def test_a_command_is_described(command: str, text: str) -> None:
    assert describe_command(bytes.fromhex(command)) == text


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("9000", "9000 ok"),
        ("AABB9000", "[2] 9000 ok"),
        ("63C2", "63C2 2 tries left"),
        ("6A84", "6A84 no space"),
        ("1234", "1234 ?"),
    ],
)
def test_an_answer_is_described(answer: str, text: str) -> None:
    assert describe_answer(bytes.fromhex(answer)) == text


def nowhere_in(text: str, secret: bytes) -> bool:
    forms = (secret.hex(), secret.decode("latin-1"), repr(secret))
    return not any(form.lower() in text.lower() for form in forms)


@given(
    st.sampled_from(sorted(COMMANDS)), st.integers(0, 0xFFFF), st.from_regex(rb"[0-9]{6,16}", fullmatch=True)
)
def test_no_digit_of_a_pin_is_shown_whatever_command_carries_it(
    kind: tuple[int, int], p1p2: int, pin: bytes
) -> None:
    raw = Command(*kind, p1p2 >> 8, p1p2 & 0xFF, pin).encode()
    assert nowhere_in(describe_command(raw), pin)
    assert nowhere_in(describe_command(raw[:-1]), pin[:-1])  # malformed


NAMES_A_FILE = (Instruction.SELECT, Instruction.READ, Instruction.UPDATE, Instruction.DELETE)


@given(
    st.sampled_from([kind for kind in sorted(COMMANDS) if kind[1] not in NAMES_A_FILE]),
    st.integers(0, 0xFFFF),
    st.binary(min_size=1, max_size=200),
)
def test_of_data_that_name_no_file_only_the_length_is_shown(
    kind: tuple[int, int], p1p2: int, data: bytes
) -> None:
    commands = [Command(*kind, p1p2 >> 8, p1p2 & 0xFF, value) for value in (data, bytes(len(data)))]
    one, other = (describe_command(command.encode()) for command in commands)
    assert one == other


@given(st.integers(0, 0xFFFF), st.binary(max_size=100), st.binary(max_size=100))
def test_of_what_is_written_only_the_place_is_shown(fid: int, one: bytes, other: bytes) -> None:
    descriptions = {
        re.sub(r" \[\d+\]$", "", describe_command(Command(0x00, 0xD7, fid >> 8, fid & 0xFF, data).encode()))
        for data in (tlv.join((0x54, b"\1\0"), (0x53, part)) for part in (one, other))
    }
    assert len(descriptions) == 1


@given(st.binary(max_size=300), ANSWERS)
def test_anything_can_be_described(raw: bytes, answer: bytes) -> None:
    for text in (describe_command(raw), describe_answer(answer)):
        assert text.isascii()
        assert text.isprintable()


@given(ANSWERS.filter(lambda answer: len(answer) > 5))
def test_of_an_answer_only_length_and_status_are_shown(answer: bytes) -> None:
    assert describe_answer(answer) == describe_answer(bytes(len(answer) - 2) + answer[-2:])


def test_every_instruction_is_called_by_its_name() -> None:
    for instruction in Instruction:
        assert describe_command(bytes((0x80, instruction, 0, 0))).split()[0] == instruction.word.upper()


def test_a_journal_keeps_the_last_lines() -> None:
    journal = Journal(capacity=3)
    for number in range(5):
        journal.write("DENK0100001", f"event {number}")
    lines = journal.after(0)
    assert [line.number for line in lines] == [3, 4, 5]
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} DENK0100001 event 2", lines[0].text)
    assert journal.after(4) == lines[2:]
    assert journal.after(5) == []


def test_who_waits_for_a_line_gets_it_when_it_comes() -> None:
    journal = Journal()
    found: list[str] = []
    waiting = threading.Thread(target=lambda: found.extend(line.text for line in journal.after(0, 60)))
    waiting.start()
    journal.write("DENK0100001", "now")
    waiting.join(60)
    assert found[0].endswith(" now")


def test_a_file_gets_every_line_and_is_its_owners_only(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    journal = Journal(capacity=1, path=path)
    for text in ("one", "two"):
        journal.write("DENK0100001", text)
    journal.close()
    journal.close()
    journal.write("DENK0100001", "three")
    assert [line.split()[-1] for line in path.read_text().splitlines()] == ["one", "two"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert journal.after(0)[0].text.endswith("three")


def test_a_full_disk_stops_nothing() -> None:
    journal = Journal(path=Path("/dev/full"))
    journal.write("DENK0100001", "one")
    assert journal.after(0)[0].text.endswith("one")
    journal.close()
