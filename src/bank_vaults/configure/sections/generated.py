"""Objects that are made once and never again, and the secrets that a server tells only then.

A root certificate, a signing key, whatever a document calls ``create_only``: it is made where it is not, and
is left alone afterwards. With ``save_to`` the answer goes to a kv engine. It may be the only copy of a
private key, so the order is this:

1. before anything is generated: is there an engine at that path, and is the path readable and free?
2. the object is remembered as being generated, durably;
3. it is generated, and its answer is remembered as a Pending, durably, before anything else is done;
4. the answer is saved and read back;
5. the Pending is forgotten, the object is remembered as generated.

A run that ends between 3 and 5 is completed by the next one. A run that ends between 2 and 3, after the
server has generated and before its answer came, leaves nothing to save. The next one then

- saves what the server shows, where that is all that there was in the answer;
- replaces a key of a pki engine that nobody has, if it is certain that nothing depends on it (``traces``);
- says otherwise what has to be done.

An answer that cannot be remembered, for the disk is full by now, is saved all the same. Of several runs that
begin at once with the same state only one generates; runs with states of their own do not know of each other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple

from bank_vaults.configure.model import (
    Action,
    Change,
    Context,
    Difference,
    Fields,
    Identity,
    Pending,
    Place,
    Record,
    Request,
    Saving,
    Shown,
    Stage,
    Trace,
    Wanted,
)
from bank_vaults.configure.sections import steps, traces
from bank_vaults.configure.sections.kv import TYPES, Engine, engine_of
from bank_vaults.configure.sections.traces import Left
from bank_vaults.configure.server import MOUNTS

GENERATING: Final = "generating"
GENERATED: Final = "generated"

_TELLING: Final = 64
"""Characters of a text that two objects do not have in common by chance."""

_ONCE: Final = "it is there, and is made only once"
_NOT_THERE: Final = "it is not there"
_REPLACED: Final = (
    "an earlier run has generated it and never got the answer, so nobody has what was in that; "
    "nothing was issued with it, and it is replaced"
)

_NOT_YET: Final = ("no default issuer", "haven't been configured", "have not been configured")
"""How servers say, with status 400, that something is not there."""


def pending_of(saving: Saving, answer: Mapping[str, Any]) -> Pending | None:
    """What is to be saved of the whole answer to a request; None where it has nothing, as with status 204."""
    data = answer.get("data")
    return Pending(saving, data) if isinstance(data, Mapping) and data else None


def saving_request(pending: Pending) -> Request:
    """The request that saves, and never overwrites."""
    versioned = {"options": {"cas": 0}, "data": pending.data}
    return Request("PUT", pending.saving.path, versioned if pending.saving.versioned else pending.data)


def has_arrived(pending: Pending, shown: Shown) -> bool:
    """Whether the path of the saving shows what was to be saved."""
    fields = shown.fields
    if fields is not None and pending.saving.versioned:
        fields = fields.get("data")
    return fields == pending.data


class Existence(NamedTuple):
    """Paths that tell whether an object is there."""

    paths: tuple[str, ...]

    def judge(self, shown: Callable[[str], Shown]) -> tuple[bool | None, str]:
        """Whether it is there; None and why where that cannot be seen."""
        answers = [shown(path) for path in self.paths]
        if any(answer.there for answer in answers):
            return True, ""
        if any(not answer.problem or _says_not_yet(answer.problem) for answer in answers):
            return False, ""
        return None, answers[0].problem


class Once(NamedTuple):
    """What is wanted of an object that is made once."""

    identity: Identity
    place: Place
    path: str
    fields: Fields
    stage: int
    needs: frozenset[Identity]
    existence: Existence
    save_to: str = ""
    engines: tuple[Engine, ...] = ()
    """Of the documents, to know what ``save_to`` leads to."""
    hesitant: bool = True
    """Not made where it cannot be seen whether it is there, unless its mount is new."""
    note: str = ""
    """Something to be told with its creation."""
    secret: frozenset[str] = frozenset()
    trace: Trace | None = None
    """How what is generated for ``save_to`` is known again, where it can be."""
    shows_all: bool = False
    """Whether the server shows at ``path`` what it answers when it generates."""

    @property
    def reads(self) -> tuple[str, ...]:
        """See Wanted."""
        if not self.save_to:
            return (*self.existence.paths, MOUNTS)
        return (*self.existence.paths, MOUNTS, self.save_to, _metadata(self.save_to))

    def plan(self, shown: Callable[[str], Shown], record: Record | None, context: Context) -> Change:
        """See Wanted."""
        pending = context.pending.get(self.identity)
        if pending is not None:
            saving, fault = saving_to(self.save_to, self.engines, shown) if self.save_to else (None, "")
            return _delivery(self, saving, fault, pending, shown, self._after(context))
        there, problem = self.existence.judge(shown)
        if there is None and not _is_mounted(self.path, shown):
            there = False
        if record is not None and GENERATING in record.done and self.save_to:
            return self._resumed(record, there, shown, context)
        if record is not None and there is not False:
            why = "it was made once; the server does not show it" if problem else _ONCE
            return steps.change(self, Action.KEEP, why)._replace(record=record)
        if there:
            return steps.change(self, Action.KEEP, _ONCE)
        if there is None and self.hesitant:
            return steps.change(
                self,
                Action.REFUSED,
                f"it is made only once, and the server does not show whether it is there ({problem})",
            )
        reason = _NOT_THERE if there is False else f"nothing is remembered of it ({problem})"
        return self._making(reason, shown, context, self.trace)

    def _making(
        self,
        reason: str,
        shown: Callable[[str], Shown],
        context: Context,
        trace: Trace | None,
        removal: tuple[Request, ...] = (),
    ) -> Change:
        """It is made, after what an earlier try has left is removed."""
        saving, fault = saving_to(self.save_to, self.engines, shown) if self.save_to else (None, "")
        if fault or (saving is not None and (fault := _occupied(saving, shown))):
            return steps.change(self, Action.REFUSED, f"save_to: {fault}")
        now = context.digest(self.fields)
        action = Action.UPDATE if removal else Action.CREATE
        return steps.change(self, action, reason + (f"; {self.note}" if self.note else ""))._replace(
            differences=tuple(
                Difference(name, None, value, name in self.secret) for name, value in self.fields.items()
            ),
            requests=(*removal, Request("PUT", self.path, self.fields)),
            before=None if saving is None else Record(now, done=(GENERATING,)),
            record=self._after(context),
            saving=saving,
            trace=trace,
        )

    def _resumed(
        self, record: Record, there: bool | None, shown: Callable[[str], Shown], context: Context
    ) -> Change:
        """An earlier run was about to generate it, and has not got an answer."""
        if there is not False and self._is_saved(shown):
            why = f"what was generated is saved at {self.save_to}"
            return steps.change(self, Action.KEEP, why)._replace(record=self._after(context))
        if there and self.shows_all:
            why = f"what an earlier run has generated is shown, and still to be saved to {self.save_to}"
            change = self._making(why, shown, context, None)
            if change.action is Action.REFUSED:
                return change
            asking = (Request("GET", self.path),)
            return change._replace(action=Action.UPDATE, requests=asking, differences=(), before=None)
        trace, left = self.trace, Left()
        if trace is not None:
            trace = traces.after(trace, record)
            left = traces.left(trace, record, shown, context.digest)
        if there is False and (trace is None or left.fault):
            return self._making(_NOT_THERE, shown, context, self.trace)
        if trace is None or left.fault:
            kept = f" (and it is not replaced: {left.fault})" if left.fault else ""
            return steps.change(
                self,
                Action.REFUSED,
                "it was generated in a run that ended before the answer had come, so there is nothing to "
                f"save to {self.save_to}{kept}: delete it on the server, if nothing depends on it, to have "
                "another one, or give no save_to",
            )._replace(record=record)
        return self._making(_REPLACED if left.removal else _NOT_THERE, shown, context, trace, left.removal)

    def _is_saved(self, shown: Callable[[str], Shown]) -> bool:
        """Whether what is at ``save_to`` came with what the server has, for a run that could not remember it:
        a long text is in both, such as the certificate, or the server lists the key.
        """
        saved = shown(self.save_to).fields or {}
        inner = saved.get("data")
        values = inner if isinstance(inner, Mapping) else saved
        there = [item for path in self.existence.paths for item in (shown(path).fields or {}).items()]
        return any(
            values.get("key_id") in value
            if name == "keys" and isinstance(value, list)
            else isinstance(value, str)
            and len(value) >= _TELLING
            and str(values.get(name)).strip() == value.strip()
            for name, value in there
        )

    def _after(self, context: Context) -> Record:
        return Record(context.digest(self.fields), done=(GENERATED,))


class Delivery(NamedTuple):
    """A Pending whose object no document has any more: it is saved where it was to go."""

    identity: Identity
    pending: Pending
    place: Place = Place("", 0, 0)
    stage: int = Stage.SECRETS_ITEMS
    needs: frozenset[Identity] = frozenset()

    @property
    def reads(self) -> tuple[str, ...]:
        """See Wanted."""
        path = self.pending.saving.path
        return (path, _metadata(path)) if self.pending.saving.versioned else (path,)

    def plan(self, shown: Callable[[str], Shown], record: Record | None, context: Context) -> Change:
        """See Wanted."""
        del context
        after = Record(record.wanted if record else "", done=(GENERATED,))
        change = _delivery(self, self.pending.saving, "", self.pending, shown, after)
        return change._replace(place=None)


def deliveries(pending: Mapping[Identity, Pending], wanted: Collection[Wanted]) -> tuple[Wanted, ...]:
    """What is still to be saved for objects that are not wanted any more. To be planned with the others."""
    known = {each.identity for each in wanted}
    return tuple(Delivery(identity, each) for identity, each in pending.items() if identity not in known)


def saving_to(
    path: str, engines: tuple[Engine, ...], shown: Callable[[str], Shown]
) -> tuple[Saving | None, str]:
    """Where ``save_to`` leads, or a sentence why nothing can be saved there."""
    mounts = shown(MOUNTS)
    engine = engine_of(path, engines, mounts.fields)
    if engine is None:
        return None, f"no secrets engine is at {path}"
    if engine.type not in TYPES:
        return (
            None,
            f"the engine at {engine.path} is of type {engine.type}, and secrets are saved to kv engines",
        )
    if engine.version == 2 and engine.metadata(path) is None:
        return (
            None,
            f"{engine.path} is a kv engine of version 2, so the path has to begin with {engine.path}/data/",
        )
    return Saving(path, engine.version == 2), ""


def _delivery(
    item: Any,
    saving: Saving | None,
    fault: str,
    pending: Pending,
    shown: Callable[[str], Shown],
    after: Record,
) -> Change:
    """Saving of what an earlier run has generated, to where it was to go if ``save_to`` was taken away."""
    change = steps.change(item, Action.UPDATE, "")
    saving = saving or pending.saving
    target = pending._replace(saving=saving)
    if fault:
        return change._replace(action=Action.REFUSED, reason=f"save_to: {fault}; what was generated is kept")
    if has_arrived(target, shown(saving.path)):
        reason = f"what was generated is saved at {saving.path}, and need not be kept any longer"
    elif fault := _occupied(saving, shown):
        reason = f"save_to: {fault}; what was generated is kept until it can be saved"
        return change._replace(action=Action.REFUSED, reason=reason)
    else:
        reason = f"what an earlier run has generated is still to be saved to {saving.path}"
    return change._replace(reason=reason, record=after, saving=saving)


def _occupied(saving: Saving, shown: Callable[[str], Shown]) -> str:
    """Why nothing new can be written there; empty where it can."""
    found = shown(saving.path)
    if found.problem:
        return f"{saving.path} cannot be read ({found.problem})"
    if found.there:
        return f"there is something at {saving.path} already"
    if saving.versioned:
        metadata = shown(_metadata(saving.path)).fields or {}
        if metadata.get("current_version"):
            return f"a deleted secret is at {saving.path}: remove its metadata, or name another path"
    return ""


def _metadata(path: str) -> str:
    return path.replace("/data/", "/metadata/", 1)


def _is_mounted(path: str, shown: Callable[[str], Shown]) -> bool:
    mounts = shown(MOUNTS)
    if mounts.fields is None:
        return True
    return any(path.startswith(name) for name in mounts.fields)


def _says_not_yet(problem: str) -> bool:
    return any(words in problem for words in _NOT_YET)
