"""Members of internal groups: by ID, or by a name that the server knows.

An entity is known by its own name, or by the name that an auth method has for it; a group by its name. A
group that a document has and the server has not yet is referred to, and its ID put in when it has been made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from bank_vaults.configure.config import MemberAlias
from bank_vaults.configure.model import ABSENT, Difference, Fields, Identity, Reference, Shown
from bank_vaults.configure.sections.refused import unfit
from bank_vaults.configure.server import UnreadableError, infos, read, text

ENTITY_ALIASES: Final = "identity/entity-alias/id?list=true"

MEMBERS: Final = (
    "member_entity_ids",
    "member_entities",
    "member_entity_aliases",
    "member_group_ids",
    "member_groups",
)
"""Members of a group in a document, in the order of ``Members``."""

_BY_NAME: Final = {"member_entity_ids": "member_entities", "member_group_ids": "member_groups"}


class Member(NamedTuple):
    """One of them."""

    label: str
    """As the document has it."""
    id: str | Reference


class Members(NamedTuple):
    """What a document says of the members of a group. None is not given: the server keeps what it has."""

    entity_ids: tuple[str, ...] | None = None
    entities: tuple[str, ...] | None = None
    aliases: tuple[MemberAlias, ...] | None = None
    group_ids: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None

    @property
    def given(self) -> tuple[str, ...]:
        """The names of what is there and not empty."""
        return tuple(name for name, each in zip(MEMBERS, self, strict=True) if each)

    @property
    def fault(self) -> str:
        """Why a name cannot be looked up, as a sentence; empty where all can."""
        return next(filter(None, (unfit(name, slashes=True) for name in self._names)), "")

    @property
    def reads(self) -> tuple[str, ...]:
        """The paths from which ``resolved`` knows the IDs."""
        paths = (*map(_entity, self.entities or ()), *map(group_path, self.groups or ()))
        return (*paths, ENTITY_ALIASES) if self.aliases else paths

    @property
    def _names(self) -> Iterable[str]:
        return (*(self.entities or ()), *(self.groups or ()))

    def resolved(self, shown: Callable[[str], Shown], managed: frozenset[Identity]) -> Resolved:
        """With the IDs that the server has for them. ``managed`` groups may be absent. Raises
        UnreadableError.
        """
        unknown: list[str] = []
        lists = []
        if (self.entity_ids, self.entities, self.aliases) != (None, None, None):
            lists.append(MemberList("member_entity_ids", _once(self._entities(shown, unknown))))
        if (self.group_ids, self.groups) != (None, None):
            lists.append(MemberList("member_group_ids", _once(self._groups(shown, managed, unknown))))
        return Resolved(tuple(lists), tuple(unknown))

    def _entities(self, shown: Callable[[str], Shown], unknown: list[str]) -> Iterator[Member]:
        yield from (Member(each, each) for each in self.entity_ids or ())
        for name in self.entities or ():
            yield from _found(name, shown, _entity(name), f"there is no entity {name!r}", unknown)
        known = infos(shown, ENTITY_ALIASES) if self.aliases else {}
        for alias in self.aliases or ():
            yield from _by_alias(alias, known, unknown)

    def _groups(
        self, shown: Callable[[str], Shown], managed: frozenset[Identity], unknown: list[str]
    ) -> Iterator[Member]:
        yield from (Member(each, each) for each in self.group_ids or ())
        for name in self.groups or ():
            path = group_path(name)
            if group_identity(name) in managed and shown(path) == ABSENT:
                yield Member(name, Reference("group", name))
            else:
                absent = f"there is no group {name!r}, neither in a document nor on the server"
                yield from _found(name, shown, path, absent, unknown)


class MemberList(NamedTuple):
    """The wanted members of one kind."""

    field: str
    members: tuple[Member, ...]


class Resolved(NamedTuple):
    """The members as they are sent and compared, and sentences about those that nobody knows."""

    lists: tuple[MemberList, ...]
    unknown: tuple[str, ...]

    @property
    def fields(self) -> dict[str, list[str | Reference]]:
        """What is sent."""
        return {each.field: [member.id for member in each.members] for each in self.lists}

    def differences(self, fields: Fields, path: str) -> tuple[Difference, ...]:
        """What is not as the server shows it at ``path``, by names as far as they are known. Raises
        UnreadableError.
        """
        found = []
        for field, members in self.lists:
            now = fields.get(field) or []
            if not isinstance(now, list) or not all(isinstance(each, str) for each in now):
                raise UnreadableError(path, f"its {field} is no list of texts")
            labels = {member.id: member.label for member in members}
            if labels.keys() != set(now):
                before = [labels.get(each, each) for each in now] if fields else None
                name = _BY_NAME[field] if any(label != each for each, label in labels.items()) else field
                found.append(Difference(name, before, list(labels.values())))
        return tuple(found)


def _found(
    name: str, shown: Callable[[str], Shown], path: str, absent: str, unknown: list[str]
) -> Iterator[Member]:
    fields = read(shown, path)
    if fields is None:
        unknown.append(absent)
    else:
        yield Member(name, text(fields, "id", path))


def _by_alias(
    alias: MemberAlias, known: Mapping[str, Mapping[str, Any]], unknown: list[str]
) -> Iterator[Member]:
    found = {
        text(info, "canonical_id", ENTITY_ALIASES)
        for info in known.values()
        if info.get("name") == alias.name and mount_of(info, ENTITY_ALIASES) == alias.mountpath
    }
    if len(found) == 1:
        yield Member(f"{alias.mountpath}/{alias.name}", found.pop())
    else:
        how_many = "several entities have" if found else "no entity has"
        unknown.append(f"{how_many} the alias {alias.name!r} in the auth method {alias.mountpath}")


def mount_of(info: Fields, path: str) -> str:
    """The auth method of an alias in a listing, empty where it is gone. Raises UnreadableError."""
    if info.get("mount_path") is None:
        return ""
    return text(info, "mount_path", path).removeprefix("auth/").strip("/")


def _once(members: Iterable[Member]) -> tuple[Member, ...]:
    """One for each ID: an entity may be given by its name and by an alias."""
    return tuple({member.id: member for member in members}.values())


def in_circles(members: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """The groups that are members of themselves through others, and those between two such circles."""
    left = {name: set(each) for name, each in members.items()}
    while True:
        inside = {name for each in left.values() for name in each}
        kept = {name: each & left.keys() for name, each in left.items() if name in inside}
        kept = {name: each & kept.keys() for name, each in kept.items() if each & kept.keys()}
        if kept == left:
            return frozenset(kept)
        left = kept


def group_identity(name: str) -> Identity:
    """Of the group of this name."""
    return Identity("groups", "group", name)


def group_path(name: str) -> str:
    """Where the group of this name is."""
    return f"identity/group/name/{name}"


def _entity(name: str) -> str:
    return f"identity/entity/name/{name}"
