"""An object of the common kind: one path to read it, one to write it, and its fields as they are sent.

Roles, users, connection configurations, policies: whatever a server gives back by GET under the path to
which it was written. What it does not give back, in whole or in part, is compared by what is remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from bank_vaults.configure.comparing import differences, hidden, lifted
from bank_vaults.configure.model import (
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
    WriteOnly,
)
from bank_vaults.configure.sections import steps

Resets = tuple[type, ...]
"""Of which types values are taken back by empty ones, where a server keeps what it is not sent."""

_EMPTY: Final[Mapping[type, Any]] = {list: [], dict: {}, bool: False, int: 0}
_NOT_EMPTY: Final[Mapping[str, Any]] = {"token_type": "default"}
"""Fields of which a server takes another value for none."""

_RENAMED: Final[Mapping[str, str]] = {"bound_cidr_list": "bound_cidrs"}

_TRUE_BY_DEFAULT: Final = frozenset(
    {
        "allow_gce_inference",
        "bind_secret_id",
        "deny_null_bind",
        "disable_iss_validation",
        "namespace_in_state",
        "renewable",
        "resolve_aws_unique_ids",
    }
)


class Item(NamedTuple):
    """What is wanted of one object.

    ``exact``: the server shows every field as it was sent, so nothing needs to be remembered.
    ``secret``: fields whose values are not to be seen in a plan.
    """

    identity: Identity
    place: Place
    path: str
    fields: Fields
    stage: int
    needs: frozenset[Identity] = frozenset()
    exact: bool = False
    method: str = "PUT"
    read_path: str = ""
    """Where it is read, if not at ``path``."""
    secret: frozenset[str] = frozenset()
    resets: Resets = ()

    @property
    def reads(self) -> tuple[str, ...]:
        """See Wanted."""
        return (self.read_path or self.path,)

    def plan(self, shown: Callable[[str], Shown], record: Record | None, context: Context) -> Change:
        """See Wanted."""
        (path,) = self.reads
        verdict = judge(self.fields, shown(path), record, context, exact=self.exact)
        body = {**self.fields, **resets(verdict.gone, self.resets)}
        return change_of(self, verdict, self.secret)._replace(
            requests=() if verdict.action is Action.KEEP else (Request(self.method, self.path, body),),
            look="" if self.exact or verdict.action is Action.KEEP else path,
            record=None if self.exact else verdict.record,
        )


class Verdict(NamedTuple):
    """What comparing has found."""

    action: Action
    reason: str
    differences: tuple[Difference, ...]
    record: Record | None
    gone: Fields = MappingProxyType({})
    """What the server shows of fields that were written once and that the document has no more."""


def judge(
    wanted: Fields, found: Shown, record: Record | None, context: Context, *, exact: bool = False
) -> Verdict:
    """Compare fields with what the server shows, with the help of what is remembered."""
    now = "" if exact else context.digest(wanted)
    known = record is not None and record.wanted == now and not exact
    if known and record is not None and not record.names:
        record = record._replace(names=tuple(wanted))  # it is of a version that did not remember them
    fresh = Record(now, done=record.done if record else (), names=() if exact else tuple(wanted))
    if found.problem:
        if known and context.write_only is not WriteOnly.ALWAYS:
            return Verdict(Action.KEEP, "as it was last written; the server does not show it", (), record)
        if record is not None and context.write_only is WriteOnly.CREATE:
            return Verdict(Action.KEEP, "it has been written; the server does not show it", (), record)
        return Verdict(Action.UPDATE, f"the server does not show it ({found.problem})", (), fresh)
    if found.fields is None:
        added = tuple(Difference(name, None, value) for name, value in wanted.items())
        return Verdict(Action.CREATE, "it is not there", added, fresh)
    fields = lifted(found.fields)
    changed = differences(wanted, fields, strict=record is not None and not known)
    if changed and known and record is not None and record.shown == context.digest(found.fields):
        changed = ()  # so much as the server takes of it
    gone = _gone(wanted, fields, record)
    if changed or gone:
        reasons = [f"{_names(each.field for each in changed)} differ"] if changed else []
        reasons += [f"{_names(gone)}: no longer in the document"] if gone else []
        taken = tuple(Difference(name, value, None) for name, value in gone.items())
        return Verdict(Action.UPDATE, "; ".join(reasons), (*changed, *taken), fresh, gone)
    unseen = hidden(wanted, fields)
    if unseen and not exact:
        if context.write_only is WriteOnly.ALWAYS:
            return Verdict(Action.UPDATE, f"{_names(unseen)}: written always", _unseen(unseen), fresh)
        if not known and context.write_only is WriteOnly.CHANGED:
            why = "changed since they were written" if record else "no record of what was written"
            return Verdict(Action.UPDATE, f"{_names(unseen)}: {why}", _unseen(unseen), fresh)
        if not known:
            return Verdict(Action.KEEP, "as wanted, as far as the server shows it", (), record)
    return Verdict(Action.KEEP, "as wanted", (), record if known else None if exact else fresh)


def _gone(wanted: Fields, shown: Fields, record: Record | None) -> dict[str, Any]:
    """Fields of the record that are not wanted any more and in which the server still has something."""
    names = record.names if record is not None else ()
    named = {_one_name(name) for name in wanted}
    return {name: shown[name] for name in names if _one_name(name) not in named and shown.get(name)}


def _one_name(name: str) -> str:
    """The one name of a field that servers know by two: ``policies`` and ``token_policies``."""
    return _RENAMED.get(name) or name.removeprefix("token_")


def resets(gone: Fields, types: Resets) -> dict[str, Any]:
    """What takes values back, as far as their types are among these and an empty value is none to fear."""
    return {
        name: _NOT_EMPTY.get(name, _EMPTY.get(type(value)))
        for name, value in gone.items()
        if name not in _TRUE_BY_DEFAULT and (type(value) in types or (types and name in _NOT_EMPTY))
    }


def change_of(item: steps.Described, verdict: Verdict, secret: frozenset[str] = frozenset()) -> Change:
    """The change of an object with identity, place, stage and needs, as far as a verdict says it."""
    marked = tuple(each._replace(secret=each.secret or each.field in secret) for each in verdict.differences)
    return steps.change(item, verdict.action, verdict.reason, *marked)._replace(record=verdict.record)


def _unseen(names: tuple[str, ...]) -> tuple[Difference, ...]:
    return tuple(Difference(name, None, None, secret=True) for name in names)


def _names(fields: Any) -> str:
    return ", ".join(fields)
