"""What the running daemon tells: metrics, health, the service manager, and ``status`` beside it."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.integration.test_unseal_once import write_keys
from tests.support.binaries import ServerKind
from tests.support.program import Program, eventually, run, stored
from tests.support.servers import Server, api, initialise, unseal, wait_active

GO_NAMES = ("vault_sys_initialized", "vault_sys_sealed", "vault_sys_leader")


def go_samples(program: Program) -> tuple[float, ...] | None:
    """The three values of Go Bank-Vaults, in the order of GO_NAMES; None before the first look."""
    samples = program.samples()
    return tuple(samples[name] for name in GO_NAMES) if GO_NAMES[0] in samples else None


def test_metrics_and_health_follow_the_server_through_its_life(
    server_kind: ServerKind, tmp_path: Path
) -> None:
    with (
        Server(server_kind, storage="raft") as server,
        Program("unseal", server=server, store=tmp_path, metrics=True) as program,
    ):
        up = f'bank_vaults_server_up{{server="{server.address}"}}'
        eventually(lambda: go_samples(program) == (0, 1, 0), "fresh")
        assert program.get("/healthz")[0] == 200
        status, body = program.get("/readyz")
        assert (status, "not initialised" in body) == (503, True)
        keys = initialise(server, 5, 3)  # without its keys it stays sealed
        eventually(lambda: go_samples(program) == (1, 1, 0), "sealed")
        assert (program.get("/readyz")[0], program.get("/healthz")[0]) == (503, 200)
        write_keys(tmp_path, keys)
        program.wait_for("successfully unsealed vault")
        eventually(lambda: program.get("/readyz")[0] == 200, "ready")
        eventually(lambda: go_samples(program) == (1, 0, 1), "the leader")
        server.stop()
        eventually(lambda: program.samples()[up] == 0, "down")
        assert go_samples(program) is not None
        assert (program.get("/readyz")[0], program.get("/healthz")[0]) == (503, 200)
        server.start()
        program.wait_for("successfully unsealed vault", times=2)
        eventually(lambda: program.get("/readyz")[0] == 200, "ready again")
        eventually(lambda: go_samples(program) == (1, 0, 1), "the leader again")
        unseals = f'bank_vaults_unseal_attempts_total{{result="success",server="{server.address}"}}'
        assert program.samples()[unseals] == 2
        assert program.stop() == 0
        assert "vault metrics exporter enabled: 127.0.0.1:" in program.log()


def test_a_metrics_port_that_is_taken_ends_the_start_with_1(any_server: Server, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run("unseal", "--metrics-address", address, server=any_server, store=tmp_path)
    assert done.code == 1, done.log
    assert (
        f"error starting the metrics exporter: cannot listen on {address}: Address already in use; "
        in done.log
    )
    assert "--metrics-address" in done.log


def test_the_service_manager_hears_ready_status_and_stopping(any_server: Server, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        path = any_server.directory / "notify"
        manager.bind(str(path))
        manager.settimeout(20)
        environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "200000"}
        store = tmp_path
        heard: list[str] = []

        def hear_until(start: str) -> None:
            while not any(message.startswith(start) for message in heard):
                heard.append(manager.recv(4096).decode())

        with Program("unseal", "--init", server=any_server, store=store, environment=environment) as program:
            hear_until("READY=1")
            hear_until(f"STATUS={any_server.address}: vault is unsealed")
            heard.clear()
            hear_until("WATCHDOG=1")
            assert program.stop() == 0
            hear_until("STOPPING=1")


def status(store: Path, *servers: Server, output: str = "json", code: int) -> str:
    flags = [f"--server-addr={server.address}" for server in servers]
    done = run("status", f"--output={output}", *flags, store=store)
    assert done.code == code, done.log + done.output
    return done.output


def test_status_tells_every_state_by_words_and_exit_code(server_kind: ServerKind, tmp_path: Path) -> None:
    with Server(server_kind) as server:
        assert "not initialised" in status(tmp_path, server, output="table", code=3)
        assert json.loads(status(tmp_path, server, code=3))["servers"][0]["initialized"] is False
        keys = initialise(server, 5, 3)
        write_keys(tmp_path, keys)
        (tmp_path / "vault-test").write_text("vault-test")
        before = stored(tmp_path)
        api(server, "PUT", "sys/unseal", {"key": keys.shares[0]})
        table = status(tmp_path, server, output="table", code=2)
        assert "sealed" in table
        assert "3 of 5 shares, 1 entered" in table
        assert "vault-test (of pre-flight checks; may be removed)" in table
        seen = json.loads(status(tmp_path, server, code=2))
        assert (seen["servers"][0]["sealed"], seen["servers"][0]["progress"]) == (True, 1)
        unseal(server, keys.shares[1:])
        wait_active(server)
        assert "unsealed" in status(tmp_path, server, output="table", code=0)
        seen = json.loads(status(tmp_path, server, code=0))
        assert seen["exit_code"] == 0
        assert seen["servers"][0]["sealed"] is False
        assert seen["store"]["keys"] == ["vault-root", *(f"vault-unseal-{number}" for number in range(5))]
        assert seen["store"]["leftovers"] == ["vault-test"]
        assert seen["journal"]["open"] is False
        with Server(server_kind) as fresh:
            status(tmp_path, server, fresh, code=3)
            fresh.stop()
            seen = json.loads(status(tmp_path, server, fresh, code=1))
            assert [found["reachable"] for found in seen["servers"]] == [True, False]
            assert "does not answer" in status(tmp_path, server, fresh, output="table", code=1)
        assert stored(tmp_path) == before
        for value in (*keys.shares, keys.root_token):
            assert value not in json.dumps(seen)


@pytest.mark.parametrize("output", ["table", "json"])
def test_status_without_a_store_still_tells_of_the_server(
    any_server: Server, tmp_path: Path, output: str
) -> None:
    text = status(tmp_path / "absent", any_server, output=output, code=3)
    assert any_server.address in text
    assert "No such file or directory" in text
