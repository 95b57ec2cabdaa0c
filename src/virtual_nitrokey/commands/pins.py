"""Commands on PINs: VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER (ISO/IEC 7816-4)."""

from __future__ import annotations

from virtual_nitrokey.apdu import Command
from virtual_nitrokey.commands.context import Context
from virtual_nitrokey.image import Option
from virtual_nitrokey.pins import Pin, Reference, most_tries
from virtual_nitrokey.status import SW, CardError, tries_left

_WITH_NEW_PIN, _WITHOUT_NEW_PIN = 0x00, 0x01  # P1 of RESET RETRY COUNTER
_SO_LENGTH = 8


def verify(context: Context, command: Command) -> bytes:
    """VERIFY: present a PIN; without data ask for its state, which a status word answers."""
    reference, pin = _addressed(context, command)
    if command.data:
        if pin.transport:
            raise CardError(SW.UNUSABLE)
        present(context, reference, command.data)
        return b""
    if reference in context.session.verified:
        return b""
    if pin.transport:
        raise CardError(SW.UNUSABLE)
    raise CardError(tries_left(pin.tries) if pin.tries else SW.BLOCKED)


def change_reference_data(context: Context, command: Command) -> bytes:
    """CHANGE REFERENCE DATA: the old PIN and the new one without anything between them."""
    reference, pin = _addressed(context, command)
    length = len(pin.value)
    old, new = command.data[:length], command.data[length:]
    _check_new(reference, new, pin.maximum)
    present(context, reference, old)
    context.commit(context.image.with_pin(reference, Pin.new(new, pin.maximum)))
    return b""


def reset_retry_counter(context: Context, command: Command) -> bytes:
    """RESET RETRY COUNTER: give the user PIN all its tries, with the SO-PIN and, P1 = 00, a new PIN."""
    if command.p1 not in (_WITH_NEW_PIN, _WITHOUT_NEW_PIN) or command.p2 != Reference.USER:
        raise CardError(SW.WRONG_P1P2)
    pin = _pin(context, Reference.USER)
    if not context.image.options & Option.SO_RESETS_USER:
        raise CardError(SW.CONDITIONS)
    so_pin, new = command.data[:_SO_LENGTH], command.data[_SO_LENGTH:]
    if command.p1 == _WITH_NEW_PIN:
        _check_new(Reference.USER, new, pin.maximum)
        pin = Pin.new(new, pin.maximum)
    elif new:
        raise CardError(SW.WRONG_DATA)
    present(context, Reference.SO, so_pin)
    context.commit(context.image.with_pin(Reference.USER, pin.refilled()))
    context.forget(Reference.USER)
    return b""


def present(context: Context, reference: Reference, candidate: bytes) -> None:
    """Compare a PIN. It must be set.

    The try is spent, and that is durable, before the comparison: who pulls the plug gets none back.
    CardError: 6983 if it is blocked or the last try was wrong, 63Cn if another was, 6A80 for a length
    that no such PIN has, which costs no try.
    """
    pin = _pin(context, reference)
    if not pin.tries:
        raise CardError(SW.BLOCKED)
    if not reference.takes(len(candidate)):
        raise CardError(SW.WRONG_DATA)
    pin = pin.spent()
    context.commit(context.image.with_pin(reference, pin))
    right = pin.matches(candidate)
    if right:
        context.commit(context.image.with_pin(reference, pin.refilled()))
    context.compared(reference, right=right)
    if not right:
        raise CardError(tries_left(pin.tries) if pin.tries else SW.BLOCKED)


def _addressed(context: Context, command: Command) -> tuple[Reference, Pin]:
    """The PIN that P2 names. The card has no others, such as biometric ones: 6A88."""
    if command.p1:
        raise CardError(SW.WRONG_P1P2)
    try:
        reference = Reference(command.p2)
    except ValueError:
        raise CardError(SW.NO_REFERENCE) from None
    return reference, _pin(context, reference)


def _pin(context: Context, reference: Reference) -> Pin:
    pin = context.image.pins.get(reference)
    if pin is None:
        raise CardError(SW.NO_REFERENCE)
    return pin


def _check_new(reference: Reference, value: bytes, maximum: int) -> None:
    """CardError (6A80) for a new PIN of a wrong length, or too short for so many tries."""
    short = reference is Reference.USER and maximum > most_tries(len(value))
    if not reference.takes(len(value)) or short:
        raise CardError(SW.WRONG_DATA)
