"""A token or a key is chosen only where there is exactly one; else all candidates are named."""

from __future__ import annotations

import pytest

from bank_vaults.hsm.binding import ModuleInfo, SlotInfo, TokenInfo
from bank_vaults.hsm.ck import KeyType, SlotFlag, TokenFlag
from bank_vaults.hsm.selection import (
    Candidate,
    KeyObject,
    KeyPair,
    SelectionError,
    TokenCriteria,
    another_library,
    choose_key,
    choose_token,
    chosen_by,
    plain_label,
    same_label,
)


def _candidate(slot: int, label: str, serial: str, reader: str = "Nitrokey Nitrokey HSM") -> Candidate:
    return Candidate(
        slot,
        SlotInfo(reader, "Nitrokey", SlotFlag.TOKEN_PRESENT),
        TokenInfo(label, "www.CardContact.de", "PKCS#15 emulated", serial, TokenFlag(0), 6, 15, "3.5"),
    )


_FIRST = _candidate(0, "bank-vaults (UserPIN)", "DENK0100001")
_SECOND = _candidate(4, "bank-vaults", "DENK0100002")
_OTHER = _candidate(8, "mail", "DENK0100003", reader="Other reader")
_ALL = (_FIRST, _SECOND, _OTHER)


@pytest.mark.parametrize(
    "label",
    [
        "bank-vaults",
        "bank-vaults   ",
        "bank-vaults\0\0",
        "bank-vaults (UserPIN)",
        "bank-vaults (UserPIN)\0\0\0",
        "bank-vaults                (UserPIN)",
        "bank-vaults (User PIN)",
    ],
)
def test_a_label_is_known_in_every_form_that_opensc_has_given_it(label: str) -> None:
    assert same_label("bank-vaults", label)
    assert plain_label(label) == "bank-vaults"
    assert same_label(label, "bank-vaults")


def test_a_label_that_opensc_cut_for_its_suffix_is_still_known() -> None:
    long = "a-label-of-exactly-thirty-two-ch"
    assert same_label(long, long[:22] + " (UserPIN)")
    assert not same_label("another-label-of-thirty-two-char", long[:22] + " (UserPIN)")


@pytest.mark.parametrize("label", ["bank-vaults-2", "bank", "", "(UserPIN)", "bank (UserPIN)"])
def test_another_label_is_another_label(label: str) -> None:
    assert not same_label("bank-vaults", label)


@pytest.mark.parametrize(
    ("criteria", "chosen"),
    [
        (TokenCriteria(serial="DENK0100002"), _SECOND),
        (TokenCriteria(label="mail"), _OTHER),
        (TokenCriteria(label="bank-vaults", serial="DENK0100001"), _FIRST),
        (TokenCriteria(slot_description="Other reader"), _OTHER),
        (TokenCriteria(label="mail", slot=4), _OTHER),
    ],
)
def test_what_names_a_token_finds_it_and_the_slot_does_not_count(
    criteria: TokenCriteria, chosen: Candidate
) -> None:
    choice = choose_token(_ALL, criteria)
    assert (choice.candidate, choice.warning) == (chosen, None)


def test_the_slot_of_a_uri_counts_beside_what_else_it_says() -> None:
    choice = choose_token(_ALL, TokenCriteria(label="bank-vaults", slot=4, slot_too=True))
    assert (choice.candidate, choice.warning) == (_SECOND, None)


@pytest.mark.parametrize(
    ("criteria", "words"),
    [
        ({}, ""),
        ({"manufacturer": "OpenSC Project", "description": "smartcards", "version": "0.23"}, ""),
        ({"manufacturer": "SoftHSM"}, "the manufacturer 'OpenSC Project', not 'SoftHSM'"),
        ({"description": "x", "version": "0.23"}, "the description 'smartcards', not 'x'"),
        ({"version": "00.023"}, ""),
        ({"version": "0"}, "the version '0.23', not '0.0'"),  # RFC 7512, 2.3: the minor number is 0
    ],
)
def test_the_library_of_a_uri_is_that_of_the_module(criteria: dict[str, str], words: str) -> None:
    wanted = TokenCriteria(
        library_manufacturer=criteria.get("manufacturer"),
        library_description=criteria.get("description"),
        library_version=criteria.get("version"),
    )
    assert another_library(ModuleInfo("2.20", "OpenSC Project", "smartcards", "0.23"), wanted) == words


@pytest.mark.parametrize(
    ("criteria", "words"),
    [
        (TokenCriteria(slot=4), "slot id"),
        (TokenCriteria(label="mail", slot=4), "label"),
        (TokenCriteria(serial="DENK0100001", slot=4, slot_too=True), "serial and slot"),
    ],
)
def test_it_is_told_by_what_a_token_is_chosen(criteria: TokenCriteria, words: str) -> None:
    assert chosen_by(criteria) == words


def test_a_slot_alone_is_taken_with_a_warning_where_there_are_several_tokens() -> None:
    choice = choose_token(_ALL, TokenCriteria(slot=4))
    assert choice.candidate is _SECOND
    assert choice.slots == tuple(candidate.slot for candidate in _ALL)
    assert "3 tokens" in str(choice.warning)
    assert choose_token((_FIRST,), TokenCriteria(slot=0)).warning is None


@pytest.mark.parametrize(
    ("criteria", "several", "words"),
    [
        (TokenCriteria(label="bank-vaults"), True, "2 tokens with label 'bank-vaults'"),
        (TokenCriteria(label="bank-vaults", slot=4), True, "2 tokens with label 'bank-vaults'"),
        (TokenCriteria(serial="X"), False, "no token with serial 'X'"),
        (TokenCriteria(model="m", manufacturer="n"), False, "manufacturer 'n' and model 'm'"),
        (TokenCriteria(slot=1), False, "no token in slot 1"),
        (TokenCriteria(label="mail", slot=4, slot_too=True), False, "label 'mail' and slot '4'"),
    ],
)
def test_none_or_several_is_an_error_that_lists_the_candidates(
    criteria: TokenCriteria, several: bool, words: str
) -> None:
    with pytest.raises(SelectionError, match=words) as caught:
        choose_token(_ALL, criteria)
    assert caught.value.several is several
    assert "serial 'DENK0100002'" in str(caught.value)


def test_without_any_token_the_error_says_where_to_look() -> None:
    with pytest.raises(SelectionError, match="does pcscd run"):
        choose_token((), TokenCriteria(label="x"))


def _half(
    handle: int, *, private: bool, label: str = "k", key_id: str = "01", type_: int = KeyType.RSA
) -> KeyObject:
    return KeyObject(handle, private, label, bytes.fromhex(key_id), type_)


_PAIR = (_half(1, private=True), _half(2, private=False))


def test_the_halves_of_a_pair_are_matched_by_their_id() -> None:
    objects = (*_PAIR, _half(3, private=False, key_id="02"))
    assert choose_key(objects, "k", None) == KeyPair(1, 2, "k", b"\1", KeyType.RSA)


def test_a_pair_without_ids_is_found_by_its_label() -> None:
    objects = (_half(1, private=True, key_id=""), _half(2, private=False, key_id=""))
    assert choose_key(objects, "k", None) == KeyPair(1, 2, "k", b"", KeyType.RSA)


def test_the_id_tells_two_pairs_of_one_label_apart() -> None:
    objects = (*_PAIR, _half(3, private=True, key_id="02"), _half(4, private=False, key_id="02"))
    assert choose_key(objects, "k", b"\2") == KeyPair(3, 4, "k", b"\2", KeyType.RSA)
    assert choose_key(objects, None, b"\1") == KeyPair(1, 2, "k", b"\1", KeyType.RSA)
    with pytest.raises(SelectionError, match=r"2 private keys with label 'k' \(IDs: 01, 02\)"):
        choose_key(objects, "k", None)


def test_only_neither_half_is_nothing_and_may_lead_to_a_new_pair() -> None:
    assert choose_key((*_PAIR,), "other", None) is None
    assert choose_key((), "k", None) is None


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        (_PAIR[:1], "only one of the keys found with the specified label: the private half"),
        (_PAIR[1:], "only one of the keys found with the specified label: the public half"),
        ((_PAIR[0], _half(2, private=False, key_id="02")), "the private half"),
        ((*_PAIR, _half(3, private=False)), "2 public keys"),
        ((_half(1, private=True, type_=31), _half(2, private=False, type_=31)), "neither an RSA nor"),
        ((_half(1, private=True), _half(2, private=False, type_=KeyType.EC)), "neither an RSA nor"),
    ],
)  # fmt: skip
def test_half_a_pair_or_a_doubtful_one_is_refused(objects: tuple[KeyObject, ...], words: str) -> None:
    with pytest.raises(SelectionError, match=words):
        choose_key(objects, "k", None)
