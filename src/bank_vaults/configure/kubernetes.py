"""What ``configure`` has in Kubernetes: the place of its state, and the Secrets that documents refer to."""

from __future__ import annotations

import contextlib
import random
import re
import time
import zlib
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from bank_vaults.configure.config import SecretKey
from bank_vaults.configure.sections.startup_secrets import SecretSourceError
from bank_vaults.configure.state import Exchange, StateError
from bank_vaults.keystores.base import StoreError
from bank_vaults.keystores.kubernetes import LARGEST, Kubernetes, KubernetesError, UnreachableError

_NAMESPACE: Final = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_NAME: Final = r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?"
_KEY: Final = r"(?!\.\.?$)[-._a-zA-Z0-9]{1,240}"
_PLACE: Final = re.compile(rf"(?:({_NAMESPACE})/)?({_NAME})(?:\?key=({_KEY}))?")

_TRIES: Final = 20
_FAILURES: Final = 3
"""How often in one exchange the API server may fail."""
_PAUSE: Final = 0.2


class Address(NamedTuple):
    """A key of a Secret. Without a namespace it is that of the pod, or of the kubeconfig."""

    namespace: str
    name: str
    key: str = "state"

    @classmethod
    def parse(cls, text: str) -> Address:
        """From ``[NAMESPACE/]NAME[?key=KEY]``. Raises ValueError."""
        match = _PLACE.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not of the form [NAMESPACE/]NAME[?key=KEY]")
        return cls(match[1] or "", match[2], match[3] or "state")

    def __str__(self) -> str:
        where = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"k8s:{where}?key={self.key}"


class SecretPlace:
    """A key of a Secret, whose version keeps writers apart. What else is in the Secret stays as it is."""

    def __init__(self, address: Address, cluster: Kubernetes) -> None:
        self._address = address
        self._cluster = cluster

    def read(self) -> bytes | None:
        """See Place."""
        with self._explained("read"):
            found = self._cluster.read(self._address.namespace, self._address.name)
        return None if found is None else _opened(found.values.get(self._address.key))

    def exchange(self, change: Exchange) -> None:
        """See Place."""
        with self._explained("write"):
            self._exchange(self._address.key, change)

    def keep_aside(self, value: bytes) -> str:
        """See Place. Another key of the same Secret: no other Secret needs to be allowed."""
        aside = self._address._replace(key=f"{self._address.key}.unusable")
        with self._explained("keep aside"):
            self._exchange(aside.key, lambda _: value)
        return str(aside)

    def _exchange(self, key: str, change: Exchange) -> None:
        """A try that failed may have been carried out; then what it wrote is read and changed once more."""
        failures = 0
        for _ in range(_TRIES):
            try:
                if self._try(key, change):
                    return
            except KubernetesError as error:
                failures += 1
                if not error.transient or failures == _FAILURES:
                    raise
            time.sleep(_PAUSE * random.random())  # noqa: S311
        raise StateError(f"the state {self._address} is written by others all the time")

    def _try(self, key: str, change: Exchange) -> bool:
        namespace, name, _ = self._address
        found = self._cluster.read(namespace, name)
        values: Mapping[str, bytes] = {} if found is None else found.values
        new = zlib.compress(change(_opened(values.get(key))))
        size = len(new) + sum(len(value) for other, value in values.items() if other != key)
        if size > LARGEST:
            raise StateError(
                f"the state {self._address} is too large for a Secret: {size} bytes with what else is in it, "
                f"and Kubernetes takes {LARGEST}; keep it in a file or in kv:MOUNT/PATH"
            )
        if found is None:
            return self._cluster.create(namespace, name, {key: new})
        return self._cluster.change(namespace, name, {key: new}, found.version)

    @contextlib.contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except StoreError as error:
            raise StateError(f"cannot {what} the state {self._address}: {error}") from None


def _opened(value: bytes | None) -> bytes | None:
    """What is no state of ours is given as it is: it is kept aside so."""
    if value is None:
        return None
    try:
        return zlib.decompress(value)
    except zlib.error:
        return value


class SecretReader:
    """The Secrets of one namespace, each read once: for one pass, so that the next sees what has changed.

    Once no cluster answers nothing else is asked for, or a pass would wait for each of them.
    """

    def __init__(self, cluster: Kubernetes, namespace: str) -> None:
        """``namespace``: empty for that of the pod, or of the kubeconfig."""
        self._cluster = cluster
        self._namespace = namespace
        self._known: dict[str, Mapping[str, bytes] | str] = {}
        self._away = ""

    def __call__(self, key: SecretKey) -> str:
        """See SecretSource."""
        values = self._known.get(key.secret)
        if values is None:
            values = self._known[key.secret] = self._away or self._read(key.secret)
        if isinstance(values, str):
            raise SecretSourceError(values)
        try:
            return values[key.key].decode()
        except UnicodeDecodeError:
            raise SecretSourceError(
                f"the key {key.key!r} of the Kubernetes Secret {key.secret!r} is no text"
            ) from None

    def _read(self, name: str) -> Mapping[str, bytes] | str:
        """The values, or a sentence why there are none."""
        if not re.fullmatch(_NAME, name):
            return f"{name!r} is no name of a Kubernetes Secret"
        try:
            found = self._cluster.read(self._namespace, name)
        except KubernetesError as error:
            if isinstance(error, UnreachableError):
                self._away = str(error)
            return str(error)
        except StoreError as error:  # no answer within the limit
            self._away = str(error)
            return str(error)
        if found is None:
            where = f" in the namespace {self._namespace!r}" if self._namespace else ""
            return f"there is no Kubernetes Secret {name!r}{where}"
        return found.values
