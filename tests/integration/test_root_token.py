"""A generated root token works while it is needed, and is gone afterwards, whatever happens."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from bank_vaults.domain.settings import Settings
from bank_vaults.keystores.base import KeyStore
from bank_vaults.keystores.file import FileStore
from bank_vaults.unsealer.root_token import RootTokenError, generated_root_token, stored_root_token
from bank_vaults.vault.client import VaultClient
from bank_vaults.vault.config import ClientConfig
from bank_vaults.vault.sys import Sys
from tests.integration.test_auto_unseal import static_seal
from tests.integration.test_unseal_once import write_keys
from tests.support.binaries import ServerKind
from tests.support.servers import Keys, Server, api, initialise, unseal, wait_active

PERMISSIVE = {"disable_unauthed_generate_root_endpoints": False}


def store_of(directory: Path) -> KeyStore:
    return FileStore.open(Settings({"file-path": str(directory)}))


def permissive(kind: ServerKind) -> dict[str, object]:
    """OpenBao forbids generating without a token unless told otherwise; Vault has no such setting."""
    return dict(PERMISSIVE) if kind.flavour == "openbao" else {}


@pytest.fixture
def keys_and_server(server_kind: ServerKind, tmp_path: Path) -> Iterator[tuple[Keys, Server, Sys]]:
    with Server(server_kind, listener=permissive(server_kind)) as server:
        keys = initialise(server, 5, 3)
        write_keys(tmp_path, keys)
        unseal(server, keys)
        wait_active(server)
        with VaultClient(ClientConfig(address=server.address)) as client:
            yield keys, server, Sys(client)


def lookup(server: Server, token: str) -> int:
    return api(server, "GET", "auth/token/lookup-self", token=token).status


def test_a_generated_token_works_inside_and_is_revoked_afterwards(
    keys_and_server: tuple[Keys, Server, Sys], tmp_path: Path
) -> None:
    _, server, sys = keys_and_server
    with generated_root_token(sys, store_of(tmp_path)) as token:
        text = token.reveal()
        answer = api(server, "GET", "auth/token/lookup-self", token=text)
        assert answer.body["data"]["policies"] == ["root"]
    assert lookup(server, text) == 403
    assert api(server, "GET", "sys/generate-root/attempt").body["started"] is False


def test_a_generated_token_is_revoked_after_an_error(
    keys_and_server: tuple[Keys, Server, Sys], tmp_path: Path
) -> None:
    _, server, sys = keys_and_server
    seen: list[str] = []

    def use() -> None:
        with generated_root_token(sys, store_of(tmp_path)) as token:
            seen.append(token.reveal())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()
    assert lookup(server, seen[0]) == 403


def test_a_token_that_cannot_be_revoked_is_reported(
    keys_and_server: tuple[Keys, Server, Sys], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _, server, sys = keys_and_server
    with caplog.at_level(logging.ERROR), generated_root_token(sys, store_of(tmp_path)):
        server.stop()
    assert "a generated root token could not be revoked" in caplog.text


def test_a_generation_that_somebody_else_began_is_left_alone(
    keys_and_server: tuple[Keys, Server, Sys], tmp_path: Path
) -> None:
    keys, server, sys = keys_and_server
    nonce = api(server, "PUT", "sys/generate-root/attempt", {}).body["nonce"]
    api(server, "PUT", "sys/generate-root/update", {"key": keys.shares[0], "nonce": nonce})
    with (
        pytest.raises(RootTokenError, match="somebody else is generating a root token"),
        generated_root_token(sys, store_of(tmp_path)),
    ):
        pass
    attempt = api(server, "GET", "sys/generate-root/attempt").body
    assert (attempt["started"], attempt["nonce"], attempt["progress"]) == (True, nonce, 1)


@pytest.mark.parametrize("missing", [0, 2])
def test_with_too_few_shares_our_generation_is_cancelled(
    keys_and_server: tuple[Keys, Server, Sys], tmp_path: Path, missing: int
) -> None:
    _, server, sys = keys_and_server
    for number in range(5):
        if number > 1 or missing == 0:
            (tmp_path / f"vault-unseal-{number}").unlink()
    with (
        pytest.raises(RootTokenError, match="unable to get key"),
        generated_root_token(sys, store_of(tmp_path)),
    ):
        pass
    assert api(server, "GET", "sys/generate-root/attempt").body["started"] is False


def test_a_missing_share_is_no_hindrance_while_enough_are_left(
    keys_and_server: tuple[Keys, Server, Sys], tmp_path: Path
) -> None:
    _, server, sys = keys_and_server
    (tmp_path / "vault-unseal-1").unlink()
    (tmp_path / "vault-unseal-2").write_text("damaged")
    with generated_root_token(sys, store_of(tmp_path)) as token:
        assert lookup(server, token.reveal()) == 200


def test_recovery_shares_generate_a_token_of_a_server_that_unseals_itself(
    server_kind: ServerKind, tmp_path: Path
) -> None:
    with static_seal(server_kind) as server:
        config = server.directory / "config.json"
        config.write_text(
            config.read_text().replace(
                '"tls_disable": true',
                '"tls_disable": true, "disable_unauthed_generate_root_endpoints": false',
            )
        )
        server.restart()
        keys = initialise(server, 5, 3, recovery=True)
        write_keys(tmp_path, keys)
        wait_active(server)
        with (
            VaultClient(ClientConfig(address=server.address)) as client,
            generated_root_token(Sys(client), store_of(tmp_path)) as token,
        ):
            text = token.reveal()
            assert lookup(server, text) == 200
        assert lookup(server, text) == 403


def test_a_server_that_forbids_it_is_told_with_the_remedy(server_kind: ServerKind, tmp_path: Path) -> None:
    if server_kind.flavour != "openbao":
        pytest.skip("this server never forbids it")
    with Server(server_kind) as server:
        keys = initialise(server)
        unseal(server, keys)
        write_keys(tmp_path, keys)
        with (
            VaultClient(ClientConfig(address=server.address)) as client,
            pytest.raises(RootTokenError, match="disable_unauthed_generate_root_endpoints = false"),
            generated_root_token(Sys(client), store_of(tmp_path)),
        ):
            pass


def test_the_stored_token_is_the_one_that_works(
    keys_and_server: tuple[Keys, Server, Sys], tmp_path: Path
) -> None:
    keys, server, _ = keys_and_server
    with stored_root_token(store_of(tmp_path)) as token:
        assert token.reveal() == keys.root_token
        assert lookup(server, token.reveal()) == 200
    (tmp_path / "vault-root").unlink()
    with (
        pytest.raises(RootTokenError, match="unable to get key 'vault-root'"),
        stored_root_token(store_of(tmp_path)),
    ):
        pass
