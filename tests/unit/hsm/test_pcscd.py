"""What is wrong with pcscd is told from its socket."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bank_vaults.hsm import pcscd


def test_the_socket_is_where_its_clients_look() -> None:
    assert pcscd.socket_path({}) == "/run/pcscd/pcscd.comm"
    assert pcscd.socket_path({"PCSCLITE_CSOCK_NAME": ""}) == "/run/pcscd/pcscd.comm"
    assert pcscd.socket_path({"PCSCLITE_CSOCK_NAME": "/x"}) == "/x"


def test_one_that_listens_is_well(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        assert pcscd.trouble(str(tmp_path / "s")) is None


def test_one_that_does_not_run_is_to_be_started(tmp_path: Path) -> None:
    trouble = pcscd.trouble(str(tmp_path / "s"))
    assert trouble is not None
    assert str(tmp_path / "s") in trouble.sentence
    assert "systemctl enable --now pcscd.socket" in trouble.next_step


def test_one_that_was_killed_leaves_its_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
    trouble = pcscd.trouble(str(tmp_path / "s"))
    assert trouble is not None
    assert "has left its socket" in trouble.sentence


def test_a_socket_that_is_none_is_told(tmp_path: Path) -> None:
    trouble = pcscd.trouble(str(tmp_path / ("s" * 200)))
    assert trouble is not None
    assert "cannot be reached" in trouble.sentence


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without access")
def test_a_user_without_access_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        os.chmod(tmp_path / "s", 0)
        os.seteuid(65534)
        try:
            trouble = pcscd.trouble(str(tmp_path / "s"))
        finally:
            os.seteuid(0)
    assert trouble is not None
    assert "may not connect" in trouble.sentence


def test_a_process_without_the_client_library_does_not_use_it() -> None:
    code = "from bank_vaults.hsm import pcscd; print(pcscd.is_loaded())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=True)
    assert done.stdout == b"False\n"
