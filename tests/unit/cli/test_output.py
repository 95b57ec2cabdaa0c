"""Lines come out whole and at once, coloured for people only."""

from __future__ import annotations

import io

import pytest

from bank_vaults.cli import output


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    flushed = ""

    def isatty(self) -> bool:
        return True

    def flush(self) -> None:
        self.flushed = self.getvalue()


def test_a_line_is_there_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = Terminal(), Terminal()
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", err)
    output.say("unsealed")
    output.complain("Error: no")
    assert (out.flushed, err.flushed) == ("unsealed\n", "Error: no\n")


def test_a_closed_descriptor_costs_the_line_and_not_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    monkeypatch.setattr("sys.stderr", None)
    output.say("unsealed")
    output.complain("Error: no")
    assert output.coloured("unsealed", "green") == "unsealed"


def test_colours_are_for_terminals_without_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert output.coloured("sealed", "yellow") == "sealed"
    monkeypatch.setattr("sys.stdout", Terminal())
    assert output.coloured("sealed", "yellow") == "\x1b[33msealed\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert output.coloured("sealed", "yellow") == "sealed"
