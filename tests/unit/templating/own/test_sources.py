"""Promises of the functions that look outside, and of the YAML ones."""

from __future__ import annotations

import base64
import logging
import os
import socket
import threading
from pathlib import Path

import pytest

from bank_vaults.templating import limits, sprig
from bank_vaults.templating.errors import FunctionError, TemplateError
from bank_vaults.templating.own.sources import Sources, _decoded
from bank_vaults.templating.policy import policy
from bank_vaults.templating.render import render

ENVIRONMENT = {"FOO": "foo", "EMPTY": "", "VAULT_ADDR": "http://localhost", "SECRET": "hidden value"}


@pytest.fixture
def registered() -> list[str]:
    return []


@pytest.fixture
def sources(registered: list[str]) -> Sources:
    return Sources(ENVIRONMENT, register_secret=registered.append)


def _failure(template: str, sources: Sources) -> str:
    with pytest.raises(TemplateError) as failed:
        render(template, sources)
    return str(failed.value)


# environment


def test_the_environment_is_there_by_name_and_as_a_map(sources: Sources) -> None:
    assert render("${ env `FOO` }/${ .Env.FOO }/${ index .Env `FOO` }", sources) == "foo/foo/foo"


def test_a_missing_variable_is_empty_for_env_and_no_value_in_the_map(sources: Sources) -> None:
    assert render("${ env `NOPE` }/${ .Env.NOPE }", sources) == "/<no value>"


def test_the_whole_environment_prints_as_in_go() -> None:
    few = Sources({"B": "2", "A": "1"})
    assert render("${ .Env } ${ . } ${ len .Env }", few) == "map[A:1 B:2] {map[A:1 B:2]} 2"


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$FOO", "foo"),
        ("${FOO}x", "foox"),
        ("$NOPE|", "|"),
        ("a$", "a$"),
        ("$ FOO", "$ FOO"),
        ("${}", ""),
        ("${FOO", "FOO"),
        ("$$", ""),
        ("$12", "2"),
        ("$é", "$é"),
    ],
)
def test_expandenv_expands_as_go_does(sources: Sources, text: str, expanded: str) -> None:
    assert sources.expandenv(text) == expanded


def test_very_many_braces_that_are_not_closed_take_no_time_by_the_square(sources: Sources) -> None:
    assert sources.expandenv("${FOO}" + "${" * 500_000 + "x") == "foox"


def test_a_variable_that_is_there_very_often_is_an_error() -> None:
    large = Sources({"A": "x" * 100_000})
    assert "error calling expandenv: the result would have" in _failure(
        "${ expandenv (repeat 100000 `$A`) }", large
    )


def test_refused_variables_are_not_in_the_map_and_asking_for_one_says_so() -> None:
    limited = Sources(ENVIRONMENT, policy(["env:VAULT_*", "env:FOO"], []))
    assert (
        render("${ .Env.FOO }${ range $name, $_ := .Env } ${ $name }${ end }", limited)
        == "foo FOO VAULT_ADDR"
    )
    for template in (
        "${ .Env.SECRET }",
        "${ index .Env `SECRET` }",
        "${ with .Env }${ .SECRET }${ end }",
        "${ env `SECRET` }",
        "${ expandenv `-$SECRET-` }",
    ):
        said = _failure(template, limited)
        assert "the environment variable SECRET is refused: no --template-allow allows it" in said
        assert "hidden value" not in said


def test_a_name_that_is_refused_does_not_tell_whether_it_is_set() -> None:
    limited = Sources(ENVIRONMENT, policy([], ["env:S*"]))
    assert "refused by --template-deny env:S*" in _failure("${ .Env.S_IS_NOT_SET }", limited)
    assert "SECRET" not in limited.data().fields()["Env"].keys()  # noqa: SIM118  the other way asks


# files


def test_a_file_fits_between_quotes(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(b"one\ntwo\n")
    assert render(f"${{ file `{tmp_path}/ca.crt` }}", sources) == "one\\ntwo\\n"
    assert render(f"${{ blob `file://{tmp_path}/ca.crt` }}", sources) == "one\ntwo\n"


def test_bytes_of_a_file_that_are_no_utf8_stay_as_they_are(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(b"\xff\x00\xc3")
    assert os.fsencode(render(f"${{ file `{tmp_path}/raw` }}", sources)) == b"\xff\x00\xc3"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", "no such file or directory"),
        ("directory", "is a directory"),
        ("pipe", "not a plain file"),
    ],
)
def test_what_is_no_plain_file_is_an_error_and_blocks_nothing(
    sources: Sources, tmp_path: Path, name: str, reason: str
) -> None:
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    said = _failure(f"${{ file `{tmp_path}/{name}` }}", sources)
    assert said.endswith(f"error calling file: open {tmp_path}/{name}: {reason}")


def test_no_descriptor_stays_open(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    limited = Sources({}, policy([f"file:{tmp_path}"], []))
    before = len(os.listdir("/proc/self/fd"))
    for each in (sources, limited):
        assert render(f"${{ file `{tmp_path}/file` }}", each) == "content"
        assert "is a directory" in _failure(f"${{ file `{tmp_path}` }}", each)
        assert "no such file" in _failure(f"${{ file `{tmp_path}/no/file` }}", each)
        assert "not a directory" in _failure(f"${{ file `{tmp_path}/file/x` }}", each)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_name_with_a_zero_byte_is_an_error(sources: Sources) -> None:
    assert "invalid argument" in _failure('${ file "a\\x00b" }', sources)


def test_an_endless_or_too_long_file_is_an_error(
    sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "not a plain file" in _failure("${ file `/dev/zero` }", sources)
    monkeypatch.setattr(limits, "MAX_TEXT", 10)
    (tmp_path / "long").write_bytes(b"x" * 11)
    assert "longer than 10 bytes" in _failure(f"${{ file `{tmp_path}/long` }}", sources)


def test_files_are_held_against_the_rules_by_both_functions(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    limited = Sources({}, policy([f"file:{tmp_path}"], []))
    assert render(f"${{ file `{tmp_path}/a` }}${{ blob `file://{tmp_path}/a` }}", limited) == "aa"
    for template in (
        "${ file `/etc/hostname` }",
        f"${{ blob `file://{tmp_path}/../../../../etc/hostname` }}",
    ):
        assert "is refused: no --template-allow allows it" in _failure(template, limited)


@pytest.mark.parametrize("swapped", ["file", "directory", "directory above"])
def test_a_link_that_comes_between_the_check_and_the_reading_is_not_followed(
    tmp_path: Path, swapped: str, caplog: pytest.LogCaptureFixture
) -> None:
    for directory, content in (("in", "harmless"), ("out", "secret")):
        (tmp_path / directory / "a" / "b").mkdir(parents=True)
        (tmp_path / directory / "a" / "b" / "file").write_text(content)
    place = {"file": "a/b/file", "directory": "a/b", "directory above": "a"}[swapped]

    def swap(_: logging.LogRecord) -> bool:
        (tmp_path / "in" / place).rename(tmp_path / "moved")
        (tmp_path / "in" / place).symlink_to(tmp_path / "out" / place)
        return True

    limited = Sources({}, policy([f"file:{tmp_path}/in"], []))
    template = f"${{ file `{tmp_path}/in/a/b/file` }}"
    # The log tells of the reading after the check and before the file is opened.
    logger = logging.getLogger("bank_vaults.templating.own.sources")
    logger.addFilter(swap)
    try:
        with caplog.at_level(logging.INFO, "bank_vaults"):
            said = _failure(template, limited)
    finally:
        logger.removeFilter(swap)
    reason = "too many levels of symbolic links" if swapped == "file" else "not a directory"
    assert said.endswith(f"open {tmp_path}/in/a/b/file: {reason}")
    assert (tmp_path / "in/a/b/file").read_text() == "secret"
    assert "is refused" in _failure(template, limited)


def test_links_that_change_all_the_time_lead_to_no_file_that_is_refused(tmp_path: Path) -> None:
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    (tmp_path / "in" / "link").symlink_to(tmp_path / "in" / "file")
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            for name in ("out", "in"):
                (tmp_path / "fresh").symlink_to(tmp_path / name / "file")
                (tmp_path / "fresh").rename(tmp_path / "in" / "link")

    limited = Sources({}, policy([f"file:{tmp_path}/in"], []))
    answers = set()
    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        for _ in range(500):
            try:
                answers.add(render(f"${{ file `{tmp_path}/in/link` }}", limited))
            except TemplateError as error:
                answers.add(str(error).rpartition(": ")[2])
    finally:
        done.set()
        swapping.join()
    assert answers <= {"in", "no --template-allow allows it", "too many levels of symbolic links"}


def test_a_relative_path_is_held_against_the_rules_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("content")
    monkeypatch.chdir(tmp_path)
    assert render("${ file `file` }", Sources({}, policy([f"file:{tmp_path}"], []))) == "content"
    assert "is a directory" in _failure("${ file `/` }", Sources({}, policy(["file:/"], [])))


def test_what_is_read_is_masked_whole_escaped_and_line_by_line(
    sources: Sources, registered: list[str], tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("-----BEGIN KEY-----\nAAAABBBB\nCCC\n")
    render(f"${{ file `{tmp_path}/key` }}", sources)
    whole = "-----BEGIN KEY-----\nAAAABBBB\nCCC"
    assert registered == [whole, whole.replace("\n", "\\n"), "AAAABBBB"]
    registered.clear()
    (tmp_path / "key").write_text("password\n")
    render(f"${{ file `{tmp_path}/key` }}", sources)
    assert registered == ["password"]


def test_long_texts_and_empty_ones_are_not_masked(
    sources: Sources, registered: list[str], tmp_path: Path
) -> None:
    for content in ("x" * 70_000, "\n"):
        (tmp_path / "file").write_text(content)
        render(f"${{ file `{tmp_path}/file` }}", sources)
    assert registered == []


# the log


def test_the_log_tells_what_was_read_and_no_values(
    sources: Sources, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("content of it")
    with caplog.at_level(logging.DEBUG, "bank_vaults"):
        render(f"${{ env `SECRET` }}${{ env `SECRET` }}${{ file `{tmp_path}/file` }}", sources)
    told = [
        (record.levelname, record.getMessage(), record.__dict__["fields"])
        for record in caplog.records
        if record.name.startswith("bank_vaults")
    ]
    assert told == [
        ("DEBUG", "a template reads an environment variable", {"variable": "SECRET"}),
        ("INFO", "a template reads a file", {"file": f"{tmp_path}/file"}),
    ]


def test_what_is_rendered_again_is_told_in_detail_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in "ab":
        (tmp_path / name).write_text("content")
    told: set[tuple[str, ...]] = set()
    with caplog.at_level(logging.DEBUG, "bank_vaults"):
        for name in "aab":
            render(f"${{ file `{tmp_path}/{name}` }}", Sources({}, told=told))
    assert [record.levelname for record in caplog.records] == ["INFO", "DEBUG", "INFO"]


def _told(template: str, caplog: pytest.LogCaptureFixture) -> list[str]:
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "bank_vaults"):
        render(template, Sources({"A": "1"}))
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(
    "template", ["${ .Env }", "${ . }", "${ range .Env }${ end }", "${ toJson .Env }", "${ toYaml .Env }"]
)
def test_going_through_all_variables_is_told_once(template: str, caplog: pytest.LogCaptureFixture) -> None:
    assert _told(template * 2, caplog).count("a template reads the whole environment") == 1
    assert "a template reads the whole environment" not in _told("${ len .Env }${ .Env.A }", caplog)


@pytest.mark.parametrize(
    "call",
    [
        "env `KEY` | mustToDate `2006`",
        "env `KEY` | mustToDate `20-06`",
        "print `20-` .Env.KEY | mustToDate `06-06`",
        "env `KEY` | file",
        "env `KEY` | call",
        "index (values (fromJson (toJson .Env))) 0 | file",
        "range .Env.KEY }${ end",
    ],
)
def test_an_error_names_a_variable_and_does_not_show_its_value(call: str) -> None:
    said = _failure(f"${{ {call} }}", Sources({"KEY": 'hunter2 "and" \\ more'}))
    assert "[value of KEY]" in said
    assert "hunter2" not in said
    assert "more" not in said


def test_an_error_shows_no_value_of_an_environment_that_was_gone_through_at_last() -> None:
    said = _failure("${ env `` }${ range .Env }${ fail . }${ end }", Sources({"KEY": "hunter2 and more"}))
    assert said.endswith("error calling fail: [value of KEY]")


def test_an_error_of_millions_of_characters_is_cut(sources: Sources) -> None:
    said = _failure("${ fail (print `begin` (repeat 1000000 `x`) `end`) }", sources)
    assert len(said) < 20_000
    assert "error calling fail: beginxxx" in said
    assert said.endswith("xxxend")


def test_an_error_does_not_show_what_a_file_had(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hunter2 and more\n")
    said = _failure(f"${{ file `{tmp_path}/key` | trimSuffix `\\n` | call }}", Sources({}))
    assert said.endswith("non-function *** of type string")


# functions that are denied


def test_any_function_can_be_denied(sources: Sources) -> None:
    denied = Sources(ENVIRONMENT, policy([], ["function:acc*", "function:upper", "function:toYaml"]))
    assert render("${ `x` | lower }${ env `FOO` }", denied) == "xfoo"
    for call, rule in (("accessor `x`", "acc*"), ("upper `x`", "upper"), ("toYaml 1", "toYaml")):
        said = _failure(f"${{ {call} }}", denied)
        assert f"the function is refused by --template-deny function:{rule}" in said


@pytest.mark.parametrize(
    ("rule", "call"),
    [
        ("trimAll", "trimall `x` `y`"),
        ("trimall", "trimAll `x` `y`"),
        ("push", "mustAppend (list 1) 2"),
        ("list", "tuple 1"),
        ("max", "biggest 1 2"),
        ("regexMatch", "mustRegexMatch `a` `b`"),
        ("date_modify", "now | mustDateModify `1h`"),
        ("osBase", "base `/a`"),
        ("os*", "dir `/a`"),
        ("must*", "first (list 1)"),
        ("must*", "fromJson `1`"),
        ("print*", "printf `%s` `x`"),
        ("index", "index .Env `FOO`"),
        ("and", "and 1 2"),
        ("or", "1 | or 0"),
        ("call", "call 1"),
    ],
)
def test_a_denial_covers_all_names_of_a_function_and_those_of_go(rule: str, call: str) -> None:
    said = _failure(f"${{ {call} }}", Sources(ENVIRONMENT, policy([], [f"function:{rule}"])))
    assert f"the function is refused by --template-deny function:{rule}" in said


def test_what_go_has_and_nobody_denied_works_beside_a_denial() -> None:
    denied = Sources(ENVIRONMENT, policy([], ["function:print"]))
    assert render("${ and 1 0 }${ or 0 2 }${ eq 1 1 }${ printf `%d` 3 }", denied) == "02true3"
    assert 'function "nope" not defined' in _failure("${ nope }", denied)


def test_names_that_sprig_gives_to_one_function_are_known_as_such() -> None:
    names: dict[object, set[str]] = {}
    for name in sprig.names():
        function = sprig.lookup(name)
        assert function is not None
        names.setdefault(function.call, set()).add(name)
    for same in names.values():
        for name in same:
            assert same <= set(sprig.names_of(name))


# hosts


def test_the_address_of_a_host(sources: Sources) -> None:
    assert sources.get_host_by_name("127.0.0.1") == "127.0.0.1"


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (UnicodeError("label too long"), "no host name"),
    ],
)
def test_a_host_without_an_address_is_an_error(
    sources: Sources, failure: Exception, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert _failure("${ getHostByName `nowhere` }", sources).endswith(
        f"error calling getHostByName: lookup nowhere: {reason}"
    )


def test_a_host_has_to_be_allowed() -> None:
    limited = Sources({}, policy(["host:*.example.com"], []))
    with pytest.raises(FunctionError, match="the host localhost is refused"):
        limited.get_host_by_name("localhost")


# key services, before they are asked


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ("awskms `*`", "awskms: the ciphertext is not base64"),
        ("awskms `é`", "awskms: the ciphertext is not base64"),
        ("awskms `eA==` `word`", "awskms: the encryption context 'word' is not of the form name=value"),
        ("awskms `eA==` `=x`", "is not of the form name=value"),
        ("gcpkms `*` `p` `l` `r` `k`", "gcpkms: the ciphertext is not base64"),
        ("gcpkms `eA==` `p` `l/x` `r` `k`", "gcpkms: 'l/x' is no name of a location"),
        ("gcpkms `eA==` `p` `l` `` `k`", "gcpkms: '' is no name of a key ring"),
        ("gcpkms `eA==` `p`", "wrong number of args for gcpkms: want 5 got 2"),
        ("blob `s3://bucket`", "blob: s3://bucket/ names no object: the path ends without a name"),
    ],
)
def test_wrong_arguments_are_named_before_anything_is_asked(
    sources: Sources, call: str, sentence: str
) -> None:
    assert sentence in _failure(f"${{ {call} }}", sources)


def test_key_services_have_to_be_allowed_as_functions() -> None:
    limited = Sources({}, policy(["env:*"], []))
    for call in ("awskms `eA==`", "gcpkms `eA==` `p` `l` `r` `k`"):
        said = _failure(f"${{ {call} }}", limited)
        assert "the function is refused: no --template-allow allows it" in said


def test_buckets_and_the_servers_that_a_url_names_have_to_be_allowed() -> None:
    limited = Sources({}, policy(["blob:s3://mine"], []))
    said = _failure("${ blob `s3://other/key` }", limited)
    assert "the object s3://other/key is refused" in said
    said = _failure("${ blob `s3://mine/key?endpoint=http://evil.example:80` }", limited)
    assert "the host evil.example is refused" in said


# accessor and YAML


@pytest.mark.parametrize(
    ("path", "text"), [("kubernetes/", "kubernetes"), ("a/b//", "a/b"), ("", ""), ("/x", "/x")]
)
def test_an_accessor_is_a_mark_for_later(sources: Sources, path: str, text: str) -> None:
    assert render(f"${{ accessor `{path}` }}", sources) == f"__accessor__{text}"


def test_yaml_is_written_and_read(sources: Sources) -> None:
    assert render("${ (fromYaml `{a: [1, yes, 0o17]}`).a }", sources) == "[1 yes 15]"
    assert render("${ fromYaml `{b: {c: 1.5}, a: ~}` | toYaml }", sources) == "a: null\nb:\n  c: 1.5"


def test_yaml_that_is_none_fails_the_rendering(sources: Sources) -> None:
    assert _failure("${ fromYaml `{a: 1, a: 2}` }", sources).endswith(
        "error calling fromYaml: this is no YAML: line 1, column 8: 'a' is there twice"
    )
    assert _failure("${ toYaml 1i }", sources).endswith(
        "error calling toYaml: this cannot be written as YAML: 1j has no form in YAML"
    )


def test_base64_with_line_ends_is_base64() -> None:
    assert _decoded(base64.encodebytes(b"x" * 100).decode().replace("\n", "\r\n")) == b"x" * 100


def test_what_is_secret_of_a_variable_is_masked_in_the_log_whichever_way_it_is_read() -> None:
    registered: list[str] = []
    variables = {"DB_PASSWORD": "password of it", "DB_URL": "postgres://app:hunter2@db/app", "DB_NAME": "app"}
    for template in (
        "${ env `DB_PASSWORD` }${ env `DB_URL` }${ env `DB_NAME` }",
        "${ expandenv `$DB_PASSWORD$DB_URL$DB_NAME` }",
        "${ .Env.DB_PASSWORD }${ .Env.DB_URL }${ .Env.DB_NAME }",
        "${ range .Env }${ end }",
    ):
        registered.clear()
        render(template, Sources(variables, register_secret=registered.append))
        assert set(registered) == {"password of it", "hunter2"}
        registered.clear()
        render(template, Sources({}, register_secret=registered.append))
        assert registered == []
