"""A plan that is saved to be looked at, and applied later exactly as it was or not at all.

The file has the plan as people and programs read it, and a fingerprint of everything that would be sent. A
later run makes its own plan from the files and the server as they are then, and goes on only if that has the
same fingerprint. So no secret is in the file, and nothing is sent that nobody has seen.
"""

from __future__ import annotations

import json
import os
import stat
from base64 import b64decode, b64encode
from typing import Any, Final, NamedTuple

from bank_vaults.configure.memory import Memory
from bank_vaults.configure.passes import MovedError
from bank_vaults.configure.plan import Plan
from bank_vaults.configure.report import as_json
from bank_vaults.keystores import atomic

_VERSION: Final = 2

_MARK: Final = b'"bank-vaults-plan"'
_TELLING: Final = 64
"""Bytes of a file that tell whether it is a plan."""


class PlanFileError(Exception):
    """The file cannot be read or written, or is no saved plan."""


class Target(NamedTuple):
    """What a plan is for, whatever the address by which it is reached."""

    cluster: str
    namespace: str


def save(path: str, plan: Plan, target: Target) -> None:
    """Write a plan, in place of an earlier one too, and never of anything else. Raises PlanFileError."""
    key = Memory.empty()
    content = {
        "bank-vaults-plan": _VERSION,
        **target._asdict(),
        "key": b64encode(key.key).decode(),
        "fingerprint": plan.fingerprint(key.digest),
        **as_json(plan),
    }
    text = json.dumps(content, indent=2, default=str) + "\n"
    try:
        place = os.path.realpath(path)
        _spare_what_is_no_plan(path, place)
        atomic.replace(place, text.encode())
    except OSError as error:
        raise PlanFileError(f"the plan cannot be written to {path}: {error.strerror or error}") from None


def _spare_what_is_no_plan(path: str, place: str) -> None:
    """Replacing would make a file of a device, and lose a document whose name was given by mistake. An empty
    file may have been made for the plan. Raises PlanFileError, OSError.
    """
    try:
        found = os.stat(place)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        raise PlanFileError(f"the plan cannot be written to {path}: this is no plain file")
    with open(place, "rb") as file:
        if found.st_size and not _is_plan(file.read(_TELLING)):
            raise PlanFileError(
                f"the plan is not written to {path}: what is there now is no plan; name another"
            )


def _is_plan(beginning: bytes) -> bool:
    """Of this or another version."""
    return beginning.lstrip(b"{ \r\n\t").startswith(_MARK)


class SavedPlan:
    """What a file says. ``check`` compares another plan with it."""

    def __init__(self, path: str) -> None:
        """Raises PlanFileError."""
        self._path = path
        try:
            with open(path, "rb") as file:
                content: Any = json.load(file)
            if content["bank-vaults-plan"] != _VERSION:
                raise ValueError
            self._memory = Memory(b64decode(content["key"], validate=True), {})
            self._target = Target(str(content["cluster"]), str(content["namespace"]))
            self._fingerprint = str(content["fingerprint"])
        except OSError as error:
            raise PlanFileError(f"the plan {path} cannot be read: {error.strerror or error}") from None
        except (ValueError, KeyError, TypeError):
            raise PlanFileError(f"{path} is no plan that this version has saved") from None

    def check(self, plan: Plan, target: Target) -> None:
        """Raises MovedError where the plan is another one, or of something else."""
        if target != self._target:
            raise MovedError(f"the plan in {self._path} is of another server or namespace")
        if plan.fingerprint(self._memory.digest) != self._fingerprint:
            raise MovedError(
                f"the plan in {self._path} is not what would be done now: files or server have changed "
                "since; make a new plan and look at it"
            )
