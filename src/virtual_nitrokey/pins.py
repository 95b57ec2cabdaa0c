"""A PIN and the counter of its tries (ISO/IEC 7816-4, VERIFY and RESET RETRY COUNTER).

The values stand in clear: this is a simulator. They are kept out of every repr.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field, replace
from enum import IntEnum

SO_TRIES = 15


class Reference(IntEnum):
    """The two PINs of the card by the number in P2 that names them."""

    USER = 0x81
    SO = 0x88

    def takes(self, length: int) -> bool:
        """Whether such a PIN may have ``length`` bytes: the user's 6 to 16, the security officer's 8."""
        return 6 <= length <= 16 if self is Reference.USER else length == 8


def most_tries(length: int) -> int:
    """How many tries a user PIN of ``length`` bytes may be given at most: the shorter, the fewer."""
    return {6: 3, 7: 5}.get(length, 10)


@dataclass(frozen=True)
class Pin:
    """A PIN with ``tries`` left of ``maximum``. A transport PIN opens nothing until it is changed."""

    value: bytes = field(repr=False)
    tries: int
    maximum: int
    transport: bool = False

    @classmethod
    def new(cls, value: bytes, maximum: int, *, transport: bool = False) -> Pin:
        """A PIN with all its tries."""
        return cls(value, maximum, maximum, transport)

    def spent(self) -> Pin:
        """With one try fewer."""
        return replace(self, tries=self.tries - 1)

    def refilled(self) -> Pin:
        """With all its tries again."""
        return replace(self, tries=self.maximum)

    def matches(self, candidate: bytes) -> bool:
        """Whether this is the PIN; takes as long for every candidate of the same length."""
        return hmac.compare_digest(self.value, candidate)
