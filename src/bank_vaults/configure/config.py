"""A configuration as its documents give it, decoded and merged: the sections of spec configure.md, 4.2.

Every element knows its place, and shows itself without its contents, which may be passwords. Fields that a
document does not give are None, or empty where nothing is the same as none. Free-form maps keep the order and
the types of the document; names, also numeric ones, are texts as written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from bank_vaults.configure.model import Place

Free = Mapping[str, Any]
"""A free-form map of a document."""


class Named(NamedTuple):
    """An item of a free-form list or map: its name, what it says, where."""

    name: str | None
    body: Free
    place: Place

    def __repr__(self) -> str:
        return f"Named({self.name!r}, {self.place})"


class Purge(NamedTuple):
    """``purgeUnmanagedConfig``, united over the documents. Off unless a document says ``enabled``."""

    enabled: bool = False
    exclude: frozenset[str] = frozenset()
    """Sections that are left alone."""
    within: bool = False
    """Whether what is inside of managed mounts is purged as well."""

    def covers(self, section: str) -> bool:
        """Whether what no document has is deleted in this section."""
        return self.enabled and section not in self.exclude


class Audit(NamedTuple):
    place: Place
    path: str
    """Without slashes at its ends; the type where none is given. Unique."""
    type: str
    description: str | None
    options: Free
    local: bool | None

    def __repr__(self) -> str:
        return f"Audit({self.path!r}, {self.place})"


class Plugin(NamedTuple):
    place: Place
    name: str
    type: str
    """``auth``, ``database`` or ``secret``."""
    body: Free
    """The other fields: command, sha256, args, env, version, …"""

    def __repr__(self) -> str:
        return f"Plugin({self.type}/{self.name}, {self.place})"


class MountOptions(NamedTuple):
    """What a mount is tuned with, by its names in the API; None was not given."""

    fields: Free
    """``default_lease_ttl`` …, ``plugin_version``, ``user_lockout_config``."""
    options: Mapping[str, str]
    """``version: "2"`` and the like."""

    def __repr__(self) -> str:
        return f"MountOptions({', '.join((*self.fields, *self.options))})"


class Auth(NamedTuple):
    place: Place
    path: str
    """Without slashes at its ends; the type where none is given. Unique."""
    type: str
    description: str | None
    local: bool | None
    seal_wrap: bool | None
    tune: MountOptions | None
    config: Free | None
    roles: tuple[Named, ...]
    users: tuple[Named, ...]
    groups: tuple[Named, ...]
    crossaccountroles: tuple[Named, ...]
    """Named by ``sts_account``."""
    maps: Mapping[str, tuple[Named, ...]]
    """Of ``map.<kind>.<name>``; the body has ``value``."""
    emptied: frozenset[str] = frozenset()
    """Of roles, users, groups and accounts the members that are given and have nothing in them."""

    def __repr__(self) -> str:
        return f"Auth({self.path!r}, {self.place})"


class MemberAlias(NamedTuple):
    """An entity by the name that an auth method has for it."""

    mountpath: str
    """Without slashes at its ends."""
    name: str


class Group(NamedTuple):
    place: Place
    name: str
    type: str
    """``external`` or ``internal``."""
    body: Free
    """policies, metadata and members, as given; ``member_entity_aliases`` are MemberAliases."""

    def __repr__(self) -> str:
        return f"Group({self.name!r}, {self.place})"


class GroupAlias(NamedTuple):
    place: Place
    name: str
    mountpath: str
    """Without slashes at its ends. Name and mount path are unique together."""
    group: str


class Policy(NamedTuple):
    place: Place
    name: str
    """In small letters, as servers have it."""
    rules: str

    def __repr__(self) -> str:
        return f"Policy({self.name!r}, {self.place})"


class Secrets(NamedTuple):
    place: Place
    path: str
    type: str
    description: str | None
    plugin_name: str | None
    local: bool | None
    seal_wrap: bool | None
    max_versions: int | None
    """Default of the startup secrets of a kv engine; not sent to the engine."""
    tune: MountOptions | None
    configuration: Mapping[str, tuple[Named, ...]]
    """Items by option, in the order of the document."""

    def __repr__(self) -> str:
        return f"Secrets({self.path!r}, {self.place})"


class SecretKey(NamedTuple):
    """A key of a Kubernetes Secret, in the namespace ``$NAMESPACE``, else that of the pod."""

    secret: str
    key: str


class StartupSecret(NamedTuple):
    place: Place
    path: str
    type: str
    """``kv`` or ``pki``."""
    max_versions: int | None
    data: Free | None
    options: Free
    references: tuple[SecretKey, ...]
    create_only: bool

    def __repr__(self) -> str:
        return f"StartupSecret({self.path!r}, {self.place})"


class Configuration(NamedTuple):
    """The union over all documents, later ones first asked where both have an element."""

    audit: tuple[Audit, ...] = ()
    plugins: tuple[Plugin, ...] = ()
    auth: tuple[Auth, ...] = ()
    groups: tuple[Group, ...] = ()
    group_aliases: tuple[GroupAlias, ...] = ()
    policies: tuple[Policy, ...] = ()
    secrets: tuple[Secrets, ...] = ()
    startup_secrets: tuple[StartupSecret, ...] = ()
    purge: Purge = Purge()

    def __repr__(self) -> str:
        return "Configuration(…)"  # passwords are in it
