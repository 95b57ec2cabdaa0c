"""A server that is ready, its keys on disk, a configuration file, and the real command on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.binaries import ServerKind
from tests.support.faultproxy import FaultProxy
from tests.support.program import Finished, Program, run
from tests.support.servers import Answer, Server, api, initialise, unseal, wait_active


def takes_audit(kind: ServerKind) -> str:
    """Configuration with which a server takes audit devices by its API."""
    return "unsafe_allow_api_audit_creation = true\n" if kind.flavour == "openbao" else ""


def is_write(method: str, path: str) -> bool:
    """Whether a request is to change something that was configured."""
    return method not in ("GET", "LIST") and not path.startswith(("auth/token/revoke", "sys/generate-root"))


class Place:
    """Everything a test of ``configure`` needs, in one directory."""

    def __init__(self, server: Server, directory: Path) -> None:
        self.server = server
        self.store = directory / "keys"
        self.store.mkdir(mode=0o700)
        self.file = directory / "vault-config.yml"
        keys = initialise(server)
        unseal(server, keys)
        wait_active(server)
        self.keys = keys
        (self.store / "vault-root").write_text(keys.root_token)
        (self.store / "vault-unseal-0").write_text(keys.shares[0])

    @property
    def state(self) -> Path:
        """The file in which digests are kept."""
        return self.store / "vault-configure-state"

    def write(self, document: Mapping[str, Any] | str, file: Path | None = None) -> None:
        """Write the configuration in place."""
        text = document if isinstance(document, str) else yaml.safe_dump(dict(document), sort_keys=False)
        (file or self.file).write_text(text)

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """Past the program, with the root token."""
        return api(self.server, method, path, body, self.keys.root_token)

    def shown(self, path: str) -> dict[str, Any] | None:
        """What the server shows at a path, None where there is nothing."""
        answer = self.call("GET", path)
        data: dict[str, Any] | None = answer.body.get("data") if answer.status == 200 else None
        return data

    def mounts(self, area: str = "mounts") -> dict[str, str]:
        """Types by path."""
        return {path: entry["type"] for path, entry in (self.shown(f"sys/{area}") or {}).items()}

    def flags(self, *files: Path) -> list[str]:
        """What every call has."""
        return [f"--vault-config-file={file}" for file in files or (self.file,)]

    def program(self, *flags: str, files: tuple[Path, ...] = (), **more: Any) -> Program:
        """``configure --once``, to be started."""
        flags = ("--once", *self.flags(*files), *flags)
        return Program("configure", *flags, store=self.store, server=self.server, **more)

    def once(self, *flags: str, files: tuple[Path, ...] = (), **more: Any) -> Finished:
        """``configure --once`` to its end."""
        with self.program(*flags, files=files, **more) as program:
            return program.wait()

    def plan(self, *flags: str, files: tuple[Path, ...] = (), **more: Any) -> Finished:
        """``plan``."""
        return run("plan", *self.flags(*files), *flags, store=self.store, server=self.server, **more)

    def daemon(self, *flags: str, files: tuple[Path, ...] = (), **more: Any) -> Program:
        """``configure`` for as long as the block lasts."""
        if not more.get("metrics"):
            flags = (*flags, "--disable-metrics")
        return Program("configure", *self.flags(*files), *flags, store=self.store, server=self.server, **more)

    def writes(self, proxy: FaultProxy) -> list[tuple[str, str]]:
        """The requests through a proxy that change something; logins and tokens are none."""
        return [(method, path) for method, path in proxy.requests if is_write(method, path)]
