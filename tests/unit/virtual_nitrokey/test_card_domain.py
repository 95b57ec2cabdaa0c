"""Promises about the key domain: shares, and keys that leave and come back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.virtual_nitrokey.terminal import Terminal
from virtual_nitrokey.curves import Curve
from virtual_nitrokey.keys import EcKey, RsaKey
from virtual_nitrokey.status import SW

SHARE = bytes(range(32))
KEY = EcKey.generate(Curve.by_name("brainpoolP256r1"))


def domain(terminal: Terminal, share: bytes = b"") -> tuple[bytes, int]:
    return terminal.send(0x80, 0x52, 0, share, 256)


def wrap(terminal: Terminal, number: int = 1) -> tuple[bytes, int]:
    return terminal.send(0x80, 0x72, number << 8 | 0x92, b"", 65536)


def unwrap(terminal: Terminal, blob: bytes = b"", number: int = 7) -> int:
    return terminal.send(0x80, 0x74, number << 8 | 0x93, blob).sw


def stick(*shares: bytes, total: int = 1, key: EcKey | RsaKey = KEY) -> Terminal:
    prepared = Terminal()
    prepared.initialise(shares=total)
    image = prepared.card.image
    terminal = Terminal(replace(image, memory=image.memory.with_key(1, key)))
    terminal.verify()
    for share in shares:
        assert domain(terminal, share)[1] == SW.OK
    return terminal


def test_without_a_domain_its_commands_do_not_exist() -> None:
    terminal = Terminal().ready()
    assert domain(terminal) == (b"", SW.WRONG_INS)
    assert domain(terminal, SHARE) == (b"", SW.WRONG_INS)
    assert wrap(terminal)[1] == SW.WRONG_INS
    assert unwrap(terminal, b"blob") == SW.WRONG_INS


def test_shares_come_in_one_by_one_without_a_pin_and_the_last_sets_the_check_value() -> None:
    terminal = stick(total=2)
    terminal.select_applet()
    assert domain(terminal) == (bytes((2, 2)) + bytes(8), SW.OK)
    assert domain(terminal, SHARE) == (bytes((2, 1)) + bytes(8), SW.OK)
    answer, sw = domain(terminal, SHARE[::-1])
    assert (answer[:2], sw) == (bytes((2, 0)), SW.OK)
    assert answer[2:] != bytes(8)
    assert domain(terminal) == (answer, SW.OK)
    assert terminal.saved[-1] is terminal.card.image
    assert domain(terminal, SHARE) == (b"", SW.NOT_ALLOWED)


def test_without_shares_the_stick_draws_its_own_domain() -> None:
    first, second = (domain(stick(total=0))[0] for _ in range(2))
    assert first[:2] == second[:2] == b"\0\0"
    assert first[2:] != second[2:]


@pytest.mark.parametrize("share", [bytes(31), bytes(33), b"\0"])
def test_a_share_has_32_bytes(share: bytes) -> None:
    terminal = stick()
    assert domain(terminal, share) == (b"", SW.WRONG_DATA)
    assert terminal.raw("8052000100").sw == SW.WRONG_P1P2


def test_a_key_goes_to_another_stick_of_the_domain_in_the_command() -> None:
    blob, sw = wrap(stick(SHARE))
    assert sw == SW.OK
    other = stick(SHARE)
    assert unwrap(other, blob) == SW.OK
    assert other.card.image.memory.keys[7] == KEY


def test_a_key_goes_to_another_stick_of_the_domain_by_the_buffer() -> None:
    longer = RsaKey.generate(1024, 65537)
    other = stick(SHARE)
    for number, terminal in enumerate((stick(SHARE, key=longer), stick(SHARE)), start=7):
        blob, _ = wrap(terminal)
        for at in range(0, len(blob), 100):
            assert other.write(0x2F10, blob[at : at + 100], at) == SW.OK
        assert unwrap(other, number=number) == SW.OK
        assert other.select(0x2F10).sw == SW.NOT_FOUND
    assert other.card.image.memory.keys[7] == longer
    assert other.card.image.memory.keys[8] == KEY


def test_a_blob_that_does_not_open_changes_nothing() -> None:
    blob, _ = wrap(stick(SHARE))
    other = stick(SHARE[::-1])
    other.write(0x2F10, blob)
    before = other.card.image
    assert unwrap(other, blob) == SW.WRONG_DATA
    assert unwrap(other) == SW.WRONG_DATA
    assert other.card.image is before


def test_a_wrapped_key_that_does_not_fit_is_not_kept() -> None:
    terminal = stick(SHARE)
    blob, _ = wrap(terminal)
    terminal.card.memory_limit = 10
    assert unwrap(terminal, blob) == SW.NO_SPACE
    assert terminal.listed() == [0xCC00, 0xCC01, 0x2F02]


def test_wrapping_needs_pin_shares_key_and_the_right_parameters() -> None:
    terminal = stick()
    assert wrap(terminal)[1] == SW.CONDITIONS == unwrap(terminal, bytes(100))
    domain(terminal, SHARE)
    assert wrap(terminal, 9)[1] == SW.NOT_FOUND
    assert wrap(terminal, 0)[1] == SW.UNSUPPORTED_FOR_KEY == unwrap(terminal, bytes(100), 0)
    assert terminal.raw("8072019300") == (b"", SW.WRONG_P1P2)
    assert terminal.raw("8074019200") == (b"", SW.WRONG_P1P2)
    assert unwrap(terminal) == SW.NOT_FOUND
    terminal.select_applet()
    assert wrap(terminal)[1] == SW.NOT_LOGGED_IN == unwrap(terminal, bytes(100))
