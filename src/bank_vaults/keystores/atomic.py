"""Files that come to be whole or not at all: temporary file, fsync, rename or link, fsync of directory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

TEMPORARY = ".bank-vaults-"
"""The names of unfinished files begin so."""


@contextlib.contextmanager
def written(
    directory: str, content: bytes, mode: int = 0o600, owner: tuple[int, int] | None = None
) -> Iterator[str]:
    """The path of a durable temporary file in ``directory``, which the body gives its name.

    Mode and owner (numbers of user and group) are in force before the first byte, whatever the umask is. When
    the body has ended the directory is synced, and the temporary file removed if still there. Raises OSError.
    """
    temporary = os.path.join(directory, f"{TEMPORARY}{os.getpid()}-{os.urandom(8).hex()}")
    try:
        descriptor = os.open(
            temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        with open(descriptor, "wb", buffering=0) as file:
            if owner is not None:
                os.fchown(descriptor, *owner)
            os.fchmod(descriptor, mode)
            left = memoryview(content)
            while left:
                left = left[file.write(left) :]
            os.fsync(descriptor)
        yield temporary
        sync(directory)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def replace(path: str, content: bytes, mode: int = 0o600, owner: tuple[int, int] | None = None) -> None:
    """Make the file at ``path`` this one, or leave what is there; see ``written``. Raises OSError."""
    with written(os.path.dirname(path), content, mode, owner) as temporary:
        os.rename(temporary, path)


def sync(directory: str) -> None:
    """Make the names in a directory durable. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
