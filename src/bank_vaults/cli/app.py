"""How click sees the tables of options and commands: flags, help texts, completion."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from bank_vaults.cli.arguments import command_first, unknown_command, written_out
from bank_vaults.cli.commands import COMMANDS, SHELLS, Command, Words
from bank_vaults.cli.options import OPTIONS, Kind, Option
from bank_vaults.domain.exitcodes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from click.shell_completion import CompletionItem

_GENERAL = ("Output", "Help")
"""Sections that the help of a command shows even where it ignores the global flags."""


class Flag(click.Option):
    """A flag of the table. It collects texts; :mod:`bank_vaults.cli.resolve` gives them a meaning."""

    def __init__(self, option: Option) -> None:
        name = option.name.replace("-", "_")
        super().__init__([f"--{option.name}", name], multiple=True, type=click.UNPROCESSED)
        self.option = option

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:  # noqa: ARG002
        """The flag with its kind; help with choices and default."""
        kind = self.option.kind
        name = f"--{self.option.name}" + ("" if kind is Kind.BOOLEAN else f" {kind.value}")
        return name, self.option.description

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:  # noqa: ARG002
        """The choices, or the marker on which the shell completes file names."""
        from click.shell_completion import CompletionItem  # only completion needs it

        if self.option.names_files:
            return [CompletionItem(incomplete, type="file")]
        return [CompletionItem(choice) for choice in self.option.choices if choice.startswith(incomplete)]


class _Help(click.Command):
    """Help texts: the flags under the headings of the table, then the examples."""

    examples: tuple[str, ...] = ()

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One block for each section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            heading = param.option.section if isinstance(param, Flag) else "Help"
            if self.shows(heading) and (record := param.get_help_record(ctx)):
                sections.setdefault(heading, []).append(record)
        for heading, records in sections.items():
            with formatter.section(click.style(heading, bold=True)):
                formatter.write_dl(records, col_max=40)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The examples, never wrapped, so that they can be copied."""
        with formatter.section(click.style("Examples", bold=True)):
            for example in self.examples:
                formatter.write(f"  {example}\n")

    def shows(self, heading: str) -> bool:  # noqa: ARG002
        """Whether a section is worth showing for this command."""
        return True


def _names(options: Sequence[Option]) -> Mapping[str, bool]:
    return {option.name: option.kind is Kind.BOOLEAN for option in options}


class Leaf(_Help):
    """One command of :data:`bank_vaults.cli.commands.COMMANDS`."""

    def __init__(self, spec: Command) -> None:
        options = spec.options
        super().__init__(
            spec.name,
            params=[Flag(option) for option in options],
            help=f"{spec.summary}\n\n{spec.text}",
            short_help=spec.summary,
            context_settings={
                "allow_extra_args": spec.words is not Words.REFUSED,
                "help_option_names": ["-h", "--help"],
            },
        )
        self.spec = spec
        self.examples = spec.examples
        self._booleans = _names(options)

    def shows(self, heading: str) -> bool:
        """Commands that do not read the global flags do not show them."""
        return not self.spec.ignores_global_flags or heading in _GENERAL

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Write the flags out, then parse."""
        try:
            args = written_out(args, self._booleans, single_dash=self.spec.name == "template")
        except click.NoSuchOption:
            if not ctx.resilient_parsing:  # completion goes on with what it understands
                raise
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Flags and, for ``completion``, the shells."""
        from click.shell_completion import CompletionItem  # only completion needs it

        shells = SHELLS if self.spec.words is Words.SHELL else ()
        words = [CompletionItem(shell) for shell in shells if shell.startswith(incomplete)]
        return words + super().shell_complete(ctx, incomplete)

    def invoke(self, ctx: click.Context) -> int:
        """Give the texts their meaning, set logging up, run the command. Returns its exit code."""
        from bank_vaults.cli.execution import execute  # help and completion do without

        flags = [param for param in self.params if isinstance(param, Flag)]
        texts = {flag.option.name: ctx.params[flag.name] for flag in flags}
        return execute(self.spec, texts, tuple(ctx.args), os.environ)


class Root(click.Group, _Help):
    """``bank-vaults``: finds the command, wherever the flags are."""

    def __init__(self) -> None:
        super().__init__(
            "bank-vaults",
            params=[Flag(option) for option in OPTIONS if option.is_global],
            help="Initialise, unseal and configure HashiCorp Vault and OpenBao.",
            invoke_without_command=True,
            callback=click.pass_context(_show_help),
            context_settings={"help_option_names": ["-h", "--help"]},
        )
        version = click.Option(
            ["--version"], is_flag=True, is_eager=True, expose_value=False, help="Show the version."
        )
        version.callback = _show_version
        self.params.append(version)
        self.examples = tuple(COMMANDS[name].examples[0] for name in ("unseal", "status", "completion"))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands first, then the global flags."""
        self.format_commands(ctx, formatter)
        _Help.format_options(self, ctx, formatter)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """In the order of the table."""
        return [*COMMANDS, "help"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Built when asked for: most runs need one."""
        if cmd_name == "help":
            return _HelpCommand()
        return Leaf(COMMANDS[cmd_name]) if cmd_name in COMMANDS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click, with a suggestion where the command is unknown."""
        command = self.get_command(ctx, args[0])
        if command is None and not ctx.resilient_parsing:
            raise unknown_command(args[0])
        return args[0] if command else None, command, args[1:]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command first; flags in front of it belong to it. No command at all asks for help."""
        args = command_first(args, _names(OPTIONS))
        if not args or args[0].startswith("-"):
            own = [param.option for param in self.params if isinstance(param, Flag)]
            try:
                args = written_out(args, _names(own))
            except click.NoSuchOption:
                if not ctx.resilient_parsing:
                    raise
        return super().parse_args(ctx, args)


def _show_help(ctx: click.Context, /, **_: object) -> None:
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), color=ctx.color)


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from bank_vaults.cli.version import table

        click.echo(table(), color=ctx.color)
        ctx.exit(ExitCode.OK)


def _matching_commands(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    return [name for name in COMMANDS if name.startswith(incomplete)]


class _HelpCommand(_Help):
    """``help [command]``."""

    examples = ("bank-vaults help unseal",)

    def __init__(self) -> None:
        super().__init__(
            "help",
            params=[click.Argument(["command"], required=False, shell_complete=_matching_commands)],
            help="Show the help of a command.",
            context_settings={"help_option_names": ["-h", "--help"]},
        )

    def invoke(self, ctx: click.Context) -> int:
        """Print it. Raises click.UsageError for a command that does not exist."""
        root = ctx.parent
        assert root is not None  # noqa: S101  help is reached through the root only
        assert isinstance(root.command, Root)  # noqa: S101
        name = ctx.params["command"]
        if name is None:
            click.echo(root.get_help(), color=ctx.color)
            return ExitCode.OK
        command = root.command.get_command(root, name)
        if command is None:
            raise unknown_command(name)
        with command.make_context(name, [], parent=root, resilient_parsing=True) as context:
            click.echo(context.get_help(), color=ctx.color)
        return ExitCode.OK
