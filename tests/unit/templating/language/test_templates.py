"""The language on its own: what it promises besides being like Go (``tests/compat/templates``)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bank_vaults.templating.errors import FunctionError, TemplateError
from bank_vaults.templating.functions import Lookup, table
from bank_vaults.templating.golang.values import NO_VALUE, Int32, Int64, Object, Uint8, Uint32, Uint64, Value
from bank_vaults.templating.language.calls import constant, zero
from bank_vaults.templating.language.tree import Dot, Node
from bank_vaults.templating.template import Data, parse

NOTHING: Lookup = table({})


def functions(**named: tuple[str, Callable[..., Value]]) -> Lookup:
    return table(named)


def render(text: str, lookup: Lookup = NOTHING, **environment: str) -> str:
    return parse(text, functions=lookup).render(Data(environment))


def failure(text: str, lookup: Lookup = NOTHING) -> str:
    with pytest.raises(TemplateError) as caught:
        render(text, lookup)
    return str(caught.value)


def test_a_template_is_parsed_once_and_rendered_often() -> None:
    template = parse("<${ .Env.A }>", functions=NOTHING)
    assert [template.render(Data({"A": each})) for each in ("1", "2")] == ["<1>", "<2>"]


def test_other_delimiters_and_another_name() -> None:
    template = parse("${ {{ .Env.A -}}  }", name="x", delimiters=("{{", "}}"), functions=NOTHING)
    assert template.render(Data({"A": "a"})) == "${ a}"
    with pytest.raises(TemplateError, match="template: x:1: "):
        parse("[[ ( ]]", name="x", delimiters=("[[", "]]"), functions=NOTHING)


def test_a_function_of_ones_own_goes_before_that_of_the_language() -> None:
    assert render("${ len 1 }", functions(len=("func(int)", lambda number: number + 1))) == "2"
    taken = table({"break": ("func()", lambda: "b"), "and": ("func(...interface {})", len_of)})
    assert render("${ range 2 }${ break }${ end }${ and 0 (print 1) }", taken) == "bb2"


def len_of(*values: Value) -> int:
    return len(values)


def test_each_function_is_looked_up_once() -> None:
    asked: list[str] = []

    def lookup(name: str) -> None:
        asked.append(name)

    render("${ print 1 }${ print 2 }", lookup)
    assert asked.count("print") == 1


def test_a_function_that_may_not_be_used_is_an_error_of_the_file() -> None:
    def refusing(name: str) -> None:
        if name == "env":
            raise FunctionError("env is not allowed")

    assert failure("\n${ env `A` }", refusing) == "template: config:2: env is not allowed"


def test_an_error_of_a_function_names_it_and_its_place() -> None:
    def fails(_: str) -> Value:
        raise FunctionError("no luck")

    text = failure("é\n é${ try `a` }", functions(**{"try": ("func(string)", fails)}))
    assert text == 'template: config:2:6: executing "config" at <try `a`>: error calling try: no luck'


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (ValueError("the secret"), "ValueError"),
        (RecursionError("the secret"), "too many lists or maps within one another"),
        (MemoryError("the secret"), "out of memory"),
    ],
)
def test_what_a_function_did_not_expect_is_told_without_values(raised: Exception, told: str) -> None:
    def fails() -> Value:
        raise raised

    text = failure("${ odd }", functions(odd=("func()", fails)))
    assert text == f'template: config:1:3: executing "config" at <odd>: error calling odd: {told}'


class Odd(Object):
    """A value that fails where it is used and not where it was made."""

    go_type = "odd"
    kind = "struct"

    def __init__(self, raised: Exception) -> None:
        self._raised = raised

    def go_string(self) -> str:
        raise self._raised


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (KeyError("the secret"), "unexpected KeyError"),
        (RecursionError(), "too many constructs within one another"),
        (MemoryError(), "out of memory"),
        (FunctionError("odd"), "odd"),
    ],
)
def test_a_value_that_cannot_be_printed_is_an_error_of_the_template(raised: Exception, told: str) -> None:
    text = failure("${ odd }", functions(odd=("func()", lambda: Odd(raised))))
    assert text == f'template: config:1:3: executing "config" at <{{{{odd}}}}>: {told}'


def test_the_end_of_the_process_is_not_taken_for_an_error() -> None:
    def leaves() -> Value:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render("${ leave }", functions(leave=("func()", leaves)))


@pytest.mark.parametrize(
    ("wanted", "literal", "given"),
    [
        ("int", "300", 300),
        ("int64", "1e2", Int64(100)),
        ("int32", "4294967297", Int32(1)),
        ("uint8", "257", Uint8(1)),
        ("uint32", "4294967298", Uint32(2)),
        ("uint64", "18446744073709551615", Uint64((1 << 64) - 1)),
        ("float64", "1", 1.0),
        ("float64", "1.5", 1.5),
        ("bool", "true", True),
        ("string", "`a`", "a"),
        ("time.Duration", "5", Int64(5)),
        ("time.Month", "5", 5),
        ("[]string", "nil", []),
        ("[]uint8", "nil", b""),
        ("map[string]string", "nil", {}),
        ("map[string]interface {}", "nil", {}),
        ("interface {}", "nil", None),
        ("reflect.Value", "nil", NO_VALUE),
        ("*x.Y", "nil", None),
        ("error", "nil", None),
    ],
)
def test_a_literal_becomes_what_the_parameter_takes(wanted: str, literal: str, given: Value) -> None:
    got: list[Value] = []

    def take(value: Value) -> str:
        got.append(value)
        return ""

    render(f"${{ take {literal} }}", functions(take=(f"func({wanted})", take)))
    assert got == [given]
    assert type(got[0]) is type(given) or not given


def test_a_value_with_an_error_method_is_an_error() -> None:
    class Trouble(Object):
        go_type = "*trouble"
        kind = "ptr"

        def methods(self) -> dict[str, tuple[str, Callable[..., Value]]]:
            return {"Error": ("func() string", lambda: "e")}

    taken = functions(
        make=("func()", Trouble),
        take=("func(error)", lambda _: "taken"),
        follow=("func(trouble)", lambda _: "too"),
    )
    assert render("${ take make }${ make | follow }", taken) == "takentoo"
    assert "expected error; got string" in failure("${ take (print 1) }", taken)


def test_zero_values_of_types_that_maps_and_parameters_have() -> None:
    assert [zero(each) for each in ("string", "bool", "int", "int64", "float64")] == ["", False, 0, 0, 0.0]
    assert zero("chan int") is None


def test_only_literals_are_constants() -> None:
    with pytest.raises(TypeError):
        constant(Dot(0))
    with pytest.raises(NotImplementedError):
        Node(0).written()
