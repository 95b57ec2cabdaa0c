"""Go's values in Python: which Python object stands for a value of which Go type.

==========================  =======================================================
Go                          Python
==========================  =======================================================
nil in an interface         ``None``
no value (reflect's zero)   ``NO_VALUE``: what a map gives for a key it does not have
bool, string                ``bool``, ``str``; bytes that are no UTF-8 as surrogates (PEP 383), see ``text``
int, float64, complex128    ``int``, ``float``, ``complex``
int64, uint8, …             subclasses of ``Sized``
[]byte                      ``bytes``
[]interface {}              ``list``
[]string, []int, …          ``Slice`` with its ``element`` type
a nil slice                 ``NilSlice``, of ``[]interface {}`` too
map[string]interface {}     ``dict``
map[string]string, …        ``Map`` with its ``element`` type
everything with methods     subclasses of ``Object``: times, durations, versions, certificates, errors
==========================  =======================================================

A Go string is bytes: lengths, indices and cuts count bytes of UTF-8 (``octets``), and what is cut through a
character is put together again by ``text``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, ClassVar, Final

Value = Any
"""A value of Go, as the table above says."""


class _NoValue:
    def __repr__(self) -> str:
        return "NO_VALUE"


NO_VALUE: Final = _NoValue()


class Sized(int):
    """An integer of another type than Go's ``int``; arithmetic gives plain ints, for the caller to wrap."""

    go_type: ClassVar[str]


class Int64(Sized):
    go_type = "int64"


class Int32(Sized):
    go_type = "int32"


class Uint8(Sized):
    go_type = "uint8"


class Uint32(Sized):
    go_type = "uint32"


class Uint64(Sized):
    go_type = "uint64"


class Slice(list[Value]):
    """A slice whose elements have one type, as Go writes it: ``Slice(["a"], "string")``."""

    __slots__ = ("element",)

    def __init__(self, items: Iterable[Value], element: str) -> None:
        super().__init__(items)
        self.element = element


class NilSlice(Slice):
    """A nil slice: empty like others, but ``null`` in JSON and deeply equal to nil slices only."""

    __slots__ = ()

    def __init__(self, element: str) -> None:
        super().__init__((), element)


class Map(dict[str, Value]):
    """A map from strings to one type, as Go writes it: ``Map({"a": "b"}, "string")``."""

    __slots__ = ("element",)

    def __init__(self, items: Mapping[str, Value], element: str) -> None:
        super().__init__(items)
        self.element = element


class Object:
    """A value of a Go type with methods or fields; what it has, a template can reach by ``.Name``.

    An integer with methods (``time.Duration``, ``time.Month``) is both ``Sized`` and ``Object``: it is
    calculated with and compared by its number, and printed by ``go_string``. What turns into JSON in its own
    way has the method ``MarshalJSON``, which answers ``bytes``.
    """

    go_type: ClassVar[str]
    """As ``%T`` prints it: ``time.Time``, ``*semver.Version``."""
    kind: ClassVar[str]
    """As ``reflect`` names it: ``struct``, ``ptr``, ``int64``."""
    comparable: ClassVar[bool] = True
    """Has Go ``==`` for it? Not for what has a list or map in it."""
    hidden: ClassVar[frozenset[str]] = frozenset()
    """Names of fields that are not exported: a template that asks for one is told so."""

    def fields(self) -> Mapping[str, Value]:
        """Exported fields by name."""
        return {}

    def methods(self) -> Mapping[str, tuple[str, Callable[..., Value]]]:
        """Exported methods by name: Go signature (``func(string) string``), and what is called."""
        return {}

    def go_string(self) -> str:
        """What ``%v`` prints: the answer of ``Error`` or ``String``, or the fields in braces."""
        raise NotImplementedError


Methods = Mapping[str, tuple[str, Callable[..., Value]]]
"""Methods by name: Go signature with all results, ``func() (string, int)``, and what is called."""


def bound(receiver: Object, methods: Methods) -> Methods:
    """Methods of a type, whose functions take the receiver first, as those of one value."""
    return {name: (written, partial(call, receiver)) for name, (written, call) in methods.items()}


def type_of(value: Value) -> str:
    """The Go type, as ``%T`` prints it; ``<nil>`` for nil."""
    if value is None or value is NO_VALUE:
        return "<nil>"
    if isinstance(value, (Sized, Object)):
        return value.go_type
    if isinstance(value, Slice):
        return f"[]{value.element}"
    if isinstance(value, Map):
        return f"map[string]{value.element}"
    return _PLAIN[type(value)]


def kind_of(value: Value) -> str:
    """The kind, as ``reflect`` names it; ``invalid`` for nil."""
    if value is None or value is NO_VALUE:
        return "invalid"
    if isinstance(value, Object):
        return value.kind
    if isinstance(value, Sized):
        return value.go_type
    if isinstance(value, (list, bytes)):
        return "slice"
    if isinstance(value, dict):
        return "map"
    return _PLAIN[type(value)]


_PLAIN: Final = {
    bool: "bool",
    str: "string",
    int: "int",
    float: "float64",
    complex: "complex128",
    bytes: "[]uint8",
    list: "[]interface {}",
    dict: "map[string]interface {}",
}


class EachCharacter:
    """A table for ``str.translate`` that asks a function for every character.

    A list of the characters, to be joined, would take 80 bytes for each.
    """

    __slots__ = ("_function",)

    def __init__(self, function: Callable[[str], str]) -> None:
        self._function = function

    def __getitem__(self, code: int) -> str:
        return self._function(chr(code))


def octets(string: str) -> bytes:
    """The bytes of a Go string."""
    return string.encode("utf-8", "surrogateescape")


def text(octets: bytes) -> str:
    """The Go string of those bytes."""
    return octets.decode("utf-8", "surrogateescape")


def wrap64(number: int) -> int:
    """The number as int64 keeps it: overflow goes round, as in Go."""
    return ((number + (1 << 63)) & ((1 << 64) - 1)) - (1 << 63)
