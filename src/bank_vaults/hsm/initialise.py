"""C_InitToken and C_InitPIN: a token that is empty afterwards, with a label and PINs of our choice.

Runs in the worker process. PKCS#11 names the token by its slot, so that with several sticks it is exactly
the one that was looked at; the vendor's own tool for the SmartCard-HSM goes by the order of the readers, and
ends with 0 also when the card refused.
"""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple, Protocol

from bank_vaults.domain.secrets import Secret
from bank_vaults.hsm import ck, pin
from bank_vaults.hsm.binding import TokenInfo
from bank_vaults.hsm.ck import TokenFlag
from bank_vaults.hsm.errors import PinIncorrectError, PinLockedError, Pkcs11Error
from bank_vaults.hsm.pin import PinRefusedError, Refusal, SaltedHash
from bank_vaults.hsm.selection import same_label
from bank_vaults.hsm.token import Memory, remembered_as


class Order(NamedTuple):
    """Which token, and what it is to have. ``serial`` is the one it shows now, which may be empty."""

    slot: int
    serial: str
    label: str
    so_pin: Secret
    so_pin_is_new: bool
    """Whether the token is thought to have none yet."""
    pin: Secret


class Cryptoki(Protocol):
    """What is needed of a module: see :class:`bank_vaults.hsm.binding.Module`."""

    def token_info(self, slot: int) -> TokenInfo: ...
    def init_token(self, slot: int, so_pin: bytes, label: str) -> None: ...
    def init_pin(self, session: int, pin: bytes) -> None: ...
    def open_session(self, slot: int, *, read_write: bool) -> int: ...
    def close_all_sessions(self, slot: int) -> None: ...
    def login(self, session: int, pin: bytes, user: int = ck.USER) -> None: ...


class InitialisationError(Exception):
    """The token is not as it was ordered; the message says what it is now."""


def initialise(module: Cryptoki, memory: Memory, order: Order) -> TokenInfo:
    """Destroy everything on the token and set it up; what it says of itself afterwards.

    Raises InitialisationError; PinRefusedError if the token refused the SO-PIN, now or before; Pkcs11Error
    if nothing is known to have been done.
    """
    token = module.token_info(order.slot)
    if token.serial != order.serial:
        raise InitialisationError(
            f"another token than before is in slot {order.slot}: serial {token.serial!r}, not "
            f"{order.serial!r}; nothing was done"
        )
    with suppress(Pkcs11Error):  # C_InitToken wants to find none
        module.close_all_sessions(order.slot)
    _init_token(module, memory, order, token)
    try:
        session = module.open_session(order.slot, read_write=True)
        try:
            module.login(session, order.so_pin.reveal_bytes(), ck.SO)
            module.init_pin(session, order.pin.reveal_bytes())
        finally:
            module.close_all_sessions(order.slot)
        done = module.token_info(order.slot)
    except Pkcs11Error as error:
        raise InitialisationError(
            f"the token is initialised and empty, but has not got its user PIN ({error}): initialise it "
            "again, now with this SO-PIN"
        ) from None
    if not same_label(order.label, done.label) or TokenFlag.USER_PIN_INITIALIZED not in done.flags:
        raise InitialisationError(
            f"the token says that it is initialised, but shows the label {done.label!r}, and "
            f"{'a' if TokenFlag.USER_PIN_INITIALIZED in done.flags else 'no'} user PIN"
        )
    return done


def _init_token(module: Cryptoki, memory: Memory, order: Order, token: TokenInfo) -> None:
    """C_InitToken, unless the token is known to refuse: 15 wrong SO-PINs end a SmartCard-HSM."""
    named = f"the token with serial {token.serial!r}"
    # SoftHSM says of a token without an SO-PIN that it is locked.
    if not order.so_pin_is_new and token.flags & (TokenFlag.SO_PIN_LOCKED | TokenFlag.SO_PIN_FINAL_TRY):
        raise PinRefusedError(
            f"{named} has at most one try of its SO-PIN left; it is not tried here", Refusal.FINAL_TRY
        )
    record = f"SO-PIN of {remembered_as(token)}"
    known = memory.recall(record)
    if any(order.so_pin_is_new or entry.matches(order.so_pin) for entry in known.refused):
        what = "a new SO-PIN" if order.so_pin_is_new else "this SO-PIN"
        raise PinRefusedError(
            f"{named} has refused {what} before, so it is not tried again. If it would take it now, give "
            "another --hsm-state-dir for this one command",
            Refusal.REFUSED_BEFORE,
        )
    try:
        memory.remember(record, known)  # what cannot be written now could not be after a refusal
    except OSError as error:
        raise PinRefusedError(
            f"a refused SO-PIN could not be remembered ({error}): make --hsm-state-dir writable",
            Refusal.NO_MEMORY,
        ) from None
    try:
        module.init_token(order.slot, order.so_pin.reveal_bytes(), order.label)
    except (PinIncorrectError, PinLockedError) as error:
        with suppress(OSError):
            memory.remember(record, pin.remember_refused(known, SaltedHash.of(order.so_pin)))
        raise PinRefusedError(
            f"{named} refused the SO-PIN ({error}); nothing was changed. A wrong SO-PIN costs one of few "
            "tries (a SmartCard-HSM has 15, and is useless after them)",
            None,
        ) from None
