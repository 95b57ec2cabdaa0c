"""Promises of the names: those of Go Bank-Vaults for ever, and nothing precious is overlooked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_vaults.domain import names


def test_keys_have_the_names_that_go_bank_vaults_gave_them() -> None:
    assert names.ROOT == "vault-root"
    assert [names.unseal(index) for index in (0, 4, 10)] == [
        "vault-unseal-0",
        "vault-unseal-4",
        "vault-unseal-10",
    ]
    assert names.recovery(2) == "vault-recovery-2"


@given(st.integers(min_value=0))
def test_every_share_is_precious(index: int) -> None:
    assert names.is_key(names.unseal(index))
    assert names.is_key(names.recovery(index))


@pytest.mark.parametrize(
    "name",
    ["", "vault-roots", "xvault-root", "vault-root\n", "vault-unseal-", "vault-unseal-01", "vault-unseal--1",
     "vault-unseal-1x", "vault-unseal-\N{ARABIC-INDIC DIGIT ONE}", "vault-test",
     names.journal(0), names.ANSWER, "README"],
)  # fmt: skip
def test_other_names_are_no_keys(name: str) -> None:
    assert not names.is_key(name)


def test_keys_are_listed_in_a_stable_order() -> None:
    found = frozenset({"vault-unseal-1", "vault-root", "other", "vault-unseal-0", "vault-test-1"})
    assert names.keys_in(found) == ("vault-root", "vault-unseal-0", "vault-unseal-1")


def test_left_overs_of_both_programs_are_known() -> None:
    assert names.is_canary("vault-test")  # Go Bank-Vaults never removes it
    assert names.is_canary(names.canary("abc"))
    assert not names.is_canary("vault-tests")
    assert names.canary("a") != names.canary("b")


def test_each_turn_has_a_name_of_its_own() -> None:
    assert [names.journal(turn) for turn in range(3)] == [
        "vault-init-journal",
        "vault-init-journal-1",
        "vault-init-journal-2",
    ]


def test_every_answer_is_known_as_one() -> None:
    assert names.is_answer(names.ANSWER)
    assert names.is_answer(names.spare_answer(7))
    assert not names.is_answer("vault-init-answers")
    assert not names.is_answer(names.journal(1))


def test_no_two_kinds_of_names_meet() -> None:
    made = [names.ROOT, names.journal(0), names.ANSWER, names.spare_answer(7), names.canary("x")]
    assert len({*made, names.unseal(0), names.recovery(0)}) == len(made) + 2
    assert not any(names.is_canary(name) for name in made[:4])
    assert [name for name in made if names.is_key(name)] == [names.ROOT]


def test_every_turn_is_known_as_one() -> None:
    assert all(names.is_journal(names.journal(turn)) for turn in range(3))
    assert not any(map(names.is_journal, ("vault-init-journals", names.ANSWER, names.ROOT)))


def test_every_name_begins_alike() -> None:
    ours = (names.ROOT, names.unseal(0), names.recovery(0), names.journal(1), names.ANSWER, names.canary("x"))
    assert all(name.startswith(names.PREFIX) for name in ours)
