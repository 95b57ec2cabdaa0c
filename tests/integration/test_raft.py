"""Integrated storage: one cluster, whatever the order, the losses and the certificates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.binaries import ServerKind
from tests.support.program import Program, eventually, run, seal_status, stored, wait_unsealed
from tests.support.servers import RaftCluster, Server, api, wait_active

KEYS = ["vault-root", *(f"vault-unseal-{number}" for number in range(5))]
UNSEALED = "successfully unsealed vault"


def raft_flags(leader: Server, *more: str) -> list[str]:
    return ["--init", "--raft", f"--raft-leader-address={leader.address}", *more]


def peers(server: Server, store: Path) -> set[str]:
    """The node ids of the cluster, as one node of it tells them."""
    token = (store / "vault-root").read_text()
    answer = api(server, "GET", "sys/storage/raft/configuration", token=token)
    if answer.status != 200:
        return set()
    found: list[dict[str, Any]] = answer.body["data"]["config"]["servers"]
    return {peer["node_id"] for peer in found}


def assert_one_cluster(servers: list[Server], store: Path) -> None:
    for server in servers:
        wait_unsealed(server)
    ids = {server.name for server in servers}
    eventually(lambda: all(peers(server, store) == ids for server in servers), f"{ids} are peers everywhere")
    assert len({str(seal_status(server)["cluster_id"]) for server in servers}) == 1
    eventually(lambda: sorted(stored(store)) == KEYS, "the keys are stored once and the journal is closed")


@contextmanager
def unsealers(servers: list[Server], store: Path, leader: Server, *flags: str) -> Iterator[list[Program]]:
    """One process for each server; all of them end well."""
    with ExitStack() as stack:
        programs = [
            stack.enter_context(
                Program(
                    "unseal",
                    *raft_flags(leader, *flags),
                    server=server,
                    store=store,
                    # no name that ends in -0, which would be the first node by its name alone
                    environment={"POD_NAME": server.name + "-pod"},
                )
            )
            for server in servers
        ]
        yield programs
        for program in programs:
            assert program.stop() == 0


def test_three_nodes_become_one_cluster_and_a_follower_comes_back_with_and_without_its_data(
    server_kind: ServerKind, tmp_path: Path
) -> None:
    with RaftCluster(server_kind, 3) as servers, unsealers(servers, tmp_path, servers[0]) as programs:
        for program in programs:
            program.wait_for(UNSEALED)
        assert_one_cluster(servers, tmp_path)
        assert "initializing vault..." in programs[0].log()
        for program in programs[1:]:
            assert "joining leader vault..." in program.log()
            assert "joining raft cluster..." in program.log()
            assert "vault joined raft cluster" in program.log()
            assert "initializing vault..." not in program.log()
        servers[2].kill()
        servers[2].start()
        programs[2].wait_for(UNSEALED, times=2)
        assert_one_cluster(servers, tmp_path)
        servers[2].kill()
        (servers[2].directory / "raft").rename(servers[2].directory / "lost")
        (servers[2].directory / "raft").mkdir()
        servers[2].start()
        programs[2].wait_for(UNSEALED, times=3)
        assert_one_cluster(servers, tmp_path)


@pytest.mark.parametrize("leader_number", [0, 1])
def test_two_nodes_that_start_at_the_same_moment_become_one_cluster(
    server_kind: ServerKind, tmp_path: Path, leader_number: int
) -> None:
    with (
        RaftCluster(server_kind, 2) as servers,
        unsealers(servers, tmp_path, servers[leader_number]) as programs,
    ):
        for program in programs:
            program.wait_for(UNSEALED)
        assert_one_cluster(servers, tmp_path)
        assert sum("initializing vault..." in program.log() for program in programs) == 1


def test_a_secondary_waits_for_its_leader_and_never_initialises(
    server_kind: ServerKind, tmp_path: Path
) -> None:
    with (
        RaftCluster(server_kind, 2) as (leader, second),
        Program(
            "unseal", *raft_flags(leader, "--raft-secondary"), server=second, store=tmp_path
        ) as secondary,
    ):
        secondary.wait_for(f"but its leader address {leader.address} is not initialised; waiting for it")
        assert stored(tmp_path) == {}
        with Program("unseal", *raft_flags(leader), server=leader, store=tmp_path) as first:
            first.wait_for(UNSEALED)
            secondary.wait_for(UNSEALED)
            assert_one_cluster([leader, second], tmp_path)
            assert (first.stop(), secondary.stop()) == (0, 0)


def test_a_node_joins_once_its_leader_is_reachable_and_by_store_alone_initialises_nothing(
    server_kind: ServerKind, tmp_path: Path
) -> None:
    with RaftCluster(server_kind, 2) as (leader, second):
        with Program("unseal", *raft_flags(leader), server=leader, store=tmp_path) as first:
            first.wait_for(UNSEALED)
            wait_active(leader)
            assert first.stop() == 0
        leader.stop()
        with Program("unseal", *raft_flags(leader), server=second, store=tmp_path) as joining:
            joining.wait_for(f"but its leader address {leader.address} does not answer; waiting for it")
            leader.start()
            with Program("unseal", *raft_flags(leader), server=leader, store=tmp_path) as first:
                joining.wait_for(UNSEALED)
                assert_one_cluster([leader, second], tmp_path)
                assert (first.stop(), joining.stop()) == (0, 0)


def test_a_node_whose_leader_restarted_between_join_and_unseal_joins_again(
    server_kind: ServerKind, tmp_path: Path
) -> None:
    with RaftCluster(server_kind, 2) as (leader, second):
        assert run("unseal", "--once", *raft_flags(leader), server=leader, store=tmp_path).code == 0
        wait_active(leader)
        joined = api(second, "POST", "sys/storage/raft/join", {"leader_api_addr": leader.address})
        assert joined.body["joined"] is True
        leader.kill()
        environment = {"BANK_VAULTS_UNSEAL_PERIOD": "1s"}
        with Program(
            "unseal", *raft_flags(leader), server=second, store=tmp_path, environment=environment
        ) as program:
            program.wait_for("error unsealing vault: ", times=5)
            pauses = [float(pause) for pause in re.findall(r"again_in_s=([0-9.]+)", program.log())]
            assert max(pauses) <= 1, "the leader may come back at any time"
            leader.start()
            assert run("unseal", "--once", server=leader, store=tmp_path).code == 0
            wait_unsealed(second)
            program.wait_for(UNSEALED)
            assert "right unseal keys" not in program.log()
            assert program.stop() == 0
        assert_one_cluster([leader, second], tmp_path)


def test_without_vault_root_in_the_store_a_new_node_still_joins(
    server_kind: ServerKind, tmp_path: Path
) -> None:
    """Removing it is what the documentation advises; the original then initialised a second cluster."""
    with RaftCluster(server_kind, 2) as (leader, second):
        assert run("unseal", "--once", *raft_flags(leader), server=leader, store=tmp_path).code == 0
        wait_active(leader)
        root = (tmp_path / "vault-root").read_bytes()
        (tmp_path / "vault-root").unlink()
        with Program("unseal", *raft_flags(leader), server=second, store=tmp_path) as program:
            program.wait_for(UNSEALED)
            assert program.stop() == 0
        assert "vault-root" not in stored(tmp_path)
        (tmp_path / "vault-root").write_bytes(root)
        assert_one_cluster([leader, second], tmp_path)


def test_a_first_node_that_lost_its_data_does_not_initialise_a_second_cluster(
    server_kind: ServerKind, tmp_path: Path
) -> None:
    with RaftCluster(server_kind, 1) as (leader,):
        with Program("unseal", *raft_flags(leader), server=leader, store=tmp_path) as program:
            program.wait_for(UNSEALED)
            leader.kill()
            (leader.directory / "raft").rename(leader.directory / "lost")
            (leader.directory / "raft").mkdir()
            leader.start()
            program.wait_for("error before init: value for key 'vault-root' already exists")
            assert program.stop() == 0
        assert seal_status(leader)["initialized"] is False


def test_a_leader_with_its_own_authority_and_client_certificates_is_joined(
    server_kind: ServerKind, tmp_path: Path
) -> None:
    with RaftCluster(server_kind, 2, tls="mutual") as (leader, second):
        flags = [
            f"--raft-leader-ca-cert-file={leader.ca_file}",
            f"--raft-leader-client-cert-file={leader.client_cert_file}",
            f"--raft-leader-client-key-file={leader.client_key_file}",
        ]
        with unsealers([leader, second], tmp_path, leader, *flags) as programs:
            for program in programs:
                program.wait_for(UNSEALED)
            assert_one_cluster([leader, second], tmp_path)


def test_one_process_unseals_three_servers_and_tells_of_each(server_kind: ServerKind, tmp_path: Path) -> None:
    with RaftCluster(server_kind, 3) as servers:
        addresses = [f"--server-addr={server.address}" for server in servers]
        with Program("unseal", "--init", "--raft", *addresses, store=tmp_path, metrics=True) as program:
            program.wait_for(UNSEALED, times=3)
            assert_one_cluster(servers, tmp_path)
            assert program.log().count("initializing vault...") == 1
            eventually(lambda: program.get("/readyz")[0] == 200, "all are ready")
            samples = program.samples()
            for server in servers:
                assert samples[f'bank_vaults_server_sealed{{server="{server.address}"}}'] == 0
            servers[1].kill()
            down = f'bank_vaults_server_up{{server="{servers[1].address}"}}'
            eventually(lambda: program.samples()[down] == 0, "the loss of one is seen")
            servers[1].start()
            program.wait_for(UNSEALED, times=4)
            assert program.stop() == 0


def test_a_second_node_joins_where_raft_is_the_ha_storage_only(
    server_kind: ServerKind, tmp_path: Path
) -> None:
    """Both share one storage; pod 0 begins the cluster, the other joins it through that storage."""
    if not server_kind.has_file_storage:
        pytest.skip("this server has no storage that raft could stand beside")
    flags = ["unseal", "--init", "--raft-ha-storage"]
    with Server(server_kind, storage="file", ha_storage="raft") as first:
        second = Server(server_kind, name="node-1", storage="file", ha_storage="raft")
        (second.directory / "data").rmdir()
        (second.directory / "data").symlink_to(first.directory / "data")
        with second:
            environment = {"POD_NAME": "vault-0"}
            done = run(*flags, "--once", server=first, store=tmp_path, environment=environment)
            assert done.code == 0, done.log
            assert "vault joined raft cluster" not in done.log
            wait_active(first)
            environment = {"POD_NAME": "vault-1"}
            done = run(*flags, "--once", server=second, store=tmp_path, environment=environment)
            assert done.code == 0, done.log
            assert "vault joined raft cluster" in done.log
            eventually(lambda: peers(first, tmp_path) == {"node-0", "node-1"}, "both are peers")
