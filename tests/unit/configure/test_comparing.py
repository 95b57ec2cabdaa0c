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


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ("a, b", ["a", "b"]),
        (["a", "b"], "a,b"),
        (5, [5]),
        ("", []),
        ([], None),
        ({"a": {"b": "1h"}}, {"a": {"b": 3600}, "c": ""}),
        ('{"a": ["b"]}', {"a": "b"}),
    ],
)
def test_the_same_in_another_form_is_the_same(wanted: Any, shown: Any) -> None:
    assert same(wanted, shown, strict=True)


@pytest.mark.parametrize(
    ("wanted", "shown"), [(["b", "A", "b"], ["a", "b"]), ("Name", "name"), ("B,a", ["a", "b"])]
)
def test_what_servers_sort_and_write_in_small_letters_is_the_same_unless_the_document_has_changed(
    wanted: Any, shown: Any
) -> None:
    assert same(wanted, shown)
    assert not same(wanted, shown, strict=True)


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        (["a"], ["A"]),  # no server writes names in capitals
        (["a"], ["a", "b"]),
        (["a"], {"a": "b"}),
        ({"a": "b"}, ["a"]),
        ({"a": "b"}, "a"),
        ("{a", {"a": "b"}),
        ([{"a": 1}, {"b": 2}], [{"b": 2}, {"a": 1}]),
        (True, "b"),
        ("b", False),
    ],
)
def test_what_only_looks_alike_differs(wanted: Any, shown: Any) -> None:
    assert not same(wanted, shown)
