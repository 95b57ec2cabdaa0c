"""The worker answers each request, tells trouble of a value from trouble of the token, and lets go."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding

from bank_vaults.domain import envelope
from bank_vaults.domain.envelope import Wrapping
from bank_vaults.hsm import cipher, worker
from bank_vaults.hsm.ck import Attribute, ObjectClass, TokenFlag
from bank_vaults.hsm.pin import PinMemory
from bank_vaults.hsm.wire import Channel, WireError
from bank_vaults.hsm.worker import Worker
from tests.unit.hsm.fake_cryptoki import (
    FLAGS,
    PIN,
    Attributes,
    FakeCryptoki,
    FakeMemory,
    FakeToken,
    ec_key,
    raw,
    rsa_key,
    since,
)

_FAR = 30.0
_OAEP = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
_ACCESS: dict[str, Any] = {
    "criteria": {"label": "bank-vaults"},
    "key_label": "bank-vaults",
    "key_id": None,
    "pin": PIN,
    "may_generate": False,
}


class FailedError(Exception):
    """The worker could not do it."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind
        self.text = text


class Supervisor:
    """The other side of a worker that runs in a thread, on a stick with a key pair."""

    def __init__(self) -> None:
        self.stick = FakeToken()
        self.stick.add_pair(rsa_key())
        self.module = FakeCryptoki(self.stick)
        self.memory = FakeMemory()
        ours, theirs = socket.socketpair()
        self.channel = Channel(ours)
        self._thread = threading.Thread(target=self._run, args=(theirs,))
        self._thread.start()

    def _run(self, end: socket.socket) -> None:
        with end, suppress(WireError):
            Worker(Channel(end), "module").serve()

    def ask(self, do: str, **members: Any) -> dict[str, Any]:
        """The answer. Raises FailedError."""
        self.channel.send({"do": do, **members})
        while True:
            answer = self.channel.receive(_FAR)
            if "failed" in answer:
                raise FailedError(answer["failed"]["kind"], answer["failed"]["text"])
            if "done" in answer:
                return dict(answer["done"])
            self.channel.send(self._remembered(answer))

    def _remembered(self, question: Any) -> dict[str, Any]:
        if question["ask"] == "recall":
            return {"record": self.memory.recall(question["token"]).encode(), "error": None}
        try:
            self.memory.remember(question["token"], PinMemory.decode(question["record"]))
        except OSError as error:
            return {"error": str(error)}
        return {"error": None}

    def bind(self, *, fresh: bool = False, **access: Any) -> dict[str, Any]:
        """Log in."""
        return self.ask("bind", access={**_ACCESS, **access}, fresh=fresh)

    def seal(self, name: str, value: bytes, like: bytes | None = None) -> bytes:
        stored: bytes = self.ask("seal", name=name, value=value, like=like, replaced=0)["stored"]
        return stored

    def open(self, name: str, stored: bytes) -> bytes:
        value: bytes = self.ask("open", name=name, stored=stored)["value"]
        return value

    def values(self, label: str) -> list[bytes]:
        values: list[bytes] = self.ask("values", label=label)["values"]
        return values

    def close(self) -> None:
        self.channel.close()
        self._thread.join()


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    found = Supervisor()
    monkeypatch.setattr(worker, "Module", lambda _path: found.module)
    yield found
    found.close()


# the conversation


def test_a_look_needs_no_login(supervisor: Supervisor) -> None:
    answer = supervisor.ask("look")
    assert answer["module"][1] == "Test"
    assert answer["candidates"][0][2][3] == supervisor.stick.serial
    assert "C_Login" not in supervisor.module.calls


def test_a_bind_tells_the_token_and_its_key(supervisor: Supervisor) -> None:
    answer = supervisor.bind()
    assert answer["choice"][0][2][3] == supervisor.stick.serial
    assert answer["key"] == {
        "label": "bank-vaults",
        "id": b"\1",
        "type": "RSA",
        "size": 2048,
        "fingerprint": cipher.fingerprint(rsa_key().public_key()),
    }
    assert (answer["generated"], answer["choice"][2]) == (False, None)


def test_the_memory_of_refused_pins_is_asked_and_told(supervisor: Supervisor) -> None:
    with pytest.raises(FailedError, match="pin: login to HSM failed"):
        supervisor.bind(pin=b"banana")
    with pytest.raises(FailedError, match=r"pin: .* has refused this PIN before"):
        supervisor.bind(pin=b"banana")
    assert supervisor.memory.calls == ["recall", "remember the attempt", "remember", "recall"]
    supervisor.memory.writable = False
    with pytest.raises(FailedError, match="Read-only file system"):
        supervisor.bind()


def test_a_damaged_memory_is_no_login(supervisor: Supervisor) -> None:
    supervisor.channel.send({"do": "bind", "access": _ACCESS, "fresh": False})
    assert supervisor.channel.receive(_FAR)["ask"] == "recall"
    supervisor.channel.send({"error": "it is not known which PINs were refused"})
    failed = supervisor.channel.receive(_FAR)["failed"]
    assert failed == {"kind": "wrong", "text": "it is not known which PINs were refused"}
    assert "C_Login" not in supervisor.module.calls


def test_a_supervisor_that_goes_while_it_is_asked_ends_the_worker(supervisor: Supervisor) -> None:
    supervisor.channel.send({"do": "bind", "access": _ACCESS, "fresh": False})
    assert supervisor.channel.receive(_FAR)["ask"] == "recall"
    supervisor.close()
    assert "C_Login" not in supervisor.module.calls


def test_a_request_that_nobody_knows_is_no_end(supervisor: Supervisor) -> None:
    with pytest.raises(FailedError, match="token: unexpected KeyError in the worker"):
        supervisor.ask("dance")
    assert supervisor.ask("look")["candidates"]


def test_an_error_that_nobody_foresaw_is_told_by_its_kind_alone(supervisor: Supervisor) -> None:
    def surprise(called: str) -> None:
        if called == "C_FindObjects":
            raise ValueError(f"the PIN is {PIN!r}")

    supervisor.module.hooks.append(surprise)
    with pytest.raises(FailedError) as failed:
        supervisor.bind()
    assert (failed.value.kind, failed.value.text) == ("token", "unexpected ValueError in the worker")


@pytest.mark.parametrize(
    ("access", "kind"),
    [
        ({"criteria": {"serial": "none"}}, "missing"),
        ({"criteria": {}}, "several"),
        ({"key_label": "other"}, "no-pair"),
        ({"key_label": "half"}, "wrong"),
    ],
)
def test_the_kind_of_a_failure_says_whether_it_is_worth_another_try(
    access: dict[str, Any], kind: str, supervisor: Supervisor
) -> None:
    supervisor.module.tokens[1] = FakeToken("other", "2")
    supervisor.stick.add_public(rsa_key(), "half", b"\2")
    with pytest.raises(FailedError) as failed:
        supervisor.bind(**access)
    assert failed.value.kind == kind


# a token that failed for a moment while the module read it


def _misread(supervisor: Supervisor, **shown: Any) -> None:
    """Until the module is initialised anew, the stick looks like this."""
    stick = supervisor.stick
    right = {name: getattr(stick, name) for name in shown}

    def reread(function: str) -> None:
        if function == "C_Finalize":
            vars(stick).update(right)

    vars(stick).update(shown)
    supervisor.module.hooks.append(reread)


def _public_half_only(stick: FakeToken) -> dict[int, Attributes]:
    private = raw(ObjectClass.PRIVATE_KEY)
    return {number: found for number, found in stick.objects.items() if found[Attribute.CLASS] != private}


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param({"objects": {}}, id="no key"),
        pytest.param({"objects": None}, id="half a key pair"),
        pytest.param({"label": "SmartCard-HSM"}, id="another label"),
        pytest.param({"flags": FLAGS | TokenFlag.PROTECTED_AUTHENTICATION_PATH}, id="a PIN pad"),
        pytest.param({"flags": TokenFlag.TOKEN_INITIALIZED}, id="no user PIN"),
    ],
)
def test_what_speaks_against_a_token_is_believed_when_it_was_read_twice(
    shown: dict[str, Any], supervisor: Supervisor
) -> None:
    if shown.get("objects", True) is None:
        shown = {"objects": _public_half_only(supervisor.stick)}
    _misread(supervisor, **shown)
    assert supervisor.bind()["key"]["id"] == b"\1"
    assert supervisor.module.calls.count("C_Finalize") == 1


def test_no_key_pair_is_generated_for_one_that_was_overlooked(supervisor: Supervisor) -> None:
    _misread(supervisor, objects={})
    assert supervisor.bind(may_generate=True)["generated"] is False
    assert "C_GenerateKeyPair" not in supervisor.module.calls


def test_a_key_pair_is_generated_where_two_looks_found_none(supervisor: Supervisor) -> None:
    supervisor.stick.objects.clear()
    with pytest.raises(FailedError, match="no-pair: there is no key pair with label 'bank-vaults'"):
        supervisor.bind()
    assert supervisor.bind(may_generate=True)["generated"] is True
    calls = supervisor.module.calls
    assert calls.count("C_GenerateKeyPair") == 1
    assert since(calls, "C_Finalize").count("C_GenerateKeyPair") == 1


def test_a_token_that_is_missing_is_not_read_anew_at_every_look(supervisor: Supervisor) -> None:
    for _ in range(3):
        with pytest.raises(FailedError, match="missing: "):
            supervisor.bind(criteria={"label": "another"})
    assert supervisor.module.calls.count("C_Finalize") == 1


@pytest.mark.parametrize("tries", [1, 0])
def test_what_says_that_tries_were_spent_is_believed_at_once(tries: int, supervisor: Supervisor) -> None:
    _misread(supervisor, tries=tries)
    with pytest.raises(FailedError, match="pin: "):
        supervisor.bind()
    assert not {"C_Finalize", "C_Login"} & set(supervisor.module.calls)


def test_a_curve_that_is_not_used_here_is_told_at_the_bind(supervisor: Supervisor) -> None:
    supervisor.stick.add_pair(ec_key(ec.SECP384R1), "p384", b"\2")
    with pytest.raises(FailedError, match="wrong: the EC key of the token is not on P-256"):
        supervisor.bind(key_label="p384")
    with pytest.raises(FailedError, match="wrong: the token is not bound"):
        supervisor.seal("vault-root", b"value")


def test_a_module_that_cannot_be_loaded_is_wrong_and_stays_so() -> None:
    ours, theirs = socket.socketpair()
    found = Worker(Channel(theirs), "/nowhere/module.so")

    def serve() -> None:
        with suppress(WireError):
            found.serve()

    thread = threading.Thread(target=serve)
    thread.start()
    channel = Channel(ours)
    for _ in range(2):
        channel.send({"do": "look"})
        failed = channel.receive(_FAR)["failed"]
        assert failed["kind"] == "wrong"
        assert "/nowhere/module.so" in failed["text"]
    channel.close()
    thread.join()
    theirs.close()


def test_a_module_that_was_not_ready_is_initialised_at_the_next_request(supervisor: Supervisor) -> None:
    supervisor.module.fail("C_Initialize", "CKR_GENERAL_ERROR")
    with pytest.raises(FailedError, match="token: C_Initialize: CKR_GENERAL_ERROR"):
        supervisor.bind()
    supervisor.bind()


def test_a_fresh_bind_initialises_the_module_anew(supervisor: Supervisor) -> None:
    supervisor.bind()
    supervisor.bind(fresh=True)
    assert since(supervisor.module.calls, "C_CloseAllSessions")[:4] == [
        "C_CloseAllSessions",
        "C_Finalize",
        "C_Initialize",
        "C_GetSlotList",
    ]


def test_after_an_error_of_the_token_nothing_of_it_is_kept(supervisor: Supervisor) -> None:
    supervisor.bind()
    stored = supervisor.seal("vault-root", b"value")
    supervisor.module.fail("C_FindObjects", "CKR_SESSION_HANDLE_INVALID")
    with pytest.raises(FailedError, match="token: C_FindObjects: CKR_SESSION_HANDLE_INVALID"):
        supervisor.values("vault-root")
    assert supervisor.module.calls[-1] == "C_CloseAllSessions"
    with pytest.raises(FailedError, match="wrong: the token is not bound"):
        supervisor.open("vault-root", stored)
    supervisor.bind()
    assert supervisor.open("vault-root", stored) == b"value"


# data objects


@pytest.mark.parametrize(
    ("code", "hinted"),
    [("CKR_GENERAL_ERROR", True), ("CKR_DEVICE_MEMORY", True), ("CKR_DEVICE_REMOVED", False)],
)
def test_a_token_that_has_no_room_for_a_value_is_told_with_what_to_do(
    code: str, hinted: bool, supervisor: Supervisor
) -> None:
    supervisor.bind()
    supervisor.module.fail("C_CreateObject", code)
    with pytest.raises(FailedError, match=f"token: C_CreateObject: {code}") as failed:
        supervisor.ask("create", label="vault-root", value=b"v")
    assert ("the token may be full" in str(failed.value)) is hinted


def test_a_name_is_created_once(supervisor: Supervisor) -> None:
    supervisor.bind()
    assert supervisor.ask("create", label="vault-root", value=b"first") == {"created": True}
    assert supervisor.ask("create", label="vault-root", value=b"second") == {"created": False}
    assert supervisor.stick.values("vault-root") == [b"first"]
    assert supervisor.ask("labels") == {"labels": ["vault-root"]}


@pytest.mark.parametrize("when", ["C_CreateObject", "C_FindObjects"])
def test_whoever_creates_and_then_sees_another_has_created_nothing(when: str, supervisor: Supervisor) -> None:
    """Whichever of the two objects a token shows first: it may be another one for each process."""
    supervisor.bind()
    began = len(supervisor.module.templates)

    def other(called: str) -> None:
        late = called == "C_FindObjects" and len(supervisor.module.templates) > began
        if (called == when == "C_CreateObject" or (when == "C_FindObjects" and late)) and not theirs:
            theirs.append(supervisor.stick.add_data("vault-root", b"of another process"))

    theirs: list[int] = []
    supervisor.module.hooks.append(other)
    assert supervisor.ask("create", label="vault-root", value=b"ours") == {"created": False}
    assert supervisor.stick.values("vault-root") == [b"of another process"]


def test_a_replacement_is_read_back_before_the_older_ones_are_destroyed(supervisor: Supervisor) -> None:
    supervisor.bind()
    for value in (b"oldest", b"old"):
        supervisor.stick.add_data("vault-root", value)
    supervisor.ask("replace", label="vault-root", value=b"new")
    assert supervisor.stick.values("vault-root") == [b"new"]
    assert since(supervisor.module.calls, "C_CreateObject 'vault-root'") == [
        "C_CreateObject 'vault-root'",
        "C_FindObjects",
        "C_DestroyObject 'vault-root'",
        "C_DestroyObject 'vault-root'",
    ]


def test_a_replacement_that_is_cut_short_leaves_both_values_and_the_next_one_mends_it(
    supervisor: Supervisor,
) -> None:
    supervisor.bind()
    supervisor.stick.add_data("vault-root", b"old")
    supervisor.module.fail("C_DestroyObject", "CKR_DEVICE_REMOVED")
    with pytest.raises(FailedError, match="CKR_DEVICE_REMOVED"):
        supervisor.ask("replace", label="vault-root", value=b"new")
    supervisor.bind()
    assert sorted(supervisor.values("vault-root")) == [b"new", b"old"]
    supervisor.ask("replace", label="vault-root", value=b"newer")
    assert supervisor.values("vault-root") == [b"newer"]


@pytest.mark.parametrize("do", ["create", "replace"])
@pytest.mark.parametrize("destroys", [True, False])
def test_a_value_that_is_not_given_back_is_no_success_and_no_loss(
    do: str, destroys: bool, supervisor: Supervisor
) -> None:
    supervisor.bind()
    label = "vault-root" if do == "replace" else "vault-unseal-0"
    supervisor.stick.add_data("vault-root", b"old")

    def spoil(called: str) -> None:
        for found in supervisor.stick.objects.values():
            if called == "C_FindObjects" and found.get(Attribute.VALUE) == b"new":
                found[Attribute.VALUE] = b"NEW"

    supervisor.module.hooks.append(spoil)
    if not destroys:
        supervisor.module.fail("C_DestroyObject", "CKR_ACTION_PROHIBITED")
    with pytest.raises(FailedError, match="value: the token does not give back what was written"):
        supervisor.ask(do, label=label, value=b"new")
    assert b"old" in supervisor.values("vault-root")
    assert (b"NEW" in supervisor.stick.values(label)) is not destroys


def test_all_objects_of_a_name_are_deleted_and_no_others(supervisor: Supervisor) -> None:
    supervisor.bind()
    for value in (b"1", b"2"):
        supervisor.stick.add_data("vault-test", value)
    supervisor.stick.add_data("vault-root", b"3")
    supervisor.stick.add({Attribute.CLASS: ObjectClass.CERTIFICATE, Attribute.LABEL: "vault-test"})
    supervisor.ask("delete", label="vault-test")
    assert supervisor.ask("labels") == {"labels": ["vault-root"]}
    assert len(supervisor.stick.objects) == 4  # a key pair, a value, a certificate


# sealing and opening


def test_a_new_data_key_is_proved_on_the_token_and_serves_all_values(supervisor: Supervisor) -> None:
    supervisor.bind()
    first = supervisor.seal("vault-unseal-0", b"share 0")
    assert len(supervisor.stick.operations) == 1
    second = supervisor.seal("vault-unseal-1", b"share 1", like=first)
    assert envelope.decode(first).key == envelope.decode(second).key
    assert supervisor.open("vault-unseal-0", first) == b"share 0"
    assert supervisor.open("vault-unseal-1", second) == b"share 1"
    assert len(supervisor.stick.operations) == 1


def test_a_value_says_how_many_it_replaces(supervisor: Supervisor) -> None:
    supervisor.bind()
    for number in (0, 1, 70_000):
        answer = supervisor.ask("seal", name="vault-root", value=b"v", like=None, replaced=number)
        assert envelope.replaced(answer["stored"]) == number
        assert supervisor.open("vault-root", answer["stored"]) == b"v"


def test_a_prepared_data_key_is_the_one_that_is_used(supervisor: Supervisor) -> None:
    supervisor.bind()
    supervisor.ask("prepare", like=None)
    supervisor.stick.keys.clear()  # from here on the token could not help
    stored = supervisor.seal("vault-init-answer", b"answer")
    supervisor.ask("prepare", like=stored)
    assert supervisor.open("vault-init-answer", stored) == b"answer"


def test_values_are_read_back_from_the_token_without_another_private_operation(
    supervisor: Supervisor,
) -> None:
    supervisor.bind()
    supervisor.ask("create", label="vault-root", value=supervisor.seal("vault-root", b"value"))
    supervisor.bind(fresh=True)
    assert supervisor.open("vault-root", supervisor.values("vault-root")[0]) == b"value"
    assert len(supervisor.stick.operations) == 1


def test_a_data_key_is_not_kept_for_another_key_pair(supervisor: Supervisor) -> None:
    supervisor.bind()
    stored = supervisor.seal("vault-root", b"value")
    supervisor.stick.objects.clear()
    supervisor.stick.add_pair(rsa_key(1))
    supervisor.bind(fresh=True)
    with pytest.raises(FailedError, match="value: the value was encrypted to another key pair"):
        supervisor.open("vault-root", stored)


def test_a_data_key_that_nobody_uses_is_forgotten(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "_KEEP_DATA_KEY", 0.0)
    supervisor.bind()
    stored = supervisor.seal("vault-root", b"value")
    for count in (2, 3):
        assert supervisor.open("vault-root", stored) == b"value"
        assert len(supervisor.stick.operations) == count


@pytest.mark.parametrize("code", ["CKR_ARGUMENTS_BAD", "CKR_MECHANISM_PARAM_INVALID"])
def test_a_token_without_sha256_gets_sha1_on_a_session_that_is_sound(
    code: str, supervisor: Supervisor
) -> None:
    supervisor.bind()
    supervisor.module.fail("C_Decrypt", code)
    stored = supervisor.seal("vault-root", b"value")
    assert envelope.decode(stored).key.wrapping is Wrapping.RSA_OAEP_SHA1
    calls = since(supervisor.module.calls, "C_CloseAllSessions")
    assert (calls.count("C_Login"), calls[-1]) == (1, "C_Decrypt")
    assert supervisor.open("vault-root", stored) == b"value"


def test_nothing_is_sealed_with_a_data_key_that_the_token_cannot_unwrap(supervisor: Supervisor) -> None:
    supervisor.bind()
    supervisor.module.fail("C_Decrypt", "CKR_ARGUMENTS_BAD", "CKR_DEVICE_ERROR")
    with pytest.raises(FailedError, match="token: C_Decrypt: CKR_DEVICE_ERROR"):
        supervisor.seal("vault-root", b"value")


def test_nothing_is_sealed_with_a_data_key_that_the_token_unwraps_to_another(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor.bind()
    monkeypatch.setattr(FakeCryptoki, "decrypt", lambda *_: bytes(32))
    with pytest.raises(FailedError, match="value: the token unwraps a data key to something else"):
        supervisor.seal("vault-root", b"value")


def test_an_ec_key_seals_and_opens_with_one_agreement(supervisor: Supervisor) -> None:
    supervisor.stick.add_pair(ec_key(), "p256", b"\2")
    assert supervisor.bind(key_label="p256")["key"]["size"] == 256
    stored = supervisor.seal("vault-root", b"value")
    assert supervisor.open("vault-root", stored) == b"value"
    assert supervisor.stick.operations == ["ECDH"]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda stored: stored[:-1] + bytes((stored[-1] ^ 1,)), "damaged, or was made for another name"),
        (lambda stored: stored[:60], "the envelope is cut"),
        (lambda stored: stored[:4] + b"\2" + stored[5:], "has version 2"),
    ],
)
def test_a_damaged_envelope_is_trouble_of_the_value_alone(
    spoil: Any, words: str, supervisor: Supervisor
) -> None:
    supervisor.bind()
    stored = supervisor.seal("vault-root", b"value")
    with pytest.raises(FailedError, match=f"value: .*{words}"):
        supervisor.open("vault-root", spoil(stored))
    assert supervisor.open("vault-root", stored) == b"value"
    assert supervisor.module.calls.count("C_Login") == 1


def test_an_envelope_for_another_key_pair_is_refused_in_words(supervisor: Supervisor) -> None:
    other = cipher.new_data_key(rsa_key(1).public_key(), Wrapping.RSA_OAEP_SHA1)
    supervisor.bind()
    with pytest.raises(FailedError, match=r"value: .*encrypted to another key pair"):
        supervisor.open("vault-root", cipher.seal(other, "vault-root", b"value"))
    assert supervisor.stick.operations == []


# the older formats


def test_values_of_both_older_formats_are_opened(supervisor: Supervisor) -> None:
    supervisor.bind()
    public = rsa_key().public_key()
    assert supervisor.open("vault-root", public.encrypt(b"\0any bytes\xff", _OAEP)) == b"\0any bytes\xff"
    assert supervisor.open("vault-root", public.encrypt(b"s.token", padding.PKCS1v15())) == b"s.token"


def test_the_older_format_is_written_where_it_is_asked_for(supervisor: Supervisor) -> None:
    supervisor.bind()
    stored = supervisor.ask("seal-raw", value=b"s.token")["stored"]
    assert rsa_key().decrypt(stored, _OAEP) == b"s.token"
    with pytest.raises(FailedError, match="value: the older format takes at most 214 bytes"):
        supervisor.ask("seal-raw", value=bytes(215))


@pytest.mark.parametrize("size", [0, 1, 255, 257, 512])
def test_a_value_of_a_wrong_length_is_told_before_the_token_is_asked(
    size: int, supervisor: Supervisor
) -> None:
    supervisor.bind()
    with pytest.raises(FailedError, match=f"value: .*'vault-root' is of no known format: {size} bytes"):
        supervisor.open("vault-root", b"\1" * size)
    assert supervisor.stick.operations == []


@pytest.mark.parametrize("answer", [b"", b"x", b"xyz", b"text\n", b"\x80" * 30, "ümläut".encode()])
def test_a_damaged_older_value_is_trouble_of_the_value_alone(answer: bytes, supervisor: Supervisor) -> None:
    """Whatever bytes a library makes up for a wrong block of PKCS#1 v1.5, against timing attacks."""
    supervisor.bind()
    supervisor.stick.pkcs1 = answer
    block = rsa_key().public_key().encrypt(b"s.token", _OAEP)
    for wrong in (block[:-1] + bytes((block[-1] ^ 1,)), rsa_key(1).public_key().encrypt(b"s.token", _OAEP)):
        with pytest.raises(FailedError, match=r"value: .*is damaged, or was encrypted to another key pair"):
            supervisor.open("vault-root", wrong)
    assert supervisor.open("vault-root", block) == b"s.token"
    assert supervisor.module.calls.count("C_Login") == 1


def test_a_token_that_fails_at_an_older_value_is_trouble_of_the_token(supervisor: Supervisor) -> None:
    supervisor.bind()
    stored = rsa_key().public_key().encrypt(b"s.token", _OAEP)
    supervisor.module.fail("C_Decrypt", *["CKR_DEVICE_REMOVED"] * 3)
    with pytest.raises(FailedError, match="token: C_Decrypt: CKR_DEVICE_REMOVED"):
        supervisor.open("vault-root", stored)
    supervisor.bind()
    assert supervisor.open("vault-root", stored) == b"s.token"


def test_an_older_value_cannot_be_opened_with_an_ec_key(supervisor: Supervisor) -> None:
    supervisor.stick.add_pair(ec_key(), "p256", b"\2")
    supervisor.bind(key_label="p256")
    for size in (32, 256):
        with pytest.raises(FailedError, match=r"value: .*(needs an RSA key|no known format)"):
            supervisor.open("vault-root", b"\1" * size)


def test_the_memory_of_the_process_goes_nowhere_when_a_module_crashes() -> None:
    program = (
        "import ctypes, resource; from bank_vaults.hsm import worker; worker._keep_memory();"
        "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "(0, 0) 0\n"  # 3: PR_GET_DUMPABLE
