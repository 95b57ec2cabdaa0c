"""What is stored can be opened without this program, and what others sealed can be opened with it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from bank_vaults.domain import names
from bank_vaults.hsm.client import TokenClient, TokenError, ValueDamagedError
from bank_vaults.keystores.base import StoreError
from bank_vaults.keystores.hsm import BlobFormat, OnToken, Sealed
from tests.support.binaries import ServerKind
from tests.support.hsm import LABEL, HsmPlace
from tests.support.pkcs11_modules import EVER
from tests.support.servers import Server, unseal

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def client(hsm: HsmPlace) -> Iterator[TokenClient]:
    """A token whose private key this test has as well."""
    hsm.softhsm.import_key(LABEL, rsa_key())
    with hsm.client() as client:
        yield client


class OpenSsl:
    """``openssl pkeyutl`` with the key of the token."""

    def __init__(self, key: rsa.RSAPrivateKey, directory: Path) -> None:
        self._key = directory / "key.pem"
        self._key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def encrypt(self, value: bytes, mode: str) -> bytes:
        return self._run("-encrypt", value, mode)

    def decrypt(self, block: bytes, mode: str) -> bytes:
        return self._run("-decrypt", block, mode)

    def _run(self, what: str, data: bytes, mode: str) -> bytes:
        command = [
            "openssl",
            "pkeyutl",
            what,
            "-inkey",
            str(self._key),
            "-pkeyopt",
            f"rsa_padding_mode:{mode}",
        ]
        return subprocess.run(command, input=data, capture_output=True, check=True, timeout=30).stdout


@pytest.fixture
def openssl(tmp_path: Path) -> OpenSsl:
    return OpenSsl(rsa_key(), tmp_path)


# the envelope, as docs/storage.md describes it


def _fingerprint(key: Key) -> bytes:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    return digest.finalize()


def _agreed(secret: bytes, point: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, point, b"bank-vaults envelope 1 data key").derive(secret)


def _opened(stored: bytes, name: str, key: Key) -> bytes:
    assert stored[:5] == b"BVEV\1"
    assert stored[7:39] == _fingerprint(key)
    end = 57 + int.from_bytes(stored[55:57])
    wrapped = stored[57:end]
    if isinstance(key, rsa.RSAPrivateKey):
        hash_ = {1: hashes.SHA1(), 2: hashes.SHA256()}[stored[5]]
        data_key = key.decrypt(wrapped, padding.OAEP(padding.MGF1(hash_), hash_, None))
    else:
        assert stored[5] == 3
        theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), wrapped[:65])
        data_key = keywrap.aes_key_unwrap(
            _agreed(key.exchange(ec.ECDH(), theirs), wrapped[:65]), wrapped[65:]
        )
    return AESGCM(data_key).decrypt(stored[end : end + 12], stored[end + 12 :], stored[:end] + name.encode())


def _sealed(value: bytes, name: str, key: Key) -> bytes:
    data_key = os.urandom(32)
    if isinstance(key, rsa.RSAPrivateKey):
        wrapping, hash_ = 1, hashes.SHA1()
        wrapped = key.public_key().encrypt(data_key, padding.OAEP(padding.MGF1(hash_), hash_, None))
    else:
        wrapping, ours = 3, ec.generate_private_key(ec.SECP256R1())
        point = ours.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        secret = ours.exchange(ec.ECDH(), key.public_key())
        wrapped = point + keywrap.aes_key_wrap(_agreed(secret, point), data_key)
    head = b"BVEV\1" + bytes((wrapping, 1)) + _fingerprint(key) + os.urandom(16)
    head += len(wrapped).to_bytes(2) + wrapped
    nonce = bytes(4) + os.urandom(8)
    return head + nonce + AESGCM(data_key).encrypt(nonce, value, head + name.encode())


@pytest.mark.parametrize("key", [rsa_key(), ec_key()], ids=["rsa", "ec"])
def test_an_envelope_is_opened_and_made_by_the_description_alone(key: Key, hsm: HsmPlace) -> None:
    hsm.softhsm.import_key(LABEL, key)
    with hsm.client() as client:
        assert _opened(client.seal("vault-root", b"s.token", None), "vault-root", key) == b"s.token"
        assert client.open("vault-root", _sealed(b"s.token", "vault-root", key)) == b"s.token"
        with pytest.raises(ValueDamagedError, match="another name"):
            client.open("vault-root", _sealed(b"s.token", "vault-unseal-0", key))


# the older formats


@pytest.mark.parametrize("mode", ["oaep", "pkcs1"])
def test_what_openssl_encrypted_is_opened(mode: str, client: TokenClient, openssl: OpenSsl) -> None:
    share = b"0123456789abcdef" * 4 + b"01"
    assert client.open("vault-unseal-0", openssl.encrypt(share, mode)) == share


@pytest.mark.parametrize("value", [b"s.token", b"", b"x" * 214])
def test_what_is_written_in_the_older_format_openssl_decrypts(
    value: bytes, client: TokenClient, openssl: OpenSsl
) -> None:
    assert openssl.decrypt(client.seal_raw(value), "oaep") == value


def test_a_damaged_older_value_costs_neither_the_process_nor_the_login(
    client: TokenClient, openssl: OpenSsl, hsm: HsmPlace
) -> None:
    block = openssl.encrypt(b"s.token", "oaep")
    with pytest.raises(ValueDamagedError, match="is damaged, or was encrypted to another key pair"):
        client.open("vault-root", b"\xff" * 256)  # no block of this key, whatever its padding
    with pytest.raises(ValueDamagedError, match="of no known format: 255 bytes"):
        client.open("vault-root", block[:-1])
    assert client.open("vault-root", block) == b"s.token"
    assert hsm.faulty.count("C_Login") == 1


def test_a_token_that_fails_at_an_older_value_is_not_taken_for_a_damaged_one(
    client: TokenClient, openssl: OpenSsl, hsm: HsmPlace
) -> None:
    client.bind()
    hsm.faulty.plan(f"C_DecryptInit 1 {EVER} 0x30")
    with pytest.raises(TokenError, match="C_DecryptInit: CKR_DEVICE_ERROR"):
        client.open("vault-root", openssl.encrypt(b"s.token", "oaep"))


def test_a_server_that_is_initialised_for_the_older_program_has_its_keys_in_the_older_format(
    server_kind: ServerKind, hsm: HsmPlace, openssl: OpenSsl
) -> None:
    hsm.softhsm.import_key(LABEL, rsa_key())
    with Server(server_kind) as server:
        done = hsm.run("unseal", "--once", "--init", "--hsm-blob-format=raw", server=server)
        assert done.code == 0, done.log
        stored = hsm.stored()
        assert sorted(stored) == sorted([*map(names.unseal, range(5)), names.ROOT])
        keys = {name: openssl.decrypt(value, "oaep").decode() for name, value in stored.items()}
        assert keys == hsm.values()


def test_a_store_of_the_older_format_unseals_and_stays_what_it_is(
    server_kind: ServerKind, hsm: HsmPlace, openssl: OpenSsl
) -> None:
    hsm.softhsm.import_key(LABEL, rsa_key())
    with Server(server_kind, storage="raft") as server:
        assert hsm.run("unseal", "--once", "--init", "--hsm-blob-format=raw", server=server).code == 0
        keys = hsm.values()
        with hsm.client() as client:  # half of them as the oldest versions wrote them
            for name in (names.unseal(0), names.unseal(2), names.ROOT):
                client.replace(name, openssl.encrypt(keys[name].encode(), "pkcs1"))
        server.restart()
        assert hsm.run("unseal", "--once", server=server).code == 0
        with hsm.client() as client:
            store = Sealed(client, OnToken(client), BlobFormat.AUTO)
            store.put(names.ROOT, b"another")
        assert openssl.decrypt(hsm.stored()[names.ROOT], "oaep") == b"another"
        server.restart()
        unseal(server, [keys[names.unseal(number)] for number in (0, 1, 2)])


# replacing


def test_a_replacement_that_is_killed_again_and_again_leaves_the_newest_value_in_force(
    client: TokenClient, hsm: HsmPlace
) -> None:
    """SoftHSM shows its objects in another order after each start."""
    store = Sealed(client, OnToken(client), BlobFormat.AUTO)
    store.create(names.ROOT, b"value 0")
    for count in range(1, 4):
        hsm.faulty.plan(f"C_DestroyObject 1 {EVER} kill")
        with pytest.raises(StoreError, match=r"failed \(code -9\)"):
            store.put(names.ROOT, b"value %d" % count)
        hsm.faulty.plan()
        assert len(client.values(names.ROOT)) > count
        client.close()
        assert store.get(names.ROOT) == b"value %d" % count
    store.put(names.ROOT, b"the last")
    assert len(client.values(names.ROOT)) == 1
    assert store.get(names.ROOT) == b"the last"


# values of two initialisations under one key pair


def test_values_that_were_exchanged_between_two_servers_of_one_key_pair_are_noticed_on_reading(
    server_kind: ServerKind, hsm: HsmPlace
) -> None:
    hsm.softhsm.import_key(LABEL, rsa_key())
    with Server(server_kind) as other:
        assert hsm.run("unseal", "--once", "--init", server=other).code == 0
    foreign = hsm.stored()
    with hsm.client() as client:
        for name in foreign:
            client.delete(name)
    with Server(server_kind, storage="raft") as server:
        assert hsm.run("unseal", "--once", "--init", server=server).code == 0
        with hsm.client() as client:
            for name in (names.unseal(1), names.ROOT):
                client.replace(name, foreign[name])
            with pytest.raises(StoreError, match="'vault-root': it is of initialisation"):
                Sealed(client, OnToken(client), BlobFormat.AUTO).get(names.ROOT)
        server.restart()
        done = hsm.run("unseal", "--once", server=server)
        assert done.code == 0, done.log
        assert "vault-unseal-1 is of initialisation" in done.log
        with hsm.client() as client:
            for number in (0, 2):
                client.replace(names.unseal(number), foreign[names.unseal(number)])
        server.restart()
        done = hsm.run("unseal", "--once", server=server)
        assert done.code != 0
        server.restart()
        with hsm.client() as client:
            client.replace(names.unseal(4), foreign[names.unseal(4)])
            client.delete(names.unseal(0))
            client.delete(names.unseal(1))
        done = hsm.run("unseal", "--once", server=server)
        assert done.code != 0
        assert "the server needs 3" in done.log
