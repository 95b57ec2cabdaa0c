"""``bank-vaults status``: one read-only look at server, store and journal."""

from __future__ import annotations

import json

from bank_vaults.cli import connecting
from bank_vaults.cli.output import coloured, row, say
from bank_vaults.domain.settings import Settings
from bank_vaults.keystores.registry import open_store
from bank_vaults.unsealer.status import ServerLook, Status, look
from bank_vaults.vault.client import VaultClient
from bank_vaults.vault.sys import Sys


def run(settings: Settings) -> int:
    """Print what is seen; the exit code is that of the worst server."""
    clients = [VaultClient(config) for config in connecting.client_configs(settings.items("server-addr"))]
    try:
        status = look([Sys(client) for client in clients], lambda: open_store(settings))
    finally:
        for client in clients:
            client.close()
    if settings.text("output") == "json":
        say(json.dumps(_as_json(status), indent=2))
    else:
        _print_table(status)
    return status.code


def _as_json(status: Status) -> dict[str, object]:
    store, journal = status.store, status.journal
    intent = journal.intent
    return {
        "servers": [_server_as_json(look) for look in status.servers],
        "store": {
            "mode": store.description.mode if store.description else None,
            "location": store.description.location if store.description else None,
            "keys": list(store.keys),
            "leftovers": list(store.canaries),
            "problem": store.missing or None,
            "error": store.error or None,
        },
        "journal": {
            "open": journal.open,
            "answer": journal.answer,
            "node": intent.holder.node if intent else None,
            "server": intent.server if intent else None,
            "begun": intent.begun if intent else None,
            "holder": journal.holder.value if intent else None,
            "sentence": journal.sentence,
        },
        "exit_code": int(status.code),
    }


def _server_as_json(seen: ServerLook) -> dict[str, object]:
    found: dict[str, object] = {"address": seen.address, "reachable": seen.state is not None}
    if seen.state is not None:
        state = seen.state
        found |= {
            "initialized": state.initialized,
            "sealed": state.sealed,
            "version": state.version,
            "seal_type": state.seal_type,
            "storage_type": state.storage_type,
            "threshold": state.threshold,
            "shares": state.shares,
            "progress": state.progress,
            "recovery_seal": state.recovery_seal,
            "cluster_name": state.cluster_name or None,
            "cluster_id": state.cluster_id or None,
        }
    if seen.leader is not None:
        found |= {"ha_enabled": seen.leader.ha_enabled, "leader": seen.leader.is_self}
    return found | {"error": seen.error or None}


def _print_table(status: Status) -> None:
    for seen in status.servers:
        word, colour = _word(seen)
        row("server", seen.address)
        row("  state", coloured(word, colour))
        if seen.state is not None:
            state = seen.state
            row("  version", state.version)
            row("  seal", _seal(seen))
            row("  storage", state.storage_type)
            if state.cluster_name:
                row("  cluster", state.cluster_name)
            if seen.leader is not None and seen.leader.ha_enabled:
                row("  leader", "this node" if seen.leader.is_self else seen.leader.leader_address or "none")
        if seen.error:
            row("  error", seen.error)
    store = status.store
    if store.description is not None:
        row("store", f"{store.description.mode}: {store.description.location}")
    if store.error:
        row("  error" if store.description else "store", coloured(store.error, "red"))
    else:
        row("  keys", ", ".join(store.keys) or "none")
        if store.missing:
            row("  problem", coloured(store.missing, "red"))
        if store.canaries:
            row("  left-overs", ", ".join(store.canaries) + " (of pre-flight checks; may be removed)")
    row("journal", status.journal.sentence)


def _word(seen: ServerLook) -> tuple[str, str]:
    if seen.state is None:
        return "does not answer", "red"
    if not seen.state.initialized:
        return "not initialised", "yellow"
    return ("sealed", "yellow") if seen.state.sealed else ("unsealed", "green")


def _seal(seen: ServerLook) -> str:
    state = seen.state
    if state is None or not state.threshold:
        return state.seal_type if state else ""
    kind = "recovery shares" if state.recovery_seal else "shares"
    progress = f", {state.progress} entered" if state.progress else ""
    return f"{state.seal_type}, {state.threshold} of {state.shares} {kind}{progress}"
