"""PINs on a stick: counted and locked with flags in between, unlocked, changed; an SO-PIN lost for ever."""

from __future__ import annotations

from tests.integration.virtual_nitrokey.bench import INITIALISE, LABEL, LOGIN, SO_PIN, Bench

WRONG_PIN, WRONG_SO_PIN = "wrong-pin", "3537363231383831"
TRIES = {"SO-PIN": 15, "User PIN": 3}
COUNT_LOW, FINAL_TRY, LOCKED = "user PIN count low", "final user PIN try", "user PIN locked"
PIN_FLAGS = {COUNT_LOW, FINAL_TRY, LOCKED}


def as_so(so_pin: str) -> tuple[str, ...]:
    return ("--login", "--login-type", "so", "--so-pin", so_pin)


def lock(bench: Bench) -> None:
    for _ in range(3):
        bench.refused("pkcs11-tool", "--list-objects", "--login", "--pin", WRONG_PIN)


def test_wrong_pins_are_counted_down_to_the_lock_and_the_flags_tell_how_far(keyed: Bench) -> None:
    wrong = ("pkcs11-tool", "--list-objects", "--login", "--pin", WRONG_PIN)
    assert not keyed.token_flags() & PIN_FLAGS
    for reason, flag, tries in (
        ("CKR_PIN_INCORRECT", COUNT_LOW, {"User PIN": 2}),
        ("CKR_PIN_INCORRECT", FINAL_TRY, {"User PIN": 1}),
        ("CKR_PIN_LOCKED", LOCKED, {}),
        ("CKR_PIN_LOCKED", LOCKED, {}),
    ):
        assert keyed.refused(*wrong) == reason
        assert keyed.token_flags() & PIN_FLAGS == {flag}
        assert keyed.pin_tries() == {"SO-PIN": 15, **tries}
    assert keyed.refused("pkcs11-tool", "--list-objects", *LOGIN) == "CKR_PIN_LOCKED"
    counters = keyed.rig.stick().card.counters
    assert (counters.pins_right, counters.pins_wrong) == (0, 3)


def test_the_right_pin_gives_all_tries_back(initialised: Bench) -> None:
    for _ in range(2):
        initialised.refused("pkcs11-tool", "--list-objects", "--login", "--pin", WRONG_PIN)
    initialised.done("pkcs11-tool", "--list-objects", *LOGIN)
    assert initialised.pin_tries() == TRIES
    assert not initialised.token_flags() & PIN_FLAGS


def test_a_pin_of_a_wrong_length_costs_no_try(initialised: Bench) -> None:
    for pin in ("12345", "1234567890123456"):
        refused = ("pkcs11-tool", "--list-objects", "--login", "--pin", pin)
        assert initialised.refused(*refused) == "CKR_PIN_LEN_RANGE"
    assert initialised.pin_tries() == TRIES


def test_the_so_pin_unlocks_with_a_new_pin_and_the_keys_are_still_there(keyed: Bench) -> None:
    lock(keyed)
    keyed.done("pkcs11-tool", *as_so(SO_PIN), "--init-pin", "--new-pin", "other-pin")
    assert keyed.pin_tries() == TRIES
    assert not keyed.token_flags() & PIN_FLAGS
    assert ("Private Key Object", LABEL) in keyed.labels("--login", "--pin", "other-pin")


def test_a_wrong_so_pin_unlocks_nothing_and_is_counted(keyed: Bench) -> None:
    lock(keyed)
    unlock = ("--init-pin", "--new-pin", "other-pin")
    assert keyed.refused("pkcs11-tool", *as_so(WRONG_SO_PIN), *unlock) == "CKR_PIN_INCORRECT"
    assert keyed.pin_tries() == {"SO-PIN": 14}
    assert keyed.token_flags() & PIN_FLAGS == {LOCKED}


def test_a_stick_whose_so_pin_has_no_try_left_is_lost(keyed: Bench) -> None:
    unlock = ("--init-pin", "--new-pin", "other-pin")
    assert keyed.refused("pkcs11-tool", *as_so(WRONG_SO_PIN), *unlock) == "CKR_PIN_INCORRECT"
    tries = [f"63C{left:X}" for left in range(13, 0, -1)]
    assert keyed.statuses(*13 * [f"0020008808{WRONG_SO_PIN}"]) == tries
    assert keyed.pin_tries() == {"SO-PIN": 1, "User PIN": 3}
    assert keyed.refused("pkcs11-tool", *as_so(WRONG_SO_PIN), *unlock) == "CKR_PIN_LOCKED"
    assert keyed.refused("pkcs11-tool", *as_so(SO_PIN), *unlock) == "CKR_PIN_LOCKED"
    before = keyed.rig.stick().card.image
    assert "blocked" in keyed.run("sc-hsm-tool", *INITIALISE).stderr
    assert keyed.rig.stick().card.image == before
    keyed.done("pkcs11-tool", "--list-objects", *LOGIN)  # who knows the user PIN can still use it


def test_the_user_changes_his_pin(keyed: Bench) -> None:
    keyed.done("pkcs11-tool", *LOGIN, "--change-pin", "--new-pin", "other-pin")
    assert keyed.refused("pkcs11-tool", "--list-objects", *LOGIN) == "CKR_PIN_INCORRECT"
    assert ("Private Key Object", LABEL) in keyed.labels("--login", "--pin", "other-pin")


def test_the_so_pin_can_be_changed(initialised: Bench) -> None:
    initialised.done("pkcs11-tool", *as_so(SO_PIN), "--change-pin", "--new-pin", WRONG_SO_PIN)
    unlock = ("--init-pin", "--new-pin", "other-pin")
    assert initialised.refused("pkcs11-tool", *as_so(SO_PIN), *unlock) == "CKR_PIN_INCORRECT"
    initialised.done("pkcs11-tool", *as_so(WRONG_SO_PIN), *unlock)


def test_more_tries_for_a_longer_pin_are_told_when_two_are_left(fresh: Bench) -> None:
    options = ("--initialize", "--pin", "seven77", "--so-pin", SO_PIN, "--pin-retry", "5")
    fresh.done("sc-hsm-tool", *options)
    assert fresh.pin_tries() == {"SO-PIN": 15, "User PIN": 5}
    for flags in (set(), set(), {COUNT_LOW}):
        assert fresh.refused("pkcs11-tool", "--list-objects", "--login", "--pin", WRONG_PIN)
        assert fresh.token_flags() & PIN_FLAGS == flags
    assert fresh.pin_tries() == {"SO-PIN": 15, "User PIN": 2}
