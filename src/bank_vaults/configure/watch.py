"""Files that change: written, replaced, swapped as Kubernetes does, gone and back again.

Directories are watched with inotify (inotify(7)), through libc: three functions, so no library for them. What
has happened is told by comparing the files with what they were, so that the name of an event does not matter.
A file that is being written is not read before its writer has closed it: a shell empties a file before it
starts the program whose output goes there, and an empty file wants nothing. Where there are no events, as on
network file systems, a look now and then finds the same.
"""

from __future__ import annotations

import ctypes
import logging
import os
import stat
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
"""Seconds without a change after which a file is read of which no event has told who writes it."""

_UNCLOSED: Final = 60.0
"""Seconds without a change after which a file is read that its writer has not closed."""


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
        self._written: dict[str, float] = {}
        """When files that are not closed yet were last written, by path."""
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
        return max(0.0, min([self._next_look, *map(self._readable_at, self._due)]) - self._clock())

    def changed(self) -> tuple[str, ...]:
        """The files that have changed since the last time and can be read now, in their order."""
        now = self._clock()
        finished, touched = self._drain(now)
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
        due = tuple(file for file in self._files if file in self._due and self._readable_at(file) <= now)
        for file in due:
            del self._due[file]
        return due

    def _readable_at(self, file: str) -> float:
        seen = self._seen[file]
        paths = (self._files[file], seen.target) if seen.inode else ()
        unclosed = [self._written[path] + _UNCLOSED for path in paths if path in self._written]
        return max(self._due[file], *unclosed) if unclosed else self._due[file]

    def _drain(self, now: float) -> tuple[frozenset[str], bool]:
        """The paths of files that are complete, and whether anything at all has happened."""
        ours = {*self._files.values(), *(seen.target for seen in self._seen.values())}
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
                if watch not in self._directories:
                    continue
                path = os.path.join(self._directories[watch], os.fsdecode(name))
                if mask & (_CLOSE_WRITE | _MOVED_TO):
                    finished.add(path)
                    self._written.pop(path, None)
                elif path in ours and (mask & _MODIFY or _is_open_to_its_maker(path)):
                    finished.discard(path)
                    self._written[path] = now
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


def _is_open_to_its_maker(path: str) -> bool:
    """Of what was just made: a file, and no link, which is complete at once."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1


def _look(path: str) -> Seen:
    target = os.path.realpath(path)
    try:
        found = os.stat(target)
    except OSError:
        return Seen(target)
    return Seen(target, found.st_ino, found.st_size, found.st_ctime_ns)
