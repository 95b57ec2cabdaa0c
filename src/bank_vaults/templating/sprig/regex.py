r"""sprig's regular expressions, by RE2 itself, with Go's own replacement templates and error texts.

RE2 and Go's ``regexp`` share syntax and meaning, but for what is refused here: ``\C``, names of groups
beyond ASCII, and numbers of repetitions that RE2 takes for literal text. Their tables of characters differ in
627 ideographs of Unicode 15.1, and in that ``\pC`` has the code points without a character in Go only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final
from unicodedata import category

import re2  # type: ignore[import-untyped]

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.strconv import quote
from bank_vaults.templating.golang.values import NilSlice, Slice, Value
from bank_vaults.templating.sprig.cases import WITHOUT_STRAYS, is_stray
from bank_vaults.templating.sprig.convert import whole

_GO_MESSAGES: Final = {
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid repetition size": "invalid repeat count",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid named capture group": "invalid named capture",
    "trailing \\": "trailing backslash at end of expression",
}
_TOO_LARGE: Final = "pattern too large - compile failed"
_PATIENCE: Final = 5.0
"""Seconds of the processor that all matches of one pattern in one text may take."""
_MOST_PARTS: Final = 10_000
"""Of a result, before they are joined."""
_MAX_WORK: Final = 4_000_000_000
"""Steps of the pattern times bytes of the text, what one search takes at worst."""
_SPECIAL: Final = {ord(each): f"\\{each}" for each in "\\.+*?()|[]{}^$"}


class _PatternError(FunctionError):
    """A text is no regular expression of Go's; ``doubtful`` where it may be one, but none of RE2's."""

    def __init__(self, message: str, *, doubtful: bool = False) -> None:
        super().__init__(message)
        self.doubtful = doubtful


_Pattern = Any
"""A compiled pattern of RE2, which has no types."""


@lru_cache(maxsize=16)
def _compiled(pattern: str) -> _Pattern:
    try:
        pattern.encode()
    except UnicodeEncodeError:
        part = pattern[next(at for at, each in enumerate(pattern) if is_stray(each)) :]
        raise _PatternError(f"error parsing regexp: invalid UTF-8: `{part}`") from None
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(pattern.encode(), options)
    except re2.error as error:
        reason, _, part = error.args[0].decode().partition(": ")
        if reason == _TOO_LARGE:
            raise _PatternError("the regular expression is too large", doubtful=True) from None
        message = f"error parsing regexp: {_GO_MESSAGES.get(reason, reason)}: `{part}`"
        # Go knows more names of classes.
        raise _PatternError(message, doubtful=part.startswith(("\\p{", "\\P{"))) from None
    _refuse_what_go_has_not(pattern)
    return compiled


def _refuse_what_go_has_not(pattern: str) -> None:
    """Raises _PatternError for what RE2 takes and Go does not; the pattern is good for RE2."""
    position = 0
    while position < len(pattern):
        character = pattern[position]
        if pattern.startswith("\\Q", position):
            end = pattern.find("\\E", position)
            position = len(pattern) if end < 0 else end + 2
        elif pattern.startswith("\\C", position):
            raise _PatternError("error parsing regexp: invalid escape sequence: `\\C`")
        elif pattern.startswith(("\\x{", "\\p{", "\\P{"), position):
            position = pattern.index("}", position) + 1
        elif character == "\\":
            position += 2
        elif character == "[":
            position = _past_class(pattern, position)
        elif pattern.startswith(("(?P<", "(?<"), position):
            group = pattern[position : pattern.find(">", position) + 1]
            if not group.isascii():
                raise _PatternError(f"error parsing regexp: invalid named capture: `{group}`")
            position += len(group)
        elif character == "{":
            count, brace, _ = pattern[position + 1 :].partition("}")
            # RE2 takes what is far too large for literal text.
            if brace and any(len(each.lstrip("0")) > 4 and _is_number(each) for each in count.split(",", 1)):
                raise _PatternError(f"error parsing regexp: invalid repeat count: `{{{count}}}`")
            position += 1
        else:
            position += 1


def _is_number(string: str) -> bool:
    return string.isascii() and string.isdigit()


def _past_class(pattern: str, position: int) -> int:
    """Behind the bracket that closes the class of characters which begins there."""
    position += 2 if pattern.startswith("[^", position) else 1
    first = True
    while first or pattern[position] != "]":
        first = False
        if pattern[position] == "\\":
            position += 2
        elif pattern.startswith("[:", position) and ":]" in pattern[position + 2 :]:
            position = pattern.index(":]", position + 2) + 2
        else:
            position += 1
    return position + 1


def _must_compile(pattern: str) -> _Pattern:
    """As the functions without ``must`` do it, whose errors name the whole pattern."""
    try:
        return _compiled(pattern)
    except _PatternError as error:
        raise FunctionError(f"regexp: Compile({_quoted(pattern)}): {error}") from None


def _quoted(pattern: str) -> str:
    """In back-ticks where nothing in it needs an escape."""
    if any((each < " " and each != "\t") or each in "`\x7f\ufeff" or is_stray(each) for each in pattern):
        return quote(pattern)
    return f"`{pattern}`"


class _Subject:
    """A text to look for patterns in: to a pattern every byte that is no UTF-8 is U+FFFD, as in Go."""

    def __init__(self, pattern: _Pattern, string: str) -> None:
        """Raises FunctionError where the text is too long for the pattern."""
        self._string = string
        self._has_strays = not string.isascii() and any(map(is_stray, string))
        self.shown = (string.translate(WITHOUT_STRAYS) if self._has_strays else string).encode()
        if pattern.programsize * len(self.shown) > _MAX_WORK:
            raise FunctionError("the regular expression is too large for so long a text")

    def part(self, start: int, end: int) -> str:
        """What stands between two places in ``shown``."""
        if not self._has_strays:
            return self.shown[start:end].decode()
        first = len(self.shown[:start].decode())
        return self._string[first : first + len(self.shown[start:end].decode())]

    def group(self, found: Any, number: int) -> str:
        """What a group of a match found, empty where it took no part."""
        start, end = found.span(number)
        return "" if start < 0 else self.part(start, end)


def _matches(pattern: _Pattern, subject: _Subject, most: int) -> Iterator[Any]:
    """The matches from left to right; an empty one right behind another does not count.

    Raises FunctionError where that takes too long: the work can grow with the square of the text's length.
    """
    deadline = time.thread_time() + _PATIENCE
    shown = subject.shown
    position = 0
    previous_end = -1
    found = 0
    while position <= len(shown) and found != most:
        if time.thread_time() > deadline:
            raise FunctionError(f"the regular expression takes more than {_PATIENCE:g} seconds")
        match = _search(pattern, shown, position)
        if match is None:
            return
        start, end = match.span()
        if start == end == previous_end:
            position = _next_character(shown, end)
            continue
        found += 1
        yield match
        previous_end = end
        position = end if end > start else _next_character(shown, end)


def _search(pattern: _Pattern, shown: bytes, position: int) -> Any:
    """The first match from there on; unlike RE2, Go does not look within characters."""
    while True:
        found = pattern.search(shown, position)
        if found is None or not _is_within(shown, found.start()):
            return found
        position = _next_character(shown, found.start())


def _is_within(shown: bytes, position: int) -> bool:
    return position < len(shown) and shown[position] & 0xC0 == 0x80


def _next_character(subject: bytes, position: int) -> int:
    position += 1
    while _is_within(subject, position):
        position += 1
    return position


def must_match(pattern: str, string: str) -> bool:
    """Whether the pattern is found. Raises FunctionError for a pattern that is none, as all with ``must``."""
    return _is_found(_compiled(pattern), string)


def match(pattern: str, string: str) -> bool:
    """Whether the pattern is found; false where it is none.

    Raises FunctionError where RE2 refuses what Go may take.
    """
    try:
        return must_match(pattern, string)
    except _PatternError as error:
        if error.doubtful:
            raise
        return False


def _is_found(pattern: _Pattern, string: str) -> bool:
    return _search(pattern, _Subject(pattern, string).shown, 0) is not None


def _find(pattern: _Pattern, string: str) -> str:
    subject = _Subject(pattern, string)
    found = _search(pattern, subject.shown, 0)
    return "" if found is None else subject.group(found, 0)


def _find_all(pattern: _Pattern, string: str, most: int) -> Slice:
    subject = _Subject(pattern, string)
    found: list[str] = []
    for each in _matches(pattern, subject, most):
        limits.items_of(len(found) + 1)
        found.append(subject.group(each, 0))
    return Slice(found, "string") if found else NilSlice("string")


def _replaced(pattern: _Pattern, string: str, replacement: Callable[[_Subject, Any], str]) -> str:
    subject = _Subject(pattern, string)
    done: list[str] = []
    parts: list[str] = []
    length = len(string)
    end = 0
    for each in _matches(pattern, subject, -1):
        parts += (subject.part(end, each.start()), replacement(subject, each))
        length += len(parts[-1])
        limits.text_of(length)
        end = each.end()
        if len(parts) > _MOST_PARTS:
            # A short part takes sixty bytes more than it has characters.
            done.append("".join(parts))
            parts.clear()
    return whole("".join((*done, *parts, subject.part(end, len(subject.shown)))))


def _replace_all(pattern: _Pattern, string: str, template: str) -> str:
    parts = _template_parts(template, pattern.groupindex, pattern.groups)

    def expanded(subject: _Subject, found: Any) -> str:
        return "".join(part if isinstance(part, str) else subject.group(found, part) for part in parts)

    return _replaced(pattern, string, expanded)


def _replace_all_literal(pattern: _Pattern, string: str, replacement: str) -> str:
    return _replaced(pattern, string, lambda *_: replacement)


def _template_parts(template: str, names: Mapping[bytes, int], groups: int) -> list[str | int]:
    """The template as texts that stay and numbers of groups to put there; a group there is not is empty."""
    parts: list[str | int] = []
    end = 0
    while (dollar := template.find("$", end)) >= 0:
        parts.append(template[end:dollar])
        if template.startswith("$", dollar + 1):
            parts.append("$")
            end = dollar + 2
            continue
        name, end = _group_name(template, dollar + 1)
        if not name:
            parts.append("$")
        elif _is_number(name) and (name == "0" or name[0] != "0"):
            if len(name) < 9 and int(name) <= groups:
                parts.append(int(name))
        elif name.encode() in names:
            parts.append(names[name.encode()])
    return [*parts, template[end:]]


def _group_name(template: str, at: int) -> tuple[str, int]:
    """The group, plain or in braces, that is named there, and where that ends; empty for none."""
    braced = template.startswith("{", at)
    start = end = at + braced
    while end < len(template) and (
        template[end] == "_" or category(template[end])[0] == "L" or category(template[end]) == "Nd"
    ):
        end += 1
    if braced and (end == start or template[end : end + 1] != "}"):
        return "", at
    return template[start:end], end + braced


def _split(pattern: _Pattern, string: str, most: int) -> Slice:
    subject = _Subject(pattern, string)
    if most == 0:
        return NilSlice("string")
    if pattern.pattern and not string:
        return Slice([""], "string")
    parts: list[str] = []
    start = end = 0
    for each in _matches(pattern, subject, most):
        if len(parts) + 1 == most:
            break
        limits.items_of(len(parts) + 1)
        end = each.start()
        if each.end():
            parts.append(subject.part(start, end))
        start = each.end()
    if end != len(subject.shown):
        parts.append(subject.part(start, len(subject.shown)))
    return Slice(parts, "string")


def quote_meta(string: str) -> str:
    """The text as a pattern that finds just that text."""
    return string.translate(_SPECIAL)


_Call = Callable[..., Value]


def _with_must(call: _Call) -> _Call:
    def must(pattern: str, *others: Value) -> Value:
        return call(_compiled(pattern), *others)

    return must


def _without_must(call: _Call) -> _Call:
    """Fails as well, in other words."""

    def plain(pattern: str, *others: Value) -> Value:
        return call(_must_compile(pattern), *others)

    return plain


_BOTH: Final[Mapping[str, _Call]] = {
    "RegexFindAll": _find_all,
    "RegexFind": _find,
    "RegexReplaceAll": _replace_all,
    "RegexReplaceAllLiteral": _replace_all_literal,
    "RegexSplit": _split,
}

FUNCTIONS: Final[Mapping[str, _Call]] = {
    "regexMatch": match,
    "mustRegexMatch": must_match,
    "regexQuoteMeta": quote_meta,
    **{f"r{name[1:]}": _without_must(call) for name, call in _BOTH.items()},
    **{f"must{name}": _with_must(call) for name, call in _BOTH.items()},
}
