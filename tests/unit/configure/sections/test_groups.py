"""Groups and their aliases: compared by what they are, deleted by name and mount."""

from __future__ import annotations

from typing import Any

import pytest

from bank_vaults.configure.config import Auth, Configuration, Group, GroupAlias, Purge
from bank_vaults.configure.model import (
    Action,
    Change,
    Context,
    Identity,
    Place,
    Reference,
    Request,
    Shown,
    WriteOnly,
)
from bank_vaults.configure.sections import groups
from bank_vaults.configure.server import Server, UnreadableError
from tests.support.configuring import digest, shows

PLACE = Place("vault-config.yml", 3, 5)
CONTEXT = Context(digest, WriteOnly.CHANGED)
ADMIN = "identity/group/name/admin"


def group(kind: str = "external", name: str = "admin", **body: Any) -> Group:
    return Group(PLACE, name, kind, body)


def planned_group(wanted: Group, found: dict[str, Any] | None) -> Change:
    (made,) = groups.wanted(Configuration(groups=(wanted,)), Server())
    return made.plan(shows({f"identity/group/name/{wanted.name}": found}), None, CONTEXT)


def test_a_group_is_created_with_what_is_given() -> None:
    change = planned_group(group(policies=["a"], metadata=None), None)
    assert change.action is Action.CREATE
    assert change.requests == (Request("PUT", ADMIN, {"policies": ["a"], "type": "external"}),)
    assert change.look == ADMIN


def test_a_group_as_the_server_shows_it_is_kept() -> None:
    found = {"type": "external", "policies": ["a", "b"], "metadata": {"privileged": "1"}, "id": "x"}
    assert (
        planned_group(group(policies=["B", "a"], metadata={"privileged": True}), found).action is Action.KEEP
    )
    assert planned_group(group(policies=["a"]), found).action is Action.UPDATE


def test_k21_internal_groups_have_members() -> None:
    found = {"type": "internal", "policies": None, "member_group_ids": ["g1"]}
    assert planned_group(group("internal", member_group_ids=["g1"]), found).action is Action.KEEP
    change = planned_group(group("internal", member_group_ids=["g2"]), found)
    assert change.requests == (Request("PUT", ADMIN, {"member_group_ids": ["g2"], "type": "internal"}),)


@pytest.mark.parametrize(
    ("wanted", "found", "word"),
    [
        (group("internal"), {"type": "external"}, "cannot be changed"),
        (group(member_entity_ids=["e"]), None, "member_entity_ids"),
        (group(name="a//b"), None, "empty part"),
    ],
)
def test_what_cannot_be_is_refused(wanted: Group, found: dict[str, Any] | None, word: str) -> None:
    change = planned_group(wanted, found)
    assert change.action is Action.REFUSED
    assert word in change.reason


# -- aliases -----------------------------------------------------------------------------------------------

ALIAS = GroupAlias(PLACE, "people", "oidc", "admin")


def info(
    name: str = "people", accessor: str = "acc1", group: str = "g1", mount: str = "oidc"
) -> dict[str, Any]:
    return {
        "name": name,
        "mount_accessor": accessor,
        "canonical_id": group,
        "mount_path": f"auth/{mount}/",
    }


FOUND = {"id": "g1"}
METHODS = {"oidc/": {"accessor": "acc1"}, "other/": {"accessor": "acc2"}}


def planned_alias(
    infos: dict[str, Any], *, methods: Any = METHODS, found: Any = FOUND, managed: bool = False
) -> Change:
    auth = Auth(PLACE, "oidc", "oidc", None, None, None, None, None, (), (), (), (), {})
    configuration = Configuration(group_aliases=(ALIAS,))
    if managed:
        configuration = configuration._replace(auth=(auth,), groups=(group(),))
    made = groups.wanted(configuration, Server())[-1]
    answers = {"sys/auth": methods, groups.ALIASES: {"key_info": infos}, ADMIN: found}
    return made.plan(shows(answers), None, CONTEXT)


BODY = {
    "name": "people",
    "mount_accessor": Reference("accessor", "oidc"),
    "canonical_id": Reference("group", "admin"),
}


def test_k21_an_alias_is_found_by_name_and_mount_in_one_listing() -> None:
    made = groups.wanted(Configuration(group_aliases=(ALIAS,)), Server())[-1]
    assert made.reads == ("sys/auth", groups.ALIASES, ADMIN)
    assert planned_alias({"1": info(accessor="acc2"), "2": info()}).action is Action.KEEP
    change = planned_alias({"1": info(accessor="acc2"), "2": info(name="others")})
    assert change.action is Action.CREATE
    assert change.requests == (Request("PUT", "identity/group-alias", BODY),)


def test_an_alias_of_another_group_is_given_to_this_one() -> None:
    change = planned_alias({"1": info(group="g2")})
    assert change.action is Action.UPDATE
    assert change.requests == (Request("PUT", "identity/group-alias/id/1", BODY),)


def test_method_and_group_may_come_with_the_same_run() -> None:
    change = planned_alias({}, methods={}, found=None, managed=True)
    assert change.action is Action.CREATE
    assert change.needs == {Identity("auth", "mount", "oidc"), Identity("groups", "group", "admin")}


@pytest.mark.parametrize(
    ("given", "word"),
    [({"methods": {}}, "no auth method at oidc"), ({"found": None}, "the group admin does not exist")],
)
def test_what_an_alias_needs_has_to_be_somewhere(given: dict[str, Any], word: str) -> None:
    change = planned_alias({}, **given)
    assert change.action is Action.REFUSED
    assert word in change.reason


def test_k16_listings_that_cannot_be_read_are_errors() -> None:
    (made,) = groups.wanted(Configuration(group_aliases=(ALIAS,)), Server())
    for denied in (groups.ALIASES, "sys/auth"):
        change = made.plan(
            lambda path, denied=denied: Shown(None, "denied") if path == denied else Shown({}),  # type: ignore[misc]
            None,
            CONTEXT,
        )
        assert change.action is Action.REFUSED
        assert "denied" in change.reason
    everything = Configuration(purge=Purge(enabled=True))
    for denied in (groups.ALIASES, groups.GROUPS, ADMIN):
        with pytest.raises(UnreadableError, match="denied"):
            groups.unmanaged(
                everything,
                lambda path, denied=denied: (  # type: ignore[misc]
                    Shown(None, "denied") if path == denied else Shown({"keys": ["admin"]})
                ),
            )


def test_an_alias_of_a_group_that_leads_elsewhere_is_refused() -> None:
    alias = ALIAS._replace(group="../x")
    (made,) = groups.wanted(Configuration(group_aliases=(alias,)), Server())
    assert made.plan(shows({}), None, CONTEXT).action is Action.REFUSED


# -- deletions ---------------------------------------------------------------------------------------------

LISTED: dict[str, Any] = {
    groups.GROUPS: {"keys": ["admin", "old", "inner"]},
    "identity/group/name/old": {"type": "external"},
    "identity/group/name/inner": {"type": "internal"},
    groups.ALIASES: {
        "key_info": {"1": info(), "2": info(mount="other", accessor="acc2"), "3": info(name="gone")}
    },
}


@pytest.mark.parametrize(
    ("managed", "deleted"),
    [
        ((group(),), ["old"]),
        ((group(), group("internal", "mine")), ["old", "inner"]),
        ((group(), group(name="INNER")), ["old"]),
    ],
)
def test_k21_internal_groups_are_deleted_only_where_documents_have_some(
    managed: tuple[Group, ...], deleted: list[str]
) -> None:
    purge = Purge(enabled=True, exclude=frozenset({"group-aliases"}))
    configuration = Configuration(groups=managed, purge=purge)
    assert groups.listings(configuration) == (groups.GROUPS,)
    assert "identity/group/name/old" in groups.details(configuration, shows(LISTED))
    assert [change.identity.name for change in groups.unmanaged(configuration, shows(LISTED))] == deleted


def test_k21_aliases_of_the_same_name_on_two_mounts_are_two() -> None:
    purge = Purge(enabled=True, exclude=frozenset({"groups"}))
    configuration = Configuration(group_aliases=(ALIAS,), purge=purge)
    assert groups.listings(configuration) == (groups.ALIASES,)
    assert groups.details(configuration, shows(LISTED)) == ()
    changes = groups.unmanaged(configuration, shows(LISTED))
    assert [(change.identity.name, change.requests[0].path) for change in changes] == [
        ("other/people", "identity/group-alias/id/2"),
        ("oidc/gone", "identity/group-alias/id/3"),
    ]


def test_nothing_is_deleted_unless_asked() -> None:
    assert groups.unmanaged(Configuration(), shows(LISTED)) == ()
