"""The places of the state: a file, or a secret of a kv engine of the server that is configured."""

from __future__ import annotations

import base64
import binascii
import contextlib
import fcntl
import os
import stat
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from bank_vaults.configure.session import Session
from bank_vaults.configure.state import Exchange, StateError
from bank_vaults.keystores import atomic
from bank_vaults.vault.errors import FatalError, VaultError

_LARGEST: Final = 256 << 20
_PATIENCE: Final = 10.0
"""Seconds to wait for another process that writes."""
_TRIES: Final = 20


class FilePlace:
    """A file of mode 0600, replaced as a whole. Writers lock the directory: no other file is needed."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)

    def read(self) -> bytes | None:
        """See Place."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._failed("read", error) from None
        with _explained(lambda error: self._failed("read", error)), open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise StateError(f"the state {self.path} is no plain file")
            return file.read(_LARGEST)

    def exchange(self, change: Exchange) -> None:
        """See Place."""
        directory = os.path.dirname(self.path)
        with _explained(lambda error: self._failed("write", error)):
            os.makedirs(directory, mode=0o700, exist_ok=True)
            with self._locked(directory):
                atomic.replace(self.path, change(self.read()))

    def keep_aside(self, value: bytes) -> str:
        """See Place."""
        aside = f"{self.path}.unusable"
        with _explained(lambda error: self._failed("keep aside", error)):
            atomic.replace(aside, value)
        return aside

    @contextlib.contextmanager
    def _locked(self, directory: str) -> Iterator[None]:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        deadline = time.monotonic() + _PATIENCE
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise StateError(
                            f"the state {self.path} is being written by another process"
                        ) from None
                time.sleep(0.01)
            yield
        finally:
            os.close(descriptor)

    def _failed(self, what: str, error: OSError) -> StateError:
        return StateError(f"cannot {what} the state {self.path}: {error.strerror or error}")


@contextlib.contextmanager
def _explained(failed: Callable[[OSError], StateError]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise failed(error) from None


class KvPlace:
    """A secret of a kv engine. Version 2 keeps writers apart by check-and-set, and keeps one version only.

    With version 1 the last of several writers at once wins. ``session`` is asked for at each use, since a
    token lasts for a run.
    """

    def __init__(self, mount: str, name: str, session: Callable[[], Session]) -> None:
        self._mount = mount
        self._name = name
        self._session = session
        self._versioned: bool | None = None

    def read(self) -> bytes | None:
        """See Place. An engine that is not there, for the documents are yet to make it, has none."""
        with self._explained("find"):
            if not self._session().show(self._about).there:
                return None
        return self._read()[0]

    def _read(self, name: str = "") -> tuple[bytes | None, int]:
        """The value and its version."""
        with self._explained("read"):
            shown = self._session().show(self._path(name or self._name))
        if shown.problem:
            raise StateError(f"cannot read the state {self._where}: {shown.problem}")
        fields: Mapping[str, Any] = shown.fields or {}
        version = 0
        if self._is_versioned():
            version = int((fields.get("metadata") or {}).get("version") or 0)
            fields = fields.get("data") or {}
        text = fields.get("state")
        if text is None:
            return None, version
        try:
            return zlib.decompress(base64.b64decode(str(text), validate=True)), version
        except (binascii.Error, zlib.error):
            return b"", version  # which is no state, and said to be so

    def exchange(self, change: Exchange) -> None:
        """See Place."""
        for _ in range(_TRIES):
            value, version = self._read()
            if self._write(self._name, change(value), version):
                return
        raise StateError(f"the state {self._where} is written by others all the time")

    def keep_aside(self, value: bytes) -> str:
        """See Place."""
        aside = f"{self._name}-unusable"
        self._write(aside, value, self._read(aside)[1])
        return f"kv:{self._mount}/{aside}"

    def _write(self, name: str, value: bytes, version: int) -> bool:
        """False: somebody else has written since that version was read."""
        fields: dict[str, Any] = {"state": base64.b64encode(zlib.compress(value)).decode()}
        if not self._is_versioned():
            with self._explained("write"):
                self._session().send("PUT", self._path(name), fields)
            return True
        with self._explained("write"):
            if not version:
                # Older versions may hold what a server generated and nobody else is to see.
                self._session().send("PUT", f"{self._mount}/metadata/{name}", {"max_versions": 1})
            try:
                body = {"options": {"cas": version}, "data": fields}
                self._session().send("PUT", self._path(name), body)
            except FatalError as error:
                if error.status == 400 and any("check-and-set" in word for word in error.messages):
                    return False
                raise
        return True

    def _path(self, name: str) -> str:
        return f"{self._mount}/data/{name}" if self._is_versioned() else f"{self._mount}/{name}"

    def _is_versioned(self) -> bool:
        if self._versioned is None:
            with self._explained("find"):
                shown = self._session().show(self._about)
            if not shown.there:
                raise StateError(
                    f"the state {self._where}: this token may use no kv engine at {self._mount!r}"
                )
            options = (shown.fields or {}).get("options") or {}
            self._versioned = str(options.get("version")) == "2"
        return self._versioned

    @property
    def _about(self) -> str:
        return f"sys/internal/ui/mounts/{self._mount}"

    @property
    def _where(self) -> str:
        return f"kv:{self._mount}/{self._name}"

    @contextlib.contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except VaultError as error:
            raise StateError(f"cannot {what} the state {self._where}: {error}") from None
