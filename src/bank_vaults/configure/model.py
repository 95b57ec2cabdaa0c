"""What configuration is made of once it is a plan: objects, what is wanted of them, and changes.

::

    documents ──merge──► sections ──► Wanted objects ─┐
                          server ────► what it shows ─┼─ plan ─► Changes ─ apply ─► Memory
                          Memory of earlier runs ─────┘

Everything here is a value; nothing reads or writes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, NamedTuple, Protocol

Fields = Mapping[str, Any]
"""A JSON object: what is sent, or what the server shows."""


class Identity(NamedTuple):
    """Which object: two descriptions with one identity are of the same object."""

    section: str
    """As in the document: ``auth``, ``group-aliases``, …"""
    kind: str
    """``mount``, ``role``, ``policy``, …"""
    name: str
    """Unique within section and kind, for people too: ``approle/dev``."""

    def __str__(self) -> str:
        return f"{self.section} {self.kind} {self.name}"


class Place(NamedTuple):
    """Where a document says so; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Reference(NamedTuple):
    """A value that the server gives to another object, known once that exists: ``accessor`` of an auth
    method by path without slashes at its ends, ``group`` ID by name.
    """

    kind: str
    name: str


class Joined(NamedTuple):
    """A text with references inside, as the rules of a policy have them."""

    parts: tuple[str | Reference, ...]


class Request(NamedTuple):
    """A call relative to ``/v1/``; the body may hold References and Joined texts anywhere."""

    method: str
    path: str
    body: Fields | None = None
    forgives: str = ""
    """A refusal with these words in it does not fail the change: the object stays as it is, which is told."""

    def __repr__(self) -> str:
        return f"Request({self.method} {self.path})"  # the body may be all passwords


class Saving(NamedTuple):
    """Where a secret goes that a server generates and gives once: ``save_to``."""

    path: str
    versioned: bool
    """Whether it is a path of a kv engine of version 2."""


class Pending(NamedTuple):
    """A generated secret on its way: it is remembered until it is read back from where it was saved."""

    saving: Saving
    data: Fields

    def __repr__(self) -> str:
        return f"Pending({self.saving.path})"  # the data may be a private key


class Trace(NamedTuple):
    """How what a pki engine generates is known again where the answer is lost: ``sections.traces``."""

    mount: str
    makes_issuer: bool
    """Whether there is an issuer with the key then."""
    mark: str = ""
    """The name of the key in earlier tries; empty before the first one."""
    tries: int = 0
    """How many there were. Each is remembered differently, so that of several runs only one has the next."""


class Shown(NamedTuple):
    """What the server answers when it is asked for an object."""

    fields: Fields | None
    """None: it is not there, or ``problem`` says why the server does not show it."""
    problem: str = ""

    @property
    def there(self) -> bool:
        """Whether the object exists, as far as can be seen."""
        return self.fields is not None


ABSENT = Shown(None)


class Action(Enum):
    """What a change does to an object. ``KEEP`` is no change, ``REFUSED`` one that cannot be made."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    KEEP = "keep"
    REFUSED = "refused"


class Difference(NamedTuple):
    """One field that differs; the values of a ``secret`` one are never shown."""

    field: str
    before: Any
    after: Any
    secret: bool = False

    def __repr__(self) -> str:
        return f"Difference({self.field})"


class Record(NamedTuple):
    """What is remembered of an object between runs, values as keyed digests (``configure.memory``)."""

    wanted: str
    """Of what was last written."""
    shown: str = ""
    """Of what the server showed right after that, with a Trace right before; empty where nobody looked."""
    done: tuple[str, ...] = ()
    """Names of things that happen once, such as ``rotated``."""
    names: tuple[str, ...] = ()
    """Of the fields that were written, as they are: one that the document has no more is told from them."""


class Change(NamedTuple):
    """A step of a plan: what is done to one object, and why."""

    identity: Identity
    action: Action
    reason: str
    """A sentence, without values."""
    place: Place | None = None
    differences: tuple[Difference, ...] = ()
    requests: tuple[Request, ...] = ()
    """In this order; the change has failed when one of them fails."""
    stage: int = 0
    needs: frozenset[Identity] = frozenset()
    """If one of these fails in the same run, this change is not tried."""
    record: Record | None = None
    """What to remember once the requests have succeeded."""
    before: Record | None = None
    """What to remember durably before the first request is sent, so that a kill on the way is noticed. If the
    server refuses the first request for certain, the earlier record is put back."""
    trace: Trace | None = None
    """What ``before`` and the last request are completed with, so that a later run knows what came of it."""
    saving: Saving | None = None
    """The ``data`` of the last answer is saved there: ``sections.generated`` has the steps. With no requests,
    it is the Pending of the object that is saved, from an earlier run."""
    look: str = ""
    """A path to read afterwards, so that ``record.shown`` is known; empty where nothing is."""
    contents: int = 0
    """Of a deletion: how many objects are inside, as far as can be counted."""


class Digest(Protocol):
    """A keyed digest of a JSON value, short and the same for equal values."""

    def __call__(self, value: Any) -> str: ...


class Context(NamedTuple):
    """What the plan knows beside the objects themselves."""

    digest: Digest
    write_only: WriteOnly
    pending: Mapping[Identity, Pending] = {}


class WriteOnly(Enum):
    """When values are written that the server never shows."""

    CHANGED = "changed"
    """When they differ from what was last written, or nothing is remembered."""
    ALWAYS = "always"
    CREATE = "create"
    """Only with the object itself."""


class Wanted(Protocol):
    """An object that a document describes. Implementations are values and stand in ``configure.sections``."""

    @property
    def identity(self) -> Identity: ...

    @property
    def place(self) -> Place: ...

    @property
    def reads(self) -> tuple[str, ...]:
        """Paths that show the object, to be read beforehand, in parallel, each once for all objects."""

    def plan(self, shown: Callable[[str], Shown], record: Record | None, context: Context) -> Change:
        """Compare what is wanted with what the paths of ``reads`` show; others are asked for where that is
        seldom needed. Pure. Raises UnreadableError where that cannot be understood.
        """


class Stage:
    """When changes are made: those of one stage side by side, the next stage after them."""

    AUDIT = 0
    PLUGINS = 1
    AUTH = 2
    AUTH_TUNE = 3
    AUTH_CONFIG = 4
    AUTH_ITEMS = 5
    GROUPS = 6
    ALIASES = 7
    POLICIES = 8
    SECRETS = 9
    SECRETS_TUNE = 10
    SECRETS_CONFIG = 11
    SECRETS_ITEMS = 12
    """And later numbers up to 99 for options of engines in the order of the document."""
    STARTUP_SECRETS = 100
    PURGE = 200
    """Deletions come after everything else has succeeded."""
