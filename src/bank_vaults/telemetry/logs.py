"""Log lines on stderr, in UTC, one record one line, secrets masked.

The text format is the one of Go's ``log/slog`` default handler, which users search for::

    2026/11/24 22:10:05 INFO vault is sealed, unsealing server=http://127.0.0.1:8200

The JSON format is one object per line: ``time`` (RFC 3339), ``level``, ``logger``, ``msg``, ``exception``
where there is one, and the fields.
"""

from __future__ import annotations

import atexit
import binascii
import json
import logging
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from typing import TextIO

from bank_vaults.domain.secrets import living_texts

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
FORMATS = ("text", "json")

_MASK = "***"
_COLOURS = {"DEBUG": "\x1b[2m", "INFO": "\x1b[32m", "WARN": "\x1b[33m", "ERROR": "\x1b[31m"}
_HEXADECIMAL = re.compile("(?:[0-9a-fA-F]{2})+")
_FIXED = ("time", "level", "logger", "msg", "exception")


def _forms(secret: str) -> Iterator[str]:
    """The ways in which a secret text is written elsewhere."""
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    plain = [secret.encode(errors="surrogatepass")]
    if _HEXADECIMAL.fullmatch(secret):  # as shares are: the servers know them by their bytes
        plain.append(bytes.fromhex(secret))
        yield secret.lower()
        yield secret.upper()
    for value in plain:
        encoded = binascii.b2a_base64(value, newline=False).decode()
        yield encoded
        yield encoded.rstrip("=")


def redact(text: str) -> str:
    """The text with every living secret masked, in plain, escaped, hexadecimal and base64 form.

    Secrets that overlap are masked together, so that no tail of one remains.
    """
    spans = []
    for form in {form for secret in living_texts() for form in _forms(secret)}:
        start = text.find(form)
        while start >= 0:
            spans.append((start, start + len(form)))
            start = text.find(form, start + 1)
    parts, done = [], 0
    for start, end in sorted(spans):
        if start >= done:
            parts += [text[done:start], _MASK]
        done = max(done, end)
    return "".join(parts) + text[done:]


def _text(value: object) -> str:
    """Any value as text. A value that cannot be printed must not cost the log line."""
    try:
        return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
    except Exception:
        return f"<{type(value).__name__} cannot be printed>"


def _one_line(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _word(text: str) -> str:
    """Quoted if it would not be one word, as slog does."""
    if text and text.isprintable() and not any(c in text for c in ' "='):
        return text
    return '"' + _one_line(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _level_name(level: int) -> str:
    if level >= logging.ERROR:
        return "ERROR"
    if level >= logging.WARNING:
        return "WARN"
    return "INFO" if level >= logging.INFO else "DEBUG"


class _Formatter(logging.Formatter):
    """What both formats share: getting the texts out of a record, masked."""

    @staticmethod
    def _message(record: logging.LogRecord) -> str:
        try:
            return redact(record.getMessage())
        except Exception:  # wrong arguments for the text: the text alone is better than no line
            return redact(_text(record.msg))

    @staticmethod
    def _fields(record: logging.LogRecord) -> Mapping[str, object]:
        fields = getattr(record, "fields", None)
        return fields if isinstance(fields, Mapping) else {}

    def _exception(self, record: logging.LogRecord) -> str | None:
        # Formatted anew each time: the copy in record.exc_text is not masked.
        return redact(self.formatException(record.exc_info)) if record.exc_info else None


class TextFormatter(_Formatter):
    """``YYYY/MM/DD HH:MM:SS LEVEL message key=value``, an exception as one more quoted value."""

    def __init__(self, colour: bool = False) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """One line without its end."""
        level = _level_name(record.levelno)
        if self._colour:
            level = f"{_COLOURS[level]}{level}\x1b[0m"
        words = [_one_line(self._message(record))]
        for key, value in self._fields(record).items():
            words.append(f"{_word(redact(_text(key)))}={_word(redact(_text(value)))}")
        if exception := self._exception(record):
            words.append(f"exception={_word(exception)}")
        moment = time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(record.created))
        # Once more over the whole: quoting, or a message and its first value together, may spell a secret.
        return f"{moment} {level} {redact(' '.join(words))}"


class JsonFormatter(_Formatter):
    """One JSON object. A field that has the name of a fixed member becomes ``fields.NAME``."""

    def format(self, record: logging.LogRecord) -> str:
        """One line without its end, ASCII only."""
        members: dict[str, object] = {}
        for key, value in self._fields(record).items():
            name = redact(_text(key))
            members[f"fields.{name}" if name in _FIXED else name] = self._value(value)
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fixed: dict[str, object] = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": _level_name(record.levelno),
            "logger": record.name,
            "msg": self._message(record),
        }
        if exception := self._exception(record):
            fixed["exception"] = exception
        return json.dumps({**fixed, **members})

    @staticmethod
    def _value(value: object) -> object:
        if value is None or isinstance(value, bool):
            return value
        text = _text(value)
        masked = redact(text)
        # A PIN given as a number is still a PIN. NaN and the infinities, which end in a letter, are no JSON.
        if isinstance(value, int | float) and masked == text and text[-1:].isdigit():
            return value
        return masked


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Go on without the line: with stderr closed or its disk full there is nowhere to complain."""


@atexit.register
def _end_of_output() -> None:
    """Give up what could not be written to stdout or stderr. The interpreter would try it once more at its
    end, complain, and exit with 120 in place of the code that it was given.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:  # None where the program was started with that descriptor closed
                stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def setup(format: str, level: str, stream: TextIO | None = None) -> None:  # noqa: A002
    """Log to ``stream`` (default: stderr) in one of FORMATS from one of LEVELS on.

    Other libraries are heard from WARNING on: their debug lines may carry requests with tokens.
    Calling it again replaces the previous set-up. Raises ValueError for an unknown format or level.
    """
    if format not in FORMATS:
        raise ValueError(f"log format {format!r} is not one of: {', '.join(FORMATS)}")
    if level not in LEVELS:
        raise ValueError(f"log level {level!r} is not one of: {', '.join(LEVELS)}")
    handler = _Handler(stream or sys.stderr)
    # A process started with descriptor 2 closed has no stderr: its lines are lost like those of a broken one.
    colour = bool(handler.stream and handler.stream.isatty()) and not os.environ.get("NO_COLOR")
    handler.setFormatter(JsonFormatter() if format == "json" else TextFormatter(colour))
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(max(LEVELS[level], logging.WARNING))
    logging.getLogger("bank_vaults").setLevel(LEVELS[level])
