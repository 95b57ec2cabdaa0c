"""Whatever the token does for a while, afterwards the server is unsealed, and nothing was restarted."""

from __future__ import annotations

import pytest

from bank_vaults.domain import names
from bank_vaults.domain.exitcodes import ExitCode
from tests.faults.harness import KEYS, HookedProxy, assert_keys_open, wait_unsealed
from tests.support.hsm import HsmPlace
from tests.support.pkcs11_modules import EVER
from tests.support.servers import Server, api, wait_active

INIT = ("--init", "--unseal-period=1s")
OPERATIONS = ("C_Decrypt", "C_DeriveKey", "C_Sign", "C_UnwrapKey")


def _initialised(hsm: HsmPlace, server: Server) -> str:
    """Keys on the token; the root token."""
    done = hsm.run("unseal", "--once", *INIT, server=server)
    assert done.code == 0, done.log
    return hsm.values()[names.ROOT]


def _seal(server: Server, root: str) -> None:
    wait_active(server)
    assert api(server, "PUT", "sys/seal", token=root).status == 204


def _operations(hsm: HsmPlace) -> int:
    return sum(map(hsm.faulty.count, OPERATIONS))


def test_each_unseal_costs_one_private_key_operation(server: Server, hsm: HsmPlace) -> None:
    root = _initialised(hsm, server)
    _seal(server, root)
    before = _operations(hsm)
    with hsm.program("unseal", *INIT, server=server) as program:
        wait_unsealed(server)
        program.wait_for("successfully unsealed vault")
        assert _operations(hsm) == before + 1
        assert program.stop() == 0
    assert _operations(hsm) == before + 1


def test_a_server_that_the_token_has_opened_needs_nothing_more_of_it(server: Server, hsm: HsmPlace) -> None:
    root = _initialised(hsm, server)
    _seal(server, root)
    calls: list[tuple[tuple[str, int], ...]] = []

    def hook(method: str, path: str) -> None:
        if path == "sys/unseal":
            calls.append(hsm.faulty.calls())

    with HookedProxy(server, hook) as proxy, hsm.program("unseal", *INIT, address=proxy.address) as program:
        program.wait_for("successfully unsealed vault")
        proxy.wait_for("GET", "sys/seal-status", proxy.count("GET", "sys/seal-status") + 3)
        assert hsm.faulty.calls() == calls[-1]
        assert program.stop() == 0


@pytest.mark.parametrize(
    "what",
    [
        pytest.param("0x32", id="CKR_DEVICE_REMOVED"),
        pytest.param("0xB3", id="CKR_SESSION_HANDLE_INVALID"),
        pytest.param("0x5", id="CKR_GENERAL_ERROR"),
        pytest.param("0xE0", id="CKR_TOKEN_NOT_PRESENT"),
        pytest.param("0x100", id="CKR_USER_ALREADY_LOGGED_IN"),
        "crash",
        "exit",
    ],
)
def test_a_token_that_fails_and_comes_back_is_used_without_a_restart(
    what: str, server: Server, hsm: HsmPlace
) -> None:
    root = _initialised(hsm, server)
    with hsm.program("unseal", *INIT, server=server) as program:
        program.wait_for("vault is already initialized")
        functions = ("C_GetTokenInfo", "C_OpenSession", "C_Login", "C_FindObjectsInit", "C_DecryptInit")
        hsm.faulty.plan(*(f"{function} 1 {EVER} {what}" for function in functions))
        _seal(server, root)
        program.wait_for("error unsealing vault: ")
        hsm.faulty.plan()
        wait_unsealed(server)
        assert not program.ended
        assert program.stop() == 0
    assert_keys_open(server, hsm.values())


@pytest.mark.parametrize(
    "function", ["C_FindObjectsInit", "C_GetAttributeValue", "C_DecryptInit", "C_Decrypt"]
)
def test_a_single_failure_during_an_unseal_is_overcome_at_once(
    function: str, server: Server, hsm: HsmPlace
) -> None:
    root = _initialised(hsm, server)
    with hsm.program("unseal", *INIT, server=server) as program:
        program.wait_for("vault is already initialized")
        hsm.faulty.plan_next(function, "0x32")
        _seal(server, root)
        wait_unsealed(server)
        program.wait_for("the HSM does not answer as it should")
        assert "error unsealing vault" not in program.log()
        assert program.stop() == 0


def test_a_start_without_the_token_waits_for_it(server: Server, hsm: HsmPlace) -> None:
    functions = ("C_GetTokenInfo", "C_GetSlotInfo")
    hsm.faulty.plan(*(f"{function} 1 {EVER} 0xE0" for function in functions))
    with hsm.program("unseal", *INIT, server=server) as program:
        program.wait_for("the HSM is not ready, it is waited for")
        program.wait_for("error initializing vault|cannot read|can't find HSM slot")
        hsm.faulty.plan()
        wait_unsealed(server)
        hsm.wait_for(KEYS)
        assert program.stop() == 0


def test_what_no_try_can_mend_is_told_at_the_start(server: Server, hsm: HsmPlace) -> None:
    done = hsm.run("unseal", "--once", "--hsm-generate-key=false", server=server)
    assert done.code == ExitCode.STORE, done.log
    assert "there is no key pair with label 'bank-vaults' on the token, and none is generated" in done.log
    hsm.faulty.plan(f"C_GetFunctionList 1 {EVER} without-C_OpenSession")
    done = hsm.run("unseal", "--once", server=server)
    assert done.code == ExitCode.STORE
    assert "has no C_OpenSession" in done.log


def test_damaged_values_are_made_up_for_by_others_however_many_come_first(
    server: Server, hsm: HsmPlace
) -> None:
    root = _initialised(hsm, server)
    with hsm.client() as client:
        client.replace(names.unseal(0), b"")
        client.replace(names.unseal(1), client.values(names.unseal(2))[0])
    _seal(server, root)
    done = hsm.run("unseal", "--once", server=server)
    assert done.code == 0, done.log
    assert "a share was skipped, the others suffice" in done.log
    assert "the HSM does not answer" not in done.log
