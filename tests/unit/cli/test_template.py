"""Promises of the command ``template``."""

from __future__ import annotations

import errno
import os
import re
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from bank_vaults.cli import reading, template
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.telemetry.logs import redact
from tests.unit.cli.conftest import Cli

PAGE = (Path(__file__).parents[3] / "docs" / "templates.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("VAULT_LOCAL_CONFIG", raising=False)
    monkeypatch.setenv("NAME", "value")
    old = os.umask(0o077)
    yield
    os.umask(old)
    reading._secrets.clear()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_text("name: ${ .Env.NAME }\n")
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "target").mkdir()
    return tmp_path / "target" / "vault.json"


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_template_becomes_a_file_of_mode_0640_whatever_the_umask(
    cli: Cli, source: Path, target: Path
) -> None:
    outcome = cli("-template", f"{source}:{target}", program="template")
    assert (outcome.code, outcome.stdout) == (0, "")
    assert target.read_text() == "name: value\n"
    assert _mode(target) == 0o640
    assert [path.name for path in target.parent.iterdir()] == ["vault.json"]


@pytest.mark.parametrize("given", ["600", "0600", "0o600"])
def test_w30_modes_are_octal_and_old_files_get_them_too(
    cli: Cli, source: Path, target: Path, given: str
) -> None:
    target.write_text("old")
    target.chmod(0o444)
    outcome = cli("template", "--template", f"{source}:{target}", "--mode", given)
    assert (outcome.code, _mode(target), target.read_text()) == (0, 0o600, "name: value\n")
    remarked = "a file mode without a leading 0 is read as octal flag=--mode mode=0600" in outcome.stderr
    assert remarked == (given == "600")


def test_all_pairs_are_rendered_in_their_order(cli: Cli, source: Path, target: Path) -> None:
    again = target.with_name("again")
    # The second reads what the first has written.
    pairs = f"{source}:{target}", "--template", f"{target}:{again}"
    assert cli("template", "--template", *pairs).code == 0
    assert again.read_text() == "name: value\n"


def test_the_text_of_the_environment_goes_first(cli: Cli, source: Path, target: Path, tmp_path: Path) -> None:
    environment = {"VAULT_LOCAL_CONFIG": "local: ${ .Env.NAME }"}
    outcome = cli(
        *("-template", f"{source}:{tmp_path / 'not'}", "-file", str(target)),
        program="template",
        env=environment,
    )
    assert (outcome.code, target.read_text()) == (0, "local: value")
    assert not (tmp_path / "not").exists()
    assert "--template is ignored: VAULT_LOCAL_CONFIG is set" in outcome.stderr


def test_delimiters_can_be_others(cli: Cli, source: Path, target: Path) -> None:
    source.write_text("[[ .Env.NAME ]] ${ .Env.NAME }")
    assert cli("-template", f"{source}:{target}", "-delims", "[[:]]", program="template").code == 0
    assert target.read_text() == "value ${ .Env.NAME }"


def test_without_anything_to_do_it_says_so(cli: Cli) -> None:
    outcome = cli("template")
    assert outcome.code == 0
    assert "there is nothing to render" in outcome.stderr


def test_bytes_pass_unharmed(cli: Cli, source: Path, target: Path) -> None:
    source.write_bytes(b"\xff\r\n\x00${ .Env.NAME }\xc3")
    assert cli("template", "--template", f"{source}:{target}").code == 0
    assert target.read_bytes() == b"\xff\r\n\x00value\xc3"


def test_the_safe_mode_keeps_values_in_their_texts(cli: Cli, source: Path, target: Path) -> None:
    source.write_text('{"a": "${ .Env.EVIL }"}')
    environment = {"EVIL": 'x", "admin": "yes'}
    pair = f"{source}:{target}"
    assert cli("template", "--template", pair, "--template-mode", "scalar", env=environment).code == 0
    assert target.read_text() == '{"a": "x\\", \\"admin\\": \\"yes"}'


def test_rules_are_held_up(cli: Cli, source: Path, target: Path) -> None:
    pair = f"{source}:{target}"
    outcome = cli("template", "--template", pair, "--template-allow", "env:OTHER_*,file:/etc")
    assert outcome.code == ExitCode.FAILURE
    assert "the environment variable NAME is refused: no --template-allow allows it" in outcome.stderr
    assert not target.exists()
    outcome = cli("template", "--template", pair, env={"BANK_VAULTS_TEMPLATE_DENY": "env:NAME"})
    assert "refused by --template-deny env:NAME" in outcome.stderr


def test_a_rule_that_is_none_is_an_error_of_the_user(cli: Cli, source: Path, target: Path) -> None:
    outcome = cli("template", "--template", f"{source}:{target}", "--template-deny", "files:/etc")
    assert outcome.code == ExitCode.USAGE
    assert "Error: --template-deny: 'files:/etc' is no rule" in outcome.stderr


def test_what_a_template_reads_is_masked_in_the_log(
    cli: Cli, source: Path, target: Path, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("correct horse\n")
    source.write_text(f"${{ fail (file `{tmp_path}/password`) }}")
    outcome = cli("template", "--template", f"{source}:{target}")
    assert outcome.code == ExitCode.FAILURE
    assert "error calling fail: ***" in outcome.stderr
    assert "horse" not in outcome.stderr
    assert redact("battery correct horse staple") == "battery *** staple"


# the manual


@pytest.mark.parametrize("command", re.findall(r"(?m)^\$ bank-vaults (template .*)$", PAGE))
def test_a_command_of_the_page_runs(
    cli: Cli, source: Path, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    source.rename(tmp_path / "vault.json.in")
    monkeypatch.chdir(tmp_path)
    outcome = cli(*shlex.split(command.replace("/vault/config", str(target.parent))))
    assert outcome.code == 0
    assert target.exists() is not ("--check" in command)


# checking


def test_a_check_writes_nothing_and_tells_by_its_exit_code(cli: Cli, source: Path, target: Path) -> None:
    outcome = cli("template", "--template", f"{source}:{target}", "--check")
    assert outcome.code == 0
    assert f"a template renders template={source}" in outcome.stderr
    source.write_text("a\n${ nope }")
    outcome = cli("template", "--template", f"{source}:{target}", "--check")
    assert outcome.code == ExitCode.FAILURE
    assert list(target.parent.iterdir()) == []


# errors: one line, and the old file stays


def _refused(cli: Cli, source: Path, target: Path) -> str:
    """The one line of an error."""
    outcome = cli("template", "--template", f"{source}:{target}")
    assert (outcome.code, outcome.stdout) == (ExitCode.FAILURE, "")
    (line,) = [line for line in outcome.stderr.splitlines() if " INFO " not in line]
    assert " ERROR " in line
    return line.partition(" ERROR ")[2]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a\n${ nope }", 'template: config:2: function "nope" not defined'),
        ("${ if }", "missing value for if"),
        ("${ .X }", "can't evaluate field X in type Data"),
        ("${ fail `no` }", "error calling fail: no"),
        ("${ file `/proc/none` }", "open /proc/none: no such file or directory"),
    ],
)
def test_a_template_that_fails_is_one_line_and_leaves_the_old_file(
    cli: Cli, source: Path, target: Path, text: str, sentence: str
) -> None:
    target.write_text("old")
    source.write_text(text)
    line = _refused(cli, source, target)
    assert line.startswith(f"the template '{source}' cannot be rendered: template: config:")
    assert line.endswith(sentence)
    assert target.read_text() == "old"


def test_a_template_that_cannot_be_read_is_named(cli: Cli, target: Path, tmp_path: Path) -> None:
    line = _refused(cli, tmp_path / "none", target)
    assert line == f"the template '{tmp_path}/none' cannot be read: No such file or directory"
    line = _refused(cli, tmp_path, target)
    assert line == f"the template '{tmp_path}' cannot be read: Is a directory"


def test_a_template_that_is_too_big_is_refused(
    cli: Cli, source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(template, "_LARGEST_TEMPLATE", 10)
    assert _refused(cli, source, target) == f"the template '{source}' is bigger than 64 MiB"


def test_a_missing_directory_is_named(cli: Cli, source: Path, target: Path) -> None:
    missing = target.parent / "no" / "vault.json"
    line = _refused(cli, source, missing)
    assert line == (
        f"the file '{missing}' cannot be written: No such file or directory; the directory "
        f"'{missing.parent}' is missing"
    )


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EBUSY])
@pytest.mark.parametrize("step", ["open", "write", "fsync", "rename"])
def test_a_disk_that_fails_leaves_the_old_file_and_nothing_else(
    cli: Cli, source: Path, target: Path, monkeypatch: pytest.MonkeyPatch, step: str, code: int
) -> None:
    target.write_text("old")
    real = os.open

    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    def fail_to_create(path: str, flags: int, *rest: int, **options: int) -> int:
        if flags & os.O_CREAT:
            fail()
        return real(path, flags, *rest, **options)

    with monkeypatch.context() as patch:
        if step == "open":
            patch.setattr(os, "open", fail_to_create)
        elif step == "write":
            patch.setattr("bank_vaults.keystores.atomic.memoryview", fail, raising=False)
        else:
            patch.setattr(os, step, fail)
        line = _refused(cli, source, target)
    assert line.startswith(f"the file '{target}' cannot be written: {os.strerror(code)}")
    assert ("mount its directory" in line) is (code == errno.EBUSY)
    assert target.read_text() == "old"
    assert list(target.parent.iterdir()) == [target]


def test_a_file_name_that_cannot_be_one_is_an_error(cli: Cli, source: Path) -> None:
    assert "cannot be written: File name too long" in _refused(cli, source, Path("/tmp") / ("x" * 300))


# what stands at the destination


def test_a_link_goes_on_to_lead_to_the_file(cli: Cli, source: Path, target: Path, tmp_path: Path) -> None:
    target.write_text("old")
    link = tmp_path / "link"
    link.symlink_to(target)
    assert cli("template", "--template", f"{source}:{link}").code == 0
    assert (link.is_symlink(), target.read_text()) == (True, "name: value\n")


def test_a_device_is_written_to_and_not_replaced(cli: Cli, source: Path) -> None:
    assert cli("template", "--template", f"{source}:/dev/null").code == 0
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_standard_output_that_is_a_file_is_gone_on_with(cli: Cli, source: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    with output.open("wb") as file:
        file.write(b"written before\n")
        file.flush()
        for _ in range(2):
            assert cli("template", "--template", f"{source}:/proc/self/fd/{file.fileno()}").code == 0
    assert output.read_bytes() == b"written before\n" + b"name: value\n" * 2


def test_a_pipe_is_written_to(cli: Cli, source: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert cli("template", "--template", f"{source}:{pipe}").code == 0
        assert os.read(reader, 100) == b"name: value\n"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="files of others are made by root only")
def test_owner_and_group_of_an_old_file_are_kept(cli: Cli, source: Path, target: Path) -> None:
    target.write_text("old")
    os.chown(target, 1234, 2345)
    assert cli("template", "--template", f"{source}:{target}").code == 0
    found = target.stat()
    assert (found.st_uid, found.st_gid, _mode(target)) == (1234, 2345, 0o640)


@pytest.mark.skipif(os.geteuid() != 0, reason="files of others are made by root only")
def test_an_owner_that_cannot_be_kept_is_a_warning(
    cli: Cli, source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    target.write_text("old")
    os.chown(target, 1234, 2345)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fchown", refuse)
        outcome = cli("template", "--template", f"{source}:{target}")
    assert (outcome.code, target.read_text()) == (0, "name: value\n")
    assert "owner and group of a file could not be kept" in outcome.stderr
    assert list(target.parent.iterdir()) == [target]


def test_no_byte_is_written_before_the_mode_is_in_force(
    cli: Cli, source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    real = os.fchmod

    def watch(descriptor: int, mode: int) -> None:
        found = os.fstat(descriptor)
        sizes.append((found.st_size, stat.S_IMODE(found.st_mode), mode))
        real(descriptor, mode)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fchmod", watch)
        assert cli("template", "--template", f"{source}:{target}", "--mode", "0644").code == 0
    assert sizes == [(0, 0o600, 0o644)]
    assert _mode(target) == 0o644
