"""Lines for people: on stdout and stderr, in colours where that is a terminal."""

from __future__ import annotations

import os
import sys
from typing import TextIO

_COLOURS = {"red": 31, "green": 32, "yellow": 33}


def say(text: str) -> None:
    """One line on stdout."""
    _write(sys.stdout, text)


def complain(text: str) -> None:
    """One line on stderr."""
    _write(sys.stderr, text)


def row(name: str, value: str) -> None:
    """One line of a table on stdout; ``name`` begins with blanks where it belongs to the line above."""
    say(f"{name:<11} {value}")


def coloured(text: str, colour: str) -> str:
    """The text in red, green or yellow if stdout is a terminal and NO_COLOR is not set."""
    if sys.stdout is None or not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


def _write(stream: TextIO | None, text: str) -> None:
    if stream is not None:  # None where the program was started with that descriptor closed
        stream.write(f"{text}\n")
        stream.flush()
