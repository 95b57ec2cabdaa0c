"""From settings to a token: nothing is guessed, no PIN is shown, and what was refused is remembered."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bank_vaults.cli.resolve import resolve
from bank_vaults.domain.secrets import Secret
from bank_vaults.domain.settings import Settings
from bank_vaults.hsm.pin import Attempt, PinMemory, PinMemoryError, SaltedHash, remember_accepted
from bank_vaults.keystores import hsm_token
from bank_vaults.keystores.base import StoreError
from bank_vaults.keystores.file import FileStore
from bank_vaults.keystores.hsm_token import StoredMemory, access, client, memory, module, state_directory

_NOT_WRITABLE = "/proc"
"""Exists everywhere, and not even root can put anything into it."""

_PIN = Secret("banzai")
_OTHER = Secret("banana")
_REFUSED = PinMemory(refused=(SaltedHash.of(_PIN),))


def _settings(environ: dict[str, str] | None = None, **flags: str) -> Settings:
    """As the command line gives them; each _ of a name is a dash."""
    given: dict[str, Sequence[str]] = {name.replace("_", "-"): [text] for name, text in flags.items()}
    return resolve("unseal", {"mode": ["hsm"], **given}, environ or {}).settings


# the memory of refused PINs


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    place = tmp_path / "state"
    place.mkdir(mode=0o700)
    return place


def test_what_is_remembered_of_a_token_is_recalled_for_that_token_alone(directory: Path) -> None:
    StoredMemory(str(directory)).remember("DENK01", _REFUSED)
    again = StoredMemory(str(directory))
    assert again.recall("DENK01") == _REFUSED
    assert again.recall("DENK02") == PinMemory()


def test_a_record_shows_neither_pin_nor_serial_number_and_is_for_its_owner_only(directory: Path) -> None:
    StoredMemory(str(directory)).remember("DENK0100001", _REFUSED)
    (record,) = directory.iterdir()
    assert "DENK" not in record.name
    assert b"DENK" not in record.read_bytes()
    assert b"banzai" not in record.read_bytes()
    assert stat.S_IMODE(record.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"{}", b"\0" * 100, b'{"version": 9}'])
def test_a_damaged_record_is_not_taken_for_an_empty_one(content: bytes, directory: Path) -> None:
    found = StoredMemory(str(directory))
    found.remember("1", _REFUSED)
    (record,) = directory.iterdir()
    record.write_bytes(content)
    with pytest.raises(PinMemoryError):
        found.recall("1")


def test_a_record_that_cannot_be_read_is_not_taken_for_an_empty_one(directory: Path) -> None:
    found = StoredMemory(str(directory))
    found.remember("1", _REFUSED)
    (record,) = directory.iterdir()
    record.rename(record.with_name("moved"))
    record.symlink_to("moved")
    with pytest.raises(PinMemoryError, match=r"not known which PINs were refused: .*symbolic link"):
        found.recall("1")


@pytest.mark.parametrize("place", ["{}/missing", "{}/file/below", _NOT_WRITABLE])
def test_a_directory_that_is_not_there_or_not_ours_remembers_nothing_and_says_so(
    place: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    found = StoredMemory(place.format(tmp_path))
    assert found.recall("1") == PinMemory()
    with pytest.raises(OSError, match="the file store cannot write"):
        found.remember("1", _REFUSED)


def test_what_any_store_knows_counts(directory: Path, tmp_path: Path) -> None:
    attempt = PinMemory(attempt=Attempt(SaltedHash.of(_PIN), 0))
    for local, shared in ((_REFUSED, attempt), (attempt, _REFUSED)):
        StoredMemory(str(directory)).remember("1", local)
        FileStore(tmp_path).put(hsm_token._record("1"), shared.encode())
        both = StoredMemory(str(directory), (FileStore(tmp_path),)).recall("1")
        assert (both.refused, both.attempt) == (_REFUSED.refused, attempt.attempt)
    found = StoredMemory(str(directory), (FileStore(tmp_path),))
    found.remember("1", remember_accepted(_REFUSED, _OTHER))
    assert found.recall("1") == StoredMemory(str(tmp_path)).recall("1")
    assert len(found.recall("1").refused) == 1


def test_it_is_enough_if_one_store_remembers(tmp_path: Path) -> None:
    found = StoredMemory(_NOT_WRITABLE, (FileStore(tmp_path),))
    found.remember("1", _REFUSED)
    assert found.recall("1") == _REFUSED
    with pytest.raises(OSError, match=r"cannot write .*; .*cannot write"):
        StoredMemory(_NOT_WRITABLE, (FileStore("/nowhere"),)).remember("1", _REFUSED)


# one login after the other


def test_whoever_comes_second_waits_for_the_first(directory: Path) -> None:
    order: list[str] = []
    inside, go = threading.Event(), threading.Event()

    def first() -> None:
        with StoredMemory(str(directory)).alone(30.0):
            inside.set()
            go.wait(30)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(30)
    threading.Timer(0.1, go.set).start()
    with StoredMemory(str(directory)).alone(30.0):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


def test_who_waits_too_long_is_told_what_is_in_the_way(directory: Path) -> None:
    with (
        StoredMemory(str(directory)).alone(0.0),
        pytest.raises(TimeoutError, match=f"another process .* for 0 s: it holds {directory}"),
        StoredMemory(str(directory)).alone(0.0),
    ):
        pytest.fail("both are in")
    with StoredMemory(str(directory)).alone(0.0):
        """The lock is free again."""


@pytest.mark.parametrize("place", ["/nowhere/state", _NOT_WRITABLE])
def test_where_nothing_can_be_remembered_nobody_waits(place: str) -> None:
    with StoredMemory(place).alone(0.0), StoredMemory(place).alone(0.0):
        """Both are in."""


# the directory


@pytest.mark.parametrize(
    ("given", "environ", "user", "expected"),
    [
        ("{}/given", {"STATE_DIRECTORY": "{}/systemd"}, 0, "{}/given"),
        ("", {"STATE_DIRECTORY": "{}/systemd:{}/second"}, 1000, "{}/systemd"),
        ("", {"STATE_DIRECTORY": "{}/systemd"}, 0, "{}/systemd"),
        ("", {"XDG_STATE_HOME": "{}/xdg", "HOME": "{}/home"}, 1000, "{}/xdg/bank-vaults"),
        ("", {"XDG_STATE_HOME": "", "HOME": "{}/home"}, 1000, "{}/home/.local/state/bank-vaults"),
    ],
)
def test_the_state_directory_is_found_and_made(
    given: str,
    environ: dict[str, str],
    user: int,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    here = {name: text.replace("{}", str(tmp_path)) for name, text in environ.items()}
    found = state_directory(given.replace("{}", str(tmp_path)), here)
    assert found == expected.replace("{}", str(tmp_path))
    assert stat.S_IMODE(Path(found).stat().st_mode) == 0o700
    assert state_directory(found, {}) == found


@pytest.mark.parametrize(
    ("user", "expected"), [(0, "/var/lib/bank-vaults"), (1000, "/.local/state/bank-vaults")]
)
def test_without_any_word_the_state_is_where_the_user_has_it(
    user: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(os, "makedirs", lambda path, **_: made.append(path))
    assert state_directory("", {}) == expected
    assert made == [expected]


def test_a_directory_that_cannot_be_made_shows_at_its_use(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = memory(_settings(hsm_state_dir=f"{tmp_path}/file/below"))
    assert found.recall("1") == PinMemory()
    with pytest.raises(OSError, match="Not a directory"):
        found.remember("1", _REFUSED)


# the PIN


@pytest.fixture(autouse=True)
def _nothing_cached() -> Iterator[None]:
    yield
    hsm_token._pin_from.cache_clear()


def _write(descriptor: int, content: bytes) -> None:
    with open(descriptor, "wb") as file:
        file.write(content)


def _pin(settings: Settings) -> bytes:
    return access(settings).pin.reveal_bytes()


@pytest.mark.parametrize(
    ("content", "pin"),
    [
        (b"banzai", b"banzai"),
        (b"banzai\n", b"banzai"),
        (b"banzai\r\n", b"banzai"),
        (b"ban zai\r", b"ban zai\r"),
    ],
)
def test_a_pin_is_read_from_a_file_without_its_line_end(content: bytes, pin: bytes, tmp_path: Path) -> None:
    (tmp_path / "pin").write_bytes(content)
    assert _pin(_settings(hsm_pin_file=f"{tmp_path}/pin")) == pin
    for source in (f"{tmp_path}/pin", f"file:{tmp_path}/pin", f"file://{tmp_path}/pin"):
        assert _pin(_settings(hsm_uri=f"pkcs11:?pin-source={source}")) == pin


def test_a_pin_is_read_from_an_open_file_descriptor() -> None:
    for use in ("flag", "uri"):
        reader, writer = os.pipe()
        writes = threading.Timer(0.05, _write, (writer, b"banzai\n"))
        writes.start()  # as a process substitution of the shell, which needs its time
        path = f"/dev/fd/{reader}"
        settings = (
            _settings(hsm_pin_file=path) if use == "flag" else _settings(hsm_uri=f"pkcs11:?pin-source={path}")
        )
        assert _pin(settings) == b"banzai"
        assert _pin(settings) == b"banzai"  # the process that calls sys/init asks as well
        writes.join()
        os.close(reader)


def test_a_pin_is_read_from_a_systemd_credential(tmp_path: Path) -> None:
    (tmp_path / "hsm-pin").write_bytes(b"banzai\n")
    assert _pin(_settings({"CREDENTIALS_DIRECTORY": str(tmp_path)})) == b"banzai"


def test_a_pin_is_read_from_the_environment_and_from_the_uri() -> None:
    assert _pin(_settings({"BANK_VAULTS_HSM_PIN": "banzai"})) == b"banzai"
    assert _pin(_settings(hsm_uri="pkcs11:?pin-value=ban%7Aai")) == b"banzai"


def test_the_flag_goes_before_the_uri() -> None:
    uri = "pkcs11:?pin-source=/nowhere/pin"
    assert _pin(_settings({"BANK_VAULTS_HSM_PIN": "banzai"}, hsm_uri=uri)) == b"banzai"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("pin", "absolute path"),
        ("%7Ccat%20/etc/pin", "absolute path"),
        ("file://host/pin", "absolute path"),
        ("/nowhere/pin", "cannot read pin-source '/nowhere/pin': No such file"),
        ("/", "Is a directory"),
        ("/dev/zero", "too long for a PIN"),
        ("/a%00b", "not a file name"),
        ("/dev/null", "needs the user PIN"),
    ],
)
def test_a_pin_source_that_gives_no_pin_is_told(source: str, words: str) -> None:
    with pytest.raises(StoreError, match=words):
        access(_settings(hsm_uri=f"pkcs11:?pin-source={source}"))


def test_without_a_pin_it_is_said_where_one_may_stand() -> None:
    with pytest.raises(StoreError, match=r"needs the user PIN .*--hsm-pin-file"):
        access(_settings())
    assert not access(_settings(), needs_pin=False).pin


def test_no_error_and_no_text_of_the_access_shows_the_pin() -> None:
    found = access(_settings(hsm_uri="pkcs11:token=t?pin-value=banzai"))
    assert "banzai" not in repr(found)
    with pytest.raises(StoreError) as failed:
        access(_settings(hsm_uri="pkcs11:token=a b?pin-value=banzai"))
    assert "banzai" not in str(failed.value)


# token, key, module


def test_the_flags_go_before_the_uri_and_the_uri_before_the_defaults() -> None:
    uri = (
        "pkcs11:token=t;serial=1;manufacturer=m;model=o;slot-id=3;slot-description=d;slot-manufacturer=s;"
        "library-manufacturer=l;library-description=e;library-version=2.6;object=k;id=%01%02?pin-value=banzai"
    )
    found = access(_settings(hsm_uri=uri))
    assert found.criteria._asdict() == {
        "serial": "1",
        "label": "t",
        "manufacturer": "m",
        "model": "o",
        "slot_description": "d",
        "slot_manufacturer": "s",
        "slot": 3,
        "slot_too": True,
        "library_manufacturer": "l",
        "library_description": "e",
        "library_version": "2.6",
    }
    assert (found.key_label, found.key_id) == ("k", b"\1\2")
    ours = _settings(hsm_uri=uri, hsm_serial="2", hsm_token_label="u", hsm_key_id="0A:0b")
    assert access(ours).criteria[:2] == ("2", "u")
    assert access(ours).key_id == b"\x0a\x0b"
    plain = access(_settings({"BANK_VAULTS_HSM_PIN": "banzai"}))
    assert (plain.criteria.slot, plain.criteria.slot_too) == (0, False)
    assert (plain.key_label, plain.key_id) == ("bank-vaults", None)
    assert (plain.may_generate, plain.allow_final_try, plain.again) == (True, False, False)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"hsm_uri": "pkcs11:token=a;token=b"}, "the hsm store: token stands twice"),
        ({"hsm_uri": "token"}, "starts with 'pkcs11:'"),
        ({"hsm_key_id": "xyz"}, "--hsm-key-id is not hexadecimal"),
        ({"hsm_key_label": ""}, "key label is required"),
    ],
)
def test_a_wrong_setting_is_told_by_its_name(flags: dict[str, str], words: str) -> None:
    with pytest.raises(StoreError, match=words):
        access(_settings({"BANK_VAULTS_HSM_PIN": "banzai"}, **flags))


def test_a_key_may_be_named_by_its_id_alone() -> None:
    found = access(_settings({"BANK_VAULTS_HSM_PIN": "banzai"}, hsm_key_label="", hsm_key_id="01"))
    assert (found.key_label, found.key_id) == (None, b"\1")


def test_a_module_that_is_not_there_is_told() -> None:
    with pytest.raises(StoreError, match=r"the PKCS#11 module /nowhere\.so does not exist"):
        module(_settings(hsm_module_path="/nowhere.so"))
    with pytest.raises(StoreError, match="give --hsm-module-path"):
        client(_settings({"BANK_VAULTS_HSM_PIN": "banzai"}))


def test_making_a_client_asks_nothing_of_the_token(tmp_path: Path) -> None:
    (tmp_path / "module.so").touch()
    found = client(
        _settings(
            {"BANK_VAULTS_HSM_PIN": "banzai"},
            hsm_module_path=f"{tmp_path}/module.so",
            hsm_token_label="t",
            hsm_state_dir=str(tmp_path / "state"),
        )
    )
    assert found.place == f"token with {{'label': 't'}} through {tmp_path}/module.so"
