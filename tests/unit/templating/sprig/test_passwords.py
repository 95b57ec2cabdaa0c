"""Promises of the functions for passwords."""

from __future__ import annotations

import bcrypt
import pytest

from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.sprig import passwords

OF_GO = "tFuNq4PlHXLx19dbVgQVxN5nWb/EjgVEwEdyjJLZwgI="
"""``encryptAES "pw" "text"`` by sprig itself."""


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_ROUNDS", 4)


@pytest.mark.usefixtures("cheap")
def test_a_hash_is_one_that_go_knows_and_fits_its_password() -> None:
    user, _, hashed = passwords.htpasswd("user", "pässword").partition(":")
    assert (user, hashed[:4]) == ("user", "$2a$")
    assert bcrypt.checkpw("pässword".encode(), hashed.encode())
    assert passwords.bcrypt("x" * 72).startswith("$2a$")


def test_a_password_hash_takes_as_many_rounds_as_gos() -> None:
    assert passwords.bcrypt("").startswith("$2a$10$")


def test_what_cannot_be_hashed_is_told_in_the_text() -> None:
    reason = "failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes"
    assert passwords.bcrypt("é" * 37) == reason
    assert passwords.htpasswd("user", "x" * 73) == f"user:{reason}"
    assert passwords.htpasswd("a:b", "x") == "invalid username: a:b"


@pytest.mark.parametrize(
    ("counter", "kind", "password", "user", "expected"),
    [
        (1, "long", "password", "user", "ZedaFaxcZaso9*"),
        (1, "pin", "password", "user", "6685"),
        (2, "long", "pässword", "üser", "FafhVuhaKagr0'"),
        (1, "foo", "password", "user", "cannot find password template foo"),
    ],
)
def test_a_derived_password_is_the_one_that_sprig_derives(
    counter: int, kind: str, password: str, user: str, expected: str
) -> None:
    assert passwords.derive_password(counter, kind, password, user, "example.com") == expected


def test_what_sprig_encrypted_is_decrypted() -> None:
    assert passwords.decrypt_aes("pw", OF_GO) == "text"


@pytest.mark.parametrize("text", ["", "text", "0123456789abcdef", "é\n", "\udcff"])
def test_what_was_encrypted_is_decrypted(text: str) -> None:
    encrypted = passwords.encrypt_aes("x" * 40, text)
    assert passwords.decrypt_aes("x" * 32, encrypted) == text
    assert passwords.encrypt_aes("x" * 40, text) != encrypted


def test_nothing_is_decrypted_to_nothing() -> None:
    assert passwords.decrypt_aes("pw", "") == ""


@pytest.mark.parametrize(
    ("encrypted", "expected"),
    [
        ("!", "illegal base64 data at input byte 0"),
        ("AAAA", "runtime error: slice bounds out of range [:16] with capacity 3"),
        ("AAAAAAAAAAAAAAAAAAAAAA==", "runtime error: index out of range [-1]"),
        ("eHh4eHh4eHh4eHh4eHh4eHg=", "crypto/cipher: input not full blocks"),
        (
            "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg=",
            "runtime error: slice bounds out of range [:-190]",
        ),
    ],
)
def test_what_cannot_be_decrypted_is_refused_in_the_words_of_go(encrypted: str, expected: str) -> None:
    with pytest.raises(FunctionError) as refused:
        passwords.decrypt_aes("pw", encrypted)
    assert str(refused.value) == expected


def test_a_text_that_would_become_too_long_is_not_encrypted() -> None:
    with pytest.raises(FunctionError, match=r"^the result would have 67108900 characters"):
        passwords.encrypt_aes("pw", "x" * (3 * 16777225))
