"""How far a node has to be before it may answer us: as far as our own last write.

The nodes on standby of an OpenBao cluster answer reads by themselves, a moment behind the leader. Since 2.7
the answer to a write has an index, and a request that comes with it is forwarded to the leader by a node that
is not that far. Source: OpenBao's documentation, Concepts, Eventual consistency.
"""

from __future__ import annotations

import json
import threading

HEADER = "x-vault-index"


class WriteIndex:
    """The highest index that a write was answered with. Safe under threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cluster = ""
        self._value = -1
        self.lines = ""
        """For the head of each request."""

    def note(self, text: str) -> None:
        """Take the index of an answer. Those of other products are in another form, and left alone: not every
        one of them forwards.
        """
        from base64 import b64decode  # only clusters have use for it

        try:
            found = json.loads(b64decode(text, validate=True))
            cluster, value = str(found["cluster"]), int(found["value"])
        except (ValueError, TypeError, KeyError):
            return
        with self._lock:
            if cluster != self._cluster or value > self._value:
                self._cluster, self._value = cluster, value
                self.lines = f"X-Vault-Index: {text}\r\nX-Vault-Inconsistent: forward-active-node\r\n"
