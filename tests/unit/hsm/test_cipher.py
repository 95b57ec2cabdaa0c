"""Stored values open with the token's key, under their own name, and only whole."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from bank_vaults.domain.envelope import DataKey, Envelope, Wrapping, decode, encode
from bank_vaults.hsm.cipher import (
    CipherError,
    OpenedKey,
    PublicKey,
    ec_public_key,
    fingerprint,
    new_data_key,
    open_data_key,
    rsa_public_key,
    seal,
    seal_raw,
    unseal,
)

_RSA = rsa.generate_private_key(65537, 2048)
_EC = ec.generate_private_key(ec.SECP256R1())


class _InMemory:
    """A private half without a token, which counts its operations."""

    def __init__(self) -> None:
        self.operations = 0

    def decrypt(self, block: bytes, wrapping: Wrapping | None) -> bytes:
        self.operations += 1
        if wrapping is None:
            return _RSA.decrypt(block, padding.PKCS1v15())
        hash_ = hashes.SHA256() if wrapping is Wrapping.RSA_OAEP_SHA256 else hashes.SHA1()
        return _RSA.decrypt(block, padding.OAEP(padding.MGF1(hash_), hash_, None))

    def agree(self, point: bytes) -> bytes:
        self.operations += 1
        return _EC.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point))


_CASES = [
    pytest.param(_RSA.public_key(), Wrapping.RSA_OAEP_SHA1, id="rsa-sha1"),
    pytest.param(_RSA.public_key(), Wrapping.RSA_OAEP_SHA256, id="rsa-sha256"),
    pytest.param(_EC.public_key(), Wrapping.ECDH_ES_P256, id="ec"),
]


@pytest.mark.parametrize(("public", "wrapping"), _CASES)
def test_all_values_of_one_initialisation_cost_one_private_key_operation(
    public: PublicKey, wrapping: Wrapping
) -> None:
    made, token = new_data_key(public, wrapping), _InMemory()
    stored = {name: seal(made, name, name.encode() * 20) for name in ("vault-root", "vault-unseal-0")}
    keys = {decode(value).key for value in stored.values()}
    assert len(keys) == 1
    opened = open_data_key(keys.pop(), public, token)
    for name, value in stored.items():
        assert unseal(opened, name, decode(value)) == name.encode() * 20
    assert token.operations == 1


def test_a_value_under_another_name_is_not_opened() -> None:
    key = new_data_key(_RSA.public_key(), Wrapping.RSA_OAEP_SHA1)
    with pytest.raises(CipherError, match="another name"):
        unseal(key, "vault-unseal-1", decode(seal(key, "vault-unseal-0", b"share")))


@settings(max_examples=200)
@given(st.data())
def test_no_changed_byte_goes_unnoticed(data: st.DataObject) -> None:
    key = OpenedKey(DataKey(Wrapping.RSA_OAEP_SHA1, bytes(32), bytes(16), bytes(20)), bytes(32))
    stored = bytearray(seal(key, "n", b"share"))
    place = data.draw(st.integers(7, len(stored) - 1).filter(lambda p: p not in (55, 56)))
    stored[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CipherError):
        unseal(key, "n", decode(bytes(stored)))


def test_no_nonce_comes_twice_under_one_data_key() -> None:
    key = OpenedKey(DataKey(Wrapping.RSA_OAEP_SHA1, bytes(32), bytes(16), bytes(20)), bytes(32))
    nonces = {decode(seal(key, "n", b"share", replaced=0)).nonce for _ in range(1000)}
    assert len(nonces) == 1000
    assert {len(nonce) for nonce in nonces} == {12}


def test_a_value_of_another_initialisation_is_not_opened_with_this_key() -> None:
    one, other = (new_data_key(_EC.public_key(), Wrapping.ECDH_ES_P256) for _ in range(2))
    assert one.key.set_id != other.key.set_id
    mixed = Envelope(one.key, *decode(seal(other, "n", b"share"))[1:])
    with pytest.raises(CipherError, match="damaged"):
        unseal(one, "n", decode(encode(mixed)))


def test_a_value_for_another_key_pair_is_refused_before_the_token_is_asked() -> None:
    token, other = _InMemory(), rsa.generate_private_key(65537, 2048).public_key()
    key = new_data_key(other, Wrapping.RSA_OAEP_SHA1).key
    with pytest.raises(CipherError, match="another key pair"):
        open_data_key(key, _RSA.public_key(), token)
    assert token.operations == 0


@pytest.mark.parametrize("tail", [b"", bytes(8), bytes(39), bytes(40), bytes(48)])
def test_a_damaged_wrapped_key_is_told(tail: bytes) -> None:
    key = new_data_key(_EC.public_key(), Wrapping.ECDH_ES_P256).key
    with pytest.raises(CipherError, match="data key is damaged"):
        open_data_key(key._replace(wrapped=key.wrapped[:65] + tail), _EC.public_key(), _InMemory())


def test_a_data_key_of_a_wrong_length_is_not_used() -> None:
    wrapped = seal_raw(_RSA.public_key(), b"short")
    key = DataKey(Wrapping.RSA_OAEP_SHA1, fingerprint(_RSA.public_key()), bytes(16), wrapped)
    with pytest.raises(CipherError, match="wrong length"):
        open_data_key(key, _RSA.public_key(), _InMemory())


def test_the_older_format_is_one_block_of_oaep_with_sha1() -> None:
    stored = seal_raw(_RSA.public_key(), b"x" * 214)
    assert len(stored) == 256
    assert _InMemory().decrypt(stored, Wrapping.RSA_OAEP_SHA1) == b"x" * 214
    with pytest.raises(CipherError, match="at most 214 bytes with this key, not 215"):
        seal_raw(_RSA.public_key(), b"x" * 215)
    with pytest.raises(CipherError, match="needs an RSA key"):
        seal_raw(_EC.public_key(), b"x")


def test_public_keys_are_built_from_what_tokens_show() -> None:
    numbers = _RSA.public_key().public_numbers()
    built = rsa_public_key(numbers.n.to_bytes(257), numbers.e.to_bytes(3))  # a leading zero does no harm
    assert fingerprint(built) == fingerprint(_RSA.public_key())
    point = _EC.public_key().public_numbers()
    bare = b"\4" + point.x.to_bytes(32) + point.y.to_bytes(32)
    short = bytes((2 + point.y % 2,)) + point.x.to_bytes(32)
    for form in (bare, b"\4\x41" + bare, short, b"\4\x21" + short):
        assert fingerprint(ec_public_key(form)) == fingerprint(_EC.public_key())
    with pytest.raises(CipherError, match="not a usable RSA key"):
        rsa_public_key(b"", b"\3")
    with pytest.raises(CipherError, match="P-256"):
        ec_public_key(b"\4" + bytes(96))


def test_a_data_key_is_never_shown() -> None:
    key = new_data_key(_RSA.public_key(), Wrapping.RSA_OAEP_SHA1)
    assert key.plain.hex() not in repr(key)
    assert repr(key.plain) not in repr(key)
