"""What is wrong with documents, for people: where it is, what it is, what helps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from bank_vaults.configure.model import Place

Path = tuple[str | int, ...]
"""Names and numbers from the top of a document to a value: ``("auth", 1, "roles", 0)``."""


class Problem(NamedTuple):
    """One thing that is wrong, or odd. Never with a value of the document in it, only with names."""

    file: str
    line: int
    """From 1; 0 where it is the file as a whole."""
    column: int
    where: str
    """The element, as ``auth[1].roles[0]``; empty for the document as a whole."""
    sentence: str
    suggestion: str = ""
    rendered: bool = False
    """Whether the line is one of the rendered file, which has other lines than the file."""

    def __str__(self) -> str:
        place = f":{self.line}:{self.column}" if self.line else ""
        of_what = " (of the rendered file)" if self.rendered and self.line else ""
        where = f" {self.where}:" if self.where else ""
        suggestion = f"; {self.suggestion}" if self.suggestion else ""
        return f"{self.file}{place}{of_what}:{where} {self.sentence}{suggestion}"


class DocumentError(Exception):
    """Files that cannot be used; the text has a line for each of the problems."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class Reporter:
    """Collects what is found in one file."""

    def __init__(self, file: str, *, rendered: bool = False) -> None:
        """``rendered`` is whether places are of the rendered file."""
        self.file = file
        self._rendered = rendered
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []

    def problem(self, line: int, column: int, where: str | Path, sentence: str, suggestion: str = "") -> None:
        """Something that makes the file unusable."""
        self.problems.append(self._made(line, column, where, sentence, suggestion))

    def warning(self, line: int, column: int, where: str | Path, sentence: str, suggestion: str = "") -> None:
        """Something that is probably not what was meant."""
        self.warnings.append(self._made(line, column, where, sentence, suggestion))

    def place(self, line: int, column: int) -> Place:
        """A place in the file."""
        return Place(self.file, line, column)

    def _made(self, line: int, column: int, where: str | Path, sentence: str, suggestion: str) -> Problem:
        text = where if isinstance(where, str) else dotted(where)
        return Problem(self.file, line, column, text, sentence, suggestion, self._rendered)


def dotted(path: Path) -> str:
    """As people write it: ``auth[1].roles[0]``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
