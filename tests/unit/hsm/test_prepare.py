"""Nothing is destroyed that was not named, and no SO-PIN is guessed."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bank_vaults.domain.secrets import Secret
from bank_vaults.hsm.binding import ModuleInfo, SlotInfo, TokenInfo
from bank_vaults.hsm.ck import SlotFlag, TokenFlag
from bank_vaults.hsm.prepare import NotPlannedError, Plan, Wishes, described, plan
from bank_vaults.hsm.selection import SelectionError, TokenCriteria
from bank_vaults.hsm.survey import Kind, ObjectView, SlotView, Survey

BOTH = TokenFlag.TOKEN_INITIALIZED | TokenFlag.USER_PIN_INITIALIZED
FIRST_SLOT = TokenCriteria(slot=0)
PAIR = ObjectView(Kind.PUBLIC_KEY, "bank-vaults", False, b"\1", "RSA", 2048)


def token(
    serial: str = "DENK0100001", flags: TokenFlag = BOTH, maker: str = "www.CardContact.de"
) -> TokenInfo:
    return TokenInfo("label", maker, "PKCS#15 emulated", serial, flags, 4, 8, "3.5")


def seen(*tokens: TokenInfo, objects: tuple[ObjectView, ...] = (), error: str = "") -> Survey:
    info = SlotInfo("Reader", "", SlotFlag.TOKEN_PRESENT)
    slots = tuple(SlotView(4 * n, info, token, (), objects, error) for n, token in enumerate(tokens))
    return Survey(ModuleInfo("2.20", "OpenSC Project", "", "0.26"), True, slots)


def wishes(**changed: Any) -> Wishes:
    usual = Wishes("bank-vaults", Secret("banzai"), Secret("3537363231383830"), False, "")
    return usual._replace(**changed)


def planned(survey: Survey, wished: Wishes | None = None, criteria: TokenCriteria = FIRST_SLOT) -> Plan:
    return plan(survey, criteria, wished or wishes())


def test_a_token_behind_another_module_than_the_one_of_the_uri_stays() -> None:
    with pytest.raises(NotPlannedError, match="the manufacturer 'OpenSC Project', not 'SoftHSM'"):
        planned(seen(token()), criteria=FIRST_SLOT._replace(library_manufacturer="SoftHSM"))


def test_an_empty_token_is_initialised_with_the_so_pin_that_is_given() -> None:
    decided = planned(seen(token()))
    assert decided.so_pin == Secret("3537363231383830")
    assert not decided.so_pin_is_random
    assert not decided.so_pin_is_new


@pytest.mark.parametrize(
    "fresh",
    [
        token(flags=TokenFlag.TOKEN_INITIALIZED),  # OpenSC 0.26 and later
        token(flags=TokenFlag(0), maker="SoftHSM project"),
    ],
)
def test_a_token_that_was_never_initialised_gets_a_random_so_pin(fresh: TokenInfo) -> None:
    first, second = (planned(seen(fresh), wishes(so_pin=None)) for _ in range(2))
    assert first.so_pin_is_random
    assert first.so_pin_is_new
    assert re.fullmatch(r"[0-9a-f]{16}", first.so_pin.reveal())
    assert first.so_pin != second.so_pin


@pytest.mark.parametrize("used", [token(), token(flags=TokenFlag.TOKEN_INITIALIZED, maker="SoftHSM project")])
def test_the_so_pin_of_a_token_that_says_it_has_one_is_not_guessed(used: TokenInfo) -> None:
    with pytest.raises(NotPlannedError, match=r"--so-pin-file, or --new-token"):
        planned(seen(used), wishes(so_pin=None))


def test_a_person_may_say_that_a_token_is_new_all_the_same() -> None:
    decided = planned(seen(token()), wishes(so_pin=None, new_token=True))
    assert decided.so_pin_is_random
    assert decided.so_pin_is_new
    with pytest.raises(NotPlannedError, match="never initialised"):
        planned(
            seen(token(), objects=(PAIR,)),
            wishes(so_pin=None, new_token=True, destroy_keys="DENK0100001"),
        )


def test_keys_are_destroyed_only_if_their_token_is_named() -> None:
    survey = seen(token(), objects=(PAIR,))
    with pytest.raises(NotPlannedError, match=r"key pair 'bank-vaults'.*--destroy-keys DENK0100001"):
        planned(survey)
    assert planned(survey, wishes(destroy_keys="DENK0100001")).slot.objects == (PAIR,)


def test_what_cannot_be_seen_is_not_destroyed_either() -> None:
    with pytest.raises(NotPlannedError, match="cannot be read: C_OpenSession: CKR_DEVICE_ERROR"):
        planned(seen(token(), error="C_OpenSession: CKR_DEVICE_ERROR"))


@pytest.mark.parametrize("objects", [(), (PAIR,)])
def test_the_name_of_another_token_is_no_leave(objects: tuple[ObjectView, ...]) -> None:
    with pytest.raises(NotPlannedError, match="--destroy-keys names 'DENK0100002'"):
        planned(seen(token(), objects=objects), wishes(destroy_keys="DENK0100002"))


def test_among_several_tokens_the_slot_alone_is_not_enough_to_destroy() -> None:
    survey = seen(token(), token("DENK0100002"))
    with pytest.raises(NotPlannedError, match="nothing is destroyed by the slot alone"):
        planned(survey)
    chosen = planned(survey, criteria=TokenCriteria(serial="DENK0100002", slot=0))
    assert chosen.slot.id == 4
    assert planned(survey, wishes(destroy_keys="DENK0100001")).slot.id == 0
    fresh = seen(token(flags=TokenFlag.TOKEN_INITIALIZED), token("DENK0100002"))
    assert planned(fresh).slot.id == 0
    with pytest.raises(SelectionError):
        planned(survey, criteria=TokenCriteria(label="label", slot=0))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"pin": Secret("1" * 5)}, "6 to 15 bytes"),
        ({"pin": Secret("1" * 16)}, "6 to 15 bytes"),
        ({"so_pin": Secret("banzaicloud")}, "16 hexadecimal digits"),
        ({"so_pin": Secret("35373632313838300")}, "16 hexadecimal digits"),
        ({"label": ""}, "--label"),
        ({"label": "x" * 33}, "--label"),
        ({"label": "ends with a blank "}, "--label"),
        ({"label": "bank-vaults (UserPIN)"}, "--label"),
    ],
)
def test_what_a_smartcard_hsm_would_refuse_is_not_tried(changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(NotPlannedError, match=sentence) as caught:
        planned(seen(token()), wishes(**changed))
    assert "banzai" not in str(caught.value)


def test_other_tokens_have_the_limits_that_they_show() -> None:
    other = token(maker="SoftHSM project")
    assert planned(seen(other), wishes(pin=Secret("1234"), so_pin=Secret("banzaicloud")))
    with pytest.raises(NotPlannedError, match="4 to 8 bytes"):
        planned(seen(other), wishes(pin=Secret("123456789")))


def test_objects_are_told_in_a_few_words() -> None:
    private = ObjectView(Kind.PRIVATE_KEY, "bank-vaults", True)
    values = [ObjectView(Kind.DATA, label, True) for label in ("vault-root", "other")]
    words = described([PAIR, private, *values])
    assert words == "the key pair 'bank-vaults', 2 of kind data (vault-root, other)"
    assert described([]) == ""
