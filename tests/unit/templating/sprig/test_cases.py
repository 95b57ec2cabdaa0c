"""Promises about capitals and small letters: one character stays one character, as in Go."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.values import text
from bank_vaults.templating.sprig import cases

STRAY = text(b"\xff")


@pytest.mark.parametrize("change", [cases.capital, cases.small, cases.titled])
def test_every_character_becomes_one_character(change: object) -> None:
    assert callable(change)
    assert all(len(change(chr(code))) == 1 for code in range(0x20000))


@pytest.mark.parametrize(
    "change", [cases.upper, cases.lower, cases.title, cases.untitle, cases.swapcase, cases.camelcase]
)
def test_bytes_that_are_no_utf8_become_the_replacement_character(change: object) -> None:
    assert callable(change)
    assert change(f"é{STRAY}") in ("É\ufffd", "é\ufffd")
    assert change(STRAY) == "\ufffd"


def test_names_with_bytes_that_are_no_utf8_do_not_fail() -> None:
    assert cases.snakecase(f"aB{STRAY}_C").endswith("_c")
    assert cases.kebabcase(f"{STRAY}{STRAY}")


@pytest.mark.parametrize(
    ("name", "snake", "camel"),
    [
        ("HTTPServer2xOk", "http_server_2x_ok", "Httpserver2xOk"),
        ("first--name", "first__name", "First-Name"),
        ("a.B-c", "a.b_c", "A.BC"),
        ("__", "__", "___"),
        ("", "", ""),
    ],
)
def test_words_of_a_name_are_found(name: str, snake: str, camel: str) -> None:
    assert (cases.snakecase(name), cases.camelcase(name)) == (snake, camel)
    assert cases.kebabcase(name) == snake.replace("_", "-")


def test_control_characters_are_no_blanks() -> None:
    assert cases.untitle("\x1cA") == "\x1cA"


@pytest.mark.parametrize(
    "change",
    [cases.title, cases.untitle, cases.swapcase, cases.snakecase, cases.kebabcase, cases.camelcase],
)
def test_texts_of_great_length_are_refused_where_each_character_is_looked_at(
    change: Callable[[str], str],
) -> None:
    with pytest.raises(FunctionError, match=f"elements, more than {limits.MAX_ITEMS}"):
        change("a" * (limits.MAX_ITEMS + 1))
