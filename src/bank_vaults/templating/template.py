"""Parse a template once, render it with any data.

template = parse("${ .Env.NAME | upper }", functions=sprig.lookup)
template.render(Data(environment))
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from bank_vaults.templating import limits
from bank_vaults.templating.functions import Lookup, chained
from bank_vaults.templating.golang.printing import text_of
from bank_vaults.templating.golang.values import Map, Object, Value
from bank_vaults.templating.language import builtins, evaluate, parser

DELIMITERS = ("${", "}")
"""What actions stand between in configuration files."""


class Data(Object):
    """What a template is given: ``.Env``, a map of the environment."""

    go_type: ClassVar[str] = "Data"
    kind: ClassVar[str] = "struct"
    comparable: ClassVar[bool] = False

    def __init__(self, environment: Mapping[str, str]) -> None:
        # A map of one's own, as one that refuses names, stays what it is.
        self._environment = environment if isinstance(environment, Map) else Map(environment, "string")

    def fields(self) -> Mapping[str, Value]:
        return {"Env": self._environment}

    def go_string(self) -> str:
        return f"{{{text_of(self._environment)}}}"


class Template:
    """A text that was parsed."""

    __slots__ = ("_trees",)

    def __init__(self, trees: parser.Trees) -> None:
        self._trees = trees

    def render(self, data: Value, allowance: limits.Allowance | None = None) -> str:
        """The text that the template makes of the data; bytes that are no UTF-8 are surrogates (PEP 383).

        With an ``allowance`` it may use what others left of it. Raises TemplateError.
        """
        return evaluate.render(self._trees, data, allowance or limits.Allowance(len(self._trees.text)))


def parse(
    text: str, *, name: str = "config", delimiters: tuple[str, str] = DELIMITERS, functions: Lookup
) -> Template:
    """Parse a text; functions of one's own go before those that every template has.

    Raises TemplateError where the text is not well formed, or names a function that there is not.
    """
    return Template(parser.parse(text, name, delimiters, chained(functions, builtins.lookup)))
