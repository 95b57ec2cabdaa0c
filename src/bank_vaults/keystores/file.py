"""The ``file`` store: one file per value in one directory, mode 0600 (docs/storage.md).

The layout is that of Go Bank-Vaults: ``<file-path>/<name>``, the value as it is. What differs is how a
file comes to be: temporary file, fsync, rename (or link, where it must not exist yet), fsync of the
directory. A crash or a full disk leaves the old value or the new one, never a part of one.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import logging
import os
import stat
from collections.abc import Iterator

from bank_vaults.domain.settings import Settings
from bank_vaults.keystores import atomic
from bank_vaults.keystores.base import AlreadyExistsError, NotFoundError, StoreDescription, StoreError

log = logging.getLogger(__name__)

_LONGEST_VALUE = 1 << 20


class FileStore:
    """Values as files in ``directory``, which must exist. Safe for several threads and processes."""

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self._directory = os.fspath(directory)

    @classmethod
    def open(cls, settings: Settings) -> FileStore:
        """The store that ``--file-path`` names; empty is the working directory.

        Raises StoreError when the directory is missing or belongs to somebody else; warns when others
        may look into it.
        """
        directory = settings.text("file-path")
        if not directory:
            _warn_of_working_directory()
        with _explained("open", directory):
            if not os.path.isabs(directory):  # made absolute now: the working directory may change, or vanish
                directory = os.path.join(os.getcwd(), directory) if directory else os.getcwd()
            found = os.stat(directory)
        if not stat.S_ISDIR(found.st_mode):
            raise StoreError(f"the file store: {directory} is not a directory")
        if found.st_uid not in (os.geteuid(), 0):
            raise StoreError(
                f"the file store: {directory} belongs to user {found.st_uid}, who could exchange the keys; "
                f"give it to user {os.geteuid()}"
            )
        if found.st_mode & 0o077:
            _warn_of_open_directory(directory, stat.S_IMODE(found.st_mode))
        return cls(directory)

    def get(self, name: str) -> bytes:
        """Read one file. Symbolic links, foreign owners and anything but a plain file are refused."""
        try:
            descriptor = os.open(self._path(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            with _explained("read", name):  # the directory itself may be what is missing
                os.stat(self._directory)
            raise NotFoundError(f"the file store has no value {name!r}") from None
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise StoreError(f"the file store: {self._path(name)} is a symbolic link; refused") from None
            raise _refused("read", name, error) from None
        with _explained("read", name):
            try:
                self._check(name, os.fstat(descriptor))
                with open(descriptor, "rb", closefd=False) as file:
                    return file.read()
            finally:
                os.close(descriptor)

    def origin(self, name: str) -> str:  # noqa: ARG002
        """Not told by a file."""
        return ""

    def put(self, name: str, value: bytes) -> None:
        """Replace by rename."""
        with self._written(name, value) as temporary:
            with contextlib.suppress(FileNotFoundError):
                self._check(name, os.lstat(self._path(name)))
            os.rename(temporary, self._path(name))

    def create(self, name: str, value: bytes) -> None:
        """Create by hard link, which the kernel refuses if the name is taken."""
        with self._written(name, value) as temporary:
            try:
                os.link(temporary, self._path(name), follow_symlinks=False)
            except FileExistsError:
                # It may be our own, of a try that failed after the link; who reads it must be sure of it.
                atomic.sync(self._directory)
                raise AlreadyExistsError(f"the file store already has a value {name!r}") from None
            except OSError as error:
                if error.errno in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS):
                    raise StoreError(
                        f"the file store: {self._directory} is on a file system without hard links, so a "
                        "value cannot be created safely there; use a local file system"
                    ) from None
                raise
            os.unlink(temporary)

    def delete(self, name: str) -> None:
        """Remove the file and make that durable, also what an earlier try has removed."""
        with _explained("delete", name):
            with contextlib.suppress(FileNotFoundError):  # of the file; a missing directory fails the sync
                os.unlink(self._path(name))
            atomic.sync(self._directory)

    def list(self) -> frozenset[str]:
        """The names of all plain files, without unfinished temporary ones."""
        with _explained("list", self._directory), os.scandir(self._directory) as entries:
            return frozenset(
                entry.name
                for entry in entries
                if entry.is_file(follow_symlinks=False) and not entry.name.startswith(atomic.TEMPORARY)
            )

    def prepare(self) -> None:
        """Nothing: a write waits for the disk only."""

    def describe(self) -> StoreDescription:
        """Where the files are."""
        return StoreDescription(
            mode="file",
            location=self._directory,
            atomic_create=True,
            protection="plain files, readable by their owner and root only",
        )

    def _path(self, name: str) -> str:
        if "/" in name or "\0" in name or name in ("", ".", ".."):
            raise StoreError(f"the file store: {name!r} cannot be a file name")
        return os.path.join(self._directory, name)

    def _check(self, name: str, found: os.stat_result) -> None:
        if stat.S_ISLNK(found.st_mode):
            raise StoreError(f"the file store: {self._path(name)} is a symbolic link; refused")
        if not stat.S_ISREG(found.st_mode):
            raise StoreError(f"the file store: {self._path(name)} is not a plain file")
        if found.st_uid not in (os.geteuid(), 0):
            raise StoreError(
                f"the file store: {self._path(name)} belongs to user {found.st_uid}, "
                f"not to user {os.geteuid()}"
            )
        if found.st_size > _LONGEST_VALUE:
            raise StoreError(
                f"the file store: {self._path(name)} has {found.st_size} bytes, too many for a key"
            )

    @contextlib.contextmanager
    def _written(self, name: str, value: bytes) -> Iterator[str]:
        """A durable temporary file with the value; the directory is synced after the body moved it away."""
        self._path(name)  # refuses a name that cannot be one
        with _explained("write", name), atomic.written(self._directory, value) as temporary:
            yield temporary


@functools.cache
def _warn_of_working_directory() -> None:
    log.warning("--file-path is not given: the keys are looked for, and kept, in the working directory")


@functools.cache
def _warn_of_open_directory(directory: str, mode: int) -> None:
    """Once for each directory: the store is opened anew for every read-back."""
    log.warning(
        "the key directory is open to other users; close it with chmod 700",
        extra={"fields": {"directory": directory, "mode": f"{mode:04o}"}},
    )


@contextlib.contextmanager
def _explained(operation: str, name: str) -> Iterator[None]:
    """Turn an OSError into a StoreError that says what was tried."""
    try:
        yield
    except OSError as error:
        raise _refused(operation, name, error) from None


def _refused(operation: str, name: str, error: OSError) -> StoreError:
    return StoreError(f"the file store cannot {operation} {name!r}: {error.strerror or error}")
