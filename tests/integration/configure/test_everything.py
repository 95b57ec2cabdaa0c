"""Every section and type that a server carries, in one document: the second run of it writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.binaries import ServerKind
from tests.support.configured import Place, takes_audit
from tests.support.discovery import Provider
from tests.support.every_type import everything, wallet
from tests.support.faultproxy import FaultProxy
from tests.support.program import run
from tests.support.servers import Server


@pytest.fixture
def place(server_kind: ServerKind, tmp_path: Path) -> Iterator[Place]:
    """A server that takes audit devices by its API, and has a plugin to be registered."""
    config = f'plugin_directory = "{tmp_path}"\n{takes_audit(server_kind)}'
    with Server(server_kind, config=config) as server:
        yield Place(server, tmp_path)


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


def test_everything_is_written_once(place: Place, provider: Provider, tmp_path: Path) -> None:
    document = everything(place, provider, wallet(tmp_path))
    place.write(document)
    environment = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    with FaultProxy(place.server) as proxy:
        first = place.once(environment=environment, address=proxy.address)
        assert first.code == 0, first.log + first.output
        written = [path for _, path in place.writes(proxy)]
    # Each section and each of the types has taken part.
    for element in document["auth"]:
        path = element.get("path", element["type"])
        assert [each for each in written if each.startswith(f"auth/{path}/")], element
    for element in document["secrets"]:
        assert f"sys/mounts/{element.get('path', element['type'])}" in written
        for option in element.get("configuration", {}):
            assert [each for each in written if f"/{option}" in each], option
    for path in ("sys/audit/", "sys/plugins/catalog/", "identity/group/name/", "identity/group-alias"):
        assert [each for each in written if each.startswith(path)]
    assert {"sys/policies/acl/reader", "old/x", "secret/data/accounts/aws"} <= set(written)

    with FaultProxy(place.server) as proxy:
        second = place.once(environment=environment, address=proxy.address)
        assert (second.code, place.writes(proxy)) == (0, []), second.log + second.output
    # Without what is remembered only what no server shows is written again, and nothing is made anew.
    place.state.unlink()
    with FaultProxy(place.server) as proxy:
        third = place.once(environment=environment, address=proxy.address)
        again = [path for _, path in place.writes(proxy)]
        assert third.code == 0, third.log + third.output
        assert len(again) < len(written) / 3
        assert not [path for path in again if "generate" in path or path.startswith(("sys/", "identity/"))]
    with FaultProxy(place.server) as proxy:
        fourth = place.once(environment=environment, address=proxy.address)
        assert (fourth.code, place.writes(proxy)) == (0, []), fourth.log + fourth.output


def test_k25_the_printed_policy_is_enough_for_everything(
    place: Place, provider: Provider, tmp_path: Path
) -> None:
    """Also for deletions in all sections; names with capitals are among what is written."""
    place.write(everything(place, provider, wallet(tmp_path)))
    printed = run("configure", "policy", *place.flags(), store=place.store)
    assert place.call("PUT", "sys/policies/acl/limited", {"policy": printed.output}).status < 300
    place.call("POST", "sys/auth/machines", {"type": "approle"})
    role = {"token_policies": "limited", "token_no_default_policy": True}
    place.call("PUT", "auth/machines/role/limited", role)
    role_id = (place.shown("auth/machines/role/limited/role-id") or {})["role_id"]
    answer = place.call("PUT", "auth/machines/role/limited/secret-id", {})
    environment = {
        "KUBERNETES_SERVICE_HOST": "10.0.0.1",
        "BANK_VAULTS_AUTH_SECRET_ID": answer.body["data"]["secret_id"],
    }
    flags = (
        "--auth=approle",
        "--auth-path=machines",
        f"--auth-role-id={role_id}",
        f"--state={tmp_path / 'state'}",
    )
    first = place.once(*flags, environment=environment)
    assert first.code == 0, first.log + first.output
    strays: dict[str, dict[str, Any]] = {
        "sys/audit/stray": {"type": "file", "options": {"file_path": "discard"}},
        "sys/plugins/catalog/secret/stray": wallet(tmp_path),
        "sys/auth/stray": {"type": "approle"},
        "auth/approle/role/stray": {"token_policies": "root"},
        "sys/policies/acl/stray": {"policy": "# nothing"},
        "sys/mounts/stray": {"type": "kv"},
        "pki/roles/stray": {"ttl": "1h"},
        "identity/group/name/stray": {"type": "external"},
    }
    for path, body in strays.items():
        assert place.call("PUT", path, body).status < 300, path
    with FaultProxy(place.server) as proxy:
        second = place.once(*flags, environment=environment, address=proxy.address)
        assert second.code == 0, second.log + second.output
        written = place.writes(proxy)
    assert set(written) == {("PUT", "auth/machines/login"), *(("DELETE", path) for path in strays)}
