"""Somebody else enters shares at the same time: neither side spoils the attempt of the other."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

from bank_vaults.domain.decisions import PATIENCE_FOREIGN_PROGRESS
from tests.integration.test_unseal_once import write_keys
from tests.support.faultproxy import FaultProxy
from tests.support.program import Program, seal_status, wait_unsealed
from tests.support.servers import Keys, Server, api, initialise

WAITING = "somebody else has entered 1 of 3 shares; waiting for it"


def enter(server: Server, share: str) -> int:
    answer = api(server, "PUT", "sys/unseal", {"key": share})
    assert answer.status == 200
    progress = answer.body["progress"]
    assert isinstance(progress, int)
    return progress


def test_an_attempt_that_stands_still_is_reset_after_a_while_and_the_vault_unsealed(
    any_server: Server, tmp_path: Path
) -> None:
    keys = initialise(any_server, 5, 3)
    write_keys(tmp_path, keys)
    assert enter(any_server, keys.shares[4]) == 1
    with FaultProxy(any_server) as proxy, Program("unseal", address=proxy.address, store=tmp_path) as program:
        program.wait_for(WAITING)
        program.wait_for("somebody else's unseal attempt stands still at 1 of 3 shares: resetting it")
        program.wait_for("successfully unsealed vault")
        assert proxy.count("PUT", "sys/unseal") == 4  # the reset and exactly three shares
        assert program.stop() == 0


def test_an_attempt_that_moves_is_left_alone_until_it_ends(any_server: Server, tmp_path: Path) -> None:
    keys = initialise(any_server, 5, 4)
    write_keys(tmp_path, keys)
    assert enter(any_server, keys.shares[0]) == 1
    with FaultProxy(any_server) as proxy, Program("unseal", address=proxy.address, store=tmp_path) as program:
        for progress in (1, 2, 3):
            program.wait_for(f"somebody else has entered {progress} of 4 shares; waiting for it")
            time.sleep(
                PATIENCE_FOREIGN_PROGRESS * 0.4
            )  # each pause shorter than the patience, all together longer
            assert proxy.count("PUT", "sys/unseal") == 0
            enter(any_server, keys.shares[progress])
        program.wait_for("vault is unsealed|successfully unsealed vault")
        assert program.stop() == 0


def test_after_our_keys_were_refused_the_attempt_of_a_human_is_never_reset(
    any_server: Server, tmp_path: Path
) -> None:
    keys = initialise(any_server, 5, 3)
    wrong = tuple(f"{int(share[:2], 16) ^ 1:02x}{share[2:]}" for share in keys.shares)
    write_keys(tmp_path, Keys("s.none", wrong, (), 3))
    with FaultProxy(any_server) as proxy, Program("unseal", address=proxy.address, store=tmp_path) as program:
        program.wait_for("are you using the right unseal keys")
        # Into an empty attempt: while ours is under way, the human's share would be thrown away with it.
        while enter(any_server, keys.shares[0]) != 1 or seal_status(any_server)["progress"] != 1:
            api(any_server, "PUT", "sys/unseal", {"reset": True})
        program.wait_for("shares; our own keys were refused, so it is left alone")
        sent = proxy.count("PUT", "sys/unseal")
        time.sleep(PATIENCE_FOREIGN_PROGRESS + 1)
        assert seal_status(any_server)["progress"] == 1
        assert proxy.count("PUT", "sys/unseal") == sent
        enter(any_server, keys.shares[1])
        assert enter(any_server, keys.shares[2]) == 0
        wait_unsealed(any_server)
        program.wait_for("vault is unsealed")
        assert program.stop() == 0


def test_several_unsealers_of_one_server_end_with_it_unsealed(any_server: Server, tmp_path: Path) -> None:
    write_keys(tmp_path, initialise(any_server, 5, 3))
    with ExitStack() as stack:
        programs = [
            stack.enter_context(Program("unseal", server=any_server, store=tmp_path)) for _ in range(3)
        ]
        for program in programs:
            program.wait_for("vault is unsealed|successfully unsealed vault")
        wait_unsealed(any_server)
        for program in programs:
            assert program.stop() == 0
            assert "ERROR" not in program.log()
