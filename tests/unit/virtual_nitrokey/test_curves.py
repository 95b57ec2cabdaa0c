"""Promises about the named curves: they are the published ones, and nothing else passes for a point."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from virtual_nitrokey.curves import NAMES, Curve, Parameters
from virtual_nitrokey.status import SW, CardError

CURVES = [Curve.by_name(name) for name in NAMES]
P256 = Curve.by_name("secp256r1")
KNOWN: dict[str, ec.EllipticCurve] = {
    "secp192r1": ec.SECP192R1(),
    "secp224r1": ec.SECP224R1(),
    "secp256r1": ec.SECP256R1(),
    "secp384r1": ec.SECP384R1(),
    "secp521r1": ec.SECP521R1(),
    "secp256k1": ec.SECP256K1(),
    "brainpoolP256r1": ec.BrainpoolP256R1(),
    "brainpoolP384r1": ec.BrainpoolP384R1(),
    "brainpoolP512r1": ec.BrainpoolP512R1(),
}
every_curve = pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)


@every_curve
def test_the_parameters_fit_each_other(curve: Curve) -> None:
    for number in (curve.prime, curve.order):
        assert pow(3, number - 1, number) == 1  # a prime, as good as certainly
    # The generator times (order - 1) is the generator mirrored, so its order is the one given.
    mirrored = curve.multiply(curve.order - 1, curve.generator)
    x, y = mirrored[1 : 1 + curve.size], int.from_bytes(mirrored[1 + curve.size :], "big")
    assert b"\x04" + x + curve.encode(curve.prime - y) == curve.generator
    assert (curve.order.bit_length() + 7) // 8 == curve.size
    # Hasse: the number of points is so near to the prime that the order leaves room for no cofactor.
    assert abs(curve.order - curve.prime - 1) <= 2 * 2 ** (curve.prime.bit_length() / 2)


@every_curve
def test_a_curve_is_recognised_by_its_parameters(curve: Curve) -> None:
    assert Curve.by_parameters(Parameters(*map(bytes, curve.parameters))) is curve
    assert Curve.by_name(curve.name) is curve


@every_curve
@pytest.mark.parametrize("place", range(5), ids=Parameters._fields)
def test_one_wrong_parameter_makes_it_unknown(curve: Curve, place: int) -> None:
    wrong = list(curve.parameters)
    wrong[place] = wrong[place][:-1] + bytes((wrong[place][-1] ^ 1,))
    with pytest.raises(CardError) as caught:
        Curve.by_parameters(Parameters(*wrong))
    assert caught.value.sw == SW.WRONG_DATA


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="secp1r1"):
        Curve.by_name("secp1r1")


@pytest.mark.parametrize("name", KNOWN)
def test_points_and_signatures_are_those_of_openssl(name: str) -> None:
    curve = Curve.by_name(name)
    secret = 0x1234567890ABCDEF1234567890ABCDEF % curve.order
    public = ec.derive_private_key(secret, KNOWN[name]).public_key()
    point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    assert curve.multiply(secret, curve.generator) == point
    signature = utils.encode_dss_signature(*curve.sign(secret, b"h" * 32))
    public.verify(signature, b"h" * 32, ec.ECDSA(utils.Prehashed(SHA256())))


@every_curve
def test_both_sides_agree(curve: Curve) -> None:
    mine, yours = curve.order // 3, curve.order // 5
    theirs = curve.multiply(yours, curve.multiply(mine, curve.generator))
    assert curve.multiply(mine, curve.multiply(yours, curve.generator)) == theirs


def _refused(curve: Curve, point: bytes) -> None:
    with pytest.raises(CardError) as caught:
        curve.multiply(2, point)
    assert caught.value.sw == SW.WRONG_DATA


@every_curve
def test_what_is_no_point_of_the_curve_is_refused(curve: Curve) -> None:
    x, y = curve.generator[1 : 1 + curve.size], curve.generator[1 + curve.size :]
    other = next(o for o in CURVES if o.size == curve.size and o != curve) if curve.size < 66 else None
    for point in (
        b"",
        b"\x00",  # the point at infinity
        b"\x02" + x,  # compressed
        b"\x06" + x + y,  # hybrid
        curve.generator[:-1],
        curve.generator + b"\x00",
        b"\x04" + x + y[:-1] + bytes((y[-1] ^ 1,)),
        b"\x04" + bytes(2 * curve.size),
        b"\x04" + b"\xff" * (2 * curve.size),
        other.generator if other else b"",
    ):
        _refused(curve, point)


def test_a_coordinate_of_the_prime_or_more_is_refused() -> None:
    # x = 5 lies on the curve; x = 5 + prime is the same number, but not its only writing.
    x = 5
    y_squared = (x**3 + P256.a * x + P256.b) % P256.prime
    y = pow(y_squared, (P256.prime + 1) // 4, P256.prime)
    assert P256.multiply(1, b"\x04" + P256.encode(x) + P256.encode(y))[1:33] == P256.encode(x)
    _refused(P256, b"\x04" + P256.encode(x + P256.prime) + P256.encode(y))


@given(st.binary(max_size=70) | st.binary(min_size=64, max_size=64).map(lambda xy: b"\x04" + xy))
def test_any_bytes_are_a_point_or_wrong_data(point: bytes) -> None:
    _refused(P256, point)  # that chance finds a point has a probability of 2 to the power of -256
