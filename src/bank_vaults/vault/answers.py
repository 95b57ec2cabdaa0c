"""What an HTTP answer means: data, or which error."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from bank_vaults.vault.errors import (
    DeniedError,
    FatalError,
    NotFoundError,
    NotInitialisedError,
    SealedError,
    TransientError,
    UnsupportedError,
    VaultError,
)
from bank_vaults.vault.http1 import Answer

_MOST_MESSAGES = 10
_LONGEST_MESSAGE = 500
_LONGEST_WAIT = 60.0

_SEALED = r"\b(?:vault|openbao) is sealed"
_NOT_INITIALISED = r"\b(?:vault|openbao|server|security barrier)(?: is)? not (?:yet )?initiali[sz]ed"


class NotJsonError(ValueError):
    """The body of an answer is not a JSON object."""


def decode(answer: Answer) -> dict[str, object]:
    """The JSON object in a body; empty when the answer says that it has none. Raises NotJsonError."""
    if not answer.body and answer.framed:
        return {}
    try:
        data = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise NotJsonError from None  # the cause would show the body
    if not isinstance(data, dict):
        raise NotJsonError
    return data


def messages_of(answer: Answer) -> tuple[str, ...]:
    """What a server or a proxy says in the body of an error: a few short lines of printable text."""
    try:
        errors = decode(answer).get("errors")
    except NotJsonError:
        text = answer.body[: 4 * _LONGEST_MESSAGE].decode(errors="replace")
        if text.lstrip().startswith("<"):
            return ("the answer is an HTML page: does a proxy or another server answer here?",)
        errors = [text]
    if not isinstance(errors, list):
        return ()
    cleaned = (_clean(error) for error in errors[:_MOST_MESSAGES] if isinstance(error, str))
    return tuple(filter(None, cleaned))


def _clean(text: str) -> str:
    text = " ".join(text[: 4 * _LONGEST_MESSAGE].split())
    text = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
    return text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + "…"


def error_of(method: str, path: str, answer: Answer, now: Callable[[], float]) -> VaultError:
    """The error for an answer outside 2xx and the redirects. ``now`` is the time of day, Unix seconds."""
    status, messages = answer.status, messages_of(answer)
    text = "\n".join(messages)
    # With 4xx and 501 the server says that it refused; any other 5xx may come after half of the work.
    outcome_unknown = status >= 500 and status != 501
    kind = _kind_of(status, text)
    error = kind(method, path, status, messages, outcome_unknown=outcome_unknown)
    if isinstance(error, TransientError):
        error.retry_after = retry_after(answer.headers.get("retry-after", ""), now)
    return error


def _kind_of(status: int, text: str) -> type[VaultError]:
    if re.search(_NOT_INITIALISED, text, re.IGNORECASE):
        return NotInitialisedError
    if re.search(_SEALED, text, re.IGNORECASE):
        return SealedError
    if status in (401, 403):
        return DeniedError
    if status == 405 or (status == 404 and "unsupported path" in text):
        return UnsupportedError
    if status == 404:
        return NotFoundError
    if status in (412, 429) or (status >= 500 and status != 501):
        return TransientError
    return FatalError


def retry_after(value: str, now: Callable[[], float]) -> float | None:
    """The seconds that a ``Retry-After`` header asks to wait (RFC 9110, 10.2.3), at most 60."""
    if re.fullmatch("[0-9]{1,9}", value):
        return min(float(value), _LONGEST_WAIT)
    from email.utils import parsedate_to_datetime  # 15 ms, and servers send seconds

    try:
        moment = parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(moment - now(), 0.0), _LONGEST_WAIT)
