"""Promises of the log lines: one record one line, in UTC, secrets masked, never in the way."""

from __future__ import annotations

import base64
import io
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_vaults.domain.secrets import Secret
from bank_vaults.telemetry import logs

logger = logging.getLogger("bank_vaults.test")


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("bank_vaults")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _record(
    message: str, *args: object, fields: object = None, level: int = logging.INFO, exc_info: Any = None
) -> logging.LogRecord:
    record = logging.LogRecord("bank_vaults.test", level, "", 0, message, args, exc_info)
    record.created, record.msecs = 1795558205.0, 42.0
    if fields is not None:
        record.fields = fields
    return record


def _text(*args: Any, **options: Any) -> str:
    return logs.TextFormatter().format(_record(*args, **options))


def _json(*args: Any, **options: Any) -> dict[str, Any]:
    line = logs.JsonFormatter().format(_record(*args, **options))
    decoded = json.loads(line)
    assert isinstance(decoded, dict)
    return decoded


def _exc_info(error: Exception) -> Any:
    try:
        raise error
    except Exception:
        return sys.exc_info()


def test_a_text_line_looks_like_the_one_of_slog() -> None:
    line = _text(
        "vault is sealed, unsealing", fields={"server": "http://a:8200", "period": 5.5, "once": False}
    )
    assert (
        line
        == "2026/11/24 22:10:05 INFO vault is sealed, unsealing server=http://a:8200 period=5.5 once=False"
    )


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", "plain"),
        ("", '""'),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('say "a"', '"say \\"a\\""'),
        ("line\nline", '"line\\nline"'),
        ("back\\slash", "back\\slash"),
        ("back\\ slash", '"back\\\\ slash"'),
        ("\u2028", '"\\u2028"'),
        ("schön", "schön"),
        (b"bytes\xff", "bytes\\xff"),
        (None, "None"),
        (Secret("open sesame"), "***"),
    ],
)
def test_a_text_value_is_quoted_when_it_would_not_be_one_word(value: object, written: str) -> None:
    assert _text("m", fields={"key": value}).endswith(f" INFO m key={written}")


@pytest.mark.parametrize(
    ("level", "name"),
    [
        (5, "DEBUG"),
        (logging.DEBUG, "DEBUG"),
        (logging.INFO, "INFO"),
        (logging.WARNING, "WARN"),
        (logging.ERROR, "ERROR"),
        (logging.CRITICAL, "ERROR"),
    ],
)
def test_levels_have_the_names_of_slog(level: int, name: str) -> None:
    assert f" {name} m" in _text("m", level=level)
    assert _json("m", level=level)["level"] == name


def test_a_json_line_has_time_level_logger_message_and_fields() -> None:
    assert _json(
        "sent %d shares", 3, fields={"server": "a", "count": 3, "rate": 0.5, "ok": True, "x": None}
    ) == {
        "time": "2026-11-24T22:10:05.042Z",
        "level": "INFO",
        "logger": "bank_vaults.test",
        "msg": "sent 3 shares",
        "server": "a",
        "count": 3,
        "rate": 0.5,
        "ok": True,
        "x": None,
    }


def test_a_field_never_overrides_a_fixed_member() -> None:
    line = _json("true", fields={"msg": "false", "level": "false", "exception": "false"})
    assert (line["msg"], line["level"]) == ("true", "INFO")
    assert (line["fields.msg"], line["fields.exception"]) == ("false", "false")
    assert "exception" not in line


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), float("-inf"), pytest.param(10**5000, id="huge"), [1], object()]
)
def test_what_json_cannot_hold_becomes_text(value: object) -> None:
    assert isinstance(_json("m", fields={"value": value})["value"], str)


def test_an_exception_is_on_the_same_line() -> None:
    info = _exc_info(ValueError("broken\nin two"))
    line = _text("failed", exc_info=info)
    assert "\n" not in line
    assert "ValueError: broken\\nin two" in line
    assert "ValueError: broken\nin two" in _json("failed", exc_info=info)["exception"]


def test_a_value_that_cannot_be_printed_costs_only_itself() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert _text("m", fields={"a": Broken(), "b": 1}).endswith('a="<Broken cannot be printed>" b=1')
    assert _json("m", fields={"a": Broken()})["a"] == "<Broken cannot be printed>"


def test_wrong_arguments_cost_only_themselves() -> None:
    assert _text("%d shares", "three").endswith("INFO %d shares")


def test_fields_that_are_no_mapping_are_left_out() -> None:
    assert _text("m", fields="text").endswith("INFO m")


@pytest.mark.parametrize("format_", logs.FORMATS)
def test_a_secret_is_masked_wherever_it_arrives(format_: str) -> None:
    stream = io.StringIO()
    logs.setup(format_, "debug", stream)
    text = 'pass "w\\ord" é\nx'
    secret = Secret(text)
    encoded = base64.b64encode(text.encode()).decode()
    cut = encoded.rstrip("=")
    assert cut != encoded
    body = json.dumps({"key": text})
    logger.error(
        "m %s %s %s",
        text,
        secret,
        body,
        exc_info=_exc_info(KeyError(text)),
        extra={
            "fields": {
                "plain": f"a{text}b",
                "escaped": body,
                "bytes": text.encode(),
                "b64": encoded,
                text: cut,
            }
        },
    )
    line = stream.getvalue()
    assert line.count("\n") == 1
    assert secret
    for form in (text, "w\\\\ord", "w\\ord", "\\u00e9", cut):
        assert form not in line
    assert line.count("***") >= 8


def test_a_pin_given_as_a_number_is_masked() -> None:
    pin = Secret("648219")
    assert _json("m", fields={"pin": 648219, "count": 648})["pin"] == "***"
    assert _text("m", fields={"pin": 648219}).endswith("pin=***")
    assert pin


def test_a_secret_is_masked_when_message_and_field_spell_it_together() -> None:
    secret = Secret('token a="b c"')
    assert _text("token", fields={"a": "b c"}).endswith("INFO ***")
    assert secret


def test_overlapping_secrets_leave_no_tail() -> None:
    secrets = [Secret("abcdef"), Secret("defghi"), Secret("bcde")]
    assert logs.redact("<abcdefghi> <abcdef> <defghi>") == "<***> <***> <***>"
    assert logs.redact("abcdefabcdef") == "******"
    assert len(secrets) == 3


def test_a_wiped_secret_masks_nothing_any_more() -> None:
    secret = Secret("short lived")
    secret.wipe()
    assert logs.redact("short lived") == "short lived"


_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5
)


@given(st.text(), st.dictionaries(st.text(), _values))
def test_any_record_is_one_line_and_valid_json(message: str, fields: dict[str, object]) -> None:
    record = _record(message.replace("%", "%%"), fields=fields)
    for formatter in (logs.TextFormatter(), logs.JsonFormatter()):
        line = formatter.format(record)
        assert len(line.splitlines()) == 1
    decoded = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert decoded["level"] == "INFO"


@given(
    st.text(min_size=6, max_size=40).filter(lambda text: "*" not in text and not text.isspace()),
    st.text(max_size=10),
    st.text(max_size=10),
)
def test_no_secret_ever_appears(text: str, before: str, after: str) -> None:
    # The frame of the line is no secret; take only texts that the frame itself does not hold.
    frame = _text("m", fields={"f": "v", "b": "v"}) + json.dumps(_json("m", fields={"f": "v", "b": "v"}))
    if text in frame or text.encode(errors="ignore").decode() != text:
        return
    secret = Secret(text)
    encoded = base64.b64encode(text.encode()).decode()
    record = _record(
        "%s", before + text + after, fields={"f": before + text, "b": encoded, "j": json.dumps(text), text: 1}
    )
    assert secret
    assert text not in logs.TextFormatter().format(record)
    line = logs.JsonFormatter().format(record)
    assert encoded not in line
    members = json.loads(line)
    assert all(text not in str(part) for part in (*members, *members.values()))


def test_set_up_twice_a_line_appears_once() -> None:
    first, second = io.StringIO(), io.StringIO()
    logs.setup("text", "info", first)
    logs.setup("json", "info", second)
    logger.info("hello")
    assert first.getvalue() == ""
    assert json.loads(second.getvalue())["msg"] == "hello"


def test_the_level_is_obeyed_and_other_libraries_are_heard_from_warning_on() -> None:
    stream = io.StringIO()
    logs.setup("text", "debug", stream)
    logger.debug("ours")
    logging.getLogger("urllib3").debug("with a token inside")
    logging.getLogger("urllib3").warning("theirs")
    logs.setup("text", "error", stream)
    logger.warning("no more")
    logging.getLogger("urllib3").warning("no more")
    assert [line.rsplit(" ", 1)[1] for line in stream.getvalue().splitlines()] == ["ours", "theirs"]


@pytest.mark.parametrize(
    ("format_", "level"), [("xml", "info"), ("text", "loud"), ("text", "INFO "), ("", "info")]
)
def test_unknown_formats_and_levels_are_refused(format_: str, level: str) -> None:
    with pytest.raises(ValueError, match="is not one of"):
        logs.setup(format_, level, io.StringIO())


def test_colour_only_on_a_terminal_that_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal, pipe, plain = _Terminal(), io.StringIO(), _Terminal()
    for stream in (terminal, pipe):
        logs.setup("text", "info", stream)
        logger.warning("m")
    monkeypatch.setenv("NO_COLOR", "1")
    logs.setup("text", "info", plain)
    logger.warning("m")
    assert "\x1b[33mWARN\x1b[0m m" in terminal.getvalue()
    assert "\x1b" not in pipe.getvalue() + plain.getvalue()


_PROGRAM = """
import logging, sys
from bank_vaults.telemetry import logs
sys.stdin.read()
logs.setup("text", "info")
for _ in range(3):
    logging.getLogger("bank_vaults").info("hello")
sys.exit(7)
"""


def _run(stderr: int) -> int:
    command = [sys.executable, "-c", _PROGRAM]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, stderr=stderr, check=False, timeout=60
    ).returncode


def test_a_closed_pipe_on_stderr_changes_nothing() -> None:
    command = [sys.executable, "-c", _PROGRAM]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stdin is not None
        process.stderr.close()
        process.stdin.close()
        assert process.wait(60) == 7


def test_a_full_disk_under_stderr_changes_nothing() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    with Path("/dev/full").open("w") as full:
        assert _run(full.fileno()) == 7


def test_no_stderr_at_all_changes_nothing() -> None:
    command = ["/bin/sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, _PROGRAM]
    assert subprocess.run(command, stdin=subprocess.DEVNULL, check=False, timeout=60).returncode == 7


def test_lines_go_to_stderr_by_default() -> None:
    command = [sys.executable, "-c", _PROGRAM]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == ""
    assert re.fullmatch(r"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d INFO hello\n){3}", done.stderr)
