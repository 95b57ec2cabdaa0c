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
from typing import Any, Final, NamedTuple

from bank_vaults.configure.sections.kv import version_of
from bank_vaults.configure.server import UnreadableError, inner, number
from bank_vaults.configure.session import Session
from bank_vaults.configure.state import Exchange, StateError
from bank_vaults.keystores import atomic
from bank_vaults.vault.errors import FatalError, VaultError

_LARGEST: Final = 256 << 20
_PATIENCE: Final = 10.0
"""Seconds to wait for another process that writes."""
_TRIES: Final = 20
_ASIDE: Final = "-unusable"
"""Behind the name of a secret whose value cannot be used."""


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


class _Engine(NamedTuple):
    """Where a secret is: its mount, its name in there, and whether that is of version 2."""

    mount: str
    name: str
    versioned: bool

    def path(self, kind: str, suffix: str) -> str:
        """``kind`` is ``data`` or ``metadata``; with version 1 there is only one path."""
        middle = f"{kind}/" if self.versioned else ""
        return f"{self.mount}/{middle}{self.name}{suffix}"


class KvPlace:
    """A secret of a kv engine. Version 2 keeps writers apart by check-and-set, and keeps one version only.

    With version 1 the last of several writers at once wins. ``path`` is that of the mount and the name; the
    server tells which part is which. ``session`` is asked for at each use, since a token lasts for a run.
    """

    def __init__(self, path: str, session: Callable[[], Session]) -> None:
        self._where = f"kv:{path}"
        self._path = path
        self._session = session
        self._engine: _Engine | None = None

    def read(self) -> bytes | None:
        """See Place. An engine that is not there, for the documents are yet to make it, has none."""
        return None if self._found() is None else self._read()[0]

    def _read(self, suffix: str = "") -> tuple[bytes | None, int]:
        """The value and its version."""
        engine = self._mounted()
        with self._explained("read"):
            shown = self._session().show(engine.path("data", suffix))
        if shown.problem:
            raise StateError(f"cannot read the state {self._where}: {shown.problem}")
        fields: Mapping[str, Any] = shown.fields or {}
        version = 0
        if engine.versioned:
            with self._explained("read"):
                version = number(inner(fields, "metadata", self._path), "version", self._path)
                fields = inner(fields, "data", self._path)
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
            if self._write(change(value), version):
                return
        raise StateError(f"the state {self._where} is written by others all the time")

    def keep_aside(self, value: bytes) -> str:
        """See Place."""
        self._write(value, self._read(_ASIDE)[1], _ASIDE)
        return self._where + _ASIDE

    def _write(self, value: bytes, version: int, suffix: str = "") -> bool:
        """False: somebody else has written since that version was read."""
        engine = self._mounted()
        fields: dict[str, Any] = {"state": base64.b64encode(zlib.compress(value)).decode()}
        path = engine.path("data", suffix)
        with self._explained("write"):
            if not engine.versioned:
                self._session().send("PUT", path, fields)
                return True
            if not version:
                # Older versions may hold what a server generated and nobody else is to see.
                self._session().send("PUT", engine.path("metadata", suffix), {"max_versions": 1})
            try:
                self._session().send("PUT", path, {"options": {"cas": version}, "data": fields})
            except FatalError as error:
                if error.status == 400 and any("check-and-set" in word for word in error.messages):
                    return False
                raise
        return True

    def _mounted(self) -> _Engine:
        engine = self._found()
        if engine is None:
            raise StateError(
                f"the state {self._where}: there is no kv engine, or none that this token may use"
            )
        return engine

    def _found(self) -> _Engine | None:
        if self._engine is None:
            about = f"sys/internal/ui/mounts/{self._path}"
            with self._explained("find"):
                fields = self._session().show(about).fields or {}
                versioned = version_of(inner(fields, "options", about)) == 2
            mount = str(fields.get("path", "")).strip("/")
            if mount and self._path.startswith(mount + "/"):
                self._engine = _Engine(mount, self._path.removeprefix(mount + "/"), versioned)
        return self._engine

    @contextlib.contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except (VaultError, UnreadableError) as error:
            raise StateError(f"cannot {what} the state {self._where}: {error}") from None
