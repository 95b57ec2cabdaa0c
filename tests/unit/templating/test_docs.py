"""The examples of ``docs/templates.md`` render as the page says, and its commands run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from bank_vaults.templating import limits, own, yaml12
from bank_vaults.templating.own.sources import Sources
from bank_vaults.templating.policy import policy
from bank_vaults.templating.render import SCALAR, render
from bank_vaults.templating.template import parse

PAGE = (Path(__file__).parents[3] / "docs" / "templates.md").read_text(encoding="utf-8")
(_BLOCK,) = re.findall(r"(?ms)^```template\n(.*?)^```$", PAGE)
(_SAFE,) = re.findall(r"(?ms)^```yaml\n(.*?)^```$", PAGE)
EXAMPLES = [re.split(r" +→ ?", line) for line in _BLOCK.splitlines()]
IN_SENTENCES = re.findall(r"``(\$\{.*?\})``", PAGE)
COMMANDS = re.findall(r"(?m)^\$ bank-vaults (.*)$", PAGE)


@pytest.mark.parametrize(("template", "result"), EXAMPLES)
def test_an_example_renders_as_the_page_says(template: str, result: str) -> None:
    assert render(template, Sources({"USER": "joe", "HOSTS": "a,b"})) == result


@pytest.mark.parametrize("template", IN_SENTENCES)
def test_an_example_in_a_sentence_is_a_template(template: str) -> None:
    parse(template, functions=own.functions(Sources({})))


def test_the_advice_for_the_usual_mode_is_right_for_any_value() -> None:
    (advice,) = (each for each in IN_SENTENCES if "toJson" in each)
    for value in ('x", "y": "z', "a\nb: c", "true", "5", "\\ ' # : - {}"):
        assert yaml12.load(render(f"a: {advice}", Sources({"PASSWORD": value}))) == {"a": value}


def test_the_example_of_the_safe_mode_gives_what_its_comments_say(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("one\ntwo\n")
    document = _SAFE.replace("/etc/ca.crt", f"{tmp_path}/ca.crt")
    for password in ("5", "true", 'x", "y'):
        sources = Sources({"PASSWORD": password, "PORT": "8200"})
        found = yaml12.load(render(document, sources, mode=SCALAR))
        assert found == {"password": password, "port": 8200, "ca": "one\ntwo\n"}
    with pytest.raises(yaml12.YamlError, match="is no int"):
        yaml12.load(render(document, Sources({"PORT": "x"}), mode=SCALAR))


def test_the_rules_of_the_example_are_rules() -> None:
    (command,) = (each for each in COMMANDS if "--template-allow" in each)
    _, _, allowed, _, denied = shlex.split(command)
    rules = policy(allowed.split(","), denied.split(","))
    assert rules.permits("env", "env", "VAULT_ADDR")
    assert not rules.permits("env", "env", "HOME")
    assert rules.denial_of(("genPrivateKey",)) is not None


def test_the_bounds_are_those_of_the_program() -> None:
    bounds = re.sub(r"\s+", " ", PAGE.partition("## Bounds")[2])
    assert f"Texts have at most {limits.MAX_TEXT >> 20} Mi characters" in bounds
    assert f"lists have at most {limits.MAX_ITEMS // 1000} 000 elements" in bounds
    assert f"at most {limits.MAX_DEPTH} deep" in bounds
    assert f"at most {limits.MAX_WORDS // 1000} 000 words and signs" in bounds
    assert f"at most {limits.MAX_STEPS // 1_000_000} million steps" in bounds
    assert f"(a key pair is {limits.EXTRAS['genPrivateKey'].call // 1000} 000)" in bounds
    assert f"at most {limits.MAX_MEMORY >> 20} MiB. It" in bounds
    assert f"files have at most {limits.MAX_TEXT >> 20} MiB" in bounds
