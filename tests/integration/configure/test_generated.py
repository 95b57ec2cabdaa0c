"""Secrets that a server generates and tells once are never lost, and never generated twice."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bank_vaults.configure.memory import Memory
from bank_vaults.configure.model import Action, Request, Wanted
from bank_vaults.configure.sections import secrets
from bank_vaults.configure.sections.generated import deliveries, pending_of
from bank_vaults.configure.server import FACTS, facts
from tests.support.configuring import Applier, RefusedByServerError, configuration_of

DOCUMENT = """
secrets:
  - {path: secret, type: kv, options: {version: 2}}
  - {path: old, type: kv, options: {version: 1}}
  - type: pki
    configuration:
      root/generate: [{name: exported, common_name: root.example, create_only: true, save_to: secret/data/ca}]
"""
ROOT = "pki/root/generate/exported"


def wanted_of(applier: Applier, text: str = DOCUMENT) -> tuple[Wanted, ...]:
    server = facts({path: applier.shown(path) for path in FACTS}.__getitem__, {})
    return secrets.wanted(configuration_of(text), server)


def engines_only(applier: Applier) -> None:
    applier.apply(applier.plan(wanted_of(applier)[:2]))


def generated(applier: Applier) -> int:
    return sum(request.path == ROOT for request in applier.requests)


def change_of_root(applier: Applier, wanted: Sequence[Wanted]) -> tuple[Action, str]:
    (change,) = [change for change in applier.plan(wanted).changes if change.identity.name == ROOT]
    return change.action, change.reason


def test_k6_nothing_is_generated_where_its_place_is_taken(applier: Applier) -> None:
    engines_only(applier)
    assert applier.call("PUT", "secret/data/ca", {"data": {"mine": "1"}}).status == 200
    action, reason = change_of_root(applier, wanted_of(applier))
    assert action is Action.REFUSED
    assert "there is something at secret/data/ca already" in reason
    assert applier.call("DELETE", "secret/data/ca").status == 204
    action, reason = change_of_root(applier, wanted_of(applier))
    assert action is Action.REFUSED
    assert "a deleted secret is at secret/data/ca" in reason
    assert applier.call("DELETE", "secret/metadata/ca").status == 204
    assert change_of_root(applier, wanted_of(applier)) == (Action.CREATE, "it is not there")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("nowhere/data/ca", "no secrets engine is at nowhere/data/ca"),
        ("secret/ca", "secret is a kv engine of version 2, so the path has to begin with secret/data/"),
        ("cubbyhole/ca", "the engine at cubbyhole is of type cubbyhole, and secrets are saved to kv engines"),
    ],
)
def test_k6_nothing_is_generated_where_it_could_not_be_saved(
    applier: Applier, path: str, reason: str
) -> None:
    engines_only(applier)
    text = DOCUMENT.replace("secret/data/ca", path)
    assert change_of_root(applier, wanted_of(applier, text)) == (Action.REFUSED, f"save_to: {reason}")


def test_k6_the_engine_for_it_may_be_made_in_the_same_run_and_be_of_version_1(applier: Applier) -> None:
    applier.apply_twice(wanted_of(applier, DOCUMENT.replace("secret/data/ca", "/old/deep/ca")))
    assert "PRIVATE KEY" in applier.call("GET", "old/deep/ca").body["data"]["private_key"]


def interrupted(applier: Applier) -> None:
    """A run that ends when the secret is generated and remembered, and not yet saved."""
    engines_only(applier)
    wanted = wanted_of(applier)
    plan = applier.plan(wanted)
    applier.apply(plan._replace(changes=tuple(each for each in plan.changes if each.identity.name != ROOT)))
    (change,) = [change for change in plan.changes if change.identity.name == ROOT]
    assert change.before is not None
    assert change.saving is not None
    (request,) = change.requests
    answer = applier.call(request.method, request.path, request.body)
    applier.requests.append(request)
    pending = pending_of(change.saving, answer.body)
    remembered = applier.memory.with_records({change.identity: change.before})
    applier.memory = Memory.decode(remembered.with_pending(change.identity, pending).encode())


def test_k6_the_next_run_saves_what_an_interrupted_one_has_generated(applier: Applier) -> None:
    interrupted(applier)
    wanted = wanted_of(applier)
    action, reason = change_of_root(applier, wanted)
    assert action is Action.UPDATE
    assert "still to be saved to secret/data/ca" in reason
    applier.apply_twice(wanted)
    assert generated(applier) == 1
    assert not applier.memory.pending
    assert "PRIVATE KEY" in applier.call("GET", "secret/data/ca").body["data"]["data"]["private_key"]


def test_k6_a_run_that_ended_after_saving_is_completed_without_writing(applier: Applier) -> None:
    interrupted(applier)
    before = applier.memory
    wanted = wanted_of(applier)
    applier.apply(applier.plan(wanted))
    applier.memory = before
    sent = len(applier.requests)
    applier.apply_twice(wanted)
    assert len(applier.requests) == sent
    assert not applier.memory.pending


def test_k6_it_is_kept_while_its_place_is_taken_and_goes_to_another_one_that_is_named(
    applier: Applier,
) -> None:
    interrupted(applier)
    assert applier.call("PUT", "secret/data/ca", {"data": {"mine": "1"}}).status == 200
    action, reason = change_of_root(applier, wanted_of(applier))
    assert action is Action.REFUSED
    assert "is kept until it can be saved" in reason
    applier.apply_twice(wanted_of(applier, DOCUMENT.replace("secret/data/ca", "secret/data/other")))
    assert generated(applier) == 1
    assert "PRIVATE KEY" in applier.call("GET", "secret/data/other").body["data"]["data"]["private_key"]


def test_k6_it_is_saved_although_no_document_has_the_object_any_more(applier: Applier) -> None:
    interrupted(applier)
    wanted = wanted_of(applier)[:2]
    left = deliveries(applier.memory.pending, wanted)
    applier.apply(applier.plan((*wanted, *left)))
    assert "PRIVATE KEY" in applier.call("GET", "secret/data/ca").body["data"]["data"]["private_key"]
    assert not deliveries(applier.memory.pending, wanted)


def test_k6_a_run_that_ended_before_the_answer_came_is_told_of(applier: Applier) -> None:
    interrupted(applier)
    (identity,) = applier.memory.pending
    applier.memory = applier.memory.with_pending(identity, None)
    action, reason = change_of_root(applier, wanted_of(applier))
    assert action is Action.REFUSED
    assert "nothing to save to secret/data/ca" in reason
    without = wanted_of(applier, DOCUMENT.replace(", save_to: secret/data/ca", ""))
    assert change_of_root(applier, without)[0] is Action.KEEP
    assert applier.call("DELETE", "pki/root").status in (200, 204)
    applier.apply_twice(wanted_of(applier))
    assert "PRIVATE KEY" in applier.call("GET", "secret/data/ca").body["data"]["data"]["private_key"]


def test_k6_saving_never_overwrites_and_loses_nothing_when_it_fails(applier: Applier) -> None:
    engines_only(applier)
    wanted = wanted_of(applier)
    plan = applier.plan(wanted)
    assert applier.call("PUT", "secret/data/ca", {"data": {"mine": "1"}}).status == 200
    with pytest.raises(RefusedByServerError):
        applier.apply(plan)
    assert applier.call("GET", "secret/data/ca").body["data"]["data"] == {"mine": "1"}
    assert [pending.saving.path for pending in applier.memory.pending.values()] == ["secret/data/ca"]


def test_k6_an_answer_without_anything_to_save_is_no_pending(applier: Applier) -> None:
    engines_only(applier)
    text = DOCUMENT.replace("root/generate: [{name: exported, common_name: root.example", "roles: [{name: r")
    text = text.replace("type: pki", "type: ssh").replace(
        "name: r,", "name: r, key_type: otp, default_user: u,"
    )
    plan = applier.plan(wanted_of(applier, text))
    (change,) = [change for change in plan.changes if change.saving is not None]
    assert change.saving is not None
    applier.call("POST", "sys/mounts/ssh", {"type": "ssh"})
    (request,) = change.requests
    assert request == Request("PUT", "ssh/roles/r", {"key_type": "otp", "default_user": "u"})
    answer = applier.call(request.method, request.path, request.body)
    assert answer.status == 204
    assert pending_of(change.saving, answer.body) is None


def test_an_existing_root_is_left_alone_by_a_document_with_another_one(applier: Applier) -> None:
    applier.apply_twice(wanted_of(applier))
    applier.memory = Memory.empty()
    changed = DOCUMENT.replace("root.example", "another.example").replace("create_only: true, ", "")
    assert change_of_root(applier, wanted_of(applier, changed)) == (
        Action.KEEP,
        "it is there, and is made only once",
    )
