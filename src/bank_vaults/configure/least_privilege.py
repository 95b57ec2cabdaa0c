"""The policy with which the files can be applied, and nothing more: ``bank-vaults configure policy``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from bank_vaults.configure.assembly import listed
from bank_vaults.configure.config import Configuration
from bank_vaults.configure.memory import Memory
from bank_vaults.configure.model import ABSENT, Change, Context, Shown, Wanted, WriteOnly

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
            if parent and "?" not in path:
                rules.setdefault(parent, set()).add("list")
        for request in _fresh(item, digest).requests:
            grant(request.path, "create", "update")
        for tuned in _tunes(item):
            grant(tuned, "read", "update")
    for path in listed(configuration):
        grant(path, "read", "list")
    if configuration.purge.enabled:
        for prefix, section in _PURGED.items():
            if configuration.purge.covers(section):
                rules.setdefault(f"{prefix}/*", set()).update(("read", "list", "delete"))
    if state_path:
        grant(state_path, "create", "read", "update")
        grant(f"sys/internal/ui/mounts/{state_path.partition('/')[0]}", "read")
    return "\n".join(_rule(path, capabilities) for path, capabilities in sorted(rules.items()))


_PURGED: Mapping[str, str] = {
    "sys/audit": "audit",
    "sys/auth": "auth",
    "identity/group/name": "groups",
    "identity/group-alias/id": "group-aliases",
    "sys/plugins/catalog": "plugins",
    "sys/policies/acl": "policies",
    "sys/mounts": "secrets",
}


def _fresh(item: Wanted, digest: object) -> Change:
    """What would be done on an empty server."""
    context = Context(digest, WriteOnly.ALWAYS)  # type: ignore[arg-type]

    def nothing(path: str) -> Shown:
        return Shown({}) if path in ("sys/auth", "sys/mounts", "sys/audit") else ABSENT

    return item.plan(nothing, None, context)


def _tunes(item: Wanted) -> Iterable[str]:
    area, path = getattr(item, "area", ""), getattr(item, "path", "")
    return (f"{area}/{path}/tune",) if area and path else ()


def _rule(path: str, capabilities: set[str]) -> str:
    if path.startswith(_SUDO):
        capabilities = {*capabilities, "sudo"}
    ordered = [each for each in _ORDER if each in capabilities]
    return f"path {json.dumps(path)} {{\n  capabilities = {json.dumps(ordered)}\n}}"
