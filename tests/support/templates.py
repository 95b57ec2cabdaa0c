"""Templates beside the real ones: the oracle in Go, its cases, and the same functions for our own engine.

A case is what ``tests/compat/templates/oracle/main.go`` reads and answers: ``template`` and ``env``, then
``output``, ``output64`` (bytes that are no UTF-8) or ``error``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from bank_vaults.templating import sprig
from bank_vaults.templating.errors import TemplateError
from bank_vaults.templating.functions import Lookup, chained, table
from bank_vaults.templating.golang.values import Methods, Object, Sized, Uint64, octets
from bank_vaults.templating.own.sources import Sources
from bank_vaults.templating.template import parse

HERE = Path(__file__).parent.parent / "compat" / "templates"
ORACLE = HERE / "oracle"
INPUTS = HERE / "inputs"
EXPECTED = HERE / "expected"

Case = dict[str, Any]


class Int8(Sized):
    """A number of a type that no function of sprig returns."""

    go_type: ClassVar[str] = "int8"


class GoError(Object):
    """What ``fmt.Errorf`` makes."""

    go_type: ClassVar[str] = "*errors.errorString"
    kind: ClassVar[str] = "ptr"

    def __init__(self, message: str) -> None:
        self._message = message

    def methods(self) -> Methods:
        return {"Error": ("func() string", self.go_string)}

    def go_string(self) -> str:
        return self._message


def lookup(sources: Sources) -> Lookup:
    """The functions of the oracle: sprig's, those of the environment, and some for values of odd types."""
    ours = sources.functions()
    odd = table(
        {
            "goInt8": ("func(int)", lambda number: Int8((number + 128) % 256 - 128)),
            "goUint64": ("func(int)", lambda number: Uint64(number % (1 << 64))),
            "goBytes": ("func(string)", octets),
            "goError": ("func(string)", GoError),
        }
    )
    return chained(odd, lambda name: ours(name) if name in ("env", "expandenv") else None, sprig.lookup)


def rendered(case: Case) -> Case:
    """What our own engine makes of a case, as the oracle would write it."""
    sources = Sources(case.get("env") or {})
    try:
        output = octets(parse(case["template"], functions=lookup(sources)).render(sources.data()))
    except TemplateError as error:
        # The oracle writes its messages as JSON, which has no bytes that are no UTF-8.
        return {"error": octets(str(error)).decode("utf-8", "replace")}
    try:
        return {"output": output.decode()}
    except UnicodeDecodeError:
        return {"output64": base64.b64encode(output).decode()}


def answer_of(case: Case) -> Case:
    """The answer in a case that the oracle gave."""
    return {key: case[key] for key in ("output", "output64", "error") if key in case}


class NoOracle(Exception):  # noqa: N818 - a reason to skip
    """The oracle cannot be built here; the text says why."""


@cache
def oracle() -> Path:
    """The oracle, built once for each version of its sources. Raises NoOracle."""
    go = shutil.which("go")
    if go is None:
        raise NoOracle("Go is not installed")
    sources = b"".join((ORACLE / name).read_bytes() for name in ("main.go", "go.mod", "go.sum"))
    cached = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bank-vaults"
    binary = cached / f"template-oracle-{hashlib.sha256(sources).hexdigest()[:16]}"
    if not binary.exists():
        cached.mkdir(parents=True, exist_ok=True)
        fresh = binary.with_suffix(f".{os.getpid()}")
        built = subprocess.run(
            [go, "build", "-trimpath", "-o", fresh, "."],
            cwd=ORACLE,
            capture_output=True,
            text=True,
            timeout=110,
        )
        if built.returncode:
            raise NoOracle(f"Go cannot build the oracle: {built.stderr.strip().splitlines()[-1:]}")
        fresh.rename(binary)
    return binary


def ask(cases: Iterable[Case], *, seconds: float = 30) -> list[Case]:
    """What Go makes of the cases. Raises NoOracle."""
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    answers = subprocess.run(
        [oracle(), "serve"], input=lines, capture_output=True, text=True, timeout=seconds, check=True
    )
    return [json.loads(line) for line in answers.stdout.splitlines()]
