"""A wrong PIN costs one login, however often and wherever the program is started with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bank_vaults.domain.exitcodes import ExitCode
from tests.faults.harness import NOBODY, wait_unsealed
from tests.support.hsm import LABEL, HsmPlace
from tests.support.program import Finished, Program, eventually
from tests.support.servers import Server

# No server is asked before the token: NOBODY is one to see that the PIN is wrong.

WRONG = "banana"
NOT_WRITABLE = Path("/proc")
"""Exists everywhere, and not even root can put anything into it."""


@pytest.fixture
def stick(hsm: HsmPlace) -> HsmPlace:
    """A token with a key pair, and a file with a wrong PIN."""
    done = hsm.run("unseal", "--once", address=NOBODY)
    assert done.code == ExitCode.FAILURE, done.log  # of the server: the token was logged in to
    assert "generated a key pair" in done.log
    hsm.pin_file.write_text(WRONG)
    return hsm


def _logins(hsm: HsmPlace) -> int:
    return hsm.faulty.count("C_Login")


def _start(hsm: HsmPlace, state: Path | None = None) -> Program:
    return hsm.program("unseal", "--once", address=NOBODY, state=state)


def _refused(done: Finished) -> None:
    """It ended with its own exit code, on which nothing may restart it, and showed no PIN."""
    assert done.code == ExitCode.PIN_REFUSED, done.log
    assert WRONG not in done.log + done.output
    assert "error creating kv store" in done.log


def test_twenty_starts_of_two_replicas_at_once_cost_one_login(stick: HsmPlace) -> None:
    before = _logins(stick)
    for _ in range(10):
        with _start(stick) as one, _start(stick) as other:
            _refused(one.wait())
            _refused(other.wait())
    assert _logins(stick) == before + 1


def test_twenty_starts_of_two_replicas_that_share_nothing_cost_one_login(
    stick: HsmPlace, tmp_path: Path
) -> None:
    before = _logins(stick)
    states = [tmp_path / "first", tmp_path / "second"]
    for number in range(20):
        with _start(stick, states[number % 2]) as program:
            done = program.wait()
        _refused(done)
        assert ("somebody else has tried a wrong PIN" in done.log) is bool(number % 2)
    assert _logins(stick) == before + 1


def test_the_right_pin_works_afterwards_and_for_all(stick: HsmPlace, tmp_path: Path, server: Server) -> None:
    second = tmp_path / "second"
    for state in (None, second):
        with _start(stick, state) as program:
            _refused(program.wait())
    stick.pin_file.write_text("banzai")
    assert stick.run("unseal", "--once", "--init", server=server).code == 0
    assert stick.run("unseal", "--once", server=server, state=second).code == 0


def test_each_wrong_pin_costs_one_login(stick: HsmPlace) -> None:
    before = _logins(stick)
    for pin in (WRONG, "ananas", WRONG, "ananas"):
        stick.pin_file.write_text(pin)
        assert stick.run("unseal", "--once", address=NOBODY).code == ExitCode.PIN_REFUSED
    assert _logins(stick) == before + 2


@pytest.mark.parametrize("what", ["after-kill", "after-crash", "after-0x32", "sleep"])
def test_a_login_that_nobody_saw_the_end_of_is_not_made_again(what: str, stick: HsmPlace) -> None:
    """Killed by hand while it hangs: then the token was not reached, and the next start may try."""
    before = _logins(stick)
    stick.faulty.plan_next("C_Login", what)
    with _start(stick) as program:
        if what == "sleep":
            eventually(lambda: _logins(stick) == before + 1, "it hangs")
            program.kill()
        else:
            _refused(program.wait())
    tried = before + (2 if what == "sleep" else 1)
    for _ in range(2):
        _refused(stick.run("unseal", "--once", address=NOBODY))
    assert _logins(stick) == tried


def test_the_pin_of_the_start_is_the_one_that_is_used_and_the_next_start_takes_the_new_one(
    hsm: HsmPlace, server: Server
) -> None:
    hsm.pin_file.write_text(WRONG)
    drawer = hsm.softhsm.tokens.rename(hsm.softhsm.tokens.with_name("drawer"))
    hsm.softhsm.tokens.mkdir()
    with hsm.program("unseal", "--init", server=server) as program:
        program.wait_for("the HSM is not ready, it is waited for")
        hsm.pin_file.write_text("banzai")
        hsm.softhsm.tokens.rmdir()
        drawer.rename(hsm.softhsm.tokens)
        done = program.wait(60)  # a process that sees no token is replaced after ten seconds
        assert done.code == ExitCode.PIN_REFUSED, done.log
        assert "the PIN is not accepted" in done.log
    assert _logins(hsm) == 1
    with hsm.program("unseal", "--init", server=server) as program:
        wait_unsealed(server)
        assert program.stop() == 0


def test_where_nothing_can_be_remembered_the_token_is_asked_whether_a_wrong_pin_was_tried(
    stick: HsmPlace,
) -> None:
    before = _logins(stick)
    stick.pin_file.write_text("banzai")
    assert "found objects" in stick.run("unseal", "--once", address=NOBODY, state=NOT_WRITABLE).log
    assert _logins(stick) == before + 1
    stick.pin_file.write_text(WRONG)
    for _ in range(3):
        _refused(stick.run("unseal", "--once", address=NOBODY, state=NOT_WRITABLE))
    assert _logins(stick) == before + 2


def test_a_state_directory_that_is_lost_with_each_start_does_not_cost_a_login_with_each_start(
    stick: HsmPlace, tmp_path: Path
) -> None:
    """As in a container without a volume."""
    before = _logins(stick)
    for number in range(4):
        _refused(stick.run("unseal", "--once", address=NOBODY, state=tmp_path / f"container-{number}"))
    assert _logins(stick) == before + 1


@pytest.mark.parametrize("content", [b"", b"{}", b'{"version": 1}', b"\0" * 300])
def test_a_damaged_record_is_told_and_no_login_is_made(content: bytes, stick: HsmPlace) -> None:
    before = _logins(stick)
    (record,) = (file for file in stick.state.iterdir() if file.name.startswith("hsm-pin-"))
    record.write_bytes(content)
    done = stick.run("unseal", "--once", address=NOBODY)
    assert done.code == ExitCode.STORE
    assert "the record of refused PINs is damaged" in done.log
    assert _logins(stick) == before
    record.unlink()
    stick.pin_file.write_text("banzai")
    assert "found objects" in stick.run("unseal", "--once", address=NOBODY).log


def test_a_token_without_a_record_of_ours_is_logged_in_to_as_ever(stick: HsmPlace) -> None:
    """Another token, whose PIN is the one that this one has refused."""
    _refused(stick.run("unseal", "--once", address=NOBODY))
    stick.softhsm.tokens.rename(stick.softhsm.tokens.with_name("drawer"))
    stick.softhsm.tokens.mkdir()
    stick.softhsm.add(LABEL, WRONG)
    assert "generated a key pair" in stick.run("unseal", "--once", address=NOBODY).log
