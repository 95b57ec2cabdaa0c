"""Names: a time limit on what cannot be interrupted, one lookup at a time, SRV records."""

from __future__ import annotations

import socket
import threading
from types import SimpleNamespace
from typing import Any

import dns.exception
import dns.resolver
import pytest

from bank_vaults.vault.endpoints import Endpoint
from bank_vaults.vault.resolver import Resolver

LONG = 20.0


def endpoint(host: str, *, explicit_port: bool = True) -> Endpoint:
    return Endpoint("https", host, 443, explicit_port=explicit_port)


def test_addresses_and_names_are_found() -> None:
    resolver = Resolver(srv=False)
    assert (socket.AF_INET, ("127.0.0.1", 443)) in resolver.addresses(endpoint("127.0.0.1"), LONG)
    assert (socket.AF_INET, ("127.0.0.1", 443)) in resolver.addresses(endpoint("localhost"), LONG)


@pytest.mark.parametrize("host", ["a..b", "x" * 300])
def test_what_is_no_name_is_an_oserror(host: str) -> None:
    with pytest.raises(OSError, match=r"\w"):
        Resolver(srv=False).addresses(endpoint(host), LONG)


def test_an_unknown_name_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(OSError, match=r"^Name or service not known$"):
        Resolver(srv=False).addresses(endpoint("absent.test"), LONG)


def test_a_dead_name_server_holds_nobody_and_piles_up_no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    lookups: list[object] = []
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 443))]

    def slow(host: object, port: int, *rest: int) -> Any:
        if rest[-1] == socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "not an address")
        lookups.append(host)
        release.wait(LONG)
        return found

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    resolver = Resolver(srv=False)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            resolver.addresses(endpoint("slow.test"), 0.01)
    assert len(lookups) == 1
    threading.Timer(0.05, release.set).start()
    assert resolver.addresses(endpoint("slow.test"), LONG) == [(socket.AF_INET, ("192.0.2.1", 443))]
    resolver.addresses(endpoint("slow.test"), LONG)
    assert len(lookups) == 2


def records(*targets: tuple[int, int, str, int]) -> Any:
    class Target(str):
        __slots__ = ()

        def to_text(self, *, omit_final_dot: bool) -> str:
            return str(self)

    rrset = [
        SimpleNamespace(priority=priority, weight=weight, target=Target(name), port=port)
        for priority, weight, name, port in targets
    ]
    return SimpleNamespace(rrset=rrset)


def test_an_srv_record_gives_the_best_target_and_its_port(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def resolve(name: str, kind: str) -> Any:
        asked.append((name, kind))
        return records((20, 9, "192.0.2.9", 1), (10, 1, "127.0.0.2", 2), (10, 5, "127.0.0.1", 8200))

    monkeypatch.setattr(dns.resolver, "resolve", resolve)
    resolver = Resolver(srv=True)
    found = resolver.addresses(endpoint("vault.test", explicit_port=False), LONG)
    assert found == [(socket.AF_INET, ("127.0.0.1", 8200))]
    assert asked == [("_https._tcp.vault.test", "SRV")]


def test_an_address_with_a_port_is_not_looked_up_as_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns.resolver, "resolve", None)
    assert Resolver(srv=True).addresses(endpoint("localhost"), LONG)


def test_without_a_record_the_host_itself_is_used_and_a_failed_lookup_is_an_oserror(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failure: list[Exception] = [dns.resolver.NXDOMAIN()]  # type: ignore[no-untyped-call]

    def resolve(name: str, kind: str) -> Any:
        raise failure[0]

    monkeypatch.setattr(dns.resolver, "resolve", resolve)
    resolver = Resolver(srv=True)
    local = endpoint("localhost", explicit_port=False)
    assert (socket.AF_INET, ("127.0.0.1", 443)) in resolver.addresses(local, LONG)
    failure[0] = dns.exception.Timeout()  # type: ignore[no-untyped-call]
    with pytest.raises(OSError, match="SRV record failed: Timeout"):
        resolver.addresses(local, LONG)
