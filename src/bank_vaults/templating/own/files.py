"""Plain files, read whole and bounded."""

from __future__ import annotations

import os
import stat

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError


def read_file(path: str) -> bytes:
    """The content of a plain file. Raises FunctionError: it cannot be read, is no plain file, is too long."""
    try:
        # A pipe would block here, and for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise FunctionError(f"open {path}: not a plain file")
            content = file.read(limits.MAX_TEXT + 1)
    except OSError as error:
        raise FunctionError(f"open {path}: {(error.strerror or str(error)).lower()}") from None
    except ValueError:
        raise FunctionError(f"open {path!r}: invalid argument") from None
    if len(content) > limits.MAX_TEXT:
        raise FunctionError(f"open {path}: the file is longer than {limits.MAX_TEXT} bytes")
    return content
