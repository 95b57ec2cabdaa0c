"""One pass over a server: a token, a look, a plan, and the plan carried out."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Final, NamedTuple

from bank_vaults.configure import assembly, purging
from bank_vaults.configure import plan as plans
from bank_vaults.configure.apply import Outcome, Result, Tries, apply
from bank_vaults.configure.config import Configuration
from bank_vaults.configure.model import Identity, Wanted, WriteOnly
from bank_vaults.configure.plan import Plan
from bank_vaults.configure.purging import Brakes
from bank_vaults.configure.reading import Reader
from bank_vaults.configure.sections.startup_secrets import SecretSource
from bank_vaults.configure.server import NamespaceError, Server, UnreadableError, namespace_of
from bank_vaults.configure.session import Session
from bank_vaults.configure.standing import standing
from bank_vaults.configure.state import Place, State, StateError
from bank_vaults.domain.secrets import Secret
from bank_vaults.domain.server import ServerState
from bank_vaults.vault.client import VaultClient
from bank_vaults.vault.errors import VaultError
from bank_vaults.vault.sys import Sys


class TokenError(Exception):
    """No token can be had. The text says why, and what to do."""


class LoginRefusedError(TokenError):
    """A login of a kind that servers lock for a while when it fails several times (user lockout)."""


class MovedError(Exception):
    """What a saved plan would do is no longer what is to be done."""


RUN_ERRORS: Final = (VaultError, StateError, UnreadableError, NamespaceError, TokenError)
"""What a pass as a whole may fail with."""

TokenSource = Callable[[], AbstractContextManager[Secret | None]]
"""A token for one pass; revoked or wiped at its end, as its kind asks. Raises TokenError, VaultError."""


class Options(NamedTuple):
    """What all passes have in common. ``place`` is given the session of the pass that runs."""

    place: Callable[[Callable[[], Session]], Place]
    secrets: Callable[[], SecretSource]
    """A source of Kubernetes Secrets for one pass."""
    parallelism: int = 8
    write_only: WriteOnly = WriteOnly.CHANGED
    brakes: Brakes = Brakes()
    environment: Mapping[str, str] = {}


class Report(NamedTuple):
    """What a pass has done. Durations are in seconds."""

    outcomes: tuple[Outcome, ...]
    seconds: float
    reads: int
    writes: int

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The objects that are not as wanted."""
        return tuple(outcome for outcome in self.outcomes if outcome.bad)

    @property
    def transient(self) -> bool:
        """Whether something failed that may succeed soon."""
        return any(outcome.transient for outcome in self.failed)

    def followed_by(self, later: Report) -> Report:
        """Both as one: of what the later pass found as wanted, this one tells how it came to be so."""
        done = {each.change.identity: each for each in self.outcomes if each.result is Result.DONE}
        return Report(
            tuple(
                done.get(each.change.identity, each) if each.result is Result.KEPT else each
                for each in later.outcomes
            ),
            self.seconds + later.seconds,
            self.reads + later.reads,
            self.writes + later.writes,
        )


class Look(NamedTuple):
    """A pass under way: what is planned, and with what it can be carried out."""

    plan: Plan
    session: Session
    state: State
    wanted: tuple[Wanted, ...]
    begun: float


Only = Callable[[tuple[Wanted, ...]], Collection[Identity]]
"""Which of all that is wanted is looked at, where it need not be everything."""


class Passes:
    """Passes over one server. One at a time; every method may raise RUN_ERRORS."""

    def __init__(self, client: VaultClient, tokens: TokenSource, options: Options) -> None:
        self._client = client
        self._sys = Sys(client)
        self._tokens = tokens
        self._options = options
        self._session = Session(client, None)
        self._place = options.place(lambda: self._session)

    @property
    def address(self) -> str:
        """Of the server."""
        return self._client.address

    @property
    def namespace(self) -> str:
        """In which all paths are; empty for the root namespace."""
        return namespace_of(self._client.namespace)

    def server_state(self) -> ServerState:
        """Whether the server is unsealed. Raises VaultError."""
        return self._sys.seal_status()

    @contextmanager
    def look(self, configuration: Configuration, *, purge: bool, only: Only | None = None) -> Iterator[Look]:
        """Plan. The token is there until the end of the block.

        ``purge``: deletions are planned where the documents ask for them; never with ``only``.
        """
        begun = time.monotonic()
        if self.namespace:
            configuration = assembly.in_namespace(configuration)
        with self._tokens() as token:
            self._session = Session(self._client, token)
            seal = self.server_state()
            reader, server = self._facts()
            if server.has_index and seal.storage_type == "raft":
                self._client.catch_up(seal.cluster_id)
                reader, server = self._facts()
            server.check(self.namespace)
            state = State(self._place, seal.cluster_id, self.namespace)  # it may be in the server as well
            wanted = assembly.wanted(configuration, server, self._options.secrets(), state.memory)
            chosen: tuple[Wanted, ...] = wanted
            if only is not None:
                names = only(wanted)
                chosen = tuple(item for item in wanted if item.identity in names)
            reader.read(plans.paths(chosen))
            deletions = assembly.unmanaged(configuration, reader) if purge and only is None else ()
            made = plans.make(chosen, reader.shown, state.memory, self._options.write_only, deletions)
            sections = {change.identity.section for change in deletions}
            own = standing(reader.shown, self.namespace, sections)
            braked = Plan(purging.brake(made.changes, self._options.brakes, plans.paths(wanted), own))
            yield Look(braked, self._session, state, wanted, begun)

    def _facts(self) -> tuple[Reader, Server]:
        reader = Reader(self._session, self._options.parallelism)
        return reader, assembly.server_of(reader, self._options.environment)

    def carry_out(
        self,
        look: Look,
        stopped: Callable[[], bool],
        progress: Callable[[int, int], None] = lambda *_: None,
    ) -> Report:
        """Apply what was planned; raises nothing of the server."""
        tries = Tries(self._options.parallelism, stopped, progress)
        outcomes = apply(look.plan, look.session, look.state, tries)
        return Report(outcomes, time.monotonic() - look.begun, look.session.reads, look.session.writes)
