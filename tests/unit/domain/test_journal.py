"""Promises of the journal: what is written is read again, damage never crashes and never shows content."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_vaults.domain import names
from bank_vaults.domain.journal import (
    Holder,
    InitAnswer,
    InitRequest,
    Intent,
    MalformedRecordError,
    encode_answer,
)
from bank_vaults.domain.server import MalformedAnswerError

INTENT = Intent(
    server="https://vault:8200",
    holder=Holder(node="vault-0", boot="b-1", space="pid:[1]", pid=17, started=4711),
    begun=1795558205.25,
    limit=300.0,
    shares=5,
    threshold=3,
)
CANARY = "hvs.must-never-be-shown"
ANSWER = {
    "keys": ["aa" * 33, "bb" * 33],
    "keys_base64": ["qqqq", "u7u7"],
    "recovery_keys": None,
    "root_token": CANARY,
}

numbers = st.integers(min_value=-(2**70), max_value=2**70)
seconds = st.floats(min_value=-1e15, max_value=1e15)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.text(), st.text(), st.text(), st.text(), numbers, numbers, seconds, seconds, numbers, numbers)
def test_an_intent_is_read_as_it_was_written(
    server: str,
    node: str,
    boot: str,
    space: str,
    pid: int,
    started: int,
    begun: float,
    limit: float,
    n: int,
    t: int,
) -> None:
    intent = Intent(server, Holder(node, boot, space, pid, started), begun, limit, n, t)
    assert Intent.decode(intent.encode()) == intent


def test_an_intent_is_json_of_a_known_form_for_ever() -> None:
    stored = (
        b'{"version": 1, "server": "https://vault:8200", "node": "vault-0", "boot": "b-1", '
        b'"space": "pid:[1]", "pid": 17, "started": 4711, "begun": 1795558205.25, '
        b'"limit": 300.0, "shares": 5, "threshold": 3}'
    )
    assert INTENT.encode() == stored
    assert Intent.decode(stored) == INTENT


def test_fields_of_later_versions_do_not_disturb() -> None:
    record = json.loads(INTENT.encode()) | {"something": "new"}
    assert Intent.decode(json.dumps(record).encode()) == INTENT


@pytest.mark.parametrize(
    "value", ["text", None, True, [], {}, float("nan"), float("inf"), float("-inf"), 10**400, -(10**400)]
)
@pytest.mark.parametrize("field", ["begun", "limit"])
def test_a_time_that_is_none_is_malformed(field: str, value: object) -> None:
    record = json.loads(INTENT.encode()) | {field: value}
    with pytest.raises(MalformedRecordError, match=field):
        Intent.decode(json.dumps(record).encode())


@pytest.mark.parametrize("value", ["text", None, True, [], {}, 1.0])
@pytest.mark.parametrize("field", ["pid", "started", "shares", "threshold"])
def test_a_number_that_is_none_is_malformed(field: str, value: object) -> None:
    record = json.loads(INTENT.encode()) | {field: value}
    with pytest.raises(MalformedRecordError, match=field):
        Intent.decode(json.dumps(record).encode())


@pytest.mark.parametrize("value", [1, None, True, [], {}])
@pytest.mark.parametrize("field", ["server", "node", "boot", "space"])
def test_a_text_that_is_none_is_malformed(field: str, value: object) -> None:
    record = json.loads(INTENT.encode()) | {field: value}
    with pytest.raises(MalformedRecordError, match=field):
        Intent.decode(json.dumps(record).encode())


@pytest.mark.parametrize("field", sorted(json.loads(INTENT.encode()).keys() - {"version"}))
def test_a_missing_field_is_named(field: str) -> None:
    record = json.loads(INTENT.encode())
    del record[field]
    with pytest.raises(MalformedRecordError, match=f"{names.journal(0)}.*{field}"):
        Intent.decode(json.dumps(record).encode())


@pytest.mark.parametrize("version", [None, 0, 2, "1", [1]])
@pytest.mark.parametrize("decode", [Intent.decode, InitAnswer.decode])
def test_a_record_of_another_version_is_left_to_newer_programs(decode: object, version: object) -> None:
    assert callable(decode)
    with pytest.raises(MalformedRecordError, match="newer bank-vaults"):
        decode(json.dumps({"version": version, "answer": ANSWER}).encode())


@pytest.mark.parametrize("decode", [Intent.decode, InitAnswer.decode])
@pytest.mark.parametrize(
    "stored",
    [
        b"",
        pytest.param(b"\x00" * 300, id="what some file systems leave after a power cut"),
        CANARY.encode(),
        f'"{CANARY}"'.encode(),
        f'["{CANARY}"]'.encode(),
        f'{{"version": 1, "answer": {{"root_token": "{CANARY}"'.encode(),
        f'{{"version": 1, "answer": "{CANARY}"}}'.encode(),
        f'{{"version": 1, "answer": {{"root_token": ["{CANARY}"]}}}}'.encode(),
        f'{{"version": 1, "answer": {{"root_token": "t", "keys": "{CANARY}"}}}}'.encode(),
        f'{{"version": 1, "answer": {{"root_token": "t", "keys": ["{CANARY}", 5]}}}}'.encode(),
        f'{{"version": 1, "answer": {{"root_token": "t", "recovery_keys": ["{CANARY}", ""]}}}}'.encode(),
        f'{{"version": 1, "answer": {{"root_token": "{CANARY}\\ud800"}}}}'.encode(),
        f'{{"version": 1, "answer": {{"root_token": "t", "keys": ["{CANARY}\\ud800"]}}}}'.encode(),
        f'{{"version": "{CANARY}"}}'.encode(),
        f'{{"version": 1, "server": ["{CANARY}"]}}'.encode(),
        pytest.param(b"[" * 100_000 + CANARY.encode(), id="nested without end"),
        b"\xff\xfe" + CANARY.encode(),
        pytest.param(b"1" * 5000, id="a number without end"),
    ],
)
def test_damage_is_reported_without_its_content(decode: object, stored: bytes) -> None:
    assert callable(decode)
    with pytest.raises(MalformedRecordError) as refused:
        decode(stored)
    assert CANARY not in str(refused.value)
    assert CANARY not in repr(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    assert "vault-init-" in str(refused.value)


@given(st.binary(max_size=80) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_record_or_malformed(stored: bytes) -> None:
    for decode in (Intent.decode, InitAnswer.decode):
        with contextlib.suppress(MalformedRecordError):
            decode(stored)


@given(st.dictionaries(st.sampled_from([*json.loads(INTENT.encode()), "answer"]), json_values))
def test_any_fields_are_a_record_or_malformed(changes: dict[str, object]) -> None:
    stored = json.dumps(json.loads(INTENT.encode()) | {"answer": ANSWER} | changes).encode()
    for decode in (Intent.decode, InitAnswer.decode):
        with contextlib.suppress(MalformedRecordError):
            decode(stored)


@given(st.integers(min_value=0, max_value=len(encode_answer(ANSWER)) - 1))
def test_a_truncated_answer_is_malformed(length: int) -> None:
    with pytest.raises(MalformedRecordError):
        InitAnswer.decode(encode_answer(ANSWER)[:length])


def test_an_answer_is_stored_whole_whatever_is_in_it() -> None:
    strange: dict[str, object] = {"keys": "not a list", "new_in_2030": {"share": "\ud800 and ü"}}
    assert json.loads(encode_answer(strange)) == {"version": 1, "answer": strange}


def test_an_answer_is_read_as_it_was_written() -> None:
    answer = InitAnswer.decode(encode_answer(ANSWER))
    assert [share.reveal() for share in answer.keys] == ANSWER["keys"]
    assert answer.recovery_keys == ()
    assert answer.root_token.reveal() == CANARY
    assert [(name, share.reveal()[:2]) for name, share in answer.named_shares()] == [
        ("vault-unseal-0", "aa"),
        ("vault-unseal-1", "bb"),
    ]


def test_recovery_shares_have_names_of_their_own() -> None:
    answer = InitAnswer.from_answer({"keys": [], "recovery_keys": ["cc", "dd"], "root_token": "t"})
    assert [name for name, _ in answer.named_shares()] == ["vault-recovery-0", "vault-recovery-1"]


def test_an_answer_without_a_root_token_is_malformed() -> None:
    for token in ("", None, 5, "ü"):
        with pytest.raises(MalformedAnswerError, match="root token"):
            InitAnswer.from_answer({"keys": ["aa"], "root_token": token})
    with pytest.raises(MalformedAnswerError, match="root token"):
        InitAnswer.from_answer({"keys": ["aa"]})


def test_no_text_form_of_an_answer_shows_it() -> None:
    answer = InitAnswer.from_answer(ANSWER)
    assert CANARY not in repr(answer)
    assert "aaaa" not in repr(answer.named_shares())


def test_the_request_asks_for_the_kind_of_shares_that_the_seal_has() -> None:
    assert InitRequest(5, 3, recovery=False).body() == {"secret_shares": 5, "secret_threshold": 3}
    assert InitRequest(5, 3, recovery=True).body() == {"recovery_shares": 5, "recovery_threshold": 3}


def test_an_intent_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        INTENT.shares = 1  # type: ignore[misc]
