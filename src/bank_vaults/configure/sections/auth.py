"""Auth methods: the mount, its configuration, its roles, users, groups and mappings.

A type that is not known here is written in the way that most have: ``config``, ``role/``, ``users/``,
``groups/``, ``map/``. What the server does not have is its error, and never left out silently.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from bank_vaults.configure.config import Auth, Configuration, Named
from bank_vaults.configure.model import Change, Identity, Place, Shown, Stage, Wanted
from bank_vaults.configure.secrecy import secret_names
from bank_vaults.configure.sections.item import Item, Resets
from bank_vaults.configure.sections.mount import NOTHING, Mount
from bank_vaults.configure.sections.purge import MountPurge
from bank_vaults.configure.sections.refused import Refused, unfit
from bank_vaults.configure.sections.within import Inside
from bank_vaults.configure.server import AUTH, Server

_ROLES: Final[Mapping[str, str]] = {"cert": "certs", "token": "roles", "cf": "roles", "pcf": "roles"}
"""Where roles are, if not at ``role``."""

_CONFIGS: Final[Mapping[str, str]] = {"aws": "config/client"}
"""Where the configuration is, if not at ``config``."""

_PARTS: Final[Mapping[str, str]] = {"aws-identity-integration": "config/identity"}
"""Parts of the configuration of any type that have a place of their own."""

_PARTS_BY_TYPE: Final[Mapping[str, Mapping[str, str]]] = {"kerberos": {"ldap": "config/ldap"}}

_NO_CONFIG: Final = frozenset({"approle", "userpass", "token"})

_SMALL: Final = frozenset({"radius"})
"""Types that write names in small letters and do not find them by others."""

ANY_CAPITALS: Final = frozenset({"approle", "cert", "kubernetes", "userpass"})
"""Types that find names by capitals and small letters alike; OpenBao 2.7 looks in policies for the small."""

_MAPS: Final = ("bound_claims", "claim_mappings")
"""Of roles of ``jwt`` and ``oidc``: maps, also as a JSON text."""


def wanted(configuration: Configuration, server: Server) -> tuple[Wanted, ...]:
    """The auth methods of the documents with all that belongs to them."""
    return tuple(each for auth in configuration.auth for each in _method(auth, server))


def _method(auth: Auth, server: Server) -> Iterator[Wanted]:
    if auth.type == "token":
        yield from _token(auth)
    else:
        why = unfit(auth.path, slashes=True)
        if why:
            yield Refused(_identity(auth), auth.place, why, Stage.AUTH)
            return
        yield _mount(auth)
    yield from _configs(auth, server)
    yield from _all_items(auth)


def _token(auth: Auth) -> Iterator[Wanted]:
    """The method that every server has, at one path only."""
    if auth.path != "token":
        why = "the method of the type token is at token, and there is no second one"
        yield Refused(_identity(auth), auth.place, why, Stage.AUTH)
    elif auth.tune is not None or auth.description is not None:
        yield _mount(auth)


def _mount(auth: Auth) -> Mount:
    return Mount(
        _identity(auth),
        auth.place,
        AUTH,
        auth.path,
        auth.type,
        description=auth.description,
        first_description=f"{auth.type} backend",
        local=auth.local,
        seal_wrap=auth.seal_wrap,
        tune=auth.tune or NOTHING,
    )


# -- configuration -----------------------------------------------------------------------------------------


def _configs(auth: Auth, server: Server) -> Iterator[Wanted]:
    given = _default_config(auth, server)
    if given is None:
        return
    parts = {**_PARTS, **_PARTS_BY_TYPE.get(auth.type, {})}
    main = {name: value for name, value in given.items() if not _is_part(name, value, parts)}
    if auth.type in _NO_CONFIG:
        if main:
            why = f"auth methods of the type {auth.type} have no config"
            yield Refused(Identity("auth", "config", auth.path), auth.place, why, Stage.AUTH_CONFIG)
    elif main or not given:
        yield _config(auth, _CONFIGS.get(auth.type, "config"), main)
    for name, value in given.items():
        if _is_part(name, value, parts):
            yield _config(auth, parts[name], value)


def _is_part(name: str, value: Any, parts: Mapping[str, str]) -> bool:
    return name in parts and isinstance(value, Mapping)


def _config(auth: Auth, where: str, fields: Mapping[str, Any]) -> Wanted:
    name = auth.path if where in ("config", "config/client") else f"{auth.path}/{where.partition('/')[2]}"
    return _item(auth, "config", name, where, fields, auth.place, Stage.AUTH_CONFIG)


def _default_config(auth: Auth, server: Server) -> Mapping[str, Any] | None:
    host = server.environment.get("KUBERNETES_SERVICE_HOST", "")
    if auth.type == "kubernetes" and host and not (auth.config or {}).get("kubernetes_host"):
        authority = f"[{host}]" if ":" in host else host
        return {**(auth.config or {}), "kubernetes_host": f"https://{authority}"}
    return auth.config


# -- roles, users, groups, mappings ------------------------------------------------------------------------


def _lists(auth: Auth) -> Iterator[tuple[str, str, tuple[Named, ...], bool]]:
    """The items of a method: their kind, where below it they are, themselves, and whether the document has
    their list also where it is empty, as it has every map that is there.
    """
    yield "role", _ROLES.get(auth.type, "role"), auth.roles, "roles" in auth.emptied
    yield "user", "users", auth.users, "users" in auth.emptied
    yield "group", "groups", auth.groups, "groups" in auth.emptied
    yield "account", "config/sts", auth.crossaccountroles, "crossaccountrole" in auth.emptied
    for kind, named in auth.maps.items():
        yield f"map of {kind}", f"map/{kind}", named, True


def _all_items(auth: Auth) -> Iterator[Wanted]:
    for kind, where, items, _ in _lists(auth):
        for item in items:
            if kind == "role" and auth.type in ("jwt", "oidc"):
                yield _claiming_role(auth, where, item)
            else:
                yield _named(auth, kind, where, item)


def _claiming_role(auth: Auth, where: str, role: Named) -> Wanted:
    body = dict(role.body)
    for name in _MAPS:
        if name in body:
            found = _map(body[name])
            if found is None:
                # Without its claims the role would let in more than it should.
                identity = Identity("auth", "role", f"{auth.path}/{role.name}")
                return Refused(identity, role.place, f"{name} is no map", Stage.AUTH_ITEMS)
            body[name] = found
    return _named(auth, "role", where, role._replace(body=body))


def _map(value: Any) -> Mapping[str, Any] | None:
    if value is None or value == "":
        return {}
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, Mapping) else None


_NAMES: Final = {"user": ("username", "name"), "account": ("sts_account",)}
"""Members of an item that are its name, which is in the path already and which no server shows."""


def _named(auth: Auth, kind: str, where: str, item: Named) -> Wanted:
    name = item.name or ""
    why = unfit(item.name, slashes=kind == "group")
    if why:
        return Refused(Identity("auth", kind, f"{auth.path}/{name}"), item.place, why, Stage.AUTH_ITEMS)
    fields = {
        member: value for member, value in item.body.items() if member not in _NAMES.get(kind, ("name",))
    }
    target = name.lower() if auth.type in _SMALL else name
    return _item(auth, kind, f"{auth.path}/{name}", f"{where}/{target}", fields, item.place, Stage.AUTH_ITEMS)


def _item(
    auth: Auth, kind: str, name: str, where: str, fields: Mapping[str, Any], place: Place, stage: int
) -> Item:
    given = {member: value for member, value in fields.items() if value is not None}
    return Item(
        Identity("auth", kind, name),
        place,
        f"auth/{_path(auth)}/{where}",
        given,
        stage,
        needs=frozenset({_identity(auth)} if auth.type != "token" else ()),
        secret=secret_names(given),
        resets=_resets(auth, stage),
    )


def _resets(auth: Auth, stage: int) -> Resets:
    """Of a configuration only switches: what else is empty there is not always the default."""
    if stage == Stage.AUTH_ITEMS:
        return (list, dict, bool, int)
    return () if auth.type == "plugin" else (bool,)


def _path(auth: Auth) -> str:
    """Roles of tokens are always in the one method that there is."""
    return "token" if auth.type == "token" else auth.path


def _identity(auth: Auth) -> Identity:
    return Identity("auth", "mount", auth.path)


# -- deletions ---------------------------------------------------------------------------------------------


def listings(configuration: Configuration) -> tuple[str, ...]:
    """See MountPurge."""
    return _purge(configuration).listings()


def details(configuration: Configuration, shown: Callable[[str], Shown]) -> tuple[str, ...]:
    """See MountPurge."""
    return _purge(configuration).details(shown)


def unmanaged(configuration: Configuration, shown: Callable[[str], Shown]) -> tuple[Change, ...]:
    """See MountPurge."""
    return _purge(configuration).unmanaged(shown)


def insides(configuration: Configuration) -> tuple[Inside, ...]:
    """The lists of all methods in which a document has something."""
    found: dict[tuple[str, str], set[str]] = {}
    for auth in configuration.auth:
        root = f"auth/{_path(auth)}"
        for kind, where, items, emptied in _lists(auth):
            names = {item.name for item in items if item.name}
            if names or emptied:
                found.setdefault((kind, f"{root}/{where}"), set()).update(names)
    return tuple(Inside("auth", kind, root, frozenset(names)) for (kind, root), names in found.items())


def _purge(configuration: Configuration) -> MountPurge:
    paths = frozenset(auth.path for auth in configuration.auth)
    return MountPurge("auth", AUTH, paths, configuration.purge, lambda: insides(configuration))
