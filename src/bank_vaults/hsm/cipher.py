"""What a token's key protects: sealing and opening of stored values.

The public half works in software, from modulus and exponent or the point, never from CKA_VALUE, whose
form differs between modules; the private half stays on the token, behind :class:`PrivateHalf`.

Two formats: the envelope (:mod:`bank_vaults.domain.envelope`), and the older raw one, one RSA block for
each value without name or integrity: RSA-OAEP with SHA-1, before that PKCS#1 v1.5.
"""

from __future__ import annotations

import hashlib
import os
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bank_vaults.domain import envelope
from bank_vaults.domain.envelope import DataKey, Envelope, Wrapping

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

_DATA_KEY = 32  # bytes: AES-256
_SET_ID = 16
_POINT = 65  # bytes of an uncompressed point of P-256
_COMPRESSED = 33  # of a compressed one
_OAEP_SHA1 = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)  # noqa: S303  # the compatible one
_OAEP_SHA256 = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
_HKDF_INFO = b"bank-vaults envelope 1 data key"


class CipherError(Exception):
    """A value cannot be opened, for a reason that is not the token's: the message says which."""


class PrivateHalf(Protocol):
    """The private key on the token. Each call is one private-key operation; raises what the token raises."""

    def decrypt(self, block: bytes, wrapping: Wrapping | None) -> bytes:
        """RSA decryption; None means PKCS#1 v1.5."""

    def agree(self, point: bytes) -> bytes:
        """ECDH with a point 04 || x || y: the x coordinate."""


class OpenedKey(NamedTuple):
    """A data key in the clear, beside its wrapped form."""

    key: DataKey
    plain: bytes

    def __repr__(self) -> str:
        return f"OpenedKey(set={self.key.set_id.hex()})"


def fingerprint(public: PublicKey) -> bytes:
    """SHA-256 of the SubjectPublicKeyInfo: 32 bytes that name a key pair whatever its label."""
    encoded = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).digest()


def rsa_public_key(modulus: bytes, exponent: bytes) -> PublicKey:
    """From CKA_MODULUS and CKA_PUBLIC_EXPONENT. Raises CipherError."""
    try:
        return rsa.RSAPublicNumbers(int.from_bytes(exponent), int.from_bytes(modulus)).public_key()
    except ValueError as error:
        raise CipherError(f"the public key of the token is not a usable RSA key: {error}") from None


def ec_public_key(point: bytes) -> PublicKey:
    """From CKA_EC_POINT: a DER OCTET STRING, or the bare point that some modules give; also compressed. P-256
    only. Raises CipherError.
    """
    octets = any(point[:2] == bytes((4, size)) and len(point) == size + 2 for size in (_POINT, _COMPRESSED))
    bare = point[2:] if octets else point
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bare)
    except ValueError:
        raise CipherError("the EC key of the token is not on P-256, the only curve used here") from None


def wrappings(public: PublicKey) -> tuple[Wrapping, ...]:
    """How a data key can be wrapped to this key, best first. Not every token knows OAEP with SHA-256."""
    if isinstance(public, rsa.RSAPublicKey):
        return Wrapping.RSA_OAEP_SHA256, Wrapping.RSA_OAEP_SHA1
    return (Wrapping.ECDH_ES_P256,)


def new_data_key(public: PublicKey, wrapping: Wrapping) -> OpenedKey:
    """A fresh data key for one initialisation, wrapped to ``public``. No operation of the token."""
    plain, set_id = os.urandom(_DATA_KEY), os.urandom(_SET_ID)
    if isinstance(public, rsa.RSAPublicKey):
        padded = _OAEP_SHA256 if wrapping is Wrapping.RSA_OAEP_SHA256 else _OAEP_SHA1
        wrapped = public.encrypt(plain, padded)
    else:
        ephemeral = ec.generate_private_key(ec.SECP256R1())
        point = ephemeral.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        shared = ephemeral.exchange(ec.ECDH(), public)
        wrapped = point + keywrap.aes_key_wrap(_key_encryption_key(shared, point), plain)
    return OpenedKey(DataKey(wrapping, fingerprint(public), set_id, wrapped), plain)


def open_data_key(key: DataKey, public: PublicKey, private: PrivateHalf) -> OpenedKey:
    """Unwrap a data key: one private-key operation. Raises CipherError, and what the token raises."""
    if key.fingerprint != fingerprint(public):
        raise CipherError(
            "the value was encrypted to another key pair than the one on this token: plug in the token "
            "that it was made with, or a clone of it"
        )
    if key.wrapping is not Wrapping.ECDH_ES_P256:
        return OpenedKey(key, _checked(private.decrypt(key.wrapped, key.wrapping)))
    point, wrapped = key.wrapped[:_POINT], key.wrapped[_POINT:]
    shared = private.agree(point)
    try:
        return OpenedKey(key, _checked(keywrap.aes_key_unwrap(_key_encryption_key(shared, point), wrapped)))
    except (keywrap.InvalidUnwrap, ValueError):
        raise CipherError("the wrapped data key is damaged") from None


def seal(key: OpenedKey, name: str, value: bytes, replaced: int = 0) -> bytes:
    """The stored form of ``value`` under ``name``, which replaces so many others there."""
    nonce = envelope.nonce(replaced, os.urandom(envelope.CHANCE))
    sealed = AESGCM(key.plain).encrypt(nonce, value, envelope.associated_data(key.key, name))
    return envelope.encode(Envelope(key.key, nonce, sealed))


def unseal(key: OpenedKey, name: str, found: Envelope) -> bytes:
    """The value. Raises CipherError: damaged, or stored under another name than it was made for."""
    try:
        return AESGCM(key.plain).decrypt(found.nonce, found.sealed, envelope.associated_data(found.key, name))
    except InvalidTag:
        raise CipherError(f"the stored value of '{name}' is damaged, or was made for another name") from None


def seal_raw(public: PublicKey, value: bytes) -> bytes:
    """The stored form of Go Bank-Vaults: one block of RSA-OAEP with SHA-1. Raises CipherError."""
    if not isinstance(public, rsa.RSAPublicKey):
        raise CipherError("the older format needs an RSA key; this token has an EC key")
    longest = public.key_size // 8 - 42  # RFC 8017, 7.1.1: k - 2 hLen - 2
    if len(value) > longest:
        raise CipherError(f"the older format takes at most {longest} bytes with this key, not {len(value)}")
    return public.encrypt(value, _OAEP_SHA1)


def _key_encryption_key(shared: bytes, point: bytes) -> bytes:
    # The ephemeral point as salt binds the key to this one exchange.
    return HKDF(hashes.SHA256(), 32, salt=point, info=_HKDF_INFO).derive(shared)


def _checked(plain: bytes) -> bytes:
    if len(plain) != _DATA_KEY:
        raise CipherError("the unwrapped data key has a wrong length")
    return plain
