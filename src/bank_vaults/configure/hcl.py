"""HCL as policies are written in: whether it can be parsed, and whether two texts differ in layout only.

This is the syntax of version 1 of the language, which both servers read. What the words in a policy mean is
for the server to say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_DEEPEST: Final = 100

_TRUTHS: Final = ("true", "false")

_ESCAPED: Final = frozenset('abfnrtv\\"01234567xuU')

_PLAIN: Final = re.compile(
    r"(?P<space>[ \t\r\n]+)"
    r"|(?P<comment>\#[^\n]*|//[^\n]*|/\*.*?\*/)"
    r"|(?P<heredoc><<-?(?P<mark>[^\W\d]\w*)[ \t]*\r?\n.*?^[ \t]*(?P=mark)[ \t]*(?=\r?$))"
    r"|(?P<number>-?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))"
    r"|(?P<word>[^\W\d][\w.-]*)"
    r"|(?P<sign>[{}\[\]=,])",
    re.DOTALL | re.MULTILINE,
)


class Fault(NamedTuple):
    """Where a text cannot be parsed, counted from 1, and why."""

    line: int
    column: int
    sentence: str

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.sentence}"


_USUAL: Final = re.compile(
    r'(?:\s*path\s+"[^"\\\n$]+"\s*\{\s*capabilities\s*=\s*'
    r'\[\s*(?:"[a-z]+"\s*(?:,\s*"[a-z]+"\s*)*(?:,\s*)?)?\]\s*\})*\s*'
)
"""Nothing but paths with their capabilities, as most policies are: known to be right ten times as fast."""


class _Token(NamedTuple):
    kind: str
    text: str
    start: int


class _FaultyError(Exception):
    def __init__(self, start: int, sentence: str) -> None:
        super().__init__(sentence)
        self.start = start
        self.sentence = sentence


def check(text: str) -> Fault | None:
    """What is wrong with a text, or None. One that begins with a brace is JSON, as servers see it."""
    if text.lstrip().startswith("{"):
        try:
            json.loads(text)
        except json.JSONDecodeError as error:
            return Fault(error.lineno, error.colno, f"not JSON: {error.msg}")
        except (RecursionError, ValueError):
            return Fault(1, 1, "not JSON: nested too deep, or a number too long")
        return None
    if _USUAL.fullmatch(text):
        return None
    try:
        _Parser(text).document()
    except _FaultyError as error:
        line = text.count("\n", 0, error.start) + 1
        return Fault(line, error.start - text.rfind("\n", 0, error.start), error.sentence)
    return None


def same_text(one: str, other: str) -> bool:
    """Whether two texts are the same but for blanks, line ends and commas, which have no meaning."""
    if one == other:
        return True
    try:
        return _essence(one) == _essence(other)
    except _FaultyError:
        return False


def _essence(text: str) -> list[str]:
    """All that is neither blank nor comma. Raises _FaultyError."""
    essence = []
    for token in _tokens(text):
        if token.kind == "comment":
            essence.append("\n".join(line.strip() for line in token.text.splitlines()))
        elif token.kind == "heredoc":
            essence.append(token.text.replace("\r\n", "\n"))
        elif token.kind not in ("space", "end") and token.text != ",":
            essence.append(token.text)
    return essence


def _tokens(text: str) -> Iterator[_Token]:
    """Raises _FaultyError where nothing fits."""
    position = 0
    while position < len(text):
        if text[position] == '"':
            end = _end_of_string(text, position)
            yield _Token("string", text[position:end], position)
            position = end
            continue
        match = _PLAIN.match(text, position)
        if match is None:
            raise _FaultyError(position, _strange(text, position))
        yield _Token(match.lastgroup if match.lastgroup != "mark" else "heredoc", match[0], position)  # type: ignore[arg-type]
        position = match.end()
    yield _Token("end", "", position)


def _strange(text: str, position: int) -> str:
    if text.startswith("/*", position):
        return "a comment without an end"
    if text.startswith("<<", position):
        return "a heredoc without an end"
    return f"unexpected {text[position]!r}"


def _end_of_string(text: str, start: int) -> int:
    """Where a string ends; inside ``${ }`` quotes do not end it. Raises _FaultyError."""
    position, depth = start + 1, 0
    while position < len(text):
        letter = text[position]
        if letter == "\\" and depth == 0:
            position += 1
            if text[position : position + 1] not in _ESCAPED:
                raise _FaultyError(position - 1, "a backslash before a letter that means nothing")
        elif letter == '"' and depth == 0:
            return position + 1
        elif letter in "\n\0" and depth == 0:
            break
        elif text.startswith("${", position):
            depth += 1
            position += 1
        elif depth:
            depth += {"{": 1, "}": -1}.get(letter, 0)
        position += 1
    raise _FaultyError(start, "a text without an end")


class _Parser:
    """Of a whole text; every method raises _FaultyError."""

    def __init__(self, text: str) -> None:
        self._tokens = [token for token in _tokens(text) if token.kind not in ("space", "comment")]
        self._next = 0

    def document(self) -> None:
        self._members(None, 0)

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _members(self, opening: _Token | None, depth: int) -> None:
        """``key = value`` and ``key "name" { … }``, of braces until they are closed, else until the end."""
        while True:
            token = self._take()
            closes = token.kind == "sign" and token.text == "}"
            if closes if opening else token.kind == "end":
                return
            if opening and token.kind == "end":
                raise _FaultyError(opening.start, "a { without an end")
            if closes:
                raise _FaultyError(token.start, "a } without a beginning")
            if token.kind not in ("word", "string") or token.text in _TRUTHS:
                raise _FaultyError(token.start, f"a name is missing before {_name(token)}")
            self._member(depth)
            if self._peek().text == ",":
                self._take()

    def _member(self, depth: int) -> None:
        keys = 1
        while self._peek().kind in ("word", "string") and self._peek().text not in _TRUTHS:
            self._take()
            keys += 1
        token = self._take()
        if token.text == "=" and token.kind == "sign" and keys == 1:
            self._value(depth)
        elif token.text == "{" and token.kind == "sign":
            self._nested(token, depth)
        else:
            expected = "= or {" if keys == 1 else "{"
            raise _FaultyError(token.start, f"{expected} is missing before {_name(token)}")

    def _nested(self, token: _Token, depth: int) -> None:
        if depth >= _DEEPEST:
            raise _FaultyError(token.start, "nested too deep")
        self._members(token, depth + 1)

    def _value(self, depth: int) -> None:
        token = self._take()
        if token.kind in ("string", "number", "heredoc") or token.text in _TRUTHS:
            return
        if token.kind == "sign" and token.text == "{":
            self._nested(token, depth)
        elif token.kind == "sign" and token.text == "[":
            self._list(token, depth)
        else:
            raise _FaultyError(token.start, f"a value is missing before {_name(token)}")

    def _list(self, opening: _Token, depth: int) -> None:
        if depth >= _DEEPEST:
            raise _FaultyError(opening.start, "nested too deep")
        separated = True
        while True:
            token = self._peek()
            if token.text == ",":  # servers take any number of them
                separated = True
            elif token.text == "]":
                break
            elif not separated:
                raise _FaultyError(token.start, f"a comma or ] is missing before {_name(token)}")
            else:
                self._value(depth + 1)
                separated = False
                continue
            self._take()
        self._take()


def _name(token: _Token) -> str:
    return "the end" if token.kind == "end" else token.text if len(token.text) < 40 else f"the {token.kind}"
