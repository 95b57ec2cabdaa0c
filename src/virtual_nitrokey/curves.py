"""Named elliptic curves over prime fields, and the arithmetic on them.

Numbers and points are written with the full length of the field, points without compression: 04, x, y
(SEC 1, 2.3). All curves here have a prime order, so the cofactor is 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import ecdsa
from ecdsa.curves import Curve as Arithmetic
from ecdsa.ellipticcurve import CurveFp, PointJacobi

from virtual_nitrokey.status import SW, CardError

_UNCOMPRESSED = b"\x04"


class Parameters(NamedTuple):
    """The domain parameters of a curve as bytes (BSI TR-03110-3, D.3.3, without the cofactor)."""

    prime: bytes
    a: bytes
    b: bytes
    generator: bytes
    order: bytes


@dataclass(frozen=True)
class Curve:
    """One curve: y² = x³ + ax + b modulo ``prime``."""

    name: str
    prime: int
    a: int
    b: int
    generator: bytes
    order: int
    _arithmetic: Any = field(repr=False, compare=False)  # python-ecdsa brings no types

    @classmethod
    def by_name(cls, name: str) -> Curve:
        """The curve of this name. Raises ValueError."""
        try:
            return _BY_NAME[name]
        except KeyError:
            raise ValueError(f"no curve is called {name!r}") from None

    @classmethod
    def by_parameters(cls, parameters: Parameters) -> Curve:
        """The curve with these parameters. CardError (6A80) if it is none of those here."""
        try:
            return _BY_PARAMETERS[parameters]
        except KeyError:
            raise CardError(SW.WRONG_DATA) from None

    @property
    def size(self) -> int:
        """Bytes of a number of the field, and as well of one below the order."""
        return (self.prime.bit_length() + 7) // 8

    @cached_property
    def parameters(self) -> Parameters:
        """What the curve is recognised by."""
        prime, a, b, order = map(self.encode, (self.prime, self.a, self.b, self.order))
        return Parameters(prime, a, b, self.generator, order)

    def encode(self, number: int) -> bytes:
        """A number of the field as bytes."""
        return number.to_bytes(self.size, "big")

    def multiply(self, scalar: int, point: bytes) -> bytes:
        """``scalar`` (1 to below the order) times a point. CardError (6A80) if that is not on the curve."""
        x, y = self._coordinates(point)
        # Neither the point nor the scalar is a multiple of the prime order, so the product is not infinite.
        product = PointJacobi(self._arithmetic.curve, x, y, 1, self.order) * scalar
        return _UNCOMPRESSED + self.encode(int(product.x())) + self.encode(int(product.y()))

    def sign(self, secret: int, digest: bytes) -> tuple[int, int]:
        """The ECDSA signature r, s of a hash (FIPS 186-5, 6.4); of a longer one, its leftmost bits count."""
        key = ecdsa.SigningKey.from_secret_exponent(secret, self._arithmetic)
        r, s = key.sign_digest(digest, sigencode=lambda r, s, _order: (r, s), allow_truncate=True)
        return int(r), int(s)

    def _coordinates(self, point: bytes) -> tuple[int, int]:
        x = int.from_bytes(point[1 : 1 + self.size], "big")
        y = int.from_bytes(point[1 + self.size :], "big")
        canonical = len(point) == 1 + 2 * self.size and point[:1] == _UNCOMPRESSED
        if not canonical or max(x, y) >= self.prime or not self._arithmetic.curve.contains_point(x, y):
            raise CardError(SW.WRONG_DATA)
        return x, y


def _secp192k1() -> Any:
    """SEC 2, version 1, 2.5.1; python-ecdsa lacks it."""
    curve = CurveFp(0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_FFFFEE37, 0, 3, 1)
    generator = PointJacobi(
        curve,
        0xDB4FF10E_C057E9AE_26B07D02_80B7F434_1DA5D1B1_EAE06C7D,
        0x9B2F2F6D_9C5628A7_844163D0_15BE8634_4082AA88_D95E2F9D,
        1,
        0xFFFFFFFF_FFFFFFFF_FFFFFFFE_26F2FC17_0F69466A_74DEFD8D,
        generator=True,
    )
    return Arithmetic("secp192k1", curve, generator, (1, 3, 132, 0, 31))


def _curve(name: str, arithmetic: Any) -> Curve:
    curve, generator = arithmetic.curve, arithmetic.generator
    prime = int(curve.p())
    return Curve(
        name,
        prime,
        int(curve.a()) % prime,  # written as -3 there, where it is
        int(curve.b()),
        bytes(generator.to_bytes("uncompressed")),
        int(arithmetic.order),
        arithmetic,
    )


_BY_NAME: Mapping[str, Curve] = {
    name: _curve(name, arithmetic)
    for name, arithmetic in {
        "secp192r1": ecdsa.NIST192p,
        "secp224r1": ecdsa.NIST224p,
        "secp256r1": ecdsa.NIST256p,
        "secp384r1": ecdsa.NIST384p,
        "secp521r1": ecdsa.NIST521p,
        "secp192k1": _secp192k1(),
        "secp256k1": ecdsa.SECP256k1,
        "brainpoolP192r1": ecdsa.BRAINPOOLP192r1,
        "brainpoolP224r1": ecdsa.BRAINPOOLP224r1,
        "brainpoolP256r1": ecdsa.BRAINPOOLP256r1,
        "brainpoolP320r1": ecdsa.BRAINPOOLP320r1,
        "brainpoolP384r1": ecdsa.BRAINPOOLP384r1,
        "brainpoolP512r1": ecdsa.BRAINPOOLP512r1,
        "brainpoolP192t1": ecdsa.BRAINPOOLP192t1,
        "brainpoolP224t1": ecdsa.BRAINPOOLP224t1,
        "brainpoolP256t1": ecdsa.BRAINPOOLP256t1,
        "brainpoolP320t1": ecdsa.BRAINPOOLP320t1,
        "brainpoolP384t1": ecdsa.BRAINPOOLP384t1,
        "brainpoolP512t1": ecdsa.BRAINPOOLP512t1,
    }.items()
}
_BY_PARAMETERS: Mapping[Parameters, Curve] = {curve.parameters: curve for curve in _BY_NAME.values()}

NAMES = tuple(_BY_NAME)
