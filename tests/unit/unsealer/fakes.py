"""A server and its init process in memory, for the loop and the initialiser over a real store."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bank_vaults.domain import names
from bank_vaults.domain.journal import Holder, InitRequest, Intent, encode_answer
from bank_vaults.domain.secrets import Secret
from bank_vaults.domain.server import ServerState
from bank_vaults.domain.snapshot import Leader, Policy
from bank_vaults.keystores.base import KeyStore
from bank_vaults.keystores.file import FileStore
from bank_vaults.telemetry.metrics import Metrics
from bank_vaults.unsealer.init_call import Stored
from bank_vaults.unsealer.initialise import Initialiser, InitOptions
from bank_vaults.unsealer.loop import Server, ServerLoop
from bank_vaults.unsealer.stop import Stop, Woken
from bank_vaults.vault.errors import FatalError, UnsupportedError, VaultError
from tests.support.states import FRESH, SEALED

ADDRESS = "http://vault:8200"
SHARES = tuple(map(names.unseal, range(5)))
KEYS = tuple(f"{number:02x}" * 33 for number in range(1, 6))
TOKEN = "s.first-root-token"
ANSWER: dict[str, object] = {"keys": list(KEYS), "keys_base64": [], "root_token": TOKEN}
OURS = Holder("here", "boot", "pid:[1]", 4242, 1)
ELSEWHERE = Holder("elsewhere", "another-boot", "pid:[2]", 7, 1)
OPTIONS = InitOptions(
    shares=5,
    threshold=3,
    preflight_checks=True,
    store_root_token=True,
    root_token=None,
    replace_token=False,
)


def intent_of(holder: Holder = ELSEWHERE, *, begun: float = 0.0, limit: float = 300.0) -> Intent:
    return Intent(ADDRESS, holder, begun, limit, 5, 3)


class FakeSys:
    """A server: ``state`` is what it says, an error what every look meets. ``calls`` are its changes."""

    def __init__(self, state: ServerState = FRESH) -> None:
        self.state = state
        self.error: VaultError | None = None
        self.calls: list[str] = []
        self.right = KEYS
        self.tokens = {TOKEN}
        self.entered: list[str] = []
        self.client = SimpleNamespace(
            address=ADDRESS, connect=lambda _limit: None, idle_socket=lambda: None, close=lambda: None
        )

    def seal_status(self) -> ServerState:
        if self.error is not None:
            raise self.error
        return self.state

    def leader(self) -> Any:
        raise FatalError("GET", "sys/leader")

    def submit_share(self, share: Secret) -> ServerState:
        self.calls.append("share")
        self.entered.append(share.reveal())
        progress = len(self.entered)
        if progress == self.state.threshold:
            right = set(self.entered) <= set(self.right)
            self.entered.clear()
            self.state = self.state._replace(progress=0, nonce="", sealed=not right)
            if not right:
                raise FatalError("PUT", "sys/unseal", 400, ("invalid key",))
        else:
            self.state = self.state._replace(progress=progress, nonce="ours")
        return self.state

    def reset_unseal(self) -> ServerState:
        self.calls.append("reset")
        self.entered.clear()
        self.state = self.state._replace(progress=0, nonce="")
        return self.state

    def token_works(self, token: Secret) -> bool:
        return token.reveal() in self.tokens

    def create_root_token(self, wanted: Secret, *, token: Secret) -> None:
        assert token.reveal() in self.tokens
        self.calls.append("create-token")
        self.tokens.add(wanted.reveal())

    def revoke_self(self, token: Secret) -> None:
        self.calls.append("revoke")
        self.tokens.discard(token.reveal())

    def root_generation(self) -> Any:
        raise UnsupportedError("GET", "sys/generate-root/attempt", 405)


class FakeCall:
    """The detached process: it initialises the fake server and stores the answer, or fails as told."""

    def __init__(self, sys: FakeSys, store: KeyStore) -> None:
        self.holder = OURS
        self.limit = 300.0
        self.running = False
        self.error: Exception | None = None
        self.during: Callable[[], None] = lambda: None
        self.dismissed = False
        self._sys = sys
        self._store = store

    def run(self, request: InitRequest, notice: Callable[..., None]) -> Stored:
        self._sys.calls.append("init")
        self.during()
        notice(2.0, None)
        if self.error is not None:
            raise self.error
        self._sys.state = SEALED
        self._store.create(names.ANSWER, encode_answer(ANSWER))
        return Stored(names.ANSWER, 0.001)

    def dismiss(self) -> None:
        self.dismissed = True


class FakeRaft:
    """A leader that says what it is told to say."""

    leader = Leader.NOT_ASKED

    def ask_leader(self) -> Leader:
        return self.leader


class FakeClock:
    """Stands in for the module ``time``: both clocks go only when moved."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.wall = 1.7e9

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.wall


class CountingStop(Stop):
    """Never waits; remembers for how long it was to wait, and asks for the end after ``rounds`` waits."""

    def __init__(self, rounds: int = 1_000_000) -> None:
        super().__init__()
        self.waits: list[float] = []
        self._rounds = rounds

    def wait(self, seconds: float, watched: object = None) -> Woken:
        self.waits.append(seconds)
        if len(self.waits) >= self._rounds:
            self.request()
        return Woken.STOP if self.requested else Woken.TIME


class House:
    """Everything of one server, in memory, over a file store."""

    def __init__(
        self, directory: Path, stop: Stop, *, policy: Policy | None = None, options: InitOptions = OPTIONS
    ) -> None:
        self.store = FileStore(directory)
        self.sys = FakeSys()
        self.call = FakeCall(self.sys, self.store)
        self.metrics = Metrics()
        self.stop = stop
        self.opened = 0
        self.initialiser = Initialiser(self.sys, self.open, options, self.metrics, self.call)  # type: ignore[arg-type]
        self.raft = FakeRaft()
        policy = policy or Policy(init=True, node="here")
        self.loop = ServerLoop(
            Server(ADDRESS, self.sys, policy, self.initialiser, self.raft, local=True),  # type: ignore[arg-type]
            self.open,
            self.metrics,
            stop,
        )

    def open(self) -> KeyStore:
        self.opened += 1
        return self.store

    def put_keys(self, keys: tuple[str, ...] = KEYS) -> None:
        for name, key in zip(SHARES, keys, strict=False):
            self.store.put(name, key.encode())

    def names(self) -> set[str]:
        return set(self.store.list())


def racing(count: int, what: Callable[[int], object]) -> list[tuple[int, object]]:
    """``(number, what(number))`` of so many threads that start at once."""
    results: list[tuple[int, object]] = []
    barrier = threading.Barrier(count)

    def run(number: int) -> None:
        barrier.wait()
        results.append((number, what(number)))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
