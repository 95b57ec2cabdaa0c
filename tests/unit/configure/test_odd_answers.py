"""What a server shows and nobody can understand costs the object that it is about, and deletes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bank_vaults.configure import assembly, plan
from bank_vaults.configure.config import Configuration, Purge
from bank_vaults.configure.memory import Memory
from bank_vaults.configure.model import Action, Change, Reference, Shown, Stage, WriteOnly
from bank_vaults.configure.places import KvPlace
from bank_vaults.configure.references import Resolver, UnresolvedError
from bank_vaults.configure.sections import mount, plugins, steps
from bank_vaults.configure.sections.mount import with_contents
from bank_vaults.configure.sections.secrets import mount_identity
from bank_vaults.configure.server import CATALOG, Server, UnreadableError, accessors, facts
from bank_vaults.configure.state import StateError
from tests.support.configuring import configuration_of, shows
from tests.support.odd import mutants
from tests.unit.configure.fakes import FakeServer

METHOD = {"auth": [{"type": "userpass", "options": {"user_lockout_config": {"lockout_threshold": 3}}}]}
ENGINE = {"secrets": [{"type": "kv", "options": {"version": 2}, "config": {"max_lease_ttl": "1h"}}]}
DEVICE = {"audit": [{"type": "file", "options": {"file_path": "x"}}]}
SECRET = {"startupSecrets": [{"type": "kv", "path": "kv/data/a", "create_only": True, "data": {"data": {}}}]}
ALIAS = {"group-aliases": [{"name": "a", "mountpath": "people", "group": "g"}]}
KV2 = {"kv/": {"type": "kv", "options": {"version": "2"}}}
GROUP = {"identity/group/name/g": {"id": "1"}}
PEOPLE = {"sys/auth": {"people/": {"accessor": "x"}}}


def planned(document: dict[str, Any], answers: dict[str, Any]) -> Change:
    """The first change of a document."""
    wanted = assembly.wanted(configuration_of(json.dumps(document)), Server(), lambda _: "", Memory.empty())
    made = plan.make(wanted, shows(answers), Memory.empty(), WriteOnly.CHANGED)
    return made.changes[0]


@pytest.mark.parametrize(
    ("document", "answers", "sentence"),
    [
        (METHOD, {"sys/auth": {"userpass/": "x"}}, "sys/auth cannot be read: its userpass/ is no map"),
        (METHOD, {"sys/auth": {"userpass/": {"type": "userpass", "config": 5}}}, "its config is no map"),
        (
            METHOD,
            {"sys/auth": {"userpass/": {"type": "userpass", "config": {"user_lockout_config": [1]}}}},
            "its user_lockout_config is no map",
        ),
        (ENGINE, {"sys/mounts": {"kv/": {"type": "kv", "options": "x"}}}, "its options is no map"),
        (DEVICE, {"sys/audit": {"file/": ["x"]}}, "its file/ is no map"),
        (DEVICE, {"sys/audit": {"file/": {"type": "file", "options": "x"}}}, "its options is no map"),
        (SECRET, {"sys/mounts": {"kv/": {"type": "kv", "options": [2]}}}, "its options is no map"),
        (SECRET, {"sys/mounts": KV2, "kv/data/a": {"data": None, "metadata": 1}}, "its metadata is no map"),
        (
            SECRET,
            {"sys/mounts": KV2, "kv/data/a": {"data": None, "metadata": {"version": "x"}}},
            "its version is no number",
        ),
        (
            SECRET,
            {"sys/mounts": KV2, "kv/metadata/a": {"current_version": [1]}},
            "its current_version is no number",
        ),
        (ALIAS, {"sys/auth": {"people/": {"accessor": 5}}, **GROUP}, "its accessor is no text"),
        (ALIAS, {**PEOPLE, "identity/group/name/g": {"id": [1]}}, "its id is no text"),
        (
            ALIAS,
            {
                **PEOPLE,
                **GROUP,
                "identity/group-alias/id?list=true": {
                    "key_info": {"1": {"name": "a", "mount_accessor": "x", "canonical_id": None}}
                },
            },
            "its canonical_id is no text",
        ),
        (
            ALIAS,
            {**PEOPLE, **GROUP, "identity/group-alias/id?list=true": {"key_info": {"1": "x"}}},
            "its 1 is no map",
        ),
    ],
)
def test_an_object_that_cannot_be_understood_is_refused_by_itself(
    document: dict[str, Any], answers: dict[str, Any], sentence: str
) -> None:
    change = planned(document, answers)
    assert (change.action, change.requests) == (Action.REFUSED, ())
    assert sentence in change.reason
    assert change.place is not None


def test_an_accessor_that_is_no_text_is_put_into_nothing() -> None:
    odd = {"a/": {"accessor": 5}, "b/": {"accessor": ""}, "c/": {}, "d/": {"accessor": "x"}, "e/": "y"}
    assert accessors(shows({"sys/auth": odd})) == {"d": "x"}
    server = FakeServer({"sys/auth": odd, "identity/group/name/g": {"id": 7}})
    for reference in (Reference("accessor", "a"), Reference("group", "g")):
        with pytest.raises(UnresolvedError, match="there is no"):
            Resolver(server.session()).resolve(reference)


def test_a_version_that_is_no_text_is_that_of_no_server() -> None:
    shown = shows({"sys/auth": {"token/": {"running_plugin_version": 2.7}}})
    assert facts(shown, {}).version == (0, 0, 0)


PURGE = Configuration(purge=Purge(enabled=True))


@pytest.mark.parametrize(
    "detailed",
    [
        "x",
        5,
        ["x"],
        {"x": 1},
        [{"name": None, "type": "auth", "builtin": False}],
        [{"name": "x", "type": 5, "builtin": False}],
    ],
)
def test_k16_a_catalogue_that_is_none_deletes_no_plugin(detailed: Any) -> None:
    with pytest.raises(UnreadableError, match=CATALOG):
        plugins.unmanaged(PURGE, shows({CATALOG: {"detailed": detailed}}))


def test_k16_a_mount_of_an_unknown_kind_belongs_to_the_server_whatever_else_is_said_of_it() -> None:
    listed: dict[str, Any] = {"own/": {"type": "of-the-server", "running_sha256": 5, "plugin_version": [1]}}
    answers: dict[str, Any] = {"sys/mounts": listed, CATALOG: {"detailed": []}}
    assert mount.unmanaged("secrets", "sys/mounts", (), shows(answers)) == ()
    listed["own/"]["plugin_version"] = "v1.0.0"
    assert len(mount.unmanaged("secrets", "sys/mounts", (), shows(answers))) == 1


@pytest.mark.parametrize("names", ["abc", 5, {"a": 1}])
def test_k3_a_mount_of_which_nobody_can_tell_what_is_inside_does_not_count_as_empty(names: Any) -> None:
    doomed = steps.deletion(mount_identity("kv"), "sys/mounts/kv")
    answers = {"sys/mounts": {"kv/": {"type": "kv"}}, "kv?list=true": {"keys": names}}
    change = with_contents(doomed, shows(answers))
    assert (change.contents, change.stage) == (1, Stage.PURGE)
    assert "cannot be told" in change.reason


def test_a_place_of_the_state_that_shows_something_odd_is_not_usable_in_words() -> None:
    fine: dict[str, dict[str, Any]] = {
        "sys/internal/ui/mounts/state/own": {"path": "state/", "options": {"version": "2"}},
        "state/data/own": {"data": {"state": "eJwDAAAAAAE="}, "metadata": {"version": 3}},
    }
    refused = 0
    for path, answer in fine.items():
        for where, mutant in mutants(answer):
            server = FakeServer(fine)
            server.objects[path] = mutant
            place = KvPlace("state/own", server.session)
            try:
                place.read()
                place.exchange(lambda _: b"new")
            except StateError as error:
                assert "state/own" in str(error), where
                refused += 1
    assert refused > 30


@pytest.mark.parametrize("data", ["text", 5, ["a"], None])
def test_an_answer_that_is_no_map_is_a_problem_of_one_object(data: Any) -> None:
    server = FakeServer()
    server.objects["x"] = data
    assert server.session().show("x") == Shown(None, "what it shows is no map")
