"""Status words, the last two bytes of every answer of a card (ISO/IEC 7816-4, 5.6), and their exception."""

from __future__ import annotations

from enum import IntEnum


class SW(IntEnum):
    """SW1 and SW2 as one number of two bytes."""

    OK = 0x9000
    END_OF_FILE = 0x6282
    WRONG_LENGTH = 0x6700
    NOT_LOGGED_IN = 0x6982
    BLOCKED = 0x6983
    UNUSABLE = 0x6984
    CONDITIONS = 0x6985
    NOT_ALLOWED = 0x6986
    WRONG_DATA = 0x6A80
    UNSUPPORTED_FOR_KEY = 0x6A81
    NOT_FOUND = 0x6A82
    NO_SPACE = 0x6A84
    WRONG_P1P2 = 0x6A86
    NO_REFERENCE = 0x6A88
    WRONG_OFFSET = 0x6B00
    WRONG_INS = 0x6D00
    WRONG_CLA = 0x6E00
    UNKNOWN = 0x6F00


def tries_left(n: int) -> int:
    """The status word of a wrong PIN, and of a query about one, with ``n`` (0 to 15) tries left."""
    if not 0 <= n <= 15:
        raise ValueError(f"the status word has room for 0 to 15 tries, not {n}")
    return 0x63C0 | n


class CardError(Exception):
    """A command that fails: ``sw`` is what the card answers."""

    def __init__(self, sw: int) -> None:
        super().__init__(f"{sw:04X}")
        self.sw = sw
