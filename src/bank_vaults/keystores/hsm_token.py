"""From settings to the token: which module, which token and key, the PIN, and where refused PINs are kept."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from bank_vaults.domain import directories
from bank_vaults.domain.secrets import Secret
from bank_vaults.domain.settings import Settings
from bank_vaults.hsm import modules, uri
from bank_vaults.hsm.client import TokenClient
from bank_vaults.hsm.pin import PinMemory, PinMemoryError
from bank_vaults.hsm.selection import TokenCriteria
from bank_vaults.hsm.token import Access
from bank_vaults.hsm.uri import Pkcs11Uri
from bank_vaults.keystores.base import KeyStore, NotFoundError, StoreError
from bank_vaults.keystores.file import FileStore

log = logging.getLogger(__name__)

_LOCK = "hsm-login.lock"
_PAUSE = 0.05  # seconds between two looks at a lock that another process has
_LONGEST_PIN = 1024  # bytes of a PIN file


class StoredMemory:
    """Refused PINs in the state directory, and for a cluster in stores that it shares.

    What one of them remembers counts. A record has no PIN in it, and a name that does not show the serial
    number. A directory that is not there has nothing to remember, and cannot.
    """

    def __init__(self, directory: str, shared: Sequence[KeyStore] = ()) -> None:
        self._directory = directory
        self._stores = (FileStore(directory), *shared)

    def recall(self, token: str) -> PinMemory:
        """See Memory.recall. A store that cannot be read counts as damaged: it may know of a refusal."""
        found = PinMemory()
        for store in self._stores if os.path.exists(self._directory) else self._stores[1:]:
            try:
                memory = PinMemory.decode(store.get(_record(token)))
            except NotFoundError:
                continue
            except StoreError as error:
                raise PinMemoryError(f"it is not known which PINs were refused: {error}") from None
            known = found.refused
            found = PinMemory(
                refused=(*known, *(entry for entry in memory.refused if entry not in known)),
                attempt=memory.attempt or found.attempt,
                accepted=found.accepted or memory.accepted,
            )
        return found

    def remember(self, token: str, memory: PinMemory) -> None:
        """See Memory.remember. It is enough if one of them keeps it."""
        failed: list[StoreError] = []
        for store in self._stores:
            try:
                store.put(_record(token), memory.encode())
            except StoreError as error:
                failed.append(error)
        if len(failed) == len(self._stores):
            raise OSError("; ".join(map(str, failed)))

    @contextmanager
    def alone(self, limit: float) -> Iterator[None]:
        """See SharedMemory.alone: among the processes with this state directory.

        Where there is no place for a lock nobody waits: nothing can be remembered there either.
        """
        descriptor = _lock(os.path.join(self._directory, _LOCK), limit)
        try:
            yield
        finally:
            if descriptor is not None:
                os.close(descriptor)


def _lock(path: str, limit: float) -> int | None:
    """A descriptor that holds the lock as long as it is open. Raises TimeoutError."""
    end = time.monotonic() + limit
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        log.debug("logins are not kept apart", extra={"fields": {"error": str(error)}})
        return None
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                os.close(descriptor)
                raise TimeoutError(
                    f"another process has been logging in to a token for {limit:g} s: it holds {path}"
                ) from None
            time.sleep(_PAUSE)
        else:
            return descriptor


def _record(token: str) -> str:
    return f"hsm-pin-{hashlib.sha256(token.encode()).hexdigest()[:16]}"


def client(settings: Settings, shared: Sequence[KeyStore] = ()) -> TokenClient:
    """The token that the settings name; nothing is asked of it yet. Raises StoreError.

    ``shared`` are stores that other replicas with the same token see.
    """
    return TokenClient(module(settings), access(settings), memory(settings, shared))


def module(settings: Settings) -> str:
    """The path of the PKCS#11 library. Raises StoreError."""
    try:
        return modules.resolve(settings.text("hsm-module-path"), _uri(settings))
    except modules.NoModuleError as error:
        raise StoreError(f"the hsm store: {error}") from None


def access(settings: Settings, *, needs_pin: bool = True) -> Access:
    """Which token and key, and the PIN, which may be empty unless ``needs_pin``. Raises StoreError."""
    parsed = _uri(settings)
    label, key_id = _key(settings, parsed)
    pin = _pin(settings, parsed)
    if needs_pin and not pin:
        raise StoreError(
            "the hsm store needs the user PIN of the token: --hsm-pin-file, BANK_VAULTS_HSM_PIN, a systemd "
            "credential named hsm-pin, or pin-source in --hsm-uri"
        )
    return Access(
        criteria=_criteria(settings, parsed),
        key_label=label,
        key_id=key_id,
        pin=pin or Secret(""),
        may_generate=settings.flag("hsm-generate-key"),
        allow_final_try=settings.flag("hsm-allow-final-try"),
    )


def memory(settings: Settings, shared: Sequence[KeyStore] = ()) -> StoredMemory:
    """Where refused PINs are remembered."""
    return StoredMemory(state_directory(settings.text("hsm-state-dir"), os.environ), shared)


def _uri(settings: Settings) -> Pkcs11Uri:
    text = settings.text("hsm-uri")
    try:
        return uri.parse(text) if text else Pkcs11Uri()
    except uri.UriError as error:
        raise StoreError(f"the hsm store: {error}") from None


def _criteria(settings: Settings, parsed: Pkcs11Uri) -> TokenCriteria:
    return TokenCriteria(
        serial=settings.text("hsm-serial") or parsed.serial,
        label=settings.text("hsm-token-label") or parsed.token,
        manufacturer=parsed.manufacturer,
        model=parsed.model,
        slot_description=parsed.slot_description,
        slot_manufacturer=parsed.slot_manufacturer,
        slot=settings.integer("hsm-slot-id") if parsed.slot_id is None else parsed.slot_id,
        slot_too=parsed.slot_id is not None,
        library_manufacturer=parsed.library_manufacturer,
        library_description=parsed.library_description,
        library_version=parsed.library_version,
    )


def _key(settings: Settings, parsed: Pkcs11Uri) -> tuple[str | None, bytes | None]:
    """Label and CKA_ID of the key. The URI goes before the flag's default label."""
    key_id = parsed.id
    if text := settings.text("hsm-key-id"):
        try:
            key_id = bytes.fromhex(text.replace(":", ""))
        except ValueError:
            raise StoreError("the hsm store: --hsm-key-id is not hexadecimal") from None
    label = parsed.object or settings.text("hsm-key-label")
    if not label and key_id is None:
        raise StoreError("the hsm store: key label is required: give --hsm-key-label or --hsm-key-id")
    return label or None, key_id


def _pin(settings: Settings, parsed: Pkcs11Uri) -> Secret | None:
    found = settings.secret("hsm-pin") or parsed.pin_value
    return _pin_from(parsed.pin_source) if found is None and parsed.pin_source else found


@functools.cache  # a pipe gives its content once, and the process that calls sys/init needs it as well
def _pin_from(source: str) -> Secret:
    """``pin-source`` of RFC 7512: a path, or a file: URI. A command is not run."""
    path = source.removeprefix("file://").removeprefix("file:")
    if not path.startswith("/"):
        raise StoreError("the hsm store: pin-source of --hsm-uri has to be an absolute path or file:/path")
    try:
        with open(path, "rb") as file:
            content = file.read(_LONGEST_PIN + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a file name"
        raise StoreError(f"the hsm store cannot read pin-source {path!r}: {reason}") from None
    if len(content) > _LONGEST_PIN:
        raise StoreError(f"the hsm store: pin-source {path!r} is too long for a PIN")
    return Secret(content.removesuffix(b"\n").removesuffix(b"\r") if content.endswith(b"\n") else content)


def state_directory(given: str, environ: Mapping[str, str]) -> str:
    """Where refused PINs are remembered over restarts; made if it is missing.

    ``--hsm-state-dir``, else that of all programs. A directory that cannot be made shows at its use.
    """
    path = given or directories.state_directory(environ, superuser=os.geteuid() == 0)
    with suppress(OSError):
        os.makedirs(path, mode=0o700, exist_ok=True)
    return path
