"""Promises of the decisions: one test for each guard, and the rules that hold for every snapshot there is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bank_vaults.domain import names
from bank_vaults.domain.decisions import (
    PATIENCE_FIRST_NODE,
    PATIENCE_FOREIGN_PROGRESS,
    PATIENCE_JOIN,
    PATIENCE_RAFT_LEADER,
    Decision,
    Reason,
    decide,
)
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.domain.journal import Holder, Intent, Liveness
from bank_vaults.domain.server import ServerState
from bank_vaults.domain.snapshot import Action, Leader, Memory, Policy, Snapshot, StoreState, Unreachable
from tests.support.states import FRESH, SEALED, UNSEALED

NOW = 1000.0
SECRET = "hvs.nonce-like-secret"
INTENT = Intent("http://vault:8200", Holder("vault-0", "boot", "pid:[1]", 17, 4711), 1.0, 300.0, 5, 3)
NOTHING = StoreState()
ALL_SHARES = tuple(names.unseal(number) for number in range(5))
INIT = Policy(init=True, node="vault-0")
RAFT = INIT._replace(raft=True, leader_address="http://vault-0:8200")
OTHER = RAFT._replace(first=False, node="vault-1")


def _decide(
    server: ServerState | Unreachable,
    store: StoreState | None = NOTHING,
    policy: Policy = INIT,
    *,
    leader: Leader = Leader.NOT_ASKED,
    **memory: Any,
) -> Decision:
    return decide(Snapshot(server, store, leader, policy, Memory(**memory), NOW))


def test_a_server_that_does_not_answer_is_probed_and_told_with_its_error() -> None:
    decision = _decide(Unreachable("connection refused"), None)
    assert (decision.reason, decision.action, decision.once) == (Reason.UNREACHABLE, None, ExitCode.FAILURE)
    assert "connection refused" in decision.sentence
    assert decision.trouble


# the store cannot tell


@pytest.mark.parametrize("server", [FRESH, SEALED])
@pytest.mark.parametrize("keys", [(), ("vault-root",)])
def test_a_store_that_cannot_tell_stops_everything(server: ServerState, keys: tuple[str, ...]) -> None:
    decision = _decide(server, StoreState(keys=keys, answer=True, error="permission denied"))
    assert (decision.reason, decision.action, decision.once) == (
        Reason.STORE_UNREADABLE,
        None,
        ExitCode.STORE,
    )
    assert "permission denied" in decision.sentence


def test_an_unsealed_server_does_not_care_for_a_store_that_cannot_tell() -> None:
    assert _decide(UNSEALED, StoreState(error="down")).reason is Reason.UNSEALED


def test_a_store_that_was_not_asked_is_not_taken_as_empty() -> None:
    decision = _decide(FRESH, None)
    assert (decision.reason, decision.action, decision.once) == (
        Reason.STORE_UNREADABLE,
        None,
        ExitCode.STORE,
    )


# an unfinished initialisation


@pytest.mark.parametrize("server", [FRESH, SEALED, UNSEALED])
@pytest.mark.parametrize("policy", [INIT, RAFT, INIT._replace(unseal=False)])
def test_a_stored_answer_is_finished_before_anything_else(server: ServerState, policy: Policy) -> None:
    decision = _decide(server, StoreState(intent=INTENT, answer=True), policy)
    assert (decision.reason, decision.action) == (Reason.FINISH_INIT, Action.FINISH_KEYS)


def test_a_fresh_server_is_not_initialised_over_a_finished_answer() -> None:
    decision = _decide(FRESH, StoreState(answer=True), keys_finished=True)
    assert (decision.reason, decision.action, decision.once) == (Reason.FOREIGN_KEYS, None, ExitCode.KEYS)
    assert names.ANSWER in decision.sentence


@pytest.mark.parametrize("server", [SEALED, UNSEALED])
@pytest.mark.parametrize(
    ("holder", "expired"),
    [(Liveness.ALIVE, False), (Liveness.ALIVE, True), (Liveness.UNKNOWN, False)],
)
def test_an_answer_that_may_still_come_is_waited_for(
    server: ServerState, holder: Liveness, expired: bool
) -> None:
    decision = _decide(server, StoreState(intent=INTENT, holder=holder, expired=expired))
    assert (decision.reason, decision.action) == (Reason.INIT_ELSEWHERE, None)
    assert decision.wait > 0


GONE = [(Liveness.GONE, False), (Liveness.GONE, True), (Liveness.UNKNOWN, True)]


@pytest.mark.parametrize("server", [SEALED, UNSEALED])
@pytest.mark.parametrize(("holder", "expired"), GONE)
@pytest.mark.parametrize("keys", [ALL_SHARES, ALL_SHARES[1:4], tuple(map(names.recovery, range(5)))])
def test_a_journal_whose_keys_are_stored_is_closed(
    server: ServerState, holder: Liveness, expired: bool, keys: tuple[str, ...]
) -> None:
    decision = _decide(server, StoreState(keys=keys, intent=INTENT, turn=1, holder=holder, expired=expired))
    assert (decision.reason, decision.action) == (Reason.CLOSE_JOURNAL, Action.CLOSE_JOURNAL)


@pytest.mark.parametrize(
    "keys",
    [ALL_SHARES[:2], (names.unseal(0), names.recovery(1), names.recovery(2)), (names.spare_answer(7),)],
)
@pytest.mark.parametrize("server", [SEALED, UNSEALED])
def test_nobody_is_told_to_empty_a_server_while_any_share_of_it_is_there(
    server: ServerState, keys: tuple[str, ...]
) -> None:
    decision = _decide(server, StoreState(keys=keys, intent=INTENT, turn=1, holder=Liveness.GONE))
    assert (decision.reason, decision.action, decision.once) == (Reason.ANSWER_LOST, None, ExitCode.KEYS)
    assert "empty its storage" not in decision.sentence
    assert ", ".join(keys) in decision.sentence


@pytest.mark.parametrize(("holder", "expired"), GONE)
@pytest.mark.parametrize("keys", [(), (names.ROOT,)])
def test_a_lost_answer_is_said_to_be_lost_with_what_to_do(
    holder: Liveness, expired: bool, keys: tuple[str, ...]
) -> None:
    decision = _decide(SEALED, StoreState(keys=keys, intent=INTENT, turn=1, holder=holder, expired=expired))
    assert (decision.reason, decision.action, decision.once) == (Reason.ANSWER_LOST, None, ExitCode.KEYS)
    assert "was lost" in decision.sentence
    assert "empty its storage" in decision.sentence


def test_nobody_is_told_to_empty_a_server_before_asking_who_else_has_its_keys() -> None:
    sentence = _decide(SEALED, StoreState(intent=INTENT, turn=2, holder=Liveness.GONE)).sentence
    assert sentence.index("somebody else") < sentence.index("empty its storage")
    assert f"'{names.journal(1)}'" in sentence


@pytest.mark.parametrize(("holder", "named"), [(Liveness.UNKNOWN, True), (Liveness.GONE, False)])
def test_the_node_that_may_still_hold_the_answer_is_named(holder: Liveness, named: bool) -> None:
    sentence = _decide(SEALED, StoreState(intent=INTENT, turn=1, holder=holder, expired=True)).sentence
    assert ("leave it running" in sentence) is named


def test_an_unsealed_server_with_an_open_journal_is_not_said_to_be_lost() -> None:
    decision = _decide(UNSEALED, StoreState(intent=INTENT, turn=1, holder=Liveness.GONE))
    assert (decision.reason, decision.once) == (Reason.ANSWER_LOST, ExitCode.KEYS)
    assert "empty its storage" not in decision.sentence


# a fresh server


@pytest.mark.parametrize("store", [None, NOTHING, StoreState(answer=True)])
def test_a_fresh_server_without_init_is_left_alone(store: StoreState | None) -> None:
    decision = _decide(FRESH, store, Policy())
    assert (decision.reason, decision.once) == (Reason.NOT_INITIALISED, ExitCode.NOT_INITIALISED)


def test_a_fresh_server_with_an_empty_store_is_initialised() -> None:
    decision = _decide(FRESH)
    assert (decision.reason, decision.action, decision.sentence) == (
        Reason.INIT,
        Action.INIT,
        "initializing vault...",
    )


@pytest.mark.parametrize("key", [names.ROOT, names.unseal(0), names.recovery(0)])
def test_a_store_with_keys_is_never_initialised_over(key: str) -> None:
    decision = _decide(FRESH, StoreState(keys=(key,)))
    assert (decision.reason, decision.action, decision.once) == (Reason.FOREIGN_KEYS, None, ExitCode.KEYS)
    assert f"error before init: value for key '{key}' already exists" in decision.sentence
    assert "Nothing was changed" in decision.sentence


@pytest.mark.parametrize(
    ("holder", "expired"), [(Liveness.ALIVE, False), (Liveness.ALIVE, True), (Liveness.UNKNOWN, False)]
)
def test_an_initialisation_that_still_runs_is_not_disturbed(holder: Liveness, expired: bool) -> None:
    decision = _decide(FRESH, StoreState(intent=INTENT, turn=1, holder=holder, expired=expired))
    assert (decision.reason, decision.action) == (Reason.INIT_ELSEWHERE, None)


def test_an_initialisation_of_another_node_is_waited_for_while_it_may_run() -> None:
    decision = _decide(FRESH, StoreState(intent=INTENT, turn=1), INIT._replace(node="vault-1"))
    assert (decision.reason, decision.action) == (Reason.INIT_ELSEWHERE, None)
    assert "vault-0" in decision.sentence


@pytest.mark.parametrize(("holder", "expired"), GONE)
def test_an_abandoned_initialisation_of_this_node_is_taken_over(holder: Liveness, expired: bool) -> None:
    decision = _decide(FRESH, StoreState(intent=INTENT, turn=1, holder=holder, expired=expired))
    assert decision.action is Action.INIT


def test_an_abandoned_initialisation_of_another_node_is_taken_over_without_raft() -> None:
    store = StoreState(intent=INTENT, turn=1, expired=True)
    assert _decide(FRESH, store, INIT._replace(node="vault-1")).action is Action.INIT


@pytest.mark.parametrize("leader", [Leader.NOT_ASKED, Leader.UNREACHABLE, Leader.NOT_INITIALISED])
def test_another_node_s_raft_cluster_is_never_begun_a_second_time(leader: Leader) -> None:
    store = StoreState(intent=INTENT, turn=3, expired=True)
    decision = _decide(FRESH, store, OTHER, leader=leader)
    assert (decision.reason, decision.action, decision.once) == (Reason.INIT_ELSEWHERE, None, ExitCode.KEYS)
    assert f"'{names.journal(2)}'" in decision.sentence


def test_nothing_is_initialised_over_a_record_that_cannot_be_read() -> None:
    decision = _decide(FRESH, StoreState(damage="the record 'vault-init-journal' is not JSON"))
    assert (decision.reason, decision.action, decision.once) == (Reason.DAMAGED_RECORD, None, ExitCode.KEYS)
    assert "is not JSON" in decision.sentence


@pytest.mark.parametrize(("server", "action"), [(SEALED, Action.UNSEAL), (UNSEALED, None)])
def test_a_record_that_cannot_be_read_does_not_keep_an_initialised_server_sealed(
    server: ServerState, action: Action | None
) -> None:
    assert _decide(server, StoreState(damage="not JSON"), dispute="not JSON").action is action


@pytest.mark.parametrize(("policy", "reason"), [
    (INIT, Reason.UNSEALED), (INIT._replace(unseal=False), Reason.FINISH_INIT)
])  # fmt: skip
def test_a_dispute_over_keys_is_not_repeated_and_not_called_a_success(policy: Policy, reason: Reason) -> None:
    decision = _decide(UNSEALED, StoreState(answer=True), policy, dispute="another key is there")
    assert (decision.reason, decision.action, decision.once) == (reason, None, ExitCode.KEYS)


# raft


@pytest.mark.parametrize("policy", [RAFT, OTHER, OTHER._replace(secondary=True)])
@pytest.mark.parametrize("keys", [(), (names.recovery(0),)])
def test_an_initialised_leader_is_joined_whatever_the_store_says(
    policy: Policy, keys: tuple[str, ...]
) -> None:
    decision = _decide(FRESH, StoreState(keys=keys), policy, leader=Leader.INITIALISED)
    assert (decision.reason, decision.action) == (Reason.JOIN, Action.JOIN)


def test_a_node_that_joined_waits_for_its_keys_and_then_joins_again() -> None:
    soon = _decide(FRESH, policy=OTHER, leader=Leader.INITIALISED, joined_at=NOW - PATIENCE_JOIN + 1)
    assert (soon.reason, soon.action) == (Reason.JOINED, None)
    late = _decide(FRESH, policy=OTHER, leader=Leader.INITIALISED, joined_at=NOW - PATIENCE_JOIN)
    assert late.action is Action.JOIN


def test_a_node_that_its_leader_has_forgotten_joins_again() -> None:
    assert _decide(SEALED, NOTHING, OTHER, join_forgotten=True).action is Action.JOIN
    assert _decide(SEALED, NOTHING, INIT, join_forgotten=True).action is Action.UNSEAL


@pytest.mark.parametrize(
    ("leader", "word"),
    [(Leader.UNREACHABLE, "does not answer"), (Leader.NOT_INITIALISED, "is not initialised")],
)
@pytest.mark.parametrize("keys", [(names.ROOT,), (names.unseal(0),), (names.recovery(0),)])
def test_a_node_of_a_cluster_whose_keys_exist_waits_for_its_leader(
    leader: Leader, word: str, keys: tuple[str, ...]
) -> None:
    decision = _decide(FRESH, StoreState(keys=keys), OTHER, leader=leader)
    assert (decision.reason, decision.action, decision.once) == (Reason.WAIT_LEADER, None, ExitCode.FAILURE)
    assert word in decision.sentence


def test_a_secondary_never_initialises() -> None:
    secondary = OTHER._replace(secondary=True)
    decision = _decide(FRESH, NOTHING, secondary, leader=Leader.NOT_INITIALISED, uninitialised_since=0.0)
    assert (decision.reason, decision.action) == (Reason.WAIT_LEADER, None)
    assert "secondary" in decision.sentence


def test_a_secondary_without_a_leader_address_joins() -> None:
    policy = OTHER._replace(secondary=True, leader_address="")
    assert _decide(FRESH, NOTHING, policy).action is Action.JOIN


def test_a_first_node_that_lost_its_data_is_not_initialised_over_the_keys() -> None:
    decision = _decide(FRESH, StoreState(keys=(names.ROOT,)), RAFT, leader=Leader.NOT_INITIALISED)
    assert (decision.reason, decision.action) == (Reason.FOREIGN_KEYS, None)


def test_the_first_node_initialises_the_cluster_at_once() -> None:
    assert _decide(FRESH, NOTHING, RAFT, leader=Leader.NOT_INITIALISED).action is Action.INIT


@pytest.mark.parametrize("since", [None, NOW, NOW - PATIENCE_FIRST_NODE + 0.01])
def test_other_nodes_leave_the_first_one_its_time(since: float | None) -> None:
    decision = _decide(FRESH, NOTHING, OTHER, leader=Leader.UNREACHABLE, uninitialised_since=since)
    assert (decision.reason, decision.action) == (Reason.WAIT_FIRST_NODE, None)
    assert 0 < decision.wait <= 2


def test_a_node_whose_first_node_never_comes_initialises_in_the_end() -> None:
    decision = _decide(FRESH, NOTHING, OTHER, uninitialised_since=NOW - PATIENCE_FIRST_NODE)
    assert decision.action is Action.INIT


# a sealed server


def test_a_sealed_server_is_unsealed() -> None:
    decision = _decide(SEALED)
    assert (decision.reason, decision.action, decision.sentence) == (
        Reason.UNSEAL,
        Action.UNSEAL,
        "vault is sealed, unsealing",
    )


def test_a_sealed_server_is_unsealed_without_asking_the_store_for_a_journal_again() -> None:
    assert _decide(SEALED, None).action is Action.UNSEAL


@pytest.mark.parametrize(
    ("server", "policy"), [(SEALED, INIT._replace(auto=True)), (SEALED._replace(recovery_seal=True), INIT)]
)
def test_a_server_that_unseals_itself_is_left_to_it(server: ServerState, policy: Policy) -> None:
    decision = _decide(server, NOTHING, policy)
    assert (decision.reason, decision.action, decision.once) == (Reason.AUTO_UNSEAL, None, ExitCode.SEALED)


def test_accepted_keys_are_given_time_before_they_are_sent_again() -> None:
    soon = _decide(SEALED, accepted_at=NOW - PATIENCE_RAFT_LEADER + 1)
    assert (soon.reason, soon.action) == (Reason.WAIT_RAFT_LEADER, None)
    assert _decide(SEALED, accepted_at=NOW - PATIENCE_RAFT_LEADER).action is Action.UNSEAL


HALF_DONE = SEALED._replace(progress=1, nonce="n-1")
SEEN: dict[str, Any] = {"foreign_nonce": "n-1", "foreign_progress": 1}


@pytest.mark.parametrize(
    "memory",
    [
        {},
        {**SEEN, "foreign_since": NOW - PATIENCE_FOREIGN_PROGRESS + 0.01},
        {**SEEN, "foreign_nonce": "n-0", "foreign_since": 0.0},
        {**SEEN, "foreign_progress": 2, "foreign_since": 0.0},
    ],
)
def test_somebody_else_who_enters_shares_is_not_disturbed(memory: dict[str, Any]) -> None:
    decision = _decide(HALF_DONE, **memory)
    assert (decision.reason, decision.action) == (Reason.FOREIGN_PROGRESS, None)
    assert "1 of 3 shares" in decision.sentence


def test_an_attempt_that_stands_still_is_reset() -> None:
    decision = _decide(HALF_DONE, **SEEN, foreign_since=NOW - PATIENCE_FOREIGN_PROGRESS)
    assert (decision.reason, decision.action) == (Reason.RESET, Action.RESET)


def test_an_attempt_of_others_is_never_reset_for_keys_that_were_refused() -> None:
    decision = _decide(HALF_DONE, **SEEN, foreign_since=0.0, keys_refused=True)
    assert (decision.reason, decision.action) == (Reason.FOREIGN_PROGRESS, None)
    assert "left alone" in decision.sentence


def test_our_own_interrupted_attempt_is_begun_again_at_once() -> None:
    decision = _decide(HALF_DONE, own_nonce="n-1")
    assert (decision.reason, decision.action) == (Reason.RESET, Action.RESET)
    assert "our own" in decision.sentence
    assert _decide(HALF_DONE, own_nonce="n-0").action is None
    assert _decide(HALF_DONE._replace(nonce=""), own_nonce="").action is None


# init alone


ONLY_INIT = INIT._replace(unseal=False)


@pytest.mark.parametrize("server", [SEALED, UNSEALED])
@pytest.mark.parametrize(
    ("finished", "sentence"), [(False, "vault is already initialized"), (True, "vault is initialised")]
)
def test_init_alone_ends_with_an_initialised_server(
    server: ServerState, finished: bool, sentence: str
) -> None:
    decision = _decide(server, NOTHING, ONLY_INIT, keys_finished=finished)
    assert (decision.reason, decision.once, decision.sentence) == (Reason.INITIALISED, ExitCode.OK, sentence)


def test_init_alone_waits_for_somebody_to_unseal_if_there_is_token_work() -> None:
    policy = ONLY_INIT._replace(token_work=True)
    waiting = _decide(SEALED, StoreState(intent=INTENT, answer=True), policy, keys_finished=True)
    assert (waiting.reason, waiting.action, waiting.once) == (Reason.SEALED, None, None)
    assert "waiting for vault to be unsealed" in waiting.sentence
    assert _decide(SEALED, NOTHING, policy, journal_closed=True).once is ExitCode.OK


# an unsealed server


@pytest.mark.parametrize("policy", [Policy(), INIT, ONLY_INIT])
def test_the_token_work_is_finished_once_the_server_is_unsealed(policy: Policy) -> None:
    for store in (StoreState(intent=INTENT, answer=True, holder=Liveness.GONE), StoreState(answer=True)):
        decision = _decide(UNSEALED, store, policy, keys_finished=True)
        assert (decision.reason, decision.action) == (Reason.FINISH_TOKEN, Action.FINISH_TOKEN)


@pytest.mark.parametrize("holder", [Liveness.ALIVE, Liveness.UNKNOWN])
def test_the_token_work_is_left_to_who_began_it(holder: Liveness) -> None:
    store = StoreState(intent=INTENT, answer=True, holder=holder)
    assert _decide(UNSEALED, store, keys_finished=True).action is None


def test_raft_for_high_availability_is_joined_once() -> None:
    policy = INIT._replace(ha_storage=True)
    assert _decide(UNSEALED, NOTHING, policy).action is Action.JOIN_HA
    assert _decide(UNSEALED, NOTHING, policy, ha_joined=True).reason is Reason.UNSEALED


def test_an_unsealed_server_is_looked_at_once_a_second() -> None:
    decision = _decide(UNSEALED)
    assert (decision.reason, decision.once, decision.wait) == (Reason.UNSEALED, ExitCode.OK, 1.0)
    assert _decide(UNSEALED, policy=INIT._replace(period=0.25)).wait == 0.25


# back-off


@pytest.mark.parametrize("code", [ExitCode.KEYS, ExitCode.STORE, ExitCode.FAILURE])
def test_an_action_that_failed_waits_and_tells_why(code: ExitCode) -> None:
    decision = _decide(
        SEALED, failed_action=Action.UNSEAL, failure="it failed", failure_code=code, retry_at=NOW + 7
    )
    assert (decision.reason, decision.action, decision.wait, decision.once) == (
        Reason.BACK_OFF,
        None,
        7.0,
        code,
    )
    assert decision.sentence == "it failed"


def test_a_pause_holds_up_no_other_action_and_ends() -> None:
    failed: dict[str, Any] = {"failed_action": Action.RESET, "failure": "it failed", "retry_at": NOW + 7}
    assert _decide(SEALED, **failed).action is Action.UNSEAL
    assert _decide(SEALED, **failed | {"failed_action": Action.UNSEAL, "retry_at": NOW}).action is not None


# every snapshot there is

words = st.sampled_from(["", "n-1", "n-2"])
times = st.floats(min_value=-100, max_value=2000)
liveness = st.sampled_from(Liveness)
servers = st.builds(
    ServerState,
    initialized=st.booleans(),
    sealed=st.booleans(),
    threshold=st.integers(0, 300),
    shares=st.integers(0, 300),
    progress=st.integers(0, 5),
    nonce=st.sampled_from(["", "n-1", SECRET]),
    recovery_seal=st.booleans(),
    seal_type=st.sampled_from(["", "shamir", "pkcs11"]),
    storage_type=st.just("raft"),
    version=st.just("2.7.2"),
    migration=st.booleans(),
)
intents = st.sampled_from(["vault-0", "vault-1"]).map(
    lambda node: INTENT._replace(holder=INTENT.holder._replace(node=node))
)
keys = st.sampled_from(
    [
        (),
        (),
        (names.ROOT,),
        (names.unseal(0),),
        ALL_SHARES,
        (names.recovery(0), names.ROOT),
        (names.spare_answer(7),),
    ]
)
stores = st.builds(
    StoreState,
    keys=keys,
    intent=st.none() | intents,
    turn=st.integers(1, 3),
    holder=liveness,
    expired=st.booleans(),
    answer=st.booleans(),
    damage=st.sampled_from(["", "", "", "a record is not JSON"]),
    error=st.sampled_from(["", "", "", "permission denied"]),
)
policies = st.builds(
    Policy,
    unseal=st.booleans(),
    init=st.booleans(),
    auto=st.booleans(),
    raft=st.booleans(),
    secondary=st.booleans(),
    ha_storage=st.booleans(),
    first=st.booleans(),
    leader_address=st.sampled_from(["", "http://vault-0:8200"]),
    node=st.sampled_from(["vault-0", "vault-1"]),
    token_work=st.booleans(),
    period=st.floats(min_value=0.001, max_value=3600),
)
memories = st.builds(
    Memory,
    journal_closed=st.booleans(),
    keys_finished=st.booleans(),
    dispute=st.sampled_from(["", "", "another key is there"]),
    join_forgotten=st.booleans(),
    joined_at=st.none() | times,
    ha_joined=st.booleans(),
    uninitialised_since=st.none() | times,
    foreign_nonce=words,
    foreign_progress=st.integers(0, 5),
    foreign_since=times,
    own_nonce=words,
    accepted_at=st.none() | times,
    keys_refused=st.booleans(),
    failures=st.integers(0, 10**6),
    failure=st.just("it failed"),
    failure_code=st.sampled_from(ExitCode),
    failed_action=st.none() | st.sampled_from(Action),
    retry_at=times,
)
snapshots = st.builds(
    Snapshot,
    server=servers | servers | st.just(Unreachable("connection refused")),
    store=st.none() | stores | stores,
    leader=st.sampled_from(Leader),
    policy=policies,
    memory=memories,
    now=st.floats(min_value=0, max_value=2000),
)


@settings(max_examples=500)
@given(snapshots)
def test_the_rules_that_hold_for_every_snapshot(seen: Snapshot) -> None:
    decision = decide(seen)
    server, store, memory = seen.server, seen.store, seen.memory
    action = decision.action

    assert decision.sentence
    assert SECRET not in decision.sentence
    assert decision.wait >= 0
    if action is None:
        assert decision.once is not None or decision.wait > 0
    else:
        assert decision.once is None
        assert not (action is memory.failed_action and seen.now < memory.retry_at)
        assert isinstance(server, ServerState)
        if not (server.initialized and not server.sealed):
            assert store is None or not store.error
    if action is Action.INIT:
        assert isinstance(server, ServerState)
        assert not server.initialized
        assert store is not None
        assert store.keys == ()
        assert not store.answer
        assert seen.policy.init
        assert not (seen.policy.raft and (seen.policy.secondary or seen.leader is Leader.INITIALISED))
        assert not store.damage
        assert not store.holder_may_come
        assert store.intent is None or not seen.policy.raft or store.intent.holder.node == seen.policy.node
    if action is Action.UNSEAL:
        assert isinstance(server, ServerState)
        assert server.initialized
        assert server.sealed
        assert not server.progress
        assert seen.policy.unseal
        assert not seen.policy.auto
        assert not server.recovery_seal
        assert store is None or memory.keys_finished or memory.dispute or not store.answer
    if action in (Action.FINISH_KEYS, Action.FINISH_TOKEN):
        assert store is not None
        assert store.answer
        assert not memory.dispute
    if action is Action.CLOSE_JOURNAL:
        assert store is not None
        assert store.keys == ALL_SHARES
        assert not store.answer
        assert store.holder is not Liveness.ALIVE
    if action is Action.JOIN:
        assert isinstance(server, ServerState)
        assert server.sealed or not server.initialized
        assert seen.policy.init
        assert seen.policy.raft
    if action is Action.JOIN_HA:
        assert isinstance(server, ServerState)
        assert server.initialized
        assert not server.sealed
    if "empty its storage" in decision.sentence:
        assert store is not None
        assert set(store.keys) <= {names.ROOT}
        assert not store.answer
        assert not store.holder_may_come
    if action is Action.RESET:
        assert isinstance(server, ServerState)
        assert server.sealed
        assert server.progress
        assert not memory.keys_refused or server.nonce == memory.own_nonce != ""
    if decision.once is ExitCode.OK and decision.reason is not Reason.BACK_OFF:
        assert isinstance(server, ServerState)
        assert server.initialized
        assert not (seen.policy.unseal and server.sealed)
        assert not memory.dispute


@given(snapshots)
def test_a_decision_is_the_same_for_the_same_snapshot(seen: Snapshot) -> None:
    assert decide(seen) == decide(seen)
