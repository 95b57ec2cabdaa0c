"""Whatever the module does, a request comes back in time, and the next one finds a worker that works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from bank_vaults.domain.secrets import Secret
from bank_vaults.hsm.client import (
    Limits,
    TokenClient,
    TokenError,
    TokenMissingError,
    TokenUnusableError,
    ValueDamagedError,
)
from bank_vaults.hsm.pin import PinRefusedError
from bank_vaults.hsm.selection import TokenCriteria
from bank_vaults.hsm.token import Access
from bank_vaults.keystores.hsm_token import StoredMemory
from tests.support.pkcs11_modules import EVER, FaultyModule
from tests.support.program import eventually
from tests.support.softhsm import PIN, SoftHsm

_IMPATIENT = Limits(usual=5.0, requests={"bind": 5.0})
"""For modules that hang; enough for a worker that works on a loaded machine."""

MakeClient = Callable[..., TokenClient]


@cache
def rsa_key(number: int = 0) -> rsa.RSAPrivateKey:  # each number has a key of its own
    return rsa.generate_private_key(65537, 2048)


def gone(pid: int) -> bool:
    """Whether a process has ended and was waited for."""
    return not Path(f"/proc/{pid}").exists()


@pytest.fixture
def empty(softhsm: SoftHsm, faulty: FaultyModule, monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
    """The environment for workers, and no token yet."""
    for name, value in {**softhsm.environment, **faulty.environment}.items():
        monkeypatch.setenv(name, value)
    return softhsm


@pytest.fixture
def stick(empty: SoftHsm) -> SoftHsm:
    """A token with a key pair."""
    empty.add("bank-vaults")
    empty.import_key("bank-vaults", rsa_key())
    return empty


@pytest.fixture
def make(faulty: FaultyModule, tmp_path: Path) -> Iterator[MakeClient]:
    """Makes clients of the faulty module; in the end no process of theirs is left."""
    made: list[TokenClient] = []
    state = tmp_path / "state"
    state.mkdir(mode=0o700)

    def client(
        module: str = faulty.path,
        limits: Limits = Limits(),  # noqa: B008  # immutable
        pin: str = PIN,
        *,
        may_generate: bool = False,
        **criteria: str,
    ) -> TokenClient:
        wanted = TokenCriteria(**(criteria or {"label": "bank-vaults"}))  # type: ignore[arg-type]
        access = Access(wanted, "bank-vaults", None, Secret(pin), may_generate)
        made.append(TokenClient(module, access, StoredMemory(str(state)), limits))
        return made[-1]

    yield client
    for each in made:
        each.close()
    assert all(map(gone, faulty.processes()))


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The errors that cost a second try."""
    told = [vars(record) for record in caplog.records if "HSM does not answer" in record.message]
    return [str(record["fields"]["error"]) for record in told]


# crashes


@pytest.mark.parametrize(
    "function",
    [
        "load",
        "C_Initialize",
        "C_GetSlotList",
        "C_GetTokenInfo",
        "C_OpenSession",
        "C_Login",
        "C_FindObjects",
        "C_GetAttributeValue",
    ],
)
def test_a_crash_on_the_way_to_the_token_costs_one_process_and_one_warning(
    function: str, stick: SoftHsm, faulty: FaultyModule, make: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    faulty.plan(f"{function} 1 1 crash")
    assert make().bind().key.label == "bank-vaults"
    (warning,) = _warnings(caplog)
    assert (
        warning
        == f"the process of the PKCS#11 module failed (code {-signal.SIGSEGV}): the other side is gone"
    )
    assert len(faulty.processes()) == 2


@pytest.mark.parametrize("what", ["crash", "after-crash", "kill", "after-kill", "exit", "after-exit"])
@pytest.mark.parametrize("function", ["C_Decrypt", "C_CreateObject", "C_DestroyObject"])
def test_a_crash_at_work_costs_one_process_and_one_warning_and_no_value(
    function: str,
    what: str,
    stick: SoftHsm,
    faulty: FaultyModule,
    make: MakeClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = make()
    client.replace("vault-root", b"old")
    stored = client.seal("vault-root", b"value", None)
    faulty.plan_next(function, what)
    if function == "C_Decrypt":
        client.survey(login=False)  # the data key is forgotten
        assert client.open("vault-root", stored) == b"value"
    else:
        client.replace("vault-root", b"new")
        assert client.values("vault-root") == (b"new",)
    (warning,) = _warnings(caplog)
    code = {"crash": -signal.SIGSEGV, "kill": -signal.SIGKILL, "exit": 3}[what.removeprefix("after-")]
    assert f"(code {code})" in warning
    assert len(faulty.processes()) == 2


def test_a_pair_that_was_made_by_a_process_that_crashed_is_found_and_not_made_again(
    empty: SoftHsm, faulty: FaultyModule, make: MakeClient
) -> None:
    empty.add("bank-vaults")
    faulty.plan("C_GenerateKeyPair 1 1 after-crash")
    assert not make(may_generate=True).bind().generated
    assert faulty.count("C_GenerateKeyPair") == 1


# hanging


@pytest.mark.parametrize(
    "function", ["load", "C_GetTokenInfo", "C_Login", "C_FindObjects", "C_CloseAllSessions"]
)
def test_a_module_that_hangs_on_the_way_to_the_token_is_left_in_time(
    function: str, stick: SoftHsm, faulty: FaultyModule, make: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    faulty.plan(f"{function} 1 1 sleep")
    client = make(limits=_IMPATIENT)
    client.bind()
    client.bind(fresh=True)
    (warning,) = _warnings(caplog)
    assert warning == "the PKCS#11 module did not end 'bind' within 5 s; its process was ended"
    assert len(faulty.processes()) == 2


@pytest.mark.parametrize("function", ["C_Decrypt", "C_CreateObject", "C_DestroyObject"])
def test_a_module_that_hangs_at_work_is_left_in_time(
    function: str, stick: SoftHsm, faulty: FaultyModule, make: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    client = make(limits=_IMPATIENT)
    client.replace("vault-root", b"old")
    faulty.plan_next(function, "sleep")
    if function == "C_Decrypt":
        assert client.open("vault-root", client.seal("vault-root", b"value", None)) == b"value"
    else:
        client.replace("vault-root", b"new")
        assert client.values("vault-root") == (b"new",)
    (warning,) = _warnings(caplog)
    assert "within 5 s; its process was ended" in warning
    assert len(faulty.processes()) == 2


def test_a_module_that_hangs_for_good_is_told_after_its_third_process(
    stick: SoftHsm, faulty: FaultyModule, make: MakeClient
) -> None:
    faulty.plan(f"C_Login 1 {EVER} sleep")
    client = make(limits=_IMPATIENT._replace(requests={"bind": 2.0}))
    with pytest.raises(TokenError, match="did not end 'bind' within 2 s"):
        client.bind()
    assert faulty.count("C_Login") <= 3
    assert all(map(gone, faulty.processes()))
    faulty.plan()
    assert make().bind().key.label == "bank-vaults"


@pytest.mark.parametrize("function", ["load", "C_Initialize", "C_Login", "C_Decrypt"])
def test_a_supervisor_that_is_killed_leaves_no_process_in_a_module_that_hangs(
    function: str, stick: SoftHsm, faulty: FaultyModule, tmp_path: Path
) -> None:
    faulty.plan(f"{function} 1 {EVER} sleep")
    program = f"""
from bank_vaults.domain.secrets import Secret
from bank_vaults.hsm.client import TokenClient
from bank_vaults.hsm.selection import TokenCriteria
from bank_vaults.hsm.token import Access
from bank_vaults.keystores.hsm_token import StoredMemory
access = Access(TokenCriteria(label="bank-vaults"), "bank-vaults", None, Secret("{PIN}"), False)
TokenClient("{faulty.path}", access, StoredMemory("{tmp_path}")).seal("n", b"value", None)
"""
    with subprocess.Popen([sys.executable, "-c", program]) as supervisor:
        try:
            eventually(lambda: faulty.count(function) > 0 or supervisor.poll() is not None, "it hangs")
        finally:
            supervisor.kill()
    assert faulty.count(function) == 1
    eventually(lambda: all(map(gone, faulty.processes())), "the worker is gone")


# return codes


@pytest.mark.parametrize("code", [0x32, 0xB3, 0x05, 0xE0, 0x100, 0x101, 0x190, 0x80000000])
@pytest.mark.parametrize("function", ["C_OpenSession", "C_Login", "C_FindObjectsInit", "C_DecryptInit"])
def test_an_error_that_passes_is_healed_in_the_same_process(
    function: str,
    code: int,
    stick: SoftHsm,
    faulty: FaultyModule,
    make: MakeClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = make()
    stored = client.seal("vault-root", b"value", None)
    client.survey(login=False)  # the data key is forgotten
    client.bind()
    faulty.plan_next(function, f"0x{code:X}")
    if function != "C_DecryptInit":
        client.bind(fresh=True)
    assert client.open("vault-root", stored) == b"value"
    (warning,) = _warnings(caplog)
    assert warning.startswith(f"{function}: ")
    assert len(faulty.processes()) == 1


def test_an_error_that_stays_in_one_process_is_healed_by_another(
    stick: SoftHsm, faulty: FaultyModule, make: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    faulty.plan("C_Login 1 2 0x100")
    make().bind()
    assert _warnings(caplog) == ["C_Login: CKR_USER_ALREADY_LOGGED_IN"] * 2
    assert len(faulty.processes()) == 2
    assert faulty.count("C_Login") == 3


def test_an_error_that_stays_is_told_with_its_function_and_ends_when_it_ends(
    stick: SoftHsm, faulty: FaultyModule, make: MakeClient
) -> None:
    client = make()
    faulty.plan(f"C_Initialize 1 {EVER} 0x5")
    with pytest.raises(TokenError, match="C_Initialize: CKR_GENERAL_ERROR"):
        client.bind()
    assert len(faulty.processes()) == 2
    faulty.plan()
    client.bind()


def test_an_error_of_a_fresh_start_of_the_module_is_healed(
    stick: SoftHsm, faulty: FaultyModule, make: MakeClient
) -> None:
    client = make()
    client.bind()
    faulty.plan("C_Finalize 1 1 after-0x5")
    assert client.bind(fresh=True).key.label == "bank-vaults"
    assert client.labels() == ()


# what is no module


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ("C_GetFunctionList 1 9 0x5", "gives no list of functions: C_GetFunctionList returned 0x00000005"),
        ("C_GetFunctionList 1 9 none", "gives no list of functions"),
        ("C_GetFunctionList 1 9 version-3", r"speaks PKCS#11 3\.\d+, not 2.x"),
        ("C_GetFunctionList 1 9 without-C_Login", "has no C_Login"),
    ],
)
def test_what_is_no_usable_module_is_told_at_once(
    plan: str, words: str, stick: SoftHsm, faulty: FaultyModule, make: MakeClient
) -> None:
    faulty.plan(plan)
    with pytest.raises(TokenUnusableError, match=words):
        make().bind()
    assert len(faulty.processes()) == 1


@pytest.mark.parametrize(
    ("path", "words"), [("libc.so.6", "no C_GetFunctionList"), ("/dev/null", "/dev/null")]
)
def test_a_file_that_is_no_module_is_told_at_once(path: str, words: str, make: MakeClient) -> None:
    with pytest.raises(TokenUnusableError, match=words):
        make(module=path).look()


def test_a_module_that_claims_a_huge_attribute_is_not_believed(
    stick: SoftHsm, faulty: FaultyModule, make: MakeClient
) -> None:
    faulty.plan("C_GetAttributeValue 1 1 after-huge")
    with pytest.raises(TokenUnusableError, match="claims to have 1073741824 bytes"):
        make().bind()


def test_a_reader_that_comes_between_two_questions_does_no_harm(
    stick: SoftHsm, faulty: FaultyModule, make: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    faulty.plan("C_GetSlotList 2 2 0x150")
    client = make()
    assert client.look() == client.look()
    assert faulty.count("C_GetSlotList") == 6
    assert _warnings(caplog) == []


def test_what_a_module_prints_is_no_answer_and_nobody_s_output(
    stick: SoftHsm, faulty: FaultyModule, make: MakeClient, capfd: pytest.CaptureFixture[str]
) -> None:
    faulty.plan(
        *(f"{function} 1 {EVER} print" for function in ("load", "C_Initialize", "C_Login", "C_Decrypt"))
    )
    client = make()
    assert client.open("vault-root", client.seal("vault-root", b"value", None)) == b"value"
    assert capfd.readouterr() == ("", "")


def test_a_value_that_does_not_come_back_is_told_and_the_older_one_stays(
    stick: SoftHsm, faulty: FaultyModule, make: MakeClient
) -> None:
    client = make()
    client.create("vault-root", b"old")
    number = faulty.count("C_GetAttributeValue")
    # Of the older value; then the length and the bytes of the new one, which comes first.
    faulty.plan(f"C_GetAttributeValue {number + 4} {number + 4} after-flip")
    with pytest.raises(ValueDamagedError, match="does not give back"):
        client.replace("vault-root", b"new")
    faulty.plan()
    assert client.values("vault-root") == (b"old",)


# the process


def test_what_is_meant_for_the_supervisor_does_not_end_the_worker(
    stick: SoftHsm, faulty: FaultyModule, make: MakeClient
) -> None:
    client = make()
    client.bind()
    (pid,) = faulty.processes()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(pid, number)
    assert client.labels() == ()
    assert faulty.processes() == {pid}


def test_a_worker_leaves_no_core_file(stick: SoftHsm, faulty: FaultyModule, make: MakeClient) -> None:
    client = make()
    client.bind()
    (pid,) = faulty.processes()
    (limit,) = [
        line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if line.startswith("Max core")
    ]
    assert limit.split()[4:6] == ["0", "0"]


def test_a_worker_has_no_secret_in_its_command_line(
    stick: SoftHsm, faulty: FaultyModule, make: MakeClient
) -> None:
    make().bind()
    (pid,) = faulty.processes()
    assert PIN.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_a_closed_client_starts_anew_when_it_is_needed(
    stick: SoftHsm, faulty: FaultyModule, make: MakeClient
) -> None:
    client = make()
    client.bind()
    client.close()
    assert all(map(gone, faulty.processes()))
    assert client.labels() == ()


def test_threads_take_turns(stick: SoftHsm, faulty: FaultyModule, make: MakeClient) -> None:
    client = make()
    stored = {name: client.seal(name, name.encode() * 50, None) for name in map(str, range(8))}
    opened: dict[str, bytes] = {}

    def work(name: str) -> None:
        for _ in range(5):
            opened[name] = client.open(name, stored[name])

    threads = [threading.Thread(target=work, args=(name,)) for name in stored]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened == {name: name.encode() * 50 for name in stored}
    assert len(faulty.processes()) == 1


def test_a_forked_process_gets_a_worker_of_its_own_and_does_not_keep_that_of_its_parent(
    stick: SoftHsm, faulty: FaultyModule, make: MakeClient
) -> None:
    client = make()
    client.create("vault-root", b"value")
    (ours,) = faulty.processes()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writer)
        right = client.values("vault-root") == (b"value",)
        os.read(reader, 1)  # lives on until the parent's worker is gone
        client.close()
        os._exit(0 if right else 1)
    try:
        eventually(lambda: len(faulty.processes()) == 2, "the child has a worker")
        assert client.values("vault-root") == (b"value",)
        client.close()
        assert gone(ours)
    finally:
        os.close(writer)
        os.close(reader)
        _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


# which token


def test_a_token_that_comes_later_is_seen_although_the_module_remembers_what_there_was(
    empty: SoftHsm, faulty: FaultyModule, make: MakeClient
) -> None:
    client = make(limits=Limits(blind=0.0))
    assert client.place == f"token with {{'label': 'bank-vaults'}} through {faulty.path}"
    with pytest.raises(TokenMissingError, match="no token with label 'bank-vaults'"):
        client.bind()
    empty.add("bank-vaults")
    empty.import_key("bank-vaults", rsa_key())
    client.bind()
    assert client.place.startswith("token 'bank-vaults', serial ")
    assert len(faulty.processes()) == 2


def test_a_process_that_sees_no_token_is_kept_for_a_while(
    empty: SoftHsm, faulty: FaultyModule, make: MakeClient
) -> None:
    client = make(limits=Limits(blind=600.0))
    for _ in range(3):
        with pytest.raises(TokenMissingError):
            client.bind()
    assert len(faulty.processes()) == 1


def _exchange(softhsm: SoftHsm, client: TokenClient, key: rsa.RSAPrivateKey | None) -> None:
    """Another token with the same label in place of the first one."""
    client.close()
    softhsm.tokens.rename(softhsm.tokens.with_name("drawer"))
    softhsm.tokens.mkdir()
    softhsm.add("bank-vaults")
    if key is not None:
        softhsm.import_key("bank-vaults", key)


def test_another_key_in_place_of_the_first_is_refused_and_the_first_is_taken_back(
    stick: SoftHsm, make: MakeClient
) -> None:
    client = make()
    client.create("vault-root", b"value")
    _exchange(stick, client, rsa_key(1))
    for _ in range(2):
        with pytest.raises(
            TokenUnusableError, match=r"another token or key than before: .* Plug in the first token"
        ):
            client.values("vault-root")
    stick.tokens.rename(stick.tokens.with_name("other"))
    stick.tokens.with_name("drawer").rename(stick.tokens)
    assert client.values("vault-root") == (b"value",)


def test_a_clone_with_the_same_key_is_as_good_as_the_first(stick: SoftHsm, make: MakeClient) -> None:
    client = make()
    stored = client.seal("vault-root", b"value", None)
    serial = client.bind().choice.candidate.token.serial
    _exchange(stick, client, rsa_key())
    assert client.open("vault-root", stored) == b"value"
    assert client.bind().choice.candidate.token.serial != serial


def test_a_second_token_without_a_key_gets_none(
    empty: SoftHsm, faulty: FaultyModule, make: MakeClient
) -> None:
    empty.add("bank-vaults")
    client = make(may_generate=True)
    assert client.bind().generated
    _exchange(empty, client, None)
    with pytest.raises(TokenUnusableError, match="none is generated"):
        client.bind()
    assert faulty.count("C_GenerateKeyPair") == 1


# the PIN


def test_a_refused_pin_costs_one_login_over_all_clients(
    stick: SoftHsm, faulty: FaultyModule, make: MakeClient
) -> None:
    for _ in range(3):
        client = make(pin="banana")
        for _ in range(2):
            with pytest.raises(PinRefusedError):
                client.bind()
        client.close()
    assert faulty.count("C_Login") == 1
    make().bind()


def test_a_crash_during_a_login_with_a_wrong_pin_costs_no_second_one(
    stick: SoftHsm, faulty: FaultyModule, make: MakeClient
) -> None:
    faulty.plan("C_Login 1 1 after-crash")
    with pytest.raises(PinRefusedError, match="has refused this PIN before"):
        make(pin="banana").bind()
    assert faulty.count("C_Login") == 1


_BIND = """
import sys
from bank_vaults.domain.secrets import Secret
from bank_vaults.hsm.client import TokenClient
from bank_vaults.hsm.pin import PinRefusedError
from bank_vaults.hsm.selection import TokenCriteria
from bank_vaults.hsm.token import Access
from bank_vaults.keystores.hsm_token import StoredMemory
module, state, pin = sys.argv[1:]
access = Access(TokenCriteria(label="bank-vaults"), "bank-vaults", None, Secret(pin), True)
client = TokenClient(module, access, StoredMemory(state))
sys.stdin.readline()
try:
    print("generated" if client.bind().generated else "found")
except PinRefusedError:
    print("refused")
client.close()
"""


def _at_once(number: int, *arguments: str) -> list[str]:
    """What processes print that log in at the same moment."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _BIND, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(number)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return sorted(process.communicate(timeout=60)[0].strip() for process in started)


def test_of_processes_that_start_at_once_one_makes_the_key_pair(
    empty: SoftHsm, faulty: FaultyModule, tmp_path: Path
) -> None:
    empty.add("bank-vaults")
    assert _at_once(3, faulty.path, str(tmp_path), PIN) == ["found", "found", "generated"]
    assert faulty.count("C_GenerateKeyPair") == 1


def test_of_processes_that_start_at_once_one_tries_a_wrong_pin(
    stick: SoftHsm, faulty: FaultyModule, tmp_path: Path
) -> None:
    assert _at_once(3, faulty.path, str(tmp_path), "banana") == ["refused"] * 3
    assert faulty.count("C_Login") == 1
