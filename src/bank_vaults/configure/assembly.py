"""All sections together: from a configuration to everything that is wanted, and to what no document has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from bank_vaults.configure.accessors import MARK, placed
from bank_vaults.configure.config import Configuration
from bank_vaults.configure.memory import Memory
from bank_vaults.configure.model import Change, Wanted
from bank_vaults.configure.reading import Reader
from bank_vaults.configure.sections import (
    audit,
    auth,
    groups,
    plugins,
    policies,
    secrets,
    startup_secrets,
    within,
)
from bank_vaults.configure.sections.generated import deliveries
from bank_vaults.configure.sections.startup_secrets import SecretSource
from bank_vaults.configure.sections.within import Inside
from bank_vaults.configure.server import FACTS, Server, facts

_SECTIONS: Final = (audit, plugins, auth, groups, policies, secrets)
"""All that are derived from document and server alone, in the order of the original."""


_OF_THE_SERVER: Final = frozenset({"audit", "plugins"})
"""Sections that all namespaces have in common. Some servers delete in them from within any namespace."""


def in_namespace(configuration: Configuration) -> Configuration:
    """The same in a namespace other than the root one: from there only what is in there is purged."""
    purge = configuration.purge
    return configuration._replace(purge=purge._replace(exclude=purge.exclude | _OF_THE_SERVER))


def server_of(reader: Reader, environment: Mapping[str, str]) -> Server:
    """What has to be known of a server. Raises UnreadableError, VaultError."""
    reader.read(FACTS)
    return facts(reader.shown, environment)


def wanted(
    configuration: Configuration, server: Server, source: SecretSource, memory: Memory
) -> tuple[Wanted, ...]:
    """Everything that the documents want, and what earlier runs have left to be done."""
    found: list[Wanted] = []
    for section in _SECTIONS:
        found += section.wanted(configuration, server)
    found += startup_secrets.wanted(configuration, source)
    return (*found, *deliveries(memory.pending, found))


def wanted_of_no_server(configuration: Configuration, environment: Mapping[str, str]) -> tuple[Wanted, ...]:
    """What documents want of a server of which nothing is known, without the Secrets of Kubernetes.

    It is taken to have the auth methods that are named by placeholders and that no document has.
    """
    texts = [policy.rules for policy in configuration.policies]
    bodies = [
        item.body
        for engine in configuration.secrets
        for items in engine.configuration.values()
        for item in items
    ]
    unknown = placed([texts, bodies], [auth.path for auth in configuration.auth]).unknown
    named = frozenset(each.removeprefix(MARK) for each in unknown)
    server = Server(auth=named, environment=environment)
    return wanted(configuration, server, lambda _: "", Memory.empty())


def unmanaged(configuration: Configuration, reader: Reader) -> tuple[Change, ...]:
    """Deletions of what no document has, where it is asked for. Raises UnreadableError, VaultError."""
    if not configuration.purge.enabled:
        return ()
    reader.read(listed(configuration))
    reader.read(_details(configuration, reader))
    return tuple(change for section in _SECTIONS for change in section.unmanaged(configuration, reader.shown))


def listed(configuration: Configuration) -> tuple[str, ...]:
    """The listings that deletions are told from."""
    return tuple(path for section in _SECTIONS for path in section.listings(configuration))


def insides(configuration: Configuration) -> tuple[Inside, ...]:
    """The lists inside of mounts from which something may be deleted."""
    if not configuration.purge.within:
        return ()
    methods = auth.insides(configuration) if configuration.purge.covers("auth") else ()
    engines = within.of_engines(configuration) if configuration.purge.covers("secrets") else ()
    return (*methods, *engines)


def _details(configuration: Configuration, reader: Reader) -> Iterable[str]:
    for section in _SECTIONS:
        details = getattr(section, "details", None)
        if details is not None:
            yield from details(configuration, reader.shown)
