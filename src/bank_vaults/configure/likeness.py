"""Which created objects have to be looked at: what a server makes of one, it makes of all that are like it.

An object is looked at once it is written, for a server may show it otherwise than it was sent, and that has
to be known to tell a change from drift. Of many objects that differ in nothing but the names of other objects
of the document, such as roles with a policy each, one that is shown as it was sent speaks for the rest.
Should it be wrong for another one, that one is written once more in the next run, and then looked at, since
this is only about objects that are created.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Hashable, Iterable, Mapping
from itertools import pairwise
from typing import Any, Final

from bank_vaults.configure.comparing import differences, lifted
from bank_vaults.configure.model import Action, Change, Fields

_PLAIN: Final = re.compile(r"[a-z0-9](?:[a-z0-9_.-]*[a-z0-9])?")
"""Names that no server writes otherwise: nothing to trim, to split or to put in small letters."""

_NAME: Final = object()


class Likeness:
    """The kinds of objects that are shown as they were sent. Safe under threads."""

    def __init__(self, changes: Iterable[Change]) -> None:
        """``changes`` are those of the whole plan: their objects have the names that are names."""
        names = (change.identity.name.rpartition("/")[2] for change in changes)
        self._names = frozenset(name for name in names if _PLAIN.fullmatch(name))
        self._lock = threading.Lock()
        self._faithful: set[Hashable] = set()

    def is_known(self, change: Change) -> bool:
        """Whether the server shows the object of a change as it was sent, as one like it has proved."""
        kind = self._kind(change)
        with self._lock:
            return kind is not None and kind in self._faithful

    def learn(self, change: Change, shown: Fields) -> None:
        """Take what the server shows of an object that was just written for others like it."""
        kind = self._kind(change)
        if kind is not None and not differences(change.requests[0].body or {}, lifted(shown)):
            with self._lock:
                self._faithful.add(kind)

    def _kind(self, change: Change) -> Hashable | None:
        """Equal for objects that are alike; None for one that has to be looked at in any case."""
        if change.action is not Action.CREATE or len(change.requests) != 1:
            return None
        (request,) = change.requests
        parent = request.path.rpartition("/")[0]
        return change.identity.section, change.identity.kind, parent, self._shape(request.body)

    def _shape(self, value: Any) -> Hashable:
        """The value as something hashable, with one mark for all names."""
        if isinstance(value, Mapping):
            return frozenset((name, self._shape(each)) for name, each in value.items())
        if isinstance(value, (list, tuple)):
            texts = [str(each) for each in value]
            ascending = all(one < other for one, other in pairwise(texts))
            return "list", tuple(self._shape(each) if ascending else repr(each) for each in value)
        if isinstance(value, str) and value in self._names:
            return _NAME
        return type(value), value
