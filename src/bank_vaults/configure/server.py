"""What has to be known of a server before objects are derived from a document, as far as the server tells.

Everything here is read from answers that are read anyway; nothing reads or writes by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from bank_vaults.configure.model import Fields, Shown

Product = Literal["openbao", "vault", ""]

AUTH: Final = "sys/auth"
"""The listing of auth methods, with their accessors."""

MOUNTS: Final = "sys/mounts"
"""The listing of secrets engines."""

CATALOG: Final = "sys/plugins/catalog"
"""All plugins, built-in ones too."""

FACTS: Final = (AUTH,)
"""What ``facts`` needs to be read."""

_REFUSED: Final = (
    "the server does not know the token, or it has ended, or it may do too little: "
    "'bank-vaults configure policy' prints a policy that is enough"
)

_INNER: Final = "ns_token"
"""The type of the auth method of tokens in all namespaces but the root one, of either product."""

_VERSION: Final = re.compile(r"v(\d+)\.(\d+)\.(\d+)[^+]*(?:\+(.*))?")


class UnreadableError(Exception):
    """A listing that a plan cannot do without is not shown. The text names the path and the cause."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path} cannot be read: {problem}")
        self.path = path


class NamespaceError(Exception):
    """What answers is not the namespace that was asked for. The text says why, and what to do."""


class Server(NamedTuple):
    """Facts of a server. The default is none at all, for checks without a server."""

    product: Product = ""
    version: tuple[int, int, int] = (0, 0, 0)
    auth: frozenset[str] = frozenset()
    """Paths of the auth methods, without slashes at their ends."""
    environment: Mapping[str, str] = MappingProxyType({})
    """Of this program, for defaults such as the address of Kubernetes."""
    inner: bool = False
    """Whether it is a namespace other than the root one that answers."""

    @property
    def has_index(self) -> bool:
        """Whether the nodes of a cluster can be told how far they have to be (``vault.writeindex``). Vault
        takes such a request for a wrong one.
        """
        return self.product == "openbao" and self.version >= (2, 7, 0)

    def check(self, namespace: str) -> None:
        """Raises NamespaceError where a namespace is asked for and the root namespace answers."""
        if namespace and not self.inner:
            raise NamespaceError(
                f"the server has no namespaces and takes {namespace!r} for its root namespace: unset "
                "VAULT_NAMESPACE (HashiCorp Vault has namespaces in its Enterprise edition only)"
            )


def namespace_of(text: str) -> str:
    """A namespace as all its spellings have it: ``one`` of ``/one/``; empty for the root namespace, which
    servers also know as ``root``.
    """
    name = text.strip("/")
    return "" if name == "root" else name


def facts(shown: Callable[[str], Shown], environment: Mapping[str, str]) -> Server:
    """From the answers to ``FACTS``. Raises UnreadableError."""
    problem = shown(AUTH).problem
    if problem.startswith("403"):
        raise UnreadableError(AUTH, f"{problem}; {_REFUSED}")
    entries = listing(shown, AUTH)
    own = entries.get("token/", {})
    product, version = _version(str(own.get("running_plugin_version", "")))
    paths = frozenset(path.rstrip("/") for path in entries)
    return Server(product, version, paths, environment, inner=own.get("type") == _INNER)


def read(shown: Callable[[str], Shown], path: str) -> Fields | None:
    """What a path shows, None where there is nothing. Raises UnreadableError where that cannot be told."""
    answer = shown(path)
    if answer.problem:
        raise UnreadableError(path, answer.problem)
    return answer.fields


def listing(shown: Callable[[str], Shown], path: str) -> Mapping[str, Any]:
    """The entries of a listing by name; one that is empty or not there has none. Raises UnreadableError."""
    fields = read(shown, path) or {}
    return {name: entry for name, entry in fields.items() if isinstance(entry, Mapping)}


def keys(shown: Callable[[str], Shown], path: str) -> tuple[str, ...]:
    """The names that a LIST gives. Raises UnreadableError."""
    names = (read(shown, path) or {}).get("keys") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UnreadableError(path, "what it shows is no list of names")
    return tuple(names)


def infos(shown: Callable[[str], Shown], path: str) -> Mapping[str, Mapping[str, Any]]:
    """What a LIST tells of each of its entries, by their keys. Raises UnreadableError."""
    found = (read(shown, path) or {}).get("key_info") or {}
    if not isinstance(found, Mapping):
        raise UnreadableError(path, "what it shows is no list")
    return {key: inner(found, key, path) for key in found}


def inner(fields: Fields, name: str, path: str) -> Mapping[str, Any]:
    """The map that a member of what ``path`` shows is; empty where there is none. Raises UnreadableError."""
    found = fields.get(name)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise UnreadableError(path, f"its {name} is no map")
    return found


def text(fields: Fields, name: str, path: str) -> str:
    """The text that a member of what ``path`` shows is. Raises UnreadableError."""
    found = fields.get(name)
    if not isinstance(found, str):
        raise UnreadableError(path, f"its {name} is no text")
    return found


def number(fields: Fields, name: str, path: str) -> int:
    """The whole number that a member of what ``path`` shows is; 0 where there is none. Raises
    UnreadableError.
    """
    found = fields.get(name) or 0
    if not isinstance(found, int):
        raise UnreadableError(path, f"its {name} is no number")
    return found


def accessors(shown: Callable[[str], Shown]) -> dict[str, str]:
    """The accessors of the auth methods that exist, by path. Raises UnreadableError."""
    return accessors_of(listing(shown, AUTH))


def accessors_of(entries: Mapping[str, Any]) -> dict[str, str]:
    """The same from the entries of the listing; what has no usable accessor is left out."""
    return {
        path.rstrip("/"): accessor
        for path, entry in entries.items()
        if isinstance(entry, Mapping) and (accessor := entry.get("accessor")) and isinstance(accessor, str)
    }


def plugins(shown: Callable[[str], Shown]) -> tuple[Mapping[str, Any], ...]:
    """What the catalog has: name, type, version, builtin. Raises UnreadableError."""
    found = (read(shown, CATALOG) or {}).get("detailed") or []
    if not isinstance(found, list) or not all(isinstance(entry, Mapping) for entry in found):
        raise UnreadableError(CATALOG, "what it shows is no list of plugins")
    return tuple(found)


def _version(text: str) -> tuple[Product, tuple[int, int, int]]:
    """Of a built-in plugin, which has the version of its server: ``v2.7.2+builtin.bao``."""
    match = _VERSION.fullmatch(text)
    if match is None:
        return "", (0, 0, 0)
    build = match[4] or ""
    product: Product = "openbao" if build.endswith("bao") else "vault" if build.endswith("vault") else ""
    return product, (int(match[1]), int(match[2]), int(match[3]))
