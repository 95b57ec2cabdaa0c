"""Start-up secrets on real servers: written where they differ, never a version more than that."""

from __future__ import annotations

import json

import pytest
import trustme

from bank_vaults.configure.config import SecretKey
from bank_vaults.configure.memory import Memory
from bank_vaults.configure.model import Action, Wanted
from bank_vaults.configure.sections import secrets, startup_secrets
from bank_vaults.configure.server import FACTS, facts
from tests.support.configuring import Applier, configuration_of
from tests.support.every_type import KV_ENGINES, KV_SECRETS


def no_source(key: SecretKey) -> str:
    raise KeyError(key.key)


def wanted_of(
    applier: Applier, text: str, source: startup_secrets.SecretSource = no_source
) -> tuple[Wanted, ...]:
    configuration = configuration_of(KV_ENGINES + text)
    server = facts({path: applier.shown(path) for path in FACTS}.__getitem__, {})
    return (*secrets.wanted(configuration, server), *startup_secrets.wanted(configuration, source))


def version(applier: Applier, name: str) -> int:
    found = applier.call("GET", f"secret/metadata/{name}").body["data"]["current_version"]
    assert isinstance(found, int)
    return found


def account(key: SecretKey) -> str:
    return {"ID": "the-id", "KEY": "the-key"}[key.key]


def test_k7_secrets_are_written_once_and_have_one_version(applier: Applier) -> None:
    first = applier.apply_twice(wanted_of(applier, KV_SECRETS, account))
    assert {change.action for change in first.changes} == {Action.CREATE}
    assert version(applier, "accounts/aws") == 1
    assert applier.call("GET", "secret/metadata/accounts/aws").body["data"]["max_versions"] == 10
    assert applier.call("GET", "limited/metadata/x").body["data"]["max_versions"] == 7
    assert applier.call("GET", "limited/metadata/y").body["data"]["max_versions"] == 3
    assert applier.call("GET", "old/x").body["data"] == {"a": "b"}
    paths = [request.path for request in applier.requests]
    assert paths.index("limited/metadata/x") < paths.index("limited/data/x")
    applier.memory = Memory.empty()
    assert not applier.plan(wanted_of(applier, KV_SECRETS, account)).todo


def test_k23_secrets_of_kubernetes_are_written_to_both_versions_of_kv_as_they_are(applier: Applier) -> None:
    applier.apply_twice(wanted_of(applier, KV_SECRETS, account))
    assert applier.call("GET", "old/cluster").body["data"] == {"ID": "the-id"}
    shown = applier.call("GET", "secret/data/cluster").body["data"]["data"]
    assert shown == {"ID": "the-id", "KEY": "the-key"}


def test_a_secret_that_differs_is_written_once_more(applier: Applier) -> None:
    applier.apply_twice(wanted_of(applier, KV_SECRETS, account))
    changed = wanted_of(
        applier, KV_SECRETS.replace("ID: id", "ID: other").replace("max_versions: 10", "max_versions: 11")
    )
    (change,) = [
        each for each in applier.plan(changed).todo if each.identity.name == "secret/data/accounts/aws"
    ]
    assert [request.path for request in change.requests] == [
        "secret/metadata/accounts/aws",
        "secret/data/accounts/aws",
    ]
    assert "other" not in repr(change)
    limit = wanted_of(applier, KV_SECRETS.replace("max_versions: 10", "max_versions: 11"), account)
    (change,) = applier.plan(limit).todo
    assert (change.action, change.reason) == (Action.UPDATE, "max_versions differs")
    applier.apply_twice(limit)
    assert version(applier, "accounts/aws") == 1


def test_k7_one_that_is_only_created_keeps_what_users_made_of_it(applier: Applier) -> None:
    text = """
startupSecrets:
  - {type: kv, path: secret/data/a, create_only: true, data: {data: {a: b}}}
  - {type: kv, path: secret/data/once, data: {data: {a: b}, options: {cas: 0}}}
  - {type: kv, path: old/a, create_only: true, data: {data: {a: b}}}
"""
    applier.apply_twice(wanted_of(applier, text))
    for path in ("secret/data/a", "secret/data/once"):
        assert applier.call("PUT", path, {"data": {"a": "mine"}}).status == 200
    assert applier.call("PUT", "old/a", {"a": "mine"}).status == 204
    assert not applier.plan(wanted_of(applier, text)).todo
    for path in ("secret/data/a", "secret/data/once"):
        assert applier.call("DELETE", path).status == 204
    assert not applier.plan(wanted_of(applier, text)).todo


def test_k7_one_that_is_only_created_and_may_not_be_read_is_left_alone(applier: Applier) -> None:
    applier.apply_twice(wanted_of(applier, ""))
    assert applier.call("PUT", "old/a", {"a": "mine"}).status == 204
    rules = 'path "old/*" { capabilities = ["create", "update"] } path "sys/*" { capabilities = ["read"] }'
    assert applier.call("PUT", "sys/policies/acl/blind", {"policy": rules}).status in (200, 204)
    auth = applier.call("POST", "auth/token/create", {"policies": ["blind"]}).body["auth"]
    root, applier.token = applier.token, auth["client_token"]
    text = "startupSecrets: [{type: kv, path: old/a, create_only: true, data: {data: {a: b}}}]"
    wanted = wanted_of(applier, text)[-1:]
    (change,) = applier.plan(wanted).changes
    applier.token = root
    assert (change.action, change.requests) == (Action.REFUSED, ())
    assert "403" in change.reason


def test_a_deleted_secret_comes_back(applier: Applier) -> None:
    text = "startupSecrets: [{type: kv, path: secret/data/a, data: {data: {a: b}}}]"
    applier.apply_twice(wanted_of(applier, text))
    assert applier.call("DELETE", "secret/data/a").status == 204
    assert applier.apply_twice(wanted_of(applier, text)).todo
    assert version(applier, "a") == 2


def test_a_version_that_is_named_is_the_one_that_is_replaced(applier: Applier) -> None:
    text = "startupSecrets: [{type: kv, path: secret/data/a, data: {data: {a: b}, options: {cas: 1}}}]"
    applier.apply(applier.plan(wanted_of(applier, text.replace("cas: 1", "cas: 0").replace("a: b", "a: c"))))
    applier.apply_twice(wanted_of(applier, text))
    assert version(applier, "a") == 2
    (change,) = applier.plan(wanted_of(applier, text.replace("a: b", "a: d"))).changes[-1:]
    assert change.action is Action.KEEP
    assert "it has version 2" in change.reason


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        (
            "path: old/x, max_versions: 1, data: {data: {a: b}}",
            "max_versions is only supported for KV v2",
        ),
        (
            "path: secret/x, max_versions: 1, data: {data: {a: b}}",
            "cannot derive metadata path for 'secret/x'",
        ),
        ("path: secret/x, data: {data: {a: b}}", "the path has to begin with secret/data/"),
        ("path: old/x, data: {data: {a: b}, options: {cas: 0}}", "options are of KV v2"),
        ("path: old/x, data: {data: {}, options: {cas: 0}}", "options are of KV v2"),
        ("path: pki/x, data: {data: {a: b}}", "is of type pki, not kv"),
        ("path: secret/data/x, data: {secretKeyRef: [{name: account, key: NO}]}", "has no key 'NO'"),
    ],
)
def test_what_cannot_be_written_is_refused_with_a_sentence(
    applier: Applier, secret: str, reason: str
) -> None:
    text = f"startupSecrets: [{{type: kv, {secret}}}]"
    wanted = wanted_of(applier, text)
    change = applier.plan(wanted).changes[-1]
    assert change.action is Action.REFUSED
    assert reason in change.reason


def test_an_engine_that_no_document_has_is_found_on_the_server(applier: Applier) -> None:
    for path, options in (("mine", {"version": "2"}), ("plain", {})):
        assert applier.call("POST", f"sys/mounts/{path}", {"type": "kv", "options": options}).status == 204
    text = """
startupSecrets:
  - {type: kv, path: mine/data/a, max_versions: 4, data: {data: {a: b}}}
  - {type: kv, path: plain/a, data: {data: {a: b}}}
"""
    applier.apply_twice(wanted_of(applier, text))
    assert applier.call("GET", "mine/metadata/a").body["data"]["max_versions"] == 4
    assert applier.call("GET", "plain/a").body["data"] == {"a": "b"}


def test_a_mount_that_is_there_says_its_version_where_the_document_does_not(applier: Applier) -> None:
    assert applier.call("POST", "sys/mounts/team", {"type": "kv", "options": {"version": "2"}}).status == 204
    configuration = configuration_of("""
secrets: [{path: team, type: kv, description: Of the team.}]
startupSecrets: [{type: kv, path: team/data/a, data: {data: {a: b}}}]
""")
    server = facts({path: applier.shown(path) for path in FACTS}.__getitem__, {})
    applier.apply_twice(
        (*secrets.wanted(configuration, server), *startup_secrets.wanted(configuration, no_source))
    )
    assert applier.call("GET", "team/data/a").body["data"]["data"] == {"a": "b"}


def bundle(ca: trustme.CA, *, more: str = "") -> tuple[str, str]:
    """A document with the key and the certificate, and what is to be sent of them."""
    key, certificate = (pem.bytes().decode() for pem in (ca.private_key_pem, ca.cert_pem))
    data = json.dumps({"z-key": key, "a-certificate": certificate})
    text = f"startupSecrets: [{{type: pki, path: pki/config/ca, {more} data: {{data: {data}}}}}]"
    return text, f"{key.strip()}\n{certificate.strip()}"


def test_k9_a_bundle_is_written_in_the_order_of_the_document_once(applier: Applier) -> None:
    first, second = trustme.CA(), trustme.CA()
    text, sent = bundle(first)
    applier.apply_twice(wanted_of(applier, text))
    (request,) = [request for request in applier.requests if request.path == "pki/config/ca"]
    assert request.body == {"pem_bundle": sent}
    applier.memory = Memory.empty()
    assert not applier.plan(wanted_of(applier, text)).todo
    only_created, _ = bundle(second, more="create_only: true,")
    assert not applier.plan(wanted_of(applier, only_created)).todo
    text, _ = bundle(second)
    (change,) = applier.plan(wanted_of(applier, text)).todo
    assert change.reason == "the engine has another certificate"
    assert "PRIVATE" not in repr(change)
    applier.apply_twice(wanted_of(applier, text))


def test_k26_no_part_of_a_bundle_is_in_what_is_said_of_it(applier: Applier) -> None:
    text = "startupSecrets: [{type: pki, path: pki/config/ca, data: {secretKeyRef: [{name: a, key: b}]}}]"
    wanted = wanted_of(applier, text, lambda key: "-----BEGIN PRIVATE KEY-----")
    change = applier.plan(wanted).changes[-1]
    assert change.action is Action.REFUSED
    assert change.reason == "a pki bundle has at least two parts, a key and a certificate"
    complete, _ = bundle(trustme.CA())
    assert "PRIVATE" not in repr(wanted) + repr(wanted_of(applier, complete))
