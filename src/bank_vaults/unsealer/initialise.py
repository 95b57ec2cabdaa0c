"""Initialise a server so that no key can be lost (docs/key-custody.md).

The order is everything::

    canary         the store keeps, and gives back, what it is given
    existence      no key of another cluster is in the way; an error is never "free"
    intent         journal entry, created atomically: also the lock between nodes
    sys/init       by the detached process, exactly once; its whole answer is stored in one write
    keys           each share under its own name, created
    root token     likewise; after unsealing replaced or revoked, if asked
    read back      all of them through one fresh client
    answer, intent deleted, in this order

Every step after the intent can be repeated, and the next start repeats what is missing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from bank_vaults.domain import names
from bank_vaults.domain.journal import InitAnswer, InitRequest, Intent
from bank_vaults.domain.secrets import Secret
from bank_vaults.domain.server import ServerState
from bank_vaults.keystores import preflight
from bank_vaults.keystores.base import (
    AlreadyExistsError,
    KeyStore,
    NotFoundError,
    PinRefusedError,
    StoreError,
)
from bank_vaults.telemetry.failpoints import failpoint
from bank_vaults.telemetry.metrics import Metrics
from bank_vaults.unsealer import journal
from bank_vaults.unsealer.init_call import HelperGoneError, InitCall, InitFailedError, StoreTrouble
from bank_vaults.unsealer.unseal import ShareSource
from bank_vaults.vault.errors import UnsupportedError, VaultError
from bank_vaults.vault.sys import Sys

log = logging.getLogger(__name__)

_ANSWER_BYTES_PER_SHARE = 130  # hexadecimal and base64 text of one share, quotes and commas
_ANSWER_BYTES_AROUND = 600


class KeysConflictError(Exception):
    """A key in the store is not the one that the answer of ``sys/init`` says: a human has to look."""


class InitOptions(NamedTuple):
    """What the operator wants of an initialisation."""

    shares: int
    threshold: int
    preflight_checks: bool
    store_root_token: bool
    root_token: Secret | None
    replace_token: bool
    """Whether the first root token is replaced or revoked once the server is unsealed."""


class _AnswerShares:
    """The shares of an answer under the names they are about to get."""

    def __init__(self, answer: InitAnswer) -> None:
        self._shares = dict(answer.named_shares())

    def get(self, name: str) -> bytes:
        """See KeyStore.get."""
        if name not in self._shares:
            raise NotFoundError(f"the answer of sys/init has no '{name}'")
        return self._shares[name].reveal_bytes()

    def origin(self, name: str) -> str:  # noqa: ARG002
        """All are of one answer."""
        return ""


class Initialiser:
    """The steps of one initialisation, for one server and one store."""

    def __init__(
        self,
        sys: Sys,
        open_store: Callable[[], KeyStore],
        options: InitOptions,
        metrics: Metrics,
        call: InitCall | None,
    ) -> None:
        self._sys = sys
        self._open_store = open_store
        self._options = options
        self._metrics = metrics
        self.call = call

    def begin(self, server: ServerState, *, turn: int, may_go: Callable[[], bool]) -> bool:
        """From nothing to a stored answer. False: another node was faster, or this one may not go.

        ``turn`` is the number of abandoned intents before ours. ``may_go`` is asked last, right before
        the call that must not be cut. Raises StoreError, InitFailedError, HelperGoneError,
        KeysConflictError.
        """
        if self.call is None:
            raise HelperGoneError("the process that calls sys/init is not there any more")
        options, store = self._options, self._open_store()
        failpoint("init.before-canary")
        if options.preflight_checks:
            self._check_store(store)
        if self._occupied(store):
            return False
        failpoint("init.before-intent")
        intent = Intent(
            server=self._sys.client.address,
            holder=self.call.holder,
            begun=time.time(),
            limit=self.call.limit,
            shares=options.shares,
            threshold=options.threshold,
        )
        if not journal.take_turn(store, turn, intent):
            return False
        failpoint("init.intent-recorded")
        if self._occupied(store) or not may_go():
            # Keys that came since we looked are of a node that took its turn and closed it meanwhile.
            store.delete(names.journal(turn))
            return False
        try:
            stored = self.call.run(
                InitRequest(options.shares, options.threshold, server.recovery_seal),
                partial(self._notice, store.describe().mode),
            )
        except InitFailedError as error:
            self._metrics.count_init("error")
            if not error.outcome_unknown and self._still_fresh():
                # The server refused, and nothing is to be remembered. Not so if it failed half-way, or
                # refuses because of an earlier try whose answer never came.
                journal.close(store)
            raise
        self._metrics.count_init("success")
        if stored.name != names.ANSWER:
            raise KeysConflictError(
                f"'{names.ANSWER}' held something else when sys/init was answered: the keys of this server "
                f"are in '{stored.name}'. Delete neither; move the other away and rename this one to "
                f"'{names.ANSWER}', then start bank-vaults again"
            )
        log.info(
            "vault is initialised, its keys are safe in the key store",
            extra={"fields": {"exposed_ms": round(stored.exposed * 1000, 1)}},
        )
        return True

    def shares(self) -> ShareSource | None:
        """The shares of the stored answer, before they are under their own names; None without an answer.

        Raises StoreError, MalformedRecordError.
        """
        answer = self._answer(self._open_store())
        return None if answer is None else _AnswerShares(answer)

    def finish_keys(self, *, close: bool = True) -> bool:
        """From a stored answer to every key under its own name, read back. False: there is no answer.

        Without ``close`` the journal is left to the process that began it: only that one knows whether
        the root token is to be replaced. Raises StoreError, MalformedRecordError, KeysConflictError.
        """
        store = self._open_store()
        answer = self._answer(store)
        if answer is None:
            return False
        for name, share in answer.named_shares():
            if not self._create(store, name, share):
                raise KeysConflictError(
                    f"error setting key '{name}': it already exists and is not the key that sys/init gave. "
                    "Nothing was overwritten. Either that key or the whole answer in "
                    f"'{names.ANSWER}' belongs to this server: delete neither before the server has "
                    "accepted one of them, then move the other away and start bank-vaults again"
                )
            failpoint("init.key-stored")
        # A root token that is there already is a later one, put by finish_token: it stays.
        root_stored = self._options.store_root_token and self._create(store, names.ROOT, answer.root_token)
        failpoint("init.root-stored")
        reader = self._open_store()
        for name, share in answer.named_shares():
            self._verify(reader, name, share)
            kind = "recovery" if name.startswith("vault-recovery") else "unseal"
            log.info(f"{kind} key stored in key store", extra={"fields": {"key": name}})
        if root_stored:
            self._verify(reader, names.ROOT, answer.root_token)
            log.info("root token stored in key store", extra={"fields": {"key": names.ROOT}})
        elif self._options.store_root_token:
            log.info("another root token is stored: it stays", extra={"fields": {"key": names.ROOT}})
        failpoint("init.keys-verified")
        if close and not self._options.replace_token:
            if not self._options.store_root_token:
                log.warning(
                    "won't store root token in key store, it is thrown away unseen; "
                    "a new one can be generated from the keys, if the server allows it (OpenBao: set "
                    "disable_unauthed_generate_root_endpoints = false in its listener)"
                )
            self._finish(store)
        return True

    def finish_token(self) -> None:
        """Once the server is unsealed: make the wanted root token, or revoke the unwanted one, and close.

        Raises StoreError, MalformedRecordError, VaultError.
        """
        store = self._open_store()
        answer = self._answer(store)
        if answer is None:
            return
        wanted = self._options.root_token
        if wanted is not None:
            if not self._sys.token_works(wanted):
                self._sys.create_root_token(wanted, token=answer.root_token)
            failpoint("init.token-created")
            if self._options.store_root_token:
                store.put(names.ROOT, wanted.reveal_bytes())
                self._verify(self._open_store(), names.ROOT, wanted)
                log.info("root token stored in key store", extra={"fields": {"key": names.ROOT}})
                failpoint("init.token-stored")
            if wanted != answer.root_token:
                self._sys.revoke_self(answer.root_token)
                failpoint("init.token-revoked")
        elif not self._options.store_root_token:
            self._warn_if_last_token()
            self._sys.revoke_self(answer.root_token)
            log.warning("won't store root token in key store, it is revoked unseen")
            failpoint("init.token-revoked")
        self._finish(store)

    def close_journal(self) -> None:
        """Remove the intents of an initialisation that is complete. Raises StoreError."""
        journal.close(self._open_store())
        failpoint("init.journal-closed")

    def dismiss_call(self) -> None:
        """There is nothing to initialise: the detached process may go."""
        if self.call is not None:
            self.call.dismiss()
            self.call = None

    def _finish(self, store: KeyStore) -> None:
        """Every key of the answer is stored: remove the answer, then the journal."""
        store.delete(names.ANSWER)
        failpoint("init.answer-deleted")
        self.close_journal()

    def _check_store(self, store: KeyStore) -> None:
        size = _ANSWER_BYTES_AROUND + _ANSWER_BYTES_PER_SHARE * self._options.shares
        try:
            preflight.check(store, self._open_store, size)
        except PinRefusedError:
            raise
        except StoreError as error:
            raise StoreError(f"error testing keystore before init: {error}") from None

    def _still_fresh(self) -> bool:
        """Whether a server that refused ``sys/init`` is not initialised; False if it does not tell."""
        try:
            return not self._sys.seal_status().initialized
        except VaultError:
            return False

    def _occupied(self, store: KeyStore) -> bool:
        """Whether there is any key or answer, also of a larger split than ours."""
        found = store.list()
        return bool(names.keys_in(found)) or any(map(names.is_answer, found))

    def _create(self, store: KeyStore, name: str, value: Secret) -> bool:
        """Create if it is absent. False: another value is there, and stays."""
        try:
            store.create(name, value.reveal_bytes())
        except AlreadyExistsError:
            return self._stored(store, name) == value.reveal_bytes()
        return True

    def _verify(self, reader: KeyStore, name: str, value: Secret) -> None:
        if self._stored(reader, name) != value.reveal_bytes():
            raise StoreError(f"the store gives back another value for '{name}' than it was given")

    def _stored(self, reader: KeyStore, name: str) -> bytes:
        try:
            return reader.get(name)
        except NotFoundError:
            raise StoreError(f"the store lost '{name}' right after it was written") from None

    def _answer(self, store: KeyStore) -> InitAnswer | None:
        """The stored answer; None when another process has finished and removed it meanwhile."""
        try:
            return InitAnswer.decode(store.get(names.ANSWER))
        except NotFoundError:
            return None

    def _warn_if_last_token(self) -> None:
        try:
            self._sys.root_generation()
        except UnsupportedError:
            log.warning(
                "this server does not generate root tokens from keys (OpenBao's default): after this, "
                "nobody has a root token. To get one, set "
                "disable_unauthed_generate_root_endpoints = false in its listener"
            )
        except VaultError as error:
            log.debug("cannot ask for root generation", extra={"fields": {"error": str(error)}})

    def _notice(self, mode: str, seconds: float, trouble: StoreTrouble | None) -> None:
        # Waiting here is work: who restarts us now for want of a sign of life loses the keys.
        self._metrics.cycle(self._sys.client.address)
        if trouble is not None:
            self._metrics.count_store_error(mode, "create")
            log.error(
                "the server is initialised, and the key store does not take its keys yet: "
                "make it writable, and do not stop bank-vaults",
                extra={"fields": {"error": trouble.error}},
            )
        else:
            log.info("still waiting for sys/init", extra={"fields": {"seconds": round(seconds)}})
