"""The plugin catalog: registered where absent or different; deletions of what no document has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from bank_vaults.configure.config import Configuration, Plugin
from bank_vaults.configure.model import Change, Identity, Shown, Stage, Wanted
from bank_vaults.configure.sections import steps
from bank_vaults.configure.sections.item import Item
from bank_vaults.configure.sections.refused import Refused, unfit
from bank_vaults.configure.server import CATALOG, Server, plugins, text

TYPES: Final = ("auth", "database", "secret", "unknown")


def wanted(configuration: Configuration, server: Server) -> tuple[Wanted, ...]:
    """The plugins of the documents. What the server does not show again, as ``env``, is remembered."""
    del server
    return tuple(_wanted(plugin) for plugin in configuration.plugins)


def plugin_identity(kind: str, name: str) -> Identity:
    """Of the plugin of this type and name; whoever needs a built-in one needs nothing of the catalog."""
    return Identity("plugins", "plugin", f"{kind}/{name}")


def _wanted(plugin: Plugin) -> Wanted:
    identity = plugin_identity(plugin.type, plugin.name)
    why = unfit(plugin.name)
    if plugin.type not in TYPES:
        why = why or f"{plugin.type!r} is no type of plugins: {', '.join(TYPES[:3])} are"
    if why:
        return Refused(identity, plugin.place, why, Stage.PLUGINS)
    fields = _fields(plugin.body)
    return Item(
        identity,
        plugin.place,
        _path(plugin.type, plugin.name, ""),
        fields,
        Stage.PLUGINS,
        read_path=_path(plugin.type, plugin.name, str(fields.get("version", ""))),
        secret=frozenset({"env"}),
    )


def _fields(body: Mapping[str, Any]) -> dict[str, Any]:
    """As servers show them: arguments after the command are arguments, and a version begins with a ``v``."""
    fields = {name: value for name, value in body.items() if value not in (None, "")}
    command, *arguments = str(fields.get("command", "")).split() or [""]
    if arguments and not fields.get("args"):
        fields["command"], fields["args"] = command, arguments
    version = str(fields.get("version", ""))
    if version[:1].isdigit():
        fields["version"] = f"v{version}"
    return fields


def _escaped(text: str) -> str:
    """As a value of a query."""
    return text.replace("%", "%25").replace("+", "%2B").replace("&", "%26").replace("#", "%23")


def listings(configuration: Configuration) -> tuple[str, ...]:
    """What has to be read for ``unmanaged``."""
    return (CATALOG,) if configuration.purge.covers("plugins") else ()


def details(configuration: Configuration, shown: Callable[[str], Shown]) -> tuple[str, ...]:
    """What has to be read for ``unmanaged`` once the listings are known. Raises UnreadableError."""
    return tuple(_path(*plugin) for plugin in _unmanaged(configuration, shown))


def unmanaged(configuration: Configuration, shown: Callable[[str], Shown]) -> tuple[Change, ...]:
    """Deletions of plugins that no document has, never of those that are built in or declared in the
    configuration of the server. Raises UnreadableError.
    """
    return tuple(
        steps.deletion(
            plugin_identity(kind, f"{name} {version}" if version else name),
            _path(kind, name, version),
        )
        for kind, name, version in _unmanaged(configuration, shown)
        if not (shown(_path(kind, name, version)).fields or {}).get("declarative")
    )


def _unmanaged(configuration: Configuration, shown: Callable[[str], Shown]) -> list[tuple[str, str, str]]:
    """Type, name and version, which is empty where there is none."""
    if not configuration.purge.covers("plugins"):
        return []
    managed = {(plugin.type, plugin.name) for plugin in configuration.plugins}
    return [
        (kind, name, str(entry.get("version") or ""))
        for entry in plugins(shown)
        if entry.get("builtin") is False
        and (kind := text(entry, "type", CATALOG), name := text(entry, "name", CATALOG)) not in managed
    ]


def _path(kind: str, name: str, version: str) -> str:
    query = f"?version={_escaped(version)}" if version else ""
    return f"{CATALOG}/{kind}/{name}{query}"
