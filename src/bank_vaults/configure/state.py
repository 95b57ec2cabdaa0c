"""Where the memory is kept between runs (``--state``), and how it is written: whole, merged, durably.

A place offers one value and an atomic exchange of it. What this run has noted is merged into whatever is
there at that moment, so that two runs at once lose nothing of each other. A value that is damaged is kept
aside, and the run goes on with an empty memory: that costs one writing of what servers do not show.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from bank_vaults.configure.memory import MalformedMemoryError, Memory
from bank_vaults.configure.model import Identity, Pending, Record
from bank_vaults.telemetry.failpoints import failpoint

log = logging.getLogger(__name__)

_VERSION: Final = 1


class StateError(Exception):
    """The state cannot be read or written. The text names the place and the cause."""


class ContestedError(StateError):
    """Another run has begun with the same object since this one has read the state."""


Exchange = Callable[[bytes | None], bytes]
"""From the value that is there, or None, to the new one. Called again where somebody else was faster."""


class Place(Protocol):
    """Where one value is kept. Everything raises StateError."""

    def read(self) -> bytes | None:
        """The value; None where there is none."""

    def exchange(self, change: Exchange) -> None:
        """Replace the value as a whole, with nobody else's change in between."""

    def keep_aside(self, value: bytes) -> str:
        """Keep a value that cannot be used under another name, which is returned."""


class Loaded(NamedTuple):
    """What a place has: a memory, of which cluster it is (empty where that is not known), and of which of its
    namespaces (empty for the root namespace).
    """

    memory: Memory
    cluster: str
    namespace: str


def encode(memory: Memory, cluster: str, namespace: str = "") -> bytes:
    """A line about the value, and the memory."""
    about: dict[str, object] = {"bank-vaults-state": _VERSION, "cluster": cluster}
    if namespace:
        about["namespace"] = namespace
    return json.dumps(about).encode() + b"\n" + memory.encode()


def decode(value: bytes) -> Loaded:
    """Raises MalformedMemoryError."""
    head, _, body = value.partition(b"\n")
    try:
        about = json.loads(head)
        version, cluster = about["bank-vaults-state"], str(about["cluster"])
        namespace = str(about.get("namespace", ""))
    except (ValueError, TypeError, KeyError):
        raise MalformedMemoryError("not a state of this program") from None
    if version != _VERSION:
        raise MalformedMemoryError(f"version {version!r} is not known")
    return Loaded(Memory.decode(body), cluster, namespace)


class State:
    """The memory of a run. Safe under threads."""

    def __init__(self, place: Place, cluster: str, namespace: str = "") -> None:
        """Read what is there. ``cluster`` is that of the server, empty where it does not tell.

        A memory of another cluster is put aside like a damaged one; one of another namespace is still needed,
        and in the wrong place. Raises StateError.
        """
        self._place = place
        self._cluster = cluster
        self._namespace = namespace
        self._lock = threading.RLock()
        self._noted: dict[Identity, Record | None] = {}
        self._pending: dict[Identity, Pending | None] = {}
        self._complained = False
        self.memory = self._load()
        self._begun = self.memory
        self.digest = self.memory.digest

    def _load(self) -> Memory:
        value = self._place.read()
        if value is None:
            return Memory.empty()
        try:
            loaded = decode(value)
        except MalformedMemoryError as error:
            reason = str(error)
        else:
            if self._is_ours(loaded):
                return loaded.memory
            reason = "it is of another cluster"
        where = self._place.keep_aside(value)
        log.warning(
            "the state of earlier runs cannot be used: what the server does not show is written once more",
            extra={"fields": {"reason": reason, "kept_as": where}},
        )
        return Memory.empty()

    def _is_ours(self, loaded: Loaded) -> bool:
        """Raises StateError where it is of another namespace of the same cluster."""
        if self._cluster and loaded.cluster not in ("", self._cluster):
            return False
        if loaded.namespace != self._namespace:
            raise StateError(
                f"the state is that of {_named(loaded.namespace)}, and this run is for "
                f"{_named(self._namespace)}: give each a place of its own with --state"
            )
        return True

    def note(self, identity: Identity, record: Record | None) -> None:
        """Remember a record, or forget the object; durable after the next flush."""
        with self._lock:
            if self.memory.records.get(identity) != record:
                self._noted[identity] = record

    def claim(self, identity: Identity, record: Record) -> None:
        """Remember, durably and before it is done, that something is done that may be done only once.

        Raises StateError; a ContestedError where another run that keeps the same state was faster.
        """

        def claimed(value: bytes | None) -> bytes:
            current = self._current(value)
            if current.key != self._begun.key or any(
                now.get(identity) != then.get(identity)
                for now, then in (
                    (current.records, self._begun.records),
                    (current.pending, self._begun.pending),
                )
            ):
                raise ContestedError("another run has just begun with it")
            return self._merged(value)

        with self._lock:
            self.note(identity, record)
            try:
                self._exchange(claimed)
            except StateError:
                self._noted.pop(identity, None)
                raise

    def record_of(self, identity: Identity) -> Record | None:
        """The record of an object as it was when the run began."""
        return self._begun.records.get(identity)

    def note_pending(self, identity: Identity, pending: Pending | None) -> None:
        """Remember a generated secret, or forget one that is safe; durable after ``insist``."""
        with self._lock:
            self._pending[identity] = pending

    def pending_of(self, identity: Identity) -> Pending | None:
        """The generated secret of an object that is still to be saved."""
        with self._lock:
            return self._pending.get(identity, self.memory.pending.get(identity))

    def flush(self, *, final: bool = True) -> None:
        """Make durable what was noted. Where that fails it is said once, and tried again the next time.

        Before the ``final`` one of a run nothing is said: the run may be about to make the engine that the
        state is kept in.
        """
        try:
            self.insist()
        except StateError as error:
            if final and not self._complained:
                log.warning(
                    "the state cannot be written: what the server does not show may be written again",
                    extra={"fields": {"error": str(error)}},
                )
            self._complained |= final

    def insist(self) -> None:
        """Make durable what was noted. Raises StateError."""
        with self._lock:
            if self._noted or self._pending:
                self._exchange(self._merged)

    def _exchange(self, change: Exchange) -> None:
        self._place.exchange(change)
        self._noted.clear()
        self._pending.clear()
        self._complained = False
        failpoint("configure.state-written")

    def _merged(self, value: bytes | None) -> bytes:
        """What is there with what was noted. Digests of another key say nothing, so ours are dropped then."""
        current = self._current(value)
        if current.key == self.memory.key:
            current = current.with_records(self._noted)
        for identity, pending in self._pending.items():
            current = current.with_pending(identity, pending)
        if current.key == self.memory.key:
            self.memory = current
        return encode(current, self._cluster, self._namespace)

    def _current(self, value: bytes | None) -> Memory:
        if value is not None:
            try:
                loaded = decode(value)
            except MalformedMemoryError:
                loaded = None
            if loaded is not None and self._is_ours(loaded):
                return loaded.memory
        return self.memory


def _named(namespace: str) -> str:
    return f"the namespace {namespace!r}" if namespace else "the root namespace"
