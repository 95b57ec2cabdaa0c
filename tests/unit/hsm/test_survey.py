"""A survey shows every slot as it is, changes nothing, and one bad slot hides no other."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from bank_vaults.hsm import cipher, survey
from bank_vaults.hsm.binding import SlotInfo
from bank_vaults.hsm.ck import Attribute, KeyType, ObjectClass, SlotFlag, TokenFlag
from bank_vaults.hsm.condition import PinCondition, condition
from bank_vaults.hsm.survey import Kind, ObjectView
from tests.unit.hsm.fake_cryptoki import PIN, FakeCryptoki, FakeToken, ec_key, rsa_key


class Module(FakeCryptoki):
    """A module that lends sessions to who only reads."""

    def slot_info(self, slot: int) -> SlotInfo:
        info = super().slot_info(slot)
        return info if self.tokens[slot] else info._replace(flags=SlotFlag(0))

    def mechanisms(self, slot: int) -> frozenset[int]:
        self._called("C_GetMechanismList")
        return frozenset({9, 1})

    def open_session(self, slot: int, *, read_write: bool) -> int:
        assert not read_write
        return super().open_session(slot, read_write=True)

    def close_session(self, session: int) -> None:
        self._called("C_CloseSession")
        del self._sessions[session]


def stick() -> FakeToken:
    token = FakeToken()
    token.add_pair(rsa_key())
    token.add_data("vault-root", b"sealed")
    token.add_data("vault-test\0", b"")
    token.add_data("somebody's", b"secret")
    token.add({Attribute.CLASS: ObjectClass.DATA, Attribute.PRIVATE: True, Attribute.LABEL: "vault-unseal-0"})
    token.add({Attribute.CLASS: ObjectClass.CERTIFICATE, Attribute.LABEL: "paper", Attribute.ID: b"\7"})
    return token


def test_without_a_login_what_is_public_is_shown() -> None:
    module = Module(stick(), None)
    first, second = survey.read(module)
    assert first.token == stick().info()
    assert first.mechanisms == (1, 9)
    assert (second.token, second.objects, second.error) == (None, (), "")
    public = cipher.fingerprint(rsa_key().public_key())
    assert first.objects == (
        ObjectView(Kind.PUBLIC_KEY, "bank-vaults", False, b"\1", "RSA", 2048, public),
        ObjectView(Kind.CERTIFICATE, "paper", False, b"\7"),
        ObjectView(Kind.DATA, "vault-root", False, value=b"sealed"),
        ObjectView(Kind.DATA, "vault-test", False),
        ObjectView(Kind.DATA, "somebody's", False),  # nobody has looked into it
    )


def test_a_survey_presents_no_pin_and_gives_back_its_sessions() -> None:
    module = Module(stick())
    survey.read(module)
    assert "C_Login" not in module.calls
    assert module.calls.count("C_OpenSession") == module.calls.count("C_CloseSession") == 1


def test_after_a_login_private_objects_are_shown_too() -> None:
    module = Module(stick())
    module.login(module.open_session(0, read_write=False), PIN)
    (slot,) = survey.read(module)
    private = {(view.kind, view.label) for view in slot.objects if view.private}
    assert private == {(Kind.PRIVATE_KEY, "bank-vaults"), (Kind.DATA, "vault-unseal-0")}


@pytest.mark.parametrize(
    "function", ["C_GetSlotInfo", "C_GetTokenInfo", "C_GetMechanismList", "C_OpenSession", "C_FindObjects"]
)
def test_a_slot_that_cannot_be_read_says_why_and_hides_no_other(function: str) -> None:
    module = Module(FakeToken("broken"), stick())
    module.fail(function, "CKR_DEVICE_ERROR")
    first, second = survey.read(module)
    assert first.error == f"{function}: CKR_DEVICE_ERROR"
    assert (first.token is None) == (function in ("C_GetSlotInfo", "C_GetTokenInfo"))  # else it is shown
    assert second.error == ""
    assert len(second.objects) == 5
    assert not module._sessions


def test_a_token_without_objects_to_show_is_not_asked_for_any() -> None:
    fresh = FakeToken(label="")
    fresh.flags = TokenFlag(0)
    module = Module(fresh)
    (slot,) = survey.read(module)
    assert slot.error == ""
    assert not {"C_OpenSession", "C_GetMechanismList"} & set(module.calls)


def test_keys_of_other_kinds_have_no_fingerprint() -> None:
    token = FakeToken()
    token.add_public(ec_key(), "ours")
    token.add_public(ec_key(ec.SECP384R1), "another curve")
    token.add({Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.KEY_TYPE: KeyType.RSA})
    token.add({Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: 0x1F, Attribute.LABEL: "aes"})
    (slot,) = survey.read(Module(token))
    ours, curve, broken, aes = slot.objects
    assert (ours.key_type, ours.bits) == ("EC", 256)
    assert ours.fingerprint == cipher.fingerprint(ec_key().public_key())
    assert [view.fingerprint for view in (curve, broken, aes)] == [b"", b"", b""]
    assert (aes.kind, aes.key_type) == (Kind.SECRET_KEY, "0x1f")


def test_a_survey_is_the_same_on_the_other_side_of_the_wire() -> None:
    slots = survey.read(Module(stick(), None))
    crossed = json.loads(json.dumps([slot._replace(objects=()) for slot in slots]))
    back = survey.decoded(crossed)
    assert back == tuple(slot._replace(objects=()) for slot in slots)
    assert back[0].token is not None
    assert isinstance(back[0].token.flags, TokenFlag)
    objects = [[*view[:3], view.id, *view[4:]] for view in slots[0].objects]
    assert survey.decoded([[*crossed[0][:4], objects, ""]])[0].objects == slots[0].objects


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (TokenFlag(0), PinCondition.NOT_INITIALISED),
        (TokenFlag.TOKEN_INITIALIZED, PinCondition.NOT_INITIALISED),
        (TokenFlag.USER_PIN_INITIALIZED, PinCondition.OK),
        (TokenFlag.USER_PIN_INITIALIZED | TokenFlag.USER_PIN_COUNT_LOW, PinCondition.WRONG_TRIED),
        (
            TokenFlag.USER_PIN_INITIALIZED | TokenFlag.USER_PIN_COUNT_LOW | TokenFlag.USER_PIN_FINAL_TRY,
            PinCondition.LAST_TRY,
        ),
        (
            TokenFlag.USER_PIN_INITIALIZED | TokenFlag.USER_PIN_FINAL_TRY | TokenFlag.USER_PIN_LOCKED,
            PinCondition.LOCKED,
        ),
    ],
)
def test_the_worst_of_what_the_flags_say_counts(flags: TokenFlag, expected: PinCondition) -> None:
    assert condition(flags) is expected
