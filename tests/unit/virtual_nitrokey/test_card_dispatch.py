"""Promises about power, the choice of commands, and SELECT."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.virtual_nitrokey.terminal import APPLET, FACTORY, Terminal
from virtual_nitrokey import tlv
from virtual_nitrokey.apdu import Command
from virtual_nitrokey.card import Card, Work
from virtual_nitrokey.commands import COMMANDS
from virtual_nitrokey.status import SW, CardError


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


def test_the_card_is_silent_until_its_applet_is_selected() -> None:
    card = Card(FACTORY)
    for cla, ins in COMMANDS:
        assert card.transmit(Command(cla, ins, 0, 0).encode()) == b"\x6d\x00"
    assert card.transmit(Command(0x0C, 0xA4, 4, 0).encode()) == b"\x6d\x00"


@pytest.mark.parametrize(
    "probe", ["00A40400076276 01FF00000000", "00A4040006A00000000101", "00A404000AE82B0601040181C31F02"]
)
def test_other_applets_are_not_found_and_change_nothing(probe: str) -> None:
    card = Card(FACTORY)
    assert card.transmit(bytes.fromhex(probe)) == b"\x6a\x82"
    assert card.transmit(bytes.fromhex("00200081")) == b"\x6d\x00"


def test_the_applet_tells_options_and_version(terminal: Terminal) -> None:
    expected = "621B 820101 83020000 840B E82B0601040181C31F0201 8505 0001 00 0305"
    assert terminal.raw("00A404000BE82B0601040181C31F020100") == (bytes.fromhex(expected), SW.OK)
    terminal.initialise(options=5)
    proprietary = tlv.find(tlv.parse(tlv.parse(terminal.select_applet().data)[0].value), 0x85)
    assert proprietary == bytes.fromhex("0005000305")


def test_a_selected_file_tells_its_size(terminal: Terminal) -> None:
    certificate = FACTORY.memory.content(0x2F02)
    size = f"{len(certificate):04X}"
    expected = (bytes.fromhex(f"620B 8102{size} 820101 83022F02"), SW.OK)
    assert terminal.raw("00A40000022F0200") == expected
    assert terminal.raw("00A40004022F0200") == expected
    assert terminal.raw("00A40800022F0200") == expected
    assert terminal.raw("00A4000C022F02") == (b"", SW.OK)
    assert terminal.select(0xCC00) == (bytes.fromhex("620B 81020000 820101 8302CC00"), SW.OK)


@pytest.mark.parametrize(
    ("command", "sw"),
    [
        ("00A40800022F0000", SW.NOT_FOUND),
        ("00A40800045015494600", SW.NOT_FOUND),
        ("00A40000023F0000", SW.NOT_FOUND),
        ("00A4000002CE0100", SW.NOT_FOUND),
        ("00A40000012F", SW.WRONG_LENGTH),
        ("00A40800032F0200", SW.WRONG_LENGTH),
        ("00A40000", SW.WRONG_LENGTH),
        ("00A40100022F0200", SW.WRONG_P1P2),
        ("00A40008022F0200", SW.WRONG_P1P2),
        ("00A4040C0BE82B0601040181C31F0202", SW.NOT_FOUND),
    ],
)
def test_a_select_that_fails_leaves_the_current_file(terminal: Terminal, command: str, sw: SW) -> None:
    terminal.select(0x2F02)
    assert terminal.raw(command) == (b"", sw)
    assert terminal.read(0).data == FACTORY.memory.content(0x2F02)


@pytest.mark.parametrize("command", ["80540000", "805A0000", "80780000", "80480000", "80760000"])
@pytest.mark.parametrize("cla", ["80", "00"])
def test_what_the_card_lacks_is_not_supported(terminal: Terminal, command: str, cla: str) -> None:
    assert terminal.raw(cla + command[2:]).sw == SW.WRONG_INS


@pytest.mark.parametrize("ins", [0x22, 0x2A, 0x82, 0x86, 0xB0, 0xD6])
def test_neither_are_other_commands_of_the_standard(terminal: Terminal, ins: int) -> None:
    assert terminal.send(0x00, ins).sw == SW.WRONG_INS


@pytest.mark.parametrize("cla", [0x01, 0x04, 0x0C, 0x10, 0x84, 0xFF])
def test_other_classes_are_refused(terminal: Terminal, cla: int) -> None:
    assert terminal.send(cla, 0xA4, 0x0400, APPLET).sw == SW.WRONG_CLA


@pytest.mark.parametrize("raw", ["", "00", "00A404", "00A4040003AABB", "00A404000000"])
def test_malformed_commands_have_a_wrong_length(terminal: Terminal, raw: str) -> None:
    assert terminal.raw(raw) == (b"", SW.WRONG_LENGTH)


@pytest.mark.parametrize("event", ["power_on", "power_off", "reset"])
def test_power_ends_the_session(terminal: Terminal, event: str) -> None:
    terminal.ready()
    terminal.select(0x2F02)
    getattr(terminal.card, event)()
    assert terminal.pin_state() == SW.WRONG_INS
    terminal.select_applet()
    assert terminal.pin_state() == 0x63C3
    assert terminal.read(0).sw == SW.NOT_ALLOWED


def test_selecting_the_applet_ends_what_was_logged_in(terminal: Terminal) -> None:
    terminal.ready()
    assert terminal.pin_state() == SW.OK
    terminal.select_applet()
    assert terminal.pin_state() == 0x63C3


@pytest.mark.parametrize("le", [1, 32, 256, 1000, 1024])
def test_a_challenge_is_as_long_as_wanted(terminal: Terminal, le: int) -> None:
    answer = terminal.send(0x00, 0x84, le=le)
    assert (len(answer.data), answer.sw) == (le, SW.OK)


def test_challenges_differ(terminal: Terminal) -> None:
    assert terminal.send(0x00, 0x84, le=32).data != terminal.send(0x00, 0x84, le=32).data


def test_a_challenge_needs_a_length_of_at_most_1024(terminal: Terminal) -> None:
    assert terminal.send(0x00, 0x84).sw == SW.WRONG_LENGTH
    assert terminal.send(0x00, 0x84, le=1025).sw == SW.WRONG_LENGTH
    assert terminal.send(0x00, 0x84, 0x0001, le=8).sw == SW.WRONG_P1P2


def test_a_fault_of_the_program_is_answered_and_logged_without_its_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    terminal = Terminal().ready()

    def fail(_image: object) -> None:
        raise RuntimeError("the PIN is 648219")

    terminal.disk = fail
    with caplog.at_level(logging.DEBUG):
        assert terminal.write(0xCF00, b"x") == SW.UNKNOWN
    assert caplog.messages == ["a command failed with RuntimeError"]
    assert "648219" not in caplog.text


def test_each_command_is_one_unit_of_work_before_it_is_looked_at() -> None:
    spent: list[tuple[Work, int]] = []
    terminal = Terminal(spend=lambda work, bits: spent.append((work, bits)))
    spent.clear()
    terminal.raw("FF")
    terminal.raw("00200081")
    assert spent == [(Work.APDU, 8), (Work.APDU, 32)]
    assert terminal.card.counters.work[Work.APDU] == 3


def test_work_that_is_abandoned_is_answered_and_not_counted() -> None:
    def abandon(work: Work, bits: int) -> None:
        if work is Work.FILE_WRITE:
            raise CardError(SW.CONDITIONS)

    terminal = Terminal(spend=abandon).ready()
    before = terminal.card.image
    assert terminal.write(0xCF00, b"x") == SW.CONDITIONS
    assert terminal.card.image is before
    assert terminal.card.counters.work[Work.FILE_WRITE] == 0


def test_a_card_that_loses_its_power_while_it_works_stops_there_with_nothing_changed() -> None:
    class Removed(BaseException):
        pass

    def lose_power(work: Work, bits: int) -> None:
        if work is Work.FILE_WRITE:
            raise Removed

    terminal = Terminal(spend=lose_power).ready()
    before = terminal.card.image
    with pytest.raises(Removed):
        terminal.write(0xCF00, b"x")
    assert terminal.card.image is before


@given(st.binary(max_size=600))
def test_any_bytes_have_an_answer(raw: bytes) -> None:
    fresh, selected = Card(FACTORY), Terminal()
    assert len(fresh.transmit(raw)) >= 2
    assert selected.raw(raw).sw != SW.UNKNOWN
