"""Groups of the identity store, external and internal, and the aliases by which auth methods know them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

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
from bank_vaults.configure.sections.item import change_of, judge
from bank_vaults.configure.sections.refused import Refused, unfit
from bank_vaults.configure.server import AUTH, Server, UnreadableError, keys, listing

GROUPS: Final = "identity/group/name?list=true"
ALIASES: Final = "identity/group-alias/id?list=true"


def _group(name: str) -> str:
    return f"identity/group/name/{name}"


class IdentityGroup(NamedTuple):
    """What is wanted of one group. Its type cannot be changed while it exists."""

    identity: Identity
    place: Place
    fields: Fields
    stage: int = Stage.GROUPS
    needs: frozenset[Identity] = frozenset()

    @property
    def reads(self) -> tuple[str, ...]:
        """See Wanted."""
        return (_group(self.identity.name),)

    def plan(self, shown: Callable[[str], Shown], record: Record | None, context: Context) -> Change:
        """See Wanted."""
        (path,) = self.reads
        found = shown(path)
        now = (found.fields or {}).get("type")
        if now and now != self.fields["type"]:
            return steps.change(
                self,
                Action.REFUSED,
                f"it is {now} on the server, which cannot be changed: remove or rename it first",
                Difference("type", now, self.fields["type"]),
            )._replace(record=record)
        verdict = judge(self.fields, found, record, context)
        kept = verdict.action is Action.KEEP
        return change_of(self, verdict)._replace(
            requests=() if kept else (Request("PUT", path, self.fields),), look="" if kept else path
        )


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
        return frozenset({_mount_identity(self.mount), _group_identity(self.group)})

    @property
    def reads(self) -> tuple[str, ...]:
        """See Wanted."""
        return (AUTH, ALIASES, _group(self.group))

    def plan(self, shown: Callable[[str], Shown], record: Record | None, context: Context) -> Change:
        """See Wanted."""
        del record, context
        try:
            methods, aliases = listing(shown, AUTH), _infos(shown)
        except UnreadableError as error:
            return steps.change(self, Action.REFUSED, str(error))
        method, group = methods.get(f"{self.mount}/"), shown(_group(self.group))
        if method is None and _mount_identity(self.mount) not in self.managed:
            return steps.change(self, Action.REFUSED, f"there is no auth method at {self.mount}")
        if not group.there and _group_identity(self.group) not in self.managed:
            why = f"cannot be read: {group.problem}" if group.problem else "does not exist"
            return steps.change(self, Action.REFUSED, f"the group {self.group} {why}")
        accessor = str(method.get("accessor")) if method else None
        number = str(group.fields.get("id")) if group.fields else None
        for key, info in aliases.items():
            if accessor and info.get("name") == self.name and info.get("mount_accessor") == accessor:
                if number == info.get("canonical_id"):
                    return steps.change(self, Action.KEEP, "as wanted")
                before = Difference("group", info.get("canonical_id"), self.group)
                return self._write(Action.UPDATE, "it is of another group", f"/id/{key}", before)
        differences = tuple(Difference(each, None, value) for each, value in self._described().items())
        return self._write(Action.CREATE, "it is not there", "", *differences)

    def _described(self) -> dict[str, str]:
        return {"name": self.name, "mountpath": self.mount, "group": self.group}

    def _write(self, action: Action, reason: str, where: str, *differences: Difference) -> Change:
        body = {
            "name": self.name,
            "mount_accessor": Reference("accessor", self.mount),
            "canonical_id": Reference("group", self.group),
        }
        request = Request("PUT", f"identity/group-alias{where}", body)
        return steps.change(self, action, reason, *differences)._replace(requests=(request,))


def wanted(configuration: Configuration, server: Server) -> tuple[Wanted, ...]:
    """The groups and the aliases of the documents."""
    del server
    managed = frozenset(
        [_mount_identity(auth.path) for auth in configuration.auth]
        + [_group_identity(group.name) for group in configuration.groups]
    )
    return (
        *(_wanted_group(group) for group in configuration.groups),
        *(_wanted_alias(alias, managed) for alias in configuration.group_aliases),
    )


def _wanted_group(group: Group) -> Wanted:
    identity = _group_identity(group.name)
    members = [name for name in ("member_entity_ids", "member_group_ids") if group.body.get(name)]
    why = unfit(group.name, slashes=True)
    if group.type == "external" and members:
        why = why or f"an external group has no {' and no '.join(members)}: its members come through aliases"
    if why:
        return Refused(identity, group.place, why, Stage.GROUPS)
    given = {name: value for name, value in group.body.items() if value is not None and name != "name"}
    return IdentityGroup(identity, group.place, {**given, "type": group.type})


def _wanted_alias(alias: GroupAlias, managed: frozenset[Identity]) -> Wanted:
    identity = Identity("group-aliases", "alias", f"{alias.mountpath}/{alias.name}")
    why = unfit(alias.group, slashes=True)
    if why:
        return Refused(identity, alias.place, why, Stage.ALIASES)
    return GroupName(identity, alias.place, alias.name, alias.mountpath, alias.group, managed)


def listings(configuration: Configuration) -> tuple[str, ...]:
    """What has to be read for ``details`` and ``unmanaged``."""
    groups = (GROUPS,) if configuration.purge.covers("groups") else ()
    return (*groups, ALIASES) if configuration.purge.covers("group-aliases") else groups


def details(configuration: Configuration, shown: Callable[[str], Shown]) -> tuple[str, ...]:
    """What has to be read for ``unmanaged`` once the listings are known. Raises UnreadableError."""
    return tuple(_group(name) for name in _unmanaged_names(configuration, shown))


def unmanaged(configuration: Configuration, shown: Callable[[str], Shown]) -> tuple[Change, ...]:
    """Deletions of groups and aliases that no document has. Raises UnreadableError.

    Internal groups are deleted only where the documents have internal groups: others made by people or other
    programs are their own business. Aliases are compared by name and auth method.
    """
    internal = any(group.type == "internal" for group in configuration.groups)
    groups = []
    for name in _unmanaged_names(configuration, shown):
        found = shown(_group(name))
        if found.problem:
            raise UnreadableError(_group(name), found.problem)
        kind = str((found.fields or {}).get("type", ""))
        if kind == "external" or (kind == "internal" and internal):
            reason = f"no document has it ({kind})"
            groups.append(steps.deletion(_group_identity(name), _group(name), reason))
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
    changes = []
    for key, info in _infos(shown).items():
        mount = str(info.get("mount_path", "")).removeprefix("auth/").strip("/")
        name = str(info.get("name"))
        if (mount, name) not in managed:
            identity = Identity("group-aliases", "alias", f"{mount}/{name}")
            changes.append(steps.deletion(identity, f"identity/group-alias/id/{key}"))
    return tuple(changes)


def _infos(shown: Callable[[str], Shown]) -> Mapping[str, Mapping[str, Any]]:
    """All aliases by their IDs. Raises UnreadableError."""
    answer = shown(ALIASES)
    if answer.problem:
        raise UnreadableError(ALIASES, answer.problem)
    infos = (answer.fields or {}).get("key_info") or {}
    if not isinstance(infos, Mapping):
        raise UnreadableError(ALIASES, "what it shows is no list")
    return infos


def _group_identity(name: str) -> Identity:
    return Identity("groups", "group", name)


def _mount_identity(path: str) -> Identity:
    return Identity("auth", "mount", path)
