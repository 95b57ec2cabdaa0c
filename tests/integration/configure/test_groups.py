"""Groups and aliases on real servers."""

from __future__ import annotations

from typing import Any

from bank_vaults.configure.config import Auth, Configuration, Group, GroupAlias, Purge
from bank_vaults.configure.model import Action, Wanted
from bank_vaults.configure.model import Place as Written
from bank_vaults.configure.sections import auth, groups
from bank_vaults.configure.server import Server as Facts
from tests.support.configured import Place
from tests.support.configuring import Applier
from tests.support.faultproxy import FaultProxy
from tests.support.program import run

PLACE = Written("vault-config.yml", 1, 1)


def group(name: str, kind: str = "external", **body: Any) -> Group:
    return Group(PLACE, name, kind, body)


def alias(name: str, mount: str, of: str) -> GroupAlias:
    return GroupAlias(PLACE, name, mount, of)


def method(path: str) -> Auth:
    return Auth(PLACE, path, "approle", None, None, None, None, None, (), (), (), (), {})


def wanted(configuration: Configuration) -> tuple[Wanted, ...]:
    return (*auth.wanted(configuration, Facts()), *groups.wanted(configuration, Facts()))


EVERY = Configuration(
    auth=(method("one"), method("team/two")),
    groups=(
        group("Admins", policies=["B", "a"], metadata={"privileged": True, "level": 3, "team": "X"}),
        group("team/dev", policies=[]),
        group("inner", "internal", policies=["a"]),
    ),
    group_aliases=(alias("people", "one", "Admins"), alias("people", "team/two", "team/dev")),
)


def test_groups_and_aliases_are_written_once_also_with_their_mounts(applier: Applier) -> None:
    first = applier.apply_twice(wanted(EVERY))
    assert {change.action for change in first.changes} == {Action.CREATE}
    applier.memory = applier.memory.empty()
    assert not applier.plan(wanted(EVERY)).todo


def test_k21_members_of_internal_groups(applier: Applier) -> None:
    applier.apply_twice(wanted(EVERY))
    number = (applier.shown("identity/group/name/inner").fields or {})["id"]
    entity = applier.call("PUT", "identity/entity", {"name": "e"}).body["data"]["id"]
    outer = group("outer", "internal", member_group_ids=[number], member_entity_ids=[entity])
    applier.apply_twice(wanted(EVERY._replace(groups=(*EVERY.groups, outer))))
    shown = applier.shown("identity/group/name/outer").fields or {}
    assert (shown["member_group_ids"], shown["member_entity_ids"]) == ([number], [entity])


NAMED: dict[str, Any] = {
    "auth": [{"type": "userpass", "path": "people"}],
    "groups": [
        {"name": "outermost", "type": "internal", "member_groups": ["Outer"], "policies": ["a"]},
        {
            "name": "outer",
            "type": "internal",
            "member_groups": ["inner", "Theirs"],
            "member_entities": ["Alice"],
            "member_entity_aliases": [{"name": "bob", "mountpath": "people"}],
        },
        {"name": "inner", "type": "internal", "member_entities": []},
    ],
}


def test_members_by_name_are_made_first_found_again_and_told_by_name(place: Place) -> None:
    place.call("POST", "sys/auth/people", {"type": "userpass"})
    accessor = (place.shown("sys/auth") or {})["people/"]["accessor"]
    alice, bob = (
        place.call("PUT", "identity/entity", {"name": name}).body["data"]["id"] for name in ("alice", "bob")
    )
    place.call(
        "PUT", "identity/entity-alias", {"name": "bob", "canonical_id": bob, "mount_accessor": accessor}
    )
    theirs = place.call("PUT", "identity/group", {"name": "theirs", "type": "external"}).body["data"]["id"]
    place.write(NAMED)
    planned = place.plan()
    assert 'member_entities: ["Alice", "people/bob"]' in planned.output, planned.output
    printed = run("configure", "policy", *place.flags(), store=place.store)
    assert place.call("PUT", "sys/policies/acl/limited", {"policy": printed.output}).status < 300
    token = place.call("POST", "auth/token/create", {"policies": ["limited"]}).body["auth"]["client_token"]
    (place.store / "token").write_text(token)
    done = place.once("--auth=token-file", f"--auth-token-file={place.store / 'token'}")
    assert done.code == 0, done.log + done.output
    inner, outer, outermost = (
        place.shown(f"identity/group/name/{name}") or {} for name in ("inner", "outer", "outermost")
    )
    assert set(outer["member_entity_ids"]) == {alice, bob}
    assert set(outer["member_group_ids"]) == {inner["id"], theirs}
    assert outermost["member_group_ids"] == [outer["id"]]
    with FaultProxy(place.server) as proxy:
        again = place.once(address=proxy.address)
        assert (again.code, place.writes(proxy)) == (0, []), again.log
    place.write({**NAMED, "groups": [{**NAMED["groups"][1], "member_entities": [], "member_groups": []}]})
    planned = place.plan()
    assert 'member_entities: ["people/bob", ' in planned.output or '"people/bob"] -> ["people/bob"]' in (
        planned.output
    ), planned.output
    assert place.once().code == 0
    outer = place.shown("identity/group/name/outer") or {}
    assert (outer["member_entity_ids"], outer["member_group_ids"] or []) == ([bob], [])


def test_a_member_that_is_not_there_fails_its_group_and_no_other(place: Place) -> None:
    lacking = {
        "name": "lacking",
        "type": "internal",
        "member_entities": ["nobody"],
        "member_groups": ["none"],
    }
    above = {"name": "above", "type": "internal", "member_groups": ["lacking"]}
    place.write({"groups": [above, lacking, {"name": "fine", "type": "internal"}]})
    assert run("configure", "--validate", *place.flags(), store=place.store).code == 0
    done = place.once()
    assert done.code == 1
    assert (
        "refused: groups group lacking: there is no entity 'nobody'; there is no group 'none'" in done.output
    )
    assert "skipped: groups group above: groups group lacking has failed" in done.output
    assert place.shown("identity/group/name/fine") is not None
    assert place.shown("identity/group/name/above") is None
    place.call("PUT", "identity/entity", {"name": "nobody"})
    place.call("PUT", "identity/group", {"name": "none"})
    assert place.once().code == 0
    assert place.shown("identity/group/name/above") is not None


def test_a_purge_spares_groups_that_a_document_names(place: Place) -> None:
    for name in ("member", "aliased", "neither"):
        place.call("PUT", "identity/group", {"name": name, "type": "external"})
    place.write(
        {
            "purgeUnmanagedConfig": {"enabled": True, "exclude": {"auth": True}},
            "auth": [{"type": "approle"}],
            "groups": [{"name": "mine", "type": "internal", "member_groups": ["Member"]}],
            "group-aliases": [{"name": "a", "mountpath": "approle", "group": "Aliased"}],
        }
    )
    planned = place.plan()
    assert "  groups group member: no document has it (external); it stays, for a document refers to it" in (
        planned.output
    ), planned.output
    for _ in range(2):
        done = place.once()
        assert done.code == 0, done.log + done.output
    assert [
        name for name in ("member", "aliased", "neither") if place.shown(f"identity/group/name/{name}")
    ] == ["member", "aliased"]


def test_a_changed_group_is_written_alone_and_an_alias_goes_to_another_group(applier: Applier) -> None:
    applier.apply_twice(wanted(EVERY))
    changed = EVERY._replace(
        groups=(group("Admins", policies=["c"], metadata={"team": "x"}), *EVERY.groups[1:])
    )
    again = applier.apply_twice(wanted(changed))
    assert [str(change.identity) for change in again.todo] == ["groups group Admins"]
    moved = changed._replace(
        groups=(*changed.groups, group("others")),
        group_aliases=(alias("people", "one", "others"), EVERY.group_aliases[1]),
    )
    assert [str(change.identity) for change in applier.apply_twice(wanted(moved)).todo] == [
        "groups group others",
        "group-aliases alias one/people",
    ]


def test_a_group_of_another_type_is_refused(applier: Applier) -> None:
    applier.apply_twice(wanted(EVERY))
    other = Configuration(groups=(group("inner"),))
    (change,) = applier.plan(wanted(other)).todo
    assert change.action is Action.REFUSED


def test_k21_deletions_by_name_and_mount_and_of_internal_groups_where_asked(applier: Applier) -> None:
    applier.apply_twice(wanted(EVERY))
    purged = EVERY._replace(purge=Purge(enabled=True))
    assert groups.unmanaged(purged, applier.shown) == ()
    left = purged._replace(groups=EVERY.groups[:1], group_aliases=EVERY.group_aliases[:1])
    doomed = groups.unmanaged(left, applier.shown)
    assert {str(change.identity) for change in doomed} == {
        "groups group team/dev",
        "group-aliases alias team/two/people",
    }
    applier.apply(applier.plan((), doomed))
    assert groups.unmanaged(left, applier.shown) == ()
    assert applier.shown("identity/group/name/inner").there
    other = left._replace(groups=(*left.groups, group("mine", "internal")))
    (change,) = groups.unmanaged(other, applier.shown)
    assert str(change.identity) == "groups group inner"


def test_aliases_exchange_their_groups_in_one_run(applier: Applier) -> None:
    def document(one: str, other: str) -> Configuration:
        aliases = (alias("people", "one", one), alias("people", "team/two", other))
        return EVERY._replace(group_aliases=aliases)

    applier.apply_twice(wanted(document("Admins", "team/dev")))
    changed = applier.apply_twice(wanted(document("team/dev", "Admins")))
    assert [str(change.identity) for change in changed.todo] == [
        "group-aliases alias one/people",
        "group-aliases alias team/two/people",
    ]
