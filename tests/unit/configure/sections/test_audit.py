"""Audit devices: created, never changed, deleted where nobody has them."""

from __future__ import annotations

from typing import Any

import pytest

from bank_vaults.configure.config import Audit, Configuration, Purge
from bank_vaults.configure.model import Action, Change, Context, Place, Request, Shown, WriteOnly
from bank_vaults.configure.sections import audit
from bank_vaults.configure.server import Server, UnreadableError
from tests.support.configuring import digest, shows

PLACE = Place("vault-config.yml", 3, 5)
CONTEXT = Context(digest, WriteOnly.CHANGED)
ENTRY = {
    "type": "file",
    "description": "ours",
    "options": {"file_path": "/x", "mode": "0600"},
    "local": False,
}


def device(**given: Any) -> Audit:
    made = Audit(PLACE, "f", "file", "ours", {"file_path": "/x"}, None)
    return made._replace(**given)


def planned(wanted: Audit, found: dict[str, Any] | None) -> Change:
    (made,) = audit.wanted(Configuration(audit=(wanted,)), Server())
    return made.plan(shows({"sys/audit": {f"{wanted.path}/": found}}), None, CONTEXT)


def test_an_absent_device_is_created() -> None:
    change = planned(device(description=None, local=True), None)
    assert change.action is Action.CREATE
    body = {"type": "file", "description": "", "options": {"file_path": "/x"}, "local": True}
    assert change.requests == (Request("PUT", "sys/audit/f", body),)


@pytest.mark.parametrize("given", [{}, {"description": None}, {"local": False}, {"options": {}}])
def test_one_that_is_as_wanted_is_kept(given: dict[str, Any]) -> None:
    assert planned(device(**given), ENTRY).action is Action.KEEP


def test_a_description_that_differs_is_told_and_kept() -> None:
    change = planned(device(description="new"), ENTRY)
    assert change.action is Action.KEEP
    assert "description" in change.reason


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"type": "syslog"}, "type"),
        ({"local": True}, "local"),
        ({"options": {"file_path": "/y"}}, "options.file_path"),
        ({"options": {"log_raw": "true"}}, "options.log_raw"),
    ],
)
def test_k19_a_different_device_is_refused_and_not_silently_kept(given: dict[str, Any], field: str) -> None:
    change = planned(device(**given), ENTRY)
    assert change.action is Action.REFUSED
    assert [each.field for each in change.differences] == [field]
    assert field in change.reason
    assert not change.requests


def test_k16_a_list_that_cannot_be_read_is_an_error() -> None:
    (made,) = audit.wanted(Configuration(audit=(device(),)), Server())
    change = made.plan(lambda path: Shown(None, "denied"), None, CONTEXT)
    assert change.action is Action.REFUSED
    assert "denied" in change.reason
    with pytest.raises(UnreadableError):
        audit.unmanaged(Configuration(purge=Purge(enabled=True)), lambda path: Shown(None, "denied"))


def test_a_path_that_leads_elsewhere_is_refused() -> None:
    assert planned(device(path="../mounts"), None).action is Action.REFUSED


def test_deletions_are_of_those_that_no_document_has() -> None:
    shown = shows({"sys/audit": {"f/": ENTRY, "old/": ENTRY}})
    configuration = Configuration(audit=(device(),), purge=Purge(enabled=True))
    assert audit.listings(configuration) == ("sys/audit",)
    (change,) = audit.unmanaged(configuration, shown)
    assert str(change.identity) == "audit device old"
    (request,) = change.requests
    assert (request.method, request.path) == ("DELETE", "sys/audit/old")
    # OpenBao keeps those of its own configuration file, which its listing does not tell
    assert request.forgives in "cannot disable configuration-managed audit device"
    quiet = configuration._replace(purge=Purge())
    assert (audit.listings(quiet), audit.unmanaged(quiet, shown)) == ((), ())
