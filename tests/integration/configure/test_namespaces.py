"""Namespaces of a real OpenBao: a run in one of them does everything there, and nothing anywhere else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.binaries import ServerKind
from tests.support.configured import Place, takes_audit
from tests.support.discovery import Provider
from tests.support.every_type import everything, wallet
from tests.support.faultproxy import FaultProxy
from tests.support.program import Finished, eventually, run
from tests.support.servers import Server

SEEN = ("sys/mounts", "sys/auth", "auth/approle/role/stray", "secret/data/app", "secret/data/state")
LISTED = (
    "sys/namespaces",
    "sys/policies/acl",
    "identity/group/name",
    "identity/group-alias/id",
    "auth/approle/role",
)
OF_THE_SERVER = ("sys/audit", "sys/plugins/catalog")

STRAYS: Mapping[str, Mapping[str, Any]] = {
    "sys/mounts/secret": {"type": "kv", "options": {"version": "2"}},
    "sys/mounts/stray": {"type": "kv"},
    "sys/auth/approle": {"type": "approle"},
    "sys/auth/stray": {"type": "userpass"},
    "auth/approle/role/stray": {"token_policies": "stray"},
    "sys/policies/acl/stray": {"policy": "# stray"},
    "sys/policies/acl/reader": {"policy": "# of somebody else"},
    "identity/group/name/stray": {"type": "external"},
}
"""Made by hand. Some have the names of what the document has; all others a purge of the namespace deletes."""


class Tenant:
    """A namespace, as its owner and the program see it."""

    def __init__(self, place: Place, name: str) -> None:
        self.place = place
        self.name = name
        parent, _, last = name.rpartition("/")
        made = place.call("POST", f"{parent}/sys/namespaces/{last}".lstrip("/"), {})
        assert made.status == 200, made

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """Past the program, with the root token; what it answers."""
        answer = self.place.call(method, f"{self.name}/{path}", body)
        assert answer.status < 300, (path, answer)
        return answer.body

    def shown(self, path: str) -> dict[str, Any] | None:
        """What is at a path of the namespace."""
        return self.place.shown(f"{self.name}/{path}")

    def tokens(self) -> list[str]:
        """Accessors of all tokens of the namespace."""
        return list((self.shown("auth/token/accessors?list=true") or {}).get("keys", []))

    def add_strays(self) -> None:
        """Make what no document has."""
        for path, body in STRAYS.items():
            self.call("PUT", path, body)

    def approle(self, name: str, **role: Any) -> tuple[tuple[str, ...], dict[str, str]]:
        """Flags and variables with which the program logs in as a new role."""
        self.call("PUT", f"auth/machines/role/{name}", {"token_no_default_policy": True, **role})
        number = (self.shown(f"auth/machines/role/{name}/role-id") or {})["role_id"]
        secret = self.call("PUT", f"auth/machines/role/{name}/secret-id", {})["data"]["secret_id"]
        flags = ("--auth=approle", "--auth-path=machines", f"--auth-role-id={number}")
        return flags, {"BANK_VAULTS_AUTH_SECRET_ID": secret}

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Of the program."""
        return {"VAULT_NAMESPACE": self.name, "KUBERNETES_SERVICE_HOST": "10.0.0.1"} | dict(more or {})

    def once(self, *flags: str, environment: Mapping[str, str] | None = None, **more: Any) -> Finished:
        """``configure --once`` in this namespace."""
        return self.place.once(*flags, environment=self.environment(environment), **more)

    def done(self, *flags: str, environment: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
        """What a run has changed, which has to end well."""
        with FaultProxy(self.place.server) as proxy:
            finished = self.once(*flags, environment=environment, address=proxy.address)
            assert finished.code == 0, finished.log + finished.output
            return [each for each in self.place.writes(proxy) if not each[1].endswith("/login")]


def everything_in(place: Place, namespace: str = "") -> dict[str, Any]:
    """All that a test looks at in a namespace."""
    prefix = f"{namespace}/" if namespace else ""
    found: dict[str, Any] = {path: place.shown(prefix + path) for path in SEEN}
    for path in LISTED:
        names = (place.shown(f"{prefix}{path}?list=true") or {}).get("keys", [])
        found |= {f"{path}/{name}": place.shown(f"{prefix}{path}/{name}") for name in names}
    if not namespace:
        found |= {path: place.shown(path) for path in OF_THE_SERVER}
    return found


@pytest.fixture
def place(server_kind: ServerKind, tmp_path: Path) -> Iterator[Place]:
    """A server with namespaces, a plugin in its catalog, and an audit device."""
    if server_kind.flavour != "openbao":
        pytest.skip("HashiCorp Vault has namespaces in its Enterprise edition only")
    listener = {"disable_unauthed_generate_root_endpoints": False}
    config = f'plugin_directory = "{tmp_path}"\n{takes_audit(server_kind)}'
    with Server(server_kind, config=config, listener=listener) as server:
        place = Place(server, tmp_path)
        for path, body in (
            ("sys/plugins/catalog/secret/of-all", wallet(tmp_path)),
            ("sys/audit/of-all", {"type": "file", "options": {"file_path": "discard"}}),
        ):
            assert place.call("PUT", path, body).status < 300
        yield place


@pytest.fixture
def tenant(place: Place) -> Tenant:
    return Tenant(place, "one")


@pytest.fixture
def document(place: Place) -> Iterator[dict[str, Any]]:
    with Provider() as provider:
        found = everything(place, provider, {})
        yield {name: section for name, section in found.items() if name not in ("audit", "plugins")}


def test_everything_is_written_and_purged_in_the_namespace_and_nothing_elsewhere(
    place: Place, tenant: Tenant, document: dict[str, Any]
) -> None:
    sibling, inner = Tenant(place, "two"), Tenant(place, "one/inner")
    for path, body in STRAYS.items():
        assert place.call("PUT", path, body).status < 300, path
    for each in (tenant, sibling, inner):
        each.add_strays()
    others = ("", "two", "one/inner")
    before = [everything_in(place, each) for each in others]
    place.write(document)

    written = tenant.done()
    deleted = {path for method, path in written if method == "DELETE"}
    assert deleted == {
        "sys/mounts/stray",
        "sys/auth/stray",
        "auth/approle/role/stray",
        "sys/policies/acl/stray",
        "identity/group/name/stray",
    }
    assert len(written) > 50
    assert tenant.shown("secret/data/accounts/aws") is not None
    alias = (tenant.shown("identity/group/name/Outer") or {})["alias"]
    accessor = (tenant.shown("sys/auth") or {})["people/"]["accessor"]
    assert alias["mount_accessor"] == accessor
    assert accessor in (tenant.shown("sys/policies/acl/reader") or {})["policy"]
    assert tenant.done() == []
    assert [everything_in(place, each) for each in others] == before


def test_each_namespace_is_remembered_for_itself(place: Place, tenant: Tenant) -> None:
    """What no server shows is known of the namespace in which it was written, and of no other one."""
    sibling = Tenant(place, "one/inner")
    user = {"username": "me", "password": "of-a-user"}
    place.write({"auth": [{"type": "userpass", "users": [user]}]})
    assert ("PUT", "auth/userpass/users/me") in tenant.done()
    sibling.call("PUT", "sys/auth/userpass", {"type": "userpass"})
    sibling.call("PUT", "auth/userpass/users/me", {"password": "another"})
    assert sibling.done() == [("PUT", "auth/userpass/users/me")]
    sibling.call("PUT", "auth/userpass/login/me", {"password": "of-a-user"})
    assert tenant.done() == sibling.done() == []
    assert not place.state.exists(), "that is of the root namespace"

    state = f"--state={place.store / 'given'}"
    assert tenant.once(state).code == 0
    refused = sibling.once(state)
    assert refused.code == 1
    assert "'one'" in refused.log
    assert "--state" in refused.log
    assert tenant.done(state) == []


def test_the_state_is_in_a_kv_engine_of_the_namespace(place: Place, tenant: Tenant) -> None:
    for prefix in ("", "one/"):
        place.call("PUT", f"{prefix}sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
    before = everything_in(place)
    place.write(
        {
            "purgeUnmanagedConfig": {"enabled": True},
            "auth": [{"type": "userpass", "users": [{"username": "me", "password": "of-a-user"}]}],
        }
    )
    assert ("PUT", "auth/userpass/users/me") in tenant.done("--state=kv:secret/state")
    assert tenant.shown("secret/data/state") is not None
    assert tenant.done("--state=kv:secret/state") == []
    assert everything_in(place) == before


def test_a_purge_spares_what_a_login_of_the_namespace_stands_on(place: Place, tenant: Tenant) -> None:
    place.write({"purgeUnmanagedConfig": {"enabled": True, "within": True}, "policies": []})
    tenant.call("PUT", "sys/auth/machines", {"type": "approle"})
    tenant.call("PUT", "sys/policies/acl/limited", {"policy": 'path "*" { capabilities = ["read", "list"] }'})
    rights = 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }'
    tenant.call("PUT", "sys/policies/acl/by-group", {"policy": rights})
    tenant.add_strays()
    flags, secret = tenant.approle("limited", token_policies="limited")
    accessor = (tenant.shown("sys/auth") or {})["machines/"]["accessor"]
    number = (tenant.shown("auth/machines/role/limited/role-id") or {})["role_id"]
    entity = tenant.call("POST", "identity/entity", {"name": "runner"})["data"]["id"]
    alias = {"name": number, "canonical_id": entity, "mount_accessor": accessor}
    tenant.call("POST", "identity/entity-alias", alias)
    inside = tenant.call(
        "POST",
        "identity/group",
        {"name": "runners", "type": "internal", "policies": ["by-group"], "member_entity_ids": [entity]},
    )["data"]["id"]
    tenant.call("POST", "identity/group", {"name": "all", "type": "internal", "member_group_ids": [inside]})

    deleted = {path for _, path in tenant.done(*flags, environment=secret)}
    assert deleted == {
        "sys/mounts/secret",
        "sys/mounts/stray",
        "sys/auth/approle",
        "sys/auth/stray",
        "sys/policies/acl/stray",
        "sys/policies/acl/reader",
        "identity/group/name/stray",
    }
    assert tenant.done(*flags, environment=secret) == []
    assert tenant.tokens() == [], "each login is revoked"


def test_a_token_of_the_namespace_above_stands_on_nothing_in_the_namespace(
    place: Place, tenant: Tenant
) -> None:
    rights = 'path "one/*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }'
    assert place.call("PUT", "sys/policies/acl/stray", {"policy": rights}).status < 300
    made = place.call("POST", "auth/token/create", {"policies": ["stray"]})
    file = place.store / "token"
    file.write_text(made.body["auth"]["client_token"])
    tenant.add_strays()
    before = everything_in(place)
    place.write({"purgeUnmanagedConfig": {"enabled": True, "exclude": {"secrets": True}}})
    flags = ("--auth=token-file", f"--auth-token-file={file}", f"--state={place.store / 'given'}")
    deleted = {path for _, path in tenant.done(*flags)}
    assert deleted == {
        "sys/auth/approle",
        "sys/auth/stray",
        "sys/policies/acl/stray",
        "sys/policies/acl/reader",
        "identity/group/name/stray",
    }
    assert tenant.done(*flags) == []
    assert everything_in(place) == before


def test_a_saved_plan_is_refused_for_another_namespace(place: Place, tenant: Tenant) -> None:
    sibling = Tenant(place, "two")
    place.write({"policies": [{"name": "a", "rules": "# a"}]})
    saved = f"--plan-file={place.store / 'plan.json'}"
    assert place.plan(saved, environment=tenant.environment()).code == 2
    for elsewhere in (sibling.environment(), {}):
        refused = place.once(saved, environment=elsewhere)
        assert refused.code == 1
        assert "another server or namespace" in refused.log
    assert [sibling.shown("sys/policies/acl/a"), place.shown("sys/policies/acl/a")] == [None, None]
    assert place.once(saved, environment={"VAULT_NAMESPACE": "/one/"}).code == 0
    assert tenant.shown("sys/policies/acl/a") is not None


def test_k25_the_printed_policy_is_enough_in_a_namespace(
    place: Place, tenant: Tenant, document: dict[str, Any]
) -> None:
    """It gives no right to what is of all namespaces, which OpenBao 2.6 would delete from within one."""
    place.write(document)
    printed = run("configure", "policy", *place.flags(), store=place.store, environment=tenant.environment())
    assert printed.code == 0, printed.log
    assert "sys/audit" not in printed.output
    assert "sys/plugins/catalog/" not in printed.output
    tenant.call("PUT", "sys/policies/acl/limited", {"policy": printed.output})
    tenant.call("PUT", "sys/auth/machines", {"type": "approle"})
    flags, secret = tenant.approle("limited", token_policies="limited")
    flags = (*flags, f"--state={place.store / 'given'}")
    assert len(tenant.done(*flags, environment=secret)) > 50
    tenant.call("PUT", "sys/policies/acl/stray", {"policy": "# stray"})
    tenant.call("PUT", "sys/mounts/stray", {"type": "kv"})
    assert set(tenant.done(*flags, environment=secret)) == {
        ("DELETE", "sys/policies/acl/stray"),
        ("DELETE", "sys/mounts/stray"),
    }
    assert tenant.tokens() == [], "each login is revoked"


def test_a_generated_root_token_will_do_in_a_namespace(place: Place, tenant: Tenant) -> None:
    place.write({"policies": [{"name": "a", "rules": "# a"}]})
    assert tenant.done("--store-root-token=false") == [("PUT", "sys/policies/acl/a")]
    assert tenant.done("--store-root-token=false") == []
    kept = place.call("LIST", "auth/token/accessors").body["data"]["keys"]
    assert len(kept) == 1, "the root token of the initialisation"


def test_an_audit_device_is_refused_and_the_rest_is_done(place: Place, tenant: Tenant) -> None:
    device = {"type": "file", "options": {"file_path": "discard"}}
    place.write({"audit": [device], "policies": [{"name": "a", "rules": "# a"}]})
    done = tenant.once()
    assert done.code == 1
    assert "root namespace" in done.output
    assert tenant.shown("sys/policies/acl/a") is not None


def test_a_watched_file_is_applied_in_the_namespace_and_drift_is_corrected(
    place: Place, tenant: Tenant
) -> None:
    def rules(text: str) -> None:
        fresh = place.file.with_suffix(".new")
        place.write({"policies": [{"name": "a", "rules": text}]}, fresh)
        fresh.replace(place.file)

    def is_so(text: str) -> bool:
        return str((tenant.shown("sys/policies/acl/a") or {}).get("policy")).strip() == text

    rules("# first")
    with place.daemon("--drift-interval=100ms", environment=tenant.environment()) as program:
        program.wait_for("successfully configured vault")
        assert is_so("# first")
        rules("# second")
        eventually(lambda: is_so("# second"), "what has changed is applied")
        tenant.call("PUT", "sys/policies/acl/a", {"policy": "# by hand"})
        eventually(lambda: is_so("# second"), "drift is corrected")
        assert program.stop() == 0
    assert place.shown("sys/policies/acl/a") is None


def test_a_server_without_namespaces_is_told_and_its_root_namespace_left_alone(
    server_kind: ServerKind, tmp_path: Path
) -> None:
    if server_kind.flavour == "openbao":
        pytest.skip("OpenBao has namespaces")
    with Server(server_kind) as server:
        place = Place(server, tmp_path)
        place.write({"purgeUnmanagedConfig": {"enabled": True}, "policies": [{"name": "a", "rules": "# a"}]})
        for path, body in STRAYS.items():
            assert place.call("PUT", path, body).status < 300, path
        with FaultProxy(server) as proxy:
            refused = place.once(environment={"VAULT_NAMESPACE": "one"}, address=proxy.address)
            assert (refused.code, place.writes(proxy)) == (1, [])
        assert "unset VAULT_NAMESPACE" in refused.log
        assert place.plan(environment={"VAULT_NAMESPACE": "one"}).code == 1
        assert place.once(environment={"VAULT_NAMESPACE": "root"}).code == 0
