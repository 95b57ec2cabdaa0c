"""``bank-vaults`` on a store that fails as ordered: ``python -m tests.support.faulty_cli ARGUMENTS``.

``FAULTY_STORE`` names a file that holds ``FAULT OPERATIONS FROM [UNTIL]``: from the FROM-th call (from 1)
of the operations (joined by ``+``) up to the UNTIL-th, the fault happens. Removing the file heals the
store. The calls of all processes are counted together, in ``FILE.count``. Store calls are given up after
half a second.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from bank_vaults.cli.main import main
from bank_vaults.keystores import deadline
from bank_vaults.keystores.base import StoreError
from bank_vaults.keystores.file import FileStore

VARIABLE = "FAULTY_STORE"
_PLAN = Path(os.environ[VARIABLE])
_HANG_LIMIT = 60.0  # seconds


def _due(operation: str) -> str:
    """The fault that this call meets, or nothing."""
    try:
        fault, operations, first, *last = _PLAN.read_text().split()
    except FileNotFoundError:
        return ""
    if operation not in operations.split("+"):
        return ""
    counter = os.open(f"{_PLAN}.count", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(counter, b"x")
        number = os.lseek(counter, 0, os.SEEK_CUR)
    finally:
        os.close(counter)
    return fault if int(first) <= number <= int(last[0] if last else 1 << 60) else ""


def _faulty(operation: str) -> None:
    original = getattr(FileStore, operation)

    def call(self: FileStore, name: str, *value: bytes) -> Any:
        fault = _due(operation)
        if fault == "lie":
            return None
        if fault == "hang":
            deadline_ = time.monotonic() + _HANG_LIMIT
            while _PLAN.exists() and time.monotonic() < deadline_:
                time.sleep(0.01)
        elif fault == "fail":
            raise StoreError(f"the file store cannot {operation} {name!r}: No space left on device")
        outcome = original(self, name, *value)
        if fault == "act-and-fail":
            raise StoreError(f"the file store cannot {operation} {name!r}: Input/output error")
        if fault == "truncate":
            path = Path(self._path(name))
            path.write_bytes(path.read_bytes()[:-1])
        return outcome

    setattr(FileStore, operation, call)


if __name__ == "__main__":
    for each in ("get", "put", "create", "delete"):
        _faulty(each)
    deadline.WithDeadline.__init__.__defaults__ = (0.5,)
    main()
