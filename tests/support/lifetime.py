"""Outside programs of tests: started on entering a block, ended on leaving it."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class Lifetime:
    """What is made by ``_start`` is ended by ``_close``, also where the start fails half way."""

    def _start(self) -> None:
        raise NotImplementedError

    def _close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
