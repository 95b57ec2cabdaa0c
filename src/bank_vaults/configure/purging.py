"""Brakes on deletions: mounts in use, paths that are protected, mounts that hold data, too many at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from bank_vaults.configure.model import Action, Change, Identity, Stage
from bank_vaults.configure.standing import NOWHERE, SECTIONS, Standing

_LIMIT = re.compile(r"(\d{1,9})(%?)")


class Brakes(NamedTuple):
    """Everything is off by default: a document that asks for a purge gets it."""

    most: int | None = None
    """Deletions in one run."""
    share: int | None = None
    """Per cent of the objects that exist, as far as this run looks at them."""
    protect: tuple[str, ...] = ()
    keep_data: bool = False
    """A mount with something inside stays."""
    own: tuple[str, ...] = ()
    """Paths that this program itself needs: where its state is. Never deleted."""


def parse_limits(texts: Iterable[str]) -> tuple[int | None, int | None]:
    """Count and share of ``10`` and ``20%``; of several the smallest. Raises ValueError."""
    counts: list[int] = []
    shares: list[int] = []
    for text in texts:
        match = _LIMIT.fullmatch(text)
        if match is None or (match[2] and int(match[1]) > 100):
            raise ValueError(f"{text!r} is no limit: accepted are counts like 10 and shares like 20%")
        (shares if match[2] else counts).append(int(match[1]))
    return min(counts, default=None), min(shares, default=None)


def brake(
    changes: Sequence[Change], brakes: Brakes, used: Iterable[str] = (), standing: Standing = NOWHERE
) -> tuple[Change, ...]:
    """The changes, those deletions that may not be kept back with a sentence.

    ``used``: paths at which documents have something, also in mounts that no document has: a start-up secret,
    or a key that was generated in this very run (``save_to``). These mounts stay, and so does what a
    document refers to: the group of an alias, the auth method of an alias or a placeholder, the plugin of a
    mount. ``standing``: what the token of this pass stands on, which stays too.
    Too many deletions are all refused: which of them are meant nobody can say.
    """
    if not any(change.action is Action.DELETE for change in changes):
        return tuple(changes)
    reasons = _Reasons(
        _mounts(used),
        _mounts(brakes.own),
        frozenset(
            _known_as(need)
            for change in changes
            if change.action is not Action.DELETE
            for need in change.needs
        ),
        standing,
    )
    spared = [
        _spared(change, brakes, reasons) if change.action is Action.DELETE else change for change in changes
    ]
    deleted = sum(change.action is Action.DELETE for change in spared)
    there = deleted + sum(change.action in (Action.KEEP, Action.UPDATE) for change in spared)
    if not (why := _too_many(deleted, there, brakes)):
        return tuple(spared)
    return tuple(
        change._replace(action=Action.REFUSED, reason=f"{change.reason}; {why}", requests=())
        if change.action is Action.DELETE
        else change
        for change in spared
    )


def _too_many(deleted: int, there: int, brakes: Brakes) -> str:
    if brakes.most is not None and deleted > brakes.most:
        return f"nothing is deleted: there are {deleted} deletions, and --purge-limit allows {brakes.most}"
    if brakes.share is not None and deleted * 100 > brakes.share * there:
        return (
            f"nothing is deleted: there are {deleted} deletions of {there} objects, and --purge-limit allows "
            f"{brakes.share}%"
        )
    return ""


def _mounts(paths: Iterable[str]) -> dict[str, str]:
    """Everything that a mount of these paths may be called, with one of the paths."""
    found: dict[str, str] = {}
    for path in paths:
        parts = path.partition("?")[0].split("/")
        for end in range(1, len(parts)):
            found.setdefault("/".join(parts[:end]), path)
    return found


class _Reasons(NamedTuple):
    """Why something may have to stay that no document has."""

    used: Mapping[str, str]
    own: Mapping[str, str]
    named: frozenset[Identity]
    """Objects that documents refer to."""
    standing: Standing


def _known_as(identity: Identity) -> Identity:
    """As an object that is referred to: a group however it is written, a plugin whatever its version is."""
    if identity.section == "groups":
        return identity._replace(name=identity.name.lower())
    if identity.section == "plugins":
        return identity._replace(name=identity.name.partition(" ")[0])
    return identity


def _spared(change: Change, brakes: Brakes, reasons: _Reasons) -> Change:
    if change.identity.kind == "mount":
        auth = "auth/" if change.identity.section == "auth" else ""
        mount = auth + change.identity.name
        if mount in reasons.own:
            return _kept(change, f"it stays, for this program uses {reasons.own[mount]}")
        if mount in reasons.used:
            return _kept(change, f"it stays, for a document has something in it: {reasons.used[mount]}")
    if _known_as(change.identity) in reasons.named:
        return _kept(change, "it stays, for a document refers to it")
    if any(request.path.lower() in reasons.standing.paths for request in change.requests):
        return _kept(change, "it stays, for the token of this program depends on it")
    if any(_covers(pattern, name) for pattern in brakes.protect for name in _names(change)):
        return _kept(change, "it is protected by --purge-protect")
    if brakes.keep_data and change.contents:
        return _kept(change, f"it stays, for {_objects(change.contents)} inside (--purge-keep-data)")
    if reasons.standing.problem and change.identity.section in SECTIONS:
        why = f"whether the token of this program depends on it cannot be seen: {reasons.standing.problem}"
        return change._replace(action=Action.REFUSED, reason=f"{change.reason}; {why}", requests=())
    return change


def _kept(change: Change, why: str) -> Change:
    return change._replace(action=Action.KEEP, reason=f"{change.reason}; {why}", requests=())


def _objects(count: int) -> str:
    return "one object is" if count == 1 else f"{count} objects are"


def _names(change: Change) -> Iterator[str]:
    """What a person may call it: section and name, the path of the API, a mount by its path."""
    yield f"{change.identity.section}/{change.identity.name}"
    for request in change.requests:
        path = request.path.partition("?")[0]
        yield path
        yield path.removeprefix("sys/mounts/")
        yield path.removeprefix("sys/")


def _covers(pattern: str, name: str) -> bool:
    """The object and all that is inside of it; ``*`` and ``?`` stand for anything, all else for itself."""
    pattern = pattern.strip("/").replace("[", "[[]")
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}/*")


def spared(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Deletions that a brake has kept back without refusing them."""
    return tuple(change for change in changes if change.action is Action.KEEP and change.stage >= Stage.PURGE)
