"""Servers as seal-status shows them, for tests of what is decided about them."""

from __future__ import annotations

from bank_vaults.domain.server import ServerState

FRESH = ServerState(
    initialized=False,
    sealed=True,
    threshold=0,
    shares=0,
    progress=0,
    nonce="",
    recovery_seal=False,
    seal_type="shamir",
    storage_type="raft",
    version="2.7.2",
    migration=False,
)
SEALED = FRESH._replace(initialized=True, threshold=3, shares=5)
UNSEALED = SEALED._replace(sealed=False)
