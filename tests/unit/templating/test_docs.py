"""The examples of ``docs/templates.md`` render as the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bank_vaults.templating import limits
from bank_vaults.templating.own.sources import Sources
from bank_vaults.templating.render import render

PAGE = (Path(__file__).parents[3] / "docs" / "templates.md").read_text(encoding="utf-8")
(_BLOCK,) = re.findall(r"(?ms)^```template\n(.*?)^```$", PAGE)
EXAMPLES = [re.split(r" +→ ?", line) for line in _BLOCK.splitlines()]


@pytest.mark.parametrize(("template", "result"), EXAMPLES)
def test_an_example_renders_as_the_page_says(template: str, result: str) -> None:
    assert render(template, Sources({"USER": "joe", "HOSTS": "a,b"})) == result


def test_the_bounds_are_those_of_the_program() -> None:
    assert limits.MAX_TEXT == 64 << 20
    assert (limits.MAX_ITEMS, limits.MAX_DEPTH, limits.MAX_STEPS) == (1_000_000, 200, 5_000_000)
