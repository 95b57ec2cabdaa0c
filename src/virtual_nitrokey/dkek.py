"""A key domain: cards that hold the same device key encryption key (DKEK) can exchange their keys.

The DKEK is the exclusive or of shares, one for each custodian. How keys are wrapped is this program's own
way: a real card cannot read them.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field, replace
from functools import cached_property

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from virtual_nitrokey import keys
from virtual_nitrokey.keys import EcKey, RsaKey
from virtual_nitrokey.status import SW, CardError

SHARE = 32
"""Bytes of a share, and of the DKEK."""

_CHECK = 8  # bytes of a check value
_NONCE = 12  # bytes (NIST SP 800-38D, 8.2)


@dataclass(frozen=True)
class KeyDomain:
    """A domain of ``total`` shares, and those imported so far.

    With a total of 0 there is one share all the same, which the card draws: see ``new``.
    """

    total: int
    shares: tuple[bytes, ...] = field(default=(), repr=False)

    @classmethod
    def new(cls, total: int) -> KeyDomain:
        """A domain that waits for its shares; with a total of 0, one whose random DKEK no other card has."""
        domain = cls(total)
        return domain if total else domain.with_share(os.urandom(SHARE))

    @property
    def missing(self) -> int:
        """How many shares are still to be imported."""
        return max(self.total, 1) - len(self.shares)

    @property
    def check_value(self) -> bytes:
        """8 bytes that tell one DKEK from another; zeros while shares are missing."""
        return bytes(_CHECK) if self.missing else hashlib.sha256(self._dkek).digest()[:_CHECK]

    def with_share(self, share: bytes) -> KeyDomain:
        """With one more share. CardError: 6986 if none is missing, 6A80 if it is not of 32 bytes."""
        if not self.missing:
            raise CardError(SW.NOT_ALLOWED)
        if len(share) != SHARE:
            raise CardError(SW.WRONG_DATA)
        return replace(self, shares=(*self.shares, share))

    def wrap(self, key: RsaKey | EcKey) -> bytes:
        """The key for another card of the domain: check value, nonce, and the key under AES-256-GCM.

        CardError (6985) while shares are missing.
        """
        cipher, nonce = self._cipher(), os.urandom(_NONCE)
        return self.check_value + nonce + cipher.encrypt(nonce, keys.serialise(key), self.check_value)

    def unwrap(self, blob: bytes) -> RsaKey | EcKey:
        """The key from such a blob.

        CardError: 6985 while shares are missing, 6A80 for a blob of another domain, or a damaged one.
        """
        cipher = self._cipher()
        check, nonce, sealed = blob[:_CHECK], blob[_CHECK : _CHECK + _NONCE], blob[_CHECK + _NONCE :]
        if check != self.check_value or len(nonce) != _NONCE:
            raise CardError(SW.WRONG_DATA)
        try:
            return keys.deserialise(cipher.decrypt(nonce, sealed, check))
        except (InvalidTag, ValueError):
            raise CardError(SW.WRONG_DATA) from None

    @cached_property
    def _dkek(self) -> bytes:
        combined = 0
        for share in self.shares:
            combined ^= int.from_bytes(share, "big")
        return combined.to_bytes(SHARE, "big")

    def _cipher(self) -> AESGCM:
        if self.missing:
            raise CardError(SW.CONDITIONS)
        derived = HKDF(hashes.SHA256(), 32, salt=None, info=b"virtual-nitrokey wrapped key").derive(
            self._dkek
        )
        return AESGCM(derived)
