"""What servers change of a value is no difference, and everything else is one."""

from __future__ import annotations

from typing import Any

import pytest

from bank_vaults.configure.comparing import same


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ("1.5h", 5400),
        ("36h", 129600),
        ("1d", 86400),
        ("1d12h", 129600),
        ("1h", "1h0m0s"),
        ("90", 90),
        ("0090", 90),
        ("-1", -1),
        ("true", True),
        (10**400, str(10**400)),
    ],
)
def test_durations_and_numbers_are_compared_by_what_they_mean(wanted: Any, shown: Any) -> None:
    assert same(wanted, shown, strict=True)


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ("1.5h", 5401),
        ("007", "7"),  # names and numbers of accounts
        (12345678901234567, 12345678901234568),
        (10**400, 5),
        ("9" * 400 + "d", 5),
        ("", 5),
        ("h", 5),
    ],
)
def test_values_that_mean_something_else_differ(wanted: Any, shown: Any) -> None:
    assert not same(wanted, shown)
