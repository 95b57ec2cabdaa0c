"""Groups and aliases on real servers."""

from __future__ import annotations

from typing import Any

from bank_vaults.configure.config import Auth, Configuration, Group, GroupAlias, Purge
from bank_vaults.configure.model import Action, Place, Wanted
from bank_vaults.configure.sections import auth, groups
from bank_vaults.configure.server import Server as Facts
from tests.support.configuring import Applier

PLACE = Place("vault-config.yml", 1, 1)


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
