"""Plain files, read whole and bounded."""

from __future__ import annotations

import os
import stat
from typing import Final

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError

# A pipe would block, and for ever.
_READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


def read_file(path: str, real: str | None = None) -> bytes:
    """The content of a plain file. Raises FunctionError: it cannot be read, is no plain file, is too long.

    ``real`` is the path of the file without links, against which rules were held: it is what is opened, and
    a link that came into it since is not followed.
    """
    try:
        descriptor = os.open(path, _READ) if real is None else _open_without_links(real)
        try:
            # Of a directory this is an error, after which Python would leave the descriptor open.
            with open(descriptor, "rb", closefd=False) as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise FunctionError(f"open {path}: not a plain file")
                content = file.read(limits.MAX_TEXT + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise FunctionError(f"open {path}: {(error.strerror or str(error)).lower()}") from None
    except ValueError:
        raise FunctionError(f"open {path!r}: invalid argument") from None
    if len(content) > limits.MAX_TEXT:
        raise FunctionError(f"open {path}: the file is longer than {limits.MAX_TEXT} bytes")
    return content


def _open_without_links(real: str) -> int:
    """A descriptor of the file at an absolute path, from directory to directory, none of which is a link.

    ``O_NOFOLLOW`` alone would look at the last part only. Raises OSError.
    """
    *directories, name = real.strip("/").split("/")
    here = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for directory in directories:
            flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            following = os.open(directory, flags, dir_fd=here)
            os.close(here)
            here = following
        return os.open(name or ".", _READ | os.O_NOFOLLOW, dir_fd=here)
    finally:
        os.close(here)
