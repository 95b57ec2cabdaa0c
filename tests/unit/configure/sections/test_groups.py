"""Groups and their aliases: compared by what they are, deleted by name and mount."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bank_vaults.configure import plan
from bank_vaults.configure.config import Auth, Configuration, Group, GroupAlias, MemberAlias, Purge
from bank_vaults.configure.memory import Memory
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
from bank_vaults.configure.sections import groups, members
from bank_vaults.configure.sections.refused import Refused
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


ALIASED = {
    "canonical_id": "e2",
    "name": "bob",
    "mount_accessor": "acc1",
    "mount_path": "auth/people/",
}
KNOWN: dict[str, Any] = {
    "identity/entity/name/alice": {"id": "e1", "name": "alice"},
    members.ENTITY_ALIASES: {"key_info": {"1": {**ALIASED, "mount_path": "auth/other/"}, "2": ALIASED}},
    "identity/group/name/others": {"id": "g1"},
}
BY_NAME: dict[str, Any] = {
    "member_entities": ["alice"],
    "member_entity_aliases": (MemberAlias("people", "bob"),),
    "member_groups": ["others"],
}


def planned_members(found: dict[str, Any] | None, *others: Group, **given: Any) -> Change:
    """Of the group admin with these members."""
    configuration = Configuration(groups=(group("internal", **given), *others))
    return groups.wanted(configuration, Server())[0].plan(shows({**KNOWN, ADMIN: found}), None, CONTEXT)


def test_members_are_looked_up_by_their_names_and_told_by_them() -> None:
    change = planned_members(None, policies=["a"], **BY_NAME)
    assert change.requests == (
        Request(
            "PUT",
            ADMIN,
            {
                "policies": ["a"],
                "type": "internal",
                "member_entity_ids": ["e1", "e2"],
                "member_group_ids": ["g1"],
            },
        ),
    )
    assert [(each.field, each.before, each.after) for each in change.differences[-2:]] == [
        ("member_entities", None, ["alice", "people/bob"]),
        ("member_groups", None, ["others"]),
    ]
    (made,) = groups.wanted(Configuration(groups=(group("internal", **BY_NAME),)), Server())
    assert set(made.reads) == {ADMIN, *KNOWN}


def test_members_that_are_there_are_kept_in_any_order_and_however_often_they_are_given() -> None:
    found = {"type": "internal", "member_entity_ids": ["e2", "e1"], "member_group_ids": ["g1"]}
    assert planned_members(found, **BY_NAME).action is Action.KEEP
    assert planned_members(found, **BY_NAME, member_entity_ids=["e1"]).action is Action.KEEP
    assert planned_members(found).action is Action.KEEP


def test_another_member_is_the_only_difference_and_everything_is_sent() -> None:
    found = {"type": "internal", "policies": ["a"], "member_entity_ids": ["e1", "e9"]}
    change = planned_members(found, policies=["a"], member_entities=["alice"])
    assert (change.action, change.reason) == (Action.UPDATE, "member_entities differ")
    assert [(each.before, each.after) for each in change.differences] == [(["alice", "e9"], ["alice"])]
    assert change.requests[0].body == {"policies": ["a"], "type": "internal", "member_entity_ids": ["e1"]}
    both = planned_members(found, policies=["b"], member_entities=["alice"])
    assert both.reason == "policies differ; member_entities differ"


def test_an_empty_list_takes_the_members_away_and_none_at_all_leaves_them() -> None:
    found = {"type": "internal", "member_entity_ids": ["e1"], "member_group_ids": ["g1"]}
    change = planned_members(found, member_groups=[])
    assert change.requests[0].body == {"type": "internal", "member_group_ids": []}


def test_a_group_of_a_document_may_be_a_member_before_it_is_there_and_is_made_first() -> None:
    change = planned_members(None, group("internal", "Team/New"), member_groups=["team/new", "others"])
    assert change.needs == {Identity("groups", "group", "Team/New"), Identity("groups", "group", "others")}
    assert change.requests[0].body == {
        "type": "internal",
        "member_group_ids": [Reference("group", "Team/New"), "g1"],
    }


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"member_entities": ["alice", "carol"]}, "there is no entity 'carol'"),
        ({"member_groups": ["none"]}, "there is no group 'none', neither in a document nor on the server"),
        (
            {"member_entity_aliases": (MemberAlias("people", "carol"),)},
            "no entity has the alias 'carol' in the auth method people",
        ),
        ({"member_entities": ["../carol"]}, "dots"),
    ],
)
def test_a_member_that_nobody_knows_fails_its_group_alone(given: dict[str, Any], word: str) -> None:
    configuration = Configuration(groups=(group("internal", **given), group(name="fine")))
    made = plan.make(groups.wanted(configuration, Server()), shows(KNOWN), Memory.empty(), WriteOnly.CHANGED)
    assert [change.action for change in made.changes] == [Action.REFUSED, Action.CREATE]
    assert word in made.changes[0].reason


def test_an_alias_of_several_entities_is_no_name() -> None:
    twice = {"key_info": {"1": ALIASED, "2": {**ALIASED, "canonical_id": "e3"}}}
    (made,) = groups.wanted(Configuration(groups=(group("internal", **BY_NAME),)), Server())
    change = made.plan(shows({**KNOWN, members.ENTITY_ALIASES: twice}), None, CONTEXT)
    assert change.action is Action.REFUSED
    assert "several entities have the alias 'bob'" in change.reason


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("identity/entity/name/alice", Shown(None, "403: denied")),
        ("identity/entity/name/alice", Shown({"id": 5})),
        (members.ENTITY_ALIASES, Shown({"key_info": {"1": {**ALIASED, "canonical_id": None}}})),
        (members.ENTITY_ALIASES, Shown({"key_info": {"1": {**ALIASED, "mount_path": 1}}})),
        ("identity/group/name/others", Shown({})),
        (ADMIN, Shown({"type": "internal", "member_group_ids": "g1"})),
    ],
)
def test_a_member_of_which_the_server_shows_nothing_usable_is_not_guessed(path: str, answer: Shown) -> None:
    (made,) = groups.wanted(Configuration(groups=(group("internal", **BY_NAME),)), Server())
    known = shows(KNOWN)
    with pytest.raises(UnreadableError, match=re.escape(path)):
        made.plan(lambda each: answer if each == path else known(each), None, CONTEXT)


def test_members_are_written_where_the_group_is_not_shown_and_once_only() -> None:
    (made,) = groups.wanted(Configuration(groups=(group("internal", **BY_NAME),)), Server())
    known = shows(KNOWN)

    def shown(path: str) -> Shown:
        return Shown(None, "403: denied") if path == ADMIN else known(path)

    first = made.plan(shown, None, CONTEXT)
    assert first.requests[0].body["member_group_ids"] == ["g1"]  # type: ignore[index]
    assert made.plan(shown, first.record, CONTEXT).action is Action.KEEP


def test_groups_that_would_be_members_of_themselves_are_refused_and_no_others() -> None:
    given = {
        "alone": ["ALONE"],
        "a": ["b"],
        "b": ["c", "leaf"],
        "c": ["a"],
        "above": ["a"],
        "leaf": [],
    }
    configuration = Configuration(
        groups=tuple(group("internal", name, member_groups=each) for name, each in given.items())
    )
    refused = {
        item.identity.name
        for item in groups.wanted(configuration, Server())
        if item.plan(shows(KNOWN), None, CONTEXT).action is Action.REFUSED
    }
    assert refused == {"alone", "a", "b", "c"}


@pytest.mark.parametrize(
    ("wanted", "found", "word"),
    [
        (group("internal"), {"type": "external"}, "cannot be changed"),
        (group(member_entity_ids=["e"]), None, "member_entity_ids"),
        (group(member_groups=["e"]), None, "no member_groups: its members come through aliases"),
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
    assert change.requests == (
        Request("DELETE", "identity/group-alias/id/1"),
        Request("PUT", "identity/group-alias", BODY),
    )


def test_a_second_alias_of_a_group_is_refused() -> None:
    others = (ALIAS._replace(name="second", group=ALIAS.group.upper()), ALIAS._replace(name="b", group="b"))
    first, second, other = groups.wanted(Configuration(group_aliases=(ALIAS, *others)), Server())
    assert isinstance(second, Refused)
    assert second.reason == (
        f"the group {ALIAS.group.upper()} can have one alias only, and has "
        f"{ALIAS.mountpath}/{ALIAS.name} ({ALIAS.place})"
    )
    assert not isinstance(first, Refused)
    assert not isinstance(other, Refused)


def test_an_alias_finds_its_group_by_capitals_and_small_letters_alike() -> None:
    alias = ALIAS._replace(group="ADMIN")
    *_, made = groups.wanted(Configuration(groups=(group(),), group_aliases=(alias,)), Server())
    change = made.plan(shows({"sys/auth": METHODS, ADMIN: None}), None, CONTEXT)
    assert change.requests == (Request("PUT", "identity/group-alias", BODY),)


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


def test_k16_an_alias_of_a_group_that_cannot_be_read_is_left_as_it_is() -> None:
    *_, made = groups.wanted(Configuration(groups=(group(),), group_aliases=(ALIAS,)), Server())
    known = shows({"sys/auth": METHODS, groups.ALIASES: {"key_info": {"1": info()}}})
    change = made.plan(lambda path: Shown(None, "denied") if path == ADMIN else known(path), None, CONTEXT)
    assert (change.action, change.requests) == (Action.REFUSED, ())
    assert "the group admin cannot be read: denied" in change.reason


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


@pytest.mark.parametrize(
    "odd", [{"name": None}, {"name": 5}, {"mount_accessor": None}, {"mount_accessor": "?", "mount_path": 5}]
)
def test_k16_an_alias_that_cannot_be_told_is_no_alias_to_delete(odd: dict[str, Any]) -> None:
    answers: dict[str, Any] = {groups.ALIASES: {"key_info": {"1": {**info(), **odd}}}, "sys/auth": METHODS}
    configuration = Configuration(group_aliases=(ALIAS,), purge=Purge(True, frozenset({"groups"})))
    with pytest.raises(UnreadableError, match="is no text"):
        groups.unmanaged(configuration, shows(answers))


def test_k21_an_alias_is_of_the_method_whose_accessor_it_has() -> None:
    answers: dict[str, Any] = {
        groups.ALIASES: {"key_info": {"1": {**info(), "mount_path": None}}},
        "sys/auth": METHODS,
    }
    configuration = Configuration(group_aliases=(ALIAS,), purge=Purge(True, frozenset({"groups"})))
    assert groups.unmanaged(configuration, shows(answers)) == ()


def test_nothing_is_deleted_unless_asked() -> None:
    assert groups.unmanaged(Configuration(), shows(LISTED)) == ()
