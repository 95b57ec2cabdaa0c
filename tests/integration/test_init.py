"""Initialising real servers: what is stored, under which names, and what the log says."""

from __future__ import annotations

import re
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.binaries import ServerKind
from tests.support.program import Program, eventually, run, seal_status, stored, wait_unsealed
from tests.support.servers import Server, api, initialise, unseal, wait_active

HEX66 = re.compile(rb"[0-9a-f]{66}")
HEX64 = re.compile(rb"[0-9a-f]{64}")


def works(server: Server, token: bytes) -> bool:
    return api(server, "GET", "auth/token/lookup-self", token=token.decode()).status == 200


def test_init_stores_the_keys_as_go_bank_vaults_did_and_leaves_the_server_sealed(
    any_server: Server, tmp_path: Path
) -> None:
    done = run("init", server=any_server, store=tmp_path)
    assert done.code == 0, done.log
    names = ["vault-root", *(f"vault-unseal-{number}" for number in range(5))]
    found = stored(tmp_path)
    assert sorted(found) == names
    assert all(HEX66.fullmatch(found[name]) for name in names[1:])
    status = seal_status(any_server)
    assert (status["initialized"], status["sealed"], status["t"], status["n"]) == (True, True, 3, 5)
    for line in (
        "INFO initializing vault... ",
        "INFO unseal key stored in key store key=vault-unseal-4\n",
        "INFO root token stored in key store key=vault-root\n",
    ):
        assert line in done.log
    for value in found.values():
        assert value.decode() not in done.log + done.output
    unseal(any_server, [found[name].decode() for name in names[2:5]])
    wait_active(any_server)
    assert works(any_server, found["vault-root"])


@pytest.mark.parametrize(("shares", "threshold"), [(1, 1), (5, 3), (7, 4)])
def test_shares_and_threshold_are_those_asked_for(
    any_server: Server, tmp_path: Path, shares: int, threshold: int
) -> None:
    flags = [f"--secret-shares={shares}", f"--secret-threshold={threshold}"]
    done = run("unseal", "--init", "--once", *flags, server=any_server, store=tmp_path)
    assert done.code == 0, done.log
    status = seal_status(any_server)
    assert (status["sealed"], status["t"], status["n"]) == (False, threshold, shares)
    found = stored(tmp_path)
    assert sorted(found) == ["vault-root", *(f"vault-unseal-{number}" for number in range(shares))]
    expected = HEX64 if shares == 1 else HEX66
    assert all(expected.fullmatch(value) for name, value in found.items() if name != "vault-root")
    assert "INFO successfully unsealed vault" in done.log


@pytest.mark.parametrize("flags", [["init"], ["unseal", "--init", "--once"]])
def test_an_initialised_server_is_left_as_it_is(any_server: Server, tmp_path: Path, flags: list[str]) -> None:
    assert run("unseal", "--init", "--once", server=any_server, store=tmp_path).code == 0
    before = stored(tmp_path)
    done = run(*flags, server=any_server, store=tmp_path)
    assert done.code == 0, done.log
    assert "INFO vault is already initialized" in done.log
    assert stored(tmp_path) == before


def test_init_does_not_touch_a_server_that_somebody_else_initialised(
    any_server: Server, tmp_path: Path
) -> None:
    initialise(any_server)
    done = run("init", server=any_server, store=tmp_path)
    assert done.code == 0
    assert "INFO vault is already initialized" in done.log
    assert stored(tmp_path) == {}


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["init"], "vault-root"),
        (["init"], "vault-unseal-3"),
        (["unseal", "--init", "--once"], "vault-unseal-0"),
        (["unseal", "--init", "--once"], "vault-recovery-2"),
    ],
)
def test_a_fresh_server_is_never_initialised_over_surviving_keys(
    any_server: Server, tmp_path: Path, command: list[str], name: str
) -> None:
    (tmp_path / name).write_bytes(b"11" * 33)
    done = run(*command, server=any_server, store=tmp_path)
    assert done.code == 65, done.log
    assert f"error before init: value for key '{name}' already exists" in done.log
    assert seal_status(any_server)["initialized"] is False
    assert stored(tmp_path) == {name: b"11" * 33}


def test_a_threshold_above_the_shares_ends_the_start(any_server: Server, tmp_path: Path) -> None:
    done = run("init", "--secret-shares=2", "--secret-threshold=3", server=any_server, store=tmp_path)
    assert done.code == 64
    assert "the secret threshold can't be bigger than the shares [2 < 3]" in done.log
    assert seal_status(any_server)["initialized"] is False


def test_a_missing_store_is_told_before_anything_is_done(any_server: Server, tmp_path: Path) -> None:
    done = run("init", server=any_server, store=tmp_path / "absent")
    assert done.code == 74
    assert "error creating kv store: " in done.log
    assert seal_status(any_server)["initialized"] is False


def test_init_on_a_server_that_is_not_there_ends_with_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    done = run("init", address=address, store=tmp_path)
    assert done.code == 1
    assert "WARN vault not reachable: " in done.log


def test_init_before_the_server_listens_initialises_it_when_it_comes(
    server_kind: ServerKind, tmp_path: Path
) -> None:
    with Server(server_kind) as server:
        server.stop()
        with Program("unseal", "--init", server=server, store=tmp_path) as program:
            program.wait_for("error checking if vault is sealed: ")
            server.start()
            program.wait_for("successfully unsealed vault")
            assert program.stop() == 0


def test_several_processes_initialise_one_server_once(any_server: Server, tmp_path: Path) -> None:
    with ExitStack() as stack:
        programs = [
            stack.enter_context(Program("unseal", "--init", server=any_server, store=tmp_path))
            for _ in range(3)
        ]
        for program in programs:
            program.wait_for("vault is unsealed")
        _wait_journal_closed(tmp_path)
        for program in programs:
            assert program.stop() == 0
        assert sum("vault is initialised, its keys are safe" in program.log() for program in programs) == 1
    found = stored(tmp_path)
    assert sorted(found) == ["vault-root", *(f"vault-unseal-{number}" for number in range(5))]
    assert works(any_server, found["vault-root"])


def test_unseal_with_a_wanted_root_token_unseals_first_and_then_replaces_the_token(
    any_server: Server, tmp_path: Path
) -> None:
    """The original waited for ever for somebody else to unseal, and stored the revoked token."""
    with Program(
        "unseal", "--init", "--init-root-token=wanted", server=any_server, store=tmp_path
    ) as program:
        program.wait_for("root token stored in key store", times=2)
        wait_unsealed(any_server)
        _wait_journal_closed(tmp_path)
        assert program.stop() == 0
        assert "wanted" not in program.log()
    assert stored(tmp_path)["vault-root"] == b"wanted"
    assert works(any_server, b"wanted")
    assert _root_tokens(any_server, b"wanted") == 1


def test_init_with_a_wanted_root_token_waits_until_another_process_has_unsealed(
    any_server: Server, tmp_path: Path
) -> None:
    with Program("init", "--init-root-token=wanted", server=any_server, store=tmp_path) as first:
        first.wait_for("setting up init root token, waiting for vault to be unsealed")
        assert run("unseal", "--once", server=any_server, store=tmp_path).code == 0
        assert first.wait().code == 0, first.log()
    found = stored(tmp_path)
    assert found["vault-root"] == b"wanted"
    assert sorted(found) == ["vault-root", *(f"vault-unseal-{number}" for number in range(5))]
    assert _root_tokens(any_server, b"wanted") == 1


def test_a_root_token_that_is_not_stored_is_revoked_and_never_shown(
    any_server: Server, tmp_path: Path
) -> None:
    with Program(
        "unseal", "--init", "--store-root-token=false", server=any_server, store=tmp_path
    ) as program:
        program.wait_for("won't store root token in key store, it is revoked unseen")
        _wait_journal_closed(tmp_path)
        assert program.stop() == 0
        assert not re.search(r"\b(hvs|s)\.[A-Za-z0-9]{8}", program.log() + program.output())
        attempt = api(any_server, "GET", "sys/generate-root/attempt")
        warned = "nobody has a root token" in program.log()
        assert warned == (attempt.status == 405)
    assert sorted(stored(tmp_path)) == [f"vault-unseal-{number}" for number in range(5)]


def test_init_alone_that_may_not_store_the_token_says_that_it_is_thrown_away(
    any_server: Server, tmp_path: Path
) -> None:
    done = run("init", "--store-root-token=false", server=any_server, store=tmp_path)
    assert done.code == 0, done.log
    assert "WARN won't store root token in key store" in done.log
    assert not re.search(r"\b(hvs|s)\.[A-Za-z0-9]{8}", done.log + done.output)
    assert sorted(stored(tmp_path)) == [f"vault-unseal-{number}" for number in range(5)]


def _wait_journal_closed(store: Path) -> None:
    eventually(
        lambda: not any(name.startswith("vault-init") for name in stored(store)), "the journal is closed"
    )


def _root_tokens(server: Server, token: bytes) -> int:
    found = api(server, "LIST", "auth/token/accessors", token=token.decode())
    assert found.status == 200
    return len(found.body["data"]["keys"])
