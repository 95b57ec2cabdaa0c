"""Whatever happens to the stick, the program is not restarted, no PIN try is lost, no key is lost."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.domain.secrets import Secret
from bank_vaults.hsm.client import TokenClient
from bank_vaults.hsm.selection import TokenCriteria
from bank_vaults.hsm.token import Access
from bank_vaults.keystores.hsm import BlobFormat, OnToken, Sealed
from bank_vaults.keystores.hsm_token import StoredMemory
from tests.conftest import skip_or_fail
from tests.faults.harness import (
    FAILPOINT,
    KEYS,
    WANTED,
    assert_every_key_is_safe,
    children,
    gone,
    wait_killed,
    wait_unsealed,
)
from tests.faults.test_killed import IN_PARENT, IN_TOKEN_WORK
from tests.support.binaries import MissingBinary, ServerKind
from tests.support.program import Program, eventually
from tests.support.servers import Server, api, wait_active
from tests.support.tokens import LABEL, PIN, WRONG_PIN, NitrokeyKind, Offer, Token, all_tokens
from virtual_nitrokey.card import Work
from virtual_nitrokey.dkek import KeyDomain
from virtual_nitrokey.faults import Rule
from virtual_nitrokey.pins import Reference
from virtual_nitrokey.rig import Rig

STICKS = [offer for offer in all_tokens() if offer.name.startswith("nitrokey-opensc-")]
NO_TOKEN = "can't find HSM slot: no token"
CYCLES = 50  # of two sticks each: a hundred
RECOGNITION = 25  # commands, about, until a program has seen the keys of a stick
KILLED_AT = (
    *IN_PARENT,
    *(f"init.key-stored:{number}" for number in (2, 5)),
    "init.call-sent:exit-group",
    "init.answer-stored:exit-group",
)


def _kind(offer: Offer) -> NitrokeyKind:
    kind = offer.kind()
    if isinstance(kind, MissingBinary):
        skip_or_fail(kind)
    assert isinstance(kind, NitrokeyKind)
    return kind


@pytest.fixture(params=STICKS, ids=lambda offer: offer.name, scope="session")
def kind(request: pytest.FixtureRequest) -> NitrokeyKind:
    """The virtual stick behind each OpenSC in turn."""
    return _kind(request.param)


@pytest.fixture(scope="session")
def system_kind() -> NitrokeyKind:
    """The one behind the OpenSC of the system, for long tables."""
    return _kind(STICKS[0])


@pytest.fixture
def lasting(file_kind: ServerKind) -> Iterator[Server]:
    """A server that outlives its restart."""
    with Server(file_kind, storage="file") as server:
        yield server


@contextmanager
def watching(token: Token, server: Server, *choice: str) -> Iterator[Program]:
    """The program on a server that it has initialised, logged in, and with no data key in its memory.

    At the end it is the same process still, and ends in good order.
    """
    chosen = choice or ("--hsm-token-label", LABEL)
    done = token.run(
        "unseal", "--init", "--once", f"--init-root-token={WANTED}", server=server, choice=chosen
    )
    assert done.code == 0, done.log
    with token.program("unseal", server=server, choice=chosen) as program:
        program.wait_for("found objects with label")
        program.wait_for("vault is unsealed")
        yield program
        assert not program.ended
        assert program.stop() == 0


def assert_no_try_was_spent(token: Token) -> None:
    """Every login was right, and every stick has all its tries."""
    assert token.wrong_tries() == 0
    pins = [stick.card.image.pins[Reference.USER] for stick in token.sticks]
    assert all(pin.tries == pin.maximum for pin in pins)


def sealed(server: Server) -> object:
    return api(server, "GET", "sys/seal-status").body["sealed"]


def seal(server: Server) -> None:
    wait_active(server)
    assert api(server, "PUT", "sys/seal", token=WANTED).status == 204


def test_a_stick_that_is_away_when_the_server_comes_back_is_waited_for(
    kind: NitrokeyKind, lasting: Server, tmp_path: Path
) -> None:
    with Rig([kind.image()]) as rig:
        token = kind.token(rig, tmp_path)
        with watching(token, lasting) as program:
            rig.remove()
            rig.settle()
            lasting.restart()
            program.wait_for(NO_TOKEN)
            assert sealed(lasting)
            rig.insert()
            wait_unsealed(lasting)
        assert_no_try_was_spent(token)


def test_another_stick_with_another_key_is_refused_and_the_first_one_accepted_again(
    kind: NitrokeyKind, lasting: Server, tmp_path: Path
) -> None:
    first, second = kind.image(1), kind.image(2)
    with Rig([first, second]) as rig:
        token = kind.token(rig, tmp_path)
        rig.remove(second.serial)
        rig.settle()
        with watching(token, lasting) as program:
            rig.swap(first.serial, second.serial)
            rig.settle()
            lasting.restart()
            program.wait_for(f"another token or key than before: serial {second.serial}")
            assert sealed(lasting)
            rig.swap(second.serial, first.serial)
            wait_unsealed(lasting)
        assert_no_try_was_spent(token)


def test_a_clone_of_the_stick_unseals_in_its_place(
    kind: NitrokeyKind, lasting: Server, tmp_path: Path
) -> None:
    domain = KeyDomain(1).with_share(bytes(range(32)))
    first = replace(kind.image(1), key_domain=domain)
    second = replace(kind.image(2, keyed=False), key_domain=domain)
    wrapped, pin = str(tmp_path / "wrapped"), ("--pin", PIN, "--key-reference", "1")
    with Rig([first, second]) as rig:
        kind.tool(rig, "sc-hsm-tool", "--reader", "0", "--wrap-key", wrapped, *pin)
        said = kind.tool(rig, "sc-hsm-tool", "--reader", "2", "--unwrap-key", wrapped, *pin)
        assert "Key successfully imported" in said
        token = kind.token(rig, tmp_path)
        rig.remove(second.serial)
        rig.settle()
        with watching(token, lasting):
            rig.insert(second.serial)
            rig.settle()
            for name in token.values(first.serial):
                token.write(name, token.read(name, serial=first.serial), serial=second.serial)
            rig.remove(first.serial)
            rig.settle()
            lasting.restart()
            wait_unsealed(lasting)
        assert_no_try_was_spent(token)


def test_after_a_suspend_of_the_machine_the_server_is_unsealed_as_ever(
    kind: NitrokeyKind, lasting: Server, tmp_path: Path
) -> None:
    """No process runs while the stick loses its power, and finds afterwards that time has passed."""
    with Rig([kind.image()]) as rig:
        token = kind.token(rig, tmp_path)
        with watching(token, lasting) as program:
            asleep = [program.pid, *children(program.pid)]
            for pid in asleep:
                os.kill(pid, signal.SIGSTOP)
            rig.remove()
            rig.settle()
            rig.insert()
            rig.settle()
            lasting.restart()
            for pid in asleep:
                os.kill(pid, signal.SIGCONT)
            wait_unsealed(lasting)
        assert_no_try_was_spent(token)


@pytest.mark.parametrize("end", [Program.stop, Program.kill], ids=["stop", "kill"])
def test_after_the_end_of_the_program_nobody_is_logged_in_to_the_stick(
    end: Callable[[Program], object], kind: NitrokeyKind, server: Server, tmp_path: Path
) -> None:
    """A login of one process is one for all that reach the stick."""

    def logged_in() -> bool:
        return rig.stick().card.transmit(bytes.fromhex("00200081")) == bytes.fromhex("9000")

    with Rig([kind.image()]) as rig:
        token = kind.token(rig, tmp_path)
        with token.program("unseal", server=server) as program:
            program.wait_for("found objects with label")
            assert logged_in()
            end(program)
            eventually(lambda: not logged_in(), "nobody is logged in")


def test_pcscd_is_away_while_the_server_comes_back(
    kind: NitrokeyKind, lasting: Server, tmp_path: Path
) -> None:
    with Rig([kind.image()]) as rig:
        token = kind.token(rig, tmp_path)
        with watching(token, lasting):
            lasting.stop()
            restart = threading.Thread(target=rig.restart_pcscd, args=[1.5])
            restart.start()
            lasting.start()
            restart.join()
            wait_unsealed(lasting)
        assert_no_try_was_spent(token)


def test_a_stick_without_room_is_told_before_the_server_is_initialised(
    kind: NitrokeyKind, server: Server, tmp_path: Path
) -> None:
    with Rig([kind.image()]) as rig:
        token = kind.token(rig, tmp_path)
        rig.limit_memory(rig.stick().card.image.memory.used + 300)
        done = token.run("unseal", "--init", "--once", server=server, choice=("--hsm-token-label", LABEL))
        assert done.code != 0
        assert "may be full" in done.log  # OpenSC 0.26 and later overlook that the card has refused
        assert api(server, "GET", "sys/init").body["initialized"] is False
        assert_no_try_was_spent(token)


@pytest.mark.timeout(300)  # for a machine with other work: each start is one
def test_twenty_starts_of_two_replicas_with_a_wrong_pin_spend_one_try_of_the_stick(
    system_kind: NitrokeyKind, server: Server, tmp_path: Path
) -> None:
    """Ten that share what they remember, two at once, and ten that know of each other by the stick alone."""
    with Rig([system_kind.image()]) as rig:
        token = system_kind.token(rig, tmp_path)
        for _ in range(5):
            replicas = [token.program("unseal", "--init", server=server, pin=WRONG_PIN) for _ in range(2)]
            with replicas[0], replicas[1]:
                assert [program.wait().code for program in replicas] == [ExitCode.PIN_REFUSED] * 2
        for number in range(10):
            state = f"--hsm-state-dir={tmp_path / f'replica-{number % 2}'}"
            done = token.run("unseal", "--init", state, server=server, pin=WRONG_PIN)
            assert done.code == ExitCode.PIN_REFUSED, done.log
        assert token.wrong_tries() == 1
        pin = rig.stick().card.image.pins[Reference.USER]
        assert pin.tries == pin.maximum - 1
        assert token.run("unseal", "--init", "--once", server=server).code == 0


@pytest.mark.parametrize(
    "faults",
    [
        "decipher reset-login",
        "decipher reset-login, verify drop",
        "decipher status=6F00 times=2",
        "decipher delay=2",
        "decipher drop",
        "decipher drop-before",
        "decipher remove=1",
        "any drop times=4",
    ],
)
def test_what_goes_wrong_on_the_wire_during_an_unseal_is_overcome(
    faults: str, kind: NitrokeyKind, server: Server, tmp_path: Path
) -> None:
    with Rig([kind.image()]) as rig:
        token = kind.token(rig, tmp_path)
        with watching(token, server):
            for fault in faults.split(", "):
                rig.stick().add_fault(Rule.parse(fault))
            seal(server)
            wait_unsealed(server)
        assert not rig.stick().rules
        assert_no_try_was_spent(token)


@pytest.mark.parametrize("fault", ["nth=1 drop", "nth=10 status=6F00", "nth=25 drop", "nth=40 status=6F00"])
def test_whichever_command_of_a_start_fails_the_server_is_unsealed_in_the_end(
    fault: str, system_kind: NitrokeyKind, server: Server, tmp_path: Path
) -> None:
    """Some commands are those by which OpenSC recognises a stick: what it missed it never asks again."""
    with Rig([system_kind.image()]) as rig:
        token = system_kind.token(rig, tmp_path)
        rig.stick().add_fault(Rule.parse(f"any {fault}"))
        with token.program("unseal", "--init", server=server) as program:
            wait_unsealed(server)
            program.wait_for("vault is unsealed")
            assert program.stop() == 0
        assert not rig.stick().rules
        assert sorted(token.values()) == KEYS
        assert_no_try_was_spent(token)


def test_a_stick_that_fails_once_at_any_point_of_its_recognition_is_taken_for_what_it_is(
    kind: NitrokeyKind, tmp_path: Path, make_client: Callable[[Token], TokenClient]
) -> None:
    """OpenSC shows it without keys, with half a pair, under another name, with a PIN pad, till asked anew."""
    with Rig([kind.image()]) as rig:
        token = kind.token(rig, tmp_path)
        for number in range(1, RECOGNITION):
            rig.stick().add_fault(Rule.parse(f"any nth={number} status=6F00"))
            client = make_client(token)
            assert client.bind().generated is False, number
            client.close()
            rig.stick().clear_faults()
        assert token.work(Work.RSA_GENERATE) == 0
        assert_no_try_was_spent(token)


@pytest.mark.timeout(300)  # pcscd looks for its sticks every 0.4 s
def test_after_a_hundred_removals_in_operation_an_unseal_works_and_nothing_is_left_over(
    system_kind: NitrokeyKind, server: Server, tmp_path: Path
) -> None:
    first, second = system_kind.image(1), system_kind.image(2)
    with Rig([first, second]) as rig:
        token = system_kind.token(rig, tmp_path)
        with watching(token, server, "--hsm-serial", first.serial) as program:
            for cycle in range(CYCLES):
                if cycle % 5 == 0:
                    seal(server)  # so that the stick is in use while it is pulled
                for serial in rig.sticks:
                    rig.remove(serial)
                rig.settle()
                for serial in rig.sticks:
                    rig.insert(serial)
                if cycle % 5 == 4:
                    wait_unsealed(server)
                else:
                    rig.settle()
            seal(server)
            wait_unsealed(server)
            workers = children(program.pid)
            assert len(workers) == 1
        assert_no_try_was_spent(token)
        eventually(lambda: all(map(gone, workers)), "no process is left over")


@pytest.fixture
def make_client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Token], TokenClient]]:
    """Clients of a token, which may generate a key pair."""
    clients: list[TokenClient] = []

    def make(token: Token) -> TokenClient:
        for name, value in token.environment.items():
            monkeypatch.setenv(name, value)
        access = Access(TokenCriteria(label=LABEL), LABEL, None, Secret(PIN), may_generate=True)
        clients.append(TokenClient(str(token.module), access, StoredMemory(str(token.state))))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def read_values(make_client: Callable[[Token], TokenClient], tmp_path: Path) -> Callable[[Token], Path]:
    """What is on a token, opened, as a directory of files."""

    def read(token: Token) -> Path:
        client = make_client(token)
        store = Sealed(client, OnToken(client), BlobFormat.AUTO)
        directory = tmp_path / "opened"
        directory.mkdir()
        for name in store.list():
            (directory / name).write_bytes(store.get(name))
        return directory

    return read


@pytest.mark.parametrize("at", KILLED_AT)
def test_killed_at_any_point_of_the_initialisation_the_next_start_has_all_keys_on_the_stick(
    at: str,
    system_kind: NitrokeyKind,
    server: Server,
    tmp_path: Path,
    read_values: Callable[[Token], Path],
) -> None:
    with Rig([system_kind.image()]) as rig:
        token = system_kind.token(rig, tmp_path)
        with token.program("unseal", "--init", server=server, environment={FAILPOINT: at}) as program:
            wait_killed(program)
        done = token.run("unseal", "--init", "--once", server=server)
        assert done.code == 0, done.log
        assert sorted(token.values()) == KEYS
        assert_every_key_is_safe(server, read_values(token))
        assert_no_try_was_spent(token)


@pytest.mark.parametrize("at", [*IN_TOKEN_WORK, "init.root-stored"])
def test_killed_while_the_wanted_root_token_is_made_the_next_start_has_it_on_the_stick(
    at: str,
    system_kind: NitrokeyKind,
    server: Server,
    tmp_path: Path,
    read_values: Callable[[Token], Path],
) -> None:
    wanted = ("--init", f"--init-root-token={WANTED}")
    with Rig([system_kind.image()]) as rig:
        token = system_kind.token(rig, tmp_path)
        with token.program("unseal", *wanted, server=server, environment={FAILPOINT: at}) as program:
            wait_killed(program)
        done = token.run("unseal", "--once", *wanted, server=server)
        assert done.code == 0, done.log
        assert_every_key_is_safe(server, read_values(token), root=WANTED)
        assert_no_try_was_spent(token)
