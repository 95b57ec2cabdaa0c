"""A rig in this process, until somebody ends it or a command in its environment has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from virtual_nitrokey.cli.images import Choice, opened
from virtual_nitrokey.cli.status import Status, environment
from virtual_nitrokey.control import Control, request
from virtual_nitrokey.rig import Rig
from virtual_nitrokey.timing import Profile

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class CommandError(Exception):
    """The command cannot be run; ``code`` is what a shell would end with (POSIX, exit status of sh)."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"{error.filename} cannot be run: {error.strerror}")
        self.code = 127 if isinstance(error, FileNotFoundError) else 126


class _StoppedError(BaseException):
    """A signal asks to end. No Exception, so that nobody takes it for a failure."""


def run(
    choice: Choice,
    directory: Path,
    command: Sequence[str],
    *,
    profile: Profile,
    time_scale: float,
    trace_file: Path | None,
    tell: Callable[[Status], None],
) -> int:
    """Run the sticks until ``command`` ends, and give its exit code, 128 and the number for a signal. Without
    a command until SIGINT, SIGTERM or the request to stop; then 0.

    ``tell`` gets the status when everything runs. Raises CommandError, ImageError, PcscdError, OSError.
    """
    with _ended_by_signals(), opened(choice, directory) as sticks:
        rig = Rig(
            [image for image, _ in sticks.values()],
            save=lambda image: image.save(sticks[image.serial][1]),
            profile=profile,
            time_scale=time_scale,
            directory=directory,
            trace_file=trace_file,
        )
        with rig, _controlled(rig) as control:
            status = request(directory, "status")
            tell(status)
            if command:
                return _run_command(command, environment(status), control)
            control.wait()
    return 0


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Leave the block when a signal comes, and take no further one on the way out."""

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  the form of a handler
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise _StoppedError

    former = {number: signal.signal(number, end) for number in _SIGNALS}
    try:
        yield
    except _StoppedError:
        pass
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def _controlled(rig: Rig) -> Iterator[Control]:
    control = Control(rig)
    control.start()
    try:
        yield control
    finally:
        control.stop()


def _run_command(command: Sequence[str], added: Mapping[str, str], control: Control) -> int:
    early: list[int] = []  # signals that come while the command is started: it may not have heard them
    for number in _SIGNALS:
        signal.signal(number, lambda number, _: early.append(number))
    try:
        started = subprocess.Popen(command, env={**os.environ, **added})  # noqa: S603  the user's own
    except OSError as error:
        raise CommandError(error) from None
    with started as process:
        # A terminal sends SIGINT to the command as well: it is the command that decides what that means.
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        for missed in early:
            process.send_signal(missed)  # twice for the command at worst, and as what it was
        threading.Thread(target=_terminate_on_request, args=[process, control], daemon=True).start()
        code = process.wait()
    return 128 - code if code < 0 else code


def _terminate_on_request(process: subprocess.Popen[bytes], control: Control) -> None:
    control.wait()
    process.terminate()
