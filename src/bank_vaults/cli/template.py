"""``template``: render files from templates (docs/templates.md)."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
from collections.abc import Iterator

from bank_vaults.cli.errors import UsageError
from bank_vaults.cli.reading import register_secret, template_policy
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.domain.settings import Settings
from bank_vaults.keystores import atomic
from bank_vaults.templating.errors import TemplateError
from bank_vaults.templating.own.sources import Sources
from bank_vaults.templating.render import render

log = logging.getLogger(__name__)

_LOCAL_CONFIG = "VAULT_LOCAL_CONFIG"
_LARGEST_TEMPLATE = 64 * 1024 * 1024
_WRITTEN_IN_PLACE = ("/dev/", "/proc/")


def run(settings: Settings) -> int:
    """Render everything, in its order; the first error ends it. Raises UsageError."""
    delimiters = parse_delimiters(settings.text("delims"))
    pairs = [parse_pair(pair) for pair in settings.items("template")]
    with Sources(os.environ, template_policy(settings), register_secret) as sources:
        try:
            for source, text, destination in _work(settings, pairs):
                rendered = _rendered(settings, source, text, delimiters, sources)
                if settings.flag("check"):
                    log.info("a template renders", extra={"fields": {"template": source}})
                else:
                    write(destination, rendered, settings.integer("mode"))
                    fields = {"template": source, "file": destination}
                    log.info("a file is written from its template", extra={"fields": fields})
        except WorkError as failure:
            log.error(str(failure))
            return ExitCode.FAILURE
    return ExitCode.OK


def parse_pair(text: str) -> tuple[str, str]:
    """Source and destination of ``SRC:DST``. Raises UsageError."""
    return _halves(text, "--template", "a source and a destination with one colon between")


def parse_delimiters(text: str) -> tuple[str, str]:
    """Left and right delimiter of ``LEFT:RIGHT``. Raises UsageError."""
    return _halves(text, "--delims", "two delimiters with one colon between")


def _halves(text: str, flag: str, accepted: str) -> tuple[str, str]:
    left, _, right = text.partition(":")
    if not left or not right or ":" in right:
        raise UsageError(f"{flag}: {text!r} is not {accepted}")
    return left, right


class WorkError(Exception):
    """A file cannot be read, rendered or written; the text says which, and why."""


def _work(settings: Settings, pairs: list[tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    """Name and text of each template, read when its turn comes, and its destination."""
    if local := os.environ.get(_LOCAL_CONFIG):
        if pairs:
            log.warning(f"--template is ignored: {_LOCAL_CONFIG} is set")
        yield _LOCAL_CONFIG, local, settings.text("file")
        return
    if not pairs:
        log.warning(f"there is nothing to render: no --template is given, and {_LOCAL_CONFIG} is not set")
    for source, destination in pairs:
        yield source, _read(source), destination


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            content = file.read(_LARGEST_TEMPLATE + 1)
    except (OSError, ValueError) as error:
        raise WorkError(f"the template {path!r} cannot be read: {_reason(error)}") from None
    if len(content) > _LARGEST_TEMPLATE:
        raise WorkError(f"the template {path!r} is bigger than 64 MiB")
    return content.decode("utf-8", "surrogateescape")


def _rendered(
    settings: Settings, source: str, text: str, delimiters: tuple[str, str], sources: Sources
) -> bytes:
    try:
        rendered = render(text, sources, delimiters=delimiters, mode=settings.text("template-mode"))
    except TemplateError as error:
        raise WorkError(f"the template {source!r} cannot be rendered: {error}") from None
    return rendered.encode("utf-8", "surrogateescape")


def write(path: str, content: bytes, mode: int) -> None:
    """Replace the file at ``path`` as a whole, or leave it untouched. Raises WorkError.

    The new file has the mode before its first byte. Owner and group of an old one are kept, and a symbolic
    link goes on to lead to the file. Devices and pipes are written to.
    """
    try:
        old = _stat(path)
        if path.startswith(_WRITTEN_IN_PLACE) or (old and not stat.S_ISREG(old.st_mode)):
            _write_in_place(path, content)
            return
        target = os.path.realpath(path)
        owner = None
        if old and (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
            owner = old.st_uid, old.st_gid
        try:
            atomic.replace(target, content, mode, owner)
        except PermissionError:
            if owner is None:
                raise
            atomic.replace(target, content, mode)
            log.warning("owner and group of a file could not be kept", extra={"fields": {"file": path}})
    except (OSError, ValueError) as error:
        raise WorkError(
            f"the file {path!r} cannot be written: {_reason(error)}{_hint(path, error)}"
        ) from None


def _stat(path: str) -> os.stat_result | None:
    with contextlib.suppress(FileNotFoundError):
        return os.stat(path)
    return None


def _write_in_place(path: str, content: bytes) -> None:
    # At the end: /dev/stdout may be a file, in which others have written before.
    with open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY), "wb") as file:
        file.write(content)


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _hint(path: str, error: Exception) -> str:
    if not isinstance(error, OSError):
        return ""
    directory = os.path.dirname(os.path.realpath(path))
    if error.errno in (errno.ENOENT, errno.ENOTDIR) and not os.path.isdir(directory):
        return f"; the directory {directory!r} is missing"
    if error.errno == errno.EBUSY:
        return "; it is a mount of its own and cannot be replaced: mount its directory"
    return ""
