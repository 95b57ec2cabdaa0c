"""INITIALIZE DEVICE: new PINs and options; everything of the user's is erased."""

from __future__ import annotations

from dataclasses import replace

from virtual_nitrokey import tlv
from virtual_nitrokey.apdu import Command
from virtual_nitrokey.commands.context import Context, Session, Work
from virtual_nitrokey.commands.pins import present
from virtual_nitrokey.dkek import KeyDomain
from virtual_nitrokey.image import Option
from virtual_nitrokey.pins import SO_TRIES, Pin, Reference, most_tries
from virtual_nitrokey.status import SW, CardError

# What the card lacks is refused and not silently left out: public-key authentication (tag 93), whose
# state no command could ask for or change, biometric servers (95, 96) and several key domains (97).
_OPTIONS, _USER_PIN, _SO_PIN, _TRIES, _SHARES = 0x80, 0x81, 0x82, 0x91, 0x92
_REQUIRED = {_OPTIONS, _USER_PIN, _SO_PIN, _TRIES}


def initialise(context: Context, command: Command) -> bytes:
    """INITIALIZE DEVICE. The first time it sets the SO-PIN, later it has to be told the right one."""
    if command.p1p2:
        raise CardError(SW.WRONG_P1P2)
    values = _parse(command.data)
    options = _options(values[_OPTIONS])
    user_pin = _user_pin(values[_USER_PIN], values[_TRIES], transport=Option.TRANSPORT_PIN in options)
    so_pin = values[_SO_PIN]
    if not Reference.SO.takes(len(so_pin)):
        raise CardError(SW.WRONG_DATA)
    domain = KeyDomain.new(_byte(values[_SHARES])) if _SHARES in values else None
    if Reference.SO in context.image.pins:
        present(context, Reference.SO, so_pin)
    context.spend(Work.INITIALISE, 0)
    context.commit(
        replace(
            context.image,
            options=options,
            pins={Reference.USER: user_pin, Reference.SO: Pin.new(so_pin, SO_TRIES)},
            memory=context.image.memory.erased(),
            key_domain=domain,
        )
    )
    context.session = Session(selected=True)
    return b""


def _parse(data: bytes) -> dict[int, bytes]:
    """The values by their tags: all that are required and no unknown ones, each once, in any order."""
    try:
        items = tlv.parse(data)
    except ValueError:
        raise CardError(SW.WRONG_DATA) from None
    values = dict(items)
    if len(values) != len(items) or not _REQUIRED <= values.keys() <= _REQUIRED | {_SHARES}:
        raise CardError(SW.WRONG_DATA)
    return values


def _options(value: bytes) -> Option:
    try:
        if len(value) == 2:
            return Option(int.from_bytes(value, "big"))
    except ValueError:  # bits without a meaning
        pass
    raise CardError(SW.WRONG_DATA)


def _user_pin(value: bytes, tries: bytes, *, transport: bool) -> Pin:
    if not Reference.USER.takes(len(value)) or not 1 <= _byte(tries) <= most_tries(len(value)):
        raise CardError(SW.WRONG_DATA)
    return Pin.new(value, _byte(tries), transport=transport)


def _byte(value: bytes) -> int:
    if len(value) != 1:
        raise CardError(SW.WRONG_DATA)
    return value[0]
