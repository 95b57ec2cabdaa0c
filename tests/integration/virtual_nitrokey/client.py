"""A PKCS#11 client that has nothing to do with this project: python-pkcs11, in a process of its own.

Its module keeps state for as long as the process lives, which is what these tests are about; and a module
that ends the process ends no test. Requests and answers are lines of JSON, bytes in them are hexadecimal.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.integration.virtual_nitrokey.bench import PIN, Bench

PROCESS = Path(__file__).with_name("client_process.py")


class ClientError(Exception):
    """What the module answered, by the name that python-pkcs11 gives it."""


class Client:
    """The process. A context manager; what can be asked of it are the methods of ``client_process.Calls``."""

    def __init__(self, bench: Bench) -> None:
        self._process = subprocess.Popen(
            [sys.executable, PROCESS, bench.opensc.module],
            env=bench.opensc.surroundings(bench.rig.environment()),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, do: str, **arguments: object) -> Callable[[], Any]:
        """Ask for something; what is returned waits for the outcome, or raises ClientError."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([do, arguments]) + "\n")
        self._process.stdin.flush()
        return self._outcome

    def call(self, do: str, **arguments: object) -> Any:
        """Ask for something and wait for the outcome. Raises ClientError."""
        return self.start(do, **arguments)()

    def error(self, do: str, **arguments: object) -> str | None:
        """Ask for something, and tell only what was wrong with it, if anything."""
        try:
            self.call(do, **arguments)
        except ClientError as error:
            return str(error)
        return None

    def log_in(self) -> None:
        """A session for the user."""
        self.call("open", pin=PIN)

    def _outcome(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the client ended with {self._process.wait()}"
        verdict, value = json.loads(line)
        if verdict == "error":
            raise ClientError(value)
        return value

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
