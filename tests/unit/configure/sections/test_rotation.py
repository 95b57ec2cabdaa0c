"""What is decided about credentials that are rotated, for engines that no test can have for real."""

from __future__ import annotations

from typing import Any

import pytest

from bank_vaults.configure.model import ABSENT, Action, Change, Context, Record, Shown, WriteOnly
from bank_vaults.configure.sections import secrets
from bank_vaults.configure.sections.rotation import Rotated, rotation_of
from bank_vaults.configure.server import Server
from tests.support.configuring import configuration_of, digest

CONTEXT = Context(digest, WriteOnly.CHANGED)


def rotated(kind: str, option: str, item: str) -> Rotated:
    text = f"secrets: [{{type: {kind}, path: e, configuration: {{{option}: [{item}]}}}}]"
    (_, wanted) = secrets.wanted(configuration_of(text), Server())
    assert isinstance(wanted, Rotated)
    return wanted


def plan(wanted: Rotated, fields: dict[str, Any] | None, record: Record | None = None) -> Change:
    return wanted.plan(lambda path: ABSENT if fields is None else Shown(fields), record, CONTEXT)


def paths(change: Change) -> list[str]:
    return [request.path for request in change.requests]


AWS = "{access_key: A, secret_key: S, region: r, rotate: true}"


@pytest.mark.parametrize(
    ("kind", "option", "item", "path"),
    [
        ("database", "config", "{name: main, password: p, rotate: true}", "e/rotate-root/main"),
        ("aws", "config/root", AWS, "e/config/rotate-root"),
        ("aws", "config", AWS.replace("{", "{name: root, "), "e/config/rotate-root"),
        ("gcp", "config", "{credentials: c, rotate: true}", "e/config/rotate-root"),
        ("ldap", "config", "{bindpass: p, rotate: true}", "e/rotate-root"),
        ("openldap", "config", "{bindpass: p, rotate: true}", "e/rotate-root"),
        ("ad", "config", "{bindpass: p, rotate: true}", "e/rotate-root"),
        ("azure", "config", "{client_secret: p, rotate: true}", "e/rotate-root"),
    ],
)
def test_k8_every_engine_that_can_rotate_does_right_after_its_creation(
    kind: str, option: str, item: str, path: str
) -> None:
    change = plan(rotated(kind, option, item), None)
    assert change.action is Action.CREATE
    assert paths(change)[1:] == [path]
    assert change.reason == "it is not there; the server replaces its credentials"
    assert change.before is not None
    assert change.record is not None
    assert set(change.record.done) - set(change.before.done) == {"rotated"}


def test_k8_a_key_that_the_server_has_replaced_is_no_difference() -> None:
    wanted = rotated("aws", "config/root", AWS)
    created = plan(wanted, None)
    shown = {"access_key": "NEW", "region": "r"}
    assert plan(wanted, shown, created.record).action is Action.KEEP
    assert paths(plan(wanted, shown, created.before)) == ["e/config/rotate-root"]
    assert paths(plan(wanted, shown)) == ["e/config/rotate-root"]


def test_k8_what_is_only_written_as_a_whole_is_not_written_with_rotated_credentials() -> None:
    record = plan(rotated("aws", "config/root", AWS), None).record
    changed = plan(
        rotated("aws", "config/root", AWS.replace("region: r", "region: other")), {"region": "r"}, record
    )
    assert changed.action is Action.REFUSED
    assert "those of the document are rotated" in changed.reason
    assert changed.record == record


def test_k8_new_credentials_are_written_and_rotated() -> None:
    record = plan(rotated("aws", "config/root", AWS), None).record
    changed = plan(rotated("aws", "config/root", AWS.replace("S,", "T,")), {"access_key": "NEW"}, record)
    assert paths(changed) == ["e/config/root", "e/config/rotate-root"]
    assert all(difference.secret for difference in changed.differences)
    assert changed.reason == (
        "its credentials have changed in the document; the server replaces its credentials"
    )


def test_k8_an_object_that_is_not_shown_is_not_rotated_blindly() -> None:
    wanted = rotated("ldap", "config", "{bindpass: p, url: u, rotate: true}")
    hidden = Shown(None, "403: permission denied")
    assert wanted.plan(lambda path: hidden, None, CONTEXT).action is Action.REFUSED
    record = plan(wanted, None).record
    assert wanted.plan(lambda path: hidden, record, CONTEXT).action is Action.KEEP


def test_an_object_that_was_not_rotated_before_is_rotated_without_its_password() -> None:
    wanted = rotated("ldap", "config", "{bindpass: p, url: u, rotate: true}")
    change = plan(wanted, {"url": "other"}, Record(digest({"bindpass": "p", "url": "u"})))
    assert [(request.path, request.body) for request in change.requests] == [
        ("e/config", {"url": "u"}),
        ("e/rotate-root", {}),
    ]


def test_what_has_no_way_to_rotate_has_none() -> None:
    assert rotation_of("kv", "config", None) is None
    assert rotation_of("ldap", "config", "name") is None
    assert rotation_of("database", "roles", "x") is None
