"""Groups of the identity store, external and internal, and the aliases by which auth methods know them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from bank_vaults.configure.config import Configuration, Group, GroupAlias
from bank_vaults.configure.model import (
    Action,
    Change,
    Context,
    Difference,
    Fields,
    Identity,
    Place,
    Record,
    Reference,
    Request,
    Shown,
    Stage,
    Wanted,
)
from bank_vaults.configure.sections import steps
from bank_vaults.configure.sections.item import change_of, judge, resets
from bank_vaults.configure.sections.members import (
    MEMBERS,
    Members,
    group_identity,
    group_path,
    in_circles,
    mount_of,
)
from bank_vaults.configure.sections.refused import Refused, unfit
from bank_vaults.configure.server import (
    AUTH,
    Server,
    UnreadableError,
    accessors,
    infos,
    keys,
    listing,
    read,
    text,
)

GROUPS: Final = "identity/group/name?list=true"
ALIASES: Final = "identity/group-alias/id?list=true"


class IdentityGroup(NamedTuple):
    """What is wanted of one group. Its type cannot be changed while it exists."""

    identity: Identity
    place: Place
    fields: Fields
    """Without its members."""
    members: Members = Members()
    managed: frozenset[Identity] = frozenset()
    """Of its member groups those that a document has, and which therefore may still be absent."""
    stage: int = Stage.GROUPS

    @property
    def needs(self) -> frozenset[Identity]:
        """See Change."""
        return frozenset(map(group_identity, self.members.groups or ()))

    @property
    def reads(self) -> tuple[str, ...]:
        """See Wanted."""
        return (group_path(self.identity.name), *self.members.reads)

    def plan(self, shown: Callable[[str], Shown], record: Record | None, context: Context) -> Change:
        """See Wanted."""
        path = group_path(self.identity.name)
        found = shown(path)
        now = (found.fields or {}).get("type")
        if now and now != self.fields["type"]:
            return steps.change(
                self,
                Action.REFUSED,
                f"it is {now} on the server, which cannot be changed: remove or rename it first",
                Difference("type", now, self.fields["type"]),
            )._replace(record=record)
        members = self.members.resolved(shown, self.managed)
        if members.unknown:
            return steps.change(self, Action.REFUSED, "; ".join(members.unknown))._replace(record=record)
        body = {**self.fields, **members.fields}
        verdict = judge(body if found.problem else self.fields, found, record, context)
        if verdict.record is not None:  # members that nobody names stay
            verdict = verdict._replace(record=verdict.record._replace(names=tuple(self.fields)))
        changed = () if found.problem else members.differences(found.fields or {}, path)
        if changed and verdict.action is not Action.CREATE:
            names = f"{', '.join(each.field for each in changed)} differ"
            reason = names if verdict.action is Action.KEEP else f"{verdict.reason}; {names}"
            verdict = verdict._replace(action=Action.UPDATE, reason=reason)
        change = change_of(self, verdict._replace(differences=(*verdict.differences, *changed)))
        if verdict.action is Action.KEEP:
            return change
        body |= resets(verdict.gone, (list, dict))
        return change._replace(requests=(Request("PUT", path, body),), look=path)


class GroupName(NamedTuple):
    """What is wanted of one alias: the group that a name in an auth method stands for."""

    identity: Identity
    place: Place
    name: str
    mount: str
    """Path of the auth method."""
    group: str
    managed: frozenset[Identity]
    """Those of the method and the group that a document has, and which therefore may still be absent."""
    stage: int = Stage.ALIASES

    @property
    def needs(self) -> frozenset[Identity]:
        """See Change."""
        return frozenset({_mount_identity(self.mount), group_identity(self.group)})

    @property
    def reads(self) -> tuple[str, ...]:
        """See Wanted."""
        return (AUTH, ALIASES, group_path(self.group))

    def plan(self, shown: Callable[[str], Shown], record: Record | None, context: Context) -> Change:
        """See Wanted."""
        del record, context
        try:
            methods, aliases = listing(shown, AUTH), infos(shown, ALIASES)
        except UnreadableError as error:
            return steps.change(self, Action.REFUSED, str(error))
        method, group = methods.get(f"{self.mount}/"), shown(group_path(self.group))
        if method is None and _mount_identity(self.mount) not in self.managed:
            return steps.change(self, Action.REFUSED, f"there is no auth method at {self.mount}")
        if group.problem:
            return steps.change(
                self, Action.REFUSED, f"the group {self.group} cannot be read: {group.problem}"
            )
        if not group.there and group_identity(self.group) not in self.managed:
            return steps.change(self, Action.REFUSED, f"the group {self.group} does not exist")
        accessor = text(method, "accessor", AUTH) if method else None
        number = text(group.fields, "id", group_path(self.group)) if group.fields else None
        for key, info in aliases.items():
            if accessor and info.get("name") == self.name and info.get("mount_accessor") == accessor:
                now = text(info, "canonical_id", ALIASES)
                if number == now:
                    return steps.change(self, Action.KEEP, "as wanted")
                before = Difference("group", now, self.group)
                change = self._write(Action.UPDATE, "it is of another group", before)
                # Another alias that gets its group in this run makes the server delete it, and then it cannot
                # be changed any more. To delete what is not there is no error.
                removal = Request("DELETE", f"identity/group-alias/id/{key}")
                return change._replace(requests=(removal, *change.requests))
        differences = tuple(Difference(each, None, value) for each, value in self._described().items())
        return self._write(Action.CREATE, "it is not there", *differences)

    def _described(self) -> dict[str, str]:
        return {"name": self.name, "mountpath": self.mount, "group": self.group}

    def _write(self, action: Action, reason: str, *differences: Difference) -> Change:
        body = {
            "name": self.name,
            "mount_accessor": Reference("accessor", self.mount),
            "canonical_id": Reference("group", self.group),
        }
        request = Request("PUT", "identity/group-alias", body)
        return steps.change(self, action, reason, *differences)._replace(requests=(request,))


def wanted(configuration: Configuration, server: Server) -> tuple[Wanted, ...]:
    """The groups and the aliases of the documents."""
    del server
    names = {group.name.lower(): group.name for group in configuration.groups}
    mounts = frozenset(_mount_identity(auth.path) for auth in configuration.auth)
    members = {group.name: _members(group, names) for group in configuration.groups}
    entangled = in_circles({name: each.groups or () for name, each in members.items()})
    owners: dict[str, GroupAlias] = {}
    for alias in configuration.group_aliases:
        owners.setdefault(alias.group.lower(), alias)
    return (
        *(_wanted_group(group, members[group.name], names, entangled) for group in configuration.groups),
        *(
            _wanted_alias(alias, names, mounts, owners[alias.group.lower()])
            for alias in configuration.group_aliases
        ),
    )


def _members(group: Group, names: Mapping[str, str]) -> Members:
    """The members that a document gives, groups by the names that the documents have for them: servers find
    groups by names in capitals and in small letters alike.
    """
    groups = group.body.get("member_groups")
    return Members(
        group.body.get("member_entity_ids"),
        group.body.get("member_entities"),
        group.body.get("member_entity_aliases"),
        group.body.get("member_group_ids"),
        None if groups is None else tuple(names.get(name.lower(), name) for name in groups),
    )


def _wanted_group(
    group: Group, members: Members, names: Mapping[str, str], entangled: frozenset[str]
) -> Wanted:
    identity = group_identity(group.name)
    why = unfit(group.name, slashes=True) or members.fault
    if group.type == "external" and members.given:
        given = " and no ".join(members.given)
        why = why or f"an external group has no {given}: its members come through aliases"
    if group.name in entangled:
        why = why or "it would be a member of itself, directly or through its member_groups"
    if why:
        return Refused(identity, group.place, why, Stage.GROUPS)
    left_out = ("name", *MEMBERS)
    fields = {name: value for name, value in group.body.items() if value is not None and name not in left_out}
    managed = frozenset(group_identity(name) for name in members.groups or () if name.lower() in names)
    return IdentityGroup(identity, group.place, {**fields, "type": group.type}, members, managed)


def _wanted_alias(
    alias: GroupAlias, names: Mapping[str, str], mounts: frozenset[Identity], owner: GroupAlias
) -> Wanted:
    """``owner`` is the first alias of this group: the server has one for each, and gives it to the last."""
    identity = Identity("group-aliases", "alias", f"{alias.mountpath}/{alias.name}")
    why = unfit(alias.group, slashes=True)
    if owner is not alias:
        first = f"{owner.mountpath}/{owner.name} ({owner.place})"
        why = why or f"the group {alias.group} can have one alias only, and has {first}"
    if why:
        return Refused(identity, alias.place, why, Stage.ALIASES)
    group = names.get(alias.group.lower())
    managed = mounts & {_mount_identity(alias.mountpath)} | ({group_identity(group)} if group else set())
    return GroupName(identity, alias.place, alias.name, alias.mountpath, group or alias.group, managed)


def listings(configuration: Configuration) -> tuple[str, ...]:
    """What has to be read for ``details`` and ``unmanaged``."""
    groups = (GROUPS,) if configuration.purge.covers("groups") else ()
    return (*groups, ALIASES) if configuration.purge.covers("group-aliases") else groups


def details(configuration: Configuration, shown: Callable[[str], Shown]) -> tuple[str, ...]:
    """What has to be read for ``unmanaged`` once the listings are known. Raises UnreadableError."""
    return tuple(group_path(name) for name in _unmanaged_names(configuration, shown))


def unmanaged(configuration: Configuration, shown: Callable[[str], Shown]) -> tuple[Change, ...]:
    """Deletions of groups and aliases that no document has. Raises UnreadableError.

    Internal groups are deleted only where the documents have internal groups: others made by people or other
    programs are their own business. Aliases are compared by name and auth method.
    """
    internal = any(group.type == "internal" for group in configuration.groups)
    groups = []
    for name in _unmanaged_names(configuration, shown):
        kind = str((read(shown, group_path(name)) or {}).get("type", ""))
        if kind == "external" or (kind == "internal" and internal):
            reason = f"no document has it ({kind})"
            groups.append(steps.deletion(group_identity(name), group_path(name), reason))
    return (*groups, *_unmanaged_aliases(configuration, shown))


def _unmanaged_names(configuration: Configuration, shown: Callable[[str], Shown]) -> tuple[str, ...]:
    if not configuration.purge.covers("groups"):
        return ()
    managed = {group.name.lower() for group in configuration.groups}
    return tuple(name for name in keys(shown, GROUPS) if name.lower() not in managed)


def _unmanaged_aliases(configuration: Configuration, shown: Callable[[str], Shown]) -> tuple[Change, ...]:
    if not configuration.purge.covers("group-aliases"):
        return ()
    managed = {(alias.mountpath, alias.name) for alias in configuration.group_aliases}
    mounts = {accessor: path for path, accessor in accessors(shown).items()}
    changes = []
    for key, info in infos(shown, ALIASES).items():
        mount = mounts.get(text(info, "mount_accessor", ALIASES)) or mount_of(info, ALIASES)
        name = text(info, "name", ALIASES)
        if (mount, name) not in managed:
            identity = Identity("group-aliases", "alias", f"{mount}/{name}")
            changes.append(steps.deletion(identity, f"identity/group-alias/id/{key}"))
    return tuple(changes)


def _mount_identity(path: str) -> Identity:
    return Identity("auth", "mount", path)
