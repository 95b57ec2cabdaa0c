"""Random templates render, and fail, as in Go. What was found so stands in ``inputs/found.json``.

``BANK_VAULTS_FUZZ_SEED`` is another start than the usual, ``BANK_VAULTS_FUZZ_CASES`` another number of cases.
"""

from __future__ import annotations

import os

import pytest

from tests.support.random_templates import Random, template
from tests.support.templates import Case, NoOracle, answer_of, ask, rendered


def is_left_out(case: Case, answer: Case, got: Case) -> bool:
    """Does Go tell what only Go has: inner fields of a time or an error, names of its types, addresses?"""
    of_go = (
        "main.Data",
        "errors.errorString",
        "in type error",
        "0xc0",
        "time.Date(",
        "maximum template depth",
    )
    inner = "(time.Time=" in str(got) or ("goError" in case["template"] and "&{" in str(answer))
    return inner or any(each in str(answer) for each in of_go)


def test_random_templates_give_what_go_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    random = Random(int(os.environ.get("BANK_VAULTS_FUZZ_SEED", "6")))
    cases = [template(random) for _ in range(int(os.environ.get("BANK_VAULTS_FUZZ_CASES", "1000")))]
    try:
        answers = ask(cases)
    except NoOracle as reason:
        pytest.skip(str(reason))
    assert len(answers) == len(cases)
    differences = [
        f"{case['template']!r}\n    Go   {answer_of(answer)}\n    here {got}"
        for case, answer in zip(cases, answers, strict=True)
        if (got := rendered(case)) != answer_of(answer) and not is_left_out(case, answer_of(answer), got)
    ]
    assert not differences, f"{len(differences)} differ:\n" + "\n".join(differences)
