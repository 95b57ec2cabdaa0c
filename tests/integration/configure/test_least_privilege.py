"""What ``configure policy`` prints is enough for all that the files need, now and later, and no more."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.configured import Place
from tests.support.faultproxy import DROP_ANSWER, FaultProxy
from tests.support.program import Finished, run

DOCUMENT: dict[str, Any] = {
    "purgeUnmanagedConfig": {"enabled": True, "within": True, "exclude": {"secrets": True, "audit": True}},
    "policies": [
        {"name": "own", "rules": 'path "secret/data/${ accessor `people/` }/*" { capabilities = ["read"] }'}
    ],
    "auth": [
        {
            "type": "approle",
            "options": {"default_lease_ttl": "1h", "trim_request_trailing_slashes": True},
            "roles": [{"name": "dev", "token_policies": "own"}],
        },
        {"type": "userpass", "path": "team/users", "users": [{"username": "a", "password": "of-a-user"}]},
    ],
    "groups": [
        {"name": "admin", "type": "external", "policies": ["own"]},
        {"name": "other", "type": "external", "policies": ["own"]},
        {"name": "without", "type": "external"},
    ],
    "group-aliases": [
        {"name": "admins", "mountpath": "people", "group": "admin"},
        {"name": "others", "mountpath": "team/users", "group": "other"},
    ],
    "secrets": [
        {"path": "secret", "type": "kv", "options": {"version": 2}, "max_versions": 5},
        {"type": "transit", "configuration": {"keys": [{"name": "k", "auto_rotate_period": "24h"}]}},
        {
            "type": "pki",
            "config": {"max_lease_ttl": "720h"},
            "configuration": {
                "root/generate": [
                    {"name": "exported", "common_name": "example", "save_to": "elsewhere/data/root"}
                ],
                "roles": [{"name": "web", "allowed_domains": "example", "ttl": "1h"}],
            },
        },
        {"type": "ssh", "configuration": {"config": [{"name": "ca", "generate_signing_key": True}]}},
    ],
    "startupSecrets": [{"type": "kv", "path": "secret/data/app", "data": {"data": {"USER": "me"}}}],
}
STATE = "team/kv/of/configure"


class Limited:
    """The command with a login that has the printed policy and nothing else.

    The document has neither its role nor the policy, and purges what it does not have.
    """

    state = f"--state=kv:{STATE}"

    def __init__(self, place: Place) -> None:
        self.place = place
        for path in ("team/kv", "elsewhere"):
            place.call("POST", f"sys/mounts/{path}", {"type": "kv", "options": {"version": "2"}})
        place.call("POST", "sys/auth/people", {"type": "userpass"})
        place.call("POST", "sys/auth/approle", {"type": "approle"})
        place.write(DOCUMENT)
        printed = run("configure", "policy", *place.flags(), self.state, store=place.store)
        assert printed.code == 0, printed.log
        self.policy = printed.output
        answer = place.call("PUT", "sys/policies/acl/limited", {"policy": self.policy})
        assert answer.status < 300, answer
        role = {"token_policies": "limited", "token_no_default_policy": True, "token_ttl": "10m"}
        place.call("PUT", "auth/approle/role/limited", role)
        self.role_id = (place.shown("auth/approle/role/limited/role-id") or {})["role_id"]
        answer = place.call("PUT", "auth/approle/role/limited/secret-id", {})
        self.secret_id = answer.body["data"]["secret_id"]
        (place.store / "vault-root").unlink()

    def once(self, **more: Any) -> Finished:
        """``configure --once``."""
        login = ("--auth=approle", f"--auth-role-id={self.role_id}", self.state)
        return self.place.once(
            *login,
            "--purge-protect=policies/limited",
            environment={"BANK_VAULTS_AUTH_SECRET_ID": self.secret_id},
            **more,
        )

    def writes(self, proxy: FaultProxy) -> list[tuple[str, str]]:
        """What was changed, without logins."""
        return [each for each in self.place.writes(proxy) if each[1] != "auth/approle/login"]


@pytest.fixture
def limited(place: Place) -> Limited:
    return Limited(place)


def test_k25_the_printed_policy_is_enough_for_the_first_run_and_all_later_ones(
    place: Place, limited: Limited
) -> None:
    with FaultProxy(place.server) as proxy:
        proxy.on("PUT", "pki/root/generate/exported", DROP_ANSWER)
        first = limited.once(address=proxy.address)
        assert first.code == 0, first.log + first.output
    assert len((place.shown("pki/keys?list=true") or {})["keys"]) == 1
    assert "private_key" in place.shown("elsewhere/data/root")["data"]  # type: ignore[index]
    accessor = (place.shown("sys/auth") or {})["people/"]["accessor"]
    assert accessor in place.shown("sys/policies/acl/own")["policy"]  # type: ignore[index]
    with FaultProxy(place.server) as proxy:
        second = limited.once(address=proxy.address)
        assert (second.code, limited.writes(proxy)) == (0, []), second.log + second.output
    assert place.shown("team/kv/data/of/configure") is not None

    aliases = (place.shown("identity/group-alias/id?list=true") or {})["key_info"]
    (alias,) = [key for key, info in aliases.items() if info["name"] == "admins"]
    without = (place.shown("identity/group/name/without") or {})["id"]
    body = {"name": "admins", "mount_accessor": accessor, "canonical_id": without}
    for path, fields in (
        (f"identity/group-alias/id/{alias}", body),
        ("transit/keys/k/config", {"auto_rotate_period": "48h"}),
        ("sys/auth/approle/tune", {"default_lease_ttl": "2h"}),
        ("sys/mounts/pki/tune", {"max_lease_ttl": "2h"}),
        ("auth/approle/role/dev", {"token_ttl": "2h", "token_policies": "root"}),
        ("auth/approle/role/of-nobody", {"token_policies": "root"}),
        ("secret/metadata/app", {"max_versions": 3}),
        ("identity/group/name/of-nobody", {"type": "external"}),
        ("sys/policies/acl/of-nobody", {"policy": "# x"}),
    ):
        answer = place.call("PUT", path, fields)
        assert answer.status < 300, (path, answer)
    drifted = limited.once()
    assert drifted.code == 0, drifted.log + drifted.output
    assert (place.shown("transit/keys/k") or {})["auto_rotate_period"] == 86400
    assert (place.shown("identity/group/name/admin") or {})["alias"]["name"] == "admins"
    for path in (
        "auth/approle/role/of-nobody",
        "identity/group/name/of-nobody",
        "sys/policies/acl/of-nobody",
    ):
        assert place.shown(path) is None
    assert place.shown("auth/approle/role/limited") is not None
    assert {"people/", "team/users/"} <= place.mounts("auth").keys()


def test_k25_the_printed_policy_allows_nothing_else(limited: Limited) -> None:
    place = limited.place
    login = {"role_id": limited.role_id, "secret_id": limited.secret_id}
    token = place.call("PUT", "auth/approle/login", login).body["auth"]["client_token"]
    paths = [
        "sys/policies/acl/of-nobody",
        "sys/mounts/secret2",
        "secret/data/other",
        "auth/token/create",
        "auth/approle/role/of-nobody",
        "elsewhere/data/other",
    ]
    answer = place.call("PUT", "sys/capabilities", {"token": token, "paths": paths})
    assert answer.status == 200, answer
    for path in paths:
        assert {"create", "update", "root"}.isdisjoint(answer.body["data"][path]), path
