"""Promises of the way from files to documents."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_vaults.configure import documents
from bank_vaults.configure.config import Configuration
from bank_vaults.configure.library import Library
from bank_vaults.configure.problems import DocumentError, Problem
from bank_vaults.configure.schema import AUTH, DOCUMENT, SECRET_DATA, SECRETS
from bank_vaults.templating.own.sources import Sources
from bank_vaults.templating.render import TEXT
from tests.unit.configure.decoding import document, parse, problems

SAMPLE = Path(__file__).with_name("sample.yml")


@pytest.mark.parametrize(
    "text", ["", "null", "~", "# nothing\n", "---\n", " \n", "{}", " {}\n", "\ufeff", "\ufeff{}"]
)
def test_a_document_with_nothing_in_it_gives_nothing(text: str) -> None:
    assert document(text).configuration == Configuration()


@pytest.mark.parametrize(
    "text", ["{policies: {name: a}}", '{"policies": [{"name": "a"}]}', "policies: {name: a}"]
)
def test_empty_documents_may_follow_and_a_second_one_with_content_is_refused(text: str) -> None:
    for behind in ("---", "...", "---\n# the end\n---"):
        (policy,) = document(f"{text}\n{behind}\n").configuration.policies
        assert policy.name == "a"
    (problem,) = problems(f"{text}\n---\n{text}\n")
    assert problem.startswith(
        "2:1: a second document begins, and only one is read: give each a file of its own"
    )


@pytest.mark.parametrize("text", ["[]", "- a", "text", "5", "true"])
def test_a_document_is_a_map(text: str) -> None:
    (problem,) = problems(text)
    assert "a map of sections is expected" in problem


def test_json_and_yaml_are_the_same_document() -> None:
    content = {"policies": [{"name": "a", "rules": "path"}], "audit": {"type": "file"}}
    written = json.dumps(content, indent=2)
    as_yaml = "policies:\n  - name: a\n    rules: path\naudit: {type: file}\n"
    for one, other in zip(
        document(written).configuration[:-1], document(as_yaml).configuration[:-1], strict=True
    ):
        assert [element[1:] for element in one] == [element[1:] for element in other]


def test_json_with_escapes_that_yaml_does_not_have_is_read_as_json() -> None:
    (policy,) = document(
        '{"policies":\t[{"name": "a", "rules": "\\ud83d\\ude00\\/"}]}'
    ).configuration.policies
    assert policy.rules == "😀/"


def test_yaml_in_braces_is_read_as_yaml() -> None:
    assert document("{policies: [{name: a}]}").configuration.policies[0].name == "a"


def test_neither_json_nor_yaml_says_why_it_is_none_of_them() -> None:
    (problem,) = problems('{"policies": [}')
    assert problem == (
        "1:15: did not find expected node content (as JSON: line 1, column 15: a value is expected)"
    )


def test_a_name_that_is_there_twice_is_an_error_with_its_place() -> None:
    assert problems("policies: []\naudit: []\npolicies: []\n") == ["3:1: 'policies' is there twice"]
    assert problems('{"audit": [],\n "audit": []}') == ["2:2: 'audit' is there twice"]


def test_all_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    texts = {
        "a.yml": "policies: [{nam: a}]\nfoo: 1\n",
        "b.yml": "a: b: c\n",
        "c.yml": "${ nope }",
        "d.yml": "audit: []\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    files = [str(tmp_path / name) for name in (*texts, "absent.yml")]
    library = Library(files, lambda: Sources({}), TEXT)
    library.load(files)
    raised = DocumentError(problem for error in library.broken.values() for problem in error.problems)
    said = [(Path(problem.file).name, problem.line, problem.where) for problem in raised.problems]
    assert said == [
        ("a.yml", 1, "policies[0]"),
        ("a.yml", 1, "policies[0]"),
        ("a.yml", 2, ""),
        ("b.yml", 1, ""),
        ("c.yml", 0, ""),
        ("absent.yml", 0, ""),
    ]
    assert 'cannot be rendered: template: config:1: function "nope" not defined' in str(raised)
    assert str(raised).endswith("absent.yml: the file cannot be read: No such file or directory")


def test_a_file_that_is_too_big_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "LARGEST_FILE", 1 << 20)
    (tmp_path / "big").write_bytes(b" " * ((1 << 20) + 1))
    with pytest.raises(DocumentError, match="bigger than 1 MiB"):
        documents.read(str(tmp_path / "big"))


def test_a_name_of_a_file_that_cannot_be_one_is_a_problem_like_others() -> None:
    with pytest.raises(DocumentError, match="cannot be read"):
        documents.read("a\0b")


@pytest.mark.parametrize("text", ['{"a": "\udcff"}', "a: \udcff"])
def test_a_file_that_is_no_utf_8_is_refused_with_the_place(text: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith("1:")
    assert problem.endswith("a byte is not UTF-8")


def test_lines_are_those_of_the_file_as_long_as_rendering_keeps_their_number() -> None:
    assert problems("# ${ env `X` }\nfoo: 1\n")[0].startswith("2:1: ")


def test_lines_of_the_rendered_file_are_called_so() -> None:
    (problem,) = problems("${ if true -}\n\n\nfoo: 1${ end }\n")
    assert problem.startswith("1:1 (of the rendered file): 'foo' is not known here")


def test_texts_can_be_templates_of_their_own() -> None:
    sources = Sources({"RULES": 'a"\nfoo: 1'})
    text = "policies:\n  - name: a\n    rules: ${ .Env.RULES }\n"
    with pytest.raises(DocumentError):
        parse(text, sources)
    (policy,) = parse(text, sources, "scalar").configuration.policies
    assert policy.rules == 'a"\nfoo: 1'


def test_placeholders_of_accessors_stay() -> None:
    (policy,) = document("policies: [{name: a, rules: '${ accessor `kubernetes/` }'}]").configuration.policies
    assert policy.rules == "__accessor__kubernetes"


def test_the_published_sample_is_a_document(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("-----BEGIN CERTIFICATE-----\n")
    text = SAMPLE.read_text().replace("/ca.crt", str(tmp_path / "ca.crt"))
    found = parse(text, Sources({"AWS_ACCESS_KEY_ID": "id"}))
    assert not found.warnings
    configuration = found.configuration
    assert [auth.path for auth in configuration.auth] == [
        *("kubernetes", "github", "token", "aws", "ldap", "okta", "cert", "jwt", "approle", "userpass")
    ]
    assert [secrets.path for secrets in configuration.secrets] == [
        *("secret", "wallet", "database", "pki", "ssh-client-signer", "aws", "rabbitmq", "tenant/transit")
    ]
    assert list(configuration.secrets[3].configuration) == ["config", "root/generate", "roles"]
    assert configuration.auth[3].crossaccountroles[0].name == "12345671234"
    assert configuration.startup_secrets[1].references == (("aws-account-secret", "AWS_ACCESS_KEY_ID"),)


def test_a_document_of_ten_thousand_elements_is_read_quickly() -> None:
    policies = "".join(f"  - name: p{number}\n    rules: |\n      path x {{}}\n" for number in range(5000))
    roles = "".join(f"      - {{name: r{number}, policies: [a, b], ttl: 1h}}\n" for number in range(5000))
    begun = time.process_time()
    found = document(f"policies:\n{policies}auth:\n  - type: approle\n    roles:\n{roles}").configuration
    used = time.process_time() - begun
    assert len(found.policies) + len(found.auth[0].roles) == 10_000
    assert used < 2  # seconds of this process alone; 0.5 where nothing else runs


@given(st.text(alphabet="abc:-[]{}'\"#&*!|>?%@`~ \n\t0123456789$,<", max_size=60))
def test_a_text_is_a_document_or_the_one_error(text: str) -> None:
    problems(text)


_NAMES = st.sampled_from(
    [
        *(field.name for field in (*DOCUMENT.fields, *AUTH.fields, *SECRETS.fields, *SECRET_DATA.fields)),
        *("name", "NAME", "username", "enabled", "exclude", "rules", "/", "x", ""),
    ]
)
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "a", "/", "kv", "..", "1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=25,
)


@given(st.dictionaries(_NAMES, _JSON, max_size=5))
def test_decoding_raises_nothing_but_the_one_error(content: Any) -> None:
    for problem in problems(json.dumps(content)):
        assert problem


def test_a_problem_is_a_sentence_with_its_place() -> None:
    assert str(Problem("f", 0, 0, "", "it is so")) == "f: it is so"
    assert str(Problem("f", 1, 2, "auth[0]", "it is so", "do this")) == "f:1:2: auth[0]: it is so; do this"


def test_no_problem_shows_a_value() -> None:
    secret = "hunter2hunter2"
    text = f"""
audit: [{{type: [{secret}], options: {{a: [{secret}]}}, local: {secret}}}]
auth:
  - {{type: a, config: {secret}, options: {{force_no_cache: {secret}, user_lockout_config: {secret}}}}}
  - {{type: b, users: [{secret}], roles: {secret}, map: {{x: {secret}, y: {{z: {{a: {secret}}}}}}}}}
groups: [{{name: {{a: {secret}}}, type: {secret}, policies: [{{a: {secret}}}]}}]
secrets: [{{type: kv, max_versions: {secret}, configuration: {{a: {secret}, b: [{secret}]}}}}]
startupSecrets: [{{type: {secret}, path: a, data: {secret}}}, {secret}]
purgeUnmanagedConfig: {{enabled: {secret}}}
policies: !!int {secret}
"""
    said = problems(text)
    assert len(said) >= 17
    assert secret not in "\n".join(said)
    assert secret not in repr(
        document(f"startupSecrets: [{{type: kv, path: a, data: {{data: {{a: {secret}}}}}}}]")
    )


def test_what_could_not_be_carried_out_is_told_beside_what_cannot_be_read() -> None:
    text = """\
nonsense: 1
policies:
  - {name: a, rules: 'path "a" {'}
  - {name: b, rules: 'path "${ accessor `of-the-server` }" {}'}
  - {nmae: c, rules: 'path {'}
"""
    with pytest.raises(DocumentError) as found:
        parse(text, Sources({}), file="f.yml")
    told = [(problem.line, problem.column, problem.where) for problem in found.value.problems]
    assert told == [(1, 1, ""), (3, 5, "policies policy a"), (5, 5, "policies[2]"), (5, 6, "policies[2]")]


def test_of_a_value_that_breaks_the_document_it_is_told_what_helps() -> None:
    text = "policies:\n- name: '${ env `NAME` }'\n"
    with pytest.raises(DocumentError, match=r"'\| toJson' quotes it") as broken:
        parse(text, Sources({"NAME": "o'clock"}))
    assert "o'clock" not in str(broken.value)
    with pytest.raises(DocumentError) as plain:
        parse("policies: [", Sources({}))
    assert "toJson" not in str(plain.value)
