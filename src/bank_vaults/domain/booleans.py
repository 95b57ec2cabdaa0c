"""The words for true and false, as Go's strconv.ParseBool knows them: in flags and in the environment."""

from __future__ import annotations

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


def boolean(text: str) -> bool | None:
    """What the word means; None if it is none of them."""
    if text in _TRUE:
        return True
    return False if text in _FALSE else None
