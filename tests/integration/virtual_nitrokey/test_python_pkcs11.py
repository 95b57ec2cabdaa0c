"""A client that is neither ours nor OpenSC's finds in the stick what it finds in any token."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import ecdsa
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.integration.virtual_nitrokey.bench import LABEL, LOGIN, PIN, SERIAL, Bench, Prepared
from tests.integration.virtual_nitrokey.client import Client
from tests.support.opensc import OpenSC
from virtual_nitrokey.curves import Curve
from virtual_nitrokey.rig import Rig

MESSAGE = b"what is signed"
PLAINTEXT = b"vault-unseal-0"
CURVES = (
    *(ecdsa.NIST192p, ecdsa.NIST256p, ecdsa.NIST384p, ecdsa.NIST521p, ecdsa.SECP256k1),
    Curve.by_name("secp192k1")._arithmetic,  # python-ecdsa lacks it
    *(ecdsa.BRAINPOOLP192r1, ecdsa.BRAINPOOLP224r1, ecdsa.BRAINPOOLP256r1),
    *(ecdsa.BRAINPOOLP320r1, ecdsa.BRAINPOOLP384r1, ecdsa.BRAINPOOLP512r1),
)
HASHES: dict[str, hashes.HashAlgorithm] = {
    "SHA_1": hashes.SHA1(),
    "SHA256": hashes.SHA256(),
    "SHA512": hashes.SHA512(),
}


@pytest.fixture(scope="module")
def user(prepared: Prepared, opensc: OpenSC, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Logged in, with the keys ``rsa`` and ``ec`` that it made."""
    with (
        Rig([prepared.initialised]) as rig,
        Client(Bench(rig, opensc, tmp_path_factory.mktemp("p"))) as client,
    ):
        client.log_in()
        client.call("generate_rsa", label="rsa", bits=2048)
        client.call("generate_ec", label="ec", curve="secp256r1")
        yield client


def rsa_key(client: Client) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(65537, int(client.call("modulus", label="rsa"), 16)).public_key()


def ec_key(client: Client) -> ec.EllipticCurvePublicKey:
    point = bytes.fromhex(client.call("point", label="ec"))[2:]  # without tag and length of the OCTET STRING
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)


def test_it_finds_the_token_by_its_label_and_serial_number(user: Client) -> None:
    label, serial = user.call("token")
    assert label in (LABEL, f"{LABEL} (UserPIN)")
    assert serial == SERIAL
    flags = {"RNG", "LOGIN_REQUIRED", "USER_PIN_INITIALIZED", "TOKEN_INITIALIZED"}
    assert set(user.call("flags")) == flags


def test_it_finds_the_keys_that_it_made(user: Client) -> None:
    assert user.call("objects") == [
        ["PRIVATE_KEY", "rsa"],
        ["PRIVATE_KEY", "ec"],
        ["PUBLIC_KEY", "rsa"],
        ["PUBLIC_KEY", "ec"],
    ]


@pytest.mark.parametrize("name", HASHES)
def test_it_decrypts_what_was_encrypted_outside(user: Client, name: str) -> None:
    oaep = padding.OAEP(padding.MGF1(HASHES[name]), HASHES[name], None)
    ciphertext = rsa_key(user).encrypt(PLAINTEXT, oaep).hex()
    assert user.call("decrypt", ciphertext=ciphertext, hash_name=name, label="rsa") == PLAINTEXT.hex()


def test_it_signs_what_is_verified_outside(user: Client) -> None:
    by_rsa = user.call("sign", label="rsa", data=MESSAGE.hex())
    rsa_key(user).verify(bytes.fromhex(by_rsa), MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    by_ec = bytes.fromhex(user.call("sign", label="ec", data=MESSAGE.hex(), mechanism="ECDSA_SHA256"))
    halves = (int.from_bytes(half, "big") for half in (by_ec[:32], by_ec[32:]))
    ec_key(user).verify(encode_dss_signature(*halves), MESSAGE, ec.ECDSA(hashes.SHA256()))


def test_it_agrees_on_a_secret_with_another_key(user: Client) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    point = other.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    assert user.call("derive", point=point.hex(), label="ec") == other.exchange(ec.ECDH(), ec_key(user)).hex()


def test_it_has_keys_on_every_curve_that_opensc_offers(initialised: Bench) -> None:
    with Client(initialised) as client:
        client.log_in()
        for curve in CURVES:
            oid = ".".join(map(str, curve.oid))
            client.call("generate_ec", label=oid, curve=oid)
            signature = client.call("sign", label=oid, data=MESSAGE.hex(), mechanism="ECDSA_SHA256")
            point = bytes.fromhex(client.call("point", label=oid))
            uncompressed = point[-curve.verifying_key_length - 1 :]  # without tag and length
            key = ecdsa.VerifyingKey.from_string(uncompressed, curve)
            assert key.verify(bytes.fromhex(signature), MESSAGE, hashlib.sha256, allow_truncate=True)


def test_it_writes_lists_reads_and_deletes_data_objects(initialised: Bench) -> None:
    with Client(initialised) as user:
        user.log_in()
        user.call("write", label="public", value="01")
        user.call("write", label="private", value="02", private=True)
    with Client(initialised) as visitor:
        visitor.call("open", pin=None)
        assert visitor.call("objects") == [["DATA", "public"]]
        assert [visitor.call("read", label=label) for label in ("public", "private")] == [["01"], []]
    with Client(initialised) as user:
        user.log_in()
        assert [user.call("read", label=label) for label in ("public", "private")] == [["01"], ["02"]]
        user.call("delete", label="private")
        assert user.call("objects") == [["DATA", "public"]]
    assert initialised.labels(*LOGIN) == [("Data object", "public")]


def test_it_is_told_of_wrong_pins_and_of_the_lock(initialised: Bench) -> None:
    seen: list[tuple[Any, set[str]]] = []
    with Client(initialised) as client:
        usual = set(client.call("flags"))
        for pin in ("wrong-pin", "wrong-pin", "wrong-pin", PIN):
            error = client.error("open", pin=pin)
            seen.append((error, set(client.call("flags")) - usual))
    assert seen == [
        ("PinIncorrect", {"USER_PIN_COUNT_LOW"}),
        ("PinIncorrect", {"USER_PIN_FINAL_TRY"}),
        ("PinLocked", {"USER_PIN_LOCKED"}),
        ("PinLocked", {"USER_PIN_LOCKED"}),
    ]
