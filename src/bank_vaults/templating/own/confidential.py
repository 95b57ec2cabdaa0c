"""What of the environment is masked in the log, once a template has read it.

Not every value: names of hosts, regions, clusters and paths come from variables as well, and a log without
them tells nothing. Masked is the whole value of a variable that is called like a secret or looks like one,
and of any other what is secret in it: the password of a URL or of a connection string, a long token.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_NAME: Final = re.compile(
    r"(?i)(?:^|_)(?:[a-z]*pass(?:word|wd|phrase|code)|pass|pwd|pin|otp|jwt|bearer|creds?|credentials?|webhook"
    r"|(?:api|access|private|account)?keys?|secrets?|tokens?|conn(?:ection)?_?str(?:ing)?)"
    r"[0-9]*(?:_VALUE|_[0-9]+)?$"
)
_SHORTEST: Final = 8
"""Characters; a shorter value is no secret by its looks alone."""
_PART: Final = re.compile(r"[\s,;:=._/-]+")
"""What stands between the parts of a name, a list, a sentence."""
_WORD: Final = re.compile(r"[^\W\d]*\d*|\d+%|(?:\d+[a-zA-Z]{1,3}){1,5}")
"""A word, also with a number behind it; a number; a size or a duration."""
_ONE_CASE: Final = re.compile(r"[a-z\d]*|[A-Z\d]*")
"""A part of the name of a host, a pod, a release."""
_PATH: Final = r"[~.]{0,2}(?:/[\w.@+-]*)+"
_ADDRESS: Final = re.compile(rf"[a-z][a-z\d+.-]*://\S*|{_PATH}(?::{_PATH})*|[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
"""A URL, paths, an address of mail."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9]{20,}")
_IN_URL: Final = re.compile(r"://[^\s/?#:@]*:([^\s/?#]+)@")
_IN_PAIR: Final = re.compile(
    r"(?i)(?<![a-z_])(?:password|passwd|pwd|[a-z_]*secret|[a-z_]*token|sig|signature|[a-z_]*key)\s*=\s*"
    r"""(?:"([^"]+)"|'([^']+)'|([^\s;&,'"]+))"""
)


def secrets_of(name: str, value: str) -> Iterator[str]:
    """The texts in the value of a variable that are to be masked."""
    if _NAME.search(name) or not _is_plain(value):
        yield value
    else:
        yield from (found[0] for found in _TOKEN.finditer(value) if not _WORD.fullmatch(found[0]))
    for found in _IN_URL.finditer(value):
        from urllib.parse import unquote  # half a MiB, for this alone

        yield found[1]
        yield unquote(found[1])
    for found in _IN_PAIR.finditer(value):
        yield found[1] or found[2] or found[3]


def _is_plain(value: str) -> bool:
    """Whether it looks like what people name things, and not like what a generator of passwords gives."""
    if len(value) < _SHORTEST or _ADDRESS.fullmatch(value):
        return True
    parts = _PART.split(value)
    return all(_WORD.fullmatch(part) or (len(parts) > 1 and _ONE_CASE.fullmatch(part)) for part in parts)
