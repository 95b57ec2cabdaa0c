"""Our values on a token are known by name, format, key and age; others are told apart."""

from __future__ import annotations

import pytest

from bank_vaults.domain import envelope
from bank_vaults.domain.envelope import DataKey, Envelope, Wrapping
from bank_vaults.hsm.inventory import Format, Item, Role, items, role
from bank_vaults.hsm.survey import Kind, ObjectView

KEY, SET = b"k" * 32, b"s" * 16
DATA_KEY = DataKey(Wrapping.RSA_OAEP_SHA256, KEY, SET, b"w" * 256)
ENVELOPE = envelope.encode(Envelope(DATA_KEY, envelope.nonce(0, bytes(8)), b"v" * 20))
REPLACEMENT = envelope.encode(Envelope(DATA_KEY, envelope.nonce(1, bytes(8)), b"v" * 30))
PAIR = ObjectView(Kind.PUBLIC_KEY, "bank-vaults", False, b"\1", "RSA", 2048, KEY)


def data(label: str, value: bytes) -> ObjectView:
    return ObjectView(Kind.DATA, label, True, value=value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vault-root", Role.KEY),
        ("vault-unseal-0", Role.KEY),
        ("vault-recovery-12", Role.KEY),
        ("vault-init-answer", Role.ANSWER),
        ("vault-init-answer-2", Role.ANSWER),
        ("vault-init-journal", Role.JOURNAL),
        ("vault-init-journal-3", Role.JOURNAL),
        ("vault-test", Role.TEST),
        ("vault-test-abc", Role.TEST),
        ("vault-unseal-x", Role.FOREIGN),
        ("vault-", Role.FOREIGN),
        ("vault-init-journals", Role.FOREIGN),
    ],
)
def test_the_name_tells_what_a_value_is(name: str, expected: Role) -> None:
    assert role(name) is expected


def test_an_envelope_tells_its_key_and_its_initialisation() -> None:
    (item,) = items([PAIR, data("vault-root", ENVELOPE)])
    assert item == Item("vault-root", Role.KEY, len(ENVELOPE), Format.ENVELOPE, KEY, SET, True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"r" * 256, Format.RAW),
        (b"r" * 255, Format.UNKNOWN),
        (b"", Format.UNKNOWN),
        (ENVELOPE[:60], Format.UNKNOWN),
        (b"BVEV" + b"\xff" * 252, Format.UNKNOWN),  # of a later version, as long as an RSA block
    ],
)
def test_a_value_that_is_no_envelope_is_of_the_older_format_by_its_size(
    value: bytes, expected: Format
) -> None:
    (item,) = items([PAIR, data("vault-root", value)])
    assert (item.format, item.key, item.set_id) == (expected, b"", b"")


def test_without_an_rsa_key_nothing_is_of_the_older_format() -> None:
    (item,) = items([PAIR._replace(key_type="EC", bits=256), data("vault-root", b"r" * 32)])
    assert item.format is Format.UNKNOWN


def test_of_two_values_of_one_name_the_younger_is_the_one_that_counts() -> None:
    found = items([data("vault-root", b"old"), data("vault-test", b"?"), data("vault-root", b"younger")])
    assert [(item.name, item.size, item.newest) for item in found] == [
        ("vault-root", 7, True),
        ("vault-root", 3, False),
        ("vault-test", 1, True),
    ]


def test_an_envelope_knows_that_it_is_a_replacement_wherever_the_token_lists_it() -> None:
    for values in ((ENVELOPE, REPLACEMENT), (REPLACEMENT, ENVELOPE)):
        newest, older = items([PAIR, *(data("vault-root", value) for value in values)])
        assert (newest.size, newest.newest) == (len(REPLACEMENT), True)
        assert (older.size, older.newest) == (len(ENVELOPE), False)


def test_the_most_precious_come_first_and_other_objects_not_at_all() -> None:
    labels = ("vault-x", "vault-test", "vault-init-journal", "vault-init-answer", "vault-unseal-0", "theirs")
    found = items([PAIR, *(data(label, b"") for label in labels)])
    assert [item.name for item in found] == [
        "vault-unseal-0",
        "vault-init-answer",
        "vault-init-journal",
        "vault-test",
        "vault-x",
    ]
