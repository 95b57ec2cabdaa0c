"""The stored form of a value whose data key is wrapped by a token: the codec, without cryptography.

::

    magic      4   b"BVEV"
    version    1   1
    wrapping   1   how the data key is wrapped (Wrapping)
    content    1   how the value is sealed: 1 = AES-256-GCM
    key       32   SHA-256 of the wrapping public key (SubjectPublicKeyInfo, DER)
    set       16   identity of the initialisation that the value belongs to
    length     2   of the wrapped data key, big endian
    wrapped    n   the data key under the token's key
    nonce     12   4 bytes, big endian: how many values under this name it replaces; 8 random bytes
    sealed     m   ciphertext and tag of 16 bytes

All values of one initialisation carry the same data key, wrapped once, so that a whole unseal costs one
private-key operation. Everything before the nonce, and the name under which the value is stored, is
associated data of the seal: a value that is renamed, cut, or put together from two is not opened.

A token does not tell which of two objects is the newer one; the nonce does, should a replacement be cut
short. With a few dozen values under one data key, 8 random bytes are enough to be unique.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

MAGIC = b"BVEV"
_VERSION = 1
_AES_256_GCM = 1
_FIXED = len(MAGIC) + 3 + 32 + 16 + 2
NONCE = 12
"""Bytes of the nonce of AES-GCM (NIST SP 800-38D)."""
_COUNT = 4
CHANCE = NONCE - _COUNT
"""Bytes of the nonce that are random."""
_TAG = 16


class EnvelopeError(ValueError):
    """The bytes are no envelope of a version that this program knows, or are cut."""


class Wrapping(IntEnum):
    """How the data key is wrapped."""

    RSA_OAEP_SHA1 = 1
    """RSAES-OAEP, SHA-1 and MGF1 with SHA-1, empty label (RFC 8017): what every token can."""
    RSA_OAEP_SHA256 = 2
    ECDH_ES_P256 = 3
    """Ephemeral ECDH on P-256, HKDF-SHA-256 (RFC 5869), AES key wrap (RFC 3394); the wrapped form is the
    ephemeral point (65 bytes) and the wrapped key (40 bytes)."""


class DataKey(NamedTuple):
    """A data key as the values carry it: wrapped. Equal for all values of one initialisation."""

    wrapping: Wrapping
    fingerprint: bytes
    """32 bytes: which public key wrapped it."""
    set_id: bytes
    """16 random bytes: which initialisation it was made for."""
    wrapped: bytes


class Envelope(NamedTuple):
    """One sealed value."""

    key: DataKey
    nonce: bytes
    sealed: bytes


def is_envelope(stored: bytes) -> bool:
    """Whether the bytes claim to be an envelope, of whatever version; else they are of an older format."""
    return stored.startswith(MAGIC)


def encode(envelope: Envelope) -> bytes:
    """The stored form."""
    return _header(envelope.key) + envelope.nonce + envelope.sealed


def decode(stored: bytes) -> Envelope:
    """Read the stored form. Raises EnvelopeError."""
    if not is_envelope(stored):
        raise EnvelopeError("not an envelope")
    if len(stored) < _FIXED:
        raise EnvelopeError("the envelope is cut")
    version, wrapping, content = stored[4:7]
    if version != _VERSION:
        raise EnvelopeError(f"the envelope has version {version}, this program knows {_VERSION}")
    if content != _AES_256_GCM or wrapping not in Wrapping.__members__.values():
        raise EnvelopeError(f"the envelope uses algorithms {wrapping} and {content}, unknown to this program")
    end = _FIXED + int.from_bytes(stored[_FIXED - 2 : _FIXED])
    if len(stored) < end + NONCE + _TAG:
        raise EnvelopeError("the envelope is cut")
    key = DataKey(Wrapping(wrapping), stored[7:39], stored[39:55], stored[_FIXED:end])
    return Envelope(key, stored[end : end + NONCE], stored[end + NONCE :])


def nonce(replaced: int, chance: bytes) -> bytes:
    """A nonce for a value that replaces so many others under its name; ``chance``: CHANCE random bytes."""
    return replaced.to_bytes(_COUNT) + chance


def replaced(stored: bytes) -> int:
    """How many values under its name a stored one replaces: the highest is the newest. -1 if it is no
    envelope, of which nobody knows.
    """
    try:
        return int.from_bytes(decode(stored).nonce[:_COUNT])
    except EnvelopeError:
        return -1


def origin(stored: bytes) -> str:
    """Which initialisation a stored value is of, equal for all that belong together; empty: no envelope.

    It begins with the identity of the initialisation, for people. The wrapped data key is part of it: whoever
    knows the public key of the token can make a data key of his own and give it any identity.
    """
    try:
        key = decode(stored).key
    except EnvelopeError:
        return ""
    return f"{key.set_id.hex()}-{_header(key).hex()}"


def shown(origin: str) -> str:
    """An origin for people, as ``hsm objects`` shows it."""
    return origin[:8]


def associated_data(key: DataKey, name: str) -> bytes:
    """What the seal covers beside the value: the header and the name under which the value is stored."""
    return _header(key) + name.encode()


def _header(key: DataKey) -> bytes:
    numbers = bytes((_VERSION, key.wrapping, _AES_256_GCM))
    return b"".join((MAGIC, numbers, key.fingerprint, key.set_id, len(key.wrapped).to_bytes(2), key.wrapped))
