"""Everything one decision rests on: what was seen, what was asked for, what is remembered.

All values are immutable; the loop makes a new one for each cycle.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from bank_vaults.domain import names
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.domain.journal import Intent, Liveness
from bank_vaults.domain.server import ServerState


class Action(Enum):
    """What the loop can do. Each is carried out by one function of ``unsealer/``."""

    INIT = "init"
    FINISH_KEYS = "finish-keys"
    FINISH_TOKEN = "finish-token"  # noqa: S105
    CLOSE_JOURNAL = "close-journal"
    JOIN = "join"
    JOIN_HA = "join-ha"
    RESET = "reset"
    UNSEAL = "unseal"


class Leader(Enum):
    """What the raft leader address answers to "are you initialised?"."""

    NOT_ASKED = "not-asked"
    UNREACHABLE = "unreachable"
    NOT_INITIALISED = "not-initialised"
    INITIALISED = "initialised"


class Unreachable(NamedTuple):
    """The server gave no usable answer; ``error`` says which layer failed.

    ``away``: nothing listens there, so that asking again costs it nothing.
    """

    error: str
    away: bool = False


class StoreState(NamedTuple):
    """What the store holds.

    ``keys``: precious names found. ``intent``: the one in force, ``turn`` the number of intents.
    ``expired``: that one was seen for longer than its call may take. ``answer``: a complete answer is
    there. ``damage``: a record that cannot be read. ``error``: why the store cannot tell, if it cannot.
    """

    keys: tuple[str, ...] = ()
    intent: Intent | None = None
    turn: int = 0
    holder: Liveness = Liveness.UNKNOWN
    expired: bool = False
    answer: bool = False
    damage: str = ""
    error: str = ""

    @property
    def holder_may_come(self) -> bool:
        """Whether the process that began an initialisation may still go on with it."""
        return self.intent is not None and (
            self.holder is Liveness.ALIVE or (self.holder is Liveness.UNKNOWN and not self.expired)
        )

    @property
    def shares(self) -> int:
        """How many shares of the intent, of one kind, are there under their own names."""
        numbers = range(self.intent.shares if self.intent else 0)
        return max(sum(name(n) in self.keys for n in numbers) for name in (names.unseal, names.recovery))


class Policy(NamedTuple):
    """What the operator asked for, for one server.

    ``unseal`` is False for the ``init`` command. ``first`` is whether this node may initialise a raft
    cluster without asking others first (the leader itself, or pod number 0). ``node`` names this node.
    """

    unseal: bool = True
    init: bool = False
    auto: bool = False
    raft: bool = False
    secondary: bool = False
    ha_storage: bool = False
    first: bool = True
    leader_address: str = ""
    node: str = ""
    token_work: bool = False
    """A root token is wanted or unwanted: after unsealing, the one of ``sys/init`` is replaced or revoked."""
    period: float = 5.0


class Memory(NamedTuple):
    """What the loop remembers between two cycles. Times are of the monotonic clock, in seconds."""

    journal_closed: bool = False
    keys_finished: bool = False
    dispute: str = ""
    """Why the journal cannot be finished although the store works: a human has to look."""
    joined_at: float | None = None
    ha_joined: bool = False
    uninitialised_since: float | None = None
    foreign_nonce: str = ""
    foreign_progress: int = 0
    foreign_since: float = 0.0
    own_nonce: str = ""
    """The unseal attempt that we began and did not end, because a call failed."""
    accepted_at: float | None = None
    join_forgotten: bool = False
    """The raft leader does not know any more that this node asked to join: it has been restarted since."""
    keys_refused: bool = False
    failures: int = 0
    failure: str = ""
    failure_code: ExitCode = ExitCode.FAILURE
    failed_action: Action | None = None
    retry_at: float = 0.0

    def after_look(self, server: ServerState | Unreachable, now: float, *, interrupted: bool) -> Memory:
        """What a look at the server changes. ``interrupted``: a round of ours failed in the middle."""
        if isinstance(server, Unreachable):
            # Whatever was half done there is gone with the server; its return is a new chance.
            return self._replace(
                accepted_at=None, joined_at=None, foreign_nonce="", foreign_progress=0, retry_at=0.0
            )
        memory = self._replace(own_nonce=server.nonce) if interrupted else self
        if (server.nonce, server.progress) != (memory.foreign_nonce, memory.foreign_progress):
            memory = memory._replace(
                foreign_nonce=server.nonce, foreign_progress=server.progress, foreign_since=now
            )
        if server.initialized:
            memory = memory._replace(uninitialised_since=None)
        elif memory.uninitialised_since is None:
            memory = memory._replace(uninitialised_since=now)
        return memory if server.sealed else memory._replace(accepted_at=None, keys_refused=False)

    def after_success(self) -> Memory:
        """An action did what it should: no pause any more."""
        return self._replace(failures=0, failed_action=None, retry_at=0.0)

    def after_failure(self, action: Action, failure: str, code: ExitCode) -> Memory:
        """An action failed; how long to wait before the next try is for the caller to add."""
        failures = self.failures + 1 if self.failed_action is action else 1
        return self._replace(failures=failures, failure=failure, failure_code=code, failed_action=action)


class Snapshot(NamedTuple):
    """Everything one decision rests on. ``store`` is None when nothing needed to be asked of it."""

    server: ServerState | Unreachable
    store: StoreState | None
    leader: Leader
    policy: Policy
    memory: Memory
    now: float
