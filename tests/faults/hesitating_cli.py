"""``bank-vaults`` held at one call of its store: ``python -m tests.faults.hesitating_cli ARGUMENTS``.

``HESITATING`` holds ``OPERATION NAME DIRECTORY``: the first such call of all processes makes
``DIRECTORY/reached`` and goes on when ``DIRECTORY/go`` is there. Somebody else's unseal attempt is left
alone for one second only.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from bank_vaults.cli.main import main
from bank_vaults.domain import decisions
from bank_vaults.keystores.file import FileStore

VARIABLE = "HESITATING"
_LIMIT = 60.0  # seconds


def _hold(operation: str, wanted: str, directory: Path) -> None:
    original = getattr(FileStore, operation)

    def call(self: FileStore, name: str, *value: bytes) -> Any:
        if name == wanted and _first(directory / "reached"):
            end = time.monotonic() + _LIMIT
            while not (directory / "go").exists() and time.monotonic() < end:
                time.sleep(0.01)
        return original(self, name, *value)

    setattr(FileStore, operation, call)


def _first(mark: Path) -> bool:
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


if __name__ == "__main__":
    decisions.PATIENCE_FOREIGN_PROGRESS = 1.0
    if plan := os.environ.get(VARIABLE):
        operation, name, directory = plan.split()
        _hold(operation, name, Path(directory))
    main()
