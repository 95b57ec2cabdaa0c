"""Promises of the rules that say what templates may reach."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.policy import Policy, policy


def _refusal(rules: Policy, function: str, kind: str, subject: str) -> str:
    with pytest.raises(FunctionError) as refused:
        rules.check(function, kind, subject)
    assert not rules.permits(function, kind, subject)
    return str(refused.value)


def _refusal_of_file(rules: Policy, path: str, function: str = "file") -> str:
    with pytest.raises(FunctionError) as refused:
        rules.check_file(function, path)
    return str(refused.value)


def test_without_rules_everything_is_allowed() -> None:
    for kind in ("env", "blob", "host", "function"):
        assert policy([], []).permits("any", kind, "anything")
    assert policy([], []).check_file("file", "/anything") is None


def test_a_denial_names_its_rule_and_leaves_everything_else_alone() -> None:
    rules = policy([], ["env:*_KEY"])
    assert _refusal(rules, "env", "env", "API_KEY") == (
        "the environment variable API_KEY is refused by --template-deny env:*_KEY"
    )
    assert rules.permits("env", "env", "HOME")
    rules.check_file("file", "/etc/passwd")


def test_with_an_allowance_everything_else_outside_is_refused() -> None:
    rules = policy(["env:VAULT_*"], [])
    assert rules.permits("env", "env", "VAULT_ADDR")
    assert _refusal(rules, "env", "env", "HOME") == (
        "the environment variable HOME is refused: no --template-allow allows it"
    )
    assert _refusal_of_file(rules, "/x") == "the file /x is refused: no --template-allow allows it"
    assert _refusal(rules, "awskms", "function", "awskms") == (
        "the function is refused: no --template-allow allows it"
    )


def test_a_denial_wins_over_an_allowance() -> None:
    rules = policy(["env:VAULT_*"], ["env:VAULT_TOKEN"])
    assert rules.permits("env", "env", "VAULT_ADDR")
    assert "--template-deny env:VAULT_TOKEN" in _refusal(rules, "env", "env", "VAULT_TOKEN")


def test_an_allowed_function_may_reach_everything() -> None:
    rules = policy(["function:awskms", "function:file"], [])
    assert rules.permits("awskms", "function", "awskms")
    rules.check_file("file", "/etc/passwd")
    assert "is refused" in _refusal_of_file(rules, "/etc/passwd", function="blob")


def test_a_denied_function_is_refused_whatever_it_is_given() -> None:
    rules = policy(["host:*"], ["function:getHost*"])
    said = "the function is refused by --template-deny function:getHost*"
    assert _refusal(rules, "getHostByName", "host", "localhost") == said
    with pytest.raises(FunctionError, match="refused by"):
        rules.check_function("getHostByName")
    rules.check_function("upper")


def test_names_are_compared_with_capitals() -> None:
    assert not policy(["env:vault_*"], []).permits("env", "env", "VAULT_ADDR")


def test_a_directory_is_meant_as_it_is_and_not_as_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "inside").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "out").symlink_to("/etc/hostname")
    rules = policy([f"file:{tmp_path}/link/"], [])
    for path in ("in", "in/a", "link/a", "inside/../in/a"):
        assert rules.check_file("file", f"{tmp_path}/{path}") == os.path.realpath(tmp_path / path)
    for path in ("inside/a", "in/../inside/a", "in/out"):
        assert "is refused" in _refusal_of_file(rules, f"{tmp_path}/{path}")


_HIDDEN = "is refused: it holds the environment, for which there are rules"


@pytest.mark.parametrize(
    "rules",
    [
        policy(["env:A", "file:/"], []),
        policy(["file:/"], []),
        policy(["file:/proc/self"], []),
        policy(["function:file"], []),
        policy([], ["env:A"]),
        policy([], ["function:env"]),
    ],
)
def test_the_environment_is_not_read_as_a_file_where_a_variable_is_refused(
    rules: Policy, tmp_path: Path
) -> None:
    thread = threading.get_native_id()
    (tmp_path / "alias").symlink_to("/proc/self/environ")
    for path in (
        "/proc/self/environ",
        "/proc/thread-self/environ",
        f"/proc/{os.getpid()}/environ",
        f"/proc/{os.getppid()}/environ",
        f"/proc/self/task/{thread}/environ",
        f"/proc/{os.getpid()}/task/{thread}/environ",
        f"/proc/{os.getpid()}/task/../environ",
        "/proc/self/root/proc/self/environ",
        "/proc/self/cwd/../../../../../../../../../../proc/self/environ",
        "//proc//self//environ",
        f"{tmp_path}/alias",
        "/host/proc/1/environ",
    ):
        assert _refusal_of_file(rules, path) == f"the file {path} {_HIDDEN}"
    rules.check_file("file", "/proc/self/status")


def test_the_environment_is_read_as_a_file_where_every_variable_may_be_read() -> None:
    for rules in (
        policy(["env:*", "file:/"], []),
        policy(["function:*"], []),
        policy([], ["host:x"]),
        policy([], ["function:upper"]),
    ):
        assert rules.check_file("file", "/proc/self/environ") == f"/proc/{os.getpid()}/environ"


def test_the_root_directory_stands_for_all_files() -> None:
    assert policy(["file:/"], []).check_file("file", "/etc/..//") == "/"


def test_a_bucket_is_a_bucket_and_a_prefix_ends_at_a_slash() -> None:
    rules = policy(["blob:s3://one", "blob:gs://two/dir/"], [])
    for url in ("s3://one/a", "s3://one/b/c", "gs://two/dir/a"):
        assert rules.permits("blob", "blob", url)
    for url in ("s3://one-more/a", "gs://one/a", "gs://two/a", "gs://two/directory/a", "azblob://one/a"):
        assert not rules.permits("blob", "blob", url)


@pytest.mark.parametrize(
    "written",
    ["", "env", "env:", "what:x", "file:relative", "blob:bucket", "blob:http://x", "blob:s3://", ":x"],
)
def test_what_is_no_rule_is_an_error_that_names_flag_and_rule(written: str) -> None:
    for flag, given in (("--template-allow", ([written], [])), ("--template-deny", ([], [written]))):
        with pytest.raises(ValueError, match=f"^{flag}: ") as refused:
            policy(*given)
        assert repr(written) in str(refused.value)


def test_a_path_that_no_file_can_have_is_refused_in_words() -> None:
    assert _refusal_of_file(policy(["file:/etc"], []), "/etc/a\0b") == "open '/etc/a\\x00b': invalid argument"
