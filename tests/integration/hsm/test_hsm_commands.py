"""The commands on tokens, as people run them: on SoftHSM, and on sticks in a real pcscd."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.domain.secrets import Secret
from bank_vaults.hsm.client import TokenClient
from bank_vaults.hsm.selection import TokenCriteria
from bank_vaults.hsm.token import Access
from bank_vaults.keystores.hsm_token import StoredMemory
from tests.support.binaries import ServerKind
from tests.support.opensc import OpenSC
from tests.support.pkcs11_modules import FaultyModule
from tests.support.servers import Server
from tests.support.softhsm import MODULE, PIN, SoftHsm
from tests.support.softhsm import SO_PIN as SOFT_SO_PIN
from virtual_nitrokey.pins import Reference
from virtual_nitrokey.testing import Nitrokey

LIMIT = 60.0
"""Seconds for one command; hit only by a failure."""
SO_PIN = "3537363231383830"
NOWHERE = "http://127.0.0.1:1"  # nobody listens on this port


class Finished(NamedTuple):
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


class Hsm:
    """``bank-vaults hsm`` with a module, a PIN file and a state directory of its own."""

    def __init__(self, directory: Path, module: str, environment: Mapping[str, str]) -> None:
        self.directory = directory
        self.module = module
        self.state = directory / "state"
        self.state.mkdir(mode=0o700)
        self.pin = directory / "pin"
        self.pin.write_text(PIN)
        usual = {name: value for name, value in os.environ.items() if not name.startswith("BANK_VAULTS_")}
        self.environment = {**usual, "VAULT_ADDR": NOWHERE, **environment}

    def command(self, command: str, *flags: str) -> list[str]:
        access = ("--hsm-module-path", self.module, "--hsm-pin-file", str(self.pin))
        program = [sys.executable, "-m", "bank_vaults", *command.split()]
        return [*program, *access, "--hsm-state-dir", str(self.state), *flags]

    def __call__(self, command: str, *flags: str) -> Finished:
        done = subprocess.run(
            self.command(f"hsm {command}", *flags),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def on_terminal(self, answer: str, command: str, *flags: str) -> Finished:
        """With a terminal as standard input and error; ``answer`` is written when a question ends."""
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            self.command(f"hsm {command}", *flags),
            env=self.environment,
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=theirs,
            text=True,
        ) as process:
            os.close(theirs)
            seen, end = "", time.monotonic() + LIMIT
            while time.monotonic() < end:
                if not select.select([ours], [], [], LIMIT)[0]:
                    break
                try:
                    seen += os.read(ours, 4096).decode(errors="replace")
                except OSError:  # the other end is closed
                    break
                if seen.endswith("to go on: "):
                    os.write(ours, f"{answer}\n".encode())
            assert process.stdout is not None
            output = process.stdout.read()
            code = process.wait(LIMIT)
        os.close(ours)
        return Finished(code, output, seen)


@pytest.fixture
def soft(softhsm: SoftHsm, faulty: FaultyModule, tmp_path: Path) -> Hsm:
    """On SoftHSM, behind a module that counts the calls."""
    return Hsm(tmp_path, faulty.path, {**softhsm.environment, **faulty.environment})


@pytest.fixture
def write(soft: Hsm, monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, bytes | None]], None]:
    """Write values on the token ``bank-vaults`` of SoftHSM; None: an envelope."""
    for name in ("SOFTHSM2_CONF",):
        monkeypatch.setenv(name, soft.environment[name])

    def write(values: Mapping[str, bytes | None]) -> None:
        access = Access(TokenCriteria(label="bank-vaults"), "bank-vaults", None, Secret(PIN), True)
        with closing(TokenClient(MODULE, access, StoredMemory(str(soft.state)))) as client:
            like = None
            for name, value in values.items():
                stored = client.seal(name, b"secret", like) if value is None else value
                like = like or (stored if value is None else None)
                assert client.create(name, stored)

    return write


# list


def test_list_shows_every_token_and_presents_no_pin(
    soft: Hsm, softhsm: SoftHsm, faulty: FaultyModule
) -> None:
    softhsm.add("bank-vaults")
    softhsm.add("other")
    softhsm.import_key("bank-vaults", rsa.generate_private_key(65537, 2048))
    found = soft("list", "--output", "json")
    assert (found.code, found.stderr) == (0, "")
    assert found.json["module"]["manufacturer"] == "SoftHSM"
    tokens = [slot["token"] for slot in found.json["slots"]]
    assert sorted((token["label"], token["pin"]) for token in tokens) == [
        ("", "not initialised"),
        ("bank-vaults", "ok"),
        ("other", "ok"),
    ]
    (ours,) = (token for token in tokens if token["label"] == "bank-vaults")
    (key,) = ours["objects"]
    assert (key["kind"], key["label"], key["bits"]) == ("public key", "bank-vaults", 2048)
    assert faulty.count("C_Login") == 0

    table = soft("list").stdout
    assert "\x1b[" not in table
    for words in (
        "  token     bank-vaults, serial ",
        "  PIN       ok",
        "  key       bank-vaults, RSA 2048, ID 01",
    ):
        assert words in table


def test_list_with_a_login_shows_what_is_private(
    soft: Hsm, softhsm: SoftHsm, write: Callable[[Mapping[str, bytes | None]], None]
) -> None:
    softhsm.add("bank-vaults")
    write({"vault-root": None, "theirs": b"x"})
    hidden, shown = (soft("list", "--hsm-token-label", "bank-vaults", *flags) for flags in ((), ("--login",)))
    assert "values" not in hidden.stdout
    assert "  values    vault-root\n" in shown.stdout
    assert "  others    1 other object\n" in shown.stdout


def test_a_module_that_is_none_is_told(soft: Hsm) -> None:
    soft.module = "/nowhere.so"
    assert soft("list").code == ExitCode.STORE
    soft.module = "/lib/x86_64-linux-gnu/libc.so.6" if Path("/lib/x86_64-linux-gnu").exists() else __file__
    found = soft("list")
    assert (found.code, found.stdout) == (ExitCode.STORE, "")
    assert "PKCS#11 module" in found.stderr


def test_a_module_file_of_p11_kit_leads_to_its_library(soft: Hsm, softhsm: SoftHsm) -> None:
    softhsm.add("bank-vaults")
    file = soft.directory / "token.module"
    file.write_text(f"# for p11-kit\nmodule: {soft.module}\nmanaged: no\n")
    for path, uri in ((str(file), "pkcs11:"), ("", f"pkcs11:?module-path={file}")):
        soft.module = path
        found = soft("list", "--hsm-uri", uri)
        assert found.code == 0, found.stderr
        assert "  token     bank-vaults, serial " in found.stdout


# prepare


def test_prepare_takes_a_fresh_token_to_a_working_key_pair(
    soft: Hsm, softhsm: SoftHsm, faulty: FaultyModule
) -> None:
    out = soft.directory / "so-pin"
    debug = ("--log-level", "debug", "--output", "json")
    done = soft("prepare", "--yes", "--so-pin-out", str(out), "--label", "mine", *debug)
    assert done.code == 0, done.stderr
    assert done.json["label"] == "mine"
    assert (done.json["key"]["label"], done.json["key"]["bits"]) == ("bank-vaults", 2048)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    so_pin = out.read_text().rstrip("\n")
    assert re.fullmatch("[0-9a-f]{16}", so_pin)
    assert so_pin not in done.stdout + done.stderr
    assert PIN not in done.stdout + done.stderr
    healthy = soft("doctor", "--login", "--hsm-serial", done.json["serial"], "--output", "json").json
    failed = [layer["layer"] for layer in healthy["layers"] if layer["verdict"] == "failed"]
    assert failed == ["server"]

    # What was made is destroyed only by name, and only with the SO-PIN that was handed out.
    again = ("prepare", "--yes", "--hsm-serial", done.json["serial"])
    kept = soft(*again, "--so-pin-file", str(out))
    assert kept.code == ExitCode.USAGE
    assert f"--destroy-keys {done.json['serial']}" in kept.stderr
    named = (*again, "--destroy-keys", done.json["serial"])
    assert soft(*named).code == ExitCode.USAGE
    made = soft(*named, "--so-pin-file", str(out), "--hsm-generate-key=false", "--output", "json")
    assert made.code == 0, made.stderr
    assert made.json["key"] is None
    assert made.json["label"] == "bank-vaults"
    assert faulty.count("C_GenerateKeyPair") == 1


def test_a_wrong_so_pin_is_tried_once(soft: Hsm, softhsm: SoftHsm, faulty: FaultyModule) -> None:
    softhsm.add("bank-vaults")
    wrong = ("prepare", "--yes", "--hsm-token-label", "bank-vaults", "--so-pin", "87654321")
    for _ in range(3):
        refused = soft(*wrong)
        assert refused.code == ExitCode.PIN_REFUSED, refused.stderr
        assert "87654321" not in refused.stderr
    assert faulty.count("C_InitToken") == 1


def test_a_random_so_pin_is_seen_on_the_terminal_only(soft: Hsm, faulty: FaultyModule) -> None:
    unseen = soft("prepare", "--yes")
    assert unseen.code == ExitCode.USAGE
    assert "--so-pin-out" in unseen.stderr
    assert faulty.count("C_InitToken") == 0
    done = soft.on_terminal("yes", "prepare", "--output", "json")
    assert done.code == 0, done.stderr
    (so_pin,) = re.findall("shown this once, is ([0-9a-f]{16})", done.stderr)
    assert so_pin not in done.stdout
    assert done.json["label"] == "bank-vaults"


@pytest.mark.parametrize("answer", ["no", "", "Yes please"])
def test_nothing_is_done_without_a_yes(soft: Hsm, faulty: FaultyModule, answer: str) -> None:
    done = soft.on_terminal(answer, "prepare")
    assert done.code == ExitCode.FAILURE
    assert "Everything on the token" in done.stderr
    assert "SO-PIN" not in done.stderr
    assert soft("prepare", "--so-pin-out", str(soft.directory / "out")).code == ExitCode.USAGE
    assert not (soft.directory / "out").exists()
    assert faulty.count("C_InitToken") == 0


def test_a_file_that_is_there_is_not_taken_for_the_so_pin(soft: Hsm, faulty: FaultyModule) -> None:
    out = soft.directory / "out"
    out.write_text("precious")
    done = soft("prepare", "--yes", "--so-pin-out", str(out))
    assert done.code == ExitCode.USAGE
    assert "File exists; nothing was done" in done.stderr
    given = soft("prepare", "--yes", "--so-pin-out", str(out), "--so-pin", "12345678")
    assert given.code == ExitCode.USAGE
    assert out.read_text() == "precious"
    assert faulty.count("C_InitToken") == 0


def test_a_token_that_did_not_get_its_pin_is_told(soft: Hsm, faulty: FaultyModule) -> None:
    faulty.plan("C_InitPIN 1 1 0x30")
    done = soft("prepare", "--yes", "--so-pin-out", str(soft.directory / "out"))
    assert done.code == ExitCode.STORE
    assert "C_InitPIN: CKR_DEVICE_ERROR" in done.stderr
    so_pin = ("--so-pin-file", str(soft.directory / "out"))
    found = soft("list", "--output", "json").json["slots"]
    (serial,) = (slot["token"]["serial"] for slot in found if slot["token"]["label"] == "bank-vaults")
    assert soft("prepare", "--yes", "--hsm-serial", serial, *so_pin).code == 0


# objects and purge

VALUES = {
    "vault-root": None,
    "vault-unseal-0": None,
    "vault-unseal-1": b"r" * 256,
    "vault-init-journal": b"{}",
    "vault-test": b"left",
    "vault-test-1": None,
    "vault-foreign": b"x",
    "theirs": b"x",
}


def names_on(soft: Hsm) -> set[str]:
    found = soft("list", "--login", "--hsm-token-label", "bank-vaults", "--output", "json").json["slots"]
    return {
        view["label"]
        for slot in found
        if slot["token"]
        for view in slot["token"]["objects"]
        if view["kind"] == "data"
    }


@pytest.fixture
def filled(
    soft: Hsm, softhsm: SoftHsm, write: Callable[[Mapping[str, bytes | None]], None]
) -> Callable[..., Finished]:
    """Commands on a token with values."""
    softhsm.add("bank-vaults")
    write(VALUES)
    return lambda command, *flags: soft(command, "--hsm-token-label", "bank-vaults", *flags)


def serial_of(found: Finished) -> str:
    serial: str = found.json["token"]["serial"]
    return serial


def test_objects_tells_what_each_value_is(filled: Callable[..., Finished]) -> None:
    found = filled("objects", "--output", "json")
    assert found.code == 0
    objects = {item["name"]: item for item in found.json["objects"]}
    assert objects.keys() == VALUES.keys() - {"theirs"}
    root, share, raw = (objects[name] for name in ("vault-root", "vault-unseal-0", "vault-unseal-1"))
    assert (root["format"], root["key_label"]) == ("envelope", "bank-vaults")
    assert root["initialisation"] == share["initialisation"]
    assert (raw["format"], raw["bytes"], raw["key"]) == ("older", 256, None)
    assert objects["vault-foreign"]["role"] == "not ours"
    table = filled("objects").stdout
    assert "value       vault-unseal-1, 256 bytes, older\n" in table
    assert "not ours    vault-foreign, 1 bytes, unknown\n" in table
    assert "secret" not in table + found.stdout


def test_purge_by_itself_deletes_left_overs_only(soft: Hsm, filled: Callable[..., Finished]) -> None:
    done = filled("purge", "--yes", "--output", "json")
    assert done.code == 0, done.stderr
    assert done.json["deleted"] == ["vault-test", "vault-test-1"]
    assert names_on(soft) == VALUES.keys() - {"vault-test", "vault-test-1"}
    again = filled("purge", "--yes")
    assert again.code == 0
    assert "deleted     nothing\n" in again.stdout
    assert "they need --destroy-keys" in again.stdout


def test_purge_deletes_keys_of_the_token_that_is_named_and_nothing_of_others(
    soft: Hsm, filled: Callable[..., Finished]
) -> None:
    serial = serial_of(filled("objects", "--output", "json"))
    wrong = filled("purge", "--yes", "--destroy-keys", "0" * 16)
    assert wrong.code == ExitCode.USAGE
    unasked = filled("purge", "--destroy-keys", serial)
    assert unasked.code == ExitCode.USAGE
    assert f"{NOWHERE} does not answer" in unasked.stderr
    assert names_on(soft) == VALUES.keys()
    done = filled("purge", "--yes", "--destroy-keys", serial)
    assert done.code == 0, done.stderr
    assert names_on(soft) == {"vault-foreign", "theirs"}
    listed = soft("list").stdout
    assert "  key       bank-vaults, RSA 2048" in listed


def test_purge_asks_and_takes_no_for_no(soft: Hsm, filled: Callable[..., Finished]) -> None:
    serial = serial_of(filled("objects", "--output", "json"))
    flags = ("--hsm-token-label", "bank-vaults", "--destroy-keys", serial)
    done = soft.on_terminal("no", "purge", *flags)
    assert done.code == ExitCode.FAILURE
    assert "can never open their server again" in done.stderr
    assert names_on(soft) == VALUES.keys()


def test_what_the_token_keeps_all_the_same_is_told(
    filled: Callable[..., Finished], faulty: FaultyModule
) -> None:
    faulty.plan("C_DestroyObject 1 100 0x1B")
    done = filled("purge", "--yes")
    assert done.code == ExitCode.STORE
    assert "C_DestroyObject: CKR_ACTION_PROHIBITED" in done.stderr


# with a server


def test_doctor_and_purge_know_what_a_server_needs(
    soft: Hsm, softhsm: SoftHsm, server_kind: ServerKind
) -> None:
    softhsm.add("bank-vaults")
    with Server(server_kind) as server:
        soft.environment["VAULT_ADDR"] = server.address
        token = ("--hsm-token-label", "bank-vaults")
        flags = (*token, "--mode", "hsm", "--secret-shares", "1", "--secret-threshold", "1")
        fresh = soft("doctor", "--login", *flags)
        assert fresh.code == ExitCode.STORE  # a doctor makes no key pair
        assert "key pair    failed" in fresh.stdout
        done = subprocess.run(
            soft.command("unseal --init --once", *flags),
            env=soft.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        healthy = soft("doctor", "--login", *flags, "--output", "json")
        assert healthy.code == 0, healthy.stdout
        verdicts = {layer["layer"]: layer["verdict"] for layer in healthy.json["layers"]}
        assert set(verdicts.values()) == {"ok", "not looked at"}
        assert verdicts["store"] == verdicts["server"] == "ok"
        outside = soft("doctor", *flags, "--output", "json").json["layers"]
        assert {layer["layer"]: layer["verdict"] for layer in outside}["store"] == "not looked at"

        serial = serial_of(soft("objects", *token, "--output", "json"))
        purge = ("purge", "--yes", *token, "--destroy-keys", serial)
        refused = soft(*purge)
        assert refused.code == ExitCode.FAILURE
        assert f"{server.address} is initialised" in refused.stderr
        prepare = ("prepare", "--yes", *token, "--destroy-keys", serial, "--so-pin", SOFT_SO_PIN)
        assert soft(*prepare).code == ExitCode.FAILURE
        assert names_on(soft) == {"vault-root", "vault-unseal-0"}
        assert soft(*purge, "--force").code == 0
        assert names_on(soft) == set()
        lost = soft("doctor", "--login", *flags)
        assert lost.code == ExitCode.KEYS
        assert "store       failed" in lost.stdout
        assert soft(*prepare, "--force").code == 0


# on sticks


@pytest.fixture
def on_stick(nitrokeys: Callable[[int], list[Nitrokey]], opensc: OpenSC, tmp_path: Path) -> Hsm:
    """With one version of OpenSC, and the pcscd of the sticks that the test takes."""
    del nitrokeys  # it has set the variables of the environment
    return Hsm(tmp_path, str(opensc.module), opensc.environment)


def prepared(hsm: Hsm, stick: Nitrokey, *flags: str) -> Finished:
    """From now on the stick is the one that is meant, whichever slot it is in."""
    hsm.environment["BANK_VAULTS_HSM_SERIAL"] = stick.serial
    out = hsm.directory / f"so-pin-{stick.serial}"
    serial = ("--hsm-serial", stick.serial)
    return hsm(
        "prepare", "--yes", "--new-token", "--so-pin-out", str(out), *serial, "--output", "json", *flags
    )


def test_a_stick_from_the_factory_is_prepared_and_well(on_stick: Hsm, nitrokey: Nitrokey) -> None:
    before = on_stick("list", "--output", "json").json
    assert before["uses_pcscd"]
    assert [slot["token"]["serial"] for slot in before["slots"] if slot["token"]] == [nitrokey.serial]
    done = prepared(on_stick, nitrokey)
    assert done.code == 0, done.stderr
    assert done.json["serial"] == nitrokey.serial
    assert nitrokey.image.pins[Reference.USER].value == PIN.encode()
    so_pin = (on_stick.directory / f"so-pin-{nitrokey.serial}").read_text().strip()
    assert nitrokey.image.pins[Reference.SO].value == bytes.fromhex(so_pin)

    tries = nitrokey.counters.pins_right + nitrokey.counters.pins_wrong
    listed = on_stick("list").stdout
    assert f"bank-vaults, serial {nitrokey.serial}" in listed
    assert "key       bank-vaults, RSA 2048" in listed
    outside = on_stick("doctor", "--output", "json").json["layers"]
    assert [layer["verdict"] for layer in outside[:5]] == ["ok"] * 5
    assert nitrokey.counters.pins_right + nitrokey.counters.pins_wrong == tries
    inside = on_stick("doctor", "--login", "--output", "json").json["layers"]
    assert [layer["verdict"] for layer in inside[:10]] == ["ok"] * 10
    assert nitrokey.counters.pins_wrong == 0


def test_only_the_stick_that_is_named_is_initialised(
    on_stick: Hsm, nitrokeys: Callable[[int], list[Nitrokey]]
) -> None:
    first, second = nitrokeys(2)
    assert prepared(on_stick, second).code == 0
    assert prepared(on_stick, first, "--destroy-keys", second.serial).code == ExitCode.USAGE
    assert not first.image.pins
    assert second.image.pins
    slots = on_stick("list", "--output", "json").json["slots"]
    (slot,) = (s["slot"] for s in slots if s["token"] and s["token"]["serial"] == second.serial)
    del on_stick.environment["BANK_VAULTS_HSM_SERIAL"]
    refused = on_stick("prepare", "--yes", "--so-pin", SO_PIN, "--hsm-slot-id", str(slot))
    assert refused.code == ExitCode.USAGE
    assert "--hsm-serial" in refused.stderr


def test_a_stick_that_seems_empty_for_a_moment_keeps_its_keys(on_stick: Hsm, nitrokey: Nitrokey) -> None:
    assert prepared(on_stick, nitrokey).code == 0
    so_pin = on_stick.directory / f"so-pin-{nitrokey.serial}"
    nitrokey.fault("enumerate status=6F00")
    done = on_stick("prepare", "--yes", "--so-pin-file", str(so_pin))
    assert done.code == ExitCode.USAGE, done.stderr
    assert "the key pair 'bank-vaults'" in done.stderr
    assert "key       bank-vaults, RSA 2048" in on_stick("list").stdout


def test_a_stick_that_is_not_new_loses_one_try_of_its_so_pin_at_most(
    on_stick: Hsm, nitrokey: Nitrokey
) -> None:
    assert prepared(on_stick, nitrokey, "--hsm-generate-key=false").code == 0
    for _ in range(2):
        out = on_stick.directory / f"so-pin-{nitrokey.serial}"
        out.unlink()
        again = prepared(on_stick, nitrokey)
        assert again.code == ExitCode.PIN_REFUSED, again.stderr
    assert nitrokey.image.pins[Reference.SO].tries == 14


def test_a_refused_pin_costs_one_try_and_a_person_may_ask_for_another(
    on_stick: Hsm, nitrokey: Nitrokey, opensc: OpenSC
) -> None:
    assert prepared(on_stick, nitrokey).code == 0
    other = "654321"
    on_stick.pin.write_text(other)
    assert on_stick("doctor", "--login").code == ExitCode.PIN_REFUSED
    for command in ("doctor", "doctor --login", "objects", "list --login", "purge --yes"):
        refused = on_stick(*command.split())
        assert refused.code == ExitCode.PIN_REFUSED, command
        assert "has refused this PIN before" in refused.stdout + refused.stderr
        assert other not in refused.stdout + refused.stderr
    assert nitrokey.counters.pins_wrong == 1
    assert "PIN       a wrong PIN was tried" in on_stick("list").stdout

    change = ("--login", "--pin", PIN, "--new-pin", other, "--change-pin")
    assert opensc.run("pkcs11-tool", *change, env=on_stick.environment).returncode == 0
    assert on_stick("objects").code == ExitCode.PIN_REFUSED
    asked = on_stick("doctor", "--login")
    assert "login       ok" in asked.stdout
    assert on_stick("objects").code == 0
    assert nitrokey.counters.pins_wrong == 1


@pytest.mark.parametrize(("tries", "words"), [(2, "locked"), (1, "one try is left")])
def test_a_pin_near_its_end_is_told_and_not_tried(
    on_stick: Hsm, nitrokey: Nitrokey, opensc: OpenSC, tries: int, words: str
) -> None:
    assert prepared(on_stick, nitrokey).code == 0
    for _ in range(tries + 1):
        opensc.run("pkcs11-tool", "--login", "--pin", "wrong1", "--list-objects", env=on_stick.environment)
    assert f"PIN       {words}" in on_stick("list").stdout
    doctor = on_stick("doctor", "--login")
    assert doctor.code == ExitCode.PIN_REFUSED
    assert "PIN         failed" in doctor.stdout
    assert nitrokey.image.pins[Reference.USER].tries == 2 - tries


def test_the_layers_below_the_token_are_told_apart(on_stick: Hsm, nitrokey: Nitrokey, tmp_path: Path) -> None:
    nitrokey.remove()
    pulled = on_stick("doctor")
    assert pulled.code == ExitCode.STORE
    assert "reader      ok" in pulled.stdout
    assert "token       failed" in pulled.stdout
    assert "plug it in" in pulled.stdout
    ignoring = tmp_path / "opensc.conf"  # as on a machine where the reader goes with its stick
    ignoring.write_text('app default { ignored_readers = "Nitrokey"; }\n')
    on_stick.environment["OPENSC_CONF"] = str(ignoring)
    empty = on_stick("doctor")
    assert empty.code == ExitCode.STORE
    assert "pcscd       ok" in empty.stdout
    assert "reader      failed: the module shows no reader" in empty.stdout
    assert "libccid" in empty.stdout
    on_stick.environment["PCSCLITE_CSOCK_NAME"] = str(tmp_path / "pcscd.comm")
    stopped = on_stick("doctor")
    assert stopped.code == ExitCode.STORE
    assert "module      ok" in stopped.stdout
    assert "pcscd       failed: pcscd does not run" in stopped.stdout
    assert "systemctl" in stopped.stdout


def test_values_on_a_stick_are_purged(
    on_stick: Hsm, nitrokey: Nitrokey, tmp_path: Path, opensc: OpenSC
) -> None:
    assert prepared(on_stick, nitrokey).code == 0
    value = tmp_path / "value"
    value.write_bytes(b"r" * 256)
    for name in ("vault-test", "vault-root", "vault-root", "theirs"):
        write = ("--type", "data", "--label", name, "--write-object", str(value))
        done = opensc.run("pkcs11-tool", "--login", "--pin", PIN, *write, env=on_stick.environment)
        assert done.returncode == 0, done.stderr
    listed = on_stick("list").stdout
    # They are public, as Go Bank-Vaults made them.
    assert "values    vault-test, vault-root, vault-root" in listed
    objects = on_stick("objects").stdout
    assert objects.count("vault-root, 256 bytes, older") == 2
    assert objects.count("an older one of this name") == 1
    purged = on_stick("purge", "--yes", "--destroy-keys", nitrokey.serial)
    assert purged.code == 0, purged.stderr
    assert "values" not in on_stick("list").stdout
    assert "others    1 other object" in on_stick("list").stdout
