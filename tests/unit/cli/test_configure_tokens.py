"""Where the token of a pass comes from, and that it does not outlive the pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from bank_vaults.cli.configure.tokens import token_source
from bank_vaults.cli.errors import UsageError
from bank_vaults.cli.resolve import resolve
from bank_vaults.configure.passes import TokenError
from bank_vaults.domain.settings import Settings
from bank_vaults.keystores.base import KeyStore, PinRefusedError, StoreError
from bank_vaults.vault.client import Response, VaultClient
from bank_vaults.vault.errors import DeniedError, TransientError


class Logins:
    """A server that gives tokens."""

    timeout = 60.0

    def __init__(self, auth: object) -> None:
        self.auth = auth
        self.requests: list[tuple[str, Any]] = []
        self.revoking: Exception | None = None

    def request(self, method: str, path: str, body: Any = None, **more: Any) -> Response:
        """As VaultClient has it."""
        self.requests.append((path, body))
        if path.endswith("revoke-self"):
            if self.revoking is not None:
                raise self.revoking
            return Response(204, {})
        return Response(200, {"auth": self.auth})


def settings(**flags: str) -> Settings:
    return resolve(
        "configure", {name.replace("_", "-"): [value] for name, value in flags.items()}, {}
    ).settings


def no_store() -> KeyStore:
    raise AssertionError("the key store was opened")


def used(logins: Logins, given: Settings) -> str:
    with token_source(given, cast(VaultClient, logins), no_store)() as token:
        assert token is not None
        return token.reveal()


@pytest.fixture
def logins() -> Logins:
    return Logins({"client_token": "s.token"})


def test_k25_kubernetes_logs_in_with_the_token_of_the_service_account(logins: Logins, tmp_path: Path) -> None:
    jwt = tmp_path / "jwt"
    jwt.write_text("header.body.signature\n")
    assert used(logins, settings(auth="kubernetes", auth_role="r", auth_jwt_file=str(jwt))) == "s.token"
    assert logins.requests == [
        ("auth/kubernetes/login", {"role": "r", "jwt": "header.body.signature"}),
        ("auth/token/revoke-self", None),
    ]


def test_k25_a_client_certificate_is_enough(logins: Logins) -> None:
    assert used(logins, settings(auth="cert", auth_path="/mtls/", auth_role="r")) == "s.token"
    assert logins.requests[0] == ("auth/mtls/login", {"name": "r"})
    assert used(logins, settings(auth="cert")) == "s.token"
    assert logins.requests[2] == ("auth/cert/login", {})


def test_a_role_without_a_secret_id_logs_in_without(logins: Logins) -> None:
    used(logins, settings(auth="approle", auth_role_id="id"))
    assert logins.requests[0] == ("auth/approle/login", {"role_id": "id"})


@pytest.mark.parametrize(
    ("flags", "needed"),
    [
        ({"auth": "kubernetes"}, "--auth-role"),
        ({"auth": "approle"}, "--auth-role-id"),
        ({"auth": "token-file"}, "--auth-token-file"),
    ],
)
def test_what_a_login_needs_is_said_at_the_start(logins: Logins, flags: dict[str, str], needed: str) -> None:
    with pytest.raises(UsageError, match=needed):
        token_source(settings(**flags), cast(VaultClient, logins), no_store)


@pytest.mark.parametrize("auth", [None, {}, {"client_token": ""}, {"client_token": 5}])
def test_an_answer_without_a_token_is_an_error(auth: object) -> None:
    with pytest.raises(TokenError, match="gave no token"):
        used(Logins(auth), settings(auth="cert"))


def test_a_token_is_revoked_also_after_a_failure(logins: Logins) -> None:
    source = token_source(settings(auth="cert"), cast(VaultClient, logins), no_store)
    with pytest.raises(DeniedError), source():
        raise DeniedError("PUT", "x", 403)
    assert logins.requests[-1][0] == "auth/token/revoke-self"


def test_a_token_that_cannot_be_revoked_is_told_and_fails_nothing(
    logins: Logins, caplog: pytest.LogCaptureFixture
) -> None:
    logins.revoking = TransientError("PUT", "auth/token/revoke-self", 503)
    assert used(logins, settings(auth="cert")) == "s.token"
    assert "could not be revoked" in caplog.text


@pytest.mark.parametrize("flags", [{}, {"store_root_token": "false"}])
def test_a_store_that_fails_fails_the_pass_but_a_refused_pin_ends_the_process(flags: dict[str, str]) -> None:
    for error, seen in ((StoreError("away"), TokenError), (PinRefusedError("no"), PinRefusedError)):

        def store(error: StoreError = error) -> KeyStore:
            raise error

        client = cast(VaultClient, Logins(None))
        with pytest.raises(seen), token_source(settings(**flags), client, store)():
            pass
