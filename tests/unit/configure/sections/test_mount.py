"""Mounts: enabled where absent, tuned where different, refused where that would lose something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from bank_vaults.configure.config import MountOptions
from bank_vaults.configure.model import (
    Action,
    Change,
    Context,
    Identity,
    Place,
    Record,
    Request,
    Shown,
    Stage,
    WriteOnly,
)
from bank_vaults.configure.sections import mount
from bank_vaults.configure.sections.mount import Mount
from bank_vaults.configure.server import UnreadableError
from tests.support.configuring import digest, shows

PLACE = Place("vault-config.yml", 1, 1)
CONTEXT = Context(digest, WriteOnly.CHANGED)


def approle(**given: Any) -> Mount:
    return Mount(Identity("auth", "mount", "app"), PLACE, "sys/auth", "app", "approle", **given)


def kv(**given: Any) -> Mount:
    return Mount(Identity("secrets", "mount", "kv"), PLACE, "sys/mounts", "kv", "kv", **given)


def entry(**given: Any) -> dict[str, Any]:
    config = {"default_lease_ttl": 0, "max_lease_ttl": 0, "force_no_cache": False}
    return {
        "type": "approle",
        "description": "",
        "local": False,
        "seal_wrap": False,
        "options": None,
        **given,
        "config": {**config, **given.get("config", {})},
    }


def planned(wanted: Mount, found: Mapping[str, Any] | None, record: Record | None = None) -> Change:
    return wanted.plan(shows({wanted.area: {f"{wanted.path}/": found} if found else {}}), record, CONTEXT)


def test_an_absent_mount_is_created_with_all_that_is_given() -> None:
    tune = MountOptions(
        {"default_lease_ttl": "1h", "user_lockout_config": {"lockout_counter_reset_duration": "5m"}},
        {"a": "b"},
    )
    change = planned(approle(description="ours", local=True, seal_wrap=False, tune=tune), None)
    assert change.action is Action.CREATE
    assert change.stage == Stage.AUTH
    assert change.requests == (
        Request(
            "POST",
            "sys/auth/app",
            {
                "type": "approle",
                "description": "ours",
                "local": True,
                "seal_wrap": False,
                "config": {"default_lease_ttl": "1h"},
                "options": {"a": "b"},
            },
        ),
        Request(
            "POST",
            "sys/auth/app/tune",
            {"user_lockout_config": {"lockout_counter_reset_duration": "5m"}},
        ),
    )
    assert {each.field for each in change.differences} >= {"type", "local", "default_lease_ttl", "options.a"}


def test_the_first_description_is_for_creation_only() -> None:
    wanted = approle(first_description="approle backend")
    (request,) = planned(wanted, None).requests
    assert request.body == {"type": "approle", "description": "approle backend"}
    assert planned(wanted, entry(description="by hand")).action is Action.KEEP


def test_a_description_among_the_options_goes_first() -> None:
    wanted = approle(description="entry", tune=MountOptions({"description": "options"}, {}))
    (request,) = planned(wanted, None).requests
    assert request.body == {"type": "approle", "description": "options"}
    assert planned(wanted, entry(description="options")).action is Action.KEEP


def test_k19_a_description_that_differs_is_changed_also_to_none() -> None:
    change = planned(approle(description=""), entry(description="old"))
    assert change.action is Action.UPDATE
    assert change.stage == Stage.AUTH_TUNE
    assert change.requests == (Request("POST", "sys/auth/app/tune", {"description": ""}),)


@pytest.mark.parametrize(
    ("wanted", "found", "word"),
    [
        (approle(), entry(type="userpass"), "userpass"),
        (approle(local=True), entry(), "local"),
        (approle(seal_wrap=False), entry(seal_wrap=True), "seal_wrap"),
        (
            kv(tune=MountOptions({}, {"version": "1"})),
            entry(type="kv", options={"version": "2"}),
            "cannot go back",
        ),
    ],
)
def test_k19_what_cannot_be_changed_is_refused_and_not_recreated(
    wanted: Mount, found: dict[str, Any], word: str
) -> None:
    change = planned(wanted, found)
    assert change.action is Action.REFUSED
    assert word in change.reason
    assert change.requests == ()


@pytest.mark.parametrize(
    ("kind", "plugin", "options", "found", "action"),
    [
        ("kv-v2", "", {}, {"type": "kv", "options": {"version": "2"}}, Action.KEEP),
        ("kv-v2", "", {}, {"type": "kv", "options": {"version": "1"}}, Action.UPDATE),
        ("kv-v2", "", {}, {"type": "kv", "options": None}, Action.UPDATE),
        ("kv", "", {}, {"type": "generic"}, Action.KEEP),
        ("plugin", "wallet", {}, {"type": "wallet"}, Action.KEEP),
        ("plugin", "wallet", {}, {"type": "purse"}, Action.REFUSED),
        ("kv", "", {"version": "2"}, {"type": "kv", "options": {"version": "2"}}, Action.KEEP),
    ],
)
def test_types_that_are_short_for_others(
    kind: str, plugin: str, options: dict[str, str], found: dict[str, Any], action: Action
) -> None:
    wanted = kv(tune=MountOptions({}, options))._replace(type=kind, plugin_name=plugin)
    assert planned(wanted, entry(**found)).action is action


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("default_lease_ttl", "1h", 3600),
        ("default_lease_ttl", 3600, 3600),
        ("max_lease_ttl", "", 0),
        ("max_lease_ttl", "0s", 0),
        ("listing_visibility", "", None),
        ("listing_visibility", "hidden", None),
        ("token_type", "", "default-service"),
        ("token_type", "default-service", None),
        ("audit_non_hmac_request_keys", ["a", "b"], ["a", "b"]),
        ("audit_non_hmac_request_keys", [], None),
        ("force_no_cache", False, False),
        ("plugin_version", "", None),
        ("plugin_name", "approle", None),
        (
            "user_lockout_config",
            {"lockout_threshold": "5", "lockout_duration": "10m", "lockout_disable": False},
            {"user_lockout_threshold": 5, "user_lockout_duration": 600},
        ),
    ],
)
def test_a_tuned_mount_is_kept(name: str, value: object, shown: object) -> None:
    found = entry(config={} if shown is None else {name: shown})
    change = planned(approle(tune=MountOptions({name: value}, {})), found)
    assert change.action is Action.KEEP, change
    assert change.record is None


@pytest.mark.parametrize(
    ("name", "value", "shown", "sent"),
    [
        ("default_lease_ttl", "", 3600, "0"),
        ("listing_visibility", "", "unauth", ""),
        ("token_type", "", "batch", "default-service"),
        ("audit_non_hmac_request_keys", [], ["a"], []),
        ("force_no_cache", False, True, False),
        ("passthrough_request_headers", ["B", "A"], ["A", "B"], ["B", "A"]),
    ],
)
def test_k14_values_are_changed_and_reset(name: str, value: object, shown: object, sent: object) -> None:
    change = planned(approle(tune=MountOptions({name: value}, {})), entry(config={name: shown}))
    assert change.action is Action.UPDATE
    assert change.requests == (Request("POST", "sys/auth/app/tune", {name: sent}),)
    assert change.differences[0].before == shown


def test_k14_plugin_version_and_lockout_are_compared() -> None:
    change = planned(
        approle(
            tune=MountOptions(
                {"plugin_version": "v2.0.0", "user_lockout_config": {"lockout_threshold": 7}}, {}
            )
        ),
        entry(plugin_version="v1.0.0", config={"user_lockout_config": {"user_lockout_threshold": 5}}),
    )
    assert [each.field for each in change.differences] == ["plugin_version", "user_lockout_config"]


@pytest.mark.parametrize("name", ["", "mine"])
def test_a_plugin_is_known_by_its_name_or_else_by_its_type(name: str) -> None:
    wanted = kv()._replace(type="plugin", plugin_name=name)
    change = planned(wanted, entry(type="kv"))
    assert change.action is Action.REFUSED
    assert f"and {name or 'plugin'} is wanted" in change.reason
    assert planned(wanted, entry(type=name or "plugin")).action is Action.KEEP


def test_options_are_changed_one_by_one() -> None:
    change = planned(
        kv(tune=MountOptions({}, {"version": "2", "a": ""})),
        entry(type="kv", options={"version": "1", "other": "x"}),
    )
    assert change.requests == (Request("POST", "sys/mounts/kv/tune", {"options": {"version": "2"}}),)


def test_what_a_server_does_not_take_is_sent_once() -> None:
    wanted = approle(tune=MountOptions({"allowed_managed_keys": ["k"]}, {}))
    found = entry()
    first = planned(wanted, found)
    assert (first.action, first.look) == (Action.UPDATE, "sys/auth/app")
    assert first.record is not None
    record = first.record._replace(shown=digest(found))
    assert planned(wanted, found, record).action is Action.KEEP
    assert planned(wanted, entry(description="by hand"), record).action is Action.UPDATE
    other = approle(tune=MountOptions({"allowed_managed_keys": ["l"]}, {}))
    assert planned(other, found, record).action is Action.UPDATE


def test_k16_a_listing_that_is_refused_is_an_error() -> None:
    change = approle().plan(lambda path: Shown(None, "permission denied"), None, CONTEXT)
    assert change.action is Action.REFUSED
    assert "permission denied" in change.reason


# -- deletions ---------------------------------------------------------------------------------------------

CATALOG = {"detailed": [{"name": name, "type": "secret"} for name in ("kv", "transit", "pki")]}
MOUNTS = {
    "sys/": {"type": "system"},
    "identity/": {"type": "identity"},
    "cubbyhole/": {"type": "ns_cubbyhole"},
    "agent-registry/": {"type": "something"},
    "unheard-of/": {"type": "newly built in"},
    "custom/": {"type": "wallet", "running_sha256": "ab"},
    "old/": {"type": "generic"},
    "kv/": {"type": "kv", "options": {"version": "2"}},
    "one/": {"type": "kv"},
    "managed/": {"type": "transit"},
}


def test_only_what_nobody_manages_is_deleted_and_never_what_belongs_to_the_server() -> None:
    shown = shows({"sys/mounts": MOUNTS, "sys/plugins/catalog": CATALOG})
    changes = mount.unmanaged("secrets", "sys/mounts", {"managed"}, shown)
    assert [change.identity.name for change in changes] == ["custom", "old", "kv", "one"]
    assert all(change.stage == Stage.PURGE and change.action is Action.DELETE for change in changes)
    assert changes[0].requests == (Request("DELETE", "sys/mounts/custom"),)


def test_k16_no_deletions_without_the_listings() -> None:
    for path in ("sys/mounts", "sys/plugins/catalog"):
        answers = {"sys/mounts": MOUNTS, "sys/plugins/catalog": CATALOG}
        with pytest.raises(UnreadableError, match=f"{path} cannot be read: no"):
            mount.unmanaged(
                "secrets",
                "sys/mounts",
                (),
                lambda asked, path=path, answers=answers: (  # type: ignore[misc]
                    Shown(None, "no") if asked == path else Shown(answers[asked])
                ),
            )


def counted(answers: Mapping[str, Any], problem: str = "") -> dict[str, tuple[int, str]]:
    """Contents and reasons by path; what is not in the answers is refused with the problem, if any."""
    known = {"sys/mounts": MOUNTS, "sys/plugins/catalog": CATALOG, **answers}

    def shown(path: str) -> Shown:
        return Shown(known[path]) if path in known else Shown(None, problem)

    changes = mount.unmanaged("secrets", "sys/mounts", {"managed"}, shown)
    done = [mount.with_contents(change, shown) for change in changes]
    return {change.identity.name: (change.contents, change.reason) for change in done}


INSIDE = {
    "kv/metadata?list=true": {"keys": ["a", "b/"]},
    "one?list=true": {"keys": ["c"]},
    "custom/roles?list=true": {"keys": ["d"]},
    "custom/keys?list=true": {"keys": ["e", "f"]},
}


def test_objects_inside_are_counted() -> None:
    counts = {name: count for name, (count, _) in counted(INSIDE).items()}
    assert counts == {"custom": 3, "old": 0, "kv": 2, "one": 1}


@pytest.mark.parametrize(
    ("problem", "counts"),
    [
        ("403: permission denied", {"custom": 1, "old": 1, "kv": 1, "one": 1}),
        ("405: unsupported operation", {"custom": 1, "old": 1, "kv": 1, "one": 1}),
    ],
)
def test_a_mount_of_which_nobody_can_tell_does_not_count_as_empty(
    problem: str, counts: dict[str, int]
) -> None:
    found = counted({}, problem)
    assert {name: count for name, (count, _) in found.items()} == counts
    assert all("cannot be told" in reason for _, reason in found.values())
    assert counted(INSIDE, problem)["custom"] == (3, "no document has it (wallet)")
