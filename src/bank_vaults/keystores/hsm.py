"""Modes ``hsm`` and ``hsm-k8s``: values that only a PKCS#11 token can open (docs/hsm.md).

:class:`Sealed` encrypts what another store keeps; :class:`OnToken` keeps bytes as data objects on the
token. Mode ``hsm`` is the one on top of the other.
"""

from __future__ import annotations

import functools
import logging
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

from bank_vaults.domain import envelope, names
from bank_vaults.domain.settings import Settings
from bank_vaults.hsm.client import (
    BoundToken,
    TokenClient,
    TokenError,
    TokenMissingError,
    TokenUnusableError,
    ValueDamagedError,
)
from bank_vaults.hsm.pin import PinRefusedError as RefusedByGuardError
from bank_vaults.keystores import hsm_token
from bank_vaults.keystores.base import (
    AlreadyExistsError,
    DamagedValueError,
    KeyStore,
    NotFoundError,
    PinRefusedError,
    StoreAwayError,
    StoreDescription,
    StoreError,
)

log = logging.getLogger(__name__)


class BlobFormat(Enum):
    """``--hsm-blob-format``: how new values are stored."""

    AUTO = "auto"
    """As the values that are there; envelopes in a fresh store."""
    RAW = "raw"
    """One RSA block for each value, as Go Bank-Vaults writes it."""
    ENVELOPE = "envelope"


class OnToken:
    """Bytes as data objects on a token: the label is the name.

    Reads of a new client are fresh: what was written before, by this process or by others, is read from the
    token and not from the memory of the module.
    """

    def __init__(self, client: TokenClient) -> None:
        self._client = client
        self._fresh = not client.stale

    def get(self, name: str) -> bytes:
        """A value under a name; the only one, unless a replacement was cut short."""
        found = self.versions(name)
        if not found:
            raise NotFoundError(f"the hsm store has no value {name!r}")
        return found[0]

    def origin(self, name: str) -> str:  # noqa: ARG002
        """Not looked into: Sealed knows."""
        return ""

    def versions(self, name: str) -> tuple[bytes, ...]:
        """All values under a name: a replacement that a kill cut short leaves two. See TokenClient.values."""
        with _translated(f"read {name!r}"):
            self._refresh()
            return self._client.values(name)

    def put(self, name: str, value: bytes) -> None:
        """Create, read back, destroy the older ones."""
        with _translated(f"write {name!r}"):
            self._client.replace(name, value)

    def create(self, name: str, value: bytes) -> None:
        """Atomic within this process; a token knows nothing of the kind between two."""
        with _translated(f"create {name!r}"):
            if not self._client.create(name, value):
                raise AlreadyExistsError(f"the hsm store already has a value {name!r}")

    def delete(self, name: str) -> None:
        """Destroy all objects with this label."""
        with _translated(f"delete {name!r}"):
            self._client.delete(name)

    def list(self) -> frozenset[str]:
        """The labels of our data objects; others on the token are none of our business."""
        with _translated("list"):
            self._refresh()
            return frozenset(label for label in self._client.labels() if label.startswith(names.PREFIX))

    def prepare(self) -> None:
        """Log in."""
        with _translated("log in"):
            self._client.bind()

    def describe(self) -> StoreDescription:
        """Which token."""
        return StoreDescription(
            mode="hsm",
            location=self._client.place,
            atomic_create=False,
            protection="data objects on the token, encrypted to its key, readable with its PIN only",
        )

    def read_anew(self) -> None:
        """At the next read, whatever was read before."""
        self._fresh = False

    def _refresh(self) -> None:
        if not self._fresh:
            self._client.bind(fresh=True)
            self._fresh = True


class Sealed:
    """Values encrypted to the token's key before ``inner`` sees them."""

    def __init__(self, client: TokenClient, inner: KeyStore, blobs: BlobFormat) -> None:
        self._client = client
        self._inner = inner
        self._blobs = blobs
        self._looked_twice = False
        self._origins: dict[str, str] = {}

    @classmethod
    def open(cls, settings: Settings) -> Sealed:
        """Mode ``hsm``. All clients of one process share the worker that owns the module.

        The first one logs in, so that the token is ready before the server is. A token that is not there
        is waited for by whoever needs it. Raises StoreError, PinRefusedError.
        """
        client = _shared_client(os.getpid(), settings)
        return cls(client, OnToken(client), BlobFormat(settings.text("hsm-blob-format")))

    def get(self, name: str) -> bytes:
        """The newest value under the name that can be opened. StoreError if none of them can.

        A root token of another initialisation than the shares beside it counts as damaged: it would be sent
        to a server that is none of its own.
        """
        found = self._versions(name)
        if not found:
            raise NotFoundError(f"the {self.describe().mode} store has no value {name!r}")
        *newer, oldest = found
        for stored in newer:
            try:
                return self._opened(name, stored)
            except DamagedValueError as error:
                log.warning(
                    "the newest value under a name cannot be opened, an older one is used",
                    extra={"fields": {"key": name, "error": str(error)}},
                )
        return self._opened(name, oldest)

    def origin(self, name: str) -> str:
        """See KeyStore.origin."""
        return self._origins.get(name, "")

    def put(self, name: str, value: bytes) -> None:
        """Seal as newer than what is there, see that the token opens it, and only then put.

        Costs no operation of the token for an envelope, whose data key is at hand.
        """
        older = self._versions(name) if isinstance(self._inner, OnToken) else ()
        newest = max(map(envelope.replaced, older), default=-1)
        stored = self._sealed(name, value, newest + 1)
        with _translated(f"open {name!r}"):
            opened = self._client.open(name, stored)
        if opened != value:
            raise StoreError(
                f"the token does not open what was sealed to it as {name!r}: nothing was replaced"
            )
        self._inner.put(name, stored)

    def create(self, name: str, value: bytes) -> None:
        """Seal, then create."""
        self._inner.create(name, self._sealed(name, value))

    def delete(self, name: str) -> None:
        """See KeyStore.delete."""
        self._inner.delete(name)

    def list(self) -> frozenset[str]:
        """See KeyStore.list.

        A journal without an answer on a token is believed when it was read twice: an answer that a module
        overlooked, since the token failed for a moment, would be told as lost for ever.
        """
        found = self._inner.list()
        lacks_answer = any(map(names.is_journal, found)) and names.ANSWER not in found
        if lacks_answer and isinstance(self._inner, OnToken) and not self._looked_twice:
            self._looked_twice = True
            self._inner.read_anew()
            found = self._inner.list()
        return found

    def prepare(self) -> None:
        """Log in, and have the data key of the next envelope in the clear."""
        self._inner.prepare()
        _, like = self._formats()
        with _translated("prepare a write"):
            self._client.prepare(like)

    def describe(self) -> StoreDescription:
        """That of the inner store; on the token it is the token's own."""
        inner = self._inner.describe()
        if inner.mode == "hsm":
            return inner
        return inner._replace(
            mode=f"hsm-{inner.mode}",
            location=f"{inner.location}, sealed by {self._client.place}",
            protection="encrypted to a key that does not leave its token",
        )

    def _opened(self, name: str, stored: bytes) -> bytes:
        origin = envelope.origin(stored)
        if name == names.ROOT and origin:
            self._check_root(origin)
        with _translated(f"open {name!r}"):
            value = self._client.open(name, stored)
        self._origins[name] = origin
        return value

    def _check_root(self, origin: str) -> None:
        """Raises DamagedValueError if most shares of the store are of another initialisation."""
        shares = [name for name in names.keys_in(self._inner.list()) if name != names.ROOT]
        newest = [found[0] for found in map(self._versions, shares) if found]
        counts = Counter(filter(None, map(envelope.origin, newest)))
        if counts and counts[origin] < max(counts.values()):
            ((most, _),) = counts.most_common(1)
            raise DamagedValueError(
                f"the {self.describe().mode} store cannot open '{names.ROOT}': it is of initialisation "
                f"{envelope.shown(origin)}, the shares beside it are of {envelope.shown(most)}: it was made "
                "for another server, and somebody put it here"
            )

    def _versions(self, name: str) -> tuple[bytes, ...]:
        """The stored forms under a name, newest first."""
        if isinstance(self._inner, OnToken):
            return tuple(sorted(self._inner.versions(name), key=envelope.replaced, reverse=True))
        try:
            return (self._inner.get(name),)
        except NotFoundError:
            return ()

    def _sealed(self, name: str, value: bytes, replaced: int = 0) -> bytes:
        raw, like = self._formats()
        with _translated(f"seal {name!r}"):
            # The records of an unfinished initialisation are ours alone, and too long for one RSA block.
            if raw and names.is_key(name):
                return self._client.seal_raw(value)
            return self._client.seal(name, value, like, replaced)

    def _formats(self) -> tuple[bool, bytes | None]:
        """Whether keys are written in the older format, and an envelope whose data key is to be used again.

        Never both formats for keys in one store, and one data key for all values of one initialisation.
        """
        raw = self._blobs is BlobFormat.RAW
        like: bytes | None = None
        # Keys first: a canary of somebody else must not decide for them. Of these the shares, as in reading.
        for name in sorted(self._inner.list(), key=_rank):
            for stored in self._versions(name):
                if envelope.is_envelope(stored):
                    like = like or stored
                elif self._blobs is BlobFormat.AUTO and names.is_key(name):
                    raw = True
            if like is not None:
                break
        return raw, like


def _rank(name: str) -> tuple[bool, bool, str]:
    return not names.is_key(name), name == names.ROOT, name


@functools.cache
def _shared_client(pid: int, settings: Settings) -> TokenClient:  # noqa: ARG001  # a fork needs its own
    client = hsm_token.client(settings)
    with _translated("log in"):
        try:
            bound = client.bind()
        except TokenError as error:
            log.warning("the HSM is not ready, it is waited for", extra={"fields": {"error": str(error)}})
            return client
    _announce(bound, client.chosen_by)
    return client


def _announce(bound: BoundToken, chosen_by: str) -> None:
    """What users of Go Bank-Vaults know from its start."""
    module, ((slot, slot_info, token), slots, warning) = bound.module, bound.choice
    log.info("HSM Information", extra={"fields": module._asdict()})
    log.info("HSM slots with a token", extra={"fields": {"slots": ", ".join(map(str, slots))}})
    place = {"slot": slot, "description": slot_info.description}
    log.info(f"HSM slot found by {chosen_by}", extra={"fields": place})
    fields = {"label": token.label, "serial": token.serial, "model": token.model, "firmware": token.firmware}
    log.info("HSM token", extra={"fields": fields})
    if warning:
        log.warning(warning)
    found = "generated a key pair" if bound.generated else "found objects"
    log.info(
        f"{found} with label {bound.key.label!r} in HSM",
        extra={"fields": {"id": bound.key.id.hex(), "type": bound.key.type.name, "bits": bound.key.size}},
    )
    if module.manufacturer == "OpenSC Project":
        log.info(
            "this HSM device doesn't support encryption, extracting public key and doing encryption on the "
            "computer"
        )
    log.info("no storage backend specified for HSM, using on device storage")


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """What the token's side raises, as callers of a store know it."""
    try:
        yield
    except RefusedByGuardError as error:
        raise PinRefusedError(str(error)) from None
    except ValueDamagedError as error:
        raise DamagedValueError(f"the hsm store cannot {what}: {error}") from None
    except TokenMissingError as error:
        raise StoreAwayError(f"the hsm store cannot {what}: {error}") from None
    except (TokenError, TokenUnusableError) as error:
        raise StoreError(f"the hsm store cannot {what}: {error}") from None
