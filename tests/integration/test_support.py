"""The support of the tests does what the tests rely on."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.binaries import ServerKind, parse_version
from tests.support.servers import (
    RaftCluster,
    Server,
    ServerFailedError,
    Storage,
    api,
    initialise,
    unseal,
    wait_active,
)


def test_a_killed_server_comes_back_sealed_on_the_same_address_with_its_data(server_kind: ServerKind) -> None:
    with Server(server_kind, storage="raft") as server:
        address = server.address
        keys = initialise(server, shares=3, threshold=2)
        unseal(server, keys)
        wait_active(server)
        server.kill()
        with pytest.raises(ConnectionRefusedError):
            api(server, "GET", "sys/seal-status")
        server.start()
        assert server.address == address
        status = api(server, "GET", "sys/seal-status").body
        assert (status["initialized"], status["sealed"], status["t"]) == (True, True, 2)
        unseal(server, keys)
        wait_active(server)
        assert api(server, "GET", "auth/token/lookup-self", token=keys.root_token).status == 200


@pytest.mark.parametrize("storage", ["inmem", "file"])
def test_plain_storages_serve(server_kind: ServerKind, storage: Storage) -> None:
    if storage == "file" and not server_kind.has_file_storage:
        pytest.skip("this server has no file storage")
    with Server(server_kind, storage=storage) as server:
        unseal(server, initialise(server))
        wait_active(server)


def test_a_paused_server_hangs_and_goes_on_when_resumed(any_server: Server) -> None:
    any_server.pause()
    with pytest.raises(TimeoutError):
        api(any_server, "GET", "sys/seal-status", timeout=0.2)
    any_server.resume()
    assert api(any_server, "GET", "sys/seal-status").status == 200


def test_a_paused_server_can_be_stopped(any_server: Server) -> None:
    any_server.pause()
    any_server.stop()
    with pytest.raises(ServerFailedError, match="not running"):
        _ = any_server.pid


def test_a_listener_with_client_certificates_and_a_unix_socket(server_kind: ServerKind) -> None:
    with Server(server_kind, tls="mutual", unix=True) as server:
        assert server.address.startswith("https://")
        assert server.unix_socket is not None
        assert server.unix_socket.is_socket()
        assert api(server, "GET", "sys/seal-status").status == 200
        server.client_cert_file = None
        with pytest.raises(OSError):  # noqa: PT011  # an alert or a reset, as the handshake goes
            api(server, "GET", "sys/seal-status")


def test_nodes_of_a_raft_cluster_can_join(server_kind: ServerKind) -> None:
    with RaftCluster(server_kind, 2) as (first, second):
        keys = initialise(first)
        unseal(first, keys)
        wait_active(first)
        joined = api(second, "POST", "sys/storage/raft/join", {"leader_api_addr": first.address})
        assert joined.body["joined"] is True


def test_raft_as_ha_storage_beside_another_storage(server_kind: ServerKind) -> None:
    storage: Storage = "file" if server_kind.has_file_storage else "inmem"
    with Server(server_kind, storage=storage, ha_storage="raft") as server:
        unseal(server, initialise(server))
        wait_active(server)


def test_further_configuration_reaches_the_server(server_kind: ServerKind) -> None:
    if not server_kind.has_static_seal:
        pytest.skip("this server has no static seal")
    seal = f'seal "static" {{\n  current_key_id = "k1"\n  current_key = "{"ab" * 32}"\n}}\n'
    with Server(server_kind, config=seal) as server:
        keys = initialise(server, recovery=True)
        assert len(keys.recovery_shares) == 1
        assert api(server, "GET", "sys/seal-status").body["recovery_seal"] is True


def test_a_server_that_cannot_start_fails_with_its_log(server_kind: ServerKind) -> None:
    with (
        pytest.raises(ServerFailedError, match=r"(?s)ended with .* at its start:.*[Ss]eal"),
        Server(server_kind, config='seal "no-such-seal" {\n  enabled = true\n}\n'),
    ):
        pytest.fail("it started")


def test_a_killed_test_leaves_no_server_behind(server_kind: ServerKind) -> None:
    script = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from tests.support.binaries import parse_version\n"
        "from tests.support.servers import Server\n"
        f"kind = parse_version(Path({str(server_kind.path)!r}), {_version_line(server_kind)!r})\n"
        "server = Server(kind)\n"
        "server.start()\n"
        "print(server.pid, server.directory, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False
    )
    pid, directory = ended.stdout.split()
    _remove(Path(directory))
    assert _gone(int(pid))


def test_a_failure_inside_the_block_carries_the_log(server_kind: ServerKind) -> None:
    with pytest.raises(KeyError) as caught, Server(server_kind):
        raise KeyError("what the test found")
    assert "the end of the log of node-0" in caught.value.__notes__[0]


def test_what_is_no_server_is_refused() -> None:
    with pytest.raises(ValueError, match="does not print the version"):
        parse_version(Path("bao"), "curl 8.0")


def _version_line(kind: ServerKind) -> str:
    label = "OpenBao" if kind.flavour == "openbao" else "Vault"
    return f"{label} v{'.'.join(map(str, kind.version))}"


def _gone(pid: int) -> bool:
    """Whether the process ended; as an orphan it may stay a zombie until its new parent looks."""
    for _ in range(500):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def _remove(directory: Path) -> None:
    assert directory.name.startswith("bv-server-")
    shutil.rmtree(directory, ignore_errors=True)
