"""The whole program in this process, with the bodies of the commands replaced."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType

import hypothesis
import pytest

from bank_vaults.cli import main
from bank_vaults.cli.options import PREFIX
from bank_vaults.domain.settings import Settings

# A deadline would make the time that an example takes part of what is tested.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@dataclass
class Outcome:
    """What a run left behind. ``settings`` is what the body of the command got, if it came to that."""

    code: int
    stdout: str
    stderr: str
    command: str | None
    settings: Settings | None

    @property
    def given(self) -> Settings:
        assert self.settings is not None, self.stderr
        return self.settings


Body = Callable[[Settings], int]
Cli = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def _clean_process() -> Iterator[None]:
    """Neither our variables from outside nor our logging afterwards."""
    root, ours = logging.getLogger(), logging.getLogger("bank_vaults")
    before = root.handlers[:], root.level, ours.level
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(PREFIX) or name in ("CREDENTIALS_DIRECTORY", "NO_COLOR"):
                patch.delenv(name)
        yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command line. The bodies of commands on servers are ``body``."""

    def run(
        *arguments: str,
        env: dict[str, str] | None = None,
        body: Body = lambda _: 0,
        program: str = "bank-vaults",
    ) -> Outcome:
        seen: list[tuple[str, Settings]] = []

        def module(name: str) -> ModuleType:
            fake = ModuleType(f"bank_vaults.cli.{name}")

            def run_(settings: Settings) -> int:
                seen.append((name, settings))
                return body(settings)

            fake.__dict__["run"] = run_
            return fake

        with monkeypatch.context() as patch:
            for name in ("init", "unseal", "status", "configure", "configure.policy", "plan"):
                patch.setitem(sys.modules, f"bank_vaults.cli.{name}", module(name))
            for name, value in (env or {}).items():
                patch.setenv(name, value)
            capsys.readouterr()
            code = main.run(program, arguments)
        captured = capsys.readouterr()
        command, settings = seen[-1] if seen else (None, None)
        return Outcome(code, captured.out, captured.err, command, settings)

    return run
