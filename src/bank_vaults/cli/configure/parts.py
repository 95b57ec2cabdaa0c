"""From settings to the parts of ``configure``: files, state, passes."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from bank_vaults.cli import connecting
from bank_vaults.cli.configure.tokens import token_source
from bank_vaults.cli.errors import UsageError
from bank_vaults.cli.output import complain
from bank_vaults.cli.reading import register_secret, template_policy
from bank_vaults.configure.kubernetes import Address, SecretPlace, SecretReader
from bank_vaults.configure.library import Library
from bank_vaults.configure.model import WriteOnly
from bank_vaults.configure.passes import Options, Passes
from bank_vaults.configure.places import FilePlace, KvPlace
from bank_vaults.configure.purging import Brakes, parse_limits
from bank_vaults.configure.server import namespace_of
from bank_vaults.configure.session import Session
from bank_vaults.configure.state import Place
from bank_vaults.domain.directories import state_directory
from bank_vaults.domain.settings import Settings
from bank_vaults.keystores.kubernetes import Kubernetes
from bank_vaults.keystores.registry import open_store
from bank_vaults.telemetry.logs import redact
from bank_vaults.templating.own.sources import Sources
from bank_vaults.vault.client import VaultClient
from bank_vaults.vault.config import ClientConfig

_MOST_PARALLEL = 256
_STATE = "vault-configure-state"


def library(settings: Settings, *, watched: bool = False) -> Library:
    """The files that the flags name. Raises UsageError."""
    allowed = template_policy(settings)
    told: set[tuple[str, ...]] = set()  # a daemon renders its files over and over

    @contextmanager
    def sources() -> Iterator[Sources]:
        with Sources(os.environ, allowed, register_secret, told) as opened:
            yield opened

    files, mode = settings.items("vault-config-file"), settings.text("template-mode")
    if not files:
        raise UsageError("--vault-config-file names no file")
    if watched:
        _check_watchable(files)
    return Library(files, sources, mode, watched=watched)


def _check_watchable(files: Iterable[str]) -> None:
    """A pipe is empty when it is read again, and an empty file wants nothing: with a purge all would go."""
    for file in files:
        with suppress(OSError, ValueError):
            if not stat.S_ISREG(mode := os.stat(file).st_mode) and not stat.S_ISDIR(mode):
                raise UsageError(f"--vault-config-file: {file!r} is no plain file: use --once")


def passes(settings: Settings) -> Passes:
    """Passes over the server of the environment. Raises UsageError, StoreError."""
    parallelism = settings.integer("parallelism")
    if not 1 <= parallelism <= _MOST_PARALLEL:
        raise UsageError(f"--parallelism must be 1 to {_MOST_PARALLEL} [{parallelism}]")
    try:
        most, share = parse_limits(settings.items("purge-limit"))
    except ValueError as error:
        raise UsageError(f"--purge-limit: {error}") from None
    (config,) = connecting.client_configs()
    client = VaultClient(config._replace(most_idle=max(config.most_idle, parallelism)))
    cluster = Kubernetes(os.environ)
    options = Options(
        place=place(settings, config, cluster),
        secrets=lambda: SecretReader(cluster, os.environ.get("NAMESPACE", "")),
        parallelism=parallelism,
        write_only=WriteOnly(settings.text("write-only-policy")),
        brakes=Brakes(
            most, share, settings.items("purge-protect"), settings.flag("purge-keep-data"), _own(settings)
        ),
        environment=os.environ,
    )
    if not settings.text("auth"):
        connecting.store_opener(settings)
    return Passes(client, token_source(settings, client, lambda: open_store(settings)), options)


def _own(settings: Settings) -> tuple[str, ...]:
    """Paths of the server without which the next run could not go on, beside those of its token."""
    kind, _, state = settings.text("state").partition(":")
    return (state.strip("/"),) if kind == "kv" else ()


def place(
    settings: Settings, config: ClientConfig, cluster: Kubernetes
) -> Callable[[Callable[[], Session]], Place]:
    """Where the state is. Raises UsageError."""
    given = settings.text("state")
    kind, colon, rest = given.partition(":")
    if colon and kind == "kv":
        path = rest.strip("/")
        if "/" not in path:
            raise UsageError(f"--state: {given!r} is not of the form kv:MOUNT/PATH")
        return lambda session: KvPlace(path, session)
    if colon and kind == "k8s":
        try:
            address = Address.parse(rest)
        except ValueError as error:
            raise UsageError(f"--state k8s: {error}") from None
        return lambda _: SecretPlace(address, cluster)
    file = given or _default_path(settings, config)
    return lambda _: FilePlace(file)


def _default_path(settings: Settings, config: ClientConfig) -> str:
    """Beside the keys where those are files; else the state directory, one file for each server. Either way
    each namespace has one of its own.
    """
    namespace = namespace_of(config.namespace)
    if settings.text("mode") == "file" and not settings.text("auth"):
        return os.path.join(settings.text("file-path"), _STATE + (namespace and f"-{_short(namespace)}"))
    directory = state_directory(os.environ, superuser=os.geteuid() == 0)
    server = _short(f"{config.address}\n{namespace}")
    return os.path.join(directory, f"{_STATE}-{server}")


def _short(text: str) -> str:
    """For the name of a file."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def loaded(files: Library) -> bool:
    """Load all files; what is wrong with them goes to stderr, all of it."""
    files.load(files.files)
    for error in files.broken.values():
        for problem in error.problems:
            complain(redact(f"error parsing vault config file: {problem}"))
    return not files.broken
