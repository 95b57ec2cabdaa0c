"""Where a program keeps what it remembers over restarts."""

from __future__ import annotations

from collections.abc import Mapping


def state_directory(environ: Mapping[str, str], *, superuser: bool) -> str:
    """STATE_DIRECTORY of systemd, else for root /var/lib, else the user's (XDG base directories)."""
    if found := environ.get("STATE_DIRECTORY"):
        return found.partition(":")[0]
    if superuser:
        return "/var/lib/bank-vaults"
    home = environ.get("HOME", "").rstrip("/")
    kept = environ.get("XDG_STATE_HOME", "").rstrip("/") or f"{home}/.local/state"
    return f"{kept}/bank-vaults"
