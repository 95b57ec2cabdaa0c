"""The same work for many things in a few threads."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def each(
    things: Iterable[T],
    work: Callable[[T], None],
    threads: int,
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Work on all things, ``threads`` at a time, until an error or ``stopped``. Raises the first error.

    What has been begun is ended before this returns.
    """
    waiting = deque(things)
    errors: list[BaseException] = []

    def go_on() -> None:
        while not errors and not stopped():
            try:
                thing = waiting.popleft()
            except IndexError:
                return
            try:
                work(thing)
            except BaseException as error:
                errors.append(error)

    helpers = [
        threading.Thread(target=go_on, name="configure", daemon=True)
        for _ in range(min(threads, len(waiting)) - 1)
    ]
    for helper in helpers:
        helper.start()
    go_on()
    for helper in helpers:
        helper.join()
    if errors:
        raise errors[0]
