"""How far a node has to be before it may answer us: as far as our own last write, and as the leader was when
we asked.

The nodes on standby of an OpenBao cluster answer reads by themselves, a moment behind the leader. Since 2.7
answers have an index, and a request that comes with one is forwarded to the leader by a node that is not that
far. Nobody is as far as the highest index there can be, so the leader answers it, with the index that it has.
Source: OpenBao's documentation, Concepts, Eventual consistency.
"""

from __future__ import annotations

import json
import threading
from typing import Final

HEADER: Final = "x-vault-index"

_HIGHEST: Final = str(2**64 - 1)
"""Of the storage of raft. Others do not understand it, and take it for one that they have reached."""


class WriteIndex:
    """The highest index that is known. Safe under threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cluster = ""
        self._value = -1
        self._known = ""
        self.asking = False
        """Whether the leader is still to say how far it is."""
        self.lines = ""
        """For the head of each request."""

    def ask(self, cluster: str) -> None:
        """From now on and until ``note`` the leader is to answer."""
        from base64 import b64encode  # only configure asks

        text = json.dumps({"cluster": cluster, "value": _HIGHEST}, separators=(",", ":"))
        with self._lock:
            self.asking = True
            self.lines = _lines(b64encode(text.encode()).decode())

    def note(self, text: str) -> None:
        """Take the index of an answer, empty where it has none. Those of other products are in another form,
        and left alone: not every one of them forwards.
        """
        cluster, value = _parsed(text)
        with self._lock:
            if value >= 0 and (cluster != self._cluster or value > self._value):
                self._cluster, self._value, self._known = cluster, value, _lines(text)
            self.asking = False
            self.lines = self._known


def _lines(text: str) -> str:
    return f"X-Vault-Index: {text}\r\nX-Vault-Inconsistent: forward-active-node\r\n"


def _parsed(text: str) -> tuple[str, int]:
    """Cluster and value, which is -1 where it cannot be read."""
    from base64 import b64decode  # only clusters have use for it

    try:
        found = json.loads(b64decode(text, validate=True))
        return str(found["cluster"]), int(found["value"])
    except (ValueError, TypeError, KeyError):
        return "", -1
