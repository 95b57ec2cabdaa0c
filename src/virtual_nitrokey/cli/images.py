"""Which sticks are run, and the files they are kept in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from virtual_nitrokey.image import Image, ImageError, locked
from virtual_nitrokey.pcscd import MOST_READERS


class Choice(NamedTuple):
    """The files of the sticks to run, and how many new sticks besides."""

    files: tuple[Path, ...]
    new: int = 0


def choose(named: Sequence[Path], found: Sequence[Path], count: int | None) -> Choice:
    """Which sticks to run: those ``named``, then of those ``found`` as many as make ``count``, then new ones.

    Without a count: those named, or else all that were found, or else a new one. ValueError if that is more
    than there are readers for, if more are named than wanted, or one of them twice.
    """
    if len(set(named)) < len(named):
        raise ValueError("a stick is named twice")
    if count is None:
        count = len(named) or len(found) or 1
    if count > MOST_READERS:
        raise ValueError(f"{count} sticks are too many: pcscd has readers for {MOST_READERS}")
    if len(named) > count:
        raise ValueError(f"{len(named)} sticks are named, but only {count} wanted")
    files = (*named, *sorted(set(found) - set(named)))[:count]
    return Choice(files, count - len(files))


def find(directory: Path) -> list[Path]:
    """The files of the sticks that were made in this directory."""
    return [*directory.glob("DENK*.json")]


@contextmanager
def opened(choice: Choice, directory: Path) -> Iterator[Mapping[str, tuple[Image, Path]]]:
    """Each stick by its serial number, with its file, locked meanwhile. What does not exist yet is made; new
    sticks are kept in ``directory``. Raises ImageError, OSError.
    """
    sticks: dict[str, tuple[Image, Path]] = {}
    with ExitStack() as locks:
        for path in choice.files:
            locks.enter_context(locked(path))
            image = Image.load(path) if path.exists() else _made(Image.new(), path)
            if image.serial in sticks:
                raise ImageError(f"{sticks[image.serial][1]} and {path} are both of stick {image.serial}")
            sticks[image.serial] = image, path
        for _ in range(choice.new):
            image = next(image for image in iter(Image.new, None) if not _home(image, directory).exists())
            path = _home(image, directory)
            locks.enter_context(locked(path))
            sticks[image.serial] = _made(image, path), path
        yield sticks


def _home(image: Image, directory: Path) -> Path:
    return directory / f"{image.serial}.json"


def _made(image: Image, path: Path) -> Image:
    image.save(path)
    return image
