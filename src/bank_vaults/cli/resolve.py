"""From what was written to what is meant: flag before environment before default.

Reads the environment and the files that hold secrets, nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bank_vaults.cli import parsers
from bank_vaults.cli.errors import UsageError
from bank_vaults.cli.options import FILE_SUFFIX, OPTIONS, PREFIX, Kind, Option, read_by
from bank_vaults.domain.secrets import Secret
from bank_vaults.domain.settings import Settings, Value

LARGEST_SECRET_FILE = 64 * 1024
"""Bytes. A bigger file is not a secret but a mistake, for example a device."""

_NOT_FLAGS = frozenset({PREFIX + "FAILPOINT"})
# Kubernetes sets these in every pod of a namespace that has a Service named bank-vaults.
_SERVICE_LINK = r"(?:.*_)?(?:SERVICE_HOST|SERVICE_PORT(?:_.*)?|PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)(?:_.*)?)?)"

Flags = Mapping[str, Sequence[str]]
"""Flag name to the texts given on the command line, in their order."""


class Remark(NamedTuple):
    """A warning to log once logging is set up."""

    message: str
    fields: Mapping[str, str]


class Resolution(NamedTuple):
    """The settings of a command, and what is to be said about where they came from."""

    settings: Settings
    remarks: tuple[Remark, ...]


def resolve(command: str, flags: Flags, environ: Mapping[str, str]) -> Resolution:
    """The value of each flag that a command reads. Raises UsageError."""
    values: dict[str, Value] = {}
    remarks: list[Remark] = []
    for option in read_by(command):
        if option.kind is Kind.SECRET:
            values[option.name] = _secret(option, flags, environ)
            if any(flags.get(option.name, ())):
                remarks.append(
                    Remark(
                        "a secret on the command line can be seen in the process list",
                        {"flag": f"--{option.name}", "better": f"--{option.name}{FILE_SUFFIX}"},
                    )
                )
        elif not option.twin_of:
            values[option.name] = _value(option, flags, environ)
            if option.kind is Kind.FILE_MODE:
                remarks += _remarks_on_mode(option, flags, environ)
    settings = Settings(values)
    if command in ("init", "unseal"):
        check_shares(settings.integer("secret-shares"), settings.integer("secret-threshold"))
    return Resolution(settings, (*remarks, *_unknown_variables(environ)))


def check_shares(shares: int, threshold: int) -> None:
    """What the servers demand of a split. Raises UsageError."""
    if not 1 <= shares <= 255:
        raise UsageError(f"the secret shares must be 1 to 255 [{shares}]")
    if shares < threshold:
        raise UsageError(f"the secret threshold can't be bigger than the shares [{shares} < {threshold}]")
    if threshold < min(2, shares):
        raise UsageError(
            f"the secret threshold must be at least {min(2, shares)} with {shares} shares [{threshold}]"
        )


def _value(option: Option, flags: Flags, environ: Mapping[str, str]) -> Value:
    if texts := flags.get(option.name):
        source, environment = f"--{option.name}", False
    elif text := environ.get(option.variable):
        source, environment, texts = option.variable, True, (text,)
    else:
        return option.default
    try:
        return _parsed(option, texts, environment=environment)
    except ValueError as error:
        raise UsageError(f"{source}: {error}") from None


def _remarks_on_mode(option: Option, flags: Flags, environ: Mapping[str, str]) -> list[Remark]:
    """The original took a mode without a leading 0 for a decimal number."""
    given = flags.get(option.name) or (environ.get(option.variable, ""),)
    if not given[-1] or given[-1].startswith("0"):
        return []
    meant = f"0{int(given[-1], 8):o}"
    return [
        Remark(
            "a file mode without a leading 0 is read as octal", {"flag": f"--{option.name}", "mode": meant}
        )
    ]


def _parsed(option: Option, texts: Sequence[str], *, environment: bool) -> Value:
    """Lists append and maps merge; of anything else the last one counts, but all must be well-formed."""
    match option.kind:
        case Kind.LIST:
            lists = [parsers.parse_list(text, split_at_space=environment) for text in texts]
            return tuple(item for items in lists for item in items)
        case Kind.MAP:
            merged: dict[str, str] = {}
            for text in texts:
                merged |= parsers.parse_map(text)
            return merged
        case Kind.BOOLEAN:
            return [parsers.parse_boolean(text) for text in texts][-1]
        case Kind.INTEGER:
            return [parsers.parse_integer(text) for text in texts][-1]
        case Kind.DURATION:
            return [parsers.parse_pause(text) for text in texts][-1]
        case Kind.FILE_MODE:
            return [parsers.parse_file_mode(text) for text in texts][-1]
        case _:
            return [_chosen(option, text) for text in texts][-1]


def _chosen(option: Option, text: str) -> str:
    if option.choices and text not in option.choices:
        accepted = ", ".join(filter(None, option.choices))
        if option.name == "mode":
            raise ValueError(f"unsupported backend mode: {text!r}; accepted are {accepted}")
        raise ValueError(f"{text!r} is unknown: accepted are {accepted}")
    return text


def _secret(option: Option, flags: Flags, environ: Mapping[str, str]) -> Secret | None:
    """Flag, flag file, environment, environment file, systemd credential: the first that is there."""
    name, twin = option.name, option.file_twin
    given, files = flags.get(name, ()), [path for path in flags.get(twin.name, ()) if path]
    if given and files:
        raise UsageError(f"--{name} and --{twin.name} exclude each other")
    if given:
        return _from_text(f"--{name}", given[-1])
    if files:
        return _from_file(f"--{twin.name}", files[-1])
    if text := environ.get(option.variable):
        return _from_text(option.variable, text)
    if path := environ.get(twin.variable):
        return _from_file(twin.variable, path)
    if directory := environ.get("CREDENTIALS_DIRECTORY"):
        return _from_file(f"systemd credential {name}", f"{directory}/{name}", optional=True)
    return None


def _from_text(source: str, text: str) -> Secret | None:
    try:
        return Secret(text) if text else None
    except UnicodeEncodeError:
        raise UsageError(f"{source}: the value is not UTF-8") from None


def _from_file(source: str, path: str, *, optional: bool = False) -> Secret | None:
    """The content of a file without one line end; None if it is optional and does not exist.

    Raises UsageError, never with the content in it.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST_SECRET_FILE + 1)
    except (OSError, ValueError) as error:
        if optional and isinstance(error, FileNotFoundError):
            return None
        reason = error.strerror if isinstance(error, OSError) else "not a file name"
        raise UsageError(f"{source}: cannot read {path!r}: {reason}") from None
    if len(content) > LARGEST_SECRET_FILE:
        raise UsageError(f"{source}: {path!r} is bigger than 64 KiB")
    content = content.removesuffix(b"\n").removesuffix(b"\r") if content.endswith(b"\n") else content
    if not content:
        raise UsageError(f"{source}: {path!r} is empty")
    if b"\0" in content:
        raise UsageError(f"{source}: {path!r} has NUL bytes in it")
    try:
        content.decode()
    except UnicodeDecodeError:
        raise UsageError(f"{source}: {path!r} is not UTF-8") from None
    return Secret(content)


def _unknown_variables(environ: Mapping[str, str]) -> list[Remark]:
    """Our prefix with a name that is no flag: most likely a typing error, so tell."""
    known = {option.variable for option in OPTIONS}
    unknown = sorted(
        name
        for name in environ
        if name.startswith(PREFIX)
        and name not in known | _NOT_FLAGS
        and not re.fullmatch(_SERVICE_LINK, name.removeprefix(PREFIX))
    )
    if not unknown:
        return []
    from difflib import get_close_matches  # seldom used: kept out of the start

    remarks = []
    for name in unknown:
        close = get_close_matches(name, known, n=1)
        fields = {"variable": name} | ({"did_you_mean": close[0]} if close else {})
        remarks.append(Remark("an environment variable is unknown and ignored", fields))
    return remarks
