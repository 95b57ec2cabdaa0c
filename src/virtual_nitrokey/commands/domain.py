"""Commands on the key domain: its shares (DKEK), and keys that leave and come back wrapped."""

from __future__ import annotations

from dataclasses import replace

from virtual_nitrokey.apdu import Command
from virtual_nitrokey.commands.context import Context
from virtual_nitrokey.commands.keys import user_key, user_key_number
from virtual_nitrokey.dkek import KeyDomain
from virtual_nitrokey.memory import WRAPPED_KEY, Access
from virtual_nitrokey.status import SW, CardError

_WRAP, _UNWRAP = 0x92, 0x93  # P2


def manage_key_domain(context: Context, command: Command) -> bytes:
    """MANAGE KEY DOMAIN: import a share, if there are data; answers how many there are and the check value.

    Total and missing shares, one byte each, then the 8 bytes of the key check value.
    """
    if command.p1p2:
        raise CardError(SW.WRONG_P1P2)
    domain = _domain(context)
    if command.data:
        domain = domain.with_share(command.data)
        context.commit(replace(context.image, key_domain=domain))
    return bytes((domain.total, domain.missing)) + domain.check_value


def wrap(context: Context, command: Command) -> bytes:
    """WRAP KEY: a private key, encrypted with the key of the domain."""
    if command.p2 != _WRAP:
        raise CardError(SW.WRONG_P1P2)
    domain = _domain(context)
    context.require(Access.USER)
    return domain.wrap(user_key(context, command))


def unwrap(context: Context, command: Command) -> bytes:
    """UNWRAP KEY: the other way round; the blob is in the data, or else in the buffer, which it leaves."""
    if command.p2 != _UNWRAP:
        raise CardError(SW.WRONG_P1P2)
    domain = _domain(context)
    context.require(Access.USER)
    number = user_key_number(command)
    memory = context.image.memory
    blob = command.data
    if not blob:
        blob = memory.content(WRAPPED_KEY)
        memory = memory.without(WRAPPED_KEY)
    context.store(memory.with_key(number, domain.unwrap(blob)), len(blob))
    return b""


def _domain(context: Context) -> KeyDomain:
    """CardError (6D00) if the card was initialised without a key domain."""
    domain = context.image.key_domain
    if domain is None:
        raise CardError(SW.WRONG_INS)
    return domain
