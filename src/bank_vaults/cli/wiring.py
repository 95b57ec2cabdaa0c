"""From settings to the servers that are initialised and unsealed."""

from __future__ import annotations

import os
from collections.abc import Callable

from bank_vaults.cli.errors import UsageError
from bank_vaults.domain.durations import format_duration
from bank_vaults.domain.secrets import Secret
from bank_vaults.domain.settings import Settings
from bank_vaults.domain.snapshot import Policy
from bank_vaults.keystores.base import KeyStore
from bank_vaults.telemetry.metrics import Metrics
from bank_vaults.unsealer.holder import node_name
from bank_vaults.unsealer.init_call import InitCall
from bank_vaults.unsealer.initialise import Initialiser, InitOptions
from bank_vaults.unsealer.loop import Server
from bank_vaults.unsealer.raft import Raft, RaftSettings
from bank_vaults.vault.client import VaultClient
from bank_vaults.vault.config import ClientConfig, ConfigError
from bank_vaults.vault.endpoints import parse_address
from bank_vaults.vault.sys import Sys

_SHORTEST_PERIOD = 0.05
"""Seconds; below that the loop would only load the server."""


def init_options(settings: Settings, *, unseals: bool) -> InitOptions:
    """The wishes for an initialisation. Raises UsageError for a root token no server would take."""
    wanted = settings.secret("init-root-token")
    if wanted is not None:
        _check_wanted_token(wanted)
    return InitOptions(
        shares=settings.integer("secret-shares"),
        threshold=settings.integer("secret-threshold"),
        preflight_checks=settings.flag("pre-flight-checks"),
        store_root_token=settings.flag("store-root-token"),
        root_token=wanted,
        # "init" alone leaves the server sealed, where no token can be revoked.
        replace_token=wanted is not None or (unseals and not settings.flag("store-root-token")),
    )


def _check_wanted_token(wanted: Secret) -> None:
    text = wanted.reveal()
    if "." in text or not text.isprintable() or not text.isascii() or " " in text or not text:
        raise UsageError(
            "--init-root-token: the servers take no token id with dots, blanks or characters outside ASCII"
        )


def servers(
    settings: Settings,
    configs: list[ClientConfig],
    opener: Callable[[], KeyStore],
    metrics: Metrics,
    *,
    unseals: bool,
) -> list[Server]:
    """All servers of this process. The first may be initialised; with raft the others join it.

    Forks the process that calls ``sys/init``: nothing that starts threads may come before.
    """
    options = init_options(settings, unseals=unseals)
    once = not unseals or settings.flag("once")
    period = settings.seconds("unseal-period") if unseals else 2.0
    if period < _SHORTEST_PERIOD:
        raise UsageError(f"--unseal-period must be at least {format_duration(_SHORTEST_PERIOD)}")
    places = [_place(config.address, "--server-addr") for config in configs]
    if len(set(places)) < len(places):
        raise UsageError("--server-addr names one server twice")
    wants_init = not unseals or settings.flag("init")
    raft = unseals and settings.flag("raft")
    if wants_init and len(configs) > 1 and not raft:
        raise UsageError(
            "--init with several servers needs --raft: without it they would be separate clusters "
            "with one store"
        )
    found: list[Server] = []
    for number, config in enumerate(configs):
        leader = settings.text("raft-leader-address") if unseals else ""
        if raft and not leader and number:
            leader = configs[0].address
        if leader:
            _place(leader, "--raft-leader-address")
        policy = Policy(
            unseal=unseals,
            init=wants_init,
            auto=unseals and settings.flag("auto"),
            raft=raft,
            secondary=unseals and (settings.flag("raft-secondary") or (wants_init and number > 0)),
            ha_storage=unseals and settings.flag("raft-ha-storage"),
            first=_is_first(config.address, leader),
            leader_address=leader,
            node=node_name(),
            token_work=options.replace_token,
            period=period,
        )
        call = InitCall.start(config, opener) if policy.init and not policy.secondary else None
        system = Sys(VaultClient(config), retry_reads=once)
        found.append(
            Server(
                name=config.address,
                sys=system,
                policy=policy,
                initialiser=Initialiser(system, opener, options, metrics, call),
                raft=Raft(system, config, _raft_settings(settings, leader, unseals=unseals)),
                local=_is_local(config.address),
            )
        )
    return found


def _raft_settings(settings: Settings, leader: str, *, unseals: bool) -> RaftSettings:
    if not unseals:
        return RaftSettings("", "", "", "", non_voter=False)
    cert, key = settings.text("raft-leader-client-cert-file"), settings.text("raft-leader-client-key-file")
    if bool(cert) != bool(key):
        raise UsageError("--raft-leader-client-cert-file and --raft-leader-client-key-file belong together")
    return RaftSettings(
        leader_address=leader,
        ca_file=settings.text("raft-leader-ca-cert-file"),
        client_cert_file=cert,
        client_key_file=key,
        non_voter=settings.flag("raft-non-voter"),
    )


def _is_first(address: str, leader: str) -> bool:
    """Whether this node may initialise a raft cluster at once: pod number 0, or the leader itself."""
    return (
        not leader
        or os.environ.get("POD_NAME", "").endswith("-0")
        or _place(address, "") == _place(leader, "")
    )


def _place(address: str, source: str) -> tuple[str, int]:
    """Host and port, whether the port is written or the usual one. Raises UsageError."""
    try:
        endpoint = parse_address(address, source)
    except ConfigError as error:
        raise UsageError(str(error)) from None
    return endpoint.host, endpoint.port


def _is_local(address: str) -> bool:
    """Whether the server is on this machine by its address alone: a socket, localhost, 127.x.x.x or ::1."""
    endpoint = parse_address(address, "the address")
    if endpoint.scheme == "unix" or endpoint.host in ("localhost", "::1"):
        return True
    return endpoint.host.startswith("127.") and endpoint.host.replace(".", "").isdigit()
