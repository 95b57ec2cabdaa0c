"""Promises about INITIALIZE DEVICE."""

from __future__ import annotations

import pytest

from tests.unit.virtual_nitrokey.terminal import FACTORY, PIN, SO_PIN, Terminal
from virtual_nitrokey import tlv
from virtual_nitrokey.card import Work
from virtual_nitrokey.image import Option
from virtual_nitrokey.pins import Reference
from virtual_nitrokey.status import SW

OPENSC = {0x80: b"\x00\x01", 0x81: PIN, 0x82: SO_PIN, 0x91: b"\x03"}


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


def test_a_new_stick_takes_its_pins_and_options(terminal: Terminal) -> None:
    data = "800200018106 363438323139 8208 3537363231383830 910103"
    assert terminal.raw("8050000019" + data) == (b"", SW.OK)
    image = terminal.card.image
    assert image.pins[Reference.USER].value == PIN
    assert (image.pins[Reference.SO].value, image.pins[Reference.SO].tries) == (SO_PIN, 15)
    assert image.options == Option.SO_RESETS_USER
    assert image.key_domain is None
    assert terminal.saved == [image]
    assert terminal.card.counters.work[Work.INITIALISE] == 1


def test_everything_of_the_users_is_erased_and_he_is_not_logged_in(terminal: Terminal) -> None:
    terminal.ready(shares=1)
    terminal.write(0xCD00, b"secret")
    terminal.write(0x2F03, b"label")
    assert terminal.initialise(b"123456", tries=2) == SW.OK
    assert terminal.card.image.memory == FACTORY.memory
    assert terminal.card.image.serial == FACTORY.serial
    assert terminal.card.image.key_domain is None
    assert terminal.pin_state() == 0x63C2
    assert terminal.read(0).sw == SW.NOT_ALLOWED
    assert terminal.verify(b"123456") == SW.OK


def test_the_so_pin_stays_and_must_be_right(terminal: Terminal) -> None:
    terminal.ready()
    terminal.write(0xCD00, b"secret")
    assert terminal.initialise(so_pin=b"00000000") == 0x63CE
    assert terminal.read(0xCD00).data == b"secret"
    assert terminal.pin_state(0x88) == 0x63CE
    assert terminal.initialise() == SW.OK
    assert terminal.pin_state(0x88) == 0x63CF


def test_after_fifteen_wrong_so_pins_it_is_refused_for_ever(terminal: Terminal) -> None:
    terminal.initialise()
    assert [terminal.initialise(so_pin=b"00000000") for _ in range(15)][-2:] == [0x63C1, SW.BLOCKED]
    assert terminal.initialise() == SW.BLOCKED
    assert terminal.pin_state(0x88) == SW.BLOCKED


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({0x80: None}, id="no options"),
        pytest.param({0x81: None}, id="no user PIN"),
        pytest.param({0x82: None}, id="no SO-PIN"),
        pytest.param({0x91: None}, id="no number of tries"),
        pytest.param({0x80: b"\x01"}, id="short options"),
        pytest.param({0x80: b"\x00\x08"}, id="unknown option"),
        pytest.param({0x80: b"\x01\x00"}, id="unknown option in the first byte"),
        pytest.param({0x81: b"12345"}, id="short user PIN"),
        pytest.param({0x81: b"12345678901234567"}, id="long user PIN"),
        pytest.param({0x82: b"1234567"}, id="short SO-PIN"),
        pytest.param({0x82: b"123456789"}, id="long SO-PIN"),
        pytest.param({0x91: b"\x00"}, id="no tries"),
        pytest.param({0x91: b"\x04"}, id="too many tries for a PIN of six"),
        pytest.param({0x81: b"1234567", 0x91: b"\x06"}, id="too many tries for a PIN of seven"),
        pytest.param({0x81: b"12345678", 0x91: b"\x0b"}, id="eleven tries"),
        pytest.param({0x91: b"\x03\x03"}, id="long number of tries"),
        pytest.param({0x92: b""}, id="empty number of shares"),
        pytest.param({0x92: b"\x01\x01"}, id="long number of shares"),
        pytest.param({0x93: b"\x01\x01"}, id="public-key authentication"),
        pytest.param({0x95: b"\x01"}, id="biometric server"),
        pytest.param({0x97: b"\x02"}, id="several key domains"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_costs_no_try(
    terminal: Terminal, change: dict[int, bytes | None]
) -> None:
    terminal.initialise()
    before = terminal.card.image
    data = tlv.join(*((tag, value) for tag, value in (OPENSC | change).items() if value is not None))
    assert terminal.send(0x80, 0x50, 0, data) == (b"", SW.WRONG_DATA)
    assert terminal.card.image is before


def test_a_value_given_twice_or_cut_short_is_refused(terminal: Terminal) -> None:
    data = tlv.join(*OPENSC.items())
    assert terminal.send(0x80, 0x50, 0, data + tlv.encode(0x91, b"\x02")).sw == SW.WRONG_DATA
    assert terminal.send(0x80, 0x50, 0, data[:-1]).sw == SW.WRONG_DATA
    assert terminal.send(0x80, 0x50, 0).sw == SW.WRONG_DATA
    assert terminal.send(0x80, 0x50, 1, data).sw == SW.WRONG_P1P2


def test_the_values_come_in_any_order(terminal: Terminal) -> None:
    assert terminal.send(0x80, 0x50, 0, tlv.join(*reversed(OPENSC.items()))).sw == SW.OK


@pytest.mark.parametrize(
    ("pin", "tries"), [(b"123456", 1), (b"1234567", 5), (b"12345678", 10), (bytes(16), 10)]
)
def test_the_longer_the_pin_the_more_tries_it_may_have(terminal: Terminal, pin: bytes, tries: int) -> None:
    assert terminal.initialise(pin, tries=tries) == SW.OK
    assert terminal.pin_state() == 0x63C0 | tries


def test_an_initialisation_that_cannot_be_saved_erases_nothing(terminal: Terminal) -> None:
    terminal.ready()
    terminal.write(0xCD00, b"secret")

    def refuse(image: object) -> None:
        raise OSError

    terminal.disk = refuse
    assert terminal.initialise() == SW.UNKNOWN
    assert terminal.read(0xCD00).data == b"secret"
