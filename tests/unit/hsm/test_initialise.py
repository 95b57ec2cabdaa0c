"""A token is initialised once, exactly the one that was looked at, and an SO-PIN is not wasted."""

from __future__ import annotations

import pytest

from bank_vaults.domain.secrets import Secret
from bank_vaults.hsm import ck, errors
from bank_vaults.hsm.ck import TokenFlag
from bank_vaults.hsm.initialise import InitialisationError, Order, initialise
from bank_vaults.hsm.pin import PinMemory, PinRefusedError, Refusal
from tests.unit.hsm.fake_cryptoki import CODES, FakeCryptoki, FakeMemory, FakeToken

SO_PIN = b"3537363231383830"


class Module(FakeCryptoki):
    """A module whose tokens can be initialised."""

    def __init__(self, *tokens: FakeToken) -> None:
        super().__init__(*tokens)
        self.so_pins: dict[int, bytes] = {}
        self.officer = False

    def init_token(self, slot: int, so_pin: bytes, label: str) -> None:
        self._called("C_InitToken")
        token = self._token(slot, "C_InitToken")
        if self.so_pins.setdefault(slot, so_pin) != so_pin:
            raise errors.error_of("C_InitToken", CODES["CKR_PIN_INCORRECT"])
        token.label, token.objects, token.flags = label, {}, TokenFlag.TOKEN_INITIALIZED

    def login(self, session: int, pin: bytes, user: int = ck.USER) -> None:
        assert user == ck.SO
        self._called("C_Login")
        self.officer = True

    def init_pin(self, session: int, pin: bytes) -> None:
        self._called("C_InitPIN")
        assert self.officer
        _, token = self._of(session, "C_InitPIN")
        token.pin = pin
        token.flags |= TokenFlag.USER_PIN_INITIALIZED


def order(so_pin: bytes = SO_PIN, *, new: bool = False, serial: str = "DENK0100001") -> Order:
    return Order(0, serial, "bank-vaults", Secret(so_pin), new, Secret("banzai"))


@pytest.fixture
def module() -> Module:
    token = FakeToken(label="before")
    token.add_data("vault-root", b"x")
    return Module(token)


def test_the_token_is_empty_afterwards_and_has_label_and_pin(module: Module) -> None:
    done = initialise(module, FakeMemory(), order(new=True))
    token = module.tokens[0]
    assert token is not None
    assert (done.label, token.pin, token.objects) == ("bank-vaults", b"banzai", {})
    assert module.so_pins == {0: SO_PIN}
    assert module.calls[-2:] == ["C_CloseAllSessions", "C_GetTokenInfo"]  # nobody stays logged in


def test_another_token_in_the_slot_is_left_alone(module: Module) -> None:
    with pytest.raises(InitialisationError, match="another token than before is in slot 0"):
        initialise(module, FakeMemory(), order(serial="DENK0100002"))
    assert module.calls == ["C_GetTokenInfo"]


def test_a_refused_so_pin_is_tried_once_over_any_number_of_runs(module: Module) -> None:
    module.so_pins[0] = SO_PIN
    memory = FakeMemory()
    with pytest.raises(PinRefusedError, match=r"refused the SO-PIN .*nothing was changed") as first:
        initialise(module, memory, order(b"0" * 16))
    assert first.value.reason is None
    for _ in range(3):
        with pytest.raises(PinRefusedError, match="has refused this SO-PIN before") as again:
            initialise(module, memory, order(b"0" * 16))
        assert again.value.reason is Refusal.REFUSED_BEFORE
    assert module.calls.count("C_InitToken") == 1
    assert b"0000" not in b"".join(memory.records.values())


def test_after_a_refusal_the_right_so_pin_is_still_taken(module: Module) -> None:
    module.so_pins[0] = SO_PIN
    memory = FakeMemory()
    with pytest.raises(PinRefusedError):
        initialise(module, memory, order(b"0" * 16))
    assert initialise(module, memory, order()).label == "bank-vaults"


def test_random_so_pins_are_not_tried_one_after_the_other(module: Module) -> None:
    module.so_pins[0] = SO_PIN
    memory = FakeMemory()
    for number in range(3):
        with pytest.raises(PinRefusedError):
            initialise(module, memory, order(b"%016d" % number, new=True))
    assert module.calls.count("C_InitToken") == 1


def test_what_could_not_be_remembered_is_not_tried(module: Module) -> None:
    memory = FakeMemory()
    memory.writable = False
    with pytest.raises(PinRefusedError, match="--hsm-state-dir") as caught:
        initialise(module, memory, order())
    assert caught.value.reason is Refusal.NO_MEMORY
    assert "C_InitToken" not in module.calls


def test_the_record_of_the_so_pin_is_apart_from_that_of_the_user_pin(module: Module) -> None:
    memory = FakeMemory()
    initialise(module, memory, order())
    assert "DENK0100001" not in memory.records
    assert all(PinMemory.decode(record) == PinMemory() for record in memory.records.values())


@pytest.mark.parametrize("flag", [TokenFlag.SO_PIN_FINAL_TRY, TokenFlag.SO_PIN_LOCKED])
def test_the_last_try_of_an_so_pin_is_left_to_others(module: Module, flag: TokenFlag) -> None:
    token = module.tokens[0]
    assert token is not None
    token.flags |= flag
    with pytest.raises(PinRefusedError) as caught:
        initialise(module, FakeMemory(), order())
    assert caught.value.reason is Refusal.FINAL_TRY
    assert "C_InitToken" not in module.calls
    initialise(module, FakeMemory(), order(new=True))  # SoftHSM sets the flag where there is no SO-PIN yet


@pytest.mark.parametrize("function", ["C_OpenSession", "C_Login", "C_InitPIN"])
def test_half_done_is_told_from_not_done(module: Module, function: str) -> None:
    module.fail(function, "CKR_DEVICE_ERROR")
    with pytest.raises(InitialisationError, match="is initialised and empty, but has not got its user PIN"):
        initialise(module, FakeMemory(), order())


def test_not_done_is_an_error_of_the_token(module: Module) -> None:
    module.fail("C_InitToken", "CKR_DEVICE_REMOVED")
    memory = FakeMemory()
    with pytest.raises(errors.DeviceRemovedError):
        initialise(module, memory, order())
    assert initialise(module, memory, order()).label == "bank-vaults"  # the SO-PIN was not refused


def test_a_token_that_only_says_so_is_found_out(module: Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "init_token", lambda slot, so_pin, label: None)
    with pytest.raises(InitialisationError, match="shows the label 'before', and a user PIN"):
        initialise(module, FakeMemory(), order())
