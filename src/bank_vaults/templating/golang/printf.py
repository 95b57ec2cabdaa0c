"""``fmt.Sprintf``: every verb and flag for the values that templates can have.

What does not fit is part of the text, as in Go: ``%!d(string=a)``, ``%!d(MISSING)``, ``%!(EXTRA int=1)``.
``%p`` of a list or map, an address in Go, and ``%d`` of a time, its inner fields in Go, are such parts too.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from bank_vaults.templating import limits
from bank_vaults.templating.golang.values import Value, type_of
from bank_vaults.templating.golang.verbs import Flags, Verbs

MAX_STAR: Final = 1_000_000
"""The largest width or precision that may come from an argument."""


def sprintf(template: str, *values: Value) -> str:
    """The values as the template says. Raises FunctionError where the result would be too long."""
    return _Printer(template, values).run()


class _Index(NamedTuple):
    """Which value is next, where its index ends in the template, and whether there is one."""

    value: int
    end: int
    given: bool


class _Printer:
    def __init__(self, template: str, values: tuple[Value, ...]) -> None:
        self._template = template
        self._values = values
        self._reordered = False
        self._good_index = True
        self._parts: list[str] = []
        self._size = 0

    def run(self) -> str:
        template = self._template
        position = following = 0
        while position < len(template):
            start = template.find("%", position)
            if start < 0:
                self._write(template[position:])
                break
            self._write(template[position:start])
            position, following = self._directive(start + 1, following)
        if not self._reordered and following < len(self._values):
            extra = (
                "<nil>" if value is None else f"{type_of(value)}={Verbs(Flags()).text(value, 'v')}"
                for value in self._values[following:]
            )
            self._write(f"%!(EXTRA {', '.join(extra)})")
        return "".join(self._parts)

    def _write(self, written: str) -> None:
        self._size += len(written)
        limits.text_of(self._size)
        self._parts.append(written)

    def _directive(self, position: int, following: int) -> tuple[int, int]:
        """Writes one directive, from behind its ``%``; where it ends, and which value is next."""
        template, end = self._template, len(self._template)
        flags = Flags()
        self._good_index = True
        while position < end and flags.take(template[position]):
            position += 1
        following, position, indexed = self._index(following, position)
        if template.startswith("*", position):
            width, following = self._star(following)
            position += 1
            indexed = False
            if width is None:
                self._write("%!(BADWIDTH)")
            else:
                flags.width = abs(width)
                if width < 0:
                    flags.minus, flags.zero = True, False
        else:
            flags.width, position = self._digits(position, end)
            if indexed and flags.width >= 0:
                self._good_index = False  # "%[3]2d"
        if position + 1 < end and template[position] == ".":
            if indexed:
                self._good_index = False  # "%[3].2d"
            following, position, indexed = self._index(following, position + 1)
            if template.startswith("*", position):
                precision, following = self._star(following)
                position += 1
                indexed = False
                if precision is None or precision < 0:
                    self._write("%!(BADPREC)")
                else:
                    flags.precision = precision
            else:
                flags.precision, position = self._digits(position, end)
                flags.precision = max(flags.precision, 0)
        if not indexed:
            following, position, _ = self._index(following, position)
        if position >= end:
            self._write("%!(NOVERB)")
            return position, following
        verb = template[position]
        if verb == "%":
            self._write("%")
        elif not self._good_index:
            self._write(f"%!{verb}(BADINDEX)")
        elif following >= len(self._values):
            self._write(f"%!{verb}(MISSING)")
        else:
            if verb == "v":
                flags.for_values()
            value = self._values[following]
            self._write(Verbs(flags).text(value, verb))
            following += 1
        return position + 1, following

    def _digits(self, position: int, end: int) -> tuple[int, int]:
        """The number there, -1 where there is none, and where it ends."""
        number = -1
        while position < end and "0" <= self._template[position] <= "9":
            if number > MAX_STAR:
                return -1, end
            number = max(number, 0) * 10 + int(self._template[position])
            position += 1
        return number, position

    def _index(self, following: int, position: int) -> _Index:
        """An index in brackets, ``%[2]d``, where there is one."""
        template = self._template
        if not template.startswith("[", position):
            return _Index(following, position, False)
        self._reordered = True
        close = template.find("]", position)
        if close < 0 or len(template) - position < 3:
            self._good_index = False
            return _Index(following, position + 1, False)
        number, end = self._digits(position + 1, close)
        if number < 0 or end != close:
            self._good_index = False
            return _Index(following, close + 1, False)
        if not 1 <= number <= len(self._values):
            self._good_index = False
            return _Index(following, close + 1, True)
        return _Index(number - 1, close + 1, True)

    def _star(self, following: int) -> tuple[int | None, int]:
        """A width or precision from the values, None where it is no such, and which value is next."""
        if following >= len(self._values):
            return None, following
        value = self._values[following]
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) > MAX_STAR:
            return None, following + 1
        return int(value), following + 1
