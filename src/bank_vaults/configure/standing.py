"""What the token of a pass stands on: were it deleted, the next pass could not be made, or not be finished.

The server tells it of any token: its policies, the login that it comes from, and its entity. So it is known
for a login of this program as well as for a token that somebody has put into a file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple

from bank_vaults.configure.model import Fields, Shown
from bank_vaults.configure.sections.groups import ALIASES, GROUPS
from bank_vaults.configure.sections.members import group_path
from bank_vaults.configure.server import AUTH, UnreadableError, infos, keys, listing

TOKEN: Final = "auth/token/lookup-self"  # noqa: S105

_ELSEWHERE: Final = "external_namespace_policies"

_ITEMS: Final[Mapping[str, str]] = {
    "role": "role",
    "role_name": "role",
    "cert_name": "certs",
    "username": "users",
}
"""Where below its mount that is which the metadata of a token name."""


class Standing(NamedTuple):
    """Paths of objects that have to stay."""

    paths: frozenset[str] = frozenset()
    """In small letters: servers find names by capitals as well."""
    problem: str = ""
    """Why the server does not tell; then everything that it may be has to stay."""


NOWHERE: Final = Standing()

SECTIONS: Final = frozenset({"auth", "policies", "groups", "group-aliases"})
"""In which there is what a token may stand on."""


def standing(
    shown: Callable[[str], Shown], namespace: str = "", sections: Collection[str] = SECTIONS
) -> Standing:
    """Of the token with which ``shown`` asks, in that namespace, as far as it is of these sections."""
    if SECTIONS.isdisjoint(sections):
        return NOWHERE
    found = shown(TOKEN)
    if found.fields is None:
        return Standing(problem=f"{TOKEN}: {found.problem or 'it is not there'}")
    try:
        return Standing(frozenset(path.lower() for path in _paths(found.fields, shown, namespace, sections)))
    except UnreadableError as error:
        return Standing(problem=str(error))


def _paths(
    token: Fields, shown: Callable[[str], Shown], namespace: str, sections: Collection[str]
) -> Iterator[str]:
    at_home = str(token.get("namespace_path") or "").strip("/") == namespace.strip("/")
    yield from _policies(token, at_home=at_home)
    if at_home:
        yield from _of_login(token, shown)
    if {"groups", "group-aliases"}.isdisjoint(sections):
        return
    groups = _groups(token, shown)
    yield from groups
    if groups and "group-aliases" in sections:
        numbers = {number for group in groups.values() for number in _texts([group.get("id")])}
        for key, alias in infos(shown, ALIASES).items():
            if not numbers.isdisjoint(_texts([alias.get("canonical_id")])):
                yield f"identity/group-alias/id/{key}"


def _policies(token: Fields, *, at_home: bool) -> Iterator[str]:
    """Those of the namespace of the token, and those that groups give it in others."""
    lists = [token.get("policies"), token.get("identity_policies")] if at_home else []
    elsewhere = token.get(_ELSEWHERE)
    lists += elsewhere.values() if isinstance(elsewhere, Mapping) else ()
    yield from (f"sys/policies/acl/{name}" for each in lists for name in _texts(each))


def _of_login(token: Fields, shown: Callable[[str], Shown]) -> Iterator[str]:
    """The auth method, and what the token has its rights from in there."""
    login, about = token.get("path"), token.get("meta")
    if not isinstance(login, str):
        return
    methods = (f"auth/{path}" for path in listing(shown, AUTH) if login.startswith(f"auth/{path}"))
    mount = max(methods, key=len, default="").rstrip("/")
    if not mount:
        return
    yield f"sys/{mount}"
    if isinstance(about, Mapping):
        yield from (f"{mount}/{place}/{about[name]}" for name, place in _ITEMS.items() if about.get(name))
    if role := token.get("role"):
        yield f"auth/token/roles/{role}"


def _groups(token: Fields, shown: Callable[[str], Shown]) -> dict[str, Fields]:
    """The groups that the entity is in, directly and through others, if policies come from there; by their
    paths.
    """
    entity = token.get("entity_id")
    if not entity or not (token.get("identity_policies") or token.get(_ELSEWHERE)):
        return {}
    known = {path: shown(path).fields or {} for path in map(group_path, keys(shown, GROUPS))}
    inside = {path for path, group in known.items() if entity in _texts(group.get("member_entity_ids"))}
    while True:
        numbers = set(_texts([known[path].get("id") for path in inside]))
        above = {
            path
            for path, group in known.items()
            if path not in inside and not numbers.isdisjoint(_texts(group.get("member_group_ids")))
        }
        if not above:
            return {path: known[path] for path in inside}
        inside |= above


def _texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
