"""Secrets that are to be in the engines from the beginning: compared first, written only where different."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from bank_vaults.configure.config import Configuration, SecretKey, StartupSecret
from bank_vaults.configure.model import (
    ABSENT,
    Action,
    Change,
    Context,
    Difference,
    Fields,
    Identity,
    Place,
    Record,
    Request,
    Shown,
    Stage,
    Wanted,
)
from bank_vaults.configure.sections import steps
from bank_vaults.configure.sections.generated import Existence
from bank_vaults.configure.sections.item import judge
from bank_vaults.configure.sections.kv import Engine, engine_of, engines
from bank_vaults.configure.sections.refused import Refused, unfit
from bank_vaults.configure.sections.secrets import mount_identity
from bank_vaults.configure.server import MOUNTS, inner, number

SecretSource = Callable[[SecretKey], str]
"""Reads a key of a Kubernetes Secret. Raises KeyError where there is no such key, else SecretSourceError."""

_CA: Final = "/config/ca"


class SecretSourceError(Exception):
    """A Kubernetes Secret cannot be read. The text names it and the cause, and has no values."""


def wanted(configuration: Configuration, source: SecretSource) -> tuple[Wanted, ...]:
    """The secrets of the documents. Each key of a Kubernetes Secret is read once; what cannot be had makes
    those that need it refused, never empty.
    """
    known = engines(configuration)
    cache: dict[SecretKey, str] = {}

    def read(key: SecretKey) -> str:
        if key not in cache:
            cache[key] = source(key)
        return cache[key]

    return tuple(_wanted(secret, known, read) for secret in configuration.startup_secrets)


def _wanted(secret: StartupSecret, known: tuple[Engine, ...], source: SecretSource) -> Wanted:
    identity = Identity("startupSecrets", "secret", secret.path)
    fault = unfit(secret.path, slashes=True)
    data: Mapping[str, Any] = {}
    if not fault:
        data, fault = _data(secret, source)
    if not fault and secret.type == "pki":
        fault = _fault_of_bundle(data)
    if fault:
        return Refused(identity, secret.place, fault, Stage.STARTUP_SECRETS)
    engine = engine_of(secret.path, known, None)
    needs = frozenset() if engine is None else frozenset({mount_identity(engine.path)})
    if secret.type == "pki":
        bundle = "\n".join(part.strip("\n") for part in data.values())
        return PkiBundle(identity, secret.place, secret.path, bundle, needs, secret.create_only)
    made = KvSecret(
        identity,
        secret.place,
        secret.path,
        data,
        secret.options,
        engine,
        needs,
        secret.max_versions,
        secret.create_only,
    )
    if engine is not None and not engine.assumed and (fault := made.fault(engine)):
        return Refused(identity, secret.place, fault, Stage.STARTUP_SECRETS)
    return made


def _data(secret: StartupSecret, source: SecretSource) -> tuple[Mapping[str, Any], str]:
    """What is to be written, or a sentence why it is not known."""
    if not secret.references:
        return secret.data or {}, ""
    found = {}
    for reference in secret.references:
        try:
            found[reference.key] = source(reference)
        except KeyError:
            return {}, f"the Kubernetes Secret {reference.secret!r} has no key {reference.key!r}"
        except SecretSourceError as error:
            return {}, str(error)
    return found, ""


def _fault_of_bundle(data: Mapping[str, Any]) -> str:
    if len(data) < 2:
        return "a pki bundle has at least two parts, a key and a certificate"
    return (
        "" if all(isinstance(part, str) for part in data.values()) else "a part of the pki bundle is no text"
    )


class KvSecret(NamedTuple):
    """What is wanted of a secret of a kv engine."""

    identity: Identity
    place: Place
    path: str
    data: Fields
    options: Fields
    engine: Engine | None
    """Of a document; what no document has is known from the mounts."""
    needs: frozenset[Identity]
    max_versions: int | None = None
    create_only: bool = False
    stage: int = Stage.STARTUP_SECRETS

    @property
    def reads(self) -> tuple[str, ...]:
        """See Wanted."""
        known = self.engine is not None and not self.engine.assumed
        paths = (self.path,) if known else (self.path, MOUNTS)
        return (*paths, self._metadata) if self._looks_at_metadata(self.engine) else paths

    def plan(self, shown: Callable[[str], Shown], record: Record | None, context: Context) -> Change:
        """See Wanted."""
        engine = self._engine(shown)
        if engine is None and shown(MOUNTS).there:
            fault = f"no secrets engine is at {self.path}, neither in a document nor on the server"
        else:
            fault = self.fault(engine)
        if fault:
            return steps.change(self, Action.REFUSED, fault)
        versioned = engine is None or engine.version == 2
        metadata = shown(self._metadata) if self._looks_at_metadata(engine) else ABSENT
        requests = limiting = self._metadata_requests(engine, metadata)
        change = self._compare(shown(self.path), metadata, versioned, record, context)
        if change.action not in (Action.KEEP, Action.REFUSED):
            body: dict[str, Any] = {"data": self.data} if versioned else dict(self.data)
            if self.options:
                body["options"] = self.options
            requests = (*requests, Request("PUT", self.path, body))
        elif change.action is Action.KEEP and requests:
            change = change._replace(action=Action.UPDATE, reason="max_versions differs")
        if change.action is Action.REFUSED:
            return change
        if limiting:
            limit = Difference(
                "max_versions", (metadata.fields or {}).get("max_versions"), self._limit(engine)
            )
            change = change._replace(differences=(*change.differences, limit))
        return change._replace(requests=requests)

    def _compare(
        self, found: Shown, metadata: Shown, versioned: bool, record: Record | None, context: Context
    ) -> Change:
        if found.problem:
            if self.create_only:
                return _unseen(self, found.problem, record)
            verdict = judge({"data": self.data}, found, record, context)
            return steps.change(self, verdict.action, verdict.reason)._replace(record=verdict.record)
        fields = found.fields or {}
        current = fields.get("data") if versioned else found.fields
        about = inner(fields, "metadata", self.path) if versioned else {}
        version = number(about, "version", self.path)
        version = version or number(metadata.fields or {}, "current_version", self._metadata)
        if current is not None and _equal(self.data, current):
            return steps.change(self, Action.KEEP, "as wanted")
        if self.create_only and (current is not None or version):
            why = "it is there, and is only created" if current is not None else "somebody has deleted it"
            return steps.change(self, Action.KEEP, why)
        cas = self.options.get("cas")
        if cas is not None and str(cas) != str(version):
            return steps.change(
                self,
                Action.KEEP,
                f"it has version {version}, and options.cas says to write after version {cas} only",
            )
        before = current if isinstance(current, Mapping) else {}
        names = [name for name in (*self.data, *before) if not _equal(self.data.get(name), before.get(name))]
        changed = tuple(Difference(name, None, None, secret=True) for name in dict.fromkeys(names))
        if current is None:
            return steps.change(self, Action.CREATE, "it is not there")._replace(differences=changed)
        return steps.change(self, Action.UPDATE, "the data differ")._replace(differences=changed)

    def _engine(self, shown: Callable[[str], Shown]) -> Engine | None:
        if self.engine is not None and not self.engine.assumed:
            return self.engine
        wanted = () if self.engine is None else (self.engine,)
        return engine_of(self.path, wanted, shown(MOUNTS).fields)

    def _limit(self, engine: Engine | None) -> int | None:
        return self.max_versions if self.max_versions is not None or engine is None else engine.max_versions

    def _looks_at_metadata(self, engine: Engine | None) -> bool:
        if engine is not None and engine.version != 2 and not engine.assumed:
            return False
        return self._limit(engine) is not None or self.create_only or "cas" in self.options

    @property
    def _metadata(self) -> str:
        derived = self.engine.metadata(self.path) if self.engine else None
        return derived or self.path.replace("/data/", "/metadata/", 1)

    def fault(self, engine: Engine | None) -> str:
        """Why this engine cannot have the secret; empty where nothing speaks against it."""
        if engine is None:
            return ""
        if engine.type not in ("kv", "kv-v1", "kv-v2", "generic", "plugin"):
            return f"the engine at {engine.path} is of type {engine.type}, not kv"
        if engine.version != 2:
            if self._limit(engine) is not None:
                return f"max_versions is only supported for KV v2 secrets, and {engine.path} is of version 1"
            return f"options are of KV v2, and {engine.path} is of version 1" if self.options else ""
        if engine.metadata(self.path) is None:
            if self._limit(engine) is not None:
                return (
                    f"cannot derive metadata path for '{self.path}': expected path to contain '/data/' after "
                    f"{engine.path}"
                )
            return (
                f"{engine.path} is a kv engine of version 2: the path has to begin with {engine.path}/data/"
            )
        return ""

    def _metadata_requests(self, engine: Engine | None, metadata: Shown) -> tuple[Request, ...]:
        limit = self._limit(engine)
        if limit is None or (metadata.fields or {}).get("max_versions") == limit:
            return ()
        return (Request("PUT", self._metadata, {"max_versions": limit}),)

    def __repr__(self) -> str:
        return f"KvSecret({self.path})"


class PkiBundle(NamedTuple):
    """What is wanted of a certificate authority: a key and certificates, in the order of the document."""

    identity: Identity
    place: Place
    path: str
    bundle: str
    needs: frozenset[Identity]
    create_only: bool = False
    stage: int = Stage.STARTUP_SECRETS

    @property
    def reads(self) -> tuple[str, ...]:
        """See Wanted. A bundle cannot be read; the certificate of the engine can."""
        return (f"{self.path.removesuffix(_CA)}/cert/ca",) if self.path.endswith(_CA) else (self.path,)

    def plan(self, shown: Callable[[str], Shown], record: Record | None, context: Context) -> Change:
        """See Wanted."""
        (path,) = self.reads
        there, problem = Existence((path,)).judge(shown)
        now = Record(context.digest(self.bundle))
        certificate = str((shown(path).fields or {}).get("certificate", "")).strip()
        action, why = Action.KEEP, ""
        if certificate and _lines(certificate) in _lines(self.bundle):
            why = "the engine has this certificate"
        elif there and self.create_only:
            why = "it is there, and is only created"
        elif there is not False and record is not None and record.wanted == now.wanted:
            why = "as it was last written"
        elif there is None and self.create_only:
            return _unseen(self, problem, record)
        elif there is False:
            action, why = Action.CREATE, "it is not there"
        else:
            why = (
                f"the server does not show it ({problem})"
                if problem
                else "the engine has another certificate"
            )
            action = Action.UPDATE
        change = steps.change(self, action, why)._replace(record=now)
        if action is Action.KEEP:
            return change._replace(record=record or now)
        request = Request("PUT", self.path, {"pem_bundle": self.bundle})
        changed = (Difference("pem_bundle", None, None, secret=True),)
        return change._replace(requests=(request,), differences=changed)

    def __repr__(self) -> str:
        return f"PkiBundle({self.path})"


def _unseen(item: steps.Described, problem: str, record: Record | None) -> Change:
    """Of something that is only created where it cannot be seen: it is never written over."""
    if record is not None:
        return steps.change(item, Action.KEEP, "it was created; the server does not show it")._replace(
            record=record
        )
    why = f"it is only created, and the server does not show whether it is there ({problem})"
    return steps.change(item, Action.REFUSED, why)


def _lines(text: str) -> str:
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


def _equal(one: Any, other: Any) -> bool:
    """As JSON values, where true is not 1."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_equal(value, other[name]) for name, value in one.items())
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_equal, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
