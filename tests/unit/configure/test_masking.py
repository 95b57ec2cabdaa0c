"""Values that a server repeats in its refusals are not to be seen."""

from __future__ import annotations

import pytest

from bank_vaults.configure.masking import masked
from bank_vaults.configure.model import Difference, Request


@pytest.mark.parametrize(
    ("password", "repeated"),
    [
        ("s3cr3t", "s3cr3t"),
        ('pa"ss\\word', 'pa\\"ss\\\\word'),  # quoted, as Go's %q and JSON do
        ("päss\nword", "päss\\nword"),
        ("päss\nword", "p\\u00e4ss\\nword"),
    ],
)
def test_a_repeated_password_is_masked_quoted_too(password: str, repeated: str) -> None:
    requests = (Request("PUT", "x", {"config": {"password": password}, "name": "shown"}),)
    assert masked(f'400: bad value "{repeated}" of shown', requests) == '400: bad value "***" of shown'


def test_a_value_is_masked_that_only_the_plan_knows_to_be_secret() -> None:
    differences = (Difference("odd", None, ["hidden"], secret=True), Difference("plain", None, "shown"))
    assert masked("hidden shown", (), differences) == "*** shown"
