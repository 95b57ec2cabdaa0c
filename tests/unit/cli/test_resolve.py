"""Flag before environment before default, the same parser for both, and no silent zero."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bank_vaults.cli.errors import UsageError
from bank_vaults.cli.options import OPTIONS, Kind, Option, read_by
from bank_vaults.cli.resolve import LARGEST_SECRET_FILE, resolve
from bank_vaults.domain.secrets import Secret
from bank_vaults.domain.settings import Settings, Value

SECRETS = ["vault-token", "hsm-pin", "alibaba-access-key-secret", "init-root-token"]
ACCEPTED = [(command, option) for option in OPTIONS for command in sorted(option.commands)]


def settings(command: str, flags: dict[str, list[str]], environ: dict[str, str] | None = None) -> Settings:
    return resolve(command, flags, environ or {}).settings


def value(found: Settings, option: Option) -> Value:
    match option.kind:
        case Kind.TEXT | Kind.PATH:
            return found.text(option.name)
        case Kind.INTEGER | Kind.FILE_MODE:
            return found.integer(option.name)
        case Kind.BOOLEAN:
            return found.flag(option.name)
        case Kind.DURATION:
            return found.seconds(option.name)
        case Kind.LIST:
            return found.items(option.name)
        case Kind.MAP:
            return found.mapping(option.name)
        case Kind.SECRET:
            return found.secret(option.name)


def sample(option: Option) -> str:
    """A text that is not the default."""
    return {
        Kind.INTEGER: "4",
        Kind.BOOLEAN: "false" if option.default else "true",
        Kind.DURATION: "1m30s",
        Kind.LIST: "one,two",
        Kind.MAP: "k=v,k2=v2",
        Kind.FILE_MODE: "0600",
    }.get(option.kind, option.choices[-1] if option.choices else "something")


@pytest.mark.parametrize("command", ["init", "unseal", "configure", "status", "template", "version"])
def test_without_flags_and_environment_each_value_is_the_default(command: str) -> None:
    found = settings(command, {})
    for option in read_by(command):
        if not option.twin_of:
            assert value(found, option) == option.default


@pytest.mark.parametrize(("command", "option"), ACCEPTED, ids=lambda item: getattr(item, "name", item))
def test_every_flag_is_read_from_the_environment_by_every_command_that_has_it(
    command: str, option: Option, tmp_path: Path
) -> None:
    text = sample(option)
    if option.twin_of:
        file = tmp_path / "secret"
        file.write_text("something")
        assert settings(command, {}, {option.variable: str(file)}).secret(option.twin_of) == Secret(
            "something"
        )
        return
    by_environment = value(settings(command, {}, {option.variable: text}), option)
    assert by_environment == value(settings(command, {option.name: [text]}), option)
    assert by_environment != option.default


@given(
    option=st.sampled_from([option for option in read_by("unseal") if option.kind is not Kind.SECRET]),
    text=st.text(min_size=1, max_size=20)
    | st.sampled_from(["5", "true", "a=b", "a,b", "5s", "file", '{"a":"b"}']),
)
def test_flag_and_environment_mean_the_same_or_are_both_refused(option: Option, text: str) -> None:
    assume(not option.twin_of)
    assume(option.name not in ("secret-shares", "secret-threshold"))
    assume(option.kind is not Kind.LIST or not any(character.isspace() for character in text))

    def outcome(flags: dict[str, list[str]], environ: dict[str, str]) -> object:
        try:
            return value(settings("unseal", flags, environ), option)
        except UsageError as error:
            return str(error).removeprefix(f"--{option.name}").removeprefix(option.variable)

    assert outcome({option.name: [text]}, {}) == outcome({}, {option.variable: text})


def test_the_flag_goes_before_the_environment() -> None:
    found = settings("unseal", {"mode": ["file"]}, {"BANK_VAULTS_MODE": "dev"})
    assert found.text("mode") == "file"


def test_an_empty_flag_goes_before_the_environment_too() -> None:
    found = settings("unseal", {"aws-s3-region": [""]}, {"BANK_VAULTS_AWS_S3_REGION": "eu-west-1"})
    assert found.items("aws-s3-region") == ()


def test_an_empty_variable_is_not_set() -> None:
    environ = {option.variable: "" for option in OPTIONS}
    found = settings("unseal", {}, environ)
    assert found.text("mode") == "k8s"
    assert found.integer("secret-shares") == 5
    assert found.mapping("k8s-secret-labels") == {}


@pytest.mark.parametrize(
    ("variable", "text", "accepted"),
    [
        ("BANK_VAULTS_SECRET_SHARES", "abc", "decimal"),
        ("BANK_VAULTS_ONCE", "maybe", "true, false"),
        ("BANK_VAULTS_UNSEAL_PERIOD", "0", "5s"),
        ("BANK_VAULTS_UNSEAL_PERIOD", "soon", "5s"),
        ("BANK_VAULTS_K8S_SECRET_LABELS", "a", "key=value"),
        ("BANK_VAULTS_LOG_LEVEL", "loud", "debug, info, warning, error"),
    ],
)
def test_a_bad_variable_is_named_with_the_accepted_forms(variable: str, text: str, accepted: str) -> None:
    with pytest.raises(UsageError) as caught:
        settings("unseal", {}, {variable: text})
    assert variable in str(caught.value)
    assert accepted in str(caught.value)


def test_a_bad_variable_of_a_flag_the_command_has_not_does_no_harm() -> None:
    settings("version", {"secret-shares": ["abc"]}, {"BANK_VAULTS_SECRET_SHARES": "abc"})


def test_lists_append_and_replace_the_default() -> None:
    found = settings("configure", {"vault-config-file": ["a.yml,b.yml", "c.yml"]})
    assert found.items("vault-config-file") == ("a.yml", "b.yml", "c.yml")


def test_maps_merge_and_replace_the_default() -> None:
    found = settings("unseal", {"aws-kms-encryption-context": ["a=1,b=2", '{"b": "3"}']})
    assert found.mapping("aws-kms-encryption-context") == {"a": "1", "b": "3"}


def test_the_last_of_several_counts_but_all_are_checked() -> None:
    assert settings("unseal", {"secret-shares": ["3", "7"]}).integer("secret-shares") == 7
    with pytest.raises(UsageError, match="'x' is not an integer"):
        settings("unseal", {"secret-shares": ["x", "7"]})


def test_an_unknown_mode_is_refused_in_the_old_words() -> None:
    with pytest.raises(UsageError, match="unsupported backend mode: 'floppy'; accepted are"):
        settings("unseal", {"mode": ["floppy"]})


@pytest.mark.parametrize("mode", next(option.choices for option in OPTIONS if option.name == "mode"))
def test_every_mode_is_accepted(mode: str) -> None:
    assert settings("unseal", {"mode": [mode]}).text("mode") == mode


@pytest.mark.parametrize(
    ("shares", "threshold", "sentence"),
    [
        ("3", "4", r"the secret threshold can't be bigger than the shares \[3 < 4\]"),
        ("0", "0", "must be 1 to 255"),
        ("-1", "-2", "must be 1 to 255"),
        ("256", "3", "must be 1 to 255"),
        ("5", "1", "must be at least 2"),
        ("1", "0", "must be at least 1"),
    ],
)
@pytest.mark.parametrize("command", ["init", "unseal"])
def test_a_split_that_the_servers_would_refuse_is_refused_first(
    command: str, shares: str, threshold: str, sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        settings(command, {"secret-shares": [shares], "secret-threshold": [threshold]})


@pytest.mark.parametrize(("shares", "threshold"), [("1", "1"), ("2", "2"), ("255", "255"), ("5", "3")])
def test_a_split_that_the_servers_take_is_taken(shares: str, threshold: str) -> None:
    settings("init", {"secret-shares": [shares], "secret-threshold": [threshold]})


# Secrets


def test_the_sources_of_a_secret_have_an_order(tmp_path: Path) -> None:
    (tmp_path / "flag").write_text("from the flag file")
    (tmp_path / "environment").write_text("from the environment file")
    (tmp_path / "hsm-pin").write_text("from systemd")
    flags = {"hsm-pin": ["from the flag"], "hsm-pin-file": [str(tmp_path / "flag")]}
    environ = {
        "BANK_VAULTS_HSM_PIN": "from the environment",
        "BANK_VAULTS_HSM_PIN_FILE": str(tmp_path / "environment"),
        "CREDENTIALS_DIRECTORY": str(tmp_path),
    }

    def pin() -> Secret | None:
        return settings("unseal", flags, environ).secret("hsm-pin")

    del flags["hsm-pin-file"]
    assert pin() == Secret("from the flag")
    flags = {"hsm-pin-file": [str(tmp_path / "flag")]}
    assert pin() == Secret("from the flag file")
    flags = {"hsm-pin-file": [""]}
    assert pin() == Secret("from the environment")
    del environ["BANK_VAULTS_HSM_PIN"]
    assert pin() == Secret("from the environment file")
    del environ["BANK_VAULTS_HSM_PIN_FILE"]
    assert pin() == Secret("from systemd")
    (tmp_path / "hsm-pin").unlink()
    assert pin() is None


@pytest.mark.parametrize("name", SECRETS)
def test_each_secret_has_a_file_and_a_systemd_credential(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("value\n")
    assert settings("unseal", {f"{name}-file": [str(tmp_path / name)]}).secret(name) == Secret("value")
    assert settings("unseal", {}, {"CREDENTIALS_DIRECTORY": str(tmp_path)}).secret(name) == Secret("value")


@pytest.mark.parametrize("name", SECRETS)
def test_secret_and_file_together_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"--{name} and --{name}-file exclude each other"):
        settings("unseal", {name: ["value"], f"{name}-file": [str(tmp_path / "file")]})


def test_a_secret_on_the_command_line_works_with_a_warning_that_names_the_better_way() -> None:
    resolution = resolve("unseal", {"hsm-pin": ["1234"]}, {})
    assert resolution.settings.secret("hsm-pin") == Secret("1234")
    (remark,) = resolution.remarks
    assert "process list" in remark.message
    assert remark.fields == {"flag": "--hsm-pin", "better": "--hsm-pin-file"}
    assert "1234" not in str(resolution)


def test_an_empty_secret_flag_hides_the_environment_and_is_no_secret() -> None:
    resolution = resolve("unseal", {"hsm-pin": [""]}, {"BANK_VAULTS_HSM_PIN": "1234"})
    assert resolution.settings.secret("hsm-pin") is None
    assert resolution.remarks == ()


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"pin", b"pin"),
        (b"pin\n", b"pin"),
        (b"pin\r\n", b"pin"),
        (b"pin\n\n", b"pin\n"),
        (b"pin\r", b"pin\r"),
        (b" pin \n", b" pin "),
        (b"p" * LARGEST_SECRET_FILE, b"p" * LARGEST_SECRET_FILE),
    ],
)
def test_one_line_end_of_a_file_is_not_part_of_the_secret(
    content: bytes, secret: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "pin"
    file.write_bytes(content)
    assert settings("unseal", {"hsm-pin-file": [str(file)]}).secret("hsm-pin") == Secret(secret)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\r\n", "is empty"),
        (b"geheim\0", "NUL"),
        (b"geheim\xff", "not UTF-8"),
        (b"geheim" + b"x" * LARGEST_SECRET_FILE, "bigger than 64 KiB"),
    ],
)
def test_a_file_that_cannot_be_a_secret_is_refused_without_its_content(
    content: bytes, reason: str, tmp_path: Path
) -> None:
    file = tmp_path / "pin"
    file.write_bytes(content)
    for flags, environ, source in (
        ({"hsm-pin-file": [str(file)]}, {}, "--hsm-pin-file"),
        ({}, {"BANK_VAULTS_HSM_PIN_FILE": str(file)}, "BANK_VAULTS_HSM_PIN_FILE"),
    ):
        with pytest.raises(UsageError, match=reason) as caught:
            settings("unseal", flags, environ)
        assert source in str(caught.value)
        assert str(file) in str(caught.value)
        assert "geheim" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path, "nul\0byte"):
        with pytest.raises(UsageError, match="--hsm-pin-file: cannot read"):
            settings("unseal", {"hsm-pin-file": [str(path)]})


def test_an_endless_file_is_refused() -> None:
    with pytest.raises(UsageError, match="bigger than 64 KiB"):
        settings("unseal", {"hsm-pin-file": ["/dev/zero"]})


def test_a_secret_may_come_through_a_pipe() -> None:
    reader, writer = os.pipe()
    try:
        os.write(writer, b"1234\n")
        os.close(writer)
        assert settings("unseal", {"hsm-pin-file": [f"/dev/fd/{reader}"]}).secret("hsm-pin") == Secret("1234")
    finally:
        os.close(reader)


def test_a_systemd_credential_that_is_there_but_no_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hsm-pin").mkdir()
    with pytest.raises(UsageError, match="systemd credential hsm-pin: cannot read"):
        settings("unseal", {}, {"CREDENTIALS_DIRECTORY": str(tmp_path)})


def test_a_secret_of_bytes_that_are_no_text_is_refused() -> None:
    with pytest.raises(UsageError, match="--hsm-pin: the value is not UTF-8"):
        settings("unseal", {"hsm-pin": ["1234\udcff"]})


# Unknown variables


def test_an_unknown_variable_is_remarked_with_a_suggestion() -> None:
    (remark,) = resolve("unseal", {}, {"BANK_VAULTS_HSM_PINN": "1234"}).remarks
    assert remark.fields == {"variable": "BANK_VAULTS_HSM_PINN", "did_you_mean": "BANK_VAULTS_HSM_PIN"}
    assert "1234" not in json.dumps([remark.message, dict(remark.fields)])


def test_an_unknown_variable_like_no_other_is_remarked_without_suggestion() -> None:
    (remark,) = resolve("unseal", {}, {"BANK_VAULTS_" + "Q" * 60: ""}).remarks
    assert list(remark.fields) == ["variable"]


@pytest.mark.parametrize(
    "name",
    [
        "BANK_VAULTS_FAILPOINT",
        "BANK_VAULTS_RAFT",
        "BANK_VAULTS_FILE_MODE",
        "BANK_VAULTS_TEMPLATE_MODE",
        "BANK_VAULTS_SERVICE_HOST",
        "BANK_VAULTS_SERVICE_PORT",
        "BANK_VAULTS_SERVICE_PORT_METRICS",
        "BANK_VAULTS_PORT",
        "BANK_VAULTS_PORT_9091_TCP_ADDR",
        "BANK_VAULTS_OPERATOR_SERVICE_HOST",
        "BANKVAULTS_X",
    ],
)
def test_known_variables_and_those_that_kubernetes_sets_are_not_remarked(name: str) -> None:
    assert resolve("version", {}, {name: "tcp://10.0.0.1:9091"}).remarks == ()


@pytest.mark.parametrize("given", ["640", "0o640", "0640"])
def test_a_file_mode_is_octal_and_one_without_a_leading_zero_is_remarked(given: str) -> None:
    for flags, environ in (({"mode": [given]}, {}), ({}, {"BANK_VAULTS_FILE_MODE": given})):
        resolution = resolve("template", flags, environ)
        assert resolution.settings.integer("mode") == 0o640
        said = [dict(remark.fields) for remark in resolution.remarks]
        assert said == ([] if given.startswith("0") else [{"flag": "--mode", "mode": "0640"}])


def test_the_usual_file_mode_is_not_remarked() -> None:
    assert resolve("template", {}, {}).remarks == ()
