"""``bank-vaults hsm doctor``: from the PKCS#11 module to the server, up to the first layer that fails."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing

from bank_vaults.cli import connecting
from bank_vaults.cli.output import coloured, row, say
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.domain.settings import Settings
from bank_vaults.hsm.client import TokenClient
from bank_vaults.hsm.doctor import Finding, Layer, Verdict, examine, failed
from bank_vaults.keystores import hsm_token
from bank_vaults.keystores.base import StoreError
from bank_vaults.keystores.registry import open_store
from bank_vaults.unsealer.status import JournalLook, ServerLook, Status, StoreLook, look, look_at_server
from bank_vaults.vault.client import VaultClient
from bank_vaults.vault.sys import Sys

_COLOURS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "red"}
_MODES = ("hsm", "hsm-k8s")


def run(settings: Settings) -> int:
    """Print each layer as soon as it is known; the exit code is that of the one that fails."""
    as_json = settings.text("output") == "json"
    shown: list[Finding] = []
    for finding in _until_failure(_layers(settings)):
        shown.append(finding)
        if not as_json:
            _print(finding)
    code = shown[-1].code
    if as_json:
        layers = [
            {
                "layer": finding.layer.value,
                "verdict": finding.verdict.value,
                "sentence": finding.sentence,
                "next_step": finding.next_step or None,
            }
            for finding in shown
        ]
        say(json.dumps({"layers": layers, "exit_code": int(code)}, indent=2))
    return code


def _until_failure(findings: Iterator[Finding]) -> Iterator[Finding]:
    for finding in findings:
        yield finding
        if finding.verdict is Verdict.FAILED:
            return


def _layers(settings: Settings) -> Iterator[Finding]:
    login = settings.flag("login")
    # A person stands here: a PIN that was refused before may be tried once more. And nobody wants a doctor
    # that makes a key pair.
    access = hsm_token.access(settings, needs_pin=login)._replace(again=True, may_generate=False)
    memory = hsm_token.memory(settings)
    try:
        module = hsm_token.module(settings)
    except StoreError as error:
        yield failed(Layer.MODULE, str(error))
        return
    with closing(TokenClient(module, access, memory)) as client:
        yield from examine(client, access, memory, os.environ, login=login)
    yield from _store_and_servers(settings, login=login)


def _store_and_servers(settings: Settings, *, login: bool) -> Iterator[Finding]:
    configs = connecting.client_configs(settings.items("server-addr"))
    clients = [VaultClient(config) for config in configs]
    try:
        servers = [Sys(client) for client in clients]
        mode = settings.text("mode")
        if not login or mode not in _MODES:
            words = "needs --login" if mode in _MODES else f"--mode is {mode!r}, which needs no token"
            yield Finding(Layer.STORE, Verdict.SKIPPED, words)
            status = Status(tuple(map(look_at_server, servers)), StoreLook(), JournalLook())
        else:
            status = look(servers, lambda: open_store(settings))
            yield store(status)
        for server in status.servers:
            yield server_state(server, status.store)
    finally:
        for client in clients:
            client.close()


def store(status: Status) -> Finding:
    """Whether the store can be read, and can open the server if that is initialised."""
    seen, journal = status.store, status.journal
    if seen.error:
        return failed(Layer.STORE, seen.error)
    if seen.missing:
        step = "the keys are elsewhere, or of another server: do not initialise it anew before they are found"
        return failed(Layer.STORE, seen.missing, step, ExitCode.KEYS)
    words = ", ".join(seen.keys) or "no keys"
    if journal.open:
        return Finding(Layer.STORE, Verdict.WARNING, f"{words}; {journal.sentence}")
    return Finding(Layer.STORE, Verdict.OK, words)


def server_state(seen: ServerLook, kept: StoreLook) -> Finding:
    """Whether a server answers, and is not a fresh one that the stored keys are not for."""
    if seen.state is None:
        step = "start it, or correct VAULT_ADDR, VAULT_CACERT or --server-addr"
        return failed(Layer.SERVER, f"{seen.address}: {seen.error}", step, ExitCode.FAILURE)
    if not seen.state.initialized and kept.keys:
        step = "if it had data, find that; else bank-vaults hsm purge --destroy-keys, and unseal --init"
        words = f"{seen.address} is not initialised, but the store has keys"
        return failed(Layer.SERVER, words, step, ExitCode.KEYS)
    if not seen.state.initialized:
        words = f"{seen.address} is not initialised"
        return Finding(Layer.SERVER, Verdict.OK, words, "bank-vaults unseal --init")
    if seen.state.sealed:
        return Finding(Layer.SERVER, Verdict.OK, f"{seen.address} is sealed", "bank-vaults unseal")
    return Finding(Layer.SERVER, Verdict.OK, f"{seen.address} is unsealed")


def _print(finding: Finding) -> None:
    verdict = finding.verdict.value
    if colour := _COLOURS.get(finding.verdict):
        verdict = coloured(verdict, colour)
    row(finding.layer.value, f"{verdict}: {finding.sentence}")
    if finding.next_step:
        row("", f"next step: {finding.next_step}")
