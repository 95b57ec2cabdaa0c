"""K-3: what the token of this program stands on is known from what the server tells of it."""

from __future__ import annotations

from typing import Any

import pytest

from bank_vaults.configure.model import ABSENT, Shown
from bank_vaults.configure.sections.groups import ALIASES, GROUPS
from bank_vaults.configure.standing import NOWHERE, TOKEN, Standing, standing
from tests.support.configuring import shows

METHODS: dict[str, Any] = {"sys/auth": {f"{path}/": {} for path in ("token", "a", "a/login", "people")}}


def paths(token: dict[str, Any], **others: Any) -> set[str]:
    return set(standing(shows({TOKEN: token, **METHODS, **others})).paths)


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ({}, set()),
        ({"path": "auth/token/root", "policies": ["root"]}, {"sys/auth/token", "sys/policies/acl/root"}),
        ({"identity_policies": ["a"]}, {"sys/policies/acl/a"}),
        (
            {"path": "auth/a/login", "meta": {"role_name": "Robot"}},
            {"sys/auth/a", "auth/a/role/robot"},
        ),
        (
            {"path": "auth/a/login/login", "meta": {"cert_name": "web"}},
            {"sys/auth/a/login", "auth/a/login/certs/web"},
        ),
        ({"path": "auth/a/login", "meta": {"role": "r"}}, {"sys/auth/a", "auth/a/role/r"}),
        (
            {"path": "auth/people/login/ops", "meta": {"username": "ops"}},
            {"sys/auth/people", "auth/people/users/ops"},
        ),
        ({"path": "auth/token/create/r", "role": "r"}, {"sys/auth/token", "auth/token/roles/r"}),
        ({"path": "auth/gone/login", "meta": {"role": "r"}}, set()),
        ({"path": 5, "meta": "x", "policies": "root", "identity_policies": [7]}, set()),
        ({"path": "auth/a/login", "meta": ["x"]}, {"sys/auth/a"}),
    ],
)
def test_k3_policies_method_and_role_of_a_token(token: dict[str, Any], expected: set[str]) -> None:
    assert paths(token) == expected


def test_k3_a_token_of_another_namespace_has_its_login_and_its_policies_there() -> None:
    token = {
        "path": "auth/a/login",
        "namespace_path": "above/",
        "meta": {"role": "r"},
        "policies": ["p"],
        "external_namespace_policies": {"abc12": ["q"]},
    }
    shown = shows({TOKEN: token, **METHODS})
    here, both = {"sys/auth/a", "auth/a/role/r"}, {"sys/policies/acl/p", "sys/policies/acl/q"}
    assert standing(shown, "above").paths == here | both
    assert standing(shown, "/above/below/").paths == {"sys/policies/acl/q"}
    assert standing(shown).paths == {"sys/policies/acl/q"}


def test_k3_groups_that_give_policies_are_found_through_others() -> None:
    groups = {
        "direct": {"id": "1", "member_entity_ids": ["me", "you"]},
        "nameless": {"id": [5], "member_entity_ids": ["me"]},
        "above": {"id": "2", "member_group_ids": ["1"]},
        "top": {"id": "3", "member_group_ids": ["9", "2"]},
        "other": {"id": "4", "member_entity_ids": ["you"], "member_group_ids": ["7"]},
        "odd": {"id": [5], "member_entity_ids": "me", "member_group_ids": 5},
    }
    answers: dict[str, Any] = {f"identity/group/name/{name}": fields for name, fields in groups.items()}
    token = {"entity_id": "me", "identity_policies": ["p"]}
    assert paths(token, **answers, **{GROUPS: {"keys": list(groups)}}) == {
        "sys/policies/acl/p",
        *(f"identity/group/name/{name}" for name in ("direct", "nameless", "above", "top")),
    }
    listed = {"x": {"canonical_id": "2"}, "y": {"canonical_id": "4"}, "z": {"canonical_id": 5}}
    found = standing(
        shows({TOKEN: token, **answers, GROUPS: {"keys": list(groups)}, ALIASES: {"key_info": listed}})
    )
    assert {path for path in found.paths if "alias" in path} == {"identity/group-alias/id/x"}
    assert paths({**token, "identity_policies": []}) == set()
    found = standing(lambda path: Shown(token) if path == TOKEN else Shown(None, "403"), "", {"policies"})
    assert found == Standing(frozenset({"sys/policies/acl/p"}))
    blind = standing(
        lambda path: Shown(token) if path == TOKEN else Shown(None, "403"), "", {"group-aliases"}
    )
    assert GROUPS in blind.problem


def test_a_token_is_not_asked_for_where_nothing_is_deleted_that_it_may_depend_on() -> None:
    def shown(path: str) -> Shown:
        raise AssertionError(path)

    for sections in ((), ("secrets", "audit", "plugins")):
        assert standing(shown, "", sections) == NOWHERE


@pytest.mark.parametrize(
    ("answer", "problem"), [(Shown(None, "403: denied"), "403: denied"), (ABSENT, "not")]
)
def test_k3_a_token_that_cannot_be_seen_is_said_to_be_so(answer: Shown, problem: str) -> None:
    found = standing(lambda _: answer)
    assert found == Standing(problem=found.problem)
    assert problem in found.problem
