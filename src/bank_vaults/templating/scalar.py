"""The safe mode: the document is parsed first, and each of its texts is a template of its own.

What a template prints becomes the content of its text, in quotes, whatever characters it has: a value can
never end its text and add members, and is never taken for a number or a boolean. (With a tag it is one:
``port: !!int "${ env `PORT` }"``.) Comments, and all that is not a text with an action, stay as they are.

An action cannot reach from one text to another, or stand between texts: no ``if`` around members of a map.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from bank_vaults.templating.errors import TemplateError

_JSON_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_LONGEST_NAME: Final = 1000
"""Characters; YAML takes a longer one for no name of a member."""
_ESCAPED: Final = re.compile('["\\\\\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]')


class _Span(NamedTuple):
    """A text of the document: where it stands, what it says, and what has to stand behind it."""

    start: int
    end: int
    content: str
    ending: str
    is_name: bool


def render(source: str, left: str, template: Callable[[str], str]) -> str:
    """The document with every text that holds the left delimiter replaced by what ``template`` makes of it.

    ``source`` is JSON or YAML. Raises TemplateError with line and column in the document.
    """
    source = source.removeprefix("\ufeff")  # positions would not count it
    found = _json_spans(source) if _is_json(source) else _yaml_spans(source, left)
    spans = [span for span in found if left in span.content]
    parts, done = [], 0
    for span in spans:
        parts += [source[done : span.start], _rendered(source, span, template), span.ending]
        done = span.end
    return "".join(parts) + source[done:]


def _rendered(source: str, span: _Span, template: Callable[[str], str]) -> str:
    try:
        written = _quoted(template(span.content))
    except (TemplateError, ValueError) as error:
        raise _at(source, span.start, f"each text is a template of its own in this mode: {error}") from None
    if span.is_name and len(written) > _LONGEST_NAME:
        raise _at(source, span.start, f"the name of a member would have more than {_LONGEST_NAME} characters")
    return written


def _quoted(text: str) -> str:
    """In double quotes, the same in JSON and in YAML. Raises ValueError for bytes that are no UTF-8."""

    def escaped(match: re.Match[str]) -> str:
        character = match[0]
        if "\ud800" <= character <= "\udfff":
            raise ValueError("the result is not UTF-8")
        return f"\\{character}" if character in '"\\' else f"\\u{ord(character):04x}"

    return f'"{_ESCAPED.sub(escaped, text)}"'


def _is_json(source: str) -> bool:
    try:
        json.loads(source)
    except (ValueError, RecursionError):
        return False
    return True


def _json_spans(source: str) -> Iterator[_Span]:
    for match in _JSON_STRING.finditer(source):
        yield _Span(match.start(), match.end(), json.loads(match[0], strict=False), "", is_name=False)


def _yaml_spans(source: str, left: str) -> Iterator[_Span]:
    import yaml  # only where it is no JSON

    from bank_vaults.templating import yaml12

    try:
        for _ in yaml.parse(source, Loader=yaml.CBaseLoader):
            pass
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        found = yaml12.explained(error, source)
        raise TemplateError(
            f"{found}; in this mode the file has to be YAML or JSON before it is rendered, with every action "
            "inside a quoted text"
        ) from None
    before = None
    action = source.find(left)
    # One after the other: a list of them would take a hundred times as much memory as the document.
    for token in yaml.scan(source, Loader=yaml.CBaseLoader):
        start, end = token.start_mark.index, token.end_mark.index
        text = token if isinstance(token, yaml.ScalarToken) else None
        while 0 <= action < end:
            behind = action + len(left)
            if start < behind and not (text and start <= action and behind <= end):
                raise _at(source, action, "an action stands outside of a text: put the text in quotes")
            action = source.find(left, behind)
        if text:
            is_block = text.style in ("|", ">")
            # As many lines as before, so that positions of what comes behind stay right.
            ending = "\n" * source.count("\n", start, end) if is_block else ""
            yield _Span(start, end, text.value, ending, isinstance(before, yaml.KeyToken))
        before = token


def _at(source: str, position: int, sentence: str) -> TemplateError:
    line, column = source.count("\n", 0, position) + 1, position - source.rfind("\n", 0, position)
    return TemplateError(f"line {line}, column {column}: {sentence}")
