"""The functions that every Go template has."""

from __future__ import annotations

from typing import Final

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.functions import Function, signature
from bank_vaults.templating.golang.printing import sprint, sprintln
from bank_vaults.templating.golang.values import (
    NO_VALUE,
    EachCharacter,
    Map,
    Uint8,
    Value,
    octets,
    type_of,
)
from bank_vaults.templating.language import compare
from bank_vaults.templating.language.calls import zero


def length(item: Value) -> int:
    """``len``: bytes of a string, elements of a list or map."""
    if item is NO_VALUE:
        raise FunctionError("reflect: call of reflect.Value.Type on zero Value")
    if item is None:
        raise FunctionError("len of nil pointer")
    if isinstance(item, str):
        return len(item) if item.isascii() else len(octets(item))
    if isinstance(item, (list, dict, bytes)):
        return len(item)
    raise FunctionError(f"len of type {_behind_pointer(item)}")


def _behind_pointer(item: Value) -> str:
    return type_of(item).removeprefix("*")


def index(item: Value, *indexes: Value) -> Value:
    """``index``: an element of an element of a list, map or string."""
    if item is None or item is NO_VALUE:
        raise FunctionError("index of untyped nil")
    for each in indexes:
        if item is None:
            raise FunctionError("index of nil pointer")
        if isinstance(item, dict):
            item = _of_map(item, each)
        elif isinstance(item, (list, str, bytes)):
            item = _of_list(item, each)
        else:
            raise FunctionError(f"can't index item of type {_behind_pointer(item)}")
    return item


def _of_map(item: dict[str, Value], key: Value) -> Value:
    if key is None or key is NO_VALUE:
        raise FunctionError("value is nil; should be of type string")
    if not isinstance(key, str):
        raise FunctionError(f"value has type {type_of(key)}; should be string")
    if key in item:
        return item[key]
    return zero(item.element) if isinstance(item, Map) else None


def _of_list(item: list[Value] | str | bytes, at: Value) -> Value:
    if at is None or at is NO_VALUE:
        raise FunctionError("cannot index slice/array with nil")
    if not isinstance(at, int) or isinstance(at, bool):
        raise FunctionError(f"cannot index slice/array with type {type_of(at)}")
    elements = octets(item) if isinstance(item, str) else item
    if not 0 <= at <= len(elements):
        raise FunctionError(f"index out of range: {int(at)}")
    if at == len(elements):
        raise FunctionError(f"reflect: {'string' if isinstance(item, str) else 'slice'} index out of range")
    return Uint8(elements[at]) if isinstance(elements, bytes) else elements[at]


def negated(value: Value) -> bool:
    """``not``"""
    return not compare.truth(value)


def printf(template: str, *values: Value) -> str:
    """``printf``"""
    from bank_vaults.templating.golang.printf import sprintf

    return sprintf(template, *values)


def _together(values: tuple[Value, ...]) -> str:
    """What the functions that escape are given, as one text."""
    return sprint(*("<no value>" if value is None else value for value in values))


def html(*values: Value) -> str:
    """``html``: the text with the characters escaped that HTML knows."""
    text = _together(values)
    limits.text_of(6 * len(text))
    return text.translate(_HTML)


def js(*values: Value) -> str:
    """``js``: the text as it may stand in a string of JavaScript."""
    text = _together(values)
    limits.text_of(6 * len(text))
    return text.translate(_IN_JAVASCRIPT)


def _javascript(character: str) -> str:
    if escaped := _JAVASCRIPT.get(character):
        return escaped
    code = ord(character)
    if code < 0x20 or (code > 0x7F and not character.isprintable() and not 0xDC80 <= code <= 0xDCFF):
        return f"\\u{code:04X}"
    return character


def urlquery(*values: Value) -> str:
    """``urlquery``: the text as it may stand in the query of a URL."""
    content = octets(_together(values))
    limits.text_of(3 * len(content))
    return content.decode("latin-1").translate(_IN_QUERY)


_HTML: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;", "\0": "\ufffd"}
)
_JAVASCRIPT: Final = {
    "\\": "\\\\",
    "'": "\\'",
    '"': '\\"',
    "<": "\\u003C",
    ">": "\\u003E",
    "&": "\\u0026",
    "=": "\\u003D",
}
_IN_JAVASCRIPT: Final = EachCharacter(_javascript)
_UNRESERVED: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~")
_IN_QUERY: Final = {octet: f"%{octet:02X}" for octet in range(256) if octet not in _UNRESERVED} | {0x20: "+"}


def _by_evaluator(*_: Value) -> Value:
    """Stands for the functions that do not simply take all of their arguments."""
    raise NotImplementedError


_FUNCTIONS: Final = {
    "and": ("func(reflect.Value, ...reflect.Value)", _by_evaluator),
    "or": ("func(reflect.Value, ...reflect.Value)", _by_evaluator),
    "call": ("func(reflect.Value, ...reflect.Value)", _by_evaluator),
    "not": ("func(reflect.Value)", negated),
    "len": ("func(reflect.Value)", length),
    "index": ("func(reflect.Value, ...reflect.Value)", index),
    "print": ("func(...interface {})", sprint),
    "println": ("func(...interface {})", sprintln),
    "printf": ("func(string, ...interface {})", printf),
    "html": ("func(...interface {})", html),
    "js": ("func(...interface {})", js),
    "urlquery": ("func(...interface {})", urlquery),
    "eq": ("func(reflect.Value, ...reflect.Value)", compare.equal),
    "ne": ("func(reflect.Value, reflect.Value)", compare.not_equal),
    "lt": ("func(reflect.Value, reflect.Value)", compare.less),
    "le": ("func(reflect.Value, reflect.Value)", compare.less_or_equal),
    "gt": ("func(reflect.Value, reflect.Value)", compare.greater),
    "ge": ("func(reflect.Value, reflect.Value)", compare.greater_or_equal),
}
_FOUND: Final[dict[str, Function]] = {
    name: Function(name, signature(written), call) for name, (written, call) in _FUNCTIONS.items()
}
AND: Final = _FOUND["and"]
OR: Final = _FOUND["or"]
CALL: Final = _FOUND["call"]


def lookup(name: str) -> Function | None:
    """The function of that name, None where the language has none."""
    return _FOUND.get(name)
