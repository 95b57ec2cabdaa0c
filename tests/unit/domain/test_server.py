"""Promises of the server's state: a whole answer is read, anything else is said to be malformed."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_vaults.domain.server import MalformedAnswerError, ServerState

ANSWER: dict[str, object] = {
    "type": "shamir",
    "initialized": True,
    "sealed": True,
    "t": 3,
    "n": 5,
    "progress": 1,
    "nonce": "n-1",
    "version": "2.7.2",
    "build_date": "2026-01-01T00:00:00Z",
    "migration": False,
    "cluster_name": "vault-cluster-1",
    "cluster_id": "c-1",
    "recovery_seal": False,
    "storage_type": "raft",
}


def test_an_answer_is_read() -> None:
    assert ServerState.from_answer(ANSWER) == ServerState(
        initialized=True,
        sealed=True,
        threshold=3,
        shares=5,
        progress=1,
        nonce="n-1",
        recovery_seal=False,
        seal_type="shamir",
        storage_type="raft",
        version="2.7.2",
        migration=False,
        cluster_name="vault-cluster-1",
        cluster_id="c-1",
    )


def test_a_fresh_server_says_little() -> None:
    state = ServerState.from_answer({"initialized": False, "sealed": True})
    assert (state.threshold, state.shares, state.progress, state.nonce) == (0, 0, 0, "")
    assert not state.recovery_seal


@pytest.mark.parametrize("field", ["initialized", "sealed"])
def test_what_decides_over_keys_must_be_there(field: str) -> None:
    with pytest.raises(MalformedAnswerError, match=field):
        ServerState.from_answer({name: value for name, value in ANSWER.items() if name != field})


@pytest.mark.parametrize("field", ["initialized", "sealed", "recovery_seal", "migration"])
@pytest.mark.parametrize("value", [None, 0, 1, "true", "false", [], {}])
def test_a_boolean_is_not_guessed(field: str, value: object) -> None:
    with pytest.raises(MalformedAnswerError, match=field):
        ServerState.from_answer(ANSWER | {field: value})


@pytest.mark.parametrize("field", ["t", "n", "progress"])
@pytest.mark.parametrize("value", [None, -1, True, 1.0, "3", [], {}])
def test_a_count_is_not_guessed(field: str, value: object) -> None:
    with pytest.raises(MalformedAnswerError, match=field):
        ServerState.from_answer(ANSWER | {field: value})


@pytest.mark.parametrize("field", ["nonce", "type", "storage_type", "version", "cluster_name", "cluster_id"])
@pytest.mark.parametrize("value", [None, 5, True, [], {}])
def test_a_text_is_not_guessed(field: str, value: object) -> None:
    with pytest.raises(MalformedAnswerError, match=field):
        ServerState.from_answer(ANSWER | {field: value})


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.none())


@given(st.dictionaries(st.sampled_from(sorted(ANSWER)), values))
def test_any_answer_is_a_state_or_malformed(changes: dict[str, object]) -> None:
    with contextlib.suppress(MalformedAnswerError):
        ServerState.from_answer(ANSWER | changes)
