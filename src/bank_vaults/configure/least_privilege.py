"""The policy with which the files can be applied, and nothing more: ``bank-vaults configure policy``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from bank_vaults.configure.assembly import insides, listed
from bank_vaults.configure.config import Configuration
from bank_vaults.configure.memory import Memory
from bank_vaults.configure.model import ABSENT, Change, Context, Digest, Shown, Wanted, WriteOnly
from bank_vaults.configure.sections import auth, kv, traces
from bank_vaults.configure.sections.generated import Once
from bank_vaults.configure.sections.groups import GroupName, IdentityGroup
from bank_vaults.configure.sections.members import group_path
from bank_vaults.configure.sections.mount import Mount
from bank_vaults.configure.sections.transit import TransitKey

_ORDER = ("create", "read", "update", "delete", "list", "sudo")

_SUDO = ("sys/audit", "sys/auth/", "sys/plugins/catalog", "sys/raw", "sys/policies/password")
"""Where the servers ask for ``sudo``."""

_ALWAYS = {
    "sys/auth": {"read"},
    "auth/token/revoke-self": {"update"},
    "auth/token/lookup-self": {"read"},
}


def policy(wanted: Iterable[Wanted], configuration: Configuration, state_path: str = "") -> str:
    """HCL, paths sorted. ``wanted`` is derived without a server."""
    rules: dict[str, set[str]] = {path: set(each) for path, each in _ALWAYS.items()}

    def grant(path: str, *capabilities: str) -> None:
        path, _, query = path.partition("?")
        rules.setdefault(path, set()).update(capabilities)
        if query:
            rules[path].add("list")

    digest = Memory.empty().digest
    for item in wanted:
        for path in item.reads:
            grant(path, "read")
            parent = path.partition("?")[0].rpartition("/")[0]
            if parent not in ("", "sys") and "?" not in path:
                rules.setdefault(parent, set()).add("list")
        change = _fresh(item, digest)
        for request in change.requests:
            grant(request.path, "create", "update")
        if change.look:
            grant(change.look, "read")
        for path in _elsewhere(item):
            grant(path, "create", "read", "update")
        for path, capability in _of_lost(item):
            grant(path, capability)
        if isinstance(item, GroupName):
            grant("identity/group-alias", "create", "update")
            grant("identity/group-alias/id/*", "delete")
    for path in listed(configuration):
        grant(path, "read", "list")
    if configuration.purge.enabled:
        for prefix, section in _PURGED.items():
            if configuration.purge.covers(section):
                rules.setdefault(f"{prefix}/*", set()).update(("read", "list", "delete"))
        if configuration.purge.covers("group-aliases"):  # one of them may be how the token gets its policies
            grant("identity/group/name", "list")
            grant("identity/group/name/*", "read")
        for inside in insides(configuration):
            grant(f"{inside.root}/*", "delete")
    for path in _of_state(state_path, configuration):
        grant(path, "create", "read", "update")
    for method in configuration.auth:
        if method.type in auth.ANY_CAPITALS:
            _add_small(rules, f"auth/{method.path}/")
    return "\n".join(_rule(path, capabilities) for path, capabilities in sorted(rules.items()))


def _add_small(rules: dict[str, set[str]], prefix: str) -> None:
    """The same for names in small letters."""
    for path in [each for each in rules if each.startswith(prefix)]:
        small = prefix + path.removeprefix(prefix).lower()
        rules.setdefault(small, set()).update(rules[path])


_PURGED: Mapping[str, str] = {
    "sys/audit": "audit",
    "sys/auth": "auth",
    "identity/group/name": "groups",
    "identity/group-alias/id": "group-aliases",
    "sys/plugins/catalog": "plugins",
    "sys/policies/acl": "policies",
    "sys/mounts": "secrets",
}


def _fresh(item: Wanted, digest: Digest) -> Change:
    """What would be done on an empty server."""
    context = Context(digest, WriteOnly.ALWAYS)

    def nothing(path: str) -> Shown:
        return Shown({}) if path in ("sys/auth", "sys/mounts", "sys/audit") else ABSENT

    if isinstance(item, Once):
        item = item._replace(save_to="")  # the engine for it may be one that only the server has
    return item.plan(nothing, None, context)


def _elsewhere(item: Wanted) -> Iterator[str]:
    """Where more is written than on an empty server: what is there is changed at another path, or saved."""
    match item:
        case Mount():
            yield f"{item.area}/{item.path}/tune"
        case TransitKey():
            yield f"{item.path}/config"
        case IdentityGroup():
            yield group_path(item.identity.name)  # where a member of it is one that only the server has
        case Once() if item.save_to:
            yield item.save_to


def _of_lost(item: Wanted) -> Iterator[tuple[str, str]]:
    """What it takes to replace a key whose answer was lost."""
    if isinstance(item, Once) and item.trace is not None:
        yield from ((path, "read") for path in traces.reads(item.trace))
        yield from ((path, "delete") for path in traces.removes(item.trace))


def _of_state(path: str, configuration: Configuration) -> Iterator[str]:
    """Of ``--state kv:PATH``. Neither mount nor version are known of an engine that no document has."""
    if not path:
        return
    engine = kv.engine_of(path, kv.engines(configuration), None)
    parts = path.split("/")
    mounts = [engine.path] if engine else ["/".join(parts[:end]) for end in range(1, len(parts))]
    for name in (path, f"{path}-unusable"):
        if engine is None or engine.version != 2:
            yield name
        if engine is None or engine.version == 2:
            for mount in mounts:
                yield from (f"{mount}/{kind}/{name[len(mount) + 1 :]}" for kind in ("data", "metadata"))


def _rule(path: str, capabilities: set[str]) -> str:
    if path.startswith(_SUDO):
        capabilities = {*capabilities, "sudo"}
    ordered = [each for each in _ORDER if each in capabilities]
    return f"path {json.dumps(path)} {{\n  capabilities = {json.dumps(ordered)}\n}}"
