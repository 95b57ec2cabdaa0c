"""The tree of a template: what the parser makes and the evaluator walks.

``position`` is where a node starts in the text of the template, in characters. ``written()`` is how Go writes
the node in an error message, always with ``{{`` and ``}}``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bank_vaults.templating.golang.strconv import quote

if TYPE_CHECKING:
    from bank_vaults.templating.functions import Function
    from bank_vaults.templating.language.numbers import Number


class Node:
    """Anything with a place in the template."""

    __slots__ = ("position",)

    def __init__(self, position: int) -> None:
        self.position = position

    def written(self) -> str:
        """The node as an error message shows it."""
        raise NotImplementedError


# Operands: what a command is made of.


class Dot(Node):
    """``.``"""

    __slots__ = ()

    def written(self) -> str:
        return "."


class Nil(Node):
    """``nil``"""

    __slots__ = ()

    def written(self) -> str:
        return "nil"


class Bool(Node):
    """``true`` or ``false``"""

    __slots__ = ("value",)

    def __init__(self, position: int, value: bool) -> None:
        self.position = position
        self.value = value

    def written(self) -> str:
        return "true" if self.value else "false"


class String(Node):
    """A string literal, as it is written and what it says."""

    __slots__ = ("literal", "value")

    def __init__(self, position: int, literal: str, value: str) -> None:
        self.position = position
        self.literal = literal
        self.value = value

    def written(self) -> str:
        return self.literal


class NumberNode(Node):
    """A number or a character."""

    __slots__ = ("literal", "number")

    def __init__(self, position: int, literal: str, number: Number) -> None:
        self.position = position
        self.literal = literal
        self.number = number

    def written(self) -> str:
        return self.literal


class Field(Node):
    """``.A.B``: fields of the dot."""

    __slots__ = ("names",)

    def __init__(self, position: int, names: tuple[str, ...]) -> None:
        self.position = position
        self.names = names

    def written(self) -> str:
        return "".join(f".{name}" for name in self.names)


class Variable(Node):
    """``$x.A.B``: a variable, and fields of it."""

    __slots__ = ("fields", "name")

    def __init__(self, position: int, name: str, fields: tuple[str, ...] = ()) -> None:
        self.position = position
        self.name = name
        self.fields = fields

    def written(self) -> str:
        return ".".join((self.name, *self.fields))


class Chain(Node):
    """``(…).A.B`` or ``function.A``: fields of what something gives."""

    __slots__ = ("names", "node")

    def __init__(self, position: int, node: Node, names: tuple[str, ...]) -> None:
        self.position = position
        self.node = node
        self.names = names

    def written(self) -> str:
        start = f"({self.node.written()})" if isinstance(self.node, Pipe) else self.node.written()
        return start + "".join(f".{name}" for name in self.names)


class Call(Node):
    """The name of a function."""

    __slots__ = ("function",)

    def __init__(self, position: int, function: Function) -> None:
        self.position = position
        self.function = function

    def written(self) -> str:
        return self.function.name


class Command(Node):
    """Operands with blanks between them: a function and its arguments, or one value."""

    __slots__ = ("operands",)

    def __init__(self, position: int, operands: list[Node]) -> None:
        self.position = position
        self.operands = operands

    def written(self) -> str:
        return " ".join(
            f"({each.written()})" if isinstance(each, Pipe) else each.written() for each in self.operands
        )


class Pipe(Node):
    """Commands with ``|`` between them, and the variables that the result is declared as or assigned to."""

    __slots__ = ("assigns", "commands", "variables")

    def __init__(self, position: int) -> None:
        self.position = position
        self.assigns = False
        self.variables: list[str] = []
        self.commands: list[Command] = []

    def written(self) -> str:
        commands = " | ".join(each.written() for each in self.commands)
        if not self.variables:
            return commands
        return f"{', '.join(self.variables)} {'=' if self.assigns else ':='} {commands}"


# Statements: what a template is made of.


class Text(Node):
    """What stands outside of actions."""

    __slots__ = ("text",)

    def __init__(self, position: int, text: str) -> None:
        self.position = position
        self.text = text

    def written(self) -> str:
        return self.text


class Action(Node):
    """A pipeline that is printed, or that sets a variable."""

    __slots__ = ("pipe",)

    def __init__(self, position: int, pipe: Pipe) -> None:
        self.position = position
        self.pipe = pipe

    def written(self) -> str:
        return f"{{{{{self.pipe.written()}}}}}"


class Branch(Node):
    """What ``if``, ``with`` and ``range`` share: ``otherwise`` is None where there is no ``else``."""

    __slots__ = ("body", "otherwise", "pipe")

    def __init__(self, pipe: Pipe, body: list[Node], otherwise: list[Node] | None) -> None:
        self.position = pipe.position
        self.pipe = pipe
        self.body = body
        self.otherwise = otherwise


class If(Branch):
    """``if``"""

    __slots__ = ()


class With(Branch):
    """``with``"""

    __slots__ = ()


class Range(Branch):
    """``range``"""

    __slots__ = ()


class Break(Node):
    """``break``"""

    __slots__ = ()


class Continue(Node):
    """``continue``"""

    __slots__ = ()


class Template(Node):
    """``template``, and the second half of ``block``."""

    __slots__ = ("name", "pipe")

    def __init__(self, position: int, name: str, pipe: Pipe | None) -> None:
        self.position = position
        self.name = name
        self.pipe = pipe

    def written(self) -> str:
        argument = f" {self.pipe.written()}" if self.pipe else ""
        return f"{{{{template {quote(self.name)}{argument}}}}}"


class Else(Node):
    """Where a list of statements ends with ``else``; never in a finished tree."""

    __slots__ = ()

    def written(self) -> str:
        return "{{else}}"


class End(Node):
    """Where a list of statements ends with ``end``; never in a finished tree."""

    __slots__ = ()

    def written(self) -> str:
        return "{{end}}"
