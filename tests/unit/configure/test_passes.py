"""In which order a pass looks at a server."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, cast

import pytest

from bank_vaults.configure.config import Configuration
from bank_vaults.configure.passes import Options, Passes
from bank_vaults.configure.places import KvPlace
from bank_vaults.configure.server import NamespaceError
from bank_vaults.domain.secrets import Secret
from bank_vaults.vault.client import Response, VaultClient
from bank_vaults.vault.errors import NotFoundError

STATE = "sys/internal/ui/mounts/secret/state"
ANSWERS: dict[str, dict[str, Any]] = {
    "sys/seal-status": {"initialized": True, "sealed": False, "cluster_id": "c", "storage_type": "raft"},
    "sys/auth": {"token/": {"type": "token", "running_plugin_version": "v2.7.0+builtin.bao"}},
}


class Standby:
    """A node of a cluster that can be told how far it has to be."""

    address, namespace, timeout = "http://127.0.0.1:1", "", 60.0

    def __init__(self) -> None:
        self.calls: list[str] = []

    def catch_up(self, cluster: str) -> None:
        """See VaultClient."""
        self.calls.append(f"catch up {cluster}")

    def request(self, method: str, path: str, body: Any = None, **_: Any) -> Response:
        """See VaultClient."""
        assert method == "GET", body
        self.calls.append(path)
        if path not in ANSWERS:
            raise NotFoundError(method, path, 404)
        return Response(200, ANSWERS[path])


def passes(node: Standby) -> Passes:
    options = Options(lambda session: KvPlace("secret/state", session), lambda: lambda _: "")
    return Passes(cast(VaultClient, node), lambda: nullcontext(Secret("t")), options)


def test_the_state_too_is_read_when_the_node_is_as_far_as_the_leader() -> None:
    node = Standby()
    with passes(node).look(Configuration(), purge=False):
        assert node.calls[:5] == ["sys/seal-status", "sys/auth", "catch up c", "sys/auth", STATE]


def test_nothing_is_looked_for_in_a_namespace_that_is_none() -> None:
    node = Standby()
    node.namespace = "one"
    with pytest.raises(NamespaceError), passes(node).look(Configuration(), purge=False):
        pass
    assert STATE not in node.calls
