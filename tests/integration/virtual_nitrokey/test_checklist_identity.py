"""What the tools say of a stick: found by its name, never initialised, initialised, initialised again."""

from __future__ import annotations

from tests.integration.virtual_nitrokey.bench import INITIALISE, LABEL, LOGIN, PIN, SERIAL, SO_PIN, Bench
from virtual_nitrokey.pcscd import Reader
from virtual_nitrokey.vpcd import ATR

READER = Reader(SERIAL).name


def token(bench: Bench) -> dict[str, str]:
    """What ``pkcs11-tool --list-token-slots`` says of the only token."""
    slot, *lines = bench.done("pkcs11-tool", "--list-token-slots").splitlines()[1:]
    assert slot == f"Slot 0 (0x0): {READER}"
    return {name.strip(): value for name, value in (line.split(": ", 1) for line in lines)}


def token_label(bench: Bench, label: str) -> str:
    """How this OpenSC shows a label: up to 0.25 it adds the name of the PIN."""
    return f"{label} (UserPIN)" if bench.opensc.release < (0, 26) else label


def test_the_card_is_found_and_known_by_name(fresh: Bench) -> None:
    assert fresh.done("opensc-tool", "--list-readers").splitlines()[2:] == [
        f"0    Yes             {READER}",
        f"1    No              {READER[:-1]}1",  # the second slot that vpcd gives each reader
    ]
    assert fresh.done("opensc-tool", "--name") == "SmartCard-HSM Applet for JCOP version 3.5\n"
    assert fresh.done("opensc-tool", "--atr") == f"{ATR.hex(':')}\n"


def test_a_stick_from_the_factory_says_that_it_was_never_initialised(fresh: Bench) -> None:
    assert fresh.done("sc-hsm-tool") == (
        "Version              : 3.5\n"
        "Config options       :\n"
        "  User PIN reset with SO-PIN enabled\n"
        "SmartCard-HSM has never been initialized. "
        "Please use --initialize to set SO-PIN and user PIN.\n"
    )
    assert token(fresh)["token label"] == token_label(fresh, "SmartCard-HSM")


def test_nobody_logs_in_to_a_stick_that_was_never_initialised(fresh: Bench) -> None:
    old = fresh.opensc.release < (0, 26)  # it believes in a PIN, until the card refuses
    expected = "CKR_GENERAL_ERROR" if old else "CKR_USER_PIN_NOT_INITIALIZED"
    assert fresh.refused("pkcs11-tool", "--list-objects", *LOGIN) == expected


def test_initialising_gives_label_pins_and_flags(fresh: Bench) -> None:
    fresh.done("sc-hsm-tool", *INITIALISE)
    assert fresh.pin_tries() == {"SO-PIN": 15, "User PIN": 3}
    shown = token(fresh)
    shown.pop("uri", None)
    assert shown == {
        "token label": token_label(fresh, LABEL),
        "token manufacturer": "www.CardContact.de",
        "token model": "PKCS#15 emulated",
        "token flags": "login required, rng, token initialized, PIN initialized",
        "hardware version": "24.13",
        "firmware version": "3.5",
        "serial num": SERIAL,
        "pin min/max": "6/15",
    }
    fresh.done("pkcs11-tool", "--list-objects", *LOGIN)


def test_a_token_can_be_initialised_through_pkcs11_as_well(fresh: Bench) -> None:
    as_so = ("--login", "--login-type", "so", "--so-pin", SO_PIN)
    fresh.done("pkcs11-tool", "--init-token", "--label", "by-pkcs11", "--so-pin", SO_PIN)
    fresh.done("pkcs11-tool", *as_so, "--init-pin", "--new-pin", PIN)
    assert token(fresh)["token label"] == token_label(fresh, "by-pkcs11")
    fresh.done("pkcs11-tool", "--list-objects", *LOGIN)


def test_initialising_again_with_the_right_so_pin_erases_everything(keyed: Bench) -> None:
    secret = keyed.directory / "secret"
    secret.write_bytes(b"secret")
    for label, privacy in (("public", ()), ("private", ("--private",))):
        options = ("--type", "data", "--label", label, *privacy, *LOGIN)
        keyed.done("pkcs11-tool", "--write-object", str(secret), *options)
    assert len(keyed.labels(*LOGIN)) == 4
    again = ("--initialize", "--label", "again", "--pin", "other-pin", "--so-pin", SO_PIN)
    keyed.done("sc-hsm-tool", *again)
    assert token(keyed)["token label"] == token_label(keyed, "again")
    assert keyed.labels("--login", "--pin", "other-pin") == []
    assert keyed.refused("pkcs11-tool", "--list-objects", *LOGIN) == "CKR_PIN_INCORRECT"
    memory = keyed.rig.stick().card.image.memory
    assert (list(memory.keys), list(memory.files)) == ([0], [0x2F02, 0x2F03])  # the maker's, and the label


def test_initialising_again_with_a_wrong_so_pin_is_refused_counted_and_erases_nothing(keyed: Bench) -> None:
    before = keyed.rig.stick().card.image.memory
    wrong = ("--initialize", "--label", "other", "--pin", PIN, "--so-pin", "3537363231383831")
    answer = keyed.run("sc-hsm-tool", *wrong)
    assert "PIN code or key incorrect" in answer.stderr  # and yet its exit code is 0
    assert keyed.pin_tries() == {"SO-PIN": 14, "User PIN": 3}
    assert keyed.rig.stick().card.image.memory == before
    assert token(keyed)["token label"] == token_label(keyed, LABEL)


def test_an_so_pin_that_is_none_does_not_reach_the_card(fresh: Bench) -> None:
    for so_pin in ("banzaicloud", SO_PIN[:-2], f"{SO_PIN}38"):
        fresh.run("sc-hsm-tool", "--initialize", "--label", LABEL, "--pin", PIN, "--so-pin", so_pin)
    assert "never been initialized" in fresh.done("sc-hsm-tool")
