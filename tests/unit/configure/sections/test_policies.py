"""Policies: compared as texts, refused where they cannot be parsed, deleted where nobody has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from bank_vaults.configure.config import Configuration, Policy, Purge
from bank_vaults.configure.model import (
    Action,
    Change,
    Context,
    Identity,
    Joined,
    Place,
    Record,
    Reference,
    Request,
    Shown,
    WriteOnly,
)
from bank_vaults.configure.sections import policies
from bank_vaults.configure.server import Server, UnreadableError
from tests.support.configuring import digest, shows

PLACE = Place("vault-config.yml", 3, 5)
CONTEXT = Context(digest, WriteOnly.CHANGED)
RULES = 'path "a" { capabilities = ["read"] }'
PATH = "sys/policies/acl/p"


def configuration(rules: str = RULES, name: str = "p", **given: Any) -> Configuration:
    return Configuration(policies=(Policy(PLACE, name, rules),), **given)


def planned(
    rules: str, answers: Mapping[str, Mapping[str, Any] | None], auth: tuple[str, ...] = (), name: str = "p"
) -> Change:
    (wanted,) = policies.wanted(configuration(rules, name), Server(auth=frozenset(auth)))
    return wanted.plan(shows(answers), None, CONTEXT)


def test_an_absent_policy_is_written_with_unix_line_ends_and_one_newline() -> None:
    change = planned("# a\r\n# b\r\n\r\n", {})
    assert change.action is Action.CREATE
    assert change.requests == (Request("PUT", PATH, {"policy": "# a\n# b\n"}),)


def test_the_text_is_sent_as_it_is_where_it_differs() -> None:
    change = planned(RULES, {PATH: {"name": "p", "policy": "# other"}})
    assert change.action is Action.UPDATE
    assert change.requests == (Request("PUT", PATH, {"policy": RULES + "\n"}),)
    (difference,) = change.differences
    assert (difference.before, difference.after) == ("# other", RULES + "\n")


@pytest.mark.parametrize("text", [RULES, RULES + "\n", 'path "a" {\n  capabilities = ["read"]\n}\n'])
def test_a_text_that_was_formatted_by_another_program_is_kept(text: str) -> None:
    change = planned(RULES, {PATH: {"policy": text}})
    assert (change.action, change.requests) == (Action.KEEP, ())


def test_a_server_that_keeps_nothing_of_an_empty_text_has_it() -> None:
    assert planned("", {PATH: {"policy": ""}}).action is Action.KEEP


ACCESSOR_RULES = 'path "x/{{identity.entity.aliases.__accessor__k8s.name}}" { capabilities = ["read"] }'


def test_accessors_are_compared_by_what_they_are_now() -> None:
    text = ACCESSOR_RULES.replace("__accessor__k8s", "a1") + "\n"
    auth = {"k8s/": {"accessor": "a1"}}
    assert planned(ACCESSOR_RULES, {PATH: {"policy": text}, "sys/auth": auth}, ("k8s",)).action is Action.KEEP


def test_k24_a_new_accessor_is_written_and_the_request_holds_the_reference() -> None:
    text = ACCESSOR_RULES.replace("__accessor__k8s", "a1") + "\n"
    auth = {"k8s/": {"accessor": "a2"}}
    change = planned(ACCESSOR_RULES, {PATH: {"policy": text}, "sys/auth": auth}, ("k8s",))
    assert change.action is Action.UPDATE
    assert "a2" in change.differences[0].after
    (request,) = change.requests
    assert request.body is not None
    assert isinstance(request.body["policy"], Joined)
    assert Reference("accessor", "k8s") in request.body["policy"].parts
    assert change.needs == {Identity("auth", "mount", "k8s")}
    absent = planned(ACCESSOR_RULES, {PATH: {"policy": text}, "sys/auth": {}}, ("k8s",))
    assert absent.action is Action.UPDATE


def test_k24_an_unknown_placeholder_is_refused() -> None:
    change = planned(ACCESSOR_RULES, {PATH: None})
    assert change.action is Action.REFUSED
    assert "__accessor__k8s" in change.reason
    assert change.place == PLACE


def test_rules_that_cannot_be_parsed_are_refused_with_their_line() -> None:
    rules = 'path "a" {\n  capabilities = ["read"\n}'
    change = planned(rules, {})
    assert change.action is Action.REFUSED
    assert "line 3, column 1" in change.reason
    assert list(policies.faults(configuration(rules))) == [(PLACE, change.reason)]
    assert not list(policies.faults(configuration()))


def test_names_that_lead_elsewhere_are_refused() -> None:
    assert planned(RULES, {}, name="../x").action is Action.REFUSED
    assert planned(RULES, {}, name="team/x").action is Action.CREATE


def test_a_policy_that_is_not_shown_is_written_once() -> None:
    (wanted,) = policies.wanted(configuration(), Server())
    first = wanted.plan(lambda path: Shown(None, "403"), None, CONTEXT)
    assert first.action is Action.UPDATE
    assert isinstance(first.record, Record)
    again = wanted.plan(lambda path: Shown(None, "403"), first.record, CONTEXT)
    assert (again.action, again.requests) == (Action.KEEP, ())


# -- deletions ---------------------------------------------------------------------------------------------

LISTED = {policies.LIST: {"keys": ["default", "default-ceiling", "p", "root", "old"]}}


def test_k4_a_policy_in_capital_letters_is_not_deleted() -> None:
    purged = configuration(name="P", purge=Purge(enabled=True))
    (change,) = policies.unmanaged(purged, shows(LISTED))
    assert str(change.identity) == "policies policy old"
    assert change.requests == (Request("DELETE", "sys/policies/acl/old", forgives="cannot delete"),)


@pytest.mark.parametrize("purge", [Purge(), Purge(enabled=True, exclude=frozenset({"policies"}))])
def test_nothing_is_read_or_deleted_unless_asked(purge: Purge) -> None:
    quiet = configuration(purge=purge)
    assert policies.listings(quiet) == ()
    assert policies.unmanaged(quiet, shows(LISTED)) == ()


def test_k16_no_deletions_without_the_list() -> None:
    purged = configuration(purge=Purge(enabled=True))
    assert policies.listings(purged) == (policies.LIST,)
    with pytest.raises(UnreadableError, match="denied"):
        policies.unmanaged(purged, lambda path: Shown(None, "denied"))
