"""Tokens of every kind for one suite: whatever is behind it, a test says the same.

    with kind.lend(tmp_path) as token:
        assert token.run("unseal", "--init", "--once", server=server).code == 0
        assert token.values()["vault-root"].private

A token that is lent is fresh and has a user PIN, and a key pair unless a test wants it without.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol

from tests.support import kryoptic, opencryptoki
from tests.support.binaries import MissingBinary
from tests.support.opencryptoki import Opencryptoki
from tests.support.opensc import OpenSC, all_opensc
from tests.support.program import Finished, Program
from tests.support.servers import Server
from tests.support.softhsm import MODULE, SoftHsm
from virtual_nitrokey.card import Card, Work
from virtual_nitrokey.image import Image
from virtual_nitrokey.pcscd import PcscdError
from virtual_nitrokey.rig import Rig
from virtual_nitrokey.stick import Stick

LABEL = "bank-vaults"
"""Of every token and every key pair."""
PIN = "banzai"
WRONG_PIN = "wrong-1"
KEY_ID = "10"

_SO_PIN = "3537363231383830"
_LIMIT = 60.0  # seconds for a tool
_SLOT = re.compile(r"(?m)^Slot \d+ \((0x[0-9a-f]+)\).*\n(?:  .*\n)*?  serial num +: (\S+)$")
_DATA = re.compile(r"(?m)^Data object .*\n  label: +'(.*)'\n(?:  .*\n)*?  flags: +(.*)$")
_TRIES = ("user PIN count low", "final user PIN try", "user PIN locked")


class Access(NamedTuple):
    """What OpenSC's pkcs11-tool says of a data object."""

    private: bool


class Token:
    """One token or several, for programs with ``environment`` that run after ``prefix``.

    ``sticks`` are those of them that can be pulled and can tell what they did. ``directory`` keeps files of
    the test and, in ``state``, the refused PINs.
    """

    def __init__(
        self,
        module: Path,
        opensc: OpenSC,
        environment: Mapping[str, str],
        directory: Path,
        *,
        prefix: tuple[str, ...] = (),
        sticks: tuple[Stick[Card], ...] = (),
    ) -> None:
        self.module = module
        self.environment = environment
        self.prefix = prefix
        self.sticks = sticks
        self._opensc = opensc
        self._directory = directory
        self.state = directory / "state"
        self.state.mkdir(mode=0o700, parents=True)

    # -- the program --------------------------------------------------------------------------------

    def program(
        self,
        command: str,
        *flags: str,
        server: Server,
        pin: str | None = PIN,
        choice: tuple[str, ...] = ("--hsm-token-label", LABEL),
        environment: Mapping[str, str] | None = None,
    ) -> Program:
        """Our program with this token as its store, chosen by ``choice``; not started."""
        store = ("--mode", "hsm", "--hsm-module-path", str(self.module), "--hsm-state-dir", str(self.state))
        own = {} if pin is None else {"BANK_VAULTS_HSM_PIN": pin}
        return Program(
            command,
            *(*store, *choice, *flags),
            server=server,
            store=self.state,
            environment={**self.environment, **own, **(environment or {})},
            prefix=self.prefix,
        )

    def run(
        self,
        command: str,
        *flags: str,
        server: Server,
        pin: str | None = PIN,
        choice: tuple[str, ...] = ("--hsm-token-label", LABEL),
        environment: Mapping[str, str] | None = None,
    ) -> Finished:
        """Our program to its end."""
        with self.program(
            command, *flags, server=server, pin=pin, choice=choice, environment=environment
        ) as program:
            return program.wait()

    # -- another program ----------------------------------------------------------------------------

    def tool(self, *arguments: str, serial: str | None = None) -> subprocess.CompletedProcess[str]:
        """OpenSC's ``pkcs11-tool`` on the token with this serial number, else the first one."""
        slots = self._slots
        slot = slots[serial] if serial else next(iter(slots.values()))
        return self._tool("--slot", slot, *arguments)

    def done(self, *arguments: str, serial: str | None = None) -> str:
        """The same, logged in and with success: what it prints."""
        answer = self.tool("--login", "--pin", PIN, *arguments, serial=serial)
        assert answer.returncode == 0, f"pkcs11-tool {arguments}: {answer.stdout}{answer.stderr}"
        return answer.stdout

    @property
    def serials(self) -> tuple[str, ...]:
        """The serial numbers of the tokens."""
        return tuple(self._slots)

    def values(self, serial: str | None = None) -> dict[str, Access]:
        """The data objects by their labels, none of which may be there twice."""
        found = _DATA.findall(self.done("--list-objects", "--type", "data", serial=serial))
        values = {label: Access("private" in flags) for label, flags in found}
        assert len(values) == len(found), found
        return values

    def read(self, label: str, kind: str = "data", serial: str | None = None) -> bytes:
        """The value of a data object, or with kind ``pubkey`` a public key in DER."""
        file = self._directory / "read"
        named = ("--type", kind, "--label", label, "--output-file", str(file))
        self.done("--read-object", *named, serial=serial)
        content = file.read_bytes()
        file.unlink()
        return content

    def write(self, label: str, value: bytes, serial: str | None = None) -> None:
        """A new private data object."""
        file = self._directory / "written"
        file.write_bytes(value)
        named = ("--type", "data", "--private", "--label", label)
        self.done("--write-object", str(file), *named, serial=serial)
        file.unlink()

    def generate(self, key_id: str) -> None:
        """One more RSA key pair."""
        self.done("--keypairgen", "--key-type", "rsa:2048", "--label", LABEL, "--id", key_id)

    def flags(self) -> str:
        """The flags of the first token, as pkcs11-tool words them."""
        listed = re.search(r"token flags +: (.*)", self._tool("--list-token-slots").stdout)
        assert listed is not None
        return listed[1]

    # -- what was spent -----------------------------------------------------------------------------

    @property
    def stick(self) -> Stick[Card]:
        """The only stick."""
        (stick,) = self.sticks
        return stick

    def work(self, *kinds: Work) -> int:
        """How many operations of these kinds the sticks have done."""
        return sum(stick.card.counters.work.get(kind, 0) for stick in self.sticks for kind in kinds)

    def wrong_tries(self) -> int:
        """How many wrong PINs in a row were tried, of three. Of a token that locks."""
        if self.sticks:
            return sum(stick.card.counters.pins_wrong for stick in self.sticks)
        flags = self.flags()
        return next((tries for tries in (3, 2, 1) if _TRIES[tries - 1] in flags), 0)

    # -- how ----------------------------------------------------------------------------------------

    @cached_property
    def _slots(self) -> Mapping[str, str]:
        listed = _SLOT.findall(self._tool("--list-token-slots").stdout)
        assert listed
        return {serial: slot for slot, serial in listed}

    def _tool(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.prefix, self._opensc.tool("pkcs11-tool"), "--module", str(self.module), *arguments],
            env=self._opensc.surroundings(self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LIMIT,
            check=False,
        )


class TokenKind(Protocol):
    """Where fresh tokens come from. ``locks``: after three wrong PINs. ``many``: several can be had at once,
    told apart by their serial numbers. ``rsa``: the key pair is of that kind, not of P-256.
    """

    name: str
    locks: bool
    many: bool
    rsa: bool

    def lend(self, directory: Path, *, keyed: bool = True, count: int = 1) -> AbstractContextManager[Token]:
        """So many fresh tokens of one label; ``keyed``: with a key pair. Uses an empty directory."""


class _SoftHsmKind:
    name = "softhsm"
    locks, many, rsa = False, True, True

    def __init__(self, opensc: OpenSC) -> None:
        self._opensc = opensc

    @contextmanager
    def lend(self, directory: Path, *, keyed: bool = True, count: int = 1) -> Iterator[Token]:
        soft = SoftHsm(directory / "softhsm")
        for _ in range(count):
            soft.add(LABEL, PIN)
        token = Token(Path(MODULE), self._opensc, soft.environment, directory)
        if keyed:
            for serial in token.serials:
                _generate(token, "rsa:2048", serial)
        yield token


class _OpencryptokiKind:
    name = "opencryptoki"
    locks, many, rsa = True, False, True  # all its tokens have the serial number 123

    def __init__(self, opensc: OpenSC) -> None:
        self._opensc = opensc

    @contextmanager
    def lend(self, directory: Path, *, keyed: bool = True, count: int = 1) -> Iterator[Token]:
        assert count == 1
        module = opencryptoki.module()
        assert module is not None
        with Opencryptoki(directory / "opencryptoki") as daemon:
            token = Token(module, self._opensc, {}, directory, prefix=daemon.prefix)
            _initialise(token, "3", opencryptoki.SO_PIN)
            if keyed:
                _generate(token, "rsa:2048")
            yield token


class _KryopticKind:
    name = "kryoptic"
    locks, many, rsa = False, True, True  # it locks, after ten

    def __init__(self, opensc: OpenSC) -> None:
        self._opensc = opensc

    @contextmanager
    def lend(self, directory: Path, *, keyed: bool = True, count: int = 1) -> Iterator[Token]:
        environment = kryoptic.environment(directory / "kryoptic", count)
        token = Token(kryoptic.module(), self._opensc, environment, directory)
        for slot in map(str, range(count)):
            _initialise(token, slot, kryoptic.SO_PIN)
        if keyed:
            for serial in token.serials:
                _generate(token, "rsa:2048", serial)
        yield token


class NitrokeyKind:
    """The virtual stick behind one OpenSC, whose tools prepare it once and for all."""

    locks, many = True, True

    def __init__(self, opensc: OpenSC, key_type: str = "rsa:2048") -> None:
        self.rsa = key_type.startswith("rsa")
        self.name = f"nitrokey-{opensc.name}" + ("" if self.rsa else "-p256")
        self._opensc = opensc
        self._key_type = key_type
        self._images: dict[tuple[int, bool], Image] = {}

    def image(self, number: int = 1, *, keyed: bool = True) -> Image:
        """A prepared stick: a value, of which any number of sticks can be made."""
        if (number, keyed) not in self._images:
            fresh = Image.new(f"DENK010000{number}")
            with Rig([fresh]) as rig, tempfile.TemporaryDirectory() as directory:
                self.tool(rig, "sc-hsm-tool", "--initialize", *_NAMED)
                self._images[number, False] = rig.stick().card.image
                _generate(self.token(rig, Path(directory)), self._key_type)
                self._images[number, True] = rig.stick().card.image
        return self._images[number, keyed]

    def token(self, rig: Rig, directory: Path) -> Token:
        """The sticks of a rig."""
        environment = {**self._opensc.environment, **rig.environment()}
        sticks = tuple(rig.sticks.values())
        return Token(self._opensc.module, self._opensc, environment, directory, sticks=sticks)

    def tool(self, rig: Rig, name: str, *arguments: str) -> str:
        """A tool of this OpenSC: what it says. The exit code of ``sc-hsm-tool`` means nothing."""
        answer = self._opensc.run(name, *arguments, env=rig.environment())
        return answer.stdout + answer.stderr

    @contextmanager
    def lend(self, directory: Path, *, keyed: bool = True, count: int = 1) -> Iterator[Token]:
        images = [self.image(number, keyed=keyed) for number in range(1, count + 1)]
        with Rig(images) as rig:
            yield self.token(rig, directory)


_NAMED = ("--label", LABEL, "--pin", PIN, "--so-pin", _SO_PIN)


def _initialise(token: Token, slot: str, so_pin: str) -> None:
    for arguments in (
        ("--init-token", "--label", LABEL),
        ("--init-pin", "--pin", PIN, "--login", "--login-type", "so"),
    ):
        answer = token._tool("--slot", slot, *arguments, "--so-pin", so_pin)
        assert answer.returncode == 0, answer.stderr


def _generate(token: Token, key_type: str, serial: str | None = None) -> None:
    pair = ("--key-type", key_type, "--label", LABEL, "--id", KEY_ID)
    token.done("--keypairgen", *pair, serial=serial)


class Offer(NamedTuple):
    """A kind of token by name, before anything is started for it."""

    name: str
    opensc: OpenSC | MissingBinary
    """That of the stick; the one of the system for the others."""
    rsa: bool = True

    def kind(self) -> TokenKind | MissingBinary:
        """The kind, with what it takes a while to prepare; or what is missing for it."""
        if isinstance(self.opensc, MissingBinary):
            return self.opensc
        if self.name == "softhsm":
            there = os.path.exists(MODULE)
            return _SoftHsmKind(self.opensc) if there else MissingBinary("softhsm2", "run scripts/setup")
        if self.name == "opencryptoki":
            return opencryptoki.missing() or _OpencryptokiKind(self.opensc)
        if self.name == "kryoptic":
            return kryoptic.missing() or _KryopticKind(self.opensc)
        kind = NitrokeyKind(self.opensc, "rsa:2048" if self.rsa else "EC:prime256v1")
        try:
            kind.image()
        except PcscdError as error:
            if error.layer not in ("installation", "namespaces"):
                raise
            return MissingBinary("a pcscd for virtual sticks", str(error))
        return kind


def all_tokens() -> tuple[Offer, ...]:
    """Every kind to test with, whether it can be had or not."""
    system, *newer = all_opensc()
    return (
        Offer("softhsm", system),
        Offer("opencryptoki", system),
        Offer("kryoptic", system),
        *(Offer(f"nitrokey-{opensc.name}", opensc) for opensc in (system, *newer)),
        Offer(f"nitrokey-p256-{system.name}", system, rsa=False),
    )
