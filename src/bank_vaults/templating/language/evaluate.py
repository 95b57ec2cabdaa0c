"""Walks the tree of a template and writes what it says.

The node that is looked at is noted all the time, exactly where Go notes it, because an error names it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from sys import getsizeof
from typing import Final, NamedTuple

from bank_vaults.templating import limits
from bank_vaults.templating.errors import CannotCallError, FunctionError, TemplateError
from bank_vaults.templating.functions import Function, signature
from bank_vaults.templating.golang.printing import MAX_ELEMENTS, sorted_items, text_of
from bank_vaults.templating.golang.strconv import quote
from bank_vaults.templating.golang.values import (
    NO_VALUE,
    Map,
    Object,
    Slice,
    Uint8,
    Value,
    octets,
    type_of,
)
from bank_vaults.templating.language import builtins, tree
from bank_vaults.templating.language.calls import (
    INTERFACE,
    REFLECT,
    Failure,
    constant,
    converted,
    literal,
    takes_nil,
    zero,
)
from bank_vaults.templating.language.compare import truth
from bank_vaults.templating.language.parser import Trees


class _Missing:
    """There is no value from an earlier stage of the pipeline."""


_MISSING: Final = _Missing()
_MOST_PARTS: Final = 100_000
"""Of an output, before they are joined."""


class _Bound(NamedTuple):
    """A variable. ``boxed`` says that Go knows only at run time what type it has: an element of a range."""

    name: str
    value: Value
    boxed: bool = False


def render(trees: Trees, data: Value, allowance: limits.Allowance) -> str:
    """The text that the templates make of the data; ``allowance`` is used up. Raises TemplateError."""
    rendering = _Rendering(trees, allowance)
    try:
        return rendering.run(data)
    finally:
        allowance.characters = rendering.room
        allowance.steps, allowance.memory = rendering.steps, rendering.memory


class _Rendering:
    __slots__ = (
        "boxed",
        "depth",
        "done",
        "memory",
        "name",
        "node",
        "parts",
        "room",
        "steps",
        "trees",
        "variables",
    )

    def __init__(self, trees: Trees, allowance: limits.Allowance) -> None:
        self.trees = trees
        self.name = trees.name
        self.node: tree.Node = tree.Text(0, "")
        self.done = ""
        self.parts: list[str] = []
        self.room = allowance.characters
        self.steps = allowance.steps
        self.memory = allowance.memory
        self.depth = 0
        self.variables: list[_Bound] = []
        self.boxed = False

    def run(self, data: Value) -> str:
        self.variables = [_Bound("$", data)]
        try:
            self._walk(self.trees.bodies[self.name], data)
        except (Failure, FunctionError) as error:
            raise self._error(str(error)) from None
        except RecursionError:
            raise self._error("too many constructs within one another") from None
        except MemoryError:
            raise self._error("out of memory") from None
        except Exception as error:
            # What it says may contain values, and those may be secret.
            raise self._error(f"unexpected {type(error).__name__}") from error
        return self.done + "".join(self.parts)

    def _error(self, message: str) -> TemplateError:
        text, position = self.trees.text, self.node.position
        start = text.rfind("\n", 0, position) + 1
        line = text.count("\n", 0, position) + 1
        column = len(octets(text[start:position]))
        return TemplateError(
            f"template: {self.trees.name}:{line}:{column}: executing {quote(self.name)}"
            f" at <{self.node.written()}>: {message}"
        )

    # Statements.

    def _walk(self, nodes: list[tree.Node], dot: Value) -> type[tree.Node] | None:
        """Writes the nodes; what ended them early is the answer: Break, Continue or None."""
        for node in nodes:
            kind = type(node)
            self.node = node
            if isinstance(node, tree.Text):
                self._write(node.text)
            elif isinstance(node, tree.Action):
                value = self._pipe(node.pipe, dot)
                if not node.pipe.variables:
                    self.node = node
                    if isinstance(value, (list, dict)):
                        self.steps -= _visits(value)
                    self._write("<no value>" if value is NO_VALUE else text_of(value))
            elif isinstance(node, tree.Range):
                self._range(node, dot)
            elif isinstance(node, tree.Branch):
                known = len(self.variables)
                value = self._pipe(node.pipe, dot)
                ended = None
                if not truth(value):
                    if node.otherwise is not None:
                        ended = self._walk(node.otherwise, dot)
                elif kind is tree.If:
                    ended = self._walk(node.body, dot)
                else:
                    boxed, self.boxed = self.boxed, False
                    ended = self._walk(node.body, value)
                    self.boxed = boxed
                del self.variables[known:]
                if ended is not None:
                    return ended
            elif isinstance(node, tree.Template):
                self._template(node, dot)
            else:
                return kind
        return None

    def _write(self, text: str) -> None:
        self._step()
        self.room -= len(text)
        if self.room < 0:
            raise Failure(
                f"the output would be more than {limits.MAX_TEXT} characters longer than the template"
            )
        self.parts.append(text)
        if len(self.parts) > _MOST_PARTS:
            # A short part takes sixty bytes more than it has characters.
            self.parts, self.done = [], f"{self.done}{''.join(self.parts)}"

    def _step(self) -> None:
        self.steps -= 1
        if self.steps < 0:
            self._check()

    def _check(self) -> None:
        if self.steps < 0:
            raise Failure(f"rendering takes more than {limits.MAX_STEPS} steps")
        if self.memory < 0:
            raise Failure(f"the functions give more than {limits.MAX_MEMORY >> 20} MiB in all")

    def _template(self, node: tree.Template, dot: Value) -> None:
        body = self.trees.bodies.get(node.name)
        if body is None:
            raise Failure(f"template {quote(node.name)} not defined")
        self._step()
        if self.depth >= limits.MAX_DEPTH:
            raise Failure(f"exceeded maximum template depth ({limits.MAX_DEPTH})")
        value = NO_VALUE if node.pipe is None else self._pipe(node.pipe, dot)
        outside = self.name, self.variables, self.boxed
        self.name, self.variables, self.boxed = node.name, [_Bound("$", value)], False
        self.depth += 1
        self._walk(body, value)
        self.depth -= 1
        self.name, self.variables, self.boxed = outside

    def _range(self, node: tree.Range, dot: Value) -> None:
        known = len(self.variables)
        value = self._pipe(node.pipe, dot)
        items, boxed = self._items(node, value)
        outside, self.boxed = self.boxed, boxed
        inside = len(self.variables)
        variables = node.pipe.variables
        empty = True
        for key, element in items:
            empty = False
            self._step()
            if variables:
                if node.pipe.assigns:
                    if len(variables) > 1:
                        self._assign(variables[0], key, False)
                    self._assign(variables[-1], element, boxed)
                else:
                    self.variables[inside - 1] = _Bound(variables[-1], element, boxed)
                    if len(variables) > 1:
                        self.variables[inside - 2] = _Bound(variables[0], key)
            ended = self._walk(node.body, element)
            del self.variables[inside:]
            if ended is tree.Break:
                break
        self.boxed = outside
        if empty and node.otherwise is not None:
            self._walk(node.otherwise, dot)
        del self.variables[known:]

    def _items(self, node: tree.Range, value: Value) -> tuple[Iterable[tuple[Value, Value]], bool]:
        """Keys and elements of what is ranged over, and whether Go knows their type only at run time."""
        if isinstance(value, bytes):
            return enumerate(map(Uint8, value)), False
        if isinstance(value, list):
            return enumerate(value), not isinstance(value, Slice) or value.element == INTERFACE
        if isinstance(value, dict):
            return sorted_items(value), not isinstance(value, Map) or value.element == INTERFACE
        if value is NO_VALUE:
            return (), False
        if isinstance(value, int) and not isinstance(value, bool):
            if len(node.pipe.variables) > 1:
                raise Failure(f"can't use {text_of(value)} to iterate over more than one variable")
            make = type(value)
            return ((NO_VALUE, make(number)) for number in range(value)), False
        raise Failure(f"range can't iterate over {text_of(value)}")

    # Pipelines.

    def _pipe(self, pipe: tree.Pipe, dot: Value) -> Value:
        """The value of the pipeline; nil in an interface has become no value."""
        self.node = pipe
        value: Value = _MISSING
        for command in pipe.commands:
            value = self._command(command, value, dot)
            if value is None:
                value = NO_VALUE
        for name in pipe.variables:
            if pipe.assigns:
                self._assign(name, value, False)
            else:
                self.variables.append(_Bound(name, value))
        return value

    def _assign(self, name: str, value: Value, boxed: bool) -> None:
        variables = self.variables
        for at in range(len(variables) - 1, -1, -1):
            if variables[at].name == name:
                variables[at] = _Bound(name, value, boxed)
                return
        raise Failure(f"undefined variable: {name}")

    def _command(self, command: tree.Command, final: Value, dot: Value) -> Value:
        self._step()
        operands = command.operands
        first = operands[0]
        if isinstance(first, tree.Call):
            self.node = first
            return self._call(first.function, command, operands, final, dot)
        if isinstance(first, tree.Pipe):
            self._must_stand_alone(operands, final)
            return self._pipe(first, dot)
        if isinstance(first, (tree.Field, tree.Variable, tree.Chain)):
            return self._fields(first, operands, final, dot)
        self.node = first
        self._must_stand_alone(operands, final)
        if isinstance(first, tree.Dot):
            return dot
        if isinstance(first, tree.Nil):
            raise Failure("nil is not a command")
        return constant(first)

    def _must_stand_alone(self, operands: list[tree.Node], final: Value) -> None:
        if len(operands) > 1 or final is not _MISSING:
            raise Failure(f"can't give argument to non-function {operands[0].written()}")

    def _argument(self, node: tree.Node, wanted: str, dot: Value) -> Value:
        """The value of an operand for a parameter of that type."""
        self.node = node
        if isinstance(node, tree.Pipe):
            value = self._pipe(node, dot)
        elif isinstance(node, tree.Call):
            value = self._call(node.function, node, [node], _MISSING, dot)
        elif isinstance(node, (tree.Field, tree.Variable, tree.Chain)):
            value = self._fields(node, [node], _MISSING, dot)
        elif isinstance(node, tree.Dot):
            value = dot
        elif isinstance(node, tree.Nil):
            if not takes_nil(wanted):
                raise Failure(f"cannot assign nil to {wanted}")
            return NO_VALUE if wanted == REFLECT else zero(wanted)
        else:
            return literal(node, wanted)
        return converted(value, wanted)

    # Fields and functions.

    def _fields(
        self,
        node: tree.Field | tree.Variable | tree.Chain,
        operands: list[tree.Node],
        final: Value,
        dot: Value,
    ) -> Value:
        """What a chain of fields and methods leads to; the last may be a method with arguments."""
        self.node = node
        if isinstance(node, tree.Field):
            value, boxed, names = dot, self.boxed, node.names
        elif isinstance(node, tree.Variable):
            value, boxed = self._variable(node.name)
            names = node.fields
            if not names:
                self._must_stand_alone(operands, final)
                return value
        else:
            inner = node.node
            if isinstance(inner, tree.Pipe):
                self.node = inner
                value = self._pipe(inner, dot)
            else:
                value = self._argument(inner, REFLECT, dot)
            boxed, names = False, node.names
        last = len(names) - 1
        for at, name in enumerate(names):
            if value is NO_VALUE:
                return value
            with_arguments = at == last and (len(operands) > 1 or final is not _MISSING)
            if isinstance(value, dict):
                if with_arguments:
                    raise Failure(f"{name} is not a method but has arguments")
                boxed = not isinstance(value, Map) or value.element == INTERFACE
                value = value.get(name, NO_VALUE)
                continue
            if value is None:
                raise Failure(f"nil pointer evaluating interface {{}}.{name}")
            if not isinstance(value, Object):
                raise Failure(f"can't evaluate field {name} in type {INTERFACE if boxed else type_of(value)}")
            method = value.methods().get(name)
            if method is not None:
                function = Function(name, signature(method[0]), method[1])
                if at == last:
                    value = self._call(function, node, operands, final, dot)
                else:
                    value = self._call(function, node, operands[:1], _MISSING, dot)
            else:
                fields = value.fields()
                if name in value.hidden:
                    raise Failure(f"{name} is an unexported field of struct type {type_of(value)}")
                if name not in fields:
                    raise Failure(
                        f"can't evaluate field {name} in type {INTERFACE if boxed else type_of(value)}"
                    )
                if with_arguments:
                    raise Failure(f"{name} has arguments but cannot be invoked as function")
                value = fields[name]
            boxed = False
        return value

    def _variable(self, name: str) -> tuple[Value, bool]:
        for variable in reversed(self.variables):
            if variable.name == name:
                return variable.value, variable.boxed
        raise Failure(f"undefined variable: {name}")

    def _call(
        self, function: Function, node: tree.Node, operands: list[tree.Node], final: Value, dot: Value
    ) -> Value:
        """Calls a function with the operands after the first, and with what came down the pipeline."""
        name, (parameters, variadic), call = function
        given = len(operands) - 1
        count = given if final is _MISSING else given + 1
        fixed = len(parameters) - variadic
        if variadic:
            if count < fixed:
                raise Failure(f"wrong number of args for {name}: want at least {fixed} got {given}")
        elif count != fixed:
            raise Failure(f"wrong number of args for {name}: want {fixed} got {count}")
        if function is builtins.AND or function is builtins.OR:
            return self._short_circuit(function is builtins.OR, operands, final, dot)
        values = [
            self._argument(operands[at + 1], parameters[at] if at < fixed else parameters[-1], dot)
            for at in range(given)
        ]
        if final is not _MISSING:
            values.append(converted(final, parameters[given] if given < fixed else parameters[-1]))
        extra = limits.EXTRAS.get(name, _NO_EXTRA)
        if extra is not _NO_EXTRA:
            self.steps -= _extra_steps(extra, values)
            if self.steps < 0:
                self.node = node
                self._check()
        started = time.thread_time() if extra.is_timed else 0.0
        try:
            if function is builtins.CALL:
                raise FunctionError(_not_callable(values[0], operands[1:]))
            result = call(*values)
        except CannotCallError as error:
            raise Failure(str(error)) from None
        except FunctionError as error:
            self.node = node
            raise Failure(f"error calling {name}: {error}") from None
        except Exception as error:
            # What it says may contain values, and those may be secret.
            self.node = node
            raise Failure(
                f"error calling {name}: {_UNEXPECTED.get(type(error), type(error).__name__)}"
            ) from error
        if extra.is_timed:
            self.steps -= int((time.thread_time() - started) * limits.STEPS_OF_SECOND)
        weight = given + _weight(result)
        if extra.is_new:
            self.memory -= _bytes_of_all(result)
        elif weight > given and not any(value is result for value in values):
            self.memory -= _bytes_of(result)
        for value in values:
            weight += _weight(value)
        self.steps -= weight
        if self.steps < 0 or self.memory < 0:
            self.node = node
            self._check()
        return result

    def _short_circuit(self, until: bool, operands: list[tree.Node], final: Value, dot: Value) -> Value:
        value: Value = NO_VALUE
        for operand in operands[1:]:
            value = self._argument(operand, REFLECT, dot)
            if truth(value) == until:
                return value
        return value if final is _MISSING else final


_NO_EXTRA: Final = limits.Extra()


def _extra_steps(extra: limits.Extra, values: list[Value]) -> int:
    """Steps that a call with these values counts for besides, before it is made."""
    steps = extra.call + extra.argument * len(values)
    for value in values:
        if isinstance(value, str):
            steps += extra.character * len(value)
        elif extra.visit and isinstance(value, (list, dict)):
            steps += extra.visit * _visits(value)
    return steps


def _visits(value: list[Value] | dict[str, Value]) -> int:
    """How many values there are in a list or map, those of lists and maps within it included.

    They may contain one another, so it is not counted further than any function would go.
    """
    visits = 0
    left = [value]
    while left and visits <= MAX_ELEMENTS:
        inside = left.pop()
        visits += len(inside) + 1
        if visits <= MAX_ELEMENTS:
            elements = inside.values() if isinstance(inside, dict) else inside
            left += [each for each in elements if isinstance(each, (list, dict))]
    return visits


def _weight(value: Value) -> int:
    """Steps that a value counts for where a function takes or gives it: what is long takes long."""
    if isinstance(value, (str, bytes)):
        return len(value) // 64
    return len(value) // 8 if isinstance(value, (list, dict)) else 0


_MEMBER: Final = 100
"""Bytes of a member of a map, with its name."""
_OBJECT: Final = 32
"""Bytes of a number, and of what a list or a map has besides its elements."""


def _bytes_of(value: Value) -> int:
    """The memory of a value that a function has made, without its elements, which others know as well."""
    if isinstance(value, (str, bytes)):
        return getsizeof(value)
    if isinstance(value, list):
        return 8 * len(value)
    return _MEMBER * len(value) if isinstance(value, dict) else 0


def _bytes_of_all(value: Value) -> int:
    """The memory of a value with its elements."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return _OBJECT + _bytes_of(value) + sum(map(_bytes_of_all, inside))


_UNEXPECTED: Final[dict[type[BaseException], str]] = {
    RecursionError: "too many lists or maps within one another",
    MemoryError: "out of memory",
}


def _not_callable(value: Value, operands: list[tree.Node]) -> str:
    if value is None or value is NO_VALUE:
        return "call of nil"
    if operands:
        written = operands[0].written()
    else:
        written = value if isinstance(value, str) else f"<{type_of(value)} Value>"
    return f"non-function {written} of type {type_of(value)}"
