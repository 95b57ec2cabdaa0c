"""Plugins: registered once, deleted where nobody has them and they are not of the server."""

from __future__ import annotations

from typing import Any

import pytest

from bank_vaults.configure.config import Configuration, Plugin, Purge
from bank_vaults.configure.model import Action, Change, Context, Place, Record, Shown, WriteOnly
from bank_vaults.configure.sections import plugins
from bank_vaults.configure.server import Server, UnreadableError
from tests.support.configuring import digest, shows

PLACE = Place("vault-config.yml", 3, 5)
CONTEXT = Context(digest, WriteOnly.CHANGED)
PATH = "sys/plugins/catalog/secret/wallet"


def planned(body: dict[str, Any], found: dict[str, Any] | None, record: Record | None = None) -> Change:
    (made,) = plugins.wanted(Configuration(plugins=(Plugin(PLACE, "wallet", "secret", body),)), Server())
    (path,) = made.reads
    return made.plan(shows({path: found}), record, CONTEXT)


def test_a_plugin_is_registered_with_its_arguments_apart() -> None:
    change = planned({"command": "wallet --ca=x  y", "sha256": "ab", "args": None, "version": ""}, None)
    assert change.action is Action.CREATE
    (request,) = change.requests
    assert (request.method, request.path) == ("PUT", PATH)
    assert request.body == {"command": "wallet", "args": ["--ca=x", "y"], "sha256": "ab"}


def test_one_that_is_registered_is_kept() -> None:
    shown = {"command": "wallet", "args": ["a"], "sha256": "ab", "builtin": False, "version": "v1.0.0"}
    assert planned({"command": "wallet a", "sha256": "ab", "version": "1.0.0"}, shown).action is Action.KEEP
    assert planned({"command": "wallet", "args": ["a"], "sha256": "ab"}, shown).action is Action.KEEP
    assert planned({"command": "wallet", "sha256": "ac"}, shown).action is Action.UPDATE


def test_versions_are_read_on_their_own() -> None:
    (made,) = plugins.wanted(
        Configuration(plugins=(Plugin(PLACE, "wallet", "secret", {"version": "v1.0.0+a"}),)), Server()
    )
    assert made.reads == (f"{PATH}?version=v1.0.0%2Ba",)


def test_the_environment_is_remembered_and_not_to_be_seen() -> None:
    first = planned({"command": "wallet", "env": ["TOKEN=x"]}, {"command": "wallet"})
    assert first.action is Action.UPDATE
    assert [each.field for each in first.differences if each.secret] == ["env"]
    again = planned({"command": "wallet", "env": ["TOKEN=x"]}, {"command": "wallet"}, first.record)
    assert again.action is Action.KEEP


@pytest.mark.parametrize(("kind", "name"), [("secrets", "wallet"), ("secret", "a/b"), ("secret", "..")])
def test_strange_types_and_names_are_refused(kind: str, name: str) -> None:
    (made,) = plugins.wanted(Configuration(plugins=(Plugin(PLACE, name, kind, {}),)), Server())
    assert made.plan(shows({}), None, CONTEXT).action is Action.REFUSED


CATALOG = {
    "detailed": [
        {"name": "kv", "type": "secret", "builtin": True},
        {"name": "wallet", "type": "secret", "builtin": False, "version": ""},
        {"name": "wallet", "type": "auth", "builtin": False, "version": ""},
        {"name": "old", "type": "auth", "builtin": False, "version": "v1.0.0+a"},
        {"name": "declared", "type": "auth", "builtin": False, "version": ""},
        {"name": "strange", "type": "auth"},
    ]
}


def test_deletions_are_never_of_those_that_belong_to_the_server() -> None:
    answers: dict[str, Any] = {
        "sys/plugins/catalog": CATALOG,
        "sys/plugins/catalog/auth/declared": {"declarative": True},
    }
    configuration = Configuration(plugins=(Plugin(PLACE, "wallet", "secret", {}),), purge=Purge(enabled=True))
    assert plugins.listings(configuration) == ("sys/plugins/catalog",)
    old = "sys/plugins/catalog/auth/old?version=v1.0.0%2Ba"
    paths = plugins.details(configuration, shows(answers))
    assert paths == ("sys/plugins/catalog/auth/wallet", old, "sys/plugins/catalog/auth/declared")
    changes = plugins.unmanaged(configuration, shows(answers))
    assert [str(change.identity) for change in changes] == [
        "plugins plugin auth/wallet",
        "plugins plugin auth/old v1.0.0+a",
    ]
    assert changes[1].requests[0].path == old
    quiet = configuration._replace(purge=Purge(enabled=True, exclude=frozenset({"plugins"})))
    assert plugins.listings(quiet) == plugins.details(quiet, shows(answers)) == ()


def test_k16_no_deletions_without_the_catalog() -> None:
    with pytest.raises(UnreadableError, match="denied"):
        plugins.unmanaged(Configuration(purge=Purge(enabled=True)), lambda path: Shown(None, "denied"))
