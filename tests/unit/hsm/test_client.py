"""The client believes nothing that its worker has no business to say, and never fails in another way."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bank_vaults.domain.secrets import Secret
from bank_vaults.hsm.client import Limits, TokenClient, TokenError
from bank_vaults.hsm.selection import TokenCriteria
from bank_vaults.hsm.token import Access
from tests.unit.hsm.fake_cryptoki import FakeMemory

_ACCESS = Access(TokenCriteria(), "bank-vaults", None, Secret("banzai"), may_generate=False)


class _Memory(FakeMemory):
    """A memory with a lock that a test may keep; counts what is alone at the moment."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = False
        self.alone_now = 0

    @contextmanager
    def alone(self, limit: float) -> Iterator[None]:
        if self.taken:
            raise TimeoutError(f"another process has been logging in to a token for {limit:g} s")
        self.alone_now += 1
        try:
            yield
        finally:
            self.alone_now -= 1


Speak = Callable[[str], TokenClient]


@pytest.fixture
def memory() -> _Memory:
    return _Memory()


@pytest.fixture
def speak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: _Memory) -> Iterator[Speak]:
    """A client whose workers run these lines of Python, with their end of the socket as ``end``."""
    clients: list[TokenClient] = []

    def client(lines: str) -> TokenClient:
        program = tmp_path / "worker"
        head = f"#!{sys.executable}\nimport socket, sys\nend = socket.socket(fileno=int(sys.argv[4]))\n"
        program.write_text(head + lines)
        program.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(program))
        clients.append(TokenClient("module", _ACCESS, memory, Limits(usual=10.0)))
        return clients[-1]

    yield client
    for each in clients:
        each.close()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("sys.exit(7)", r"failed \(code 7\): the other side is gone"),
        (
            "end.sendall(b'hello\\n'); end.recv(9999); end.recv(1)",
            r"failed \(code 0\): a message is not JSON",
        ),
        ("end.sendall(b'[]\\n'); end.recv(9999); end.recv(1)", "a message is not an object"),
        ("end.sendall(b'{}\\n'); end.recv(9999); end.recv(1)", "a message is of no known kind"),
        ("end.recv(9999); end.sendall(b'{\"done\": {}')", "the other side is gone"),
    ],
)
def test_an_answer_that_is_none_is_trouble_of_the_token(speak: Speak, lines: str, words: str) -> None:
    with pytest.raises(TokenError, match=words):
        speak(lines).look()


def test_a_worker_that_cannot_be_started_is_trouble_of_the_token(
    monkeypatch: pytest.MonkeyPatch, memory: _Memory
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(TokenError, match=r"cannot be started: .*No such file or directory"):
        TokenClient("module", _ACCESS, memory).bind()


def test_a_login_waits_for_that_of_another_process(speak: Speak, memory: _Memory) -> None:
    memory.taken = True
    client = speak("end.recv(9999)")
    for request in (client.bind, client.labels, lambda: client.survey(login=True), lambda: client.purge([])):
        with pytest.raises(TokenError, match="another process has been logging in to a token for 240 s"):
            request()


def test_the_turn_is_given_back_whatever_happens(speak: Speak, memory: _Memory) -> None:
    with pytest.raises(TokenError):
        speak("end.recv(9999)").bind()
    assert memory.alone_now == 0


def test_a_worker_that_does_not_go_is_killed(
    speak: Speak, memory: _Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It neither answers nor looks whether anybody is there."""
    client = speak("import time; time.sleep(600)")
    monkeypatch.setattr(client, "_limits", Limits(usual=0.01, end=0.01))
    with pytest.raises(TokenError, match=r"did not end 'look' within 0\.01 s"):
        client.look()


def test_a_module_that_hangs_is_not_given_the_time_that_a_key_pair_takes(
    speak: Speak, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = speak("import time; time.sleep(600)")
    monkeypatch.setattr(client, "_access", _ACCESS._replace(may_generate=True))
    monkeypatch.setattr(client, "_limits", Limits(requests={"bind": 0.01}, generation=600.0, end=0.01))
    with pytest.raises(TokenError, match=r"did not end 'bind' within 0\.01 s"):
        client.bind()


def test_a_record_that_the_worker_makes_up_is_not_kept(speak: Speak, memory: _Memory) -> None:
    client = speak(
        "end.recv(9999)\n"
        'end.sendall(b\'{"ask": "remember", "token": "1", "record": {"$": "e30="}}\\n\')\n'
        "text = end.recv(9999).hex().encode()\n"
        'end.sendall(b\'{"failed": {"kind": "token", "text": "%s"}}\\n\' % text)\n'
        "end.recv(1)\n"
    )
    with pytest.raises(TokenError) as failed:
        client.look()
    assert b"the record of refused PINs is damaged" in bytes.fromhex(str(failed.value))
    assert memory.records == {}
