"""Which fields hold something that is not to be seen in a plan, judged by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_WORDS: Final = re.compile(
    r"(?:^|_)(?:pass|password|password_hash|passwd|passphrase|bindpass|keytab|credentials?|creds|jwt|private_key|pem_bundle|"
    r"secret|secret_id|client_secret|shared_secret|secret_key|secret_access_key|signing_key|api_key|api_token|auth_token|"
    r"access_token|token|key|url|uri)$",
    re.IGNORECASE,
)
_OPEN: Final = re.compile(
    r"(?:.*_)?(?:public_key|identity_token_key|bind_secret_id|(?:jwks|discovery|issuer|ocsp|base|metadata)_ur[il])|url"
)

_ASSIGNED: Final = re.compile(r"(?:^|(?<=[?&;,\s\"'-]))([A-Za-z][\w-]{0,64})=[^\s&]")
"""A name with its value inside of a text: in the query of a URL, an argument, a variable, a connection."""

_IN_SQL: Final = re.compile(
    r"\b(?:PASSWORD|IDENTIFIED(?:\s+WITH\s+\S+)?\s+(?:BY|AS))\s*=?\s*(['\"])(?!\{\{|\1)", re.IGNORECASE
)
"""A password written into a statement; what the server is to put in, ``'{{password}}'``, is none."""


def secret_names(fields: Mapping[str, Any]) -> frozenset[str]:
    """The fields whose values are to be hidden: rather one too many than one too few.

    A URL may have a password in it, and a structure may have a secret deep inside.
    """
    return frozenset(name for name, value in fields.items() if _hides(name, value))


def _hides(name: str, value: Any) -> bool:
    if isinstance(value, Mapping):
        return _named(name) or any(_hides(inner, each) for inner, each in value.items())
    if isinstance(value, (list, tuple)):
        return _named(name) or any(_hides("", each) for each in value)
    return not isinstance(value, bool) and (_named(name) or (isinstance(value, str) and _tells(value)))


def _tells(text: str) -> bool:
    """Whether there is something secret in a text, whatever it is called."""
    if "PRIVATE KEY" in text or re.search(r"://[^/@\s]*:[^/@\s]*@", text):
        return True
    if _IN_SQL.search(text):
        return True
    return "=" in text and any(_named(found[1].replace("-", "_")) for found in _ASSIGNED.finditer(text))


def _named(name: str) -> bool:
    return bool(_WORDS.search(name)) and not _OPEN.fullmatch(name.lower())
