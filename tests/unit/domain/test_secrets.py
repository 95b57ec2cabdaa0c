"""Promises of a Secret: no text form shows it, wiping ends it, the redactor knows every living one."""

from __future__ import annotations

import copy
import dataclasses
import gc
import json
import pickle
import threading
import traceback
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_vaults.domain import secrets
from bank_vaults.domain.secrets import Secret, living_texts

TEXT = "hvs.CAESIJ-quite-secret"


@dataclasses.dataclass(frozen=True)
class _Holder:
    token: Secret


class _SomeError(Exception):
    pass


def _traceback() -> str:
    try:
        raise _SomeError(Secret(TEXT))
    except _SomeError as error:
        return "".join(traceback.format_exception(error))


@pytest.mark.parametrize(
    "shown",
    [
        lambda secret: repr(secret),
        lambda secret: str(secret),
        lambda secret: f"{secret}",
        lambda secret: f"{secret!r} {secret!s} {secret!a}",
        lambda secret: format(secret, ""),
        lambda secret: "%s %r" % (secret, secret),  # noqa: UP031 - logging formats like this
        lambda secret: "{} {!r}".format(secret, secret),  # noqa: UP032
        lambda secret: repr([secret, {"key": secret}, (secret,)]),
        lambda secret: repr(_Holder(secret)),
        lambda secret: str(Exception("no", secret)),
        lambda secret: repr(Exception("no", secret)),
        lambda secret: json.dumps({"token": secret}, default=str),
        lambda secret: json.dumps({"token": secret}, default=repr),
        lambda _: _traceback(),
        lambda secret: repr(dataclasses.replace(_Holder(secret))),
    ],
)
def test_every_text_form_is_masked(shown: Callable[[Secret], str]) -> None:
    text = shown(Secret(TEXT))
    assert TEXT not in text
    assert "***" in text


@pytest.mark.parametrize(
    "taken",
    [
        pickle.dumps,
        copy.copy,
        copy.deepcopy,
        json.dumps,
        lambda secret: dataclasses.asdict(_Holder(secret)),
        lambda secret: f"{secret:>60}",
        bytes,
        len,
        iter,
        vars,
    ],
)
def test_what_would_take_the_value_out_is_refused(taken: Callable[[Secret], object]) -> None:
    with pytest.raises(TypeError) as refused:
        taken(Secret(TEXT))
    assert TEXT not in str(refused.value)


@given(st.text().filter(lambda text: text.isascii() or text.encode(errors="ignore").decode() == text))
def test_what_went_in_comes_out(text: str) -> None:
    secret = Secret(text)
    assert secret.reveal() == text
    assert secret.reveal_bytes() == text.encode()
    assert bool(secret) is bool(text)
    assert secret == Secret(text.encode())


def test_a_value_that_is_not_text_does_not_show_itself_in_the_error() -> None:
    secret = Secret(b"\xff" + TEXT.encode())
    with pytest.raises(UnicodeDecodeError) as refused:
        secret.reveal()
    error = refused.value
    assert error.__context__ is None
    assert all(TEXT not in text for text in (str(error), repr(error), str(error.object)))
    assert secret.reveal_bytes() == b"\xff" + TEXT.encode()


def test_secrets_are_compared_by_value_and_only_with_secrets() -> None:
    assert Secret("same") == Secret("same")
    assert Secret("one") != Secret("another")
    assert Secret(TEXT) != TEXT
    assert Secret(TEXT) != TEXT.encode()


def test_wiping_overwrites_the_buffer_and_empties_it() -> None:
    secret = Secret("to-be-wiped")
    buffer = secret._buffer
    secret.wipe()
    assert (len(buffer), bool(secret), secret.reveal()) == (0, False, "")
    assert "to-be-wiped" not in living_texts()
    secret.wipe()


def test_the_redactor_knows_living_secrets_and_forgets_dead_ones() -> None:
    secret = Secret("lives-and-dies")
    assert "lives-and-dies" in living_texts()
    born = weakref.ref(secret)
    del secret
    gc.collect()
    assert born() is None
    assert "lives-and-dies" not in living_texts()


def test_two_secrets_of_one_value_are_masked_until_both_are_gone() -> None:
    first, second = Secret("twice-there"), Secret("twice-there")
    del first
    gc.collect()
    assert "twice-there" in living_texts()
    second.wipe()
    assert "twice-there" not in living_texts()


def test_short_texts_are_not_masked_and_long_ones_come_first() -> None:
    kept = [Secret("abc"), Secret("abcd"), Secret("abcdefgh"), Secret("")]
    texts = living_texts()
    assert "abc" not in texts
    assert "" not in texts
    assert texts.index("abcdefgh") < texts.index("abcd")
    for secret in kept:
        secret.wipe()


def test_a_secret_that_is_not_text_does_not_break_the_redactor() -> None:
    secret = Secret(b"\xff\xfepart-of-it")
    assert "part-of-it" in living_texts()
    secret.wipe()


def test_the_redactor_reads_while_secrets_are_born_and_die() -> None:
    enough = threading.Event()

    def bear() -> None:
        while not enough.is_set():
            for number in range(50):
                Secret(f"born-and-gone-{number}")

    threads = [threading.Thread(target=bear) for _ in range(2)]
    kept = [Secret(f"kept-{number}") for number in range(200)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(60):
            assert living_texts().count("kept-7") == 1
    finally:
        enough.set()
        for thread in threads:
            thread.join()
    del kept


def test_no_module_of_the_domain_writes_or_calls_anything_outside() -> None:
    room = Path(secrets.__file__).parent
    imported = {
        line.split()[1].split(".")[0]
        for path in room.glob("*.py")
        for line in path.read_text().splitlines()
        if line.startswith(("import ", "from "))
    }
    assert imported <= {
        "__future__", "bank_vaults", "base64", "binascii", "collections", "dataclasses", "enum", "fractions",
        "hmac", "itertools", "json", "re", "threading", "typing", "weakref",
    }  # fmt: skip
