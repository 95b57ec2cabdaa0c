"""What is decided about secrets that are generated and saved."""

from __future__ import annotations

import pytest

from bank_vaults.configure.memory import Memory
from bank_vaults.configure.model import (
    ABSENT,
    Action,
    Change,
    Context,
    Fields,
    Identity,
    Pending,
    Record,
    Request,
    Saving,
    Shown,
    Wanted,
    WriteOnly,
)
from bank_vaults.configure.sections import secrets
from bank_vaults.configure.sections.generated import deliveries, has_arrived, pending_of, saving_request
from bank_vaults.configure.server import Server
from tests.support.configuring import configuration_of, digest, shows

VERSIONED = Pending(Saving("secret/data/ca", True), {"private_key": "k", "expiration": 5})
PLAIN = Pending(Saving("old/ca", False), {"private_key": "k"})
IDENTITY = Identity("secrets", "item", "pki/root/generate/exported")
CONTEXT = Context(digest, WriteOnly.CHANGED)


def root(save_to: str = "secret/data/ca") -> Wanted:
    text = f"""
secrets:
  - {{path: secret, type: kv-v2}}
  - {{type: pki, configuration: {{root/generate: [{{name: exported, save_to: {save_to}}}]}}}}
"""
    return secrets.wanted(configuration_of(text), Server())[-1]


def test_k6_saving_never_overwrites() -> None:
    assert saving_request(VERSIONED).body == {"options": {"cas": 0}, "data": VERSIONED.data}
    assert saving_request(PLAIN).body == PLAIN.data


def test_k6_a_secret_has_arrived_when_it_is_read_back_as_it_was() -> None:
    inner: Fields = dict(VERSIONED.data)
    assert has_arrived(VERSIONED, Shown({"data": inner, "metadata": {}}))
    assert has_arrived(PLAIN, Shown(PLAIN.data))
    for shown in (ABSENT, Shown(None, "403"), Shown({"data": {"other": 1}}), Shown(inner)):
        assert not has_arrived(VERSIONED, shown)


def test_k6_an_answer_without_data_is_nothing_to_save() -> None:
    saving = VERSIONED.saving
    assert pending_of(saving, {"data": {"a": "b"}}) == Pending(saving, {"a": "b"})
    answers: tuple[Fields, ...] = ({}, {"data": None}, {"data": {}}, {"data": "text"})
    for answer in answers:
        assert pending_of(saving, answer) is None


def test_k6_what_is_on_its_way_survives_the_memory_and_is_not_shown() -> None:
    memory = Memory.empty().with_pending(IDENTITY, VERSIONED)
    assert Memory.decode(memory.encode()).pending == {IDENTITY: VERSIONED}
    assert "'k'" not in repr(VERSIONED) + repr(memory)
    assert memory.with_pending(IDENTITY, None).pending == {}


def test_k6_the_order_is_to_remember_then_to_generate_then_to_save() -> None:
    change = root().plan(lambda path: ABSENT, None, CONTEXT)
    assert change.action is Action.CREATE
    assert change.before == Record(digest({}), "", ("generating",))
    assert change.record == Record(digest({}), "", ("generated",))
    assert change.saving == VERSIONED.saving
    assert change.needs == {Identity("secrets", "mount", "pki"), Identity("secrets", "mount", "secret")}


@pytest.mark.parametrize("versioned", [True, False])
def test_k6_what_a_run_saved_and_could_not_remember_is_not_taken_for_lost(versioned: bool) -> None:
    certificate = f"-----BEGIN CERTIFICATE-----{'A' * 64}"
    saved: Fields = {"certificate": certificate, "private_key": "k"}
    paths: dict[str, Fields] = {
        "pki/issuers?list=true": {"keys": ["1"]},
        "pki/cert/ca": {"certificate": f"{certificate}\n"},
        "secret/data/ca": {"data": saved, "metadata": {}} if versioned else saved,
    }
    begun = Record("w", "", ("generating",))

    def planned() -> Change:
        return root().plan(lambda path: Shown(paths[path]) if path in paths else ABSENT, begun, CONTEXT)

    assert (planned().action, planned().reason) == (
        Action.KEEP,
        "what was generated is saved at secret/data/ca",
    )
    assert planned().record == Record(digest({}), "", ("generated",))
    for other in ({"data": {"certificate": "another"}}, {"data": {"mine": "1"}}, {}):
        paths["secret/data/ca"] = other
        assert planned().action is Action.REFUSED
        assert "there is nothing to save" in planned().reason


def test_k6_what_the_server_shows_is_saved_instead_of_an_answer_that_was_lost() -> None:
    text = """
secrets:
  - {path: secret, type: kv-v2}
  - {type: ssh, configuration: {config: [{name: ca, save_to: secret/data/ca}]}}
"""
    item = secrets.wanted(configuration_of(text), Server())[-1]
    shown: dict[str, Fields | None] = {"ssh/config/ca": {"public_key": "ssh-rsa A"}}
    begun = Record("w", "", ("generating",))
    change = item.plan(shows(shown), begun, CONTEXT)
    assert (change.action, change.requests) == (Action.UPDATE, (Request("GET", "ssh/config/ca"),))
    assert (change.saving, change.before) == (VERSIONED.saving, None)
    shown["secret/data/ca"] = {"data": {"mine": "1"}}
    assert item.plan(shows(shown), begun, CONTEXT).action is Action.REFUSED
    shown.clear()
    again = item.plan(shows(shown), begun, CONTEXT)
    assert (again.action, again.reason) == (Action.CREATE, "it is not there")


def test_k6_a_place_that_cannot_be_read_is_none_to_save_to() -> None:
    def shown(path: str) -> Shown:
        return Shown(None, "403: permission denied") if path == "secret/data/ca" else ABSENT

    change = root().plan(shown, None, CONTEXT)
    assert change.action is Action.REFUSED
    assert change.reason == "save_to: secret/data/ca cannot be read (403: permission denied)"


def test_k6_what_is_kept_waits_for_an_engine_to_be_saved_to() -> None:
    context = CONTEXT._replace(pending={IDENTITY: VERSIONED})
    change = root("nowhere/data/ca").plan(lambda path: ABSENT, None, context)
    assert change.action is Action.REFUSED
    assert change.reason.endswith("no secrets engine is at nowhere/data/ca; what was generated is kept")


def test_k6_what_nobody_wants_any_more_is_saved_where_it_was_to_go() -> None:
    (delivery,) = deliveries({IDENTITY: PLAIN}, ())
    assert delivery.reads == ("old/ca",)
    change = delivery.plan(lambda path: ABSENT, Record("w"), CONTEXT)
    assert (change.action, change.saving, change.place) == (Action.UPDATE, PLAIN.saving, None)
    assert change.record == Record("w", "", ("generated",))
    assert deliveries({IDENTITY: PLAIN}, [root()]) == ()
