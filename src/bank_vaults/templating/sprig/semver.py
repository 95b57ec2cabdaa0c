"""sprig's functions for semantic versions, with the rules of Go's Masterminds/semver 3."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.values import Methods, Object, Uint64, Value, bound, octets

MAX_LENGTH: Final = 1024
"""Characters of a version or constraint; to find ranges takes time by the square of the length."""

_BIGGEST: Final = (1 << 64) - 1
_IDENTIFIERS: Final = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_SUFFIXES: Final = rf"(?:-({_IDENTIFIERS}))?(?:\+({_IDENTIFIERS}))?"
_VERSION: Final = re.compile(rf"v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?{_SUFFIXES}")
_PARTIAL: Final = re.compile(rf"v?([0-9|xX*]+)(?:\.([0-9|xX*]+))?(?:\.([0-9|xX*]+))?{_SUFFIXES}")
_RANGE: Final = re.compile(rf"({_PARTIAL.pattern})[\t\n\f\r ]+-[\t\n\f\r ]+({_PARTIAL.pattern})")
_OPERATOR: Final = re.compile(r"!=|>=|=>|<=|=<|~>|[=><~^]|")
_SPACES: Final = "\t\n\f\r "
_WILD: Final = ("x", "X", "*", None)


class VersionValue(Object):
    """A version as such: what methods that change one of its parts answer."""

    go_type = "semver.Version"
    kind = "struct"
    hidden = frozenset({"major", "minor", "patch", "pre", "metadata", "original"})

    def __init__(self, parts: tuple[int, int, int], prerelease: str, metadata: str) -> None:
        self.parts = parts
        self.prerelease = prerelease
        self.metadata = metadata

    def methods(self) -> Methods:
        return bound(self, _OF_VALUE)

    def go_string(self) -> str:
        text = ".".join(map(str, self.parts))
        if self.prerelease:
            text += f"-{self.prerelease}"
        return f"{text}+{self.metadata}" if self.metadata else text

    def compared(self, other: VersionValue) -> int:
        """-1 where it is lower than the other, 1 where it is higher; metadata does not count."""
        if self.parts != other.parts:
            return 1 if self.parts > other.parts else -1
        return _compared_prereleases(self.prerelease, other.prerelease)

    def next(self, place: int) -> VersionValue:
        """The next major (0), minor (1) or patch (2) version; a prerelease is followed by its own patch."""
        if place == 2 and self.prerelease:
            return VersionValue(self.parts, "", "")
        raised = (self.parts[place] + 1) & _BIGGEST
        major, minor, patch = (*self.parts[:place], raised, 0, 0)[:3]
        return VersionValue((major, minor, patch), "", "")

    def with_prerelease(self, prerelease: str) -> VersionValue:
        """The same with another prerelease. Raises FunctionError."""
        if prerelease:
            limits.input_of("the prerelease", len(prerelease), MAX_LENGTH)
            _check_identifiers(prerelease, "Invalid Prerelease string")
            _check_numbers(prerelease)
        return VersionValue(self.parts, prerelease, self.metadata)

    def with_metadata(self, metadata: str) -> VersionValue:
        """The same with other metadata. Raises FunctionError."""
        if metadata:
            limits.input_of("the metadata", len(metadata), MAX_LENGTH)
            _check_identifiers(metadata, "Invalid Metadata string")
        return VersionValue(self.parts, self.prerelease, metadata)


class Version(VersionValue):
    """A version as it was read: in Go a pointer, which is why two are never the same."""

    go_type = "*semver.Version"
    kind = "ptr"

    def __init__(self, original: str, parts: tuple[int, int, int], prerelease: str, metadata: str) -> None:
        super().__init__(parts, prerelease, metadata)
        self.original = original

    def methods(self) -> Methods:
        return bound(self, _OF_POINTER)


_OF_VALUE: Final[Methods] = {
    "IncMajor": ("func() semver.Version", lambda v: v.next(0)),
    "IncMinor": ("func() semver.Version", lambda v: v.next(1)),
    "IncPatch": ("func() semver.Version", lambda v: v.next(2)),
    "Major": ("func() uint64", lambda v: Uint64(v.parts[0])),
    "MarshalJSON": ("func() ([]uint8, error)", lambda v: octets(f'"{v.go_string()}"')),
    "MarshalText": ("func() ([]uint8, error)", lambda v: octets(v.go_string())),
    "Metadata": ("func() string", lambda v: v.metadata),
    "Minor": ("func() uint64", lambda v: Uint64(v.parts[1])),
    "Patch": ("func() uint64", lambda v: Uint64(v.parts[2])),
    "Prerelease": ("func() string", lambda v: v.prerelease),
    "SetMetadata": ("func(string) (semver.Version, error)", VersionValue.with_metadata),
    "SetPrerelease": ("func(string) (semver.Version, error)", VersionValue.with_prerelease),
    "String": ("func() string", VersionValue.go_string),
    "Value": ("func() (driver.Value, error)", VersionValue.go_string),
}
_COMPARES: Final = "func(*semver.Version) bool"
_OF_POINTER: Final[Methods] = {
    **_OF_VALUE,
    "Compare": ("func(*semver.Version) int", Version.compared),
    "Equal": (_COMPARES, lambda v, o: v.compared(o) == 0),
    "GreaterThan": (_COMPARES, lambda v, o: v.compared(o) > 0),
    "GreaterThanEqual": (_COMPARES, lambda v, o: v.compared(o) >= 0),
    "LessThan": (_COMPARES, lambda v, o: v.compared(o) < 0),
    "LessThanEqual": (_COMPARES, lambda v, o: v.compared(o) <= 0),
    "Original": ("func() string", lambda v: v.original),
}


def _check_identifiers(text: str, message: str) -> None:
    if any(not (each.isascii() and (each.isalnum() or each in "-.")) for each in text):
        raise FunctionError(message)


def _check_numbers(prerelease: str) -> None:
    for part in prerelease.split("."):
        if len(part) > 1 and part[0] == "0" and part.isdigit():
            raise FunctionError("Version segment starts with 0")


def _compared_prereleases(left: str, right: str) -> int:
    """As versions are compared by their prereleases; one without is the higher."""
    if left == right:
        return 0
    if not left or not right:
        return 1 if not left else -1
    lefts, rights = left.split("."), right.split(".")
    for a, b in zip(lefts, rights, strict=False):
        if a != b:
            return _compared_parts(a, b)
    return 1 if len(lefts) > len(rights) else -1


def _compared_parts(left: str, right: str) -> int:
    """Numbers by their size and lower than words; what uint64 cannot hold is a word."""
    a, b = _small(left), _small(right)
    if a is not None and b is not None:
        return (a > b) - (a < b)
    if a is None and b is None:
        return 1 if left > right else -1
    if not left or not right:
        return 1 if left else -1
    return 1 if a is None else -1


def _small(text: str) -> int | None:
    if not text.isdigit() or len(text.lstrip("0")) > 20:
        return None
    number = int(text.lstrip("0") or "0")
    return number if number <= _BIGGEST else None


def semver(text: str) -> Version:
    """Read a version; parts may be missing, and ``v`` may stand in front. Raises FunctionError."""
    limits.input_of("the version", len(text), MAX_LENGTH)
    found = _VERSION.fullmatch(text)
    if found is None:
        raise FunctionError("Invalid Semantic Version")
    numbers = []
    for written in found.groups()[:3]:
        number = _small(written or "0")
        if number is None:
            reason = f'strconv.ParseUint: parsing "{written}": value out of range'
            raise FunctionError(f"Error parsing version segment: {reason}")
        numbers.append(number)
    major, minor, patch = numbers
    prerelease = found[4] or ""
    _check_numbers(prerelease)
    return Version(text, (major, minor, patch), prerelease, found[5] or "")


class _Constraint(NamedTuple):
    """One comparison, with what of its version was left open."""

    operator: str
    version: VersionValue
    open_major: bool
    open_minor: bool
    open_patch: bool

    @property
    def is_open(self) -> bool:
        return self.open_major or self.open_minor or self.open_patch

    def allows(self, version: VersionValue) -> bool:
        """Whether the version fulfils it."""
        check = _CHECKS[self.operator]
        if check is _differs and not self.is_open:
            return version.compared(self.version) != 0
        # Prereleases count only where the constraint names one.
        return (not version.prerelease or bool(self.version.prerelease)) and check(self, version)


def _is_greater(constraint: _Constraint, version: VersionValue) -> bool:
    major, minor, _ = constraint.version.parts
    if version.parts[0] == major:
        if constraint.open_minor:
            return False
        if constraint.open_patch:
            return version.parts[1] > minor
    return version.compared(constraint.version) > 0


def _is_less(constraint: _Constraint, version: VersionValue) -> bool:
    return version.compared(constraint.version) < 0


def _is_at_least(constraint: _Constraint, version: VersionValue) -> bool:
    return version.compared(constraint.version) >= 0


def _is_at_most(constraint: _Constraint, version: VersionValue) -> bool:
    if not constraint.is_open:
        return version.compared(constraint.version) <= 0
    major, minor, _ = constraint.version.parts
    if version.parts[0] != major:
        return version.parts[0] < major
    return constraint.open_minor or version.parts[1] <= minor


def _is_near(constraint: _Constraint, version: VersionValue) -> bool:
    """``~1.2``: from there up to the next minor version."""
    if version.compared(constraint.version) < 0:
        return False
    if constraint.version.parts == (0, 0, 0) and not constraint.open_minor and not constraint.open_patch:
        return True
    major, minor, _ = constraint.version.parts
    return version.parts[0] == major and (constraint.open_minor or version.parts[1] == minor)


def _is_compatible(constraint: _Constraint, version: VersionValue) -> bool:
    """``^1.2``: from there up to the next version that may break."""
    if version.compared(constraint.version) < 0:
        return False
    major, minor, _ = constraint.version.parts
    if major > 0 or constraint.open_minor:
        return version.parts[0] == major
    if minor > 0 or constraint.open_patch:
        return version.parts[:2] == (major, minor)
    return version.parts == constraint.version.parts


def _is_same(constraint: _Constraint, version: VersionValue) -> bool:
    return _is_near(constraint, version) if constraint.is_open else version.compared(constraint.version) == 0


def _differs(constraint: _Constraint, version: VersionValue) -> bool:
    """``!=1.2``: outside of what ``1.2`` stands for, and with a prerelease in it those with another one."""
    if constraint.open_major:
        return version.compared(constraint.version) != 0
    major, minor, _ = constraint.version.parts
    if version.parts[0] != major:
        return True
    if constraint.open_minor:
        return False
    wanted = constraint.version.prerelease
    return version.parts[1] != minor or (bool(wanted) and version.prerelease != wanted)


_CHECKS: Final[Mapping[str, Callable[[_Constraint, VersionValue], bool]]] = {
    "": _is_same,
    "=": _is_same,
    "!=": _differs,
    ">": _is_greater,
    "<": _is_less,
    ">=": _is_at_least,
    "=>": _is_at_least,
    "<=": _is_at_most,
    "=<": _is_at_most,
    "~": _is_near,
    "~>": _is_near,
    "^": _is_compatible,
}


def _constraints(text: str) -> list[_Constraint]:
    """Read what has to hold together: comparisons with spaces or commas between. Raises FunctionError."""
    improper = FunctionError(f"improper constraint: {text}")
    found = []
    at = 0
    while True:
        operator = _matched(_OPERATOR, text, _after_spaces(text, at), improper)
        version = _matched(_PARTIAL, text, _after_spaces(text, operator.end()), improper)
        found.append((operator[0], version))
        at = _after_spaces(text, version.end())
        if at == len(text):
            break
        if text[at] == ",":
            at += 1
        elif at == version.end():
            raise improper
    return [_constraint(operator, version) for operator, version in found]


def _matched(pattern: re.Pattern[str], text: str, at: int, otherwise: FunctionError) -> re.Match[str]:
    found = pattern.match(text, at)
    if found is None:
        raise otherwise
    return found


def _after_spaces(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACES:
        at += 1
    return at


def _constraint(operator: str, found: re.Match[str]) -> _Constraint:
    major, minor, patch, prerelease, metadata = found.groups()
    open_major = major in _WILD
    open_minor = not open_major and minor in _WILD
    open_patch = not open_major and not open_minor and patch in _WILD
    if open_major:
        major, minor, patch = "0", "0", "0"
    elif open_minor:
        minor, patch = "0", "0"
    elif open_patch:
        patch = "0"
    written = f"{major}.{minor}.{patch}" + (f"-{prerelease}" if prerelease else "")
    try:
        version = semver(written + (f"+{metadata}" if metadata else ""))
    except FunctionError:
        raise FunctionError("constraint Parser Error") from None
    return _Constraint(operator, version, open_major, open_minor, open_patch)


def _with_ranges_written_out(text: str) -> str:
    """``1.2 - 1.4`` as ``>= 1.2, <= 1.4``."""
    parts = []
    done = 0
    for found in _RANGE.finditer(text):
        parts.append(text[done : found.start()].rstrip(_SPACES))
        parts.append(f">= {found[1]}, <= {found[7]} ")
        done = _after_spaces(text, found.end())
    return "".join(parts) + text[done:]


def semver_compare(constraint: str, version: str) -> bool:
    """Whether the version fulfils the constraint. Raises FunctionError where either cannot be read."""
    limits.input_of("the constraint", len(constraint), MAX_LENGTH)
    alternatives = [_constraints(each) for each in _with_ranges_written_out(constraint).split("||")]
    wanted = semver(version)
    return any(all(each.allows(wanted) for each in together) for together in alternatives)


FUNCTIONS: Final[Mapping[str, Callable[..., Value]]] = {"semver": semver, "semverCompare": semver_compare}
