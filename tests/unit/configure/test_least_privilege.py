"""K-25: which paths a policy has to allow, and with what, so that the files can be applied."""

from __future__ import annotations

import os
import re

import pytest

from bank_vaults.configure import assembly
from bank_vaults.configure.least_privilege import policy
from tests.support.configuring import configuration_of


def rules(text: str, state: str = "") -> dict[str, list[str]]:
    """Capabilities by path."""
    configuration = configuration_of(text)
    made = policy(assembly.wanted_of_no_server(configuration, os.environ), configuration, state)
    found = re.findall(r'path "(.*)" \{\n  capabilities = \[(.*)\]\n\}', made)
    return {path: re.findall(r'"(\w+)"', capabilities) for path, capabilities in found}


ALWAYS = {
    "sys/auth": ["read"],
    "auth/token/lookup-self": ["read"],
    "auth/token/revoke-self": ["update"],
}


def test_k25_of_nothing_only_the_own_token_is_allowed() -> None:
    assert rules("") == ALWAYS


def test_k25_what_is_changed_elsewhere_than_it_is_made_is_allowed_too() -> None:
    found = rules("""
auth: [{type: approle, options: {trim_request_trailing_slashes: true}}]
group-aliases: [{name: a, mountpath: elsewhere, group: of-somebody}]
secrets:
  - {type: transit, configuration: {keys: [{name: k}]}}
  - {type: pki, configuration: {root/generate: [{name: exported, common_name: x, save_to: other/data/ca}]}}
""")
    writing = ["create", "read", "update"]
    for path in ("sys/mounts/transit/tune", "transit/keys/k/config", "other/data/ca"):
        assert found[path] == writing
    assert found["sys/auth/approle/tune"] == [*writing, "sudo"]
    assert found["sys/auth/approle"] == [*writing, "sudo"]  # read to know what the server took
    assert found["pki/root/generate/exported"] == ["create", "update"]
    assert found["identity/group-alias"] == ["create", "update"]
    assert found["identity/group-alias/id/*"] == ["delete"]
    assert found["other/metadata/ca"] == ["read"]


def test_k25_a_key_whose_answer_was_lost_may_be_replaced_and_only_where_one_is_saved() -> None:
    text = "secrets: [{type: pki, configuration: {root/generate: [{name: exported, save_to: kv/data/ca}]}}]"
    found = rules(text)
    for name in ("issuers", "keys", "certs", "roles", "cel/roles"):
        assert found[f"pki/{name}"] == ["read", "list"]
    assert found["pki/roles/*"] == ["read"]
    assert found["pki/issuer/*"] == found["pki/key/*"] == ["delete"]
    deletable = [
        each for each in rules(text.replace(", save_to: kv/data/ca", "")).values() if "delete" in each
    ]
    assert deletable == []


def test_k25_names_are_allowed_in_small_letters_too_where_they_are_the_same() -> None:
    found = rules("""
auth:
  - {type: approle, path: Apps, roles: [{name: Dev}]}
  - {type: userpass, users: [{username: Admin, password: x}]}
  - {type: jwt, roles: [{name: Dev}]}
""")
    for one, other in (
        ("auth/Apps/role/Dev", "auth/Apps/role/dev"),
        ("auth/userpass/users/Admin", "auth/userpass/users/admin"),
    ):
        assert found[one] == found[other] == ["create", "read", "update"]
    assert "auth/jwt/role/Dev" in found
    assert "auth/jwt/role/dev" not in found


@pytest.mark.parametrize(
    ("purge", "deletable"),
    [
        ("{}", set()),
        ("{enabled: true, exclude: {secrets: true}}", {"auth", "policies/acl"}),
        ("{enabled: true, within: true}", {"auth", "policies/acl", "mounts", "role"}),
        ("{enabled: true, within: true, exclude: {auth: true}}", {"policies/acl", "mounts"}),
    ],
)
def test_k25_deletions_are_allowed_where_they_are_asked_for(purge: str, deletable: set[str]) -> None:
    found = rules(f"purgeUnmanagedConfig: {purge}\nauth: [{{type: approle, roles: [{{name: a}}]}}]")
    paths = {path for path, capabilities in found.items() if "delete" in capabilities}
    for name, path in (
        ("auth", "sys/auth/*"),
        ("policies/acl", "sys/policies/acl/*"),
        ("mounts", "sys/mounts/*"),
        ("role", "auth/approle/role/*"),
    ):
        assert (path in paths) is (name in deletable), name


@pytest.mark.parametrize(
    ("engine", "paths"),
    [
        ("{path: team/kv, type: kv, options: {version: 2}}", {"team/kv/data/x", "team/kv/metadata/x"}),
        ("{path: team/kv, type: kv}", {"team/kv/x"}),
        (
            "{type: transit}",
            {
                "team/kv/x",
                "team/data/kv/x",
                "team/metadata/kv/x",
                "team/kv/data/x",
                "team/kv/metadata/x",
            },
        ),
    ],
)
def test_k25_the_state_may_be_written_and_kept_aside_in_any_engine(engine: str, paths: set[str]) -> None:
    found = rules(f"secrets: [{engine}]", "team/kv/x")
    allowed = {path for path in found if path.startswith("team/")}
    assert allowed == paths | {f"{path}-unusable" for path in paths}


def test_k25_a_placeholder_for_a_method_of_the_server_is_no_reason_to_leave_its_policy_out() -> None:
    found = rules("policies: [{name: a, rules: 'path \"x/__accessor__kubernetes/*\" {}'}]")
    assert found["sys/policies/acl/a"] == ["create", "read", "update"]


def test_k25_members_by_name_are_looked_up_and_their_group_is_written_although_only_the_server_has_them() -> (
    None
):
    found = rules("""
purgeUnmanagedConfig: {enabled: true, exclude: {groups: true}}
groups:
  - name: g
    type: internal
    member_entities: [alice]
    member_entity_aliases: [{name: bob, mountpath: people}]
    member_groups: [theirs]
""")
    assert found["identity/group/name/g"] == ["create", "read", "update"]
    for path in ("identity/entity/name/alice", "identity/group/name/theirs", "identity/group/name/*"):
        assert found[path] == ["read"]
    assert found["identity/entity-alias/id"] == ["read", "list"]
    assert found["identity/group/name"] == ["list"]
