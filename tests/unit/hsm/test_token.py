"""A token is found, logged in to with care, and its key pair and values are those that were meant."""

from __future__ import annotations

import pytest

from bank_vaults.domain.envelope import Wrapping
from bank_vaults.domain.secrets import Secret
from bank_vaults.hsm import errors
from bank_vaults.hsm.binding import Template
from bank_vaults.hsm.ck import Attribute, KeyType, ObjectClass, TokenFlag
from bank_vaults.hsm.errors import ModuleError, Pkcs11Error
from bank_vaults.hsm.pin import PinMemory, PinMemoryError, PinRefusedError, Refusal, SaltedHash
from bank_vaults.hsm.selection import SelectionError, TokenCriteria
from bank_vaults.hsm.token import Access, NoKeyError, Token
from tests.unit.hsm.fake_cryptoki import (
    FLAGS,
    PIN,
    FakeCryptoki,
    FakeMemory,
    FakeToken,
    ec_key,
    raw,
    rsa_key,
    since,
)

ACCESS = Access(
    criteria=TokenCriteria(label="bank-vaults"),
    key_label="bank-vaults",
    key_id=None,
    pin=Secret(PIN),
    may_generate=False,
)
WRONG = ACCESS._replace(pin=Secret("banana"))
MAY_GENERATE = ACCESS._replace(may_generate=True)


class Place:
    """One token with a key pair, in slot 0, as seen by a module and a memory."""

    def __init__(self, *tokens: FakeToken | None) -> None:
        self.stick = FakeToken()
        self.stick.add_pair(rsa_key())
        self.module = FakeCryptoki(*(tokens or (self.stick,)))
        self.memory = FakeMemory(self.module.calls)
        self.token = Token(self.module, self.memory)


@pytest.fixture
def place() -> Place:
    return Place()


def _logins(place: Place) -> int:
    return place.module.calls.count("C_Login")


# another module


def test_a_module_that_is_not_the_one_of_the_uri_is_not_logged_in_to(place: Place) -> None:
    criteria = TokenCriteria(label="bank-vaults", library_manufacturer="somebody else")
    with pytest.raises(ModuleError, match="not 'somebody else' as --hsm-uri says"):
        place.token.bind(ACCESS._replace(criteria=criteria))
    assert _logins(place) == 0


# the order


def test_a_bind_lists_finds_opens_and_logs_in_between_two_records(place: Place) -> None:
    place.token.bind(ACCESS)
    assert place.module.calls == [
        "C_GetSlotList",
        "C_GetSlotInfo",
        "C_GetTokenInfo",
        "recall",
        "C_OpenSession",
        "remember the attempt",
        "C_Login",
        "remember",
        "C_FindObjects",
        "C_FindObjects",
    ]


def test_the_way_back_closes_all_sessions_before_it_begins_anew(place: Place) -> None:
    place.token.bind(ACCESS)
    place.module.calls.clear()
    place.token.bind(ACCESS)
    assert place.module.calls[:2] == ["C_CloseAllSessions", "C_GetSlotList"]
    assert since(place.module.calls, "recall")[1:4] == ["C_OpenSession", "remember the attempt", "C_Login"]


def test_a_blank_token_is_named_as_such_although_no_session_opens_on_it(place: Place) -> None:
    place.stick.flags = TokenFlag.LOGIN_REQUIRED
    place.module.fail("C_OpenSession", "CKR_TOKEN_NOT_RECOGNIZED")
    with pytest.raises(PinRefusedError, match="has no user PIN yet: initialise it first"):
        place.token.bind(ACCESS)


def test_a_login_that_only_seems_to_last_is_doubt_and_gone_at_the_next_bind(place: Place) -> None:
    place.token.bind(ACCESS)
    place.module.fail("C_CloseAllSessions", "CKR_DEVICE_REMOVED")
    with pytest.raises(Pkcs11Error, match="CKR_USER_ALREADY_LOGGED_IN"):
        place.token.bind(ACCESS)
    place.token.bind(ACCESS)
    assert _logins(place) == 3


def test_an_unreadable_slot_does_not_hide_the_others() -> None:
    stick = FakeToken()
    stick.add_pair(rsa_key())
    place = Place(FakeToken("other", "1"), stick, None)
    place.module.fail("C_GetTokenInfo", "CKR_TOKEN_NOT_RECOGNIZED")
    assert place.token.bind(ACCESS).choice.candidate.slot == 1
    place.module.fail("C_GetSlotInfo", None, "CKR_GENERAL_ERROR")
    assert [found.slot for found in place.token.candidates()] == [0]


def test_a_token_that_is_not_there_is_told_without_a_login(place: Place) -> None:
    with pytest.raises(SelectionError, match=r"can't find HSM slot"):
        place.token.bind(ACCESS._replace(criteria=TokenCriteria(serial="DENK0100009")))
    assert _logins(place) == 0


def test_what_was_chosen_with_a_doubt_is_warned_of() -> None:
    stick = FakeToken()
    stick.add_pair(rsa_key())
    place = Place(stick, FakeToken("other", "1"))
    warning = place.token.bind(ACCESS._replace(criteria=TokenCriteria(slot=0))).choice.warning
    assert warning is not None
    assert "chosen by slot 0 alone" in warning


# the PIN


def test_the_attempt_stands_in_the_memory_while_the_token_is_asked(place: Place) -> None:
    seen: list[PinMemory] = []
    place.module.hooks.append(
        lambda called: seen.append(place.memory.known()) if called == "C_Login" else None
    )
    place.token.bind(ACCESS)
    (during,) = seen
    assert during.attempt is not None
    assert during.attempt.pin.matches(ACCESS.pin)
    after = place.memory.known()
    assert after.attempt is None
    assert after.accepted is not None
    assert after.accepted.matches(ACCESS.pin)


def test_a_refused_pin_is_remembered_and_never_tried_again(place: Place) -> None:
    with pytest.raises(PinRefusedError, match=r"refused the PIN .*CKR_PIN_INCORRECT") as first:
        place.token.bind(WRONG)
    assert first.value.reason is None
    for _ in range(5):
        with pytest.raises(PinRefusedError, match="has refused this PIN before") as later:
            place.token.bind(WRONG)
        assert later.value.reason is Refusal.REFUSED_BEFORE
    assert (_logins(place), place.stick.tries) == (1, 2)
    assert "banana" not in f"{first.value} {later.value}"


def test_the_right_pin_works_after_a_refused_one(place: Place) -> None:
    with pytest.raises(PinRefusedError):
        place.token.bind(WRONG)
    place.token.bind(ACCESS)
    assert place.stick.tries == 3
    with pytest.raises(PinRefusedError, match="before"):
        place.token.bind(WRONG)


def test_a_person_may_ask_for_one_more_try_of_a_pin_to_which_the_token_was_changed(place: Place) -> None:
    with pytest.raises(PinRefusedError):
        place.token.bind(WRONG)
    with pytest.raises(PinRefusedError, match="before"):  # as long as it was not changed
        place.token.bind(WRONG._replace(again=True))
    place.stick.pin, place.stick.tries = b"banana", 3
    place.token.bind(WRONG._replace(again=True))
    place.token.bind(WRONG)
    assert place.memory.known().refused == ()


def test_the_last_try_is_not_spent_unless_it_is_allowed(place: Place) -> None:
    place.stick.tries = 1
    with pytest.raises(PinRefusedError, match="one PIN try left") as refused:
        place.token.bind(ACCESS)
    assert refused.value.reason is Refusal.FINAL_TRY
    assert _logins(place) == 0
    place.token.bind(ACCESS._replace(allow_final_try=True))


def test_a_wrong_pin_that_somebody_else_tried_is_not_tried_once_more(place: Place) -> None:
    place.stick.tries = 2
    with pytest.raises(PinRefusedError, match="somebody else") as refused:
        place.token.bind(WRONG)
    assert refused.value.reason is Refusal.TRIED_ELSEWHERE
    assert _logins(place) == 0


def test_a_pin_that_was_right_is_tried_although_somebody_else_was_wrong(place: Place) -> None:
    place.token.bind(ACCESS)
    place.stick.tries = 2
    place.token.bind(ACCESS)
    assert place.stick.tries == 3


@pytest.mark.parametrize(
    "code", ["CKR_PIN_LOCKED", "CKR_PIN_INVALID", "CKR_PIN_LEN_RANGE", "CKR_PIN_EXPIRED", "CKR_PIN_INCORRECT"]
)
def test_whatever_the_token_has_against_the_pin_it_is_not_asked_again(place: Place, code: str) -> None:
    place.module.fail("C_Login", code)
    with pytest.raises(PinRefusedError, match=f"C_Login: {code}"):
        place.token.bind(ACCESS)
    with pytest.raises(PinRefusedError, match="before"):
        place.token.bind(ACCESS)
    assert _logins(place) == 1


def test_the_guard_sees_the_flags_of_the_moment(place: Place) -> None:
    place.stick.flags = TokenFlag.TOKEN_INITIALIZED
    with pytest.raises(PinRefusedError, match="no user PIN") as refused:
        place.token.bind(ACCESS)
    assert refused.value.reason is Refusal.NOT_INITIALISED
    place.stick.flags = FLAGS
    place.token.bind(ACCESS)


@pytest.mark.parametrize("code", ["CKR_DEVICE_REMOVED", "CKR_GENERAL_ERROR", "CKR_FUNCTION_FAILED"])
def test_a_login_with_an_unknown_outcome_is_settled_by_the_flags(place: Place, code: str) -> None:
    def spend(called: str) -> None:
        if called == "C_Login" and place.stick.tries == 3:  # the token counts, its answer is lost
            place.stick.tries = 2
            raise errors.error_of("C_Login", next(c for c, name in errors.NAMES.items() if name == code))

    place.module.hooks.append(spend)
    with pytest.raises(Pkcs11Error, match=code):
        place.token.bind(WRONG)
    assert place.memory.known().attempt is not None
    with pytest.raises(PinRefusedError, match="before"):
        place.token.bind(WRONG)
    assert _logins(place) == 1


@pytest.mark.parametrize("code", ["CKR_USER_ALREADY_LOGGED_IN", "CKR_DEVICE_REMOVED", "CKR_GENERAL_ERROR"])
def test_doubt_about_the_login_is_no_login_and_no_refusal(place: Place, code: str) -> None:
    place.module.fail("C_Login", code)
    with pytest.raises(Pkcs11Error, match=f"C_Login: {code}"):
        place.token.bind(ACCESS)
    place.token.bind(ACCESS)
    assert place.memory.known().refused == ()


def test_a_kill_right_after_a_refusal_costs_no_second_try(place: Place) -> None:
    class Killed(BaseException):
        """What no handler catches."""

    def kill(called: str) -> None:
        if called == "C_Login" and place.stick.tries == 3:
            place.stick.tries = 2
            raise Killed

    place.module.hooks.append(kill)
    with pytest.raises(Killed):
        place.token.bind(WRONG)
    fresh = Token(place.module, place.memory)
    with pytest.raises(PinRefusedError, match="before"):
        fresh.bind(WRONG)
    assert _logins(place) == 1


def test_a_damaged_memory_is_not_taken_for_an_empty_one(place: Place) -> None:
    place.memory.records[place.stick.serial] = b"{}"
    with pytest.raises(PinMemoryError, match="damaged"):
        place.token.bind(ACCESS)
    assert _logins(place) == 0


def test_without_a_place_to_remember_only_an_untouched_token_is_logged_in_to(place: Place) -> None:
    place.memory.writable = False
    place.token.bind(ACCESS)
    with pytest.raises(PinRefusedError):
        place.token.bind(WRONG)
    for access in (WRONG, ACCESS):
        with pytest.raises(PinRefusedError, match=r"somebody else|Read-only file system"):
            place.token.bind(access)
    assert _logins(place) == 2


def test_what_could_be_remembered_before_and_not_now_stops_a_doubtful_login(place: Place) -> None:
    place.token.bind(ACCESS)
    place.stick.tries = 2
    place.memory.writable = False
    with pytest.raises(PinRefusedError, match="cannot be remembered here") as refused:
        place.token.bind(ACCESS)
    assert refused.value.reason is Refusal.NO_MEMORY


def test_a_refusal_that_cannot_be_written_down_is_told_all_the_same(place: Place) -> None:
    def lock(called: str) -> None:
        if called == "C_Login":
            place.memory.writable = False

    place.module.hooks.append(lock)
    with pytest.raises(PinRefusedError, match="CKR_PIN_INCORRECT"):
        place.token.bind(WRONG)
    assert place.memory.known().attempt is not None


# the key pair


def test_the_pair_is_told_with_its_public_numbers(place: Place) -> None:
    bound = place.token.bind(ACCESS)
    assert (bound.key.label, bound.key.id, bound.key.type, bound.generated) == (
        "bank-vaults",
        b"\1",
        KeyType.RSA,
        False,
    )
    assert bound.key.public_key() == rsa_key().public_key()


def test_an_ec_pair_works_as_well() -> None:
    stick = FakeToken()
    stick.add_pair(ec_key())
    place = Place(stick)
    bound = place.token.bind(ACCESS)
    assert bound.key.public_key() == ec_key().public_key()
    ours = ec_key().public_key().public_numbers()
    point = b"\4" + ours.x.to_bytes(32) + ours.y.to_bytes(32)
    assert len(place.token.agree(point)) == 32
    assert stick.operations == ["ECDH"]


@pytest.mark.parametrize("half", ["private", "public"])
def test_half_a_pair_is_told_and_never_completed(half: str) -> None:
    stick = FakeToken()
    (stick.add_private if half == "private" else stick.add_public)(rsa_key())
    place = Place(stick)
    with pytest.raises(NoKeyError, match=f"only one of the keys .*the {half} half"):
        place.token.bind(MAY_GENERATE)
    assert "C_GenerateKeyPair" not in place.module.calls


def test_several_pairs_are_told_and_none_is_added(place: Place) -> None:
    place.stick.add_pair(rsa_key(1), key_id=b"\2")
    with pytest.raises(NoKeyError, match=r"2 private keys with label 'bank-vaults' \(IDs: 01, 02\)"):
        place.token.bind(MAY_GENERATE)
    assert "C_GenerateKeyPair" not in place.module.calls
    assert place.token.bind(ACCESS._replace(key_id=b"\2")).key.public_key() == rsa_key(1).public_key()


def test_an_error_of_the_search_is_not_taken_for_a_missing_pair(place: Place) -> None:
    place.module.fail("C_FindObjects", "CKR_DEVICE_ERROR")
    with pytest.raises(Pkcs11Error, match="CKR_DEVICE_ERROR"):
        place.token.bind(MAY_GENERATE)
    assert "C_GenerateKeyPair" not in place.module.calls


@pytest.mark.parametrize(
    "access", [ACCESS, MAY_GENERATE._replace(key_label=None, key_id=b"\7")], ids=["not allowed", "no label"]
)
def test_a_pair_is_not_generated_where_it_is_not_allowed_or_has_no_name(access: Access) -> None:
    place = Place(FakeToken())
    with pytest.raises(NoKeyError, match="there is no key pair"):
        place.token.bind(access)
    assert "C_GenerateKeyPair" not in place.module.calls


@pytest.mark.parametrize("private", [True, False])
def test_a_pair_is_not_generated_beside_values_of_another(private: bool) -> None:
    stick = FakeToken()
    handle = stick.add_data("vault-unseal-0", b"sealed")
    stick.objects[handle][Attribute.PRIVATE] = raw(private)
    with pytest.raises(NoKeyError, match=r"but there are values \(vault-unseal-0\)"):
        Place(stick).token.bind(MAY_GENERATE)


def test_a_generated_pair_is_what_the_next_start_finds() -> None:
    stick = FakeToken()
    stick.add_data("mail", b"of somebody else")
    place = Place(stick)
    bound = place.token.bind(MAY_GENERATE)
    assert bound.generated
    again = place.token.bind(ACCESS)
    assert (again.key, again.generated) == (bound.key, False)
    assert len(bound.key.id) == 8


def test_a_generated_pair_has_the_wanted_id_and_is_bound_to_its_token() -> None:
    stick = FakeToken()
    place = Place(stick)
    assert place.token.bind(MAY_GENERATE._replace(key_id=b"\x42")).key.id == b"\x42"
    public, private = place.module.templates
    for half in (public, private):
        assert half[Attribute.TOKEN] == raw(value=True)
        assert half[Attribute.ID] == b"\x42"
    assert private[Attribute.PRIVATE] == private[Attribute.SENSITIVE] == raw(value=True)
    assert private[Attribute.EXTRACTABLE] == raw(value=False)
    assert (public[Attribute.MODULUS_BITS], public[Attribute.PUBLIC_EXPONENT]) == (raw(2048), b"\1\0\1")


def test_a_generated_pair_that_does_not_show_is_not_used() -> None:
    stick = FakeToken()
    place = Place(stick)
    place.module.hooks.append(lambda called: stick.objects.clear() if called == "C_FindObjects" else None)
    with pytest.raises(NoKeyError, match="does not show the key pair"):
        place.token.bind(MAY_GENERATE)


def test_a_key_of_another_kind_is_told(place: Place) -> None:
    stick = FakeToken()
    template: Template = {Attribute.LABEL: "bank-vaults", Attribute.KEY_TYPE: KeyType.GENERIC_SECRET}
    stick.add({Attribute.CLASS: ObjectClass.PRIVATE_KEY, **template})
    stick.add({Attribute.CLASS: ObjectClass.PUBLIC_KEY, **template})
    with pytest.raises(NoKeyError, match="neither an RSA nor an EC"):
        Place(stick).token.bind(ACCESS)


def test_without_a_bind_no_key_is_used(place: Place) -> None:
    with pytest.raises(NoKeyError, match="not bound"):
        place.token.decrypt(bytes(256), Wrapping.RSA_OAEP_SHA1)


# data objects


def test_a_data_object_is_private_stays_on_the_token_and_has_no_application(place: Place) -> None:
    place.token.bind(ACCESS)
    place.token.create("vault-root", b"value")
    (template,) = place.module.templates
    assert template == {
        Attribute.CLASS: raw(ObjectClass.DATA),
        Attribute.TOKEN: raw(value=True),
        Attribute.PRIVATE: raw(value=True),
        Attribute.LABEL: b"vault-root",
        Attribute.VALUE: b"value",
    }


def test_values_come_newest_first_and_objects_oldest_first(place: Place) -> None:
    place.token.bind(ACCESS)
    first, second = (place.token.create("vault-root", value) for value in (b"old", b"new"))
    place.stick.add_data("public\0", b"of an older version")
    assert place.token.values("vault-root") == ((second, b"new"), (first, b"old"))
    assert [found.label for found in place.token.objects()] == ["vault-root", "vault-root", "public"]
    place.token.destroy(first)
    assert place.token.values("vault-root") == ((second, b"new"),)


def test_an_object_without_a_label_is_listed_with_none(place: Place) -> None:
    place.token.bind(ACCESS)
    place.stick.add({Attribute.CLASS: ObjectClass.DATA, Attribute.VALUE: b""})
    assert [found.label for found in place.token.objects()] == [""]


def test_an_attribute_that_cannot_be_read_is_an_error_and_not_an_empty_label(place: Place) -> None:
    place.module.fail("C_GetAttributeValue", "CKR_DEVICE_ERROR")
    with pytest.raises(Pkcs11Error, match="C_GetAttributeValue: CKR_DEVICE_ERROR"):
        place.token.bind(ACCESS)


def test_remembered_hashes_are_of_this_token_only() -> None:
    one, other = FakeToken(serial="DENK01"), FakeToken("bank-vaults", "DENK02", b"banana")
    one.add_pair(rsa_key())
    other.add_pair(rsa_key())
    place = Place(one, other)
    with pytest.raises(PinRefusedError):
        place.token.bind(WRONG._replace(criteria=TokenCriteria(serial="DENK01")))
    place.token.bind(WRONG._replace(criteria=TokenCriteria(serial="DENK02")))
    refused = place.memory.known("DENK01").refused
    assert [entry.matches(WRONG.pin) for entry in refused] == [True]
    assert not SaltedHash.of(ACCESS.pin).matches(WRONG.pin)


def test_what_a_token_has_refused_is_not_held_against_another_with_the_same_short_number() -> None:
    one, other = FakeToken("one", serial="123"), FakeToken("other", "123", b"banana")
    one.add_pair(rsa_key())
    other.add_pair(rsa_key())
    place = Place(one, other)
    with pytest.raises(PinRefusedError, match="refused the PIN"):
        place.token.bind(WRONG._replace(criteria=TokenCriteria(label="one")))
    place.token.bind(WRONG._replace(criteria=TokenCriteria(label="other")))
    with pytest.raises(PinRefusedError, match="has refused this PIN before"):
        place.token.bind(WRONG._replace(criteria=TokenCriteria(label="one")))


def test_a_token_under_another_label_has_its_refused_pins_still(place: Place) -> None:
    with pytest.raises(PinRefusedError, match="refused the PIN"):
        place.token.bind(WRONG._replace(criteria=TokenCriteria(serial=place.stick.serial)))
    place.stick.label, place.stick.tries = "SmartCard-HSM", 3
    with pytest.raises(PinRefusedError, match="has refused this PIN before"):
        place.token.bind(WRONG._replace(criteria=TokenCriteria(serial=place.stick.serial)))
