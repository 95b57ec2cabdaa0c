"""Promises about card verifiable certificates: their signatures hold, and requests are read with care."""

from __future__ import annotations

import functools

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from virtual_nitrokey import tlv
from virtual_nitrokey.curves import NAMES, Curve, Parameters
from virtual_nitrokey.cvc import GenerationRequest, device_certificate, key_request, parse_generation
from virtual_nitrokey.keys import EcKey, RsaKey
from virtual_nitrokey.status import SW, CardError

DEVICE = EcKey(Curve.by_name("secp256r1"), 0xC0FFEE)
CAR, CHR, OUTER = b"UTCA00001", b"DENK012345600001", b"DENK012345600001"
RSA_OID = bytes.fromhex("04007F00070202020102")
EC_OID = bytes.fromhex("04007F00070202020203")


@functools.cache
def rsa_key() -> RsaKey:
    return RsaKey.generate(2048, 65537)


def _child(data: bytes, *path: int) -> bytes:
    for tag in path:
        found = tlv.find(tlv.parse(data), tag)
        assert found is not None, f"{tag:X}"
        data = found
    return data


def _verify(public_key: bytes, signature: bytes, signed: bytes) -> None:
    """Check a signature with the key as it stands in a certificate; on P-256 or RSA."""
    items = tlv.parse(public_key)
    point = tlv.find(items, 0x86)
    if point is None:
        assert [item.tag for item in items] == [0x06, 0x81, 0x82]
        assert items[0].value == RSA_OID
        modulus, exponent = (int.from_bytes(item.value, "big") for item in items[1:])
        key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
        key.verify(signature, signed, padding.PKCS1v15(), SHA256())
        return
    assert [item.tag for item in items] == [0x06, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87]
    assert items[0].value == EC_OID
    curve = Curve.by_parameters(Parameters(*(item.value for item in items[1:6])))
    assert curve.name == "secp256r1"
    assert len(signature) == 2 * curve.size
    r, s = (int.from_bytes(half, "big") for half in (signature[: curve.size], signature[curve.size :]))
    verifier = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    verifier.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(SHA256()))


def test_a_device_certificate_names_the_device_and_is_signed_by_its_key() -> None:
    certificate = device_certificate(DEVICE, "DENK0123456")
    assert len(certificate) <= 1024  # what OpenSC reads
    ((tag, content),) = tlv.parse(certificate)
    assert tag == 0x7F21
    body = _child(content, 0x7F4E)
    assert [item.tag for item in tlv.parse(body)] == [0x5F29, 0x42, 0x7F49, 0x5F20]
    assert _child(body, 0x5F20) == _child(body, 0x42) == b"DENK012345600001"
    assert _child(body, 0x7F49, 0x86) == DEVICE.public_point
    _verify(_child(body, 0x7F49), _child(content, 0x5F37), tlv.encode(0x7F4E, body))


@pytest.mark.parametrize("serial", ["", "DEN", "DENK01234567", "denk0123456", "DENK 123456", "DENK012345é"])
def test_a_serial_number_that_fits_no_certificate_is_refused(serial: str) -> None:
    with pytest.raises(ValueError, match="serial number"):
        device_certificate(DEVICE, serial)


@pytest.mark.parametrize("kind", ["RSA", "EC"])
def test_a_request_is_signed_by_the_key_and_by_the_device(kind: str) -> None:
    key = rsa_key() if kind == "RSA" else EcKey(DEVICE.curve, 0xBEEF)
    request = key_request(key, CAR, CHR, DEVICE, OUTER)
    ((tag, content),) = tlv.parse(request)
    assert tag == 0x67
    inner, outer_car, outer_signature = tlv.parse(content)
    assert (inner.tag, outer_car.tag, outer_signature.tag) == (0x7F21, 0x42, 0x5F37)
    assert outer_car.value == OUTER
    body = _child(inner.value, 0x7F4E)
    assert (_child(body, 0x5F29), _child(body, 0x42), _child(body, 0x5F20)) == (b"\x00", CAR, CHR)
    public_key = _child(body, 0x7F49)
    _verify(public_key, _child(inner.value, 0x5F37), tlv.encode(0x7F4E, body))
    device_key = _child(device_certificate(DEVICE, "DENK0123456"), 0x7F21, 0x7F4E, 0x7F49)
    _verify(device_key, outer_signature.value, tlv.join(inner, outer_car))


def _request(*key: tuple[int, bytes], profile: bytes = b"\x00", car: bytes = CAR, chr_: bytes = CHR) -> bytes:
    return tlv.join((0x5F29, profile), (0x42, car), (0x7F49, tlv.join(*key)), (0x5F20, chr_))


def _ec_request(curve: Curve) -> list[tuple[int, bytes]]:
    return [(0x06, EC_OID), *zip(range(0x81, 0x86), curve.parameters, strict=True), (0x87, b"\x01")]


RSA_REQUEST = [(0x06, RSA_OID), (0x82, b"\x01\x00\x01"), (0x02, b"\x08\x00")]
EC_REQUEST = _ec_request(DEVICE.curve)


def test_a_request_for_an_rsa_key_is_read() -> None:
    assert parse_generation(_request(*RSA_REQUEST)) == GenerationRequest(CAR, CHR, None, 2048, 65537)


@pytest.mark.parametrize("name", NAMES)
def test_a_request_for_an_ec_key_is_read(name: str) -> None:
    curve = Curve.by_name(name)
    assert parse_generation(_request(*_ec_request(curve))) == GenerationRequest(CAR, CHR, curve)


def _refused(data: bytes) -> None:
    with pytest.raises(CardError) as caught:
        parse_generation(data)
    assert caught.value.sw == SW.WRONG_DATA


@pytest.mark.parametrize("key", [RSA_REQUEST, EC_REQUEST], ids=["RSA", "EC"])
def test_a_request_without_one_of_its_parts_is_refused(key: list[tuple[int, bytes]]) -> None:
    for part in range(len(key)):
        _refused(_request(*key[:part], *key[part + 1 :]))
        _refused(_request(*key[:part], (key[part][0], b""), *key[part + 1 :]))
    body = tlv.parse(_request(*key))
    for part in range(len(body)):
        _refused(tlv.join(*body[:part], *body[part + 1 :]))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(_request(*RSA_REQUEST, profile=b"\x01"), id="other profile"),
        pytest.param(_request(*RSA_REQUEST, car=b"A" * 21), id="authority too long"),
        pytest.param(_request(*RSA_REQUEST, chr_=b"A" * 21), id="holder too long"),
        pytest.param(_request((0x06, EC_OID[:-1] + b"\x01"), *EC_REQUEST[1:]), id="other algorithm"),
        pytest.param(_request((0x06, EC_OID), *RSA_REQUEST[1:]), id="RSA key for ECDSA"),
        pytest.param(_request(*EC_REQUEST[:-1], (0x87, b"\x02")), id="other cofactor"),
        pytest.param(_request(*EC_REQUEST[:3], (0x83, bytes(32)), *EC_REQUEST[4:]), id="unknown curve"),
        pytest.param(_request(*RSA_REQUEST)[:-1], id="cut short"),
    ],
)
def test_a_malformed_request_is_refused(data: bytes) -> None:
    _refused(data)


TAGS = st.sampled_from([0x06, 0x02, 0x42, 0x5F20, 0x5F29, 0x7F49, *range(0x81, 0x88)])
VALUES = st.sampled_from([RSA_OID, EC_OID, b"\x00", b"\x01", *DEVICE.curve.parameters]) | st.binary(
    max_size=30
)
ITEMS = st.lists(st.tuples(TAGS, VALUES)).map(lambda pairs: tlv.join(*pairs))


@given(st.binary(max_size=100) | ITEMS | ITEMS.map(lambda key: _request(*tlv.parse(key))))
def test_any_bytes_are_a_request_or_wrong_data(data: bytes) -> None:
    try:
        parse_generation(data)
    except CardError as error:
        assert error.sw == SW.WRONG_DATA
