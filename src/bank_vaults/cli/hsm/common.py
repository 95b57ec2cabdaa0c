"""What the commands on tokens share: the client, its errors as exit codes, questions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bank_vaults.cli.errors import UsageError
from bank_vaults.domain.settings import Settings
from bank_vaults.hsm.client import TokenClient, TokenError, TokenUnusableError, ValueDamagedError
from bank_vaults.hsm.pin import PinRefusedError as RefusedByTokenError
from bank_vaults.hsm.selection import SelectionError, choose_token, plain_label
from bank_vaults.hsm.survey import SlotView
from bank_vaults.hsm.token import Access
from bank_vaults.keystores import hsm_token
from bank_vaults.keystores.base import PinRefusedError, StoreError


@contextmanager
def client(settings: Settings, access: Access) -> Iterator[TokenClient]:
    """A client for the length of a block. What it raises there is a StoreError for the caller."""
    found = TokenClient(hsm_token.module(settings), access, hsm_token.memory(settings))
    try:
        yield found
    except RefusedByTokenError as error:
        raise PinRefusedError(str(error)) from None
    except (TokenError, TokenUnusableError, ValueDamagedError, SelectionError) as error:
        raise StoreError(str(error)) from None
    finally:
        found.close()


def logged_in(token: TokenClient, access: Access) -> SlotView:
    """Our token with all its objects. Raises as the client does, and SelectionError."""
    seen = token.survey(login=True)
    return seen.slot(choose_token(seen.candidates, access.criteria).candidate.slot)


def named(slot: SlotView) -> str:
    """A token for people."""
    if slot.token is None:
        return f"none in slot {slot.id}"
    return f"{plain_label(slot.token.label)!r}, serial {slot.token.serial or 'none'}, in slot {slot.id}"


def confirmed(question: str) -> bool:
    """Ask on the terminal; only "yes" is one. Raises UsageError where nobody is there to answer."""
    if sys.stdin is None or not sys.stdin.isatty() or sys.stderr is None:
        raise UsageError(f"{question} Nobody is there to answer: say it by --yes")
    sys.stderr.write(f"{question} Write 'yes' to go on: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip() == "yes"
