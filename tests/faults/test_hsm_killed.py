"""Killed anywhere while the keys go onto a token, the next start completes the work; no key is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from bank_vaults.domain import names
from tests.faults.harness import (
    FAILPOINT,
    KEYS,
    LOST,
    WANTED,
    assert_keys_open,
    gone,
    init_process,
    root_tokens,
    wait_gone,
    wait_killed,
    wait_unsealed,
)
from tests.faults.test_killed import ANSWER_LOST_AT, IN_PARENT, IN_TOKEN_WORK
from tests.support.faultproxy import HOLD, Delay, FaultProxy
from tests.support.hsm import HsmPlace
from tests.support.pkcs11_modules import EVER
from tests.support.program import eventually
from tests.support.servers import Server

INIT = ("--init", "--unseal-period=1s")


@pytest.fixture(autouse=True)
def _no_process_is_left(hsm: HsmPlace) -> Iterator[None]:
    """Every worker ends with the program that it works for, however that ends."""
    yield
    eventually(lambda: all(map(gone, hsm.faulty.processes())), "all workers are gone")


def _killed(hsm: HsmPlace, *flags: str, at: str, server: Server, address: str | None = None) -> None:
    """Run until the failpoint has killed the program itself."""
    environment = {FAILPOINT: at}
    with hsm.program("unseal", *flags, server=server, address=address, environment=environment) as program:
        wait_killed(program)


def _finished(hsm: HsmPlace, *flags: str, server: Server) -> None:
    """A start without a failpoint comes to its good end, with exactly the keys on the token."""
    done = hsm.run("unseal", "--once", *flags, server=server)
    assert done.code == 0, done.log
    assert_keys_open(server, hsm.values())
    hsm.assert_unused()


@pytest.mark.parametrize("at", [*IN_PARENT, "init.key-stored:4"])
def test_killed_at_any_point_the_next_start_completes(at: str, server: Server, hsm: HsmPlace) -> None:
    _killed(hsm, *INIT, at=at, server=server)
    _finished(hsm, *INIT, server=server)
    assert hsm.faulty.count("C_GenerateKeyPair") == 1


@pytest.mark.parametrize("at", ["init.call-sent", "init.answer-stored"])
def test_init_process_killed_without_an_answer_at_stake_the_next_start_completes(
    at: str, server: Server, hsm: HsmPlace
) -> None:
    _killed(hsm, *INIT, at=f"{at}:exit-group", server=server)
    _finished(hsm, *INIT, server=server)


def test_killed_with_the_only_copy_of_the_answer_says_so_and_starts_anew_on_emptied_storage(
    server: Server, hsm: HsmPlace
) -> None:
    _killed(hsm, *INIT, at=f"{ANSWER_LOST_AT}:exit-group", server=server)
    stopped = hsm.run("unseal", "--once", *INIT, server=server)
    assert stopped.code == 65
    assert LOST in stopped.log
    server.restart()
    _finished(hsm, *INIT, server=server)


@pytest.mark.parametrize("at", IN_TOKEN_WORK)
def test_killed_while_the_wanted_root_token_is_made(at: str, server: Server, hsm: HsmPlace) -> None:
    wanted = f"--init-root-token={WANTED}"
    _killed(hsm, *INIT, wanted, at=at, server=server)
    _finished(hsm, *INIT, wanted, server=server)
    assert hsm.values()[names.ROOT] == WANTED
    assert root_tokens(server, WANTED) == 1


def test_parent_killed_during_the_call_the_init_process_stores_the_answer_alone(
    server: Server, hsm: HsmPlace
) -> None:
    """With a worker of its own, which is logged in and has its data key before a call that takes long."""
    with FaultProxy(server) as proxy:
        proxy.on("PUT", "sys/init", Delay(5.5))
        with hsm.program("unseal", *INIT, server=server, address=proxy.address) as first:
            child = init_process(first)
            proxy.wait_for("PUT", "sys/init")
            before = len(hsm.faulty.calls())
            first.kill()
        wait_gone(child)
        assert sorted(hsm.stored()) == [names.ANSWER, names.journal(0)]
        calls = [function for function, _ in hsm.faulty.calls()[before:]]
        assert not {"C_Initialize", "C_Login", "C_Decrypt"} & set(calls[: calls.index("C_CreateObject")])
        assert proxy.count("PUT", "sys/init") == 1
    _finished(hsm, *INIT, server=server)


def test_a_signal_to_all_processes_during_the_call_loses_nothing(server: Server, hsm: HsmPlace) -> None:
    """As a service manager stops a unit, or as Ctrl-C does: also the workers get it."""
    with FaultProxy(server) as proxy:
        proxy.on("PUT", "sys/init", HOLD)
        with hsm.program("unseal", *INIT, server=server, address=proxy.address) as program:
            child = init_process(program)
            proxy.wait_for("PUT", "sys/init")
            for number in (signal.SIGTERM, signal.SIGINT):
                for pid in (program.pid, child, *hsm.faulty.processes()):
                    os.kill(pid, number)
            program.wait_for("asked to end while an initialisation runs: it is finished first")
            proxy.let_go()
            assert program.wait().code == 0, program.log()
            assert "the HSM does not answer" not in program.log()
        wait_gone(child)
    _finished(hsm, *INIT, server=server)


@pytest.mark.parametrize("code", ["0x32", "crash"])
def test_a_token_that_fails_when_the_answer_comes_gets_it_as_soon_as_it_works(
    code: str, server: Server, hsm: HsmPlace
) -> None:
    with FaultProxy(server) as proxy:
        proxy.on("PUT", "sys/init", HOLD)
        with hsm.program("unseal", *INIT, server=server, address=proxy.address) as program:
            proxy.wait_for("PUT", "sys/init")
            hsm.faulty.plan(f"C_CreateObject 1 {EVER} {code}", f"C_OpenSession 1 {EVER} {code}")
            proxy.let_go()
            program.wait_for("the key store does not take its keys yet", times=2)
            hsm.faulty.plan()
            wait_unsealed(server)
            hsm.wait_for(KEYS)
            assert program.stop() == 0
        assert proxy.count("PUT", "sys/init") == 1
    _finished(hsm, *INIT, server=server)


@pytest.mark.parametrize("function", ["C_CreateObject", "C_DestroyObject", "C_Decrypt", "C_FindObjects"])
def test_workers_that_die_again_and_again_lose_nothing(function: str, server: Server, hsm: HsmPlace) -> None:
    ends = ("crash", "after-kill", "after-crash", "kill", "after-exit", "crash")
    hsm.faulty.plan(
        *(f"{function} {at} {at} {end}" for at, end in zip((2, 5, 6, 9, 13, 18), ends, strict=True))
    )
    with hsm.program("unseal", *INIT, server=server) as program:
        wait_unsealed(server)
        hsm.faulty.plan()
        assert program.stop() == 0
    _finished(hsm, *INIT, server=server)
