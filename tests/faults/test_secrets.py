"""No share and no root token appears anywhere outside the key store, whatever happens."""

from __future__ import annotations

import base64
import json
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.faults.harness import (
    FAILPOINT,
    FaultyProgram,
    children,
    init_process,
    names_in,
    wait_finished,
    wait_killed,
    wait_unsealed,
)
from tests.support.program import Finished, Program, run, stored
from tests.support.servers import Server, api, wait_active
from tests.support.serving import serving

WANTED = "operators-own-root-token-4711"
FORMATS = pytest.mark.parametrize("log_format", ["text", "json"])


def verbose(log_format: str) -> tuple[str, ...]:
    return ("--init", "--unseal-period=1s", "--log-level=debug", f"--log-format={log_format}")


def forms(secret: str) -> set[str]:
    """The ways in which a secret may be written."""
    found = {secret, json.dumps(secret)[1:-1]}
    raw = [secret.encode()]
    with suppress(ValueError):
        raw.append(bytes.fromhex(secret))
        found.add(secret.upper())
    for value in raw:
        found.add(base64.b64encode(value).decode().rstrip("="))
    return found


def assert_silent(secrets: set[str], *texts: str) -> None:
    """None of the secrets is in any of the texts. The message does not show them either."""
    assert secrets
    for text in texts:
        for secret in secrets:
            for form in forms(secret):
                assert form not in text, f"a secret of {len(secret)} characters appears in an output"


def values(store: Path) -> set[str]:
    """Every secret in a store, also those inside the answer of sys/init."""
    found: set[str] = set()
    for name, value in stored(store).items():
        if name == "vault-init-answer":
            answer = json.loads(value)["answer"]
            found |= {*answer["keys"], *answer["keys_base64"], answer["root_token"]}
        elif name.startswith(("vault-unseal", "vault-root")):
            found.add(value.decode())
    return found


def process_texts(pid: int) -> list[str]:
    """Command line and environment of a process and of those of its children that live on meanwhile."""
    files = [Path(f"/proc/{pid}/{what}") for what in ("cmdline", "environ")]
    found = [file.read_bytes() for file in files]
    for file in (Path(f"/proc/{child}/{what}") for child in children(pid) for what in ("cmdline", "environ")):
        # The one that calls sys/init may just end; into that of a PKCS#11 module only root may look.
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            found.append(file.read_bytes())
    return [text.decode(errors="replace") for text in found]


def received(notify: socket.socket) -> list[str]:
    """All messages that wait in a socket."""
    found: list[str] = []
    notify.setblocking(False)
    with suppress(BlockingIOError):
        while len(found) < 1000:
            found.append(notify.recv(65536).decode())
    return found


def outputs(done: Finished) -> tuple[str, str]:
    return done.output, done.log


@FORMATS
def test_whole_life_with_metrics_health_and_service_messages(
    log_format: str, server: Server, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    store.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        server.stop()
        with Program(
            "unseal",
            *verbose(log_format),
            server=server,
            store=store,
            metrics=True,
            environment={"NOTIFY_SOCKET": str(tmp_path / "notify")},
        ) as program:
            init_process(program)
            seen = process_texts(program.pid)
            server.start()
            wait_unsealed(server)
            wait_finished(store)
            secrets = values(store)
            wait_active(server)
            root = stored(store)["vault-root"].decode()
            assert api(server, "PUT", "sys/seal", token=root).status == 204
            wait_unsealed(server)
            seen += process_texts(program.pid)
            for path in ("/metrics", "/healthz", "/readyz", "/"):
                seen.append(program.get(path)[1])
            assert program.stop() == 0
            seen += [program.log(), program.output()]
        messages = received(notify)
    assert messages
    assert len(secrets) == 6
    assert_silent(secrets, *seen, *messages)


def test_wanted_and_replaced_root_token(server: Server, tmp_path: Path) -> None:
    wanted, store = tmp_path / "wanted", tmp_path / "store"
    wanted.write_text(WANTED)
    store.mkdir(mode=0o700)
    flags = (*verbose("json"), f"--init-root-token-file={wanted}")
    with Program(
        "unseal", *flags, server=server, store=store, environment={FAILPOINT: "init.keys-verified"}
    ) as program:
        wait_killed(program)
        secrets = values(store) | {WANTED}
        seen = [program.log(), program.output()]
    with Program("unseal", *flags, server=server, store=store) as program:
        wait_finished(store)
        seen += process_texts(program.pid)
        assert program.stop() == 0
        seen += [program.log(), program.output()]
    assert len(secrets) >= 12
    assert_silent(secrets, *seen)


def test_root_token_that_is_not_stored_is_not_printed_either(server: Server, tmp_path: Path) -> None:
    flags = (*verbose("text"), "--store-root-token=false")
    with Program(
        "unseal", *flags, server=server, store=tmp_path, environment={FAILPOINT: "init.keys-verified"}
    ) as program:
        wait_killed(program)
        secrets = values(tmp_path)
        seen = [program.log(), program.output()]
    done = run("unseal", "--once", *flags, server=server, store=tmp_path)
    assert done.code == 0, done.log
    assert_silent(secrets, *seen, *outputs(done))
    assert "vault-root" not in names_in(tmp_path)


def test_wrong_damaged_and_malformed_shares(server: Server, tmp_path: Path) -> None:
    assert run("unseal", "--once", *verbose("text"), server=server, store=tmp_path).code == 0
    right = stored(tmp_path)
    secrets = values(tmp_path)
    root = right["vault-root"].decode()
    damages: list[dict[str, bytes]] = [
        {"vault-unseal-0": right["vault-unseal-0"][:-4] + b"0000"},
        {"vault-unseal-1": b"not hexadecimal " + right["vault-unseal-1"]},
        {"vault-unseal-2": right["vault-unseal-2"].upper() + b"\n"},
        {"vault-unseal-3": base64.b64encode(bytes.fromhex(right["vault-unseal-3"].decode()))},
        {"vault-unseal-4": b"\xff" + right["vault-unseal-4"]},
        {f"vault-unseal-{n}": right[f"vault-unseal-{n}"][::-1] for n in range(5)},
    ]
    for damage in damages:
        for name, value in damage.items():
            (tmp_path / name).write_bytes(value)
            secrets.add(value.decode(errors="replace"))
        wait_active(server)
        assert api(server, "PUT", "sys/seal", token=root).status == 204
        done = run("unseal", "--once", *verbose("text"), server=server, store=tmp_path)
        whole = len(damage) == 5
        assert done.code == (65 if whole else 0), done.log
        assert_silent(secrets, *outputs(done))
        for name in damage:
            (tmp_path / name).write_bytes(right[name])


@FORMATS
@pytest.mark.parametrize("fault", ["fail create+put 3", "fail create+put 6", "truncate create+put 5 5"])
def test_store_errors_while_keys_are_in_hand(
    fault: str, log_format: str, server: Server, tmp_path: Path
) -> None:
    with FaultyProgram(fault, *verbose(log_format), server=server, store=tmp_path) as program:
        program.wait_for("does not take its keys yet|error initializing vault|error finishing")
        seen = process_texts(program.pid)
        program.heal()
        if fault.startswith("truncate"):  # the damaged name holds half a key: a human has to look
            secrets = values(tmp_path)
        else:
            wait_finished(tmp_path)
            secrets = values(tmp_path)
        assert program.stop() == 0
        seen += [program.log(), program.output()]
    assert_silent(secrets, *seen)


@FORMATS
@pytest.mark.parametrize("status", [400, 500])
def test_server_that_echoes_what_it_was_sent(status: int, log_format: str, tmp_path: Path) -> None:
    """In plain, upper case, base64 of the text and base64 of the bytes, as a helpful proxy might."""
    shares = [f"{number:02x}" * 33 for number in range(17, 22)]
    for number, share in enumerate(shares):
        (tmp_path / f"vault-unseal-{number}").write_text(share)
    (tmp_path / "vault-root").write_text(WANTED)
    with echoing_server(status) as address:
        done = run("unseal", "--once", *verbose(log_format), address=address, store=tmp_path)
        assert done.code != 0
        assert "sys/unseal" in done.log
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(tmp_path / "notify"))
            with Program(
                "unseal",
                *verbose(log_format),
                address=address,
                store=tmp_path,
                environment={"NOTIFY_SOCKET": str(tmp_path / "notify")},
            ) as program:
                program.wait_for("error unsealing vault", times=2)
                program.signal(signal.SIGTERM)
                program.wait()
                texts = [program.log(), program.output()]
            texts += received(notify)
    assert_silent({*shares, WANTED}, *outputs(done), *texts)


def test_status_help_and_version(server: Server, tmp_path: Path) -> None:
    flags = verbose("json")
    with Program(
        "unseal", *flags, server=server, store=tmp_path, environment={FAILPOINT: "init.key-stored:3"}
    ) as program:
        wait_killed(program)
    secrets = values(tmp_path)
    texts: list[str] = []
    logging = flags[2:]
    for command in (
        ["status", *logging],
        ["status", "--output=json", *logging],
        ["unseal", "--help"],
        ["status", "--help"],
        ["version"],
    ):
        texts += outputs(run(command[0], *command[1:], server=server, store=tmp_path))
    assert "vault-unseal-2" in texts[0]
    assert_silent(secrets, *texts)


@contextmanager
def echoing_server(status: int) -> Iterator[str]:
    """A sealed server that repeats in its errors whatever it gets."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            state = {"initialized": True, "sealed": True, "t": 3, "n": 5, "progress": 0, "nonce": ""}
            self._answer(200, state)

        def do_PUT(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            key = str(body.get("key", ""))
            echo = sorted(forms(key)) if key else []
            self._answer(status, {"errors": [f"invalid key: {form}" for form in echo]})

        def _answer(self, code: int, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response_only(code)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing."""

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with serving(listener):
        yield f"http://127.0.0.1:{listener.server_port}"
