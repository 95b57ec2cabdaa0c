"""Promises of Go's base64."""

from __future__ import annotations

import pytest

from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.base64 import decoded


@pytest.mark.parametrize("text", ["QQ==", "Q\nQ=\r\n=\n", "QUI=", "QUJD", ""])
def test_ends_of_lines_do_not_count(text: str) -> None:
    assert b"ABC".startswith(decoded(text))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("A", 0),
        ("AAAAAA", 4),
        ("AA!A", 2),
        ("A=AA", 1),
        ("=", 0),
        ("AA=", 3),
        ("AA=A", 2),
        ("AA=\nA", 3),
        ("AA==A", 4),
        ("AAA=A", 4),
        ("AAA=\n\nA", 6),
        ("A\n\nA\nA", 3),
        ("é", 0),
    ],
)
def test_an_error_names_the_byte_that_go_names(text: str, place: int) -> None:
    with pytest.raises(FunctionError, match=rf"^illegal base64 data at input byte {place}$"):
        decoded(text)
