"""What templates may reach outside: the rules of ``--template-allow`` and ``--template-deny``.

========================  ============================================================================
rule                      stands for
========================  ============================================================================
``env:GLOB``              environment variables, by ``env``, ``expandenv`` and ``.Env``
``file:PATH``             a file, or all below a directory, by ``file`` and ``blob`` of ``file://``
``blob:s3://BUCKET``      a bucket (``s3``, ``gs``) or container (``azblob``); with ``/PREFIX`` a part of it
``host:GLOB``             names given to ``getHostByName``, and servers that the URL of a blob names
``function:GLOB``         functions by any of their names; allowing one lets it reach everything
========================  ============================================================================

Without rules everything is allowed. A denial always wins. As soon as anything is allowed, whatever reaches
outside and is not allowed is refused; functions that only calculate are refused by a denial alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from bank_vaults.templating.errors import FunctionError

ALLOW_FLAG: Final = "--template-allow"
DENY_FLAG: Final = "--template-deny"
_SCHEMES: Final = ("s3", "gs", "azblob")
_SUBJECTS: Final = {
    "env": "the environment variable",
    "file": "the file",
    "blob": "the object",
    "host": "the host",
}
_ENVIRONMENT_FILE: Final = "environ"
"""As every process and thread has it below ``/proc``, which may be mounted elsewhere too."""


class Rule(NamedTuple):
    """One rule; ``written`` is how it was given, and ``pattern`` what it is compared with."""

    kind: str
    pattern: str
    written: str

    def covers(self, kind: str, subject: str) -> bool:
        """Whether the rule stands for this; a file is named by its real path."""
        if kind != self.kind:
            return False
        if kind == "file":
            return _is_below(subject, os.path.realpath(self.pattern))
        if kind == "blob":
            return _is_below(subject, self.pattern)
        return fnmatchcase(subject, self.pattern)


class Policy(NamedTuple):
    """All rules; none allows everything."""

    allowed: tuple[Rule, ...] = ()
    denied: tuple[Rule, ...] = ()

    def check_function(self, *names: str) -> None:
        """Raise FunctionError where the function itself is denied, by any of its names."""
        if rule := self.denial_of(names):
            raise FunctionError(f"the function is refused by {DENY_FLAG} {rule.written}")

    def check(self, function: str, kind: str, subject: str) -> None:
        """Raise FunctionError where a function may not reach this; ``kind`` is that of the rules.

        With the kind ``function`` nothing but a rule for the whole function can allow it. Files have a check
        of their own.
        """
        self._check(function, kind, subject, subject)

    def check_file(self, function: str, path: str) -> str | None:
        """As ``check`` of a file: its real path, which is what was looked at; None where there are no rules.

        Links may change as soon as this returns: what is read has to be the real path, and no link on it.
        """
        if not self.allowed and not self.denied:
            return None
        if "\0" in path:
            raise FunctionError(f"open {path!r}: invalid argument")
        real = os.path.realpath(path)
        self._check(function, "file", path, real)
        return real

    def _check(self, function: str, kind: str, written: str, subject: str) -> None:
        if not self.allowed and not self.denied:
            return
        self.check_function(function)
        what = f"{_SUBJECTS[kind]} {written}" if kind in _SUBJECTS else "the function"
        if kind == "file" and os.path.basename(subject) == _ENVIRONMENT_FILE and self._limits_environment():
            raise FunctionError(f"{what} is refused: it holds the environment, for which there are rules")
        for rule in self.denied:
            if rule.covers(kind, subject):
                raise FunctionError(f"{what} is refused by {DENY_FLAG} {rule.written}")
        if self.allowed and not any(
            rule.covers(kind, subject) or rule.covers("function", function) for rule in self.allowed
        ):
            raise FunctionError(f"{what} is refused: no {ALLOW_FLAG} allows it")

    def _limits_environment(self) -> bool:
        """Whether there is a variable that a template may not read."""
        if self.denial_of(("env",)) or any(rule.kind == "env" for rule in self.denied):
            return True
        return bool(self.allowed) and not any(
            rule.covers("function", "env") or (rule.kind == "env" and rule.pattern == "*")
            for rule in self.allowed
        )

    def denial_of(self, names: Iterable[str]) -> Rule | None:
        """The first rule that denies a function that has these names."""
        found = (rule for rule in self.denied if any(rule.covers("function", name) for name in names))
        return next(found, None)

    def permits(self, function: str, kind: str, subject: str) -> bool:
        """Whether ``check`` passes."""
        try:
            self.check(function, kind, subject)
        except FunctionError:
            return False
        return True


def policy(allow: Iterable[str], deny: Iterable[str]) -> Policy:
    """The policy of rules as they are written. Raises ValueError, which names flag and rule."""
    return Policy(
        tuple(_rule(ALLOW_FLAG, written) for written in allow),
        tuple(_rule(DENY_FLAG, written) for written in deny),
    )


def _rule(flag: str, written: str) -> Rule:
    kind, _, pattern = written.partition(":")
    if kind not in (*_SUBJECTS, "function") or not pattern:
        raise ValueError(
            f"{flag}: {written!r} is no rule: accepted are env:GLOB, file:PATH, blob:s3://BUCKET, host:GLOB "
            "and function:GLOB"
        )
    if kind == "file" and not os.path.isabs(pattern):
        raise ValueError(f"{flag}: {written!r} does not begin with / after the colon")
    if kind == "blob":
        scheme, _, rest = pattern.partition("://")
        if scheme not in _SCHEMES or not rest.strip("/"):
            accepted = ", ".join(f"{scheme}://" for scheme in _SCHEMES)
            raise ValueError(
                f"{flag}: {written!r} names no bucket: accepted are {accepted}; files have file:PATH"
            )
        pattern = pattern.rstrip("/")
    return Rule(kind, pattern, written)


def _is_below(path: str, place: str) -> bool:
    return path == place or path.startswith(place.rstrip("/") + "/")
