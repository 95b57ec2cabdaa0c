"""Promises of several documents that are one configuration."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bank_vaults.configure.config import Configuration, Purge
from bank_vaults.configure.merge import IDENTITIES, merge, replacements
from tests.unit.configure.decoding import decoded, document

_MAKERS: dict[str, Any] = {
    "audit": lambda name, body: {"type": "file", "path": name, "options": body},
    "plugins": lambda name, body: {"plugin_name": name, "type": "auth", "command": str(body)},
    "auth": lambda name, body: {"type": "approle", "path": name, "config": body},
    "groups": lambda name, body: {"name": name, "type": "internal", "metadata": body},
    "group-aliases": lambda name, body: {"name": name, "mountpath": "m", "group": str(body)},
    "policies": lambda name, body: {"name": name, "rules": str(body)},
    "secrets": lambda name, body: {"type": "kv", "path": name, "configuration": {"config": body}},
    "startupSecrets": lambda name, body: {"type": "kv", "path": name, "data": {"data": body}},
}
_BODIES = st.dictionaries(st.sampled_from("xyz"), st.integers(), max_size=2)


def _elements(make: Any, bodies: dict[str, Any]) -> list[Any]:
    return [make(name, body) for name, body in bodies.items()]


def _documents(names: str) -> st.SearchStrategy[Configuration]:
    """Documents whose elements have these names, one letter each."""
    sections = {
        section: st.dictionaries(st.sampled_from(names), _BODIES, max_size=3).map(partial(_elements, make))
        for section, make in _MAKERS.items()
    }
    exclude = st.dictionaries(st.sampled_from(["audit", "auth", "secrets"]), st.booleans())
    purge = st.fixed_dictionaries({"enabled": st.booleans(), "within": st.booleans(), "exclude": exclude})
    return st.fixed_dictionaries({}, optional={**sections, "purgeUnmanagedConfig": purge}).map(decoded)


def _by_identity(configuration: Configuration) -> list[Any]:
    sections = [
        {identity(element): element for element in getattr(configuration, section)}
        for section, identity in IDENTITIES.items()
    ]
    return [*sections, configuration.purge]


def test_nothing_makes_an_empty_configuration() -> None:
    assert merge([]) == Configuration()


@given(_documents("abc"), _documents("def"), _documents("ghi"))
def test_the_order_of_files_makes_no_difference_where_no_element_is_there_twice(
    first: Configuration, second: Configuration, third: Configuration
) -> None:
    expected = _by_identity(merge([first, second, third]))
    assert _by_identity(merge([third, first, second])) == expected
    assert _by_identity(merge([second, third, first])) == expected
    assert not list(replacements([first, second, third]))


@given(st.lists(_documents("abcd"), max_size=3))
def test_merging_again_changes_nothing(found: list[Configuration]) -> None:
    merged = merge(found)
    assert merge([merged]) == merged
    assert merge([merged, merged]) == merged
    assert merge([*found, *found[-1:]]) == merged


@given(_documents("abcd"), _documents("abcd"), _documents("abcd"))
def test_files_can_be_merged_in_any_grouping(
    first: Configuration, second: Configuration, third: Configuration
) -> None:
    expected = merge([first, second, third])
    assert merge([merge([first, second]), third]) == expected
    assert merge([first, merge([second, third])]) == expected


@given(_documents("abcd"), _documents("abcd"))
def test_k1_every_element_is_as_one_file_has_it(first: Configuration, second: Configuration) -> None:
    merged, later = merge([first, second]), _by_identity(second)
    for union, one, other in zip(_by_identity(merged), _by_identity(first)[:-1], later[:-1], strict=False):
        assert union == {**one, **other}


def test_k1_elements_do_not_bleed_into_each_other() -> None:
    first = {"type": "approle", "path": "p", "options": {"max_lease_ttl": "1h"}, "roles": [{"name": "admin"}]}
    merged = merge([decoded({"auth": [first]}), decoded({"auth": [{"type": "github"}]})])
    assert [auth.path for auth in merged.auth] == ["p", "github"]
    assert (merged.auth[1].tune, merged.auth[1].roles) == (None, ())
    assert merged.auth[0].roles[0].name == "admin"


def test_k1_roles_are_not_merged() -> None:
    first = {"auth": {"type": "approle", "roles": [{"name": "admin", "policies": "root"}]}}
    second = {"auth": {"type": "approle", "roles": [{"name": "dev"}]}}
    (auth,) = merge([decoded(first), decoded(second)]).auth
    assert [role.body for role in auth.roles] == [{"name": "dev"}]


def test_k1_a_field_or_an_element_that_is_gone_from_the_file_is_gone() -> None:
    other = decoded({"policies": [{"name": "other"}]})
    before = decoded(
        {"policies": [{"name": "a"}, {"name": "b"}], "secrets": {"type": "kv", "description": "d"}}
    )
    after = decoded({"policies": [{"name": "a"}], "secrets": {"type": "kv"}})
    assert len(merge([before, other]).policies) == 3
    merged = merge([after, other])
    assert [policy.name for policy in merged.policies] == ["a", "other"]
    assert merged.secrets[0].description is None


def test_k1_merging_changes_no_document() -> None:
    first = decoded({"auth": {"type": "a", "config": {"x": 1}}})
    second = decoded({"auth": {"type": "a", "config": {"y": 2}}})
    before = json.dumps([first, second], default=list)
    merge([first, second])
    assert json.dumps([first, second], default=list) == before


def test_a_replaced_element_keeps_its_position_and_is_told() -> None:
    first = document("policies: [{name: a}, {name: b}]", "first.yml").configuration
    second = document("policies: [{name: c}, {name: a, rules: r}]", "second.yml").configuration
    third = document("policies: [{name: a}]", "third.yml").configuration
    assert [policy.name for policy in merge([first, second]).policies] == ["a", "b", "c"]
    assert merge([first, second]).policies[0].rules == "r"
    assert [str(each) for each in replacements([first, second, third])] == [
        "second.yml:1:23: policies 'a' replaces as a whole the one at first.yml:1:12",
        "third.yml:1:12: policies 'a' replaces as a whole the one at second.yml:1:23",
    ]


def test_the_purge_of_all_documents_is_united() -> None:
    purges = [
        {"enabled": True, "exclude": {"auth": True, "audit": False}},
        {"exclude": {"audit": True, "auth": False}},
        {"within": True},
    ]
    united = merge(decoded({"purgeUnmanagedConfig": purge}) for purge in purges).purge
    assert united == Purge(enabled=True, exclude=frozenset({"auth", "audit"}), within=True)
