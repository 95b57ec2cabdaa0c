"""Where the token of a pass comes from: the key store, or a login with ``--auth``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from bank_vaults.cli.errors import UsageError
from bank_vaults.configure.passes import LoginRefusedError, TokenError, TokenSource
from bank_vaults.domain.secrets import Secret
from bank_vaults.domain.settings import Settings
from bank_vaults.keystores.base import KeyStore, PinRefusedError, StoreError
from bank_vaults.unsealer.root_token import RootTokenError, generated_root_token, stored_root_token
from bank_vaults.vault.client import VaultClient
from bank_vaults.vault.errors import FatalError, VaultError
from bank_vaults.vault.sys import Sys

log = logging.getLogger(__name__)

_LARGEST = 64 * 1024
_REFUSED = 400
"""The status by which servers refuse a login."""


def token_source(settings: Settings, client: VaultClient, open_store: Callable[[], KeyStore]) -> TokenSource:
    """The source that the flags name. Raises UsageError where something is missing.

    With ``--auth`` the key store is never opened.
    """
    method = settings.text("auth")
    if method == "token-file":
        path = _needed(settings, "auth-token-file")
        return lambda: _from_file(path)
    if method:
        return _login_source(settings, client, method)
    if settings.flag("store-root-token"):
        return lambda: _stored(open_store)
    return lambda: _generated(client, open_store)


def _needed(settings: Settings, flag: str) -> str:
    value = settings.text(flag)
    if not value:
        raise UsageError(f"--auth {settings.text('auth')} needs --{flag}")
    return value


@contextmanager
def _stored(open_store: Callable[[], KeyStore]) -> Iterator[Secret]:
    with _explained(), stored_root_token(open_store()) as token:
        yield token


@contextmanager
def _generated(client: VaultClient, open_store: Callable[[], KeyStore]) -> Iterator[Secret]:
    """Revoked at the end, whatever happens inside."""
    with _explained(), generated_root_token(Sys(client), open_store()) as token:
        yield token


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except PinRefusedError:
        raise  # has an exit code of its own: nothing may try again
    except (RootTokenError, StoreError) as error:
        raise TokenError(str(error)) from None


@contextmanager
def _from_file(path: str) -> Iterator[Secret]:
    """Not revoked: it is not ours."""
    token = Secret(_read(path))
    try:
        yield token
    finally:
        token.wipe()


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read(_LARGEST).strip()
    except OSError as error:
        raise TokenError(f"the token file {path} cannot be read: {error.strerror or error}") from None
    if not content:
        raise TokenError(f"the token file {path} is empty")
    return content


def _login_source(settings: Settings, client: VaultClient, method: str) -> TokenSource:
    path = f"auth/{settings.text('auth-path').strip('/') or method}/login"
    body: Callable[[], Mapping[str, object]]
    if method == "kubernetes":
        role, file = _needed(settings, "auth-role"), _needed(settings, "auth-jwt-file")

        def body() -> Mapping[str, object]:
            return {"role": role, "jwt": _read(file).decode(errors="replace")}

    elif method == "approle":
        role_id, secret_id = _needed(settings, "auth-role-id"), settings.secret("auth-secret-id")

        def body() -> Mapping[str, object]:
            return {"role_id": role_id} | ({"secret_id": secret_id.reveal()} if secret_id else {})

    else:
        role = settings.text("auth-role")

        def body() -> Mapping[str, object]:
            return {"name": role} if role else {}

    return lambda: _logged_in(client, path, body(), locks=method == "approle")


@contextmanager
def _logged_in(
    client: VaultClient, path: str, body: Mapping[str, object], *, locks: bool
) -> Iterator[Secret]:
    """A token of its own for each pass, revoked at the end. ``locks``: who fails several times is locked."""
    try:
        answer = client.request("PUT", path, body, anonymous=True)
    except FatalError as error:
        if not locks or error.status != _REFUSED:
            raise
        raise LoginRefusedError(
            f"the login at {path} was refused: {'; '.join(error.messages)}: are --auth-role-id and "
            "--auth-secret-id right, and not used up? Servers lock a login that fails several times"
        ) from None
    auth = answer.data.get("auth")
    found = auth.get("client_token") if isinstance(auth, dict) else None
    if not isinstance(found, str) or not found:
        raise TokenError(f"the login at {path} gave no token")
    token = Secret(found)
    try:
        yield token
    finally:
        try:
            Sys(client).revoke_self(token)
        except VaultError as error:
            log.warning("a token of a login could not be revoked", extra={"fields": {"error": str(error)}})
        token.wipe()
