"""Whatever a template does, it renders or fails as a template: with an error that has its words.

``BANK_VAULTS_FUZZ_SEED`` is another start than the usual, ``BANK_VAULTS_FUZZ_CASES`` another number of
programs.
"""

from __future__ import annotations

import os
import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError, TemplateError
from bank_vaults.templating.golang.values import octets
from bank_vaults.templating.own.sources import Sources
from bank_vaults.templating.render import SCALAR, TEXT, render
from tests.support.random_programs import Program, Programs

_UNFORESEEN = re.compile(r"unexpected [A-Z]\w+$|error calling \w+: [A-Z]\w*(?:Error|Exception|Warning)$")
"""How the evaluator tells of an exception that nobody foresaw."""


class _Alone(Sources):
    """The outside world without clouds and without a resolver."""

    def _client(self, cloud: str) -> object:
        raise FunctionError(f"there is no {cloud} here")

    def get_host_by_name(self, name: str) -> str:
        self.policy.check("getHostByName", "host", name)
        return "127.0.0.1"


def outcome(program: Program) -> str:
    """What came of it: the text, or that of the error."""
    try:
        rendered = render(program.text, _Alone({"A": "x", "B": ""}, program.rules), mode=program.mode)
        assert isinstance(octets(rendered), bytes)
    except TemplateError as error:
        return str(error)
    return rendered


def test_random_programs_render_or_are_errors_of_the_template(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_STEPS", 30_000)
    programs = Programs(Random(int(os.environ.get("BANK_VAULTS_FUZZ_SEED", "6"))))
    unforeseen = []
    rendered = 0
    cases = int(os.environ.get("BANK_VAULTS_FUZZ_CASES", "1500"))
    for _ in range(cases):
        program = programs.next()
        try:
            said = outcome(program)
        except BaseException as error:
            unforeseen.append(f"{program}\n    {error!r}")
            continue
        if _UNFORESEEN.search(said):
            unforeseen.append(f"{program}\n    {said}")
        rendered += "template: config:" not in said
    assert rendered > cases // 10, "nearly all fail: they prove little"
    assert not unforeseen, f"{len(unforeseen)}:\n" + "\n".join(unforeseen)


_DOCUMENTS = st.lists(
    st.sampled_from(
        (
            "${ ", " }", "${", "}", "a: ", "b:\n  ", "- ", "\n", "|\n  ", ">-\n  ", "'", '"', "{", "[",
            ",", "]", "# ", "&x ",
            "*x", "!!int ", "<<: ", "? ", "---\n", "...", "%YAML", "\\u0000", "\t", "é", "\udcff", "\0",
            "\ufeff", "1", "`",
            ".Env.A", "env `B`", "list 1", "end", "if 1", "x", ": ", "\r\n", "\x85", "\\", "{{ }}",
        )
    ),
    max_size=25,
).map("".join)  # fmt: skip


@given(st.one_of(st.text(), _DOCUMENTS), st.sampled_from((TEXT, SCALAR)))
def test_any_document_renders_or_is_an_error_of_the_template(text: str, mode: str) -> None:
    try:
        octets(render(text, Sources({"A": "x\udcff", "B": "y"}), mode=mode))
    except TemplateError as error:
        assert not _UNFORESEEN.search(str(error))
