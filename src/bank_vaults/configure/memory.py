"""What is remembered between runs: digests of what was written and of what the server then showed.

A server does not show passwords, and shows some other things in its own way. The digest of what was last
written tells whether it has changed since; the digest of what the server showed right after tells whether
somebody else has changed it. The digests are keyed (HMAC-SHA-256, shortened to 12 bytes). The key is part of
the memory, which therefore is to be kept like a file of hashed passwords. A lost memory costs one writing of
the values that are not shown.

For the short time between its generation and its being safe elsewhere a generated secret (``save_to``) is in
the memory as it is: private keys too. Whether that is encrypted at rest is up to where the memory is kept.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from bank_vaults.configure.model import Identity, Pending, Record, Saving

_VERSION: Final = 1
_KEY: Final = 32
_DIGEST: Final = 12


class MalformedMemoryError(ValueError):
    """A record of the memory is not one that this program wrote."""


class Memory(NamedTuple):
    """Records by object, and the key of their digests. A value: changes make a new one."""

    key: bytes
    records: Mapping[Identity, Record]
    pending: Mapping[Identity, Pending] = {}

    @classmethod
    def empty(cls) -> Memory:
        """With a new key and nothing remembered."""
        return cls(secrets.token_bytes(_KEY), {})

    def digest(self, value: Any) -> str:
        """Of a JSON value; keys of objects in any order."""
        written = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode()
        return b64encode(hmac.digest(self.key, written, hashlib.sha256)[:_DIGEST]).decode()

    def with_records(self, records: Mapping[Identity, Record | None]) -> Memory:
        """The memory with these instead of the earlier ones; None forgets an object."""
        merged = {**self.records, **records}
        return self._replace(records={name: record for name, record in merged.items() if record is not None})

    def with_pending(self, identity: Identity, pending: Pending | None) -> Memory:
        """The memory with a generated secret of this object; None: it is safe, and forgotten here."""
        others = {name: value for name, value in self.pending.items() if name != identity}
        return self._replace(pending=others if pending is None else {**others, identity: pending})

    def encode(self) -> bytes:
        """As one compact JSON text."""
        known = sorted(self.records.items())
        records = [[*identity, wanted, shown, done] for identity, (wanted, shown, done, _) in known]
        names = [[*identity, record.names] for identity, record in known if record.names]
        pending = [[*identity, *saving, data] for identity, (saving, data) in sorted(self.pending.items())]
        text = {
            "version": _VERSION,
            "key": b64encode(self.key).decode(),
            "records": records,
            "names": names,  # apart from the records, of which earlier versions expect no more
            "pending": pending,
        }
        return json.dumps(text, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, text: bytes) -> Memory:
        """Raises MalformedMemoryError."""
        try:
            content = json.loads(text)
            if content["version"] != _VERSION:
                raise MalformedMemoryError(f"version {content['version']!r} is not known")
            names = {
                Identity(section, kind, name): tuple(fields)
                for section, kind, name, fields in content.get("names", ())
            }
            records = {
                (identity := Identity(section, kind, name)): Record(
                    wanted, shown, tuple(done), names.get(identity, ())
                )
                for section, kind, name, wanted, shown, done in content["records"]
            }
            pending = {
                Identity(section, kind, name): Pending(Saving(path, versioned), dict(data))
                for section, kind, name, path, versioned, data in content["pending"]
            }
            key = b64decode(content["key"], validate=True)
        except (ValueError, TypeError, KeyError) as error:
            raise MalformedMemoryError(f"not a memory of earlier runs: {error}") from None
        if len(key) != _KEY:
            raise MalformedMemoryError("the key has another length")
        return cls(key, records, pending)

    def __repr__(self) -> str:
        return f"Memory({len(self.records)} records)"
