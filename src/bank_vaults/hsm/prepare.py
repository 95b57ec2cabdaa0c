"""What may be done to a token that is to be initialised: decided by what it shows, before it is done."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from typing import NamedTuple

from bank_vaults.domain.secrets import Secret
from bank_vaults.hsm.binding import TokenInfo
from bank_vaults.hsm.ck import TokenFlag
from bank_vaults.hsm.pin import may_be_so_long
from bank_vaults.hsm.selection import TokenCriteria, another_library, choose_token, plain_label
from bank_vaults.hsm.survey import Kind, ObjectView, SlotView, Survey

_LONGEST_LABEL = 32  # bytes: CK_TOKEN_INFO
_SMARTCARD_HSM = "CardContact"
"""Stands in the manufacturer of a SmartCard-HSM, as which a Nitrokey HSM shows itself."""
_SMARTCARD_HSM_PIN = (6, 15)  # bytes
_SMARTCARD_HSM_SO_PIN = re.compile(rb"[0-9A-Fa-f]{16}")


class Wishes(NamedTuple):
    """What the token is to have. ``so_pin``: None if none is given; ``new_token``: the operator says that
    the token was never initialised; ``destroy_keys``: the serial number that the operator named, or empty.
    """

    label: str
    pin: Secret
    so_pin: Secret | None
    new_token: bool
    destroy_keys: str


class Plan(NamedTuple):
    """What will be done. ``so_pin_is_new``: the token has none yet and gets this one."""

    slot: SlotView
    token: TokenInfo
    so_pin: Secret
    so_pin_is_new: bool
    so_pin_is_random: bool


class NotPlannedError(Exception):
    """It must not be done as it was asked for. Nothing was done; the message says what is missing."""


def plan(seen: Survey, criteria: TokenCriteria, wishes: Wishes) -> Plan:
    """The decision. Raises NotPlannedError, SelectionError."""
    if another := another_library(seen.module, criteria):
        raise NotPlannedError(f"the PKCS#11 module has {another} as --hsm-uri says")
    choice = choose_token(seen.candidates, criteria)
    token, slot = choice.candidate.token, seen.slot(choice.candidate.slot)
    looks_new = _looks_new(token)
    if choice.warning and not looks_new and not wishes.destroy_keys:
        raise NotPlannedError(f"{choice.warning}; nothing is destroyed by the slot alone")
    _check_wishes(token, wishes)
    _check_destruction(token.serial, slot, wishes)
    is_new = looks_new or wishes.new_token
    if wishes.so_pin is None and not is_new:
        raise NotPlannedError(
            f"the token with serial {token.serial} says that it is initialised: give its SO-PIN by "
            "--so-pin-file, or --new-token if it never was (OpenSC before 0.26 cannot tell)"
        )
    return Plan(slot, token, wishes.so_pin or _random_so_pin(), is_new, wishes.so_pin is None)


def described(objects: Sequence[ObjectView]) -> str:
    """Objects in a few words, key pairs by their public halves. Empty for none."""
    words = []
    for kind in Kind:
        found = [view.label for view in objects if view.kind is kind]
        if found and kind is Kind.PUBLIC_KEY:
            words += [f"the key pair {label!r}" for label in found]
        elif found and kind is not Kind.PRIVATE_KEY:
            words.append(f"{len(found)} of kind {kind.value} ({', '.join(found)})")
    return ", ".join(words)


def _check_destruction(serial: str, slot: SlotView, wishes: Wishes) -> None:
    if wishes.destroy_keys and wishes.destroy_keys != serial:
        raise NotPlannedError(
            f"--destroy-keys names {wishes.destroy_keys!r}, and the token has the serial number {serial!r}"
        )
    if (slot.objects or slot.error) and not wishes.destroy_keys:
        there = described(slot.objects) or f"objects that cannot be read: {slot.error}"
        raise NotPlannedError(
            f"on the token with serial {serial}: {there}. What only these keys can open would be lost, "
            f"wherever it is stored. If that is meant: --destroy-keys {serial}"
        )
    if slot.objects and wishes.new_token:
        raise NotPlannedError(
            "there are objects on the token: --new-token is for one that was never initialised"
        )


def _looks_new(token: TokenInfo) -> bool:
    """Whether the token says that it was never initialised.

    OpenSC calls every SmartCard-HSM initialised, but from 0.26 on gives a new one no user PIN, which an
    initialised one always has.
    """
    if TokenFlag.TOKEN_INITIALIZED not in token.flags:
        return True
    return _is_smartcard_hsm(token) and TokenFlag.USER_PIN_INITIALIZED not in token.flags


def _is_smartcard_hsm(token: TokenInfo) -> bool:
    return _SMARTCARD_HSM in token.manufacturer


def _check_wishes(token: TokenInfo, wishes: Wishes) -> None:
    size = len(wishes.label.encode())
    if not 0 < size <= _LONGEST_LABEL or plain_label(wishes.label) != wishes.label:
        raise NotPlannedError(
            f"--label is no label for a token: 1 to {_LONGEST_LABEL} bytes, no blank at its end"
        )
    shortest, longest = token.shortest_pin, token.longest_pin
    if _is_smartcard_hsm(token):  # a new one shows other limits than its own
        shortest, longest = _SMARTCARD_HSM_PIN
        if wishes.so_pin is not None and not _SMARTCARD_HSM_SO_PIN.fullmatch(wishes.so_pin.reveal_bytes()):
            raise NotPlannedError("the SO-PIN of a SmartCard-HSM is 16 hexadecimal digits")
    if not may_be_so_long(len(wishes.pin.reveal_bytes()), shortest, longest):
        raise NotPlannedError(f"the user PIN has to have {shortest} to {longest} bytes")


def _random_so_pin() -> Secret:
    """16 hexadecimal digits, as a SmartCard-HSM wants them; every other token takes them as well."""
    return Secret(secrets.token_hex(8))
