"""K-3: a purge has brakes, and they hold."""

from __future__ import annotations

import pytest

from bank_vaults.configure.model import Action, Change, Identity, Request, Stage
from bank_vaults.configure.purging import Brakes, brake, parse_limits, spared
from bank_vaults.configure.standing import Standing


def deletion(name: str, section: str = "secrets", path: str = "", contents: int = 0) -> Change:
    request = Request("DELETE", path or f"sys/mounts/{name}")
    identity = Identity(section, "mount", name)
    return Change(
        identity,
        Action.DELETE,
        "no document has it",
        requests=(request,),
        stage=Stage.PURGE,
        contents=contents,
    )


def kept(count: int) -> list[Change]:
    return [Change(Identity("policies", "policy", str(n)), Action.KEEP, "as wanted") for n in range(count)]


def actions(changes: tuple[Change, ...]) -> list[Action]:
    return [change.action for change in changes]


def test_without_brakes_everything_is_as_planned() -> None:
    changes = (*kept(1), deletion("a", contents=5))
    assert brake(changes, Brakes()) == changes


@pytest.mark.parametrize(
    ("brakes", "stopped"),
    [
        (Brakes(most=2), False),
        (Brakes(most=1), True),
        (Brakes(most=0), True),
        (Brakes(share=20), False),
        (Brakes(share=19), True),
        (Brakes(most=2, share=19), True),
    ],
)
def test_k3_beyond_a_limit_nothing_at_all_is_deleted(brakes: Brakes, stopped: bool) -> None:
    braked = brake((*kept(8), deletion("a"), deletion("b")), brakes)
    assert actions(braked)[8:] == [Action.REFUSED if stopped else Action.DELETE] * 2
    assert all(bool(change.requests) is not stopped for change in braked[8:])
    assert ("--purge-limit" in braked[-1].reason) is stopped


@pytest.mark.parametrize(
    ("pattern", "holds"),
    [
        ("secrets/a", True),
        ("a", True),
        ("/a/", True),
        ("sys/mounts/a", True),
        ("*", True),
        ("?", True),
        ("b", False),
        ("aa", False),
        ("auth/a", False),
    ],
)
def test_k3_what_is_protected_stays_whatever_it_is_called(pattern: str, holds: bool) -> None:
    braked = brake((deletion("a"),), Brakes(protect=(pattern,)))
    assert actions(braked) == [Action.KEEP if holds else Action.DELETE]
    assert bool(spared(braked)) is holds


def test_k3_what_is_inside_of_something_protected_stays() -> None:
    role = deletion("database/roles/app", path="database/roles/app")
    auth = deletion("approle", "auth", "sys/auth/approle")
    assert actions(brake((role, auth), Brakes(protect=("database", "auth/approle")))) == [Action.KEEP] * 2


def test_k3_mounts_that_hold_data_stay_where_that_is_asked_for() -> None:
    braked = brake(
        (deletion("full", contents=3), deletion("one", contents=1), deletion("b")), Brakes(keep_data=True)
    )
    assert actions(braked) == [Action.KEEP, Action.KEEP, Action.DELETE]
    assert "3 objects are inside" in braked[0].reason
    assert "one object is inside" in braked[1].reason


def test_protected_objects_do_not_count_for_the_limit() -> None:
    braked = brake((deletion("a"), deletion("b")), Brakes(most=1, protect=("a",)))
    assert actions(braked) == [Action.KEEP, Action.DELETE]


def test_limits_are_counts_and_shares() -> None:
    assert parse_limits([]) == (None, None)
    assert parse_limits(["10", "20%", "5"]) == (5, 20)
    for wrong in ("", "x", "-1", "101%", "1.5", "%"):
        with pytest.raises(ValueError, match="is no limit"):
            parse_limits([wrong])


def test_k3_a_mount_in_which_a_document_has_something_stays() -> None:
    changes = (deletion("vault/keys", contents=1), deletion("vault", "auth"), deletion("other"))
    used = ("vault/keys/data/root", "vault/keys/metadata/root", "sys/mounts", "otherwise/x")
    kept_one, *others = brake(changes, Brakes(), used)
    assert (kept_one.action, kept_one.requests) == (Action.KEEP, ())
    assert "a document has something in it: vault/keys/data/root" in kept_one.reason
    assert spared((kept_one,)) == (kept_one,)
    assert actions(tuple(others)) == [Action.DELETE, Action.DELETE]


def test_k3_the_mount_of_the_state_stays() -> None:
    changes = (deletion("state"), deletion("state", "auth", "sys/auth/state"))
    state, other = brake(changes, Brakes(own=("state/configure",)))
    assert actions((state, other)) == [Action.KEEP, Action.DELETE]
    assert "this program uses state/configure" in state.reason


def test_k3_what_the_token_of_the_run_depends_on_stays() -> None:
    changes = (
        deletion("limited", "policies", "sys/policies/acl/limited"),
        deletion("auth/machines/role/Robot", "auth", "auth/machines/role/Robot"),
        deletion("machines", "auth", "sys/auth/machines"),
        deletion("other", "policies", "sys/policies/acl/other"),
    )
    own = Standing(frozenset({"sys/policies/acl/limited", "auth/machines/role/robot", "sys/auth/machines"}))
    braked = brake(changes, Brakes(most=1), standing=own)
    assert actions(braked) == [Action.KEEP, Action.KEEP, Action.KEEP, Action.DELETE]
    assert "the token of this program depends on it" in braked[0].reason


def test_k3_of_a_token_that_cannot_be_seen_nothing_is_deleted_that_may_be_its_own() -> None:
    changes = tuple(deletion("a", section) for section in ("auth", "policies", "groups", "secrets", "audit"))
    braked = brake(changes, Brakes(), standing=Standing(problem="403: denied"))
    assert actions(braked) == [Action.REFUSED] * 3 + [Action.DELETE] * 2
    assert "403: denied" in braked[0].reason
    assert braked[0].requests == ()


def test_k3_groups_and_plugins_that_documents_need_stay_however_they_are_written() -> None:
    needs = frozenset({Identity("groups", "group", "Team"), Identity("plugins", "plugin", "secret/own")})
    change = Change(Identity("groups", "group", "mine"), Action.CREATE, "it is not there", needs=needs)
    doomed = tuple(
        Change(Identity(section, kind, name), Action.DELETE, "no document has it", stage=Stage.PURGE)
        for section, kind, name in (
            ("groups", "group", "team"),
            ("plugins", "plugin", "secret/own v1.0.0"),
            ("plugins", "plugin", "auth/own v1.0.0"),
        )
    )
    assert actions(brake((change, *doomed), Brakes())[1:]) == [Action.KEEP, Action.KEEP, Action.DELETE]


def test_k3_brackets_in_a_protected_path_are_brackets() -> None:
    (change,) = brake((deletion("team[a]/kv"),), Brakes(protect=("secrets/team[a]/*",)))
    assert change.action is Action.KEEP


def test_k3_an_auth_method_that_a_document_refers_to_stays() -> None:
    method = Identity("auth", "mount", "people")
    alias = Change(
        Identity("group-aliases", "alias", "people/a"), Action.KEEP, "as wanted", needs=frozenset({method})
    )
    braked = brake((alias, deletion("people", "auth", "sys/auth/people"), deletion("people")), Brakes())
    assert actions(braked) == [Action.KEEP, Action.KEEP, Action.DELETE]
    assert "a document refers to it" in braked[1].reason
