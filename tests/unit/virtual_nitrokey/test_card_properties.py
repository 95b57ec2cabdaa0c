"""What holds for every sequence of commands, sensible or not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.virtual_nitrokey.terminal import APPLET, PIN, SO_PIN, Terminal
from virtual_nitrokey import tlv
from virtual_nitrokey.apdu import Command
from virtual_nitrokey.commands import COMMANDS
from virtual_nitrokey.curves import Curve
from virtual_nitrokey.dkek import KeyDomain
from virtual_nitrokey.image import Image
from virtual_nitrokey.keys import EcKey, RsaKey
from virtual_nitrokey.memory import Memory
from virtual_nitrokey.pins import Pin, Reference
from virtual_nitrokey.status import SW

EC = EcKey(Curve.by_name("secp256r1"), 0xC0FFEE)
SHARE = b"\x07" * 32
BLOB = KeyDomain(1, (SHARE,)).wrap(EC)
EVERYBODY, USER_ONLY = 0xCF00, 0xCD00

INITIALISED = Terminal()
INITIALISED.ready(shares=1)
INITIALISED.write(EVERYBODY, b"public")
INITIALISED.write(USER_ONLY, b"private")
START = replace(
    INITIALISED.card.image,
    memory=INITIALISED.card.image.memory.with_key(1, RsaKey.generate(1024, 65537)).with_key(2, EC),
)

FIDS = st.sampled_from([0, 0x2F02, 0x2F03, 0x2F10, 0xCC00, 0xCC01, 0xCD00, 0xCF00, 0xCF01, 0x3F00])
PARAMETERS = FIDS | st.sampled_from(
    [0x0081, 0x0088, 0x0181, 0x0200, 0x0400, 0x0800, 0x0121, 0x0280, 0x0273, 0x0140, 0x0192, 0x0793]
)
OFFSET = st.integers(0, 20).map(lambda offset: tlv.encode(0x54, offset.to_bytes(2, "big")))
INITIALISATION = tlv.join((0x80, b"\0\1"), (0x81, PIN), (0x82, SO_PIN), (0x91, b"\3"), (0x92, b"\1"))
VALUES = [b"000000", b"00000000", PIN, PIN + PIN, SO_PIN, SO_PIN + PIN]
BLOCKS = [APPLET, SHARE, BLOB, EC.public_point, INITIALISATION, bytes(128)]
DATA = (
    st.binary(max_size=40)
    | FIDS.map(lambda fid: fid.to_bytes(2, "big"))
    | OFFSET
    | st.builds(lambda offset, part: offset + tlv.encode(0x53, part), OFFSET, st.binary(max_size=40))
    | st.sampled_from(VALUES)
    | st.sampled_from(BLOCKS)
)
ANY = st.binary(max_size=60)
KNOWN = st.builds(
    lambda kind, p1p2, data, le: Command(kind[0], kind[1], p1p2 >> 8, p1p2 & 0xFF, data, le).encode(),
    st.sampled_from(list(COMMANDS)),
    PARAMETERS | st.integers(0, 0xFFFF),
    DATA,
    st.none() | st.integers(1, 256),
)
SENSIBLE = st.sampled_from(
    [
        Command(0x00, 0xA4, 0x04, 0x00, APPLET, 256),
        Command(0x00, 0x20, 0x00, 0x81, PIN),
        Command(0x00, 0x20, 0x00, 0x81, b"000000"),
        Command(0x00, 0xA4, 0x00, 0x00, b"\xcd\x00", 256),
        Command(0x00, 0xB1, 0x00, 0x00, bytes.fromhex("54020000"), 256),
        Command(0x00, 0xD7, 0xCD, 0x00, bytes.fromhex("5402000053026162")),
        Command(0x00, 0xE4, 0x02, 0x00, b"\xcd\x00"),
        Command(0x00, 0x24, 0x00, 0x81, PIN + PIN),
        Command(0x00, 0x2C, 0x01, 0x81, SO_PIN),
        Command(0x80, 0x52, 0x00, 0x00, SHARE, 256),
        Command(0x80, 0x58, 0x00, 0x00, b"", 256),
        Command(0x80, 0x62, 0x02, 0x80, EC.public_point, 256),
        Command(0x80, 0x72, 0x02, 0x92, b"", 256),
        Command(0x80, 0x74, 0x07, 0x93, BLOB),
        Command(0x80, 0x50, 0x00, 0x00, INITIALISATION),
    ]
).map(Command.encode)


def without_tries(image: Image) -> tuple[Memory, dict[Reference, Pin], object, object]:
    pins = {reference: pin.refilled() for reference, pin in image.pins.items()}
    return image.memory, pins, image.options, image.key_domain


@settings(max_examples=300)
@given(st.lists(SENSIBLE | KNOWN | ANY, max_size=25))
def test_a_command_that_fails_changes_nothing_but_tries(commands: list[bytes]) -> None:
    terminal = Terminal(START)
    for command in commands:
        before, current = terminal.card.image, terminal.card._context.session.current
        answer = terminal.raw(command)
        assert answer.sw != SW.UNKNOWN
        after = terminal.card.image
        assert after is (terminal.saved[-1] if terminal.saved else START)
        if answer.sw != SW.OK:
            assert answer.data == b""
            assert without_tries(after) == without_tries(before)
            assert terminal.card._context.session.current == current


@given(st.lists(SENSIBLE | KNOWN, max_size=25), st.sampled_from(["power_off", "power_on", "reset"]))
def test_without_power_everything_private_is_closed(commands: list[bytes], event: str) -> None:
    terminal = Terminal(START)
    for command in commands:
        terminal.raw(command)
    getattr(terminal.card, event)()
    assert terminal.read(USER_ONLY).sw == SW.WRONG_INS
    terminal.select_applet()
    assert terminal.read(0).sw == SW.NOT_ALLOWED
    assert terminal.read(USER_ONLY).sw == SW.NOT_LOGGED_IN
    assert terminal.write(EVERYBODY, b"x") == SW.NOT_LOGGED_IN
    for key_use in (0x62, 0x68):
        assert terminal.send(0x80, key_use, 0x0280, EC.public_point, 256).sw == SW.NOT_LOGGED_IN


@given(st.lists(SENSIBLE | KNOWN, max_size=25))
def test_a_stick_in_any_state_is_saved_and_loaded_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, commands: list[bytes]
) -> None:
    terminal = Terminal(START)
    for command in commands:
        terminal.raw(command)
    path = tmp_path_factory.getbasetemp() / "any-state.json"
    terminal.card.image.save(path)
    assert Image.load(path) == terminal.card.image


@settings(max_examples=20)
@given(st.lists(KNOWN, min_size=100, max_size=200), st.booleans())
def test_no_command_whatever_makes_the_card_fail(commands: list[bytes], logged_in: bool) -> None:
    terminal = Terminal(START)
    if logged_in:
        terminal.verify()
    for command in commands:
        assert terminal.raw(command).sw != SW.UNKNOWN
