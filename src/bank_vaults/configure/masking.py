"""Values of requests that are not to be seen where a server repeats them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from bank_vaults.configure.model import Difference, Request
from bank_vaults.configure.secrecy import secret_names

_MASK: Final = "***"
_SHORTEST: Final = 4
"""Characters: shorter texts would mask half of every sentence."""


def masked(sentence: str, requests: Iterable[Request], differences: Iterable[Difference] = ()) -> str:
    """The sentence without the secret values that the bodies hold, or that are known to be secret."""
    values = {value for request in requests for value in _secrets(request.body or {}, hidden=False)}
    for difference in differences:
        values |= {*_secrets(difference.after, hidden=difference.secret)}
    for value in sorted(values, key=len, reverse=True):
        sentence = sentence.replace(value, _MASK)
    return sentence


def _secrets(value: Any, *, hidden: bool) -> Iterator[str]:
    if isinstance(value, Mapping):
        names = secret_names(value)
        for name, each in value.items():
            yield from _secrets(each, hidden=hidden or name in names or name == "data")
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _secrets(each, hidden=hidden)
    elif hidden and isinstance(value, str) and len(value) >= _SHORTEST:
        yield value
        for ascii_only in (True, False):  # as servers quote what they repeat
            yield json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        yield from (line for line in value.splitlines() if len(line) >= 2 * _SHORTEST and "-----" not in line)
