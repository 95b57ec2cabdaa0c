"""Promises about private keys: what they compute, another library can check."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import re
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from hypothesis import given
from hypothesis import strategies as st

from virtual_nitrokey import tlv
from virtual_nitrokey.curves import NAMES, Curve
from virtual_nitrokey.keys import (
    ALGORITHMS,
    RSA_SIZES,
    EcKey,
    RsaKey,
    Scheme,
    deserialise,
    serialise,
    without_padding,
)
from virtual_nitrokey.status import SW, CardError

MESSAGE = b"a message"
P256 = EcKey(Curve.by_name("secp256r1"), 0xC0FFEE)
DIGEST_INFO_SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")

RSA_ON_CARD = [
    number for number, (scheme, hash_) in ALGORITHMS.items() if hash_ and scheme is not Scheme.ECDSA
]
EC_ON_CARD = [number for number, (scheme, hash_) in ALGORITHMS.items() if hash_ and scheme is Scheme.ECDSA]


@functools.cache
def rsa_key(bits: int = 2048) -> RsaKey:
    return RsaKey.generate(bits, 65537)


def _public(key: RsaKey) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(key.public.exponent, key.public.modulus).public_key()


def _refused(key: RsaKey | EcKey, algorithm: int, data: bytes) -> int:
    with pytest.raises(CardError) as caught:
        key.sign(algorithm, data)
    return caught.value.sw


@pytest.mark.parametrize("bits", [1024, 1536, 2048, 3072])
def test_an_rsa_key_has_the_size_and_exponent_asked_for(bits: int) -> None:
    key = RsaKey.generate(bits, 3)
    assert (key.bits, key.size, key.public.exponent) == (bits, bits // 8, 3)


@pytest.mark.parametrize(("bits", "exponent"), [(512, 65537), (2047, 65537), (0, 3), (2048, 17), (2048, 0)])
def test_an_rsa_key_of_another_kind_is_refused(bits: int, exponent: int) -> None:
    with pytest.raises(CardError) as caught:
        RsaKey.generate(bits, exponent)
    assert caught.value.sw == SW.WRONG_DATA


@pytest.mark.parametrize("bits", RSA_SIZES[:4])
@pytest.mark.parametrize("hash_", [hashes.SHA1(), hashes.SHA256()], ids=lambda hash_: str(hash_.name))
def test_an_oaep_block_comes_out_with_its_padding(bits: int, hash_: hashes.HashAlgorithm) -> None:
    key = rsa_key(bits)
    oaep = padding.OAEP(padding.MGF1(hash_), hash_, label=b"any")
    block = key.decipher(_public(key).encrypt(MESSAGE, oaep))
    assert len(block) == key.size
    assert _oaep(block, hash_.name, b"any") == MESSAGE


def _oaep(block: bytes, name: str, label: bytes) -> bytes:
    """Take the padding off (RFC 8017, 7.1.2)."""

    def mask(data: bytes, seed: bytes) -> bytes:
        count = len(data) // size + 1
        stream = b"".join(hashlib.new(name, seed + i.to_bytes(4, "big")).digest() for i in range(count))
        return bytes(a ^ b for a, b in zip(data, stream, strict=False))

    size = hashlib.new(name).digest_size
    seed, data = block[1 : 1 + size], block[1 + size :]
    data = mask(data, mask(seed, data))
    assert block[0] == 0
    assert data[:size] == hashlib.new(name, label).digest()
    return data[size:].lstrip(b"\0")[1:]


@given(st.integers(0))
def test_deciphering_undoes_the_public_operation(number: int) -> None:
    key = rsa_key(1024)
    number %= key.public.modulus
    block = pow(number, key.exponent, key.public.modulus).to_bytes(key.size, "big")
    assert int.from_bytes(key.decipher(block), "big") == number


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("0002" + "01" * 8 + "00" + "6d", b"m"),
        ("0002" + "01" * 8 + "00", b""),
        ("0002" + "01" * 9 + "00" + "0000", b"\0\0"),
        ("0002" + "01" * 7 + "00" + "6d", None),
        ("0002" + "01" * 20, None),
        ("0001" + "ff" * 8 + "00" + "6d", None),
        ("0102" + "01" * 8 + "00" + "6d", None),
        ("", None),
    ],
)
def test_padding_is_at_least_eight_bytes_and_ends_with_a_zero(block: str, message: bytes | None) -> None:
    if message is not None:
        assert without_padding(bytes.fromhex(block)) == message
        return
    with pytest.raises(CardError) as caught:
        without_padding(bytes.fromhex(block))
    assert caught.value.sw == SW.WRONG_DATA


def test_a_block_of_another_length_or_size_is_refused() -> None:
    key = rsa_key()
    for block in (
        b"",
        bytes(key.size - 1),
        bytes(key.size + 1),
        key.public.modulus.to_bytes(key.size, "big"),
    ):
        with pytest.raises(CardError) as caught:
            key.decipher(block)
        assert caught.value.sw == SW.WRONG_DATA
        assert _refused(key, 0x20, block) == SW.WRONG_DATA


@pytest.mark.parametrize("algorithm", RSA_ON_CARD, ids=hex)
def test_rsa_signatures_of_messages_verify(algorithm: int) -> None:
    scheme, hash_ = ALGORITHMS[algorithm]
    assert hash_
    signature = rsa_key().sign(algorithm, MESSAGE)
    way = _pss(hash_.function) if scheme is Scheme.RSA_PSS else padding.PKCS1v15()
    _public(rsa_key()).verify(signature, MESSAGE, way, hash_.function)


def _pss(hash_: hashes.HashAlgorithm) -> padding.PSS:
    return padding.PSS(padding.MGF1(hash_), hash_.digest_size)


def test_an_rsa_signature_of_a_digest_info_or_of_a_padded_block_verifies() -> None:
    key, digest_info = rsa_key(), DIGEST_INFO_SHA256 + hashlib.sha256(MESSAGE).digest()
    block = b"\x00\x01" + b"\xff" * (key.size - 3 - len(digest_info)) + b"\x00" + digest_info
    assert key.sign(0x20, block) == key.sign(0x30, digest_info)
    _public(key).verify(key.sign(0x30, digest_info), MESSAGE, padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize(
    "hash_",
    [hashes.SHA1(), hashes.SHA224(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()],
    ids=lambda h: str(h.name),
)
def test_a_pss_signature_of_a_bare_hash_verifies(hash_: hashes.HashAlgorithm) -> None:
    digest = hashlib.new(hash_.name, MESSAGE).digest()
    _public(rsa_key()).verify(rsa_key().sign(0x40, digest), MESSAGE, _pss(hash_), hash_)


def test_a_pss_signature_of_a_digest_info_is_of_the_hash_in_it() -> None:
    digest_info = DIGEST_INFO_SHA256 + hashlib.sha256(MESSAGE).digest()
    _public(rsa_key()).verify(
        rsa_key().sign(0x40, digest_info), MESSAGE, _pss(hashes.SHA256()), hashes.SHA256()
    )


@pytest.mark.parametrize(
    ("algorithm", "data"),
    [
        (0x40, bytes(19)),
        (0x40, DIGEST_INFO_SHA256 + bytes(31)),
        (0x40, b""),
        (0x30, bytes(128 - 10)),
        (0x45, b""),
    ],
)
def test_what_an_rsa_key_cannot_sign_is_refused(algorithm: int, data: bytes) -> None:
    assert _refused(rsa_key(1024), algorithm, data) == SW.WRONG_DATA


def test_the_longest_digest_info_fills_the_block_but_for_eleven_bytes() -> None:
    key, data = rsa_key(1024), bytes(128 - 11)
    block = pow(int.from_bytes(key.sign(0x30, data), "big"), key.exponent, key.public.modulus)
    assert block.to_bytes(128, "big") == b"\x00\x01" + b"\xff" * 8 + b"\x00" + data


@pytest.mark.parametrize("algorithm", EC_ON_CARD, ids=hex)
def test_ec_signatures_of_messages_verify(algorithm: int) -> None:
    hash_ = ALGORITHMS[algorithm].hash
    assert hash_
    _verifier(P256).verify(P256.sign(algorithm, MESSAGE), MESSAGE, ec.ECDSA(hash_.function))


def _verifier(key: EcKey) -> ec.EllipticCurvePublicKey:
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key.public_point)


@pytest.mark.parametrize(
    "hash_", [hashes.SHA1(), hashes.SHA256(), hashes.SHA512()], ids=lambda h: str(h.name)
)
def test_an_ec_signature_of_a_hash_verifies(hash_: hashes.HashAlgorithm) -> None:
    digest = hashlib.new(hash_.name, MESSAGE).digest()
    _verifier(P256).verify(P256.sign(0x70, digest), digest, ec.ECDSA(utils.Prehashed(hash_)))


def test_an_ec_key_signs_no_empty_hash() -> None:
    assert _refused(P256, 0x70, b"") == SW.WRONG_DATA
    assert P256.sign(0x73, b"")


def test_an_algorithm_of_the_other_kind_of_key_is_refused() -> None:
    for algorithm, (scheme, _) in ALGORITHMS.items():
        other = rsa_key(1024) if scheme is Scheme.ECDSA else P256
        assert _refused(other, algorithm, bytes(32)) == SW.UNSUPPORTED_FOR_KEY


@pytest.mark.parametrize("algorithm", [0x00, 0x21, 0x32, 0x76, 0xFF])
def test_an_unknown_algorithm_is_refused(algorithm: int) -> None:
    assert _refused(rsa_key(1024), algorithm, bytes(128)) == SW.WRONG_P1P2
    assert _refused(P256, algorithm, bytes(32)) == SW.WRONG_P1P2


def test_an_agreement_is_that_of_openssl() -> None:
    peer = ec.derive_private_key(0xBEEF, ec.SECP256R1())
    mine = P256.agree(P256.curve.multiply(0xBEEF, P256.curve.generator))
    assert mine[:1] == b"\x04"
    assert mine[1:33] == peer.exchange(ec.ECDH(), _verifier(P256))


def test_a_foreign_point_is_refused() -> None:
    with pytest.raises(CardError) as caught:
        P256.agree(Curve.by_name("secp256k1").generator)
    assert caught.value.sw == SW.WRONG_DATA


@pytest.mark.parametrize("name", NAMES)
def test_an_ec_key_is_read_back(name: str) -> None:
    key = EcKey.generate(Curve.by_name(name))
    assert 1 <= key.secret < key.curve.order
    assert str(key.bits) in re.findall("[0-9]+", name)
    assert deserialise(serialise(key)) == key


def test_an_rsa_key_is_read_back() -> None:
    read = deserialise(serialise(rsa_key()))
    assert read == rsa_key()
    assert read != deserialise(serialise(rsa_key(1024)))


def test_printed_keys_show_no_secret() -> None:
    assert repr(rsa_key()) == "<RSA key of 2048 bits>"
    assert repr(P256) == "<EC key on secp256r1>"


def _rsa_bytes(p: int, q: int, exponent: int) -> bytes:
    return tlv.join((0x81, p.to_bytes(200)), (0x82, q.to_bytes(200)), (0x83, exponent.to_bytes(4)))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(lambda: b"", "no key", id="nothing"),
        pytest.param(lambda: serialise(P256)[:-1], "cut short", id="cut short"),
        pytest.param(lambda: serialise(P256) + serialise(P256), "no key", id="two keys"),
        pytest.param(lambda: tlv.join((0x84, b"secp1r1"), (0x85, b"\1")), "no curve", id="unknown curve"),
        pytest.param(lambda: tlv.join((0x84, b"\xff"), (0x85, b"\1")), "utf-8", id="no name"),
        pytest.param(lambda: tlv.join((0x84, b"secp256r1"), (0x85, b"\0")), "secret", id="secret zero"),
        pytest.param(
            lambda: tlv.join((0x84, b"secp256r1"), (0x85, b"\xff" * 32)), "secret", id="large secret"
        ),
        pytest.param(lambda: _rsa_bytes(1, 1, 3), "size", id="modulus too small"),
        pytest.param(lambda: _rsa_bytes(rsa_key().p, 0, 3), "size", id="modulus zero"),
        pytest.param(lambda: _rsa_bytes(rsa_key().p, rsa_key().q, 5), "exponent", id="other exponent"),
        pytest.param(lambda: _rsa_bytes(rsa_key().p, rsa_key().p, 65537), "factors", id="one factor twice"),
        pytest.param(lambda: _rsa_bytes((1 << 1024) - 3, (1 << 1024) - 5, 3), "factors", id="no inverse"),
    ],
)
def test_bytes_that_are_no_key_are_refused(make: Callable[[], bytes], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        deserialise(make())


@given(
    st.binary(max_size=100)
    | st.lists(st.tuples(st.sampled_from(range(0x81, 0x86)), st.binary())).map(lambda pairs: tlv.join(*pairs))
)
def test_any_bytes_are_a_key_or_a_value_error(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        deserialise(data)
