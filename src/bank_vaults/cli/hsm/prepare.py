"""``bank-vaults hsm prepare``: an empty token with a label, PINs and a key pair."""

from __future__ import annotations

import json
import os
import sys

from bank_vaults.cli.errors import UsageError
from bank_vaults.cli.hsm.common import client, confirmed, named
from bank_vaults.cli.hsm.servers import WARNING, need_no_keys
from bank_vaults.cli.output import complain, row, say
from bank_vaults.domain.exitcodes import ExitCode
from bank_vaults.domain.secrets import Secret
from bank_vaults.domain.settings import Settings
from bank_vaults.hsm.binding import TokenInfo
from bank_vaults.hsm.client import BoundToken
from bank_vaults.hsm.initialise import Order
from bank_vaults.hsm.prepare import NotPlannedError, Plan, Wishes, described, plan
from bank_vaults.hsm.selection import TokenCriteria, plain_label
from bank_vaults.hsm.token import Access
from bank_vaults.keystores import hsm_token
from bank_vaults.keystores.base import StoreError

_PROBE = "prepare"
"""The name that a test value is sealed for; it is not stored."""


def run(settings: Settings) -> int:
    """Look, ask, initialise, read back. Raises UsageError, StoreError."""
    access = hsm_token.access(settings)
    wishes = Wishes(
        label=settings.text("label"),
        pin=access.pin,
        so_pin=settings.secret("so-pin"),
        new_token=settings.flag("new-token"),
        destroy_keys=settings.text("destroy-keys"),
    )
    with client(settings, access) as token:
        try:
            decided = plan(token.survey(login=False), access.criteria, wishes)
            if not decided.slot.objects:
                token.close()  # read anew: a token that failed for a moment seems to be empty
                decided = plan(token.survey(login=False), access.criteria, wishes)
        except NotPlannedError as error:
            raise UsageError(str(error)) from None
        out = settings.text("so-pin-out")
        if out and not decided.so_pin_is_random:
            raise UsageError("--so-pin-out is for a random SO-PIN, and --so-pin gives one")
        if decided.so_pin_is_random and not out and not _terminal():
            raise UsageError("a random SO-PIN is shown on a terminal only: name a file by --so-pin-out")
        if decided.slot.objects and not need_no_keys(settings):
            return ExitCode.FAILURE
        if not settings.flag("yes") and not confirmed(_question(decided)):
            return ExitCode.FAILURE
        if decided.so_pin_is_random:
            # Before it is set: a token whose SO-PIN nobody knows can never be initialised again.
            _hand_out(decided.so_pin, out)
        done = token.initialise(
            Order(
                slot=decided.slot.id,
                serial=decided.token.serial,
                label=wishes.label,
                so_pin=decided.so_pin,
                so_pin_is_new=decided.so_pin_is_new,
                pin=wishes.pin,
            )
        )
    _show(settings, done, _read_back(settings, access, done))
    return ExitCode.OK


def _question(decided: Plan) -> str:
    place = f"{named(decided.slot)} ({decided.slot.info.description})"
    there = described(decided.slot.objects)
    loss = f"There is {there}. {WARNING}" if there else "There is nothing that can be seen without a login."
    return (
        f"Everything on the token {place} will be destroyed. {loss} The new key pair cannot be copied to "
        "another token (docs/hsm.md, two sticks)."
    )


def _terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _hand_out(so_pin: Secret, path: str) -> None:
    """Show the SO-PIN, or write it to a new file that only its owner can read, durably."""
    if not path:
        complain(f"The SO-PIN of the token, shown this once, is {so_pin.reveal()}. Write it down.")
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(so_pin.reveal_bytes() + b"\n")
            file.flush()
            os.fsync(descriptor)
        directory = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise UsageError(f"--so-pin-out: cannot make {path!r}: {error.strerror}; nothing was done") from None


def _read_back(settings: Settings, access: Access, done: TokenInfo) -> BoundToken | None:
    """Log in with the new PIN, and make a key pair, if wanted, that opens what is sealed to it.

    Through a new worker, which has to find the token again.
    """
    # What was refused on this token before may be its PIN now.
    own = access._replace(criteria=TokenCriteria(serial=done.serial), again=True)
    with client(settings, own) as token:
        if not access.may_generate:
            token.survey(login=True)
            return None
        bound = token.bind()
        value = os.urandom(32)
        if token.open(_PROBE, token.seal(_PROBE, value, None)) != value:
            raise StoreError("the token gives back another value than was sealed to its new key pair")
    return bound


def _show(settings: Settings, done: TokenInfo, bound: BoundToken | None) -> None:
    key = bound and bound.key
    if settings.text("output") == "json":
        found = {
            "serial": done.serial,
            "label": plain_label(done.label),
            "key": key
            and {
                "label": key.label,
                "id": key.id.hex(),
                "type": key.type.name,
                "bits": key.size,
                "fingerprint": key.fingerprint.hex(),
            },
        }
        say(json.dumps(found, indent=2))
        return
    row("token", f"{plain_label(done.label)}, serial {done.serial}")
    row("PIN", "set, and accepted")
    row("key", f"{key.label}, {key.type.name} {key.size}, ID {key.id.hex()}" if key else "none")
    row("next step", f"bank-vaults unseal --init --mode hsm --hsm-serial {done.serial}")
