"""K-1: what is taken out of a document is not in force any longer, and what cannot be taken back is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from bank_vaults.configure import assembly
from bank_vaults.configure.config import Configuration
from bank_vaults.configure.memory import Memory
from bank_vaults.configure.model import ABSENT, Action, Change, Context, Identity, Record, Shown, WriteOnly
from bank_vaults.configure.sections import auth, groups, secrets, within
from bank_vaults.configure.server import Server
from tests.support.configuring import configuration_of, digest

CONTEXT = Context(digest, WriteOnly.CHANGED)


def last(_: str) -> Shown:
    """A list with one object."""
    return Shown({"keys": ["last"]})


def planned(text: str, shown: Mapping[str, Any] | None, record: Record | None = None) -> Change:
    """Of the last object of a document, which is the one that the server shows so."""
    configuration: Configuration = configuration_of(text)
    every = [
        *auth.wanted(configuration, Server()),
        *groups.wanted(configuration, Server()),
        *secrets.wanted(configuration, Server()),
    ]
    return every[-1].plan(lambda _: ABSENT if shown is None else Shown(shown), record, CONTEXT)


def role(members: str, kind: str = "approle") -> str:
    return f"auth: [{{type: {kind}, roles: [{{name: r{members}}}]}}]"


@pytest.mark.parametrize(
    ("member", "shown", "sent"),
    [
        ("token_policies: admin", ["admin"], []),
        ("bound_claims: {a: b}", {"a": ["b"]}, {}),
        ("orphan: true", True, False),
        ("token_ttl: 1h", 3600, 0),
        ("token_type: batch", "batch", "default"),
    ],
)
def test_k1_a_right_that_is_taken_out_is_taken_back(member: str, shown: object, sent: object) -> None:
    name = member.partition(":")[0]
    first = planned(role(f", {member}, other: x"), None)
    change = planned(role(", other: x"), {name: shown, "other": "x"}, first.record)
    assert (change.action, change.reason) == (Action.UPDATE, f"{name}: no longer in the document")
    assert change.requests[0].body == {"other": "x", name: sent}
    assert [(each.field, each.before, each.after) for each in change.differences] == [(name, shown, None)]
    assert planned(role(", other: x"), {name: sent, "other": "x"}, change.record).action is Action.KEEP


@pytest.mark.parametrize(
    ("member", "shown"), [("bind_secret_id: true", True), ("user_claim: sub", "sub"), ("renewable: 1", True)]
)
def test_what_has_another_default_than_nothing_is_only_not_sent(member: str, shown: object) -> None:
    first = planned(role(f", {member}, other: x"), None)
    name = member.partition(":")[0]
    change = planned(role(", other: x"), {name: shown, "other": "x"}, first.record)
    assert change.requests[0].body == {"other": "x"}


def test_nothing_is_taken_back_that_is_not_there_or_that_no_document_had() -> None:
    first = planned(role(", token_policies: admin, token_ttl: 1h, password: p"), None)
    shown = {"token_policies": None, "token_ttl": 0, "token_max_ttl": 5}
    assert planned(role(""), shown, first.record).action is Action.KEEP
    assert planned(role(""), {"token_policies": ["admin"]}, None).action is Action.KEEP


@pytest.mark.parametrize(
    ("one", "other"), [("token_policies", "policies"), ("token_bound_cidrs", "bound_cidr_list")]
)
def test_a_right_that_only_goes_by_its_other_name_is_not_taken_back(one: str, other: str) -> None:
    shown = {one: ["10.0.0.1"], other: ["10.0.0.1"]}
    for before, after in ((one, other), (other, one)):
        first = planned(role(f", {before}: 10.0.0.1"), None)
        assert planned(role(f", {after}: 10.0.0.1"), shown, first.record).action is Action.KEEP


def test_what_else_differs_is_told_with_it() -> None:
    first = planned(role(", token_policies: admin, token_ttl: 1h"), None)
    change = planned(role(", token_ttl: 2h"), {"token_policies": ["admin"], "token_ttl": 3600}, first.record)
    assert change.reason == "token_ttl differ; token_policies: no longer in the document"
    assert change.requests[0].body == {"token_ttl": "2h", "token_policies": []}


@pytest.mark.parametrize(("kind", "more"), [("ldap", {"insecure_tls": False}), ("plugin", {})])
def test_configurations_lose_their_switches_and_are_written_without_the_rest(
    kind: str, more: dict[str, Any]
) -> None:
    taken = "insecure_tls: true, deny_null_bind: true, request_timeout: 5, ciphers: [x]"
    first = planned(f"auth: [{{type: {kind}, config: {{url: u, {taken}}}}}]", None)
    shown = {"url": "u", "insecure_tls": True, "deny_null_bind": True, "request_timeout": 5, "ciphers": ["x"]}
    change = planned(f"auth: [{{type: {kind}, config: {{url: u}}}}]", shown, first.record)
    assert change.action is Action.UPDATE
    assert change.requests[0].body == {"url": "u", **more}


@pytest.mark.parametrize(
    ("kind", "option", "more"),
    [("pki", "roles", {}), ("aws", "roles", {"arns": []}), ("pki", "config", {"arns": []})],
)
def test_lists_of_engines_are_emptied_where_roles_are_not_replaced(
    kind: str, option: str, more: dict[str, Any]
) -> None:
    def text(members: str) -> str:
        return f"secrets: [{{type: {kind}, configuration: {{{option}: [{{name: r, a: b{members}}}]}}}}]"

    first = planned(text(", arns: [x], allow_any_name: true"), None)
    change = planned(text(""), {"a": "b", "arns": ["x"], "allow_any_name": True}, first.record)
    assert change.requests[0].body == {"a": "b", **more}


def test_a_connection_whose_password_is_rotated_loses_what_is_taken_out() -> None:
    def text(members: str) -> str:
        item = f"name: c, username: u, password: p, rotate: true{members}"
        return f"secrets: [{{type: database, configuration: {{config: [{{{item}}}]}}}}]"

    first = planned(text(", allowed_roles: [a]"), None)
    change = planned(text(""), {"username": "u", "allowed_roles": ["a"]}, first.record)
    assert [request.body for request in change.requests] == [{"username": "u", "allowed_roles": []}]


def test_a_group_loses_policies_and_metadata_and_no_members_that_nobody_names() -> None:
    def text(members: str) -> str:
        return f"groups: [{{name: g, type: internal{members}}}]"

    first = planned(text(", policies: [a], metadata: {b: c}, member_entity_ids: [e]"), None)
    shown = {"type": "internal", "policies": ["a"], "metadata": {"b": "c"}, "member_entity_ids": ["e"]}
    change = planned(text(""), shown, first.record)
    assert change.requests[0].body == {"type": "internal", "policies": [], "metadata": {}}


def test_new_credentials_do_not_hide_that_something_else_is_taken_out() -> None:
    def text(members: str) -> str:
        item = f"name: c, username: u, rotate: true{members}"
        return f"secrets: [{{type: database, configuration: {{config: [{{{item}}}]}}}}]"

    first = planned(text(", password: p, allowed_roles: [a]"), None)
    change = planned(text(", password: q"), {"username": "u", "allowed_roles": ["a"]}, first.record)
    assert change.requests[0].body == {"username": "u", "password": "q", "allowed_roles": []}
    assert [each.field for each in change.differences] == ["password", "allowed_roles"]


@pytest.mark.parametrize("more", ["", ", password: p, rotate: true"])
def test_the_names_are_remembered_of_what_a_version_has_written_that_did_not(more: str) -> None:
    def text(members: str) -> str:
        return f"secrets: [{{type: database, configuration: {{config: [{{name: c{members}{more}}}]}}}}]"

    first = planned(text(", username: u, allowed_roles: [a]"), None).record
    assert first is not None
    shown = {"username": "u", "allowed_roles": ["a"]}
    kept = planned(text(", username: u, allowed_roles: [a]"), shown, first._replace(names=()))
    assert kept.action is Action.KEEP
    change = planned(text(", username: u"), shown, kept.record)
    assert change.requests[0].body == {"username": "u", "allowed_roles": []}


def test_the_names_are_remembered_where_versions_without_them_do_not_mind() -> None:
    identity, record = Identity("auth", "role", "r"), Record("w", "s", ("done",), ("a", "b"))
    memory = Memory.empty().with_records({identity: record})
    assert Memory.decode(memory.encode()) == memory
    content = json.loads(memory.encode())
    assert content["records"] == [["auth", "role", "r", "w", "s", ["done"]]]
    del content["names"]
    older = json.dumps(content).encode()
    assert dict(Memory.decode(older).records) == {identity: record._replace(names=())}


@pytest.mark.parametrize(
    ("element", "listing"),
    [
        ("auth: [{type: approle, roles: []}]", "auth/approle/role?list=true"),
        ("auth: [{type: userpass, users: {}}]", "auth/userpass/users?list=true"),
        ("auth: [{type: ldap, groups: []}]", "auth/ldap/groups?list=true"),
        ("auth: [{type: aws, crossaccountrole: []}]", "auth/aws/config/sts?list=true"),
        ("auth: [{type: github, map: {teams: {}}}]", "auth/github/map/teams?list=true"),
        ("secrets: [{type: pki, configuration: {roles: []}}]", "pki/roles?list=true"),
    ],
)
def test_k19_an_empty_list_is_one_of_which_nothing_is_wanted(element: str, listing: str) -> None:
    purge = "purgeUnmanagedConfig: {enabled: true, within: true}"
    emptied = configuration_of(f"{purge}\n{element}")
    assert [inside.listing for inside in assembly.insides(emptied)] == [listing]
    assert [change.identity.name for change in within.unmanaged(assembly.insides(emptied), last)] == [
        listing.replace("?list=true", "/last")
    ]


@pytest.mark.parametrize(
    "element",
    [
        "auth: [{type: approle}]",
        "auth: [{type: approle, roles: }]",
        "auth: [{type: approle, roles: [null]}]",
        "auth: [{type: github, map: {teams: }}]",
        "secrets: [{type: pki, configuration: {roles: [null]}}]",
        "secrets: [{type: pki, configuration: {}}]",
    ],
)
def test_k19_what_is_in_a_list_that_no_document_has_is_left_alone(element: str) -> None:
    assert assembly.insides(configuration_of(f"purgeUnmanagedConfig: {{within: true}}\n{element}")) == ()
