"""sprig's functions for lists. None changes the list that it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.values import NilSlice, Slice, Uint8, Value, kind_of, wrap64
from bank_vaults.templating.sprig.convert import Budget, identity, is_empty, to_int64

_ANYTHING: Final = "interface {}"


def _elements(values: Value, complaint: str) -> list[Value]:
    """The elements of any list. Raises FunctionError where it is none, with the complaint and its kind."""
    if isinstance(values, list):
        return values
    if isinstance(values, bytes):
        return [Uint8(each) for each in values]
    if values is None:
        raise FunctionError("runtime error: invalid memory address or nil pointer dereference")
    raise FunctionError(complaint.format(kind_of(values)))


def make_list(*values: Value) -> list[Value]:
    """The values as a list."""
    return list(values)


def first(values: Value) -> Value:
    """The first element, nil where there is none."""
    elements = _elements(values, "Cannot find first on type {}")
    return elements[0] if elements else None


def last(values: Value) -> Value:
    """The last element, nil where there is none."""
    elements = _elements(values, "Cannot find last on type {}")
    return elements[-1] if elements else None


def rest(values: Value) -> list[Value]:
    """All but the first."""
    elements = _elements(values, "Cannot find rest on type {}")
    return list(elements[1:]) if elements else NilSlice(_ANYTHING)


def initial(values: Value) -> list[Value]:
    """All but the last."""
    elements = _elements(values, "Cannot find initial on type {}")
    return list(elements[:-1]) if elements else NilSlice(_ANYTHING)


def append(values: Value, value: Value) -> list[Value]:
    """The list with one more at the end."""
    return [*_elements(values, "Cannot push on type {}"), value]


def prepend(values: Value, value: Value) -> list[Value]:
    """The list with one more at the beginning."""
    return [value, *_elements(values, "Cannot prepend on type {}")]


def concat(*lists: Value) -> list[Value]:
    """The elements of all lists."""
    parts = [_elements(each, "Cannot concat type {} as list") for each in lists]
    limits.items_of(sum(map(len, parts)))
    return [element for part in parts for element in part] or NilSlice(_ANYTHING)


def reverse(values: Value) -> list[Value]:
    """The elements, last first."""
    return list(reversed(_elements(values, "Cannot find reverse on type {}")))


def uniq(values: Value) -> list[Value]:
    """The elements without those that are deeply equal to an earlier one."""
    budget = Budget()
    seen = set()
    result = []
    for each in _elements(values, "Cannot find uniq on type {}"):
        content = identity(each, budget)
        if content not in seen:
            seen.add(content)
            result.append(each)
    return result


def without(values: Value, *unwanted: Value) -> list[Value]:
    """The elements that are deeply equal to none of those."""
    elements = _elements(values, "Cannot find without on type {}")
    budget = Budget()
    contents = {identity(each, budget) for each in unwanted}
    return [each for each in elements if identity(each, budget) not in contents]


def has(value: Value, values: Value) -> bool:
    """Whether an element is deeply equal to the value; nil has none."""
    if values is None:
        return False
    budget = Budget()
    content = identity(value, budget)
    return any(identity(each, budget) == content for each in _elements(values, "Cannot find has on type {}"))


def compact(values: Value) -> list[Value]:
    """The elements that are not empty."""
    return [each for each in _elements(values, "Cannot compact on type {}") if not is_empty(each)]


def part(values: Value, *bounds: Value) -> Value:
    """From one index to before another, with the type of the list; nil of an empty list.

    Raises FunctionError for bounds outside the list.
    """
    elements = _elements(values, "list should be type of slice or array but {}")
    if not elements:
        return None
    start = to_int64(bounds[0]) if bounds else 0
    end = to_int64(bounds[1]) if len(bounds) > 1 else len(elements)
    if not 0 <= start <= end <= len(elements):
        raise FunctionError("reflect.Value.Slice: slice index out of bounds")
    if isinstance(values, Slice):
        return Slice(values[start:end], values.element)
    return values[start:end]


def chunk(size: int, values: Value) -> Slice:
    """Lists of so many elements, the last with what is left.

    Raises FunctionError for a size that is not positive, but for a few for which sprig calculates a result.
    """
    elements = _elements(values, "Cannot chunk type {}")
    count = len(elements)
    if size > 0:
        chunks = [list(elements[at : at + size]) for at in range(0, count, size)]
    elif 0 < count - 1 <= -size:
        chunks = []
    elif count == 1 and size < -1:
        chunks = [list(elements)]
    else:
        raise FunctionError("runtime error: makeslice: len out of range")
    return Slice(chunks, f"[]{_ANYTHING}")


def until(beyond: int) -> Slice:
    """From zero to before that number, upwards or downwards."""
    return until_step(0, beyond, -1 if beyond < 0 else 1)


def until_step(start: int, beyond: int, step: int) -> Slice:
    """From a number to before another; nothing where the step leads elsewhere."""
    numbers: list[int] = []
    at = start
    if step and (start < beyond) == (step > 0):
        while at < beyond if step > 0 else at > beyond:
            limits.items_of(len(numbers) - (at - beyond) // step)
            numbers.extend(range(at, beyond, step))
            at = wrap64(numbers[-1] + step)
    return Slice(numbers, "int")


def seq(*bounds: int) -> str:
    """Numbers as the command ``seq`` writes them: END, or START END, or START STEP END."""
    if not 1 <= len(bounds) <= 3:
        return ""
    start = bounds[0] if len(bounds) > 1 else 1
    end = bounds[-1]
    direction = -1 if end < start else 1
    step = bounds[1] if len(bounds) == 3 else direction
    if step > 0 and direction < 0:
        return ""
    return " ".join(map(str, until_step(start, wrap64(end + direction), step)))


_SAME_WITH_MUST: Final[Mapping[str, Callable[..., Value]]] = {
    "first": first,
    "rest": rest,
    "last": last,
    "initial": initial,
    "append": append,
    "push": append,
    "prepend": prepend,
    "reverse": reverse,
    "uniq": uniq,
    "without": without,
    "has": has,
    "compact": compact,
    "slice": part,
    "chunk": chunk,
}

FUNCTIONS: Final[Mapping[str, Callable[..., Value]]] = {
    "list": make_list,
    "tuple": make_list,
    "concat": concat,
    "until": until,
    "untilStep": until_step,
    "seq": seq,
    **_SAME_WITH_MUST,
    **{f"must{name[0].upper()}{name[1:]}": call for name, call in _SAME_WITH_MUST.items()},
}
