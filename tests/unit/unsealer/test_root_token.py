"""Promises of undoing the one-time password of a generated root token, in both of its forms."""

from __future__ import annotations

import base64
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_vaults.domain.secrets import Secret
from bank_vaults.keystores.file import FileStore
from bank_vaults.unsealer.root_token import RootTokenError, _decode, _shares, stored_root_token
from bank_vaults.vault.sys import RootGeneration
from tests.unit.unsealer.fakes import KEYS, SHARES

STARTED = RootGeneration("n", 3, complete=False, otp=Secret("password"), otp_length=8, encoded=None)


def _xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


def _last(encoded: str) -> RootGeneration:
    return STARTED._replace(complete=True, encoded=Secret(encoded))


tokens = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)


@given(tokens, st.data())
def test_a_token_comes_back_from_its_xor_with_a_text_password(token: str, data: st.DataObject) -> None:
    size = len(token)
    otp = data.draw(st.text(st.characters(min_codepoint=48, max_codepoint=122), min_size=size, max_size=size))
    encoded = base64.b64encode(_xor(token.encode(), otp.encode())).decode().rstrip("=")
    started = STARTED._replace(otp=Secret(otp), otp_length=size)
    assert _decode(started, _last(encoded)).reveal() == token


@given(st.uuids(), st.binary(min_size=16, max_size=16))
def test_an_older_server_gives_a_uuid(token: uuid.UUID, otp: bytes) -> None:
    started = STARTED._replace(otp=Secret(base64.b64encode(otp)), otp_length=0)
    encoded = base64.b64encode(_xor(token.bytes, otp)).decode()
    assert _decode(started, _last(encoded)).reveal() == str(token)


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (STARTED, "did not finish"),
        (STARTED._replace(complete=True), "did not finish"),
        (_last("$$$"), "cannot be decoded"),
        (_last("AAAA"), "another length"),
    ],
)
def test_an_answer_that_is_none_is_an_error_that_shows_nothing(last: RootGeneration, words: str) -> None:
    with pytest.raises(RootTokenError, match=words) as error:
        _decode(STARTED, last)
    assert "password" not in str(error.value).replace("its password", "")


def test_a_root_token_is_generated_from_shares_of_one_initialisation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore(tmp_path)
    for name, key in zip(SHARES, KEYS, strict=True):
        store.put(name, key.encode())
    monkeypatch.setattr(store, "origin", lambda name: "b" if name == SHARES[1] else "a")
    assert [share.reveal() for share in _shares(store, SHARES, 3)] == [KEYS[0], KEYS[2], KEYS[3]]
    with pytest.raises(RootTokenError, match="share 1 is of another initialisation than the others"):
        _shares(store, SHARES, 5)


def test_an_empty_stored_token_is_an_error_and_not_that_of_the_environment(tmp_path: Path) -> None:
    (tmp_path / "vault-root").touch(mode=0o600)
    store = FileStore(tmp_path)
    with (
        pytest.raises(RootTokenError, match="'vault-root' in the key store is empty"),
        stored_root_token(store),
    ):
        pass


def test_a_root_token_that_is_not_stored_is_told_with_the_ways_to_do_without(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    with pytest.raises(RootTokenError, match=r"--store-root-token=false .* --auth"), stored_root_token(store):
        pass
