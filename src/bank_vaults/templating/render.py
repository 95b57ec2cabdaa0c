"""From the text of a template, or of a document full of them, to what it renders to."""

from __future__ import annotations

from typing import Final

from bank_vaults.templating import limits, own, template
from bank_vaults.templating.errors import TemplateError
from bank_vaults.templating.own.sources import Sources
from bank_vaults.templating.template import DELIMITERS

TEXT: Final = "text"
SCALAR: Final = "scalar"
_LONGEST_ERROR: Final = 16 * 1024
"""Characters."""


def render(
    source: str, sources: Sources, *, delimiters: tuple[str, str] = DELIMITERS, mode: str = TEXT
) -> str:
    """The rendered text; bytes that are no UTF-8 are surrogates, before and after.

    With the mode ``scalar`` each text of the JSON or YAML document is a template of its own
    (``templating.scalar``), and ``file`` gives files as they are. Raises TemplateError.
    """
    functions = own.functions(sources, escaped=mode == TEXT)
    data = sources.data()
    allowance = limits.Allowance(len(source))  # one for all texts, or a document of many could take for ever

    def rendered(text: str) -> str:
        allowance.steps -= limits.STEPS_OF_TEXT
        try:
            parsed = template.parse(text, name="config", delimiters=delimiters, functions=functions)
            return parsed.render(data, allowance)
        except TemplateError as error:
            raise TemplateError(_shown(sources.hidden(str(error)))) from None

    if mode == TEXT:
        return rendered(source)
    from bank_vaults.templating import scalar  # only in this mode

    return scalar.render(source, delimiters[0], rendered)


def _shown(error: str) -> str:
    """The text of an error as far as anybody reads it: ``fail`` makes one of millions of characters."""
    if len(error) <= _LONGEST_ERROR:
        return error
    half = _LONGEST_ERROR // 2
    return f"{error[:half]} … {error[-half:]}"
