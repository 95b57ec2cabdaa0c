"""What a token says of its user PIN, in words."""

from __future__ import annotations

from enum import Enum

from bank_vaults.hsm.ck import TokenFlag


class PinCondition(Enum):
    """From best to worst."""

    OK = "ok"
    WRONG_TRIED = "a wrong PIN was tried"
    LAST_TRY = "one try is left"
    LOCKED = "locked"
    NOT_INITIALISED = "not initialised"


def condition(flags: TokenFlag) -> PinCondition:
    """From the flags of CK_TOKEN_INFO.

    OpenSC shows a counter of more than two tries as "ok", and before 0.26 says of a SmartCard-HSM that was
    never initialised that it has a PIN.
    """
    if TokenFlag.USER_PIN_INITIALIZED not in flags:
        return PinCondition.NOT_INITIALISED
    if TokenFlag.USER_PIN_LOCKED in flags:
        return PinCondition.LOCKED
    if TokenFlag.USER_PIN_FINAL_TRY in flags:
        return PinCondition.LAST_TRY
    if TokenFlag.USER_PIN_COUNT_LOW in flags:
        return PinCondition.WRONG_TRIED
    return PinCondition.OK
