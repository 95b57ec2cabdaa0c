"""What is decided about the remains of a try to generate a key whose answer never came."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from bank_vaults.configure.model import (
    ABSENT,
    Action,
    Change,
    Context,
    Record,
    Request,
    Shown,
    Trace,
    WriteOnly,
)
from bank_vaults.configure.sections import secrets, traces
from bank_vaults.configure.sections.traces import Left
from bank_vaults.configure.server import Server
from tests.support.configuring import configuration_of, digest

GENERATING = Record("w", done=("generating",))
MARK = "bank-vaults-1"
ROOT, KEY = Trace("pki", makes_issuer=True), Trace("pki", makes_issuer=False)


def inside(
    issuers: Mapping[str, tuple[str, str]] = {}, keys: Mapping[str, str] = {}, certs: tuple[str, ...] = ()
) -> dict[str, Shown]:
    """A pki engine with issuers (their key and serial number), keys (their name) and certificates.

    The first issuer is the default one.
    """
    told = {
        name: {"key_id": key, "serial_number": serial, "is_default": name == next(iter(issuers))}
        for name, (key, serial) in issuers.items()
    }
    named = {key: {"key_name": name} for key, name in keys.items()}
    return {
        "pki/issuers?list=true": Shown({"keys": [*told], "key_info": told}) if told else ABSENT,
        "pki/keys?list=true": Shown({"keys": [*named], "key_info": named}) if named else ABSENT,
        "pki/certs?list=true": Shown({"keys": [*certs]}) if certs else ABSENT,
    }


def showing(*parts: Mapping[str, Shown]) -> Callable[[str], Shown]:
    answers = {path: shown for part in parts for path, shown in part.items()}
    return lambda path: answers.get(path, ABSENT)


BEFORE = inside({"i0": ("k0", "01")}, {"k0": "", "k1": "mine"}, ("01", "02"))
AFTER = inside(
    {"i0": ("k0", "01"), "i9": ("k9", "09")}, {"k0": "", "k1": "mine", "k9": MARK}, ("01", "02", "09")
)


def begun(trace: Trace = ROOT, *there: Mapping[str, Shown]) -> tuple[Trace, Record]:
    """A try, and what the next run knows of it."""
    record, added = traces.begun(trace, GENERATING, MARK, showing(*there or (BEFORE,)), digest)
    assert added == {"key_name": MARK}
    return traces.after(trace, record), record


def left(trace: Trace, record: Record, *now: Mapping[str, Shown]) -> Left:
    return traces.left(trace, record, showing(*now), digest)


def test_the_remains_of_a_try_are_known_by_name_and_go_with_the_issuer_first() -> None:
    found = left(*begun(), AFTER)
    assert found == Left((Request("DELETE", "pki/issuer/i9"), Request("DELETE", "pki/key/k9")))


def test_nothing_is_left_of_a_try_that_the_server_never_saw() -> None:
    assert left(*begun(), BEFORE) == Left()


def test_of_a_removal_that_was_interrupted_the_rest_is_removed() -> None:
    trace, _ = begun()
    again, record = begun(trace, AFTER)
    assert left(again, record, AFTER).removal == left(trace, record, AFTER).removal
    without = inside({"i0": ("k0", "01")}, {"k0": "", "k1": "mine", "k9": MARK}, ("01", "02", "09"))
    assert left(again, record, without) == Left((Request("DELETE", "pki/key/k9"),))


def test_each_try_has_the_same_name_and_is_remembered_differently() -> None:
    trace, first = begun()
    again, second = begun(trace, BEFORE)
    assert (trace.mark, again.mark, again.tries) == (MARK, MARK, 2)
    assert first != second


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (inside({"i9": ("k9", "09")}, {"k9": MARK}, ("09",)), "made, issued or removed since"),
        (inside({"i0": ("k0", "01")}, {"k0": ""}, ("01", "02")), "made, issued or removed since"),
        (
            inside(
                {"i9": ("k9", "09"), "i0": ("k0", "01")},
                {"k0": "", "k1": "mine", "k9": MARK},
                ("01", "02", "09"),
            ),
            "it is the default issuer among others",
        ),
        (
            inside(
                {"i0": ("k0", "01"), "i8": ("k9", "08"), "i9": ("k9", "09")},
                {"k0": "", "k1": "mine", "k9": MARK},
                ("01", "02", "08", "09"),
            ),
            "another issuer has its key",
        ),
    ],
)
def test_nothing_is_removed_where_something_may_depend_on_it(now: Mapping[str, Shown], words: str) -> None:
    found = left(*begun(), now)
    assert words in found.fault
    assert found.removal == ()


def test_a_key_without_a_certificate_goes_only_while_no_issuer_has_it() -> None:
    before, key = inside({}, {"k0": ""}), inside({}, {"k0": "", "k9": MARK})
    trace, record = begun(KEY, before)
    assert left(trace, record, key).removal == (Request("DELETE", "pki/key/k9"),)
    used = inside({"i9": ("k9", "09")}, {"k0": "", "k9": MARK}, ("09",))
    assert left(trace, record, used).fault == "another issuer has its key"


@pytest.mark.parametrize(
    ("roles", "fault"),
    [
        ({"pki/roles?list=true": Shown({"keys": ["a"]}), "pki/roles/a": Shown({"no_store": False})}, ""),
        (
            {"pki/roles?list=true": Shown({"keys": ["a"]}), "pki/roles/a": Shown({"no_store": True})},
            "the role a may",
        ),
        ({"pki/cel/roles?list=true": Shown({"keys": ["c"]})}, "the role c may"),
        ({"pki/cel/roles?list=true": Shown(None, "404: unsupported path")}, ""),
        (
            {"pki/cel/roles?list=true": Shown(None, "403: denied")},
            "pki/cel/roles?list=true cannot be read: 403",
        ),
        (
            {"pki/roles?list=true": Shown({"keys": ["a"]}), "pki/roles/a": Shown(None, "403")},
            "pki/roles/a cannot",
        ),
    ],
)
def test_a_role_that_stores_nothing_may_have_issued_something(roles: Mapping[str, Shown], fault: str) -> None:
    found = left(*begun(), AFTER, roles)
    assert found.fault.startswith(fault)
    assert bool(found.fault) is bool(fault)
    assert bool(found.removal) is not bool(fault)


@pytest.mark.parametrize(
    "hidden",
    [
        {"pki/keys?list=true": Shown(None, "403: denied")},
        {"pki/keys?list=true": Shown({"keys": ["k9"]})},
        {"pki/issuers?list=true": Shown({"keys": ["i9"], "key_info": {"i9": {"serial_number": "09"}}})},
        {"pki/certs?list=true": Shown({"keys": [5]})},
    ],
)
def test_what_cannot_be_seen_proves_nothing(hidden: Mapping[str, Shown]) -> None:
    found = left(*begun(), AFTER, hidden)
    assert "cannot be read" in found.fault
    assert found.removal == ()
    # Nor does it when it could not be seen before; generating needs no proof.
    assert "since" in left(*begun(ROOT, BEFORE, hidden), AFTER).fault


@pytest.mark.parametrize("done", [("generating",), ("generating", MARK), ("generating", MARK, "x")])
def test_a_try_that_gave_no_name_proves_nothing(done: tuple[str, ...]) -> None:
    record = Record("w", digest([]), done)
    assert left(traces.after(ROOT, record), record, AFTER).fault == "its key cannot be told from others"


@pytest.mark.parametrize(
    ("path", "fields", "trace"),
    [
        ("pki/root/generate/exported", {}, ROOT),
        ("pki/root/generate/internal", {"key_name": ""}, ROOT),
        ("pki/issuers/generate/root/exported", {}, ROOT),
        ("pki/intermediate/generate/exported", {}, KEY),
        ("pki/issuers/generate/intermediate/exported", {}, KEY),
        ("pki/keys/generate/exported", {}, KEY),
        ("pki/root/generate/exported", {"key_name": "mine"}, None),
        ("pki/root/generate/existing", {}, None),
        ("pki/root/rotate/exported", {}, None),
        ("pki/issue/web", {}, None),
    ],
)
def test_keys_that_are_new_get_a_name_unless_the_document_gives_one(
    path: str, fields: Mapping[str, Any], trace: Trace | None
) -> None:
    assert traces.trace_of("pki", path, fields) == trace


def planned(record: Record, *now: Mapping[str, Shown]) -> Change:
    """Of a root that is to be saved."""
    text = """
secrets:
  - {path: secret, type: kv-v2}
  - {type: pki, configuration: {root/generate: [{name: exported, save_to: secret/data/ca}]}}
"""
    item = secrets.wanted(configuration_of(text), Server())[-1]
    mounts = {"sys/mounts": Shown({"pki/": {"type": "pki"}, "secret/": {"type": "kv"}})}
    return item.plan(showing(mounts, *now), record, Context(digest, WriteOnly.CHANGED))


EMPTY, MADE = inside(), inside({"i9": ("k9", "09")}, {"k9": MARK}, ("09",))


def test_a_replacement_is_planned_as_a_change_with_its_reason() -> None:
    _, record = begun(ROOT, EMPTY)
    change = planned(record, MADE)
    assert change.action is Action.UPDATE
    assert "nobody has what was in that" in change.reason
    assert [(each.method, each.path) for each in change.requests] == [
        ("DELETE", "pki/issuer/i9"),
        ("DELETE", "pki/key/k9"),
        ("PUT", "pki/root/generate/exported"),
    ]
    assert change.trace == Trace("pki", makes_issuer=True, mark=MARK, tries=1)


def test_a_replacement_that_could_not_be_saved_removes_nothing() -> None:
    _, record = begun(ROOT, EMPTY)
    change = planned(record, MADE, {"secret/data/ca": Shown({"data": {"mine": "1"}})})
    assert (change.action, change.requests) == (Action.REFUSED, ())
    assert "there is something at secret/data/ca already" in change.reason


def test_what_may_be_needed_is_refused_with_the_reason_and_the_next_step() -> None:
    _, record = begun(ROOT, EMPTY)
    change = planned(record, inside({"i9": ("k9", "09")}, {"k9": MARK}, ("09", "10")))
    assert change.action is Action.REFUSED
    assert "it is not replaced: something else in pki was made, issued or removed since" in change.reason
    assert "if nothing depends on it" in change.reason


def test_what_is_no_longer_there_is_made_anew() -> None:
    _, record = begun(ROOT, EMPTY)
    for now, mark in ((EMPTY, MARK), (inside({}, {"k1": "other"}), "")):
        change = planned(record, now)
        assert (change.action, change.reason) == (Action.CREATE, "it is not there")
        assert change.trace is not None
        assert change.trace.mark == mark


def test_a_key_that_is_saved_and_on_the_server_is_not_taken_for_lost() -> None:
    text = """
secrets:
  - {path: secret, type: kv-v2}
  - {type: pki, configuration: {intermediate/generate: [{name: exported, save_to: secret/data/ca}]}}
"""
    item = secrets.wanted(configuration_of(text), Server())[-1]
    _, record = begun(KEY, EMPTY)
    saved = {"secret/data/ca": Shown({"data": {"key_id": "k9", "private_key": "k"}})}
    change = item.plan(showing(inside({}, {"k9": MARK}), saved), record, Context(digest, WriteOnly.CHANGED))
    assert (change.action, change.reason) == (Action.KEEP, "what was generated is saved at secret/data/ca")
