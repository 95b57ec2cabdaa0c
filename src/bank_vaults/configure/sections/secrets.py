"""Secrets engines: their mounts, and what is configured inside, by option and item.

An item is written to ``MOUNT/OPTION/NAME``, one without a name to ``MOUNT/OPTION``. Options that hold many
need names; whether others do is up to the server. Options are written in the order of the document, but
``config`` goes first with all types of engines that servers bring along: what else is made may depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from bank_vaults.configure.accessors import Placed, placed, resolved
from bank_vaults.configure.config import Configuration, Named, Secrets
from bank_vaults.configure.model import (
    Action,
    Change,
    Context,
    Fields,
    Identity,
    Place,
    Record,
    Request,
    Shown,
    Stage,
    Trace,
    Wanted,
)
from bank_vaults.configure.secrecy import secret_names
from bank_vaults.configure.sections import kv, steps, within
from bank_vaults.configure.sections.generated import Existence, Once
from bank_vaults.configure.sections.item import Item, change_of, judge, resets
from bank_vaults.configure.sections.mount import NOTHING, Mount
from bank_vaults.configure.sections.plugins import plugin_identity
from bank_vaults.configure.sections.purge import MountPurge
from bank_vaults.configure.sections.refused import Refused, unfit
from bank_vaults.configure.sections.rotation import Rotated, rotation_of
from bank_vaults.configure.sections.traces import trace_of
from bank_vaults.configure.sections.transit import TransitKey
from bank_vaults.configure.server import AUTH, MOUNTS, Server, accessors

_CONTROLS: Final = ("create_only", "rotate", "save_to")
_TRUE: Final = ("1", "t", "true", "yes", "on")

_LAST: Final = Stage.STARTUP_SECRETS - 1

_FREE_ORDER: Final = frozenset({"plugin"})
"""Types whose ``config`` does not go first: nobody knows what it is to them."""

_POINTERS: Final = frozenset({"issuers", "keys"})
"""Items of ``config`` of a pki engine that point to what other options make."""

_NAMED: Final = frozenset(
    {
        "intermediate/generate",
        "keys",
        "role",
        "roles",
        "roleset",
        "root/generate",
        "static-account",
        "static-role",
        "static-roles",
    }
)
"""Options in which items have names with all types of engines that servers bring along."""

_REPLACING: Final = frozenset({"pki", "ssh"})
"""Types whose roles are replaced by what is written: what is not sent gets its default."""

_CANNOT: Final = "delete them before reconfiguring"
"""What an ssh engine says when it has keys already."""


class EngineItem(NamedTuple):
    """An item whose fields may have accessors in them."""

    item: Item
    content: Placed
    named: bool

    @property
    def identity(self) -> Identity:
        """See Wanted."""
        return self.item.identity

    @property
    def place(self) -> Place:
        """See Wanted."""
        return self.item.place

    @property
    def reads(self) -> tuple[str, ...]:
        """See Wanted."""
        return (*self.item.reads, AUTH) if self.content.paths else self.item.reads

    def plan(self, shown: Callable[[str], Shown], record: Record | None, context: Context) -> Change:
        """See Wanted."""
        item = self.item
        if self.content.paths:
            auth = shown(AUTH)
            if auth.problem:
                return self._refused(f"{AUTH} cannot be read: {auth.problem}", record)
            item = item._replace(fields=resolved(self.content.value, accessors(shown)))
        (path,) = item.reads
        found = shown(path)
        if not self.named and "unsupported path" in found.problem:
            return self._refused("the server has nothing at this path: does the item need a name?", record)
        verdict = judge(item.fields, found, record, context)
        change = change_of(item, verdict, item.secret)
        if verdict.action is Action.KEEP:
            return change
        forgives = _CANNOT if record is None else ""
        body = {**item.fields, **resets(verdict.gone, item.resets)}
        return change._replace(requests=(Request("PUT", item.path, body, forgives),), look=path)

    def _refused(self, reason: str, record: Record | None) -> Change:
        return steps.change(self.item, Action.REFUSED, reason)._replace(record=record)


def wanted(configuration: Configuration, server: Server) -> tuple[Wanted, ...]:
    """The engines of the documents and the items in them. What cannot be carried out is refused by itself."""
    engines = kv.engines(configuration)
    methods = server.auth | {auth.path for auth in configuration.auth}
    made: list[Wanted] = []
    for engine in configuration.secrets:
        made.append(_mount(engine))
        made += _Engine(engine, engines, methods).items()
    return tuple(made)


def listings(configuration: Configuration) -> tuple[str, ...]:
    """See MountPurge."""
    return _purge(configuration).listings()


def details(configuration: Configuration, shown: Callable[[str], Shown]) -> tuple[str, ...]:
    """See MountPurge."""
    return _purge(configuration).details(shown)


def unmanaged(configuration: Configuration, shown: Callable[[str], Shown]) -> tuple[Change, ...]:
    """See MountPurge."""
    return _purge(configuration).unmanaged(shown)


def _purge(configuration: Configuration) -> MountPurge:
    paths = frozenset(engine.path for engine in configuration.secrets)
    return MountPurge("secrets", MOUNTS, paths, configuration.purge, lambda: within.of_engines(configuration))


def mount_identity(path: str) -> Identity:
    """Of the mount at a path."""
    return Identity("secrets", "mount", path)


def _mount(engine: Secrets) -> Mount:
    return Mount(
        mount_identity(engine.path),
        engine.place,
        MOUNTS,
        engine.path,
        engine.type,
        plugin_name=engine.plugin_name or "",
        description=engine.description,
        local=engine.local,
        seal_wrap=engine.seal_wrap,
        tune=engine.tune or NOTHING,
        stages=(Stage.SECRETS, Stage.SECRETS_TUNE),
    )


class _Engine(NamedTuple):
    """One engine of a document, on its way to objects."""

    engine: Secrets
    engines: tuple[kv.Engine, ...]
    methods: frozenset[str]
    """Paths of all auth methods that are there or will be."""

    def items(self) -> Iterator[Wanted]:
        for stage, option, item in self._ordered():
            yield self._item(stage, option, item)

    def _ordered(self) -> Iterator[tuple[int, str, Named]]:
        """Items with their stages. Those of a pki engine that make something are made one after the other."""
        kind = self.engine.type
        first: list[tuple[str, Named]] = []
        later: list[tuple[str, list[Named]]] = []
        last: list[tuple[str, list[Named]]] = []
        for option, items in self.engine.configuration.items():
            if kind in _FREE_ORDER or option.split("/")[0] != "config":
                later.append((option, list(items)))
                continue
            for item in items:
                if kind == "pki" and (item.name in _POINTERS or option.partition("/")[2] in _POINTERS):
                    last.append((option, [item]))
                else:
                    first.append((option, item))
        for option, item in first:
            yield Stage.SECRETS_CONFIG, option, item
        stage = int(Stage.SECRETS_ITEMS)
        for option, group in (*later, *last):
            singly = kind == "pki" and option != "roles"
            for item in group:
                yield min(stage, _LAST), option, item
                stage += singly
            stage += not singly

    def _item(self, stage: int, option: str, item: Named) -> Wanted:
        path = "/".join(filter(None, (self.engine.path, option, item.name)))
        identity = Identity("secrets", "item", path)
        content = placed(self._body(item), self.methods)
        save_to = item.body.get("save_to")
        rotates = _flag(item.body.get("rotate"))
        fault = self._unnamed(option) if item.name is None else unfit(item.name, slashes=True)
        fault = fault or content.complaint
        if save_to is not None and not (isinstance(save_to, str) and save_to.strip("/")):
            fault = fault or "save_to is not a path"
        if save_to is not None and rotates:
            fault = fault or "save_to and rotate do not go together: rotating gives no answer to be saved"
        if fault:
            return Refused(identity, item.place, fault, stage)
        needs = self._needs(option, item.body) | content.needs
        plain = Item(
            identity,
            item.place,
            path,
            content.value,
            stage,
            needs,
            secret=secret_names(content.value),
            resets=() if self.engine.type in _REPLACING and option == "roles" else (list,),
        )
        if rotates:
            return self._rotated(plain, option, item.name)
        if save_to is not None:
            return self._once(plain, save_to=save_to.strip("/"))
        if _flag(item.body.get("create_only")):
            return self._once(plain)
        if self._is_made_once(option, path, item.body):
            return self._once(plain)._replace(hesitant=False)
        if self.engine.type == "transit" and option == "keys" and item.name and "/" not in item.name:
            return TransitKey(identity, item.place, path, content.value, stage, needs)
        if self.engine.type == "transit" and option.startswith("keys/") and item.name == "config":
            plain = plain._replace(read_path=path.removesuffix("/config"))
        return EngineItem(plain, content, named=item.name is not None)

    def _unnamed(self, option: str) -> str:
        """What is wrong with an item without a name; empty where it may be without one."""
        kind = self.engine.type
        needed = option in _NAMED or (kind == "database" and option == "config")
        return "the name is missing" if needed and kind != "plugin" else ""

    def _body(self, item: Named) -> dict[str, Any]:
        """Without what is for us or not given, and without the name, which is in the path; plugins get it."""
        left_out: tuple[str, ...] = _CONTROLS
        if self.engine.type != "plugin":
            left_out = (*left_out, "name")
        return {
            name: value for name, value in item.body.items() if name not in left_out and value is not None
        }

    def _needs(self, option: str, body: Mapping[str, Any]) -> frozenset[Identity]:
        """The mount; the connection that a role of a database engine names, the plugin of a connection."""
        path = self.engine.path
        needs = {mount_identity(path)}
        connection = body.get("db_name")
        if option != "config" and any(
            item.name == connection for item in self.engine.configuration.get("config", ())
        ):
            needs.add(Identity("secrets", "item", f"{path}/config/{connection}"))
        if self.engine.type == "database" and option == "config" and body.get("plugin_name"):
            needs.add(plugin_identity("database", str(body["plugin_name"])))
        return frozenset(needs)

    def _rotated(self, item: Item, option: str, name: str | None) -> Wanted:
        rotation = rotation_of(self.engine.type, option, name)
        if rotation is None:
            note = f"engines of type {self.engine.type} cannot rotate it"
            return self._once(item)._replace(note=note)
        rotation = rotation._replace(path=f"{self.engine.path}/{rotation.path}")
        return Rotated(
            item.identity, item.place, item.path, item.fields, item.stage, item.needs, rotation, item.secret
        )

    def _once(self, item: Item, save_to: str = "") -> Once:
        needs = item.needs
        if save_to:
            engine = kv.engine_of(save_to, self.engines, None)
            needs = needs if engine is None else needs | {mount_identity(engine.path)}
        return Once(
            item.identity,
            item.place,
            item.path,
            item.fields,
            item.stage,
            needs,
            self._existence(item.path),
            save_to,
            self.engines,
            secret=item.secret,
            trace=self._trace(item) if save_to else None,
            shows_all=self._shows_all(item.path),
        )

    def _trace(self, item: Item) -> Trace | None:
        return trace_of(self.engine.path, item.path, item.fields) if self.engine.type == "pki" else None

    def _shows_all(self, path: str) -> bool:
        """Whether reading a path tells all that the answer to generating there did."""
        mount = self.engine.path
        return (self.engine.type == "ssh" and path == f"{mount}/config/ca") or (
            self.engine.type == "transit" and path.startswith(f"{mount}/keys/")
        )

    def _existence(self, path: str) -> Existence:
        """A certificate authority is generated at a path that cannot be read."""
        mount = self.engine.path
        if self.engine.type == "pki" and path.startswith(f"{mount}/root/generate"):
            return Existence((f"{mount}/issuers?list=true", f"{mount}/cert/ca"))
        if self.engine.type == "pki" and path.startswith(f"{mount}/intermediate/generate"):
            return Existence((f"{mount}/keys?list=true",))
        return Existence((path,))

    def _is_made_once(self, option: str, path: str, body: Fields) -> bool:
        """What would be another one each time it is written, whatever the document says."""
        if "generate" in path.removeprefix(self.engine.path).split("/"):
            return True
        if self.engine.type == "ssh" and path == f"{self.engine.path}/config/ca":
            return "private_key" not in body
        return self.engine.type == "totp" and option == "keys" and _flag(body.get("generate"))


def _flag(value: Any) -> bool:
    """As weakly as the format has it everywhere."""
    return value.strip().lower() in _TRUE if isinstance(value, str) else bool(value)
