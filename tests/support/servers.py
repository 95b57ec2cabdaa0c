"""Real servers for tests: started on loopback, killed, paused, restarted, and never left behind.

    with Server(kind, storage="raft") as server:
        keys = initialise(server)
        server.kill()
        server.start()
        unseal(server, keys)

Nothing here uses the project's own client, so that assertions are independent of it.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import trustme

from tests.support.binaries import ServerKind

Storage = Literal["inmem", "file", "raft"]
Tls = Literal["off", "server", "mutual"]

_START_LIMIT = 60.0  # seconds; a loaded two-core machine needs a few
_STOP_LIMIT = 15.0
_LOG_TAIL = 4000  # characters of a server's log shown with a failure

_alive: weakref.WeakSet[Server] = weakref.WeakSet()


class ServerFailedError(AssertionError):
    """The server ended or did not answer in time; the message carries the end of its log."""


def running_servers() -> list[Server]:
    """The servers that are in use now, for the report of a failed test."""
    return sorted(_alive, key=lambda server: server.name)


class Port:
    """A loopback port that is ours until released, over any number of restarts of the server.

    The socket is bound and never listens. With SO_REUSEADDR, which Go's listeners set too, Linux lets
    one socket listen beside it and gives the port to nobody else who asks for a free one.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number: int = self._socket.getsockname()[1]

    def release(self) -> None:
        self._socket.close()


class Server:
    """One server process with its own directory and ports. Use it as a context manager.

    ``storage`` and ``ha_storage`` name the storage stanzas; ``tls`` is ``"off"``, ``"server"`` or
    ``"mutual"`` (the listener demands a client certificate); ``unix`` adds a listener on
    ``unix_socket``; ``listener`` holds further options of the TCP listener; ``environment`` is added to
    an environment that holds none of the variables of either server; ``config`` is further
    configuration in HCL, for example a ``seal`` stanza. ``ca`` lets several servers share an authority.
    """

    def __init__(
        self,
        kind: ServerKind,
        *,
        name: str = "node-0",
        storage: Storage = "inmem",
        ha_storage: Literal["raft"] | None = None,
        tls: Tls = "off",
        unix: bool = False,
        listener: Mapping[str, object] | None = None,
        config: str = "",
        environment: Mapping[str, str] | None = None,
        ca: trustme.CA | None = None,
    ) -> None:
        self.kind = kind
        self.name = name
        self.tls = tls
        # Short, because the path of a Unix socket has room for 107 characters only.
        self.directory = Path(tempfile.mkdtemp(prefix="bv-server-"))
        self.log_file = self.directory / "server.log"
        self.unix_socket: Path | None = self.directory / "api.sock" if unix else None
        self.ca_file: Path | None = None
        self.client_cert_file: Path | None = None
        self.client_key_file: Path | None = None
        self._api_port = Port()
        self._cluster_port = Port()
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        if tls != "off":
            self._issue_certificates(ca or trustme.CA())
        self._write_config(storage, ha_storage, listener or {}, config)

    # -- where it is ---------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The port of the API on 127.0.0.1, the same over all restarts."""
        return self._api_port.number

    @property
    def address(self) -> str:
        """The URL of the API, for ``VAULT_ADDR``."""
        return f"{'http' if self.tls == 'off' else 'https'}://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the running server. Raises ServerFailedError when none runs."""
        if self._process is None:
            raise ServerFailedError(f"{self.name} is not running")
        return self._process.pid

    def log(self) -> str:
        """The end of what the server wrote, over all its starts."""
        try:
            return self.log_file.read_text(errors="replace")[-_LOG_TAIL:]
        except FileNotFoundError:
            return "(no log)"

    # -- what can be done to it ----------------------------------------------------------------------

    def start(self, *, wait: bool = True) -> None:
        """Start the process on the same ports and data; ``wait`` until the API answers."""
        if self._process is not None:
            raise ServerFailedError(f"{self.name} runs already")
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("VAULT_", "BAO_"))}
        clean.update(HOME=str(self.directory), **self._environment)
        # setpriv becomes the server (same process id) after asking the kernel for SIGKILL when the
        # thread that started it ends: a killed test run leaves no server behind.
        command = ["setpriv", "--pdeathsig", "KILL", "--", str(self.kind.path), "server"]
        command += [f"-config={file}" for file in sorted(self.directory.glob("config.*"))]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=clean, cwd=self.directory
            )
        if wait:
            self.wait_listening()

    def wait_listening(self, limit: float = _START_LIMIT) -> None:
        """Wait until the API answers ``sys/seal-status``. Raises ServerFailedError, with the log."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            code = self.exit_code()
            if code is not None:
                raise ServerFailedError(f"{self.name} ended with {code} at its start:\n{self.log()}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                api(self, "GET", "sys/seal-status", timeout=2.0)
                return
            time.sleep(0.01)
        raise ServerFailedError(f"{self.name} did not answer in {limit:.0f} s:\n{self.log()}")

    def exit_code(self) -> int | None:
        """The exit code of a process that ended by itself; None while it runs."""
        return None if self._process is None else self._process.poll()

    def kill(self) -> None:
        """End it at once, as a power failure would (SIGKILL)."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in good order (SIGTERM); nothing happens when it does not run."""
        self._end(signal.SIGTERM)

    def restart(self, *, wait: bool = True) -> None:
        """Stop in good order and start on the same ports and data."""
        self.stop()
        self.start(wait=wait)

    def pause(self) -> None:
        """Make it hang: connections are accepted by the kernel and never answered (SIGSTOP)."""
        os.kill(self.pid, signal.SIGSTOP)
        deadline = time.monotonic() + _STOP_LIMIT
        while not _stopped(self.pid):  # the signal reaches one thread after the other
            if time.monotonic() > deadline:
                raise ServerFailedError(f"{self.name} could not be paused")
            time.sleep(0.001)

    def resume(self) -> None:
        """Let a paused server go on (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)
        try:
            process.wait(_STOP_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def close(self) -> None:
        """End the process and remove everything."""
        self._end(signal.SIGKILL)
        self._api_port.release()
        self._cluster_port.release()
        shutil.rmtree(self.directory, ignore_errors=True)
        _alive.discard(self)

    def __enter__(self) -> Self:
        _alive.add(self)
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            error.add_note(f"the end of the log of {self.name} ({self.kind.name}):\n{self.log()}")
        self.close()

    # -- how it is configured ------------------------------------------------------------------------

    def _issue_certificates(self, ca: trustme.CA) -> None:
        self.ca_file = self.directory / "ca.pem"
        self.client_cert_file = self.directory / "client.pem"
        self.client_key_file = self.directory / "client.key"
        ca.cert_pem.write_to_path(self.ca_file)
        server = ca.issue_cert("127.0.0.1", "localhost")
        server.private_key_pem.write_to_path(self.directory / "server.key")
        client = ca.issue_cert("client.test", common_name="client.test")
        client.private_key_pem.write_to_path(self.client_key_file)
        for leaf, file in ((server, self.directory / "server.pem"), (client, self.client_cert_file)):
            for position, blob in enumerate(leaf.cert_chain_pems):
                blob.write_to_path(file, append=position > 0)

    def _write_config(
        self, storage: Storage, ha_storage: str | None, listener: Mapping[str, object], config: str
    ) -> None:
        data = self.directory / "data"
        raft_data = self.directory / "raft"
        data.mkdir()
        raft_data.mkdir()
        stanzas: dict[str, dict[str, object]] = {
            "inmem": {},
            "file": {"path": str(data)},
            # The multiplier takes an initialisation from 8.5 s to 1.4 s.
            "raft": {"path": str(raft_data), "node_id": self.name, "performance_multiplier": "1"},
        }
        tcp: dict[str, object] = {
            "address": f"127.0.0.1:{self.port}",
            "cluster_address": f"127.0.0.1:{self._cluster_port.number}",
            "tls_disable": self.tls == "off",
        }
        if self.tls != "off":
            tcp["tls_cert_file"] = str(self.directory / "server.pem")
            tcp["tls_key_file"] = str(self.directory / "server.key")
        if self.tls == "mutual":
            tcp["tls_client_ca_file"] = str(self.ca_file)
            tcp["tls_require_and_verify_client_cert"] = True
        listeners: list[dict[str, object]] = [{"tcp": {**tcp, **listener}}]
        if self.unix_socket is not None:
            listeners.append({"unix": {"address": str(self.unix_socket)}})
        main: dict[str, object] = {
            "storage": {storage: stanzas[storage]},
            "listener": listeners,
            "api_addr": self.address,
            "cluster_addr": f"https://127.0.0.1:{self._cluster_port.number}",
        }
        if ha_storage is not None:
            main["ha_storage"] = {ha_storage: stanzas[ha_storage]}
        if self.kind.flavour == "vault":
            main["disable_mlock"] = True  # demanded with raft since 1.20; OpenBao has no such setting
        (self.directory / "config.json").write_text(json.dumps(main))
        if config:
            (self.directory / "config.hcl").write_text(config)


class RaftCluster:
    """``n`` running raft servers with their own node ids that do not know each other yet."""

    def __init__(self, kind: ServerKind, n: int = 3, *, tls: Tls = "off", config: str = "") -> None:
        ca = trustme.CA() if tls != "off" else None
        self.servers = [
            Server(kind, name=f"node-{index}", storage="raft", tls=tls, config=config, ca=ca)
            for index in range(n)
        ]

    def __enter__(self) -> list[Server]:
        self._stack = contextlib.ExitStack()
        try:
            for server in self.servers:
                self._stack.enter_context(server)
        except BaseException:
            self._stack.close()
            for server in self.servers:
                server.close()
            raise
        return self.servers

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)


def _stopped(pid: int) -> bool:
    """Whether every thread of the process is stopped. Source: proc(5), the field after the name."""
    states = [
        stat.read_text().rpartition(")")[2].split()[0] for stat in Path(f"/proc/{pid}/task").glob("*/stat")
    ]
    return set(states) == {"T"}


# -- an independent way to talk to a server --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and decoded JSON object of an answer; the body is empty where the server sent none."""

    status: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Keys:
    """What an initialisation gave. Test values: they open nothing but a server about to be removed."""

    root_token: str
    shares: tuple[str, ...]
    recovery_shares: tuple[str, ...]
    threshold: int


def _connection(server: Server, timeout: float) -> http.client.HTTPConnection:
    if server.ca_file is None:
        return http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)
    context = ssl.create_default_context(cafile=server.ca_file)
    if server.client_cert_file is not None:
        context.load_cert_chain(server.client_cert_file, server.client_key_file)
    return http.client.HTTPSConnection("127.0.0.1", server.port, timeout=timeout, context=context)


def api(
    server: Server,
    method: str,
    path: str,
    body: Mapping[str, object] | None = None,
    token: str | None = None,
    *,
    timeout: float = 30.0,
) -> Answer:
    """One call of ``/v1/PATH``. Raises OSError or HTTPException where no answer came."""
    headers = {"X-Vault-Request": "true"} | ({"X-Vault-Token": token} if token else {})
    with contextlib.closing(_connection(server, timeout)) as connection:
        connection.request(method, f"/v1/{path}", None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        content = response.read()
        return Answer(response.status, json.loads(content) if content else {})


def initialise(server: Server, shares: int = 1, threshold: int = 1, *, recovery: bool = False) -> Keys:
    """Initialise the server; with ``recovery`` the shares are recovery shares of a self-unsealing one."""
    prefix = "recovery" if recovery else "secret"
    body = {f"{prefix}_shares": shares, f"{prefix}_threshold": threshold}
    answer = api(server, "PUT", "sys/init", body)
    assert answer.status == 200, answer
    found = answer.body
    return Keys(
        found["root_token"],
        tuple(found.get("keys") or ()),
        tuple(found.get("recovery_keys") or ()),
        threshold,
    )


def unseal(server: Server, keys: Keys | Sequence[str]) -> None:
    """Send shares until the server says that it is unsealed."""
    for share in keys.shares if isinstance(keys, Keys) else keys:
        answer = api(server, "PUT", "sys/unseal", {"key": share})
        assert answer.status == 200, answer.status
        if not answer.body["sealed"]:
            return
    raise ServerFailedError(f"{server.name} is still sealed")


def wait_active(server: Server, limit: float = 30.0) -> None:
    """Wait until an unsealed server is the active node (``sys/health`` says 200)."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if api(server, "GET", "sys/health").status == 200:
            return
        time.sleep(0.02)
    raise ServerFailedError(f"{server.name} did not become active in {limit:.0f} s:\n{server.log()}")
