"""Private keys, and what the card computes with them: RSA (RFC 8017) and elliptic curves (FIPS 186-5)."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from virtual_nitrokey import tlv
from virtual_nitrokey.curves import Curve
from virtual_nitrokey.status import SW, CardError

RSA_SIZES = (1024, 1536, 2048, 3072, 4096)
"""Bits of a modulus."""
RSA_EXPONENTS = (3, 65537)
"""Public exponents; ``cryptography`` generates keys with these only."""

RSA_PKCS1_SHA256 = 0x33
ECDSA_SHA256 = 0x73


class Hash(NamedTuple):
    """A hash function, and what stands before its value in a DigestInfo (RFC 8017, 9.2, note 1)."""

    function: hashes.HashAlgorithm
    prefix: bytes

    def of(self, data: bytes) -> bytes:
        """The hash of ``data``."""
        context = hashes.Hash(self.function)
        context.update(data)
        return context.finalize()


_SHA1 = Hash(hashes.SHA1(), bytes.fromhex("3021300906052b0e03021a05000414"))  # noqa: S303
_SHA224 = Hash(hashes.SHA224(), bytes.fromhex("302d300d06096086480165030402040500041c"))
_SHA256 = Hash(hashes.SHA256(), bytes.fromhex("3031300d060960864801650304020105000420"))
_SHA384 = Hash(hashes.SHA384(), bytes.fromhex("3041300d060960864801650304020205000430"))
_SHA512 = Hash(hashes.SHA512(), bytes.fromhex("3051300d060960864801650304020305000440"))


class Scheme(Enum):
    """How a signature is made."""

    RSA_RAW = auto()  # of a block that is padded already
    RSA_PKCS1 = auto()  # RFC 8017, 8.2
    RSA_PSS = auto()  # RFC 8017, 8.1; the salt as long as the hash
    ECDSA = auto()


class Algorithm(NamedTuple):
    """A way to sign. Without a hash function the input is hashed already."""

    scheme: Scheme
    hash: Hash | None = None


ALGORITHMS: Mapping[int, Algorithm] = {
    0x20: Algorithm(Scheme.RSA_RAW),
    0x30: Algorithm(Scheme.RSA_PKCS1),  # of a DigestInfo
    0x31: Algorithm(Scheme.RSA_PKCS1, _SHA1),
    RSA_PKCS1_SHA256: Algorithm(Scheme.RSA_PKCS1, _SHA256),
    0x34: Algorithm(Scheme.RSA_PKCS1, _SHA384),
    0x35: Algorithm(Scheme.RSA_PKCS1, _SHA512),
    0x40: Algorithm(Scheme.RSA_PSS),  # of a hash, bare or in a DigestInfo
    0x41: Algorithm(Scheme.RSA_PSS, _SHA1),
    0x43: Algorithm(Scheme.RSA_PSS, _SHA256),
    0x44: Algorithm(Scheme.RSA_PSS, _SHA384),
    0x45: Algorithm(Scheme.RSA_PSS, _SHA512),
    0x70: Algorithm(Scheme.ECDSA),
    0x71: Algorithm(Scheme.ECDSA, _SHA1),
    0x72: Algorithm(Scheme.ECDSA, _SHA224),
    ECDSA_SHA256: Algorithm(Scheme.ECDSA, _SHA256),
    0x74: Algorithm(Scheme.ECDSA, _SHA384),
    0x75: Algorithm(Scheme.ECDSA, _SHA512),
}
"""What SIGN can do, by the identifiers that its P2 takes."""


class RsaPublic(NamedTuple):
    """The public half of an RSA key."""

    modulus: int
    exponent: int


@dataclass(frozen=True, repr=False)
class RsaKey:
    """An RSA key with the primes ``p`` and ``q``."""

    p: int
    q: int
    exponent: int

    @classmethod
    def generate(cls, bits: int, exponent: int) -> RsaKey:
        """A new key. CardError (6A80) for sizes and exponents other than those above."""
        if bits not in RSA_SIZES or exponent not in RSA_EXPONENTS:
            raise CardError(SW.WRONG_DATA)
        numbers = rsa.generate_private_key(exponent, bits).private_numbers()
        return cls(numbers.p, numbers.q, exponent)

    @cached_property
    def public(self) -> RsaPublic:
        """Modulus and public exponent."""
        return RsaPublic(self.p * self.q, self.exponent)

    @property
    def bits(self) -> int:
        """The size of the modulus."""
        return self.public.modulus.bit_length()

    @property
    def size(self) -> int:
        """The bytes of the modulus, and of each block."""
        return (self.bits + 7) // 8

    def decipher(self, block: bytes) -> bytes:
        """The block to the power of the private exponent, padding and all.

        CardError (6A80) if the block is not as long as the modulus, or not below it.
        """
        value = int.from_bytes(block, "big")
        if len(block) != self.size or value >= self.public.modulus:
            raise CardError(SW.WRONG_DATA)
        private = self._private
        at_p, at_q = pow(value, private.dmp1, self.p), pow(value, private.dmq1, self.q)
        result = at_q + (at_p - at_q) * private.iqmp % self.p * self.q
        return result.to_bytes(self.size, "big")

    def sign(self, algorithm: int, data: bytes) -> bytes:
        """A signature as long as the modulus.

        CardError: 6A86 for an unknown algorithm, 6A81 for one of another kind of key, 6A80 if ``data`` are
        not what it takes, or the key is too small for it.
        """
        scheme, hash_ = _known(algorithm)
        if scheme is Scheme.RSA_RAW:
            return self.decipher(data)
        if scheme is Scheme.RSA_PKCS1:
            return self._sign_pkcs1(data if hash_ is None else hash_.prefix + hash_.of(data))
        if scheme is Scheme.RSA_PSS:
            return self._sign_pss(*(_recognise(data) if hash_ is None else (hash_, hash_.of(data))))
        raise CardError(SW.UNSUPPORTED_FOR_KEY)

    def _sign_pkcs1(self, digest_info: bytes) -> bytes:
        filling = self.size - len(digest_info) - 3
        if filling < 8:
            raise CardError(SW.WRONG_DATA)
        return self.decipher(b"\x00\x01" + b"\xff" * filling + b"\x00" + digest_info)

    def _sign_pss(self, hash_: Hash, digest: bytes) -> bytes:
        scheme = padding.PSS(padding.MGF1(hash_.function), padding.PSS.DIGEST_LENGTH)
        key = self._private.private_key(unsafe_skip_rsa_key_validation=True)  # it was made here
        try:
            return key.sign(digest, scheme, Prehashed(hash_.function))
        except ValueError:  # a modulus of 1024 bits has no room for SHA-512 and its salt
            raise CardError(SW.WRONG_DATA) from None

    @cached_property
    def _private(self) -> rsa.RSAPrivateNumbers:
        d = pow(self.exponent, -1, math.lcm(self.p - 1, self.q - 1))
        return rsa.RSAPrivateNumbers(
            self.p,
            self.q,
            d,
            rsa.rsa_crt_dmp1(d, self.p),
            rsa.rsa_crt_dmq1(d, self.q),
            rsa.rsa_crt_iqmp(self.p, self.q),
            rsa.RSAPublicNumbers(self.exponent, self.public.modulus),
        )

    def __repr__(self) -> str:
        """Without the primes."""
        return f"<RSA key of {self.bits} bits>"


def without_padding(block: bytes) -> bytes:
    """The message in a block of RSAES-PKCS1-v1_5 (RFC 8017, 7.2.2). CardError (6A80) if it is none."""
    filling, separator, message = block[2:].partition(b"\x00")
    if block[:2] != b"\x00\x02" or len(filling) < 8 or not separator:
        raise CardError(SW.WRONG_DATA)
    return message


@dataclass(frozen=True, repr=False)
class EcKey:
    """A key on an elliptic curve; ``secret`` is from 1 to below the order."""

    curve: Curve
    secret: int

    @classmethod
    def generate(cls, curve: Curve) -> EcKey:
        """A new key."""
        return cls(curve, 1 + secrets.randbelow(curve.order - 1))

    @property
    def bits(self) -> int:
        """The size of the field."""
        return self.curve.prime.bit_length()

    @cached_property
    def public_point(self) -> bytes:
        """The public key: 04, x, y."""
        return self.curve.multiply(self.secret, self.curve.generator)

    def agree(self, point: bytes) -> bytes:
        """The point 04, x, y of both sides (ECDH). CardError (6A80) if ``point`` is not on the curve."""
        return self.curve.multiply(self.secret, point)

    def sign(self, algorithm: int, data: bytes) -> bytes:
        """A signature as a DER SEQUENCE of r and s (RFC 3279, 2.2.3).

        CardError: 6A86 for an unknown algorithm, 6A81 for one of another kind of key, 6A80 for no hash.
        """
        scheme, hash_ = _known(algorithm)
        if scheme is not Scheme.ECDSA:
            raise CardError(SW.UNSUPPORTED_FOR_KEY)
        digest = data if hash_ is None else hash_.of(data)
        if not digest:
            raise CardError(SW.WRONG_DATA)
        return encode_dss_signature(*self.curve.sign(self.secret, digest))

    def __repr__(self) -> str:
        """Without the secret."""
        return f"<EC key on {self.curve.name}>"


def _known(algorithm: int) -> Algorithm:
    try:
        return ALGORITHMS[algorithm]
    except KeyError:
        raise CardError(SW.WRONG_P1P2) from None


def _recognise(data: bytes) -> tuple[Hash, bytes]:
    """The function of a hash by its length, or by the DigestInfo it stands in; and the bare hash."""
    for hash_ in (_SHA1, _SHA224, _SHA256, _SHA384, _SHA512):
        digest = data.removeprefix(hash_.prefix)
        if len(digest) == hash_.function.digest_size:
            return hash_, digest
    raise CardError(SW.WRONG_DATA)


_RSA_TAGS = (0x81, 0x82, 0x83)  # p, q, public exponent
_EC_TAGS = _CURVE, _SECRET = 0x84, 0x85


def serialise(key: RsaKey | EcKey) -> bytes:
    """A key as a few bytes: p, q and the public exponent, or the name of the curve and the secret."""
    if isinstance(key, EcKey):
        return tlv.join((_CURVE, key.curve.name.encode()), (_SECRET, key.curve.encode(key.secret)))
    return tlv.join(
        *((tag, minimal(number)) for tag, number in zip(_RSA_TAGS, (key.p, key.q, key.exponent), strict=True))
    )


def deserialise(data: bytes) -> RsaKey | EcKey:
    """Read a key. ValueError if the bytes are none; whether p and q are primes is not looked at."""
    items = tlv.parse(data)
    tags, values = tuple(item.tag for item in items), [item.value for item in items]
    if tags == _EC_TAGS:
        return _ec_key(values[0].decode(), int.from_bytes(values[1], "big"))
    if tags == _RSA_TAGS:
        return _rsa_key(*(int.from_bytes(value, "big") for value in values))
    raise ValueError("the bytes are no key")


def minimal(number: int) -> bytes:
    """A number from 1 as bytes, without leading zeros."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _ec_key(name: str, secret: int) -> EcKey:
    curve = Curve.by_name(name)
    if not 1 <= secret < curve.order:
        raise ValueError("the secret is not below the order of the curve")
    return EcKey(curve, secret)


def _rsa_key(p: int, q: int, exponent: int) -> RsaKey:
    key = RsaKey(p, q, exponent)
    if key.bits not in RSA_SIZES or exponent not in RSA_EXPONENTS:
        raise ValueError("no RSA key has this size or exponent here")
    if math.gcd(exponent, (p - 1) * (q - 1)) != 1 or math.gcd(p, q) != 1:
        raise ValueError("the factors do not make an RSA key")
    return key
