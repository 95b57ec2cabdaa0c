"""Promises about VERIFY, CHANGE REFERENCE DATA and RESET RETRY COUNTER."""

from __future__ import annotations

import pytest

from tests.unit.virtual_nitrokey.terminal import PIN, SO_PIN, Terminal
from virtual_nitrokey.image import Image
from virtual_nitrokey.pins import Reference
from virtual_nitrokey.status import SW

WRONG = b"000000"
SO_WRONG = b"00000000"


@pytest.fixture
def terminal() -> Terminal:
    terminal = Terminal()
    terminal.initialise()
    return terminal


def test_a_stick_without_pins_has_no_reference_data() -> None:
    terminal = Terminal()
    for reference in (0x81, 0x88):
        assert terminal.pin_state(reference) == SW.NO_REFERENCE
    assert terminal.verify() == SW.NO_REFERENCE
    assert terminal.change_pin(PIN, PIN) == SW.NO_REFERENCE
    assert terminal.unblock() == SW.NO_REFERENCE


@pytest.mark.parametrize("reference", [0x85, 0x86, 0x00, 0x01, 0x82])
def test_there_are_no_biometric_or_other_references(terminal: Terminal, reference: int) -> None:
    assert terminal.pin_state(reference) == SW.NO_REFERENCE
    assert terminal.verify(PIN, reference) == SW.NO_REFERENCE


@pytest.mark.parametrize("ins", [0x20, 0x24])
def test_p1_is_zero(terminal: Terminal, ins: int) -> None:
    assert terminal.send(0x00, ins, 0x0181, PIN).sw == SW.WRONG_P1P2


def test_the_state_of_a_pin_follows_what_happens(terminal: Terminal) -> None:
    assert (terminal.pin_state(), terminal.pin_state(0x88)) == (0x63C3, 0x63CF)
    assert terminal.verify(WRONG) == 0x63C2 == terminal.pin_state()
    assert terminal.verify() == SW.OK == terminal.pin_state()
    assert terminal.verify(WRONG) == 0x63C2 == terminal.pin_state()
    assert terminal.verify(WRONG) == 0x63C1 == terminal.pin_state()
    assert terminal.verify(WRONG) == SW.BLOCKED == terminal.pin_state()
    assert terminal.verify() == SW.BLOCKED == terminal.pin_state()


def test_a_right_pin_brings_all_tries_back(terminal: Terminal) -> None:
    terminal.verify(WRONG)
    terminal.verify()
    terminal.select_applet()
    assert terminal.pin_state() == 0x63C3


def test_a_wrong_pin_logs_out(terminal: Terminal) -> None:
    terminal.verify()
    terminal.verify(WRONG)
    assert terminal.write(0xCF00, b"x") == SW.NOT_LOGGED_IN


@pytest.mark.parametrize("length", [1, 5, 17, 100])
def test_an_impossible_length_costs_no_try(terminal: Terminal, length: int) -> None:
    assert terminal.verify(bytes(length)) == SW.WRONG_DATA
    assert terminal.verify(bytes(length), 0x88) == SW.WRONG_DATA
    assert (terminal.pin_state(), terminal.pin_state(0x88)) == (0x63C3, 0x63CF)


def test_the_so_pin_is_verified_and_counted_as_well(terminal: Terminal) -> None:
    assert terminal.verify(SO_WRONG, 0x88) == 0x63CE == terminal.pin_state(0x88)
    assert terminal.verify(SO_PIN, 0x88) == SW.OK == terminal.pin_state(0x88)
    assert terminal.write(0xCF00, b"x") == SW.NOT_LOGGED_IN
    terminal.select_applet()
    assert terminal.pin_state(0x88) == 0x63CF


def test_fifteen_wrong_so_pins_are_the_end(terminal: Terminal) -> None:
    answers = [terminal.verify(SO_WRONG, 0x88) for _ in range(16)]
    assert answers == [0x63C0 | left for left in range(14, 0, -1)] + [SW.BLOCKED, SW.BLOCKED]
    assert terminal.unblock() == SW.BLOCKED
    assert terminal.initialise() == SW.BLOCKED


def test_a_try_is_saved_before_it_is_compared(terminal: Terminal) -> None:
    terminal.saved.clear()
    terminal.verify()
    assert [image.pins[Reference.USER].tries for image in terminal.saved] == [2, 3]
    terminal.saved.clear()
    terminal.verify(WRONG)
    assert [image.pins[Reference.USER].tries for image in terminal.saved] == [2]


def test_a_try_that_cannot_be_saved_is_not_compared(terminal: Terminal) -> None:
    def refuse(image: Image) -> None:
        raise OSError

    terminal.disk = refuse
    assert terminal.verify() == SW.UNKNOWN == terminal.verify(WRONG)
    assert terminal.pin_state() == 0x63C3
    assert terminal.card.counters[1:] == (0, 0)


def test_a_right_pin_that_cannot_be_saved_does_not_log_in(terminal: Terminal) -> None:
    def refuse_the_second(image: Image) -> None:
        if image.pins[Reference.USER].tries == 3:
            raise OSError

    terminal.disk = refuse_the_second
    assert terminal.verify() == SW.UNKNOWN
    assert terminal.pin_state() == 0x63C2


def test_pins_that_are_compared_are_counted(terminal: Terminal) -> None:
    terminal.verify()
    terminal.verify(WRONG)
    terminal.verify(b"short")
    terminal.change_pin(PIN, b"123456")
    terminal.unblock(SO_WRONG)
    counters = terminal.card.counters
    assert (counters.pins_right, counters.pins_wrong) == (2, 2)


def test_a_changed_pin_is_the_pin(terminal: Terminal) -> None:
    assert terminal.change_pin(PIN, b"banzai-banzai") == SW.OK == terminal.pin_state()
    assert terminal.verify() == 0x63C2
    assert terminal.verify(b"banzai-banzai") == SW.OK


def test_changing_with_a_wrong_pin_costs_a_try(terminal: Terminal) -> None:
    assert terminal.change_pin(WRONG, b"123456") == 0x63C2
    assert terminal.change_pin(WRONG, b"123456") == 0x63C1
    assert terminal.change_pin(WRONG, b"123456") == SW.BLOCKED == terminal.change_pin(PIN, b"123456")


@pytest.mark.parametrize("new", [b"", b"12345", b"12345678901234567"])
def test_a_new_pin_of_an_impossible_length_costs_no_try(terminal: Terminal, new: bytes) -> None:
    assert terminal.change_pin(PIN, new) == SW.WRONG_DATA
    assert terminal.pin_state() == 0x63C3


@pytest.mark.parametrize(("tries", "shortest"), [(3, 6), (4, 7), (5, 7), (6, 8), (10, 8)])
def test_a_new_pin_is_not_too_short_for_its_tries(tries: int, shortest: int) -> None:
    terminal = Terminal()
    terminal.initialise(b"12345678", tries=tries)
    for length in range(6, shortest):
        assert terminal.change_pin(b"12345678", bytes(length)) == SW.WRONG_DATA
        assert terminal.unblock(new=bytes(length)) == SW.WRONG_DATA
    assert terminal.unblock(new=bytes(shortest)) == SW.OK


def test_the_so_pin_can_be_changed(terminal: Terminal) -> None:
    assert terminal.change_pin(SO_PIN, b"new-code", 0x88) == SW.OK
    assert terminal.change_pin(SO_PIN, b"new-code", 0x88) == 0x63CE
    assert terminal.change_pin(b"new-code", b"short", 0x88) == SW.WRONG_DATA
    assert terminal.unblock(b"new-code") == SW.OK


def block(terminal: Terminal) -> None:
    for _ in range(3):
        terminal.verify(WRONG)
    assert terminal.pin_state() == SW.BLOCKED


def test_the_so_pin_gives_a_new_pin_to_a_blocked_stick_and_keeps_its_files(terminal: Terminal) -> None:
    terminal.verify()
    terminal.write(0xCF00, b"kept")
    block(terminal)
    assert terminal.unblock(new=b"123456") == SW.OK
    assert terminal.pin_state() == 0x63C3
    assert terminal.verify(b"123456") == SW.OK
    assert terminal.read(0xCF00).data == b"kept"


def test_the_so_pin_gives_the_old_pin_its_tries_back(terminal: Terminal) -> None:
    block(terminal)
    assert terminal.unblock() == SW.OK
    assert terminal.verify() == SW.OK


def test_a_pin_that_the_so_replaced_logs_its_user_out(terminal: Terminal) -> None:
    terminal.verify()
    terminal.unblock(new=b"123456")
    assert terminal.pin_state() == 0x63C3


def test_a_wrong_so_pin_unblocks_nothing_and_counts(terminal: Terminal) -> None:
    block(terminal)
    assert terminal.unblock(SO_WRONG, b"123456") == 0x63CE
    assert terminal.unblock(SO_WRONG) == 0x63CD
    assert terminal.pin_state() == SW.BLOCKED


@pytest.mark.parametrize(
    ("p1p2", "data", "sw"),
    [
        (0x0081, SO_PIN, SW.WRONG_DATA),
        (0x0081, SO_PIN + b"12345", SW.WRONG_DATA),
        (0x0181, SO_PIN + b"123456", SW.WRONG_DATA),
        (0x0181, b"short", SW.WRONG_DATA),
        (0x0181, b"", SW.WRONG_DATA),
        (0x0281, SO_PIN, SW.WRONG_P1P2),
        (0x0188, SO_PIN, SW.WRONG_P1P2),
    ],
)
def test_a_malformed_reset_costs_no_try(terminal: Terminal, p1p2: int, data: bytes, sw: SW) -> None:
    assert terminal.send(0x00, 0x2C, p1p2, data).sw == sw
    assert terminal.pin_state(0x88) == 0x63CF


def test_without_its_option_the_so_resets_nothing() -> None:
    terminal = Terminal()
    terminal.initialise(options=0)
    assert terminal.unblock() == SW.CONDITIONS == terminal.unblock(new=b"123456")
    assert terminal.pin_state(0x88) == 0x63CF


def test_a_transport_pin_opens_nothing_until_it_is_changed() -> None:
    terminal = Terminal()
    terminal.initialise(options=2)
    assert terminal.pin_state() == SW.UNUSABLE == terminal.verify()
    assert terminal.change_pin(WRONG, b"123456") == 0x63C2
    assert terminal.pin_state() == SW.UNUSABLE
    assert terminal.change_pin(PIN, b"123456") == SW.OK
    terminal.select_applet()
    assert terminal.pin_state() == 0x63C3
    assert terminal.verify(b"123456") == SW.OK
