"""One round of unsealing: read shares, enter exactly as many as the threshold, understand the answer."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple, Protocol

from bank_vaults.domain import envelope, names, shares
from bank_vaults.domain.server import ServerState
from bank_vaults.domain.shares import DamagedShareError, Share
from bank_vaults.keystores.base import DamagedValueError, NotFoundError, StoreError
from bank_vaults.telemetry.failpoints import failpoint
from bank_vaults.vault.errors import FatalError, TransientError, VaultError
from bank_vaults.vault.sys import Sys

log = logging.getLogger(__name__)

_MOST_SETS = 20
"""Sets of shares tried in one round when shares disagree: enough for any two damaged shares of six."""


_FORGOTTEN = ("invalid answer given", "no expected answer for the server id")
"""How a raft leader refuses a node whose challenge it does not know: OpenBao, and Vault from 1.21 on."""


class Outcome(Enum):
    """How a round ended."""

    UNSEALED = "success"
    ACCEPTED = "accepted"
    """All shares were taken and the server is still sealed: a raft node that waits for its leader."""
    WRONG_KEYS = "wrong-keys"
    INCOMPLETE = "incomplete"
    FORGOTTEN = "join-forgotten"
    """The raft leader was restarted between the join and the unsealing: the node has to join again."""
    DISTURBED = "disturbed"
    """Somebody else entered shares at the same time; the next look decides what to do."""


class Round(NamedTuple):
    """The outcome, one sentence about it, and the server as last seen."""

    outcome: Outcome
    sentence: str
    state: ServerState


class ShareSource(Protocol):
    """Where shares come from: a key store, or the answer of an initialisation that is just being stored."""

    def get(self, name: str) -> bytes:
        """See KeyStore.get."""

    def origin(self, name: str) -> str:
        """See KeyStore.origin."""


class _Read(NamedTuple):
    usable: tuple[Share, ...]
    together: tuple[Share, ...]
    """Those of the usable ones that are of one origin, of the one that has the most."""
    skipped: tuple[str, ...]
    cannot_tell: bool


def unseal_round(sys: Sys, store: ShareSource, state: ServerState) -> Round:
    """Try to unseal a server that was just seen sealed.

    The common case reads and enters ``threshold`` shares. Only if the server refuses them are all shares
    read and compared with each other, to find a set without the damaged ones. Raises VaultError for a
    server that fails, StoreError if the store cannot tell whether it has shares.
    """
    count = max(state.shares, state.threshold)
    read = _read(store, range(count), enough=state.threshold)
    if len(read.together) < state.threshold:
        return _incomplete(read, state)
    if read.skipped:
        log.warning(
            "a share was skipped, the others suffice", extra={"fields": {"skipped": "; ".join(read.skipped)}}
        )
    first = read.together[: state.threshold]
    tried = _enter(sys, first, state)
    if tried.outcome is not Outcome.WRONG_KEYS:
        return tried
    return _other_sets(sys, store, state, first)


def missing_shares(store: ShareSource, state: ServerState) -> str:
    """What is missing for a round, as one sentence; empty if there are enough shares. Raises StoreError."""
    read = _read(store, range(max(state.shares, state.threshold)), enough=state.threshold)
    return "" if len(read.together) >= state.threshold else _incomplete(read, state).sentence


def fingerprint(store: ShareSource, state: ServerState) -> int:
    """A number that changes with the usable shares of the store, in this process only. Raises StoreError."""
    count = max(state.shares, state.threshold)
    return hash(tuple(share.value.reveal() for share in _read(store, range(count), enough=count).usable))


def _other_sets(sys: Sys, store: ShareSource, state: ServerState, refused: tuple[Share, ...]) -> Round:
    """The first shares were refused: look which of all shares belong together and try those."""
    read = _read(store, range(max(state.shares, state.threshold)), enough=state.shares)
    refused_indices = tuple(share.number for share in refused)
    for candidate in shares.candidate_sets(read.usable, state.threshold)[:_MOST_SETS]:
        if tuple(share.number for share in candidate.shares) == refused_indices:
            continue
        tried = _enter(sys, candidate.shares, state)
        if tried.outcome is Outcome.WRONG_KEYS:
            continue
        if tried.outcome in (Outcome.UNSEALED, Outcome.ACCEPTED):
            good = {share.number for share in candidate.shares}
            suspects = sorted(set(candidate.outliers) or set(refused_indices) - good)
            log.error(
                "a stored share is damaged or foreign; the vault was unsealed without it. "
                "Repair the key store",
                extra={"fields": {"damaged": ",".join(map(names.unseal, suspects))}},
            )
        return tried
    return Round(
        Outcome.WRONG_KEYS,
        "failed to unseal vault, are you using the right unseal keys? The server refused every set of "
        "shares: they are damaged or belong to another cluster",
        state,
    )


def _read(store: ShareSource, indices: Iterable[int], *, enough: int) -> _Read:
    """Shares in the order of their numbers until ``enough`` well-formed ones are of one origin."""
    usable: list[Share] = []
    together: tuple[Share, ...] = ()
    skipped: list[str] = []
    cannot_tell: list[StoreError] = []
    for index in indices:
        if len(together) == enough:
            break
        name = names.unseal(index)
        try:
            share = shares.parse(index, store.get(name), store.origin(name))
            twin = next((other for other in usable if other.value == share.value), None)
            if twin is None:
                usable.append(share)
                together = shares.families(usable)[0]
            else:  # the server takes no notice of a share that it has
                skipped.append(f"{name} is the same as {names.unseal(twin.number)}")
        except NotFoundError:
            skipped.append(f"unable to get key '{name}': it is not in the store")
        except (DamagedShareError, DamagedValueError) as error:
            skipped.append(f"{name} is damaged: {error}")
        except StoreError as error:
            if error.of_the_whole_store:
                raise
            skipped.append(f"unable to get key '{name}': {error}")
            cannot_tell.append(error)
            if not usable and len(cannot_tell) == 2:
                raise  # the store is down: asking for every share would only cost time
    skipped += [_foreign(share, together) for share in usable if share not in together]
    return _Read(tuple(usable), together, tuple(skipped), bool(cannot_tell))


def _foreign(share: Share, others: tuple[Share, ...]) -> str:
    origin = next(other.origin for other in others if other.origin)
    return (
        f"{names.unseal(share.number)} is of initialisation {envelope.shown(share.origin)}, the others are "
        f"of {envelope.shown(origin)}: it was made for another server, and somebody put it here"
    )


def _incomplete(read: _Read, state: ServerState) -> Round:
    if read.cannot_tell:
        raise StoreError("; ".join(read.skipped))
    return Round(
        Outcome.INCOMPLETE,
        f"the store has {len(read.together)} usable unseal keys, the server needs {state.threshold}: "
        + "; ".join(read.skipped),
        state,
    )


def _enter(sys: Sys, chosen: tuple[Share, ...], state: ServerState) -> Round:
    """Enter these shares, which are exactly as many as the threshold, into an empty attempt."""
    nonce = ""
    for number, share in enumerate(chosen, start=1):
        failpoint("unseal.before-share")
        try:
            state = sys.submit_share(share.value)
        except (FatalError, TransientError) as error:
            if any(words in message for words in _FORGOTTEN for message in error.messages):
                return Round(
                    Outcome.FORGOTTEN, "the raft leader has forgotten that this node asked to join", state
                )
            if number == len(chosen) and _refuses_keys(error):
                return Round(Outcome.WRONG_KEYS, "; ".join(error.messages), state)
            raise
        failpoint("unseal.share-sent")
        if not state.sealed:
            failpoint("unseal.done")
            return Round(Outcome.UNSEALED, "successfully unsealed vault", state)
        if number == len(chosen):
            break
        if state.progress != number or (nonce and state.nonce != nonce):
            return Round(Outcome.DISTURBED, "somebody else is entering shares as well", state)
        nonce = state.nonce
    if state.progress:
        return Round(Outcome.DISTURBED, "somebody else is entering shares as well", state)
    return Round(Outcome.ACCEPTED, "the keys were accepted", state)


def _refuses_keys(error: VaultError) -> bool:
    """Whether the answer to the last share means that the shares do not open this server.

    Both servers answer 400; some versions of Vault let the cipher's words through with another status.
    """
    words = "; ".join(error.messages)
    return error.status == 400 or "invalid key" in words or "message authentication failed" in words
