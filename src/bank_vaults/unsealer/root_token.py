"""A root token for as long as it is needed: the stored one, or one generated from shares and revoked."""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from bank_vaults.domain import names, shares
from bank_vaults.domain.secrets import Secret
from bank_vaults.domain.shares import DamagedShareError, Share
from bank_vaults.keystores.base import KeyStore, NotFoundError
from bank_vaults.vault.errors import UnsupportedError, VaultError
from bank_vaults.vault.sys import RootGeneration, Sys

log = logging.getLogger(__name__)


class RootTokenError(Exception):
    """No root token can be had. The message says why and what to do."""


@contextmanager
def stored_root_token(store: KeyStore) -> Iterator[Secret]:
    """The token under ``vault-root``. Raises RootTokenError, StoreError."""
    try:
        token = Secret(store.get(names.ROOT))
    except NotFoundError:
        raise RootTokenError(
            f"unable to get key '{names.ROOT}': it is not in the key store; "
            "--store-root-token=false generates one from the shares, --auth needs none"
        ) from None
    if not token:  # without a token the client would take that of its environment
        raise RootTokenError(f"the key '{names.ROOT}' in the key store is empty")
    try:
        yield token
    finally:
        token.wipe()


@contextmanager
def generated_root_token(sys: Sys, store: KeyStore) -> Iterator[Secret]:
    """Generate a root token from the stored shares (recovery shares with an auto-unseal seal).

    It is revoked at the end, whatever happens inside. A generation that somebody else has begun is left
    alone. Raises RootTokenError, VaultError, StoreError.
    """
    token = _generate(sys, store)
    try:
        yield token
    finally:
        try:
            sys.revoke_self(token)
        except VaultError as error:
            log.error("a generated root token could not be revoked", extra={"fields": {"error": str(error)}})
        token.wipe()


def _generate(sys: Sys, store: KeyStore) -> Secret:
    state = sys.seal_status()
    name = names.recovery if state.recovery_seal else names.unseal
    try:
        running = sys.root_generation()
        if running.nonce:
            raise RootTokenError(
                "somebody else is generating a root token; let it end or cancel it "
                "(operator generate-root -cancel), then try again"
            )
        step = started = sys.start_root_generation()
    except UnsupportedError:
        raise RootTokenError(
            "this server does not generate root tokens from keys (OpenBao's default): set "
            "disable_unauthed_generate_root_endpoints = false in its listener, or store a root token"
        ) from None
    try:
        for share in _shares(store, map(name, range(state.shares)), started.required):
            step = sys.update_root_generation(share, started.nonce)
            share.wipe()
        return _decode(started, step)
    except BaseException:
        with suppress(VaultError):
            sys.cancel_root_generation()
        raise


def _shares(store: KeyStore, stored: Iterable[str], required: int) -> list[Secret]:
    """The first ``required`` usable shares of one origin. Raises RootTokenError when there are fewer."""
    usable: list[Share] = []
    together: tuple[Share, ...] = ()
    skipped: list[str] = []
    for number, name in enumerate(stored):
        if len(together) == required:
            break
        try:
            usable.append(shares.parse(number, store.get(name), store.origin(name)))
            together = shares.families(usable)[0]
        except NotFoundError:
            skipped.append(f"unable to get key '{name}': it is not in the key store")
        except DamagedShareError as error:
            skipped.append(f"{name} is damaged: {error}")
    if len(together) < required:
        foreign = (share.number for share in usable if share not in together)
        skipped += [f"share {number} is of another initialisation than the others" for number in foreign]
        raise RootTokenError("too few keys to generate a root token: " + "; ".join(skipped))
    return [share.value for share in together]


def _decode(started: RootGeneration, last: RootGeneration) -> Secret:
    """Undo the one-time password: XOR of bytes, or of a UUID where ``otp_length`` is 0 (older servers)."""
    if not last.complete or last.encoded is None or started.otp is None:
        raise RootTokenError("the server did not finish the generation of a root token")
    otp = started.otp.reveal_bytes()
    try:
        encoded = last.encoded.reveal_bytes()
        encoded = base64.b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True)
        if started.otp_length == 0:
            otp = base64.b64decode(otp, validate=True)
    except binascii.Error:
        raise RootTokenError("the server's encoded root token cannot be decoded") from None
    if len(encoded) != len(otp):
        raise RootTokenError("the server's encoded root token has another length than its password")
    plain = bytes(a ^ b for a, b in zip(encoded, otp, strict=True))
    if started.otp_length == 0:
        text = plain.hex()
        return Secret("-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:])))
    return Secret(plain)
