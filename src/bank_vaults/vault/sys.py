"""The calls of ``/v1/sys`` and ``/v1/auth/token`` that initialising and unsealing need.

Paths and bodies are those of the API documentation of both servers; where they differ, the docstring
says so. Everything under ``sys/init``, ``sys/seal-status``, ``sys/unseal``, ``sys/leader``,
``sys/storage/raft`` and ``sys/generate-root`` lives in the root namespace only, so no namespace is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from bank_vaults.domain.journal import InitRequest
from bank_vaults.domain.secrets import Secret
from bank_vaults.domain.server import MalformedAnswerError, ServerState
from bank_vaults.vault.client import VaultClient
from bank_vaults.vault.errors import DeniedError, FatalError

_QUICK = 10.0
"""Seconds for calls that a healthy server answers at once."""

_SLOW = 60.0
"""Seconds for calls that may wait for storage or for another node."""


class LeaderState(NamedTuple):
    """The answer of ``GET sys/leader``."""

    ha_enabled: bool
    is_self: bool
    leader_address: str


class RootGeneration(NamedTuple):
    """One step of ``sys/generate-root``. ``otp`` is set in the first answer, ``encoded`` in the last."""

    nonce: str
    required: int
    complete: bool
    otp: Secret | None
    otp_length: int
    encoded: Secret | None


class Sys:
    """Typed calls over one client. Raises the VaultError family; FatalError for a malformed answer.

    ``retry_reads``: reads are repeated as VAULT_MAX_RETRIES says, for commands that run once. The loop of
    a daemon is its own retry. Writes are never repeated. VAULT_CLIENT_TIMEOUT shortens every limit but
    that of ``sys/init``.
    """

    def __init__(self, client: VaultClient, *, retry_reads: bool = False) -> None:
        self.client = client
        self._retry_reads = retry_reads

    def seal_status(self, *, timeout: float = _QUICK) -> ServerState:
        """One look."""
        return self._state("GET", "sys/seal-status", None, timeout)

    def init(self, request: InitRequest, *, timeout: float) -> dict[str, object]:
        """Initialise: the server's whole answer. Sent exactly once, for a repeat could lose the keys."""
        return self._call("PUT", "sys/init", request.body(), timeout=timeout)

    def submit_share(self, share: Secret, *, timeout: float = _SLOW) -> ServerState:
        """Enter one share. The last one is answered when the server has opened (or refused) the vault."""
        return self._state("PUT", "sys/unseal", {"key": share.reveal()}, timeout)

    def reset_unseal(self) -> ServerState:
        """Throw away the shares entered so far."""
        return self._state("PUT", "sys/unseal", {"reset": True}, _QUICK)

    def leader(self) -> LeaderState:
        """Who leads. Without high availability there is no leader at all."""
        answer = self._call("GET", "sys/leader", None, timeout=_QUICK)
        return LeaderState(
            ha_enabled=answer.get("ha_enabled") is True,
            is_self=answer.get("is_self") is True,
            leader_address=str(answer.get("leader_address") or ""),
        )

    def raft_join(self, body: Mapping[str, object]) -> bool:
        """Join a raft cluster: whether the server says that it joined."""
        answer = self._call("POST", "sys/storage/raft/join", body, timeout=_SLOW)
        return answer.get("joined") is True

    def token_works(self, token: Secret) -> bool:
        """Whether the server accepts a token."""
        try:
            self._call("GET", "auth/token/lookup-self", None, timeout=_QUICK, token=token)
        except DeniedError:
            return False
        return True

    def create_root_token(self, wanted: Secret, *, token: Secret) -> None:
        """Create an orphan root token with an id of our choice."""
        body = {
            "id": wanted.reveal(),
            "policies": ["root"],
            "display_name": "root-token",
            "no_parent": True,
        }
        self._call("POST", "auth/token/create-orphan", body, timeout=_SLOW, token=token)

    def revoke_self(self, token: Secret) -> None:
        """Revoke a token with itself; one that is revoked already is success."""
        try:
            self._call("PUT", "auth/token/revoke-self", None, timeout=_SLOW, token=token)
        except DeniedError:
            if self.token_works(token):
                raise

    def root_generation(self) -> RootGeneration:
        """The state of the root generation that runs, if any. OpenBao forbids it by default (405)."""
        return self._generation("GET", "sys/generate-root/attempt", None)

    def start_root_generation(self) -> RootGeneration:
        """Begin to generate a root token from shares; the server makes the one-time password."""
        return self._generation("PUT", "sys/generate-root/attempt", {})

    def cancel_root_generation(self) -> None:
        """End the generation that runs."""
        self._call("DELETE", "sys/generate-root/attempt", None, timeout=_QUICK)

    def update_root_generation(self, share: Secret, nonce: str) -> RootGeneration:
        """Enter one share."""
        body = {"key": share.reveal(), "nonce": nonce}
        return self._generation("PUT", "sys/generate-root/update", body)

    def _generation(self, method: str, path: str, body: Mapping[str, object] | None) -> RootGeneration:
        answer = self._call(method, path, body, timeout=_QUICK)
        required, length = answer.get("required"), answer.get("otp_length", 0)
        if not isinstance(required, int) or not isinstance(length, int):
            raise FatalError(method, path, None, ("the answer lacks the number of shares required",))
        encoded = answer.get("encoded_root_token") or answer.get("encoded_token")
        otp = answer.get("otp")
        return RootGeneration(
            nonce=str(answer.get("nonce") or ""),
            required=required,
            complete=answer.get("complete") is True,
            otp=Secret(otp) if isinstance(otp, str) and otp else None,
            otp_length=length,
            encoded=Secret(encoded) if isinstance(encoded, str) and encoded else None,
        )

    def _state(
        self, method: str, path: str, body: Mapping[str, object] | None, timeout: float
    ) -> ServerState:
        try:
            return ServerState.from_answer(self._call(method, path, body, timeout=timeout))
        except MalformedAnswerError as error:
            raise FatalError(method, path, None, (str(error),)) from None

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None,
        *,
        timeout: float,
        token: Secret | None = None,
    ) -> dict[str, object]:
        return self.client.request(
            method,
            path,
            body,
            token=token,
            anonymous=token is None,
            namespaced=False,
            timeout=timeout if path == "sys/init" else min(timeout, self.client.timeout),
            retries=None if self._retry_reads and method == "GET" else 0,
        ).data
