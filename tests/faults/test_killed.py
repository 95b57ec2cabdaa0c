"""Killed anywhere, the next start completes the work, or says exactly what was lost."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from bank_vaults.telemetry.failpoints import FAILPOINTS
from tests.faults.harness import (
    FAILPOINT,
    KEYS,
    LOST,
    SHARES,
    WANTED,
    assert_every_key_is_safe,
    gone,
    init_process,
    root_tokens,
    wait_finished,
    wait_gone,
    wait_killed,
    wait_unsealed,
)
from tests.support.binaries import ServerKind
from tests.support.faultproxy import HOLD, FaultProxy
from tests.support.program import Program, run, seal_status, stored
from tests.support.servers import RaftCluster, Server, api, unseal, wait_active

IN_CHILD = ("init.call-sent", "init.answer-received", "init.answer-stored")
IN_TOKEN_WORK = ("init.token-created", "init.token-stored", "init.token-revoked")
ANSWER_LOST_AT = "init.answer-received"
IN_PARENT = tuple(
    name
    for name in FAILPOINTS
    if name.startswith(("init.", "unseal.")) and name not in IN_CHILD + IN_TOKEN_WORK
)
PASSAGES = [
    *IN_PARENT,
    *(f"init.key-stored:{number}" for number in range(2, 6)),
    "unseal.share-sent:3",
]
INIT = ("--init", "--unseal-period=1s")


def killed(*flags: str, at: str, server: Server, store: Path, address: str | None = None) -> None:
    """Run until the failpoint has killed the program itself."""
    with Program(
        "unseal", *flags, server=server, address=address, store=store, environment={FAILPOINT: at}
    ) as program:
        wait_killed(program)


def finished(*flags: str, server: Server, store: Path) -> None:
    """A start without a failpoint comes to its good end."""
    done = run("unseal", "--once", *flags, server=server, store=store)
    assert done.code == 0, done.log


def test_every_failpoint_has_its_test() -> None:
    covered = {*IN_PARENT, *IN_CHILD, *IN_TOKEN_WORK, "raft.before-join", "raft.joined"}
    covered |= {name for name in FAILPOINTS if name.startswith("configure.")}  # test_configure_killed
    assert covered == set(FAILPOINTS)


@pytest.mark.parametrize("at", PASSAGES)
def test_killed_at_any_point_the_next_start_completes(at: str, server: Server, tmp_path: Path) -> None:
    killed(*INIT, at=at, server=server, store=tmp_path)
    finished(*INIT, server=server, store=tmp_path)
    assert_every_key_is_safe(server, tmp_path)


@pytest.mark.parametrize("at", ["init.intent-recorded", "init.answer-stored"])
def test_killed_twice_at_the_same_point_a_third_start_completes(
    at: str, server: Server, tmp_path: Path
) -> None:
    exit_group = ":exit-group" if at in IN_CHILD else ""
    killed(*INIT, at=at + exit_group, server=server, store=tmp_path)
    if at not in IN_CHILD:
        killed(*INIT, at=at, server=server, store=tmp_path)
    killed(*INIT, at="init.answer-deleted", server=server, store=tmp_path)
    finished(*INIT, server=server, store=tmp_path)
    assert_every_key_is_safe(server, tmp_path)


@pytest.mark.parametrize("at", ["init.call-sent", "init.answer-stored"])
@pytest.mark.parametrize("whole", [True, False], ids=["both", "child-only"])
def test_init_process_killed_without_an_answer_at_stake_the_next_start_completes(
    at: str, whole: bool, server: Server, tmp_path: Path
) -> None:
    if whole:
        killed(*INIT, at=f"{at}:exit-group", server=server, store=tmp_path)
    else:
        with Program("unseal", *INIT, server=server, store=tmp_path, environment={FAILPOINT: at}) as program:
            program.wait_for("the process that called sys/init is gone")
            program.kill()
    finished(*INIT, server=server, store=tmp_path)
    assert_every_key_is_safe(server, tmp_path)


def test_init_process_killed_with_the_answer_stored_the_same_process_completes(
    server: Server, tmp_path: Path
) -> None:
    with Program(
        "unseal", *INIT, server=server, store=tmp_path, environment={FAILPOINT: "init.answer-stored"}
    ) as program:
        program.wait_for("the process that called sys/init is gone")
        wait_finished(tmp_path)
        wait_unsealed(server)
        assert program.stop() == 0
    assert_every_key_is_safe(server, tmp_path)


@pytest.mark.parametrize("whole", [True, False], ids=["both", "child-only"])
def test_killed_with_the_only_copy_of_the_answer_says_so_and_starts_anew_on_emptied_storage(
    whole: bool, server: Server, tmp_path: Path
) -> None:
    """The one loss that no client can prevent: the process dies between receiving and storing."""
    if whole:
        killed(*INIT, at=f"{ANSWER_LOST_AT}:exit-group", server=server, store=tmp_path)
    else:
        with Program(
            "unseal", *INIT, server=server, store=tmp_path, environment={FAILPOINT: ANSWER_LOST_AT}
        ) as program:
            program.wait_for(LOST)
            program.kill()
    stopped = run("unseal", "--once", *INIT, server=server, store=tmp_path)
    assert stopped.code == 65
    assert LOST in stopped.log
    with Program("unseal", *INIT, server=server, store=tmp_path) as program:
        program.wait_for(LOST)
        server.restart()
        wait_finished(tmp_path)
        wait_unsealed(server)
        assert program.stop() == 0
    assert_every_key_is_safe(server, tmp_path)


def test_init_process_killed_during_the_call_the_same_process_starts_anew_on_emptied_storage(
    server: Server, tmp_path: Path
) -> None:
    with FaultProxy(server) as proxy:
        proxy.on("PUT", "sys/init", HOLD)
        with Program("unseal", *INIT, server=server, address=proxy.address, store=tmp_path) as program:
            proxy.wait_for("PUT", "sys/init")
            os.kill(init_process(program), signal.SIGKILL)
            proxy.let_go()
            program.wait_for(LOST)
            pid = program.pid
            server.restart()
            wait_finished(tmp_path)
            wait_unsealed(server)
            assert program.pid == pid
            assert not program.ended
            assert program.stop() == 0
    assert_every_key_is_safe(server, tmp_path)


def test_init_process_killed_before_it_was_needed_the_same_process_initialises(
    server: Server, tmp_path: Path
) -> None:
    server.stop()
    with Program("unseal", *INIT, server=server, store=tmp_path) as program:
        program.wait_for("error checking if vault is sealed")
        os.kill(init_process(program), signal.SIGKILL)
        server.start()
        wait_finished(tmp_path)
        wait_unsealed(server)
        assert program.stop() == 0
    assert_every_key_is_safe(server, tmp_path)


def test_parent_killed_during_the_call_the_init_process_stores_the_answer_alone(
    server_kind: ServerKind, tmp_path: Path
) -> None:
    """The next start waits for it and does not initialise a second time."""
    with Server(server_kind) as server, FaultProxy(server) as proxy:
        proxy.on("PUT", "sys/init", HOLD)
        with Program("unseal", *INIT, server=server, address=proxy.address, store=tmp_path) as first:
            child = init_process(first)
            proxy.wait_for("PUT", "sys/init")
            first.kill()
        assert not gone(child)
        assert sorted(stored(tmp_path)) == ["vault-init-journal"]
        with Program(
            "unseal", "--once", *INIT, server=server, address=proxy.address, store=tmp_path
        ) as second:
            second.wait_for("has begun to initialise")
            proxy.let_go()
            assert second.wait().code == 0, second.log()
        wait_gone(child)
        assert proxy.count("PUT", "sys/init") == 1
        assert_every_key_is_safe(server, tmp_path)


def test_parent_killed_while_the_server_hangs_in_the_call_nothing_is_lost(
    server: Server, tmp_path: Path
) -> None:
    with FaultProxy(server) as proxy:
        proxy.on("PUT", "sys/init", HOLD)
        with Program("unseal", *INIT, server=server, address=proxy.address, store=tmp_path) as first:
            child = init_process(first)
            proxy.wait_for("PUT", "sys/init")
            server.pause()
            first.kill()
        proxy.let_go()
        time.sleep(0.5)  # the request meets a server that stands still
        server.resume()
        wait_gone(child)
        assert sorted(stored(tmp_path)) == ["vault-init-answer", "vault-init-journal"]
        assert proxy.count("PUT", "sys/init") == 1
        finished("--init", server=server, store=tmp_path)
        assert_every_key_is_safe(server, tmp_path)


@pytest.mark.parametrize("kill_at", [0.0, 0.01])
def test_killed_at_a_moment_nobody_chose_nothing_is_lost(
    kill_at: float, server: Server, tmp_path: Path
) -> None:
    """Parent only, some milliseconds after sys/init was sent: the moments between the failpoints."""
    with FaultProxy(server) as proxy:
        with Program("unseal", *INIT, server=server, address=proxy.address, store=tmp_path) as program:
            proxy.wait_for("PUT", "sys/init")
            time.sleep(kill_at)
            program.kill()
        done = run("unseal", "--once", *INIT, server=server, address=proxy.address, store=tmp_path)
        assert done.code == 0, done.log
        assert proxy.count("PUT", "sys/init") == 1
    assert_every_key_is_safe(server, tmp_path)


@pytest.mark.parametrize("at", [*IN_TOKEN_WORK, "init.root-stored", "init.answer-deleted"])
def test_killed_while_the_wanted_root_token_is_made(at: str, server: Server, tmp_path: Path) -> None:
    wanted = f"--init-root-token={WANTED}"
    killed(*INIT, wanted, at=at, server=server, store=tmp_path)
    finished(*INIT, wanted, server=server, store=tmp_path)
    assert_every_key_is_safe(server, tmp_path, root=WANTED)
    assert root_tokens(server, WANTED) == 1


@pytest.mark.parametrize("at", ["init.keys-verified", "init.token-revoked", "init.answer-deleted"])
def test_killed_while_the_first_root_token_is_thrown_away(
    at: str, one_kind: ServerKind, tmp_path: Path
) -> None:
    unwanted = "--store-root-token=false"
    with Server(one_kind, storage="raft") as server:
        killed(*INIT, unwanted, at=at, server=server, store=tmp_path)
        first = stored(tmp_path).get("vault-init-answer", b"").decode()
        done = run("unseal", "--once", *INIT, unwanted, server=server, store=tmp_path)
        assert done.code == 0, done.log
        found = {name: value.decode() for name, value in stored(tmp_path).items()}
        assert sorted(found) == sorted(SHARES)
        if first:
            token = json.loads(first)["answer"]["root_token"]
            assert token not in done.log + done.output
            assert api(server, "GET", "auth/token/lookup-self", token=token).status == 403
        server.restart()
        unseal(server, [found[name] for name in SHARES[2:]])


@pytest.mark.parametrize("at", ["raft.before-join", "raft.joined"])
def test_killed_while_joining_a_raft_cluster_the_next_start_joins(
    at: str, one_kind: ServerKind, tmp_path: Path
) -> None:
    with RaftCluster(one_kind, 2) as (leader, node):
        raft = (*INIT, "--raft", f"--raft-leader-address={leader.address}")
        finished(*raft, server=leader, store=tmp_path)
        wait_active(leader)
        killed(*raft, at=at, server=node, store=tmp_path)
        with Program("unseal", *raft, server=node, store=tmp_path) as program:
            wait_unsealed(node)
            assert program.stop() == 0
        root = stored(tmp_path)["vault-root"].decode()
        answer = api(leader, "GET", "sys/storage/raft/configuration", token=root).body
        nodes = {server["node_id"] for server in answer["data"]["config"]["servers"]}
        assert nodes == {leader.name, node.name}
        assert sorted(stored(tmp_path)) == KEYS
        assert seal_status(leader)["cluster_id"] == seal_status(node)["cluster_id"]


def test_several_programs_started_at_once_initialise_once_and_all_succeed(
    server: Server, tmp_path: Path
) -> None:
    with FaultProxy(server) as proxy, ExitStack() as stack:
        programs = [
            stack.enter_context(
                Program("unseal", "--once", *INIT, server=server, address=proxy.address, store=tmp_path)
            )
            for _ in range(3)
        ]
        for program in programs:
            done = program.wait()
            assert done.code == 0, done.log
        assert proxy.count("PUT", "sys/init") == 1
    assert_every_key_is_safe(server, tmp_path)
