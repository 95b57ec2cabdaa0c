"""Mounts on real servers: created, tuned, reset, and nothing left to do afterwards."""

from __future__ import annotations

from typing import Any

from bank_vaults.configure.config import MountOptions
from bank_vaults.configure.model import Action, Identity, Place, Stage
from bank_vaults.configure.sections import mount
from bank_vaults.configure.sections.mount import Area, Mount
from bank_vaults.configure.server import FACTS, facts
from tests.support.configuring import Applier

PLACE = Place("vault-config.yml", 1, 1)


def wanted(area: Area, path: str, kind: str, **given: Any) -> Mount:
    section = "auth" if area == "sys/auth" else "secrets"
    return Mount(Identity(section, "mount", path), PLACE, area, path, kind, **given)


FIELDS: dict[str, Any] = {
    "default_lease_ttl": "1h",
    "max_lease_ttl": 7200,
    "audit_non_hmac_request_keys": ["a", "b"],
    "audit_non_hmac_response_keys": ["c"],
    "listing_visibility": "unauth",
    "passthrough_request_headers": ["X-One", "X-Two"],
    "allowed_response_headers": ["X-Three"],
}


def test_mounts_are_created_tuned_and_reset(applier: Applier) -> None:
    lockout = {"lockout_threshold": 3, "lockout_duration": "10m", "lockout_counter_reset_duration": "5m"}
    tuned = MountOptions({**FIELDS, "token_type": "batch", "user_lockout_config": lockout}, {})
    one = wanted("sys/auth", "team/app", "userpass", description="ours", local=True, tune=tuned)
    two = wanted("sys/mounts", "kv", "kv", tune=MountOptions(FIELDS, {"version": "1"}), seal_wrap=False)
    three = wanted("sys/mounts", "p", "plugin", plugin_name="transit")
    first = applier.apply_twice([one, two, three])
    assert [change.action for change in first.changes] == [Action.CREATE] * 3

    empty = {name: [] if isinstance(value, list) else "" for name, value in FIELDS.items()}
    no_lockout = {"lockout_threshold": 0, "lockout_duration": "0", "lockout_counter_reset_duration": "0"}
    reset = MountOptions({**empty, "token_type": "", "user_lockout_config": no_lockout}, {})
    one = one._replace(description="", tune=reset)
    two = two._replace(tune=MountOptions(empty, {"version": "2"}), description="two")
    again = applier.apply_twice([one, two, three])
    assert [(change.action, change.identity.name) for change in again.todo] == [
        (Action.UPDATE, "team/app"),
        (Action.UPDATE, "kv"),
    ]


def test_fields_that_a_server_takes_and_forgets_are_sent_once(applier: Applier) -> None:
    tune = MountOptions({"force_no_cache": True, "allowed_managed_keys": ["k"]}, {})
    applier.apply_twice([wanted("sys/mounts", "t", "transit", tune=tune)])
    other = MountOptions({"force_no_cache": False, "allowed_managed_keys": ["l"]}, {})
    applier.apply_twice([wanted("sys/mounts", "t", "transit", tune=other)])


def test_k19_a_mount_of_another_type_is_refused(applier: Applier) -> None:
    applier.apply_twice([wanted("sys/mounts", "t", "transit")])
    (change,) = applier.plan([wanted("sys/mounts", "t", "kv")]).todo
    assert change.action is Action.REFUSED


def test_deletions_of_a_fresh_server_are_none(applier: Applier) -> None:
    areas: tuple[tuple[str, Area], ...] = (("auth", "sys/auth"), ("secrets", "sys/mounts"))
    for section, area in areas:
        assert mount.unmanaged(section, area, (), applier.shown) == ()


def test_unmanaged_mounts_are_deleted_with_a_count_of_what_is_inside(applier: Applier) -> None:
    every = [
        wanted("sys/auth", "up", "userpass"),
        wanted("sys/mounts", "kv", "kv", tune=MountOptions({}, {"version": "1"})),
        wanted("sys/mounts", "keys", "transit"),
    ]
    applier.apply_twice(every)
    for path, body in (("kv/a", {"b": "c"}), ("keys/keys/k", {}), ("auth/up/users/u", {"password": "p"})):
        assert applier.call("PUT", path, body).status < 300
    doomed = (
        *mount.unmanaged("auth", "sys/auth", (), applier.shown),
        *mount.unmanaged("secrets", "sys/mounts", {"keys"}, applier.shown),
    )
    doomed = tuple(mount.with_contents(change, applier.shown) for change in doomed)
    assert [(str(change.identity), change.contents) for change in doomed] == [
        ("auth mount up", 1),
        ("secrets mount kv", 1),
    ]
    applier.apply(applier.plan((), doomed))
    assert mount.unmanaged("secrets", "sys/mounts", {"keys"}, applier.shown) == ()
    assert Stage.PURGE in {change.stage for change in doomed}


def test_a_mount_of_any_type_that_holds_data_does_not_count_as_empty(applier: Applier) -> None:
    plugins = (applier.shown("sys/plugins/catalog").fields or {})["detailed"]
    types = {
        kind: [plugin["name"] for plugin in plugins if plugin["type"] == kind] for kind in ("auth", "secret")
    }
    every = [wanted("sys/auth", name, name) for name in types["auth"]]
    every += [wanted("sys/mounts", name, name) for name in types["secret"]]
    applier.apply_twice(every)
    doomed = (
        *mount.unmanaged("auth", "sys/auth", (), applier.shown),
        *mount.unmanaged("secrets", "sys/mounts", (), applier.shown),
    )
    assert len(doomed) == len(every)
    empty = {str(change.identity): mount.with_contents(change, applier.shown).reason for change in doomed}
    assert [reason for reason in empty.values() if "cannot be told" in reason] == []


def test_the_product_and_the_version_are_found(applier: Applier) -> None:
    read = {path: applier.shown(path) for path in FACTS}
    server = facts(read.__getitem__, {})
    kind = applier.server.kind
    assert (server.product, server.version) == (kind.flavour, kind.version)
    assert server.auth == {"token"}
