"""Help texts. Whoever imports this imports click, for its layout: never on the way to a command."""

from __future__ import annotations

import os
from collections.abc import Iterator

import click

from bank_vaults.cli.commands import COMMANDS, GROUPS, HELP, Command, beginning
from bank_vaults.cli.options import OPTIONS, Kind, Option

_WIDEST = 110  # columns; on a narrower terminal its width
_ROOT = Command(
    "",
    "Initialise, unseal and configure HashiCorp Vault and OpenBao.",
    "",
    tuple(COMMANDS[name].examples[0] for name in ("unseal", "status", "completion")),
)


def show(command: str, program: str) -> None:
    """Print the help of a command or group, or of the whole program where the command is empty."""
    colour = False if os.environ.get("NO_COLOR") else None  # None: click looks whether it is a terminal
    click.echo(text(command, program), color=colour)


def text(command: str, program: str) -> str:
    """Usage, explanation, the flags under the headings of the table, examples. Bold headings."""
    spec = {**COMMANDS, **GROUPS, HELP.name: HELP, "": _ROOT}[command]
    formatter = click.HelpFormatter(max_width=_WIDEST)
    formatter.write_usage(*_usage(command, program))
    formatter.write_paragraph()
    with formatter.indentation():
        formatter.write_text(f"{spec.summary}\n\n{spec.text}".strip())
    if not command or command in GROUPS:
        with formatter.section("Commands"):
            formatter.write_dl([(each.name, each.summary) for each in beginning(command)])
    sections: dict[str, list[tuple[str, str]]] = {}
    for heading, name, meaning in _flags(spec):
        sections.setdefault(heading, []).append((name, meaning))
    for heading, rows in sections.items():
        with formatter.section(click.style(heading, bold=True)):
            formatter.write_dl(rows, col_max=40)
    with formatter.section(click.style("Examples", bold=True)):
        for example in spec.examples:
            formatter.write(f"  {example}\n")  # never wrapped, so that it can be copied
    return formatter.getvalue().rstrip("\n")


def _usage(command: str, program: str) -> tuple[str, str]:
    if not command:
        return program, "[OPTIONS] [COMMAND] [ARGS]..."
    path = program if program == command else f"{program} {command}"
    if command in GROUPS:
        return path, "COMMAND [OPTIONS]"
    return path, "[OPTIONS] [COMMAND]" if command == HELP.name else "[OPTIONS]"


def _flags(spec: Command) -> Iterator[tuple[str, str, str]]:
    """Heading, flag with its kind, meaning."""
    for option in OPTIONS:
        if spec.name in option.commands or (not spec.name and option.is_global):
            yield option.section, _written(option), option.description
    if not spec.name:
        yield "Help", "--version", "Show the version."
    yield "Help", "-h, --help", "Show this message and exit."


def _written(option: Option) -> str:
    return f"--{option.name}" + ("" if option.kind is Kind.BOOLEAN else f" {option.kind.value}")
