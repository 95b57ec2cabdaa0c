"""The values of all flags after parsing: immutable, typed on access."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from bank_vaults.domain.secrets import Secret

Value = bool | int | float | str | tuple[str, ...] | Mapping[str, str] | Secret | None
_T = TypeVar("_T")


class Settings:
    """Flag name (without dashes in front) to parsed value.

    Access through the getter of the flag's type; a wrong name or type is a programming error and raises
    KeyError or TypeError. Durations are seconds as float.
    """

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = dict(values)

    def _of(self, name: str, kind: type[_T]) -> _T:
        value = self._values[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise TypeError(f"--{name} is not of type {kind.__name__}")
        return value

    def text(self, name: str) -> str:
        """A string flag; empty when not set."""
        return self._of(name, str)

    def flag(self, name: str) -> bool:
        """A boolean flag."""
        return self._of(name, bool)

    def integer(self, name: str) -> int:
        """An integer flag."""
        return self._of(name, int)

    def seconds(self, name: str) -> float:
        """A duration flag, in seconds."""
        return self._of(name, float)

    def items(self, name: str) -> tuple[str, ...]:
        """A list flag."""
        return self._of(name, tuple)

    def mapping(self, name: str) -> Mapping[str, str]:
        """A map flag."""
        value = self._values[name]
        if not isinstance(value, Mapping):
            raise TypeError(f"--{name} is not a map")
        return value

    def secret(self, name: str) -> Secret | None:
        """A secret flag, from whatever source it came; None when not set."""
        value = self._values[name]
        if value is None:
            return None
        return self._of(name, Secret)
