"""The process that owns the PKCS#11 module: ``python -m bank_vaults.hsm.worker FD MODULE``.

Spawned, never forked, since PKCS#11 modules do not survive a fork. It answers one request after the other
on the socket ``FD``; a request that fails leaves the token released, so that the next ``bind`` starts from
nothing. When the supervisor is gone it ends at once, even in the middle of a call into a module that
hangs: a thread of its own waits for the end of the socket.

======== ============================================= =================================
request  members                                       answer
======== ============================================= =================================
look                                                   module, candidates
survey   access, or None: without a login              module, uses_pcscd, slots
bind     access; fresh: initialise the module anew     module, choice, key, …
labels                                                 labels
values   label                                         values
create   label, value                                  created
replace  label, value                                  none
delete   label                                         none
prepare  like (stored, or None)                        none
seal     name, value, like (stored, or None), replaced stored
seal-raw value                                         stored
open     name, stored                                  value
purge    access; labels                                left: those still there
init     order                                         token
======== ============================================= =================================

While ``bind`` runs, the worker asks back: ``recall`` and ``remember``, for the memory of refused PINs.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from bank_vaults.domain import envelope
from bank_vaults.domain.envelope import EnvelopeError, Wrapping
from bank_vaults.domain.secrets import Secret
from bank_vaults.hsm import cipher, pcscd, survey
from bank_vaults.hsm.binding import Module
from bank_vaults.hsm.cipher import CipherError, OpenedKey
from bank_vaults.hsm.errors import ModuleError, Pkcs11Error
from bank_vaults.hsm.initialise import InitialisationError, Order, initialise
from bank_vaults.hsm.pin import PinMemory, PinMemoryError, PinRefusedError, Refusal
from bank_vaults.hsm.selection import SelectionError, TokenCriteria
from bank_vaults.hsm.token import Access, Bound, NoKeyError, NoPairError, Token
from bank_vaults.hsm.wire import Channel, Message, WireError

_KEEP_DATA_KEY = 2.0
"""Seconds that a data key stays in memory unused: for the length of one unseal, so that a token that is
pulled out is needed again for the next."""

_SHORTEST_TEXT = 4  # bytes of a value in the oldest format: a root token that somebody chose

_KEEP_PREPARED = 900.0
"""Seconds that a prepared data key waits for its write: as long as sys/init may take, and more."""

_MISSING_AGAIN = 10.0
"""Seconds after which a token that is not found is looked for once more by reading all tokens anew."""

_BY_SIGHT = (Refusal.NOT_INITIALISED, Refusal.PIN_PAD, Refusal.WRONG_LENGTH)
"""Refusals that a token deserves also when it was misread. Not the others: what says that tries were spent
is believed at once.
"""


_FULL = ("CKR_GENERAL_ERROR", "CKR_FUNCTION_FAILED", "CKR_DEVICE_MEMORY", "CKR_TOKEN_RESOURCE_EXCEEDED")
"""What a token that has no room for an object says: a SmartCard-HSM through OpenSC 0.23 the first."""

_FULL_HINT = (
    ": the token may be full, which not every one can tell. See what is on it with 'bank-vaults hsm objects' "
    "and pkcs11-tool --list-objects, and delete what nobody needs"
)


_PR_SET_DUMPABLE = 4  # linux/prctl.h


class ReadBackError(Exception):
    """The token does not give back what was written to it."""


class _Asking:
    """The memory of refused PINs, which the supervisor keeps."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def recall(self, token: str) -> PinMemory:
        """See Memory.recall."""
        self._channel.send({"ask": "recall", "token": token})
        answer = self._channel.receive(None)
        if error := answer["error"]:
            raise PinMemoryError(error)
        return PinMemory.decode(answer["record"])

    def remember(self, token: str, memory: PinMemory) -> None:
        """See Memory.remember."""
        self._channel.send({"ask": "remember", "token": token, "record": memory.encode()})
        if error := self._channel.receive(None)["error"]:
            raise OSError(error)


class Worker:
    """Requests turned into calls of the token."""

    def __init__(self, channel: Channel, path: str) -> None:
        self._channel = channel
        self._path = path
        self._module: Module | None = None
        self._token: Token | None = None
        self._access: Access | None = None
        self._public: cipher.PublicKey | None = None
        self._opened: OpenedKey | None = None
        self._keep = _KEEP_DATA_KEY
        self._missed = -_MISSING_AGAIN
        self._requests: dict[str, Callable[[Message], dict[str, Any]]] = {
            "look": self._look,
            "bind": self._bind,
            "labels": self._labels,
            "values": self._values,
            "create": self._create,
            "replace": self._replace,
            "delete": self._delete,
            "prepare": self._prepare,
            "seal": self._seal,
            "seal-raw": self._seal_raw,
            "open": self._open,
            "survey": self._survey,
            "purge": self._purge,
            "init": self._initialise,
        }

    def serve(self) -> None:
        """Answer until the supervisor closes its end."""
        while True:
            try:
                request = self._channel.receive(self._keep if self._opened else None)
            except TimeoutError:
                self._opened = None
                continue
            self._keep = _KEEP_DATA_KEY
            try:
                self._channel.send({"done": self._requests[request["do"]](request)})
            except WireError:
                raise
            except (CipherError, EnvelopeError, ReadBackError) as error:  # of one value: the token is well
                self._channel.send({"failed": {"kind": "value", "text": str(error)}})
            except Exception as error:
                self._release()
                self._channel.send({"failed": _described(error)})

    def _look(self, _: Message) -> dict[str, Any]:
        token = self._ready()
        assert self._module is not None  # noqa: S101  # _ready has loaded it
        return {
            "module": self._module.info(),
            "candidates": token.candidates(),
        }

    def _survey(self, request: Message) -> dict[str, Any]:
        token = self._ready()
        assert self._module is not None  # noqa: S101  # _ready has loaded it
        if request["access"] is not None:
            token.log_in(_access(request["access"]))
        slots = survey.read(self._module)
        self._release()
        return {"module": self._module.info(), "uses_pcscd": pcscd.is_loaded(), "slots": slots}

    def _purge(self, request: Message) -> dict[str, Any]:
        token, access, labels = self._ready(), _access(request["access"]), request["labels"]
        token.log_in(access)
        for found in token.objects():
            if found.label in labels:
                token.destroy(found.handle)
        self._renew()  # the token says what is left, not the memory of the module
        token.log_in(access)
        left = sorted({found.label for found in token.objects()} & set(labels))
        self._release()
        return {"left": left}

    def _initialise(self, request: Message) -> dict[str, Any]:
        self._ready()
        assert self._module is not None  # noqa: S101  # _ready has loaded it
        order = Order(**request["order"])
        order = order._replace(so_pin=Secret(request["order"]["so_pin"]), pin=Secret(request["order"]["pin"]))
        return {"token": initialise(self._module, _Asking(self._channel), order)}

    def _renew(self) -> None:
        """Initialise the module anew, so that it remembers nothing."""
        if self._module is not None:
            self._release()
            self._module.finalize()
            self._module.initialize()

    def _bind(self, request: Message) -> dict[str, Any]:
        opened, access = self._opened, _access(request["access"])
        self._access = access._replace(may_generate=False)  # not at first sight, and not after an error
        if request["fresh"]:
            self._renew()
        try:
            bound = self._ready().bind(self._access)
        except (SelectionError, NoKeyError, PinRefusedError) as error:
            # A module reads a token once. What failed for a moment while it did is missing or wrong until it
            # is read anew.
            if not self._is_doubtful(error):
                raise
            self._renew()
            bound = self._ready().bind(access)
        try:
            self._public = bound.key.public_key()
        except CipherError as error:
            raise NoKeyError(str(error)) from None
        if opened is not None and opened.key.fingerprint == cipher.fingerprint(self._public):
            self._opened = opened  # this key pair has unwrapped it, and once is proof enough
        return _bound(bound, self._public)

    def _is_doubtful(self, error: SelectionError | NoKeyError | PinRefusedError) -> bool:
        """Whether the token may only have been misread, and nothing is risked by reading it anew."""
        if isinstance(error, PinRefusedError):
            return error.reason in _BY_SIGHT
        if isinstance(error, SelectionError):
            now = time.monotonic()
            if error.several or now - self._missed < _MISSING_AGAIN:
                return False
            self._missed = now
        return True

    def _labels(self, _: Message) -> dict[str, Any]:
        return {"labels": [found.label for found in self._ready().objects()]}

    def _values(self, request: Message) -> dict[str, Any]:
        return {"values": [value for _, value in self._ready().values(request["label"])]}

    def _create(self, request: Message) -> dict[str, Any]:
        # No token does this atomically. Of two processes that saw nothing none has made it, if they see
        # each other now; not every module shows what another process has just written.
        token, label = self._ready(), request["label"]
        if token.values(label):
            return {"created": False}
        created = self._written(label, request["value"])
        alone = len(token.values(label)) == 1
        if not alone:
            token.destroy(created)
        return {"created": alone}

    def _replace(self, request: Message) -> dict[str, Any]:
        # Created, read back, and only then are the older ones destroyed: a kill in between leaves two, of
        # which readers take the newest.
        token, label = self._ready(), request["label"]
        older = [handle for handle, _ in token.values(label)]
        self._written(label, request["value"])
        for handle in older:
            token.destroy(handle)
        return {}

    def _written(self, label: str, value: bytes) -> int:
        """The handle of a new data object that gives back its value; one that does not is destroyed."""
        token = self._ready()
        created = token.create(label, value)
        if (created, value) not in token.values(label):
            with suppress(Pkcs11Error):
                token.destroy(created)
            raise ReadBackError(f"the token does not give back what was written as {label!r}")
        return created

    def _delete(self, request: Message) -> dict[str, Any]:
        token = self._ready()
        for handle, _ in token.values(request["label"]):
            token.destroy(handle)
        return {}

    def _prepare(self, request: Message) -> dict[str, Any]:
        self._write_key(request["like"])
        self._keep = _KEEP_PREPARED
        return {}

    def _seal(self, request: Message) -> dict[str, Any]:
        key = self._write_key(request["like"])
        return {"stored": cipher.seal(key, request["name"], request["value"], request["replaced"])}

    def _seal_raw(self, request: Message) -> dict[str, Any]:
        return {"stored": cipher.seal_raw(self._bound_key(), request["value"])}

    def _open(self, request: Message) -> dict[str, Any]:
        stored: bytes = request["stored"]
        if not envelope.is_envelope(stored):
            return {"value": self._open_raw(request["name"], stored)}
        found = envelope.decode(stored)
        return {"value": cipher.unseal(self._data_key(found.key), request["name"], found)}

    def _open_raw(self, name: str, stored: bytes) -> bytes:
        """OAEP first, as the newer of the old versions wrote it; then PKCS#1 v1.5 of the older ones.

        Tokens say by all kinds of codes that a block is none of theirs; some hand out random bytes, mostly
        few, for one of PKCS#1 v1.5. What the old versions stored was text; and whether it is the token that
        fails, a block of our own shows.
        """
        token, public = self._ready(), self._bound_key()
        size = getattr(public, "key_size", 0) // 8
        if len(stored) != size:
            raise CipherError(f"the stored value of '{name}' is of no known format: {len(stored)} bytes")
        with suppress(Pkcs11Error):
            return token.decrypt(stored, Wrapping.RSA_OAEP_SHA1)
        with suppress(Pkcs11Error):
            value = token.decrypt(stored, None)
            if len(value) >= _SHORTEST_TEXT and value.isascii() and value.decode().isprintable():
                return value
        token.decrypt(cipher.seal_raw(public, b"probe"), Wrapping.RSA_OAEP_SHA1)
        raise CipherError(f"the stored value of '{name}' is damaged, or was encrypted to another key pair")

    def _data_key(self, key: envelope.DataKey) -> OpenedKey:
        if self._opened is None or self._opened.key != key:
            self._opened = cipher.open_data_key(key, self._bound_key(), self._ready())
        return self._opened

    def _write_key(self, like: bytes | None) -> OpenedKey:
        """The data key of a stored envelope, or a new one; a new one that was prepared is not wasted."""
        if like is not None:
            return self._data_key(envelope.decode(like).key)
        return self._opened or self._new_data_key(self._bound_key())

    def _new_data_key(self, public: cipher.PublicKey) -> OpenedKey:
        """A data key that the token has proved to unwrap, before anything is sealed with it."""
        for wrapping in cipher.wrappings(public):
            made = cipher.new_data_key(public, wrapping)
            try:
                self._opened = cipher.open_data_key(made.key, public, self._ready())
            except Pkcs11Error as error:
                refused = error
                if self._access is not None:  # the failed operation may have left the session unusable
                    self._ready().bind(self._access)
                continue
            if self._opened == made:
                return made
            raise CipherError("the token unwraps a data key to something else than was wrapped")
        raise refused

    def _bound_key(self) -> cipher.PublicKey:
        if self._public is None:
            raise NoKeyError("the token is not bound")
        return self._public

    def _ready(self) -> Token:
        if self._token is None:
            module = Module(self._path)
            module.initialize()
            self._module, self._token = module, Token(module, _Asking(self._channel))
        return self._token

    def _release(self) -> None:
        self._public = self._opened = None
        if self._token is not None:
            self._token.release()


def _access(message: Message) -> Access:
    rest = {name: value for name, value in message.items() if name not in ("criteria", "pin")}
    return Access(criteria=TokenCriteria(**message["criteria"]), pin=Secret(message["pin"]), **rest)


def _bound(bound: Bound, public: cipher.PublicKey) -> dict[str, Any]:
    return {
        "module": bound.module,
        "choice": bound.choice,
        "key": {
            "label": bound.key.label,
            "id": bound.key.id,
            "type": bound.key.type.name,
            "size": getattr(public, "key_size", 0),
            "fingerprint": cipher.fingerprint(public),
        },
        "generated": bound.generated,
    }


def _described(error: Exception) -> dict[str, Any]:
    text = str(error)
    if isinstance(error, Pkcs11Error):
        full = error.function == "C_CreateObject" and error.name in _FULL
        return {"kind": "token", "text": text + _FULL_HINT if full else text}
    if isinstance(error, SelectionError):
        return {"kind": "several" if error.several else "missing", "text": text}
    if isinstance(error, PinRefusedError):
        return {"kind": "pin", "text": text, "reason": error.reason and error.reason.value}
    if isinstance(error, NoPairError):
        return {"kind": "no-pair", "text": text}
    if isinstance(error, (NoKeyError, PinMemoryError, ModuleError, InitialisationError)):
        return {"kind": "wrong", "text": text}
    # Not its text: nobody knows what stands in it.
    return {"kind": "token", "text": f"unexpected {type(error).__name__} in the worker"}


def _end_with(supervisor: socket.socket) -> None:
    """End the process when the supervisor has closed its end, whatever the module is doing."""
    watch = select.poll()
    watch.register(supervisor, select.POLLRDHUP)
    watch.poll()
    os._exit(0)


def _keep_memory() -> None:
    """A module that crashes leaves no PIN on the disk, and no debugger of the same user looks in.

    The limit alone does not count where core dumps go to a program (core(5)), as systemd-coredump.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)  # prctl(2)


def main() -> None:
    """Serve until the supervisor is gone."""
    # The supervisor decides when to end: Ctrl-C and service managers signal all processes at once.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _keep_memory()
    end = socket.socket(fileno=int(sys.argv[1]))
    threading.Thread(target=_end_with, args=(end,), daemon=True).start()
    try:
        Worker(Channel(end), sys.argv[2]).serve()
    except WireError:
        os._exit(0)  # without the module's own clean-up, which may hang


if __name__ == "__main__":
    main()
