"""Integrated storage: ask the leader, join its cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import NamedTuple

from bank_vaults.domain.secrets import Secret
from bank_vaults.domain.snapshot import Leader
from bank_vaults.telemetry.failpoints import failpoint
from bank_vaults.vault.client import VaultClient
from bank_vaults.vault.config import ClientConfig
from bank_vaults.vault.errors import VaultError
from bank_vaults.vault.sys import Sys

log = logging.getLogger(__name__)

_ASK = 3.0
"""Seconds for the question to the leader, which is asked in every cycle until the node is initialised."""


class JoinError(Exception):
    """The node did not join. The message says what to look at."""


class RaftSettings(NamedTuple):
    """How to reach the leader. Files hold PEM; ``ca_file`` empty: as for the server itself."""

    leader_address: str
    ca_file: str
    client_cert_file: str
    client_key_file: str
    non_voter: bool


class Raft:
    """Joining, for one node."""

    def __init__(
        self, sys: Sys, config: ClientConfig, settings: RaftSettings, environ: Mapping[str, str] = os.environ
    ) -> None:
        self._sys = sys
        self._config = config
        self._settings = settings
        self._environ = environ

    def ask_leader(self) -> Leader:
        """Whether the leader's cluster is initialised. The leader knows better than any store."""
        if not self._settings.leader_address:
            return Leader.NOT_ASKED
        changes: dict[str, str] = {"address": self._settings.leader_address}
        ca_file = self._ca_file()
        if ca_file:
            changes |= {"ca_cert": ca_file, "ca_cert_bytes": ""}
        if self._settings.client_cert_file:
            changes |= {
                "client_cert": self._settings.client_cert_file,
                "client_key": self._settings.client_key_file,
            }
        try:
            with VaultClient(self._config._replace(**changes)) as client:  # type: ignore[arg-type]
                state = Sys(client).seal_status(timeout=_ASK)
        except VaultError as error:
            log.debug("the raft leader does not answer", extra={"fields": {"error": str(error)}})
            return Leader.UNREACHABLE
        return Leader.INITIALISED if state.initialized else Leader.NOT_INITIALISED

    def join(self) -> None:
        """Join the cluster of the leader address. Raises JoinError, VaultError."""
        self._join(self._settings.leader_address)

    def join_ha(self) -> None:
        """Raft for high availability only: join unless a leader is known.

        Pod number 0 begins the cluster, so it never joins. Raises JoinError, VaultError.
        """
        try:
            leader = self._sys.leader().leader_address
        except VaultError as error:
            raise JoinError(f"error checking leader vault: {error}") from None
        if not leader and not self._environ.get("POD_NAME", "").endswith("-0"):
            self._join("")

    def _join(self, leader_address: str) -> None:
        settings, config = self._settings, self._config
        cert_file, key_file = settings.client_cert_file, settings.client_key_file
        if not cert_file:  # as for the question to the leader
            cert_file, key_file = config.client_cert, config.client_key
        key = Secret(self._pem(key_file, "client key"))  # masked, should the server repeat it
        body = {
            "leader_api_addr": leader_address,
            "leader_ca_cert": self._pem(self._ca_file(), "CA") or config.ca_cert_bytes,
            "leader_client_cert": self._pem(cert_file, "client certificate"),
            "leader_client_key": key.reveal(),
            "retry": False,
            "non_voter": settings.non_voter,
        }
        failpoint("raft.before-join")
        if not self._sys.raft_join(body):
            raise JoinError("vault hasn't joined raft cluster")
        failpoint("raft.joined")
        log.info("vault joined raft cluster", extra={"fields": {"leader": leader_address or "(HA storage)"}})

    def _ca_file(self) -> str:
        return (
            self._settings.ca_file
            or self._environ.get("BAO_RAFT_CACERT")
            or self._environ.get("VAULT_RAFT_CACERT")
            or self._config.ca_cert
        )

    def _pem(self, path: str, what: str) -> str:
        if not path:
            return ""
        try:
            with open(path) as file:
                return file.read()
        except (OSError, UnicodeDecodeError) as error:
            cause = getattr(error, "strerror", None) or "it is not text"
            raise JoinError(f"cannot read the {what} for the raft leader, {path}: {cause}") from None
