"""Files that change: written, replaced, swapped as Kubernetes does, gone and back again.

Directories are watched with inotify (inotify(7)), through libc: three functions, so no library for them. What
has happened is told by comparing the files with what they were, so that the name of an event does not matter.
A file that is being written is not read before its writer has closed it. Where there are no events, as on
network file systems, a look now and then finds the same.
"""

from __future__ import annotations

import ctypes
import logging
import os
import struct
import time
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

log = logging.getLogger(__name__)

_MODIFY, _CLOSE_WRITE, _MOVED_TO, _CREATE = 0x2, 0x8, 0x80, 0x100
_MASK: Final = _MODIFY | _CLOSE_WRITE | _MOVED_TO | _CREATE
_EVENT: Final = struct.Struct("iIII")

_LOOK: Final = 2.0
"""Seconds between two looks without an event."""

_QUIET: Final = 1.0
"""Seconds without a change after which a file is read that nobody has closed."""


class Seen(NamedTuple):
    """A file as it was: another one has another inode, another content another time of change."""

    target: str
    inode: int = 0
    size: int = 0
    changed: int = 0


class Watcher:
    """The files that are watched. ``fileno`` is readable when something has happened."""

    def __init__(self, files: Iterable[str], clock: Callable[[], float] = time.monotonic) -> None:
        """What the files are now is what later changes are told from: make it before they are read."""
        self._files = {file: os.path.abspath(file) for file in files}
        self._clock = clock
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._events = bool(self._descriptor >= 0)
        if not self._events:
            self._descriptor = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            log.warning("no events of files are to be had: they are looked at every two seconds")
        self._directories: dict[int, str] = {}
        self._told: set[str] = set()
        self._seen = {file: _look(path) for file, path in self._files.items()}
        self._due: dict[str, float] = {}
        self._next_look = 0.0
        self._watch()

    def fileno(self) -> int:
        """To wait for."""
        return self._descriptor if self._events else -1

    def close(self) -> None:
        """End watching."""
        os.close(self._descriptor)

    def pause(self) -> float:
        """Seconds after which ``changed`` is to be asked even without an event."""
        return max(0.0, min([self._next_look, *self._due.values()]) - self._clock())

    def changed(self) -> tuple[str, ...]:
        """The files that have changed since the last time and can be read now, in their order."""
        now = self._clock()
        finished, touched = self._drain()
        if now >= self._next_look:
            self._next_look = now + _LOOK
            self._watch()
            touched = True
        if finished or touched:
            for file, path in self._files.items():
                seen = _look(path)
                if seen == self._seen[file]:
                    continue
                swapped = seen.target != self._seen[file].target
                self._seen[file] = seen
                self._due[file] = now if swapped else now + _QUIET
                if swapped:
                    self._watch()
        # Also where no difference shows: two changes may be closer together than the clock of files ticks.
        for file, path in self._files.items():
            if path in finished or self._seen[file].target in finished:
                self._due[file] = now
        due = tuple(file for file in self._files if self._due.get(file, now + 1) <= now)
        for file in due:
            del self._due[file]
        return due

    def _drain(self) -> tuple[frozenset[str], bool]:
        """The paths of files that are complete, and whether anything at all has happened."""
        finished = set()
        happened = False
        while self._events:
            try:
                events = os.read(self._descriptor, 65536)
            except BlockingIOError:
                break
            happened = True
            position = 0
            while position < len(events):
                watch, mask, _, length = _EVENT.unpack_from(events, position)
                position += _EVENT.size
                name = events[position : position + length].rstrip(b"\0")
                position += length
                if mask & (_CLOSE_WRITE | _MOVED_TO) and watch in self._directories:
                    finished.add(os.path.join(self._directories[watch], os.fsdecode(name)))
        return frozenset(finished), happened

    def _watch(self) -> None:
        """Watch the directories of the files and of what they lead to, which may be new ones."""
        for file, path in self._files.items():
            for directory in dict.fromkeys((os.path.dirname(path), os.path.dirname(self._seen[file].target))):
                if not self._events:
                    continue
                number = self._libc.inotify_add_watch(self._descriptor, os.fsencode(directory), _MASK)
                if number >= 0:
                    self._directories[number] = directory
            if file not in self._told:
                self._told.add(file)
                log.info(f"watching directory for changes: {os.path.dirname(path)}")


def _look(path: str) -> Seen:
    target = os.path.realpath(path)
    try:
        found = os.stat(target)
    except OSError:
        return Seen(target)
    return Seen(target, found.st_ino, found.st_size, found.st_ctime_ns)
