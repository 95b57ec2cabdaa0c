"""Which versions of OpenSC the suite runs with (docs/development.md).

The system's is the first. The newer ones are those of ``requirements/opensc.lock``, by default where
``scripts/setup`` puts them; ``OPENSC_NEWER``, the prefix of an installation, takes their place.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.support.binaries import MissingBinary, cached

LOCK = Path(__file__).parents[2] / "requirements" / "opensc.lock"

_VERSION = re.compile(r"^OpenSC (\d+\.\d+\.\d+)", re.MULTILINE)
_MODULE = "opensc-pkcs11.so"
_FOREIGN = ("OPENSC_", "PCSCLITE_", "LC_", "LANG")


class OpenSC(NamedTuple):
    """An installation: ``environment`` is what its tools and its module need besides the usual."""

    version: str
    prefix: Path
    module: Path
    environment: Mapping[str, str]

    @property
    def name(self) -> str:
        """For people: ``opensc-0.23.0``."""
        return f"opensc-{self.version}"

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers: (0, 23, 0)."""
        return tuple(map(int, self.version.split(".")))

    def tool(self, name: str) -> Path:
        """Where a tool is: ``pkcs11-tool``, ``sc-hsm-tool``…; it need not be there."""
        return self.prefix / "bin" / name

    def surroundings(self, env: Mapping[str, str]) -> dict[str, str]:
        """The whole environment of a client: that of the tests, with ``env`` over what belongs to OpenSC."""
        usual = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        return {**usual, "LC_ALL": "C", **self.environment, **env}

    def run(
        self, tool: str, *arguments: str, env: Mapping[str, str], timeout: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a tool to its end, without a terminal, with ``env`` over the environment of the tests.

        ``pkcs11-tool`` gets this installation's module, unless the arguments name another. Raises
        subprocess.TimeoutExpired after ``timeout`` seconds; any exit code is an answer.
        """
        if tool == "pkcs11-tool" and "--module" not in arguments:
            arguments = ("--module", str(self.module), *arguments)
        return subprocess.run(
            [self.tool(tool), *arguments],
            env=self.surroundings(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )


def locked_versions() -> list[str]:
    """The newer versions that ``scripts/setup`` builds, the oldest first."""
    lines = LOCK.read_text().splitlines()
    return [line.split()[0] for line in lines if not line.startswith("#")]


def installation(prefix: Path) -> OpenSC:
    """The installation in a directory with ``bin`` and ``lib``. Raises OSError or ValueError for another."""
    modules = sorted(prefix.glob(f"lib*/{_MODULE}")) or sorted(prefix.glob(f"lib/*/{_MODULE}"))
    if not modules:
        raise FileNotFoundError(f"there is no {_MODULE} in {prefix}")
    # One that was copied or unpacked somewhere does not find its library by itself.
    environment = {} if prefix == Path("/usr") else {"LD_LIBRARY_PATH": str(modules[0].parent)}
    unknown = OpenSC("", prefix, modules[0], environment)
    answer = unknown.run("opensc-tool", "--info", env={})
    match = _VERSION.search(answer.stdout)
    if match is None:
        raise ValueError(f"{unknown.tool('opensc-tool')} does not tell its version: {answer.stderr[:80]!r}")
    return unknown._replace(version=match[1])


@cache
def all_opensc() -> tuple[OpenSC | MissingBinary, ...]:
    """Every OpenSC to test with, the system's first. One that is named and does not work is an error."""
    found: list[OpenSC | MissingBinary] = []
    tool = shutil.which("opensc-tool")
    try:
        if tool is None:
            raise FileNotFoundError("there is no opensc-tool on the path")
        found.append(installation(Path(tool).resolve().parents[1]))
    except FileNotFoundError as error:
        found.append(MissingBinary("opensc", f"{error}: run scripts/setup"))
    named = os.environ.get("OPENSC_NEWER")
    if named:
        return (*found, installation(Path(named).absolute()))
    for version in locked_versions():
        prefix = cached(f"opensc-{version}")
        unavailable = prefix.with_name(f"{prefix.name}.unavailable")
        if any(isinstance(kind, OpenSC) and kind.version == version for kind in found):
            continue
        if prefix.exists():
            found.append(installation(prefix))
        elif unavailable.exists():
            found.append(MissingBinary(prefix.name, unavailable.read_text().strip(), excused=True))
        else:
            found.append(MissingBinary(prefix.name, "run scripts/setup or set OPENSC_NEWER"))
    return tuple(found)
