"""Asked to end at any time: at once where nothing is at stake, after the answer is stored where it is."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.faults.harness import (
    NOBODY,
    GroupProgram,
    assert_every_key_is_safe,
    init_process,
    names_in,
    wait_gone,
    wait_unsealed,
)
from tests.support.faultproxy import HOLD, Delay, FaultProxy
from tests.support.program import Program, run
from tests.support.servers import Server

INIT = ("--init", "--unseal-period=1s")
ENDING = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)


@ENDING
def test_daemon_on_an_unsealed_server_ends_with_0(
    number: signal.Signals, server: Server, tmp_path: Path
) -> None:
    with Program("unseal", *INIT, server=server, store=tmp_path) as program:
        program.wait_for("vault is unsealed")
        program.signal(number)
        assert program.wait().code == 0


@ENDING
def test_daemon_that_waits_for_an_unreachable_server_ends_with_0(
    number: signal.Signals, tmp_path: Path
) -> None:
    with Program("unseal", *INIT, address=NOBODY, store=tmp_path) as program:
        program.wait_for("error checking if vault is sealed")
        child = init_process(program)
        program.signal(number)
        assert program.wait().code == 0
        wait_gone(child)
    assert names_in(tmp_path) == []


def test_daemon_that_waits_for_a_hanging_server_ends_with_0(server: Server, tmp_path: Path) -> None:
    with Program("unseal", *INIT, "--log-level=debug", server=server, store=tmp_path) as program:
        program.wait_for("vault is unsealed")
        server.pause()
        program.signal(signal.SIGTERM)
        assert program.wait().code == 0
        server.resume()


@ENDING
def test_one_shot_command_that_waits_ends_with_128_and_the_signal(
    number: signal.Signals, server: Server, tmp_path: Path
) -> None:
    wanted = tmp_path / "wanted"
    wanted.write_text("wanted-by-the-operator")
    store = tmp_path / "store"
    store.mkdir(mode=0o700)
    with Program("init", f"--init-root-token-file={wanted}", server=server, store=store) as program:
        program.wait_for("waiting for vault to be unsealed")
        program.signal(number)
        assert program.wait().code == 128 + number
    done = run("unseal", "--once", "--init", f"--init-root-token-file={wanted}", server=server, store=store)
    assert done.code == 0, done.log
    assert_every_key_is_safe(server, store, root="wanted-by-the-operator")


@ENDING
@pytest.mark.parametrize("once", [True, False], ids=["once", "daemon"])
def test_signal_during_an_initialisation_is_answered_after_the_answer_is_stored(
    once: bool, number: signal.Signals, server: Server, tmp_path: Path
) -> None:
    with FaultProxy(server) as proxy:
        proxy.on("PUT", "sys/init", HOLD)
        flags = (*INIT, "--once") if once else INIT
        with Program("unseal", *flags, server=server, address=proxy.address, store=tmp_path) as program:
            proxy.wait_for("PUT", "sys/init")
            program.signal(number)
            program.wait_for("asked to end while an initialisation runs: it is finished first")
            program.signal(number)
            proxy.let_go()
            assert program.wait().code == (128 + number if once else 0)
    assert "vault-root" in names_in(tmp_path)
    assert run("unseal", "--once", *INIT, server=server, store=tmp_path).code == 0
    assert_every_key_is_safe(server, tmp_path)


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT],
    ids=lambda number: number.name,
)
def test_signal_to_the_whole_group_does_not_end_the_init_process(
    number: signal.Signals, server: Server, tmp_path: Path
) -> None:
    """Ctrl-C, Ctrl-backslash, a closed terminal, a service manager: all of them signal every process."""
    with FaultProxy(server) as proxy:
        proxy.on("PUT", "sys/init", HOLD)
        with GroupProgram("unseal", *INIT, server=server, address=proxy.address, store=tmp_path) as program:
            child = init_process(program)
            proxy.wait_for("PUT", "sys/init")
            program.signal_group(number)
            proxy.let_go()
            with Program("unseal", "--once", *INIT, server=server, store=tmp_path) as second:
                assert second.wait().code == 0, second.log()
            program.wait()
        wait_gone(child)
        assert proxy.count("PUT", "sys/init") == 1
    assert_every_key_is_safe(server, tmp_path)


def test_signal_while_unsealing_leaves_a_server_that_the_next_start_unseals(
    server: Server, tmp_path: Path
) -> None:
    with FaultProxy(server) as proxy:
        proxy.on("PUT", "sys/unseal", Delay(0.5), nth=3)
        with Program("unseal", *INIT, server=server, address=proxy.address, store=tmp_path) as program:
            proxy.wait_for("PUT", "sys/unseal", 3)
            program.signal(signal.SIGTERM)
            assert program.wait().code == 0
    with Program("unseal", *INIT, server=server, store=tmp_path) as program:
        wait_unsealed(server)
        program.wait_for("vault is unsealed")
        assert program.stop() == 0
    assert_every_key_is_safe(server, tmp_path)
