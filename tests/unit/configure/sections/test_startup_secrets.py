"""What is decided about start-up secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from bank_vaults.configure.config import SecretKey
from bank_vaults.configure.model import (
    ABSENT,
    Action,
    Change,
    Context,
    Difference,
    Record,
    Shown,
    Wanted,
    WriteOnly,
)
from bank_vaults.configure.sections import startup_secrets
from bank_vaults.configure.sections.refused import Refused
from bank_vaults.configure.sections.startup_secrets import SecretSourceError
from tests.support.configuring import configuration_of, digest

CONTEXT = Context(digest, WriteOnly.CHANGED)
HIDDEN = Shown(None, "403: permission denied")


def no_source(key: SecretKey) -> str:
    raise KeyError(key.key)


def secret(text: str, source: startup_secrets.SecretSource = no_source) -> Wanted:
    engines = "secrets: [{path: kv, type: kv-v2}, {path: old, type: kv, options: {version: 1}}]"
    document = f"{engines}\nstartupSecrets: [{{{text}}}]"
    return startup_secrets.wanted(configuration_of(document), source)[0]


def plan(wanted: Wanted, answers: Mapping[str, Any], record: Record | None = None) -> Change:
    def shown(path: str) -> Shown:
        assert path in wanted.reads
        answer = answers.get(path, ABSENT)
        return answer if isinstance(answer, Shown) else Shown(answer)

    return wanted.plan(shown, record, CONTEXT)


def test_the_bodies_are_those_of_the_version_of_the_engine() -> None:
    new = plan(secret("type: kv, path: kv/data/x, data: {data: {a: 1}, options: {cas: 0}}"), {})
    assert new.requests[0].body == {"data": {"a": 1}, "options": {"cas": 0}}
    assert plan(secret("type: kv, path: old/x, data: {data: {a: 1}}"), {}).requests[0].body == {"a": 1}
    unknown = secret("type: kv, path: elsewhere/data/x, data: {data: {a: 1}}")
    assert plan(unknown, {}).requests[0].body == {"data": {"a": 1}}


ASSUMED = """
secrets: [{path: some, type: kv, description: of everybody}]
startupSecrets: [{type: kv, path: some/data/x, max_versions: 3, data: {data: {a: 1}}}]
"""


def test_where_the_document_says_no_version_that_of_a_mount_that_is_there_counts() -> None:
    (wanted,) = startup_secrets.wanted(configuration_of(ASSUMED), no_source)
    there = plan(wanted, {"sys/mounts": {"some/": {"type": "kv", "options": {"version": "2"}}}})
    assert [(request.path, request.body) for request in there.requests] == [
        ("some/metadata/x", {"max_versions": 3}),
        ("some/data/x", {"data": {"a": 1}}),
    ]
    of_others: tuple[dict[str, Any], ...] = ({"some/": {"type": "kv", "options": None}}, {"cubbyhole/": {}})
    for mounts in of_others:
        refused = plan(wanted, {"sys/mounts": mounts})
        assert refused.action is Action.REFUSED
        assert "some is of version 1" in refused.reason


def test_a_secret_in_no_engine_is_refused_before_anything_is_sent() -> None:
    wanted = secret("type: kv, path: secrt/data/x, data: {data: {a: 1}}")
    refused = plan(wanted, {"sys/mounts": {"kv/": {"type": "kv"}}})
    assert (refused.action, refused.requests) == (Action.REFUSED, ())
    assert refused.reason == ("no secrets engine is at secrt/data/x, neither in a document nor on the server")


def test_what_the_document_itself_shows_to_be_wrong_is_known_without_a_server() -> None:
    wanted = secret("type: kv, path: kv/x, data: {data: {a: 1}}")
    assert isinstance(wanted, Refused)
    assert "has to begin with kv/data/" in wanted.reason


def test_a_limit_of_versions_that_differs_is_shown() -> None:
    wanted = secret("type: kv, path: kv/data/x, max_versions: 2, data: {data: {a: 1}}")
    change = plan(wanted, {"kv/data/x": {"data": {"a": 1}}, "kv/metadata/x": {"max_versions": 0}})
    assert change.reason == "max_versions differs"
    assert change.differences == (Difference("max_versions", 0, 2),)


def test_a_plugin_may_be_a_kv_engine_and_another_type_is_none() -> None:
    document = """
secrets: [{path: mine, type: plugin, plugin_name: my-kv}, {path: other, type: ssh}]
startupSecrets:
  - {type: kv, path: mine/x, data: {data: {a: 1}}}
  - {type: kv, path: other/x, data: {data: {a: 1}}}
"""
    of_plugin, of_other = startup_secrets.wanted(configuration_of(document), no_source)
    assert plan(of_plugin, {}).requests[0].body == {"a": 1}
    refused = plan(of_other, {})
    assert refused.action is Action.REFUSED
    assert refused.reason == "the engine at other is of type ssh, not kv"


def test_only_what_has_to_be_known_is_read() -> None:
    assert secret("type: kv, path: kv/data/x, data: {data: {a: 1}}").reads == ("kv/data/x",)
    limited = secret("type: kv, path: kv/data/x, max_versions: 2, data: {data: {a: 1}}")
    assert limited.reads == ("kv/data/x", "kv/metadata/x")
    assert secret("type: kv, path: old/x, create_only: true, data: {data: {a: 1}}").reads == ("old/x",)


@pytest.mark.parametrize(
    ("wanted", "shown", "same"),
    [
        ("{a: 1}", {"a": 1.0}, True),
        ("{a: true}", {"a": 1}, False),
        ("{a: [1, {b: c}]}", {"a": [1, {"b": "c"}]}, True),
        ("{a: [1]}", {"a": [1, 2]}, False),
        ("{a: b}", {"a": "b", "c": "d"}, False),
        ("{}", {}, True),
    ],
)
def test_k7_data_are_compared_as_json(wanted: str, shown: dict[str, Any], *, same: bool) -> None:
    change = plan(
        secret(f"type: kv, path: kv/data/x, data: {{data: {wanted}}}"),
        {"kv/data/x": {"data": shown, "metadata": {"version": 3}}},
    )
    assert (change.action is Action.KEEP) == same
    assert all(difference.secret and difference.after is None for difference in change.differences)


def test_k7_a_secret_that_may_not_be_read_is_written_when_it_changes() -> None:
    wanted = secret("type: kv, path: kv/data/x, data: {data: {a: b}}")
    first = plan(wanted, {"kv/data/x": HIDDEN})
    assert (first.action, len(first.requests)) == (Action.UPDATE, 1)
    assert plan(wanted, {"kv/data/x": HIDDEN}, first.record).action is Action.KEEP


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("type: kv, path: kv/data/x, create_only: true, data: {data: {a: b}}", "kv/data/x"),
        ("type: kv, path: old/x, create_only: true, data: {data: {a: b}}", "old/x"),
        (
            "type: pki, path: pki/config/ca, create_only: true, data: {data: {k: KEY, c: CHAIN}}",
            "pki/cert/ca",
        ),
    ],
)
def test_k7_what_is_only_created_is_never_written_over_unseen(text: str, path: str) -> None:
    wanted = secret(text)
    unseen = plan(wanted, {path: HIDDEN})
    assert (unseen.action, unseen.requests) == (Action.REFUSED, ())
    assert "403" in unseen.reason
    earlier = Record("digest of other data")
    known = plan(wanted, {path: HIDDEN}, earlier)
    assert (known.action, known.requests, known.record) == (Action.KEEP, (), earlier)


def test_k23_each_key_is_read_once_and_an_absent_one_is_named() -> None:
    read: list[SecretKey] = []

    def source(key: SecretKey) -> str:
        read.append(key)
        return {"ID": "id"}[key.key]

    document = """
startupSecrets:
  - {type: kv, path: kv/data/a, data: {secretKeyRef: [{name: account, key: ID}]}}
  - {type: kv, path: kv/data/b, data: {secretKeyRef: [{name: account, key: ID}, {name: account, key: NO}]}}
"""
    one, other = startup_secrets.wanted(configuration_of(document), source)
    assert plan(one, {}).requests[0].body == {"data": {"ID": "id"}}
    refused = plan(other, {})
    assert (refused.action, refused.reason) == (
        Action.REFUSED,
        "the Kubernetes Secret 'account' has no key 'NO'",
    )
    assert read == [SecretKey("account", "ID"), SecretKey("account", "NO")]


def test_k23_a_cluster_that_does_not_answer_costs_the_secrets_that_need_it() -> None:
    def source(key: SecretKey) -> str:
        raise SecretSourceError(f"the Kubernetes Secret {key.secret!r} cannot be read: no route")

    refused = plan(
        secret("type: kv, path: kv/data/a, data: {secretKeyRef: [{name: account, key: ID}]}", source), {}
    )
    assert refused.reason == "the Kubernetes Secret 'account' cannot be read: no route"


PEM = "{key: KEY-PEM, chain: CHAIN-PEM}"


def test_k9_a_bundle_has_the_order_of_the_document_and_is_not_written_twice() -> None:
    wanted = secret(f"type: pki, path: pki/config/ca, data: {{data: {PEM}}}")
    absent = {"pki/cert/ca": Shown(None, "400: no default issuer currently configured")}
    created = plan(wanted, absent)
    assert created.action is Action.CREATE
    assert created.requests[0].body == {"pem_bundle": "KEY-PEM\nCHAIN-PEM"}
    assert plan(wanted, {"pki/cert/ca": {"certificate": "CHAIN-PEM\n"}}).action is Action.KEEP
    other = {"pki/cert/ca": {"certificate": "OTHER"}}
    assert plan(wanted, other).action is Action.UPDATE
    assert plan(wanted, other, created.record).action is Action.KEEP
    assert plan(wanted, absent, created.record).action is Action.CREATE
    assert plan(wanted, {"pki/cert/ca": HIDDEN}).action is Action.UPDATE
    assert plan(wanted, {"pki/cert/ca": HIDDEN}, created.record).action is Action.KEEP


def test_a_bundle_for_another_endpoint_is_by_memory() -> None:
    wanted = secret(f"type: pki, path: pki/issuers/import/bundle, data: {{data: {PEM}}}")
    unreadable = {"pki/issuers/import/bundle": Shown(None, "405: unsupported operation")}
    first = plan(wanted, unreadable)
    assert first.action is Action.UPDATE
    assert plan(wanted, unreadable, first.record).action is Action.KEEP


def test_k26_no_part_of_a_bundle_is_told() -> None:
    number = secret("type: pki, path: pki/config/ca, data: {data: {key: KEY-PEM, chain: 5}}")
    assert plan(number, {}).reason == "a part of the pki bundle is no text"
    wanted = secret(f"type: pki, path: pki/config/ca, data: {{data: {PEM}}}")
    change = plan(wanted, {})._replace(record=None)  # the digest of these tests can be read
    assert "PEM" not in repr(wanted) + repr(change) + repr(number)
    assert "private" not in repr(secret("type: kv, path: kv/data/x, data: {data: {a: private}}"))
