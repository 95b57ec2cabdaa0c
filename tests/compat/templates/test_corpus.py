"""Templates render, and fail, as with the real ``text/template`` and the real sprig.

``inputs`` is written by hand or made up, ``expected`` is what Go answers: ``oracle corpus inputs expected``.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from bank_vaults.templating import sprig
from tests.support.random_programs import OF_GO
from tests.support.templates import EXPECTED, INPUTS, Case, NoOracle, answer_of, oracle, rendered

BLOCK = 100
"""Cases in one test: thousands of tests would take longer to collect than to run."""

ROOMS = sorted(path.stem for path in EXPECTED.glob("*.json"))


def cases_of(room: str) -> list[Case]:
    cases: list[Case] = json.loads((EXPECTED / f"{room}.json").read_text("utf-8"))
    return cases


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")


BLOCKS = [(room, start) for room in ROOMS for start in range(0, len(cases_of(room)), BLOCK)]


@pytest.mark.parametrize(("room", "start"), BLOCKS, ids=[f"{room}-{start}" for room, start in BLOCKS])
def test_templates_give_what_go_gives(room: str, start: int) -> None:
    differences = [
        f"{case['template']!r}\n    Go   {answer_of(case)}\n    here {answer}"
        for case in cases_of(room)[start : start + BLOCK]
        if (answer := rendered(case)) != answer_of(case)
    ]
    assert not differences, f"{len(differences)} differ:\n" + "\n".join(differences)


def test_every_room_has_inputs_and_what_go_answered() -> None:
    assert sorted(path.stem for path in INPUTS.glob("*.json")) == ROOMS
    for room in ROOMS:
        asked = json.loads((INPUTS / f"{room}.json").read_text("utf-8"))
        assert [case["template"] for case in asked] == [case["template"] for case in cases_of(room)], room


def test_every_function_of_go_and_of_sprig_is_asked_of_go() -> None:
    templates = [case["template"] for room in ROOMS for case in cases_of(room)]
    assert len(set(templates)) >= 1500
    assert {*sprig.names(), *OF_GO} <= set(re.findall(r"\w+", " ".join(templates)))


def test_go_still_answers_what_is_kept(tmp_path: Path) -> None:
    try:
        binary = oracle()
    except NoOracle as reason:
        pytest.skip(str(reason))
    subprocess.run([binary, "corpus", INPUTS, tmp_path], check=True, timeout=100)
    for room in ROOMS:
        assert (tmp_path / f"{room}.json").read_text("utf-8") == (EXPECTED / f"{room}.json").read_text(
            "utf-8"
        ), room
