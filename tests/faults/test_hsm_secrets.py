"""No PIN, no share and no root token appears anywhere outside the token, whatever happens."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from bank_vaults.domain import names
from bank_vaults.domain.exitcodes import ExitCode
from tests.faults.harness import (
    FAILPOINT,
    KEYS,
    NOBODY,
    WANTED,
    children,
    init_process,
    wait_killed,
    wait_unsealed,
)
from tests.faults.test_secrets import FORMATS, assert_silent, outputs, process_texts, received, verbose
from tests.support.faultproxy import HOLD, FaultProxy
from tests.support.hsm import HsmPlace
from tests.support.pkcs11_modules import EVER
from tests.support.servers import Server, api, wait_active
from tests.support.softhsm import PIN

WRONG = "mistyped-pin-4711"


def _secrets(hsm: HsmPlace) -> set[str]:
    return {PIN, *hsm.values().values()}


def _files(directory: Path) -> list[str]:
    """Everything that the program keeps beside the token."""
    return [file.read_bytes().decode(errors="replace") for file in directory.iterdir()]


@FORMATS
def test_whole_life_with_metrics_health_and_service_messages(
    log_format: str, server: Server, hsm: HsmPlace, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, FaultProxy(server) as proxy:
        notify.bind(str(tmp_path / "notify"))
        proxy.on("PUT", "sys/init", HOLD)
        with hsm.program(
            "unseal",
            *verbose(log_format),
            server=server,
            address=proxy.address,
            metrics=True,
            environment={"NOTIFY_SOCKET": str(tmp_path / "notify")},
        ) as program:
            child = init_process(program)
            proxy.wait_for("PUT", "sys/init")
            assert len(children(program.pid)) == 2  # its worker, the init process
            seen = process_texts(program.pid)
            seen += process_texts(child)
            proxy.let_go()
            wait_unsealed(server)
            hsm.wait_for(KEYS)
            secrets = _secrets(hsm)
            wait_active(server)
            assert api(server, "PUT", "sys/seal", token=hsm.values()[names.ROOT]).status == 204
            wait_unsealed(server)
            for path in ("/metrics", "/healthz", "/readyz", "/"):
                seen.append(program.get(path)[1])
            assert program.stop() == 0
            seen += [program.log(), program.output()]
        messages = received(notify)
    assert messages
    assert len(secrets) == 7
    assert_silent(secrets, *seen, *messages, *_files(hsm.state))


def test_wanted_and_replaced_root_token(server: Server, hsm: HsmPlace, tmp_path: Path) -> None:
    wanted = tmp_path / "wanted"
    wanted.write_text(WANTED)
    flags = (*verbose("json"), f"--init-root-token-file={wanted}")
    environment = {FAILPOINT: "init.keys-verified"}
    with hsm.program("unseal", *flags, server=server, environment=environment) as program:
        wait_killed(program)
        seen = [program.log(), program.output()]
    secrets = _secrets(hsm) | {WANTED}
    done = hsm.run("unseal", "--once", *flags, server=server)
    assert done.code == 0, done.log
    assert hsm.values()[names.ROOT] == WANTED
    assert len(secrets) >= 8
    assert_silent(secrets, *seen, *outputs(done))


def test_no_process_leaves_a_core_file(hsm: HsmPlace) -> None:
    with hsm.program("unseal", "--init", address=NOBODY) as program:
        child = init_process(program)
        program.wait_for("error checking if vault is sealed")
        processes = {program.pid, *children(program.pid), *hsm.faulty.processes()}
        assert {program.pid, child} < processes
        for pid in processes:
            limits = Path(f"/proc/{pid}/limits").read_text()
            (limit,) = (line for line in limits.splitlines() if line.startswith("Max core file size"))
            assert {int(bytes_) for bytes_ in limit.split()[4:6]} <= {0, 1}
        assert program.stop() == 0


@FORMATS
@pytest.mark.parametrize("what", ["0x32", "0x31", "crash", "print"])
def test_a_token_that_fails_while_keys_are_in_hand(
    what: str, log_format: str, server: Server, hsm: HsmPlace
) -> None:
    functions = ("C_CreateObject", "C_Decrypt", "C_FindObjects", "C_Login")
    hsm.faulty.plan(
        *(f"{function} {number} {number} {what}" for function in functions for number in (2, 4, 7))
    )
    with hsm.program("unseal", *verbose(log_format), server=server) as program:
        wait_unsealed(server)
        seen = process_texts(program.pid)
        hsm.faulty.plan()
        hsm.wait_for(KEYS)
        assert program.stop() == 0
        seen += [program.log(), program.output()]
    assert_silent(_secrets(hsm), *seen)


@FORMATS
def test_a_wrong_pin_and_a_pin_of_a_wrong_length(log_format: str, server: Server, hsm: HsmPlace) -> None:
    seen: list[str] = []
    for pin in (WRONG, WRONG, "x" * 300):
        hsm.pin_file.write_text(pin)
        done = hsm.run("unseal", "--once", *verbose(log_format), server=server)
        assert done.code == ExitCode.PIN_REFUSED
        seen += outputs(done)
    assert_silent({WRONG, "x" * 300}, *seen, *_files(hsm.state))


def test_values_that_cannot_be_opened(server: Server, hsm: HsmPlace) -> None:
    assert hsm.run("unseal", "--once", *verbose("text"), server=server).code == 0
    secrets, stored = _secrets(hsm), hsm.stored()
    root = hsm.values()[names.ROOT]
    damages = {
        names.unseal(0): stored[names.unseal(1)],
        names.unseal(1): stored[names.unseal(1)][:-1],
        names.unseal(2): b"RSA block of another key" * 11,
        names.unseal(3): stored[names.unseal(3)][:30],
    }
    with hsm.client() as client:
        for name, value in damages.items():
            client.replace(name, value)
    wait_active(server)
    assert api(server, "PUT", "sys/seal", token=root).status == 204
    done = hsm.run("unseal", "--once", *verbose("text"), server=server)
    assert done.code == ExitCode.KEYS
    assert all(f"{name} is damaged" in done.log for name in damages)
    assert_silent(secrets, *outputs(done))


def test_a_pin_in_the_uri_is_not_logged(server: Server, hsm: HsmPlace) -> None:
    """It stands in the command line, where whoever wrote it wanted it; nowhere else."""
    hsm.faulty.plan(f"C_GetTokenInfo 1 {EVER} 0xE0")
    uri = f"--hsm-uri=pkcs11:token=elsewhere?pin-value={PIN}"
    done = hsm.run("unseal", "--once", uri, "--hsm-pin-file=", *verbose("text"), server=server)
    assert "can't find HSM slot" in done.log
    assert_silent({PIN}, *outputs(done))
