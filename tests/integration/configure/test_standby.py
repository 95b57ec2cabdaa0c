"""A cluster: a node on standby takes requests for the leader, and the leader may change in the middle."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.faults.generating import assert_generated_once, document
from tests.faults.harness import HookedProxy
from tests.support.binaries import ServerKind
from tests.support.configured import Place, is_write
from tests.support.faultproxy import FaultProxy
from tests.support.program import eventually, seal_status, wait_unsealed
from tests.support.servers import RaftCluster, Server, api

FORWARDED: Mapping[str, str] = {}
REDIRECTED: Mapping[str, str] = {"X-Vault-No-Request-Forwarding": "true"}


QUICK = {"server_stabilization_time": "100ms", "cleanup_dead_servers": False}
"""For nodes that join to become voters, without whom there is no other leader."""


class Nodes:
    """A leader, with a place for tests, and two nodes on standby."""

    def __init__(self, servers: list[Server], directory: Path) -> None:
        self.leader, *self.standbys = servers
        self.place = Place(self.leader, directory)
        configured = self.place.call("PUT", "sys/storage/raft/autopilot/configuration", QUICK)
        assert configured.status == 204, configured
        for server in self.standbys:
            joined = api(server, "POST", "sys/storage/raft/join", {"leader_api_addr": self.leader.address})
            assert joined.status == 200, joined
            self.unseal(server)
        for server in self.standbys:
            self.wait_standby(server)
        eventually(lambda: self.voters() == 3, "all nodes are voters")

    def voters(self) -> int:
        """Nodes that can elect another leader."""
        shown = self.place.shown("sys/storage/raft/configuration") or {}
        return sum(bool(each["voter"]) for each in shown["config"]["servers"])

    def unseal(self, server: Server) -> None:
        """A node that has just joined takes the share first, and is unsealed later."""
        eventually(lambda: bool(seal_status(server)["initialized"]), f"{server.name} has joined")
        assert api(server, "PUT", "sys/unseal", {"key": self.place.keys.shares[0]}).status == 200
        wait_unsealed(server)

    def wait_standby(self, server: Server) -> None:
        """Wait until it follows."""
        eventually(lambda: self.is_standby(server), f"{server.name} is on standby")

    @staticmethod
    def is_standby(server: Server) -> bool:
        """Whether it knows of a leader that is another one."""
        answer = api(server, "GET", "sys/leader").body
        return bool(answer.get("leader_address")) and not answer.get("is_self")


@pytest.fixture
def nodes(server_kind: ServerKind, tmp_path: Path) -> Iterator[Nodes]:
    with RaftCluster(server_kind, 3) as servers:
        yield Nodes(servers, tmp_path)


@pytest.mark.parametrize("headers", [FORWARDED, REDIRECTED], ids=["forwarded", "redirected"])
def test_a_node_on_standby_will_do(nodes: Nodes, headers: Mapping[str, str]) -> None:
    place = nodes.place
    place.write(document())
    one, other = nodes.standbys
    with FaultProxy(one, headers=headers) as proxy:
        done = place.once(address=proxy.address)
        assert done.code == 0, done.log + done.output
        assert len(place.writes(proxy)) > 15
    assert_generated_once(place)
    # What another process has written a node on standby may show a moment later.
    last, token = "secret/data/app", place.keys.root_token
    eventually(lambda: api(other, "GET", last, token=token).status == 200, "the other node is as far")
    with FaultProxy(other, headers=headers) as proxy:
        again = place.once(address=proxy.address)
        assert (again.code, place.writes(proxy)) == (0, []), again.log + again.output


def test_what_others_have_just_written_is_seen_on_a_node_on_standby(nodes: Nodes) -> None:
    place, node = nodes.place, nodes.standbys[0]
    if place.server.kind.flavour == "openbao" and place.server.kind.version < (2, 7, 0):
        pytest.skip("before 2.7 nodes on standby have no way to be told how far they have to be")
    secret = {"type": "kv", "path": "secret/data/app", "data": {"data": {"user": "me"}}}
    place.write(
        {
            "secrets": [{"path": "secret", "type": "kv", "options": {"version": 2}}],
            "startupSecrets": [secret],
        }
    )
    assert place.once().code == 0

    def follows(version: int) -> bool:
        answer = api(node, "GET", "secret/data/app", token=place.keys.root_token)
        return answer.status == 200 and answer.body["data"]["metadata"]["version"] == version

    assert place.call("PUT", "secret/data/app", {"data": {"user": "another"}}).status == 200
    eventually(lambda: follows(2), "the node is as far")

    looks: list[str] = []
    last = 2 if place.server.kind.flavour == "openbao" else 1  # once more, of the leader

    def somebody(_: str, path: str) -> None:
        """Mends it while the run begins."""
        looks.append(path)
        if path == "sys/auth" and looks.count(path) == last:
            assert place.call("PUT", "secret/data/app", {"data": {"user": "me"}}).status == 200

    with HookedProxy(node, somebody) as proxy:
        done = place.once(address=proxy.address)
        assert (done.code, place.writes(proxy)) == (0, []), done.log + done.output
    eventually(lambda: follows(3), "nothing was written once more")


def test_the_daemon_survives_the_end_of_the_leader_in_the_middle(nodes: Nodes) -> None:
    place = nodes.place
    reached, gone = threading.Event(), threading.Event()
    writes: list[str] = []

    def hold(method: str, path: str) -> None:
        if is_write(method, path):
            writes.append(path)
            if len(writes) == 8:
                reached.set()
                gone.wait(30)

    place.write(document())
    with (
        HookedProxy(nodes.standbys[0], hold) as proxy,
        place.daemon("--parallelism=1", address=proxy.address) as program,
    ):
        assert reached.wait(30), program.log()
        nodes.leader.kill()
        gone.set()
        program.wait_for("successfully configured vault", limit=60.0)
        assert program.stop() == 0
    nodes.leader.start()
    nodes.unseal(nodes.leader)
    nodes.wait_standby(nodes.leader)
    place.server = nodes.standbys[0]
    assert_generated_once(place)
