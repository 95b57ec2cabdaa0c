"""Where a program keeps what it remembers over restarts."""

from __future__ import annotations

import os
from collections.abc import Mapping


def state_directory(environ: Mapping[str, str], *, superuser: bool) -> str:
    """STATE_DIRECTORY of systemd, else for root /var/lib, else the user's (XDG base directories)."""
    if found := environ.get("STATE_DIRECTORY"):
        return found.partition(":")[0]
    if superuser:
        return "/var/lib/bank-vaults"
    home = os.path.join(environ.get("HOME", "/"), ".local/state")
    return os.path.join(environ.get("XDG_STATE_HOME") or home, "bank-vaults")
