"""The commands of ``virtual-nitrokey`` and their help."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from virtual_nitrokey.cli.images import choose, find
from virtual_nitrokey.cli.run import CommandError, run
from virtual_nitrokey.cli.status import DIRECTORY_VARIABLE, Status, beginning, table
from virtual_nitrokey.control import ControlError, describe, follow, request, stop
from virtual_nitrokey.faults import Rule
from virtual_nitrokey.image import ImageError
from virtual_nitrokey.pcscd import MOST_READERS, PcscdError
from virtual_nitrokey.timing import INSTANT, LARGEST_SCALE, LONGEST_WAIT, PROFILES

_FAILURE = 1
_OUR_FAILURE = 125  # where other codes are those of a command, as env(1) does it
_START_LIMIT = 30.0  # seconds for pcscd to start and see its sticks

_Function = TypeVar("_Function", bound=Callable[..., Any])


# -- what commands have in common ------------------------------------------------------------------------


class _Group(click.Group):
    """Tells every error in one line."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # nobody reads any more; click ends quietly
            raise
        except (ControlError, OSError) as error:
            _fail(error, _FAILURE)


def _fail(error: Exception, code: int) -> NoReturn:
    click.echo(f"Error: {describe(error)}", err=True)
    sys.exit(code)


def _default_directory() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "virtual-nitrokey"


def _file(**options: Any) -> click.Path:
    return click.Path(resolve_path=True, path_type=Path, **options)


class _Range(click.FloatRange):
    """Numbers from 0 on, of which "nan" is none."""

    def __init__(self, most: float) -> None:
        super().__init__(min=0, max=most)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read one."""
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


_SECONDS = _Range(LONGEST_WAIT)


def _with_directory(function: _Function) -> _Function:
    return click.option(
        "--directory",
        type=_file(file_okay=False),
        envvar=DIRECTORY_VARIABLE,
        show_envvar=True,
        default=_default_directory,
        show_default="~/.local/state/virtual-nitrokey",
        help="Where the rig keeps its sticks and its sockets.",
    )(function)


def _with_output(function: _Function) -> _Function:
    return click.option(
        "--output",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="For people or for machines.",
    )(function)


def _with_serial(function: _Function) -> _Function:
    return click.option("--serial", metavar="SERIAL", help="Which stick; without it the only one there is.")(
        function
    )


def _stick(serial: str | None) -> dict[str, Any]:
    return {} if serial is None else {"serial": serial}


def _examples(*lines: str) -> str:
    # The first line keeps click from wrapping what follows.
    return "\n".join(["\b", "Examples:", *(f"  virtual-nitrokey {line}" for line in lines)])


def _print(output: str, answer: object, lines: Iterable[str]) -> None:
    for line in [json.dumps(answer)] if output == "json" else lines:
        click.echo(line)


@click.group(
    cls=_Group,
    epilog=_examples("run", "run -- pkcs11-tool --list-slots", "remove --seconds 5"),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="bank-vaults", message="virtual-nitrokey %(version)s")
def cli() -> None:
    """Nitrokey HSMs in software that the real pcscd and OpenSC take for sticks.

    They are for tests and for learning, and protect nothing. "run" starts a pcscd of its own, apart from
    that of the system, with sticks in its readers: the rig. The other commands act on a rig that runs.
    """


# -- the rig itself --------------------------------------------------------------------------------------


@cli.command(
    "run",
    epilog=_examples(
        "run --sticks 2", "run --stick spare.json --profile nitrokey-hsm", "run -- pkcs11-tool --list-slots"
    ),
)
@_with_directory
@click.option(
    "--stick",
    "named",
    metavar="FILE",
    multiple=True,
    type=_file(dir_okay=False),
    help="Run the stick in this file, and make it if it is not there. May be repeated.",
)
@click.option(
    "--sticks",
    "count",
    type=click.IntRange(1, MOST_READERS),
    help="Run so many: those named, those in the directory, and new ones if they do not suffice. Without "
    "it: those named, else those in the directory, else a new one.",
)
@click.option(
    "--profile",
    type=click.Choice(list(PROFILES)),
    default=INSTANT.name,
    show_default=True,
    help="How long the sticks take: no time, or as long as real ones.",
)
@click.option(
    "--time-scale",
    type=_Range(LARGEST_SCALE),
    default=1.0,
    show_default=True,
    metavar="X",
    help="Multiply that by X.",
)
@click.option(
    "--trace",
    "trace_file",
    type=_file(dir_okay=False),
    metavar="FILE",
    help="Append a line for each command.",
)
@_with_output
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def _run(
    directory: Path,
    named: Sequence[Path],
    count: int | None,
    profile: str,
    time_scale: float,
    trace_file: Path | None,
    output: str,
    command: Sequence[str],
) -> None:
    """Run sticks, or a COMMAND with them until it ends.

    Without a COMMAND they run until SIGINT, SIGTERM or "stop", and it says what to export for programs to
    find them. A COMMAND has that in its environment; its exit code is ours, or 125 if the sticks could not
    be run, 126 or 127 if the COMMAND could not.
    """
    try:
        choice = choose(named, find(directory), count)
    except ValueError as error:
        raise click.UsageError(str(error)) from None

    def tell(status: Status) -> None:
        click.echo(
            f"These sticks protect nothing: keys and PINs lie in clear in {directory}\n"
            "and wherever else a file was named. Never keep a key in them that matters.",
            err=True,
        )
        if not command:  # else standard output is the command's
            _print(output, status, beginning(status))
            sys.stdout.flush()

    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        code = run(
            choice,
            directory,
            command,
            profile=PROFILES[profile],
            time_scale=time_scale,
            trace_file=trace_file,
            tell=tell,
        )
    except CommandError as error:
        _fail(error, error.code)
    except (ImageError, PcscdError, OSError) as error:
        _fail(error, _OUR_FAILURE if command else _FAILURE)
    sys.exit(code)


@cli.command("status", epilog=_examples("status", "status --output json"))
@_with_directory
@_with_output
def _status(directory: Path, output: str) -> None:
    """Show the rig: what is in which reader, and what the sticks have done."""
    status = request(directory, "status")
    _print(output, status, table(status))


@cli.command("stop", epilog=_examples("stop"))
@_with_directory
def _stop(directory: Path) -> None:
    """End the rig. Its sticks are kept. Nothing of it runs any more when this returns."""
    stop(directory)


@cli.command("restart-pcscd", epilog=_examples("restart-pcscd --down-for 3"))
@_with_directory
@click.option(
    "--down-for",
    type=_SECONDS,
    default=0.0,
    show_default=True,
    metavar="SECONDS",
    help="How long it is away.",
)
def _restart_pcscd(directory: Path, down_for: float) -> None:
    """Stop and start pcscd. Programs see the sticks when this returns."""
    request(directory, "restart-pcscd", down_for=down_for, limit=down_for + _START_LIMIT)


# -- sticks ----------------------------------------------------------------------------------------------


@cli.command("insert", epilog=_examples("insert --serial DENK0100001"))
@_with_directory
@_with_serial
def _insert(directory: Path, serial: str | None) -> None:
    """Insert a stick. Programs see it when this returns."""
    request(directory, "insert", **_stick(serial))


@cli.command("remove", epilog=_examples("remove", "remove --seconds 5"))
@_with_directory
@_with_serial
@click.option(
    "--seconds", metavar="SECONDS", type=_SECONDS, help="Let it come back by itself after so many seconds."
)
def _remove(directory: Path, serial: str | None, seconds: float | None) -> None:
    """Pull a stick, also while it works. Programs see that when this returns."""
    returning: dict[str, Any] = {} if seconds is None else {"seconds": seconds}
    request(directory, "remove", **_stick(serial), **returning)


@cli.command("swap", epilog=_examples("swap DENK0100001 DENK0100002"))
@_with_directory
@click.argument("removed", metavar="SERIAL")
@click.argument("inserted", metavar="OTHER")
def _swap(directory: Path, removed: str, inserted: str) -> None:
    """Pull the stick SERIAL and insert OTHER, which was out."""
    request(directory, "swap", removed=removed, inserted=inserted)


@cli.command("login-reset", epilog=_examples("login-reset"))
@_with_directory
@_with_serial
def _login_reset(directory: Path, serial: str | None) -> None:
    """Log everybody out, as another process does that opens the token."""
    request(directory, "login-reset", **_stick(serial))


@cli.command("memory-limit", epilog=_examples("memory-limit 0"))
@_with_directory
@_with_serial
@click.argument("size", metavar="BYTES", type=click.IntRange(min=0))
def _memory_limit(directory: Path, serial: str | None, size: int) -> None:
    """Let a stick be full at so many BYTES.

    It holds for as long as the rig runs. A stick takes 77824 bytes.
    """
    request(directory, "memory-limit", size=size, **_stick(serial))


@cli.command("export", epilog=_examples("export before.json"))
@_with_directory
@_with_serial
@click.argument("file", type=_file(dir_okay=False))
def _export(directory: Path, serial: str | None, file: Path) -> None:
    """Write a stick with all its secrets to FILE. "run --stick FILE" runs the copy."""
    request(directory, "export", path=str(file), **_stick(serial))


@cli.command("trace", epilog=_examples("trace --follow"))
@_with_directory
@click.option("--follow", "following", is_flag=True, help="Go on as lines come, until the rig ends.")
def _trace(directory: Path, following: bool) -> None:
    """Show the last thousand commands to the sticks.

    No line has a PIN, a key or the content of a file.
    """
    for line in follow(directory) if following else request(directory, "trace"):
        click.echo(line)


# -- faults ----------------------------------------------------------------------------------------------


@cli.group("fault")
def _fault() -> None:
    """Let commands to a stick go wrong."""


def _rule(context: click.Context, parameter: click.Parameter, words: Sequence[str]) -> str:  # noqa: ARG001
    try:
        return str(Rule.parse(" ".join(words)))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


_EFFECTS = """\b
What can happen:
  delay=SECONDS      it takes so much longer
  status=6F00        it is not carried out; this status word answers it
  status-after=6F00  it is carried out; this status word answers it
  drop               the connection is lost in the middle of the answer
  drop-before        the connection is lost before the stick has seen it
  remove[=SECONDS]   the stick is pulled while it works, and comes back after so long
  reset-login        before it, everybody is logged out

"""


@_fault.command(
    "add",
    epilog=_EFFECTS
    + _examples("fault add decipher nth=2 status=6F00", "fault add any delay=0.1 times=always"),
)
@_with_directory
@_with_serial
@click.argument("rule", nargs=-1, required=True, callback=_rule)
def _fault_add(directory: Path, serial: str | None, rule: str) -> None:
    """Put one more RULE in force.

    It is an instruction, such as "decipher", or "any", then what happens to it, and when: nth= counts from
    now on (default 1), times= says how often in a row ("always", or a number; default 1).
    """
    request(directory, "fault-add", rule=rule, **_stick(serial))


@_fault.command("list", epilog=_examples("fault list"))
@_with_directory
@_with_serial
@_with_output
def _fault_list(directory: Path, serial: str | None, output: str) -> None:
    """Show the rules still in force for a stick."""
    rules = request(directory, "fault-list", **_stick(serial))
    _print(output, rules, rules)


@_fault.command("clear", epilog=_examples("fault clear"))
@_with_directory
@_with_serial
def _fault_clear(directory: Path, serial: str | None) -> None:
    """Let nothing more go wrong with a stick."""
    request(directory, "fault-clear", **_stick(serial))
