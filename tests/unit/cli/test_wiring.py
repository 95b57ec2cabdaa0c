"""What the addresses of servers say about them, without asking anybody."""

from __future__ import annotations

import pytest

from bank_vaults.cli import connecting, wiring
from bank_vaults.cli.errors import UsageError
from bank_vaults.cli.resolve import resolve
from bank_vaults.keystores.base import KeyStore
from bank_vaults.telemetry.metrics import Metrics
from bank_vaults.unsealer.loop import Server


def no_store() -> KeyStore:
    raise AssertionError("nobody needs a store to look at addresses")


def server(address: str, *, leader: str = "", **flags: str) -> Server:
    given = {name.replace("_", "-"): (text,) for name, text in flags.items()}
    if leader:
        given |= {"raft": ("true",), "raft-leader-address": (leader,)}
    settings = resolve("unseal", given, {}).settings
    configs = connecting.client_configs((address,))
    (found,) = wiring.servers(settings, configs, no_store, Metrics(), unseals=True)
    return found


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("http://127.0.0.1:8200", True),
        ("https://127.1.2.3", True),
        ("https://[::1]:8200", True),
        ("https://LOCALHOST:8200", True),
        ("unix:///run/vault.sock", True),
        ("https://vault:8200", False),
        ("https://127.0.0.1.example.org:8200", False),
        ("https://10.0.0.1:8200", False),
        ("https://[2001:db8::1]:8200", False),
    ],
)
def test_a_server_on_this_machine_is_known_by_its_address(address: str, local: bool) -> None:
    assert server(address).local is local


@pytest.mark.parametrize(
    ("address", "leader", "first"),
    [
        ("https://a:8200", "", True),
        ("https://a:8200", "https://a:8200", True),
        ("https://A:8200/", "https://a:8200", True),
        ("https://a", "https://a:443", True),
        ("https://a:8200", "https://a:8201", False),
        ("https://a:8200", "https://b:8200", False),
    ],
)
def test_the_leader_itself_is_the_first_of_a_cluster(
    monkeypatch: pytest.MonkeyPatch, address: str, leader: str, first: bool
) -> None:
    monkeypatch.delenv("POD_NAME", raising=False)
    assert server(address, leader=leader).policy.first is first


def test_pod_number_zero_is_the_first_of_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POD_NAME", "vault-0")
    assert server("https://a:8200", leader="https://b:8200").policy.first is True
    monkeypatch.setenv("POD_NAME", "vault-10")
    assert server("https://a:8200", leader="https://b:8200").policy.first is False


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ({"init_root_token": "s.dots"}, "--init-root-token: the servers take no token id"),
        ({"init_root_token": "two words"}, "--init-root-token: the servers take no token id"),
        ({"raft_leader_client_cert_file": "x"}, "belong together"),
    ],
)
def test_what_no_server_would_take_is_refused_at_the_start(flags: dict[str, str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as caught:
        server("https://a:8200", **flags)
    assert "s.dots" not in str(caught.value)


@pytest.mark.parametrize("leader", ["no address", "https://a:99999", "floppy://a"])
def test_a_leader_that_is_no_address_is_refused_at_the_start(leader: str) -> None:
    with pytest.raises(UsageError, match="--raft-leader-address must be like"):
        server("https://a:8200", leader=leader)


def test_several_servers_are_initialised_as_one_cluster_only() -> None:
    settings = resolve("unseal", {"init": ("true",)}, {}).settings
    configs = connecting.client_configs(("https://a:8200", "https://b:8200"))
    with pytest.raises(UsageError, match="needs --raft"):
        wiring.servers(settings, configs, no_store, Metrics(), unseals=True)


def test_a_wrong_client_variable_is_an_error_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", "floppy://a")
    with pytest.raises(UsageError, match="error connecting to vault: VAULT_ADDR must be like"):
        connecting.client_configs()
