"""Secrets of a Kubernetes cluster, through lightkube, which is imported at the first call.

Every call ends within a time limit, logins by other programs included. Errors name the layer that failed (no
cluster, login, permission, the object) and what to do next, never a value of a Secret: of what the API server
says only its refusals are passed on, which name user, verb and object.
"""

from __future__ import annotations

import base64
import binascii
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from bank_vaults.keystores.base import StoreError
from bank_vaults.keystores.deadline import limited

if TYPE_CHECKING:
    from lightkube import Client
    from lightkube.config.kubeconfig import SingleConfig

LARGEST: Final = 1 << 20
"""Bytes that all values of one Secret may have together: ``MaxSecretSize`` of Kubernetes."""

MANAGED_BY: Final = "app.kubernetes.io/managed-by"

_SERVICE_ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
_LIMIT: Final = 10.0
"""Seconds for a connection, and for each part of an answer; the whole call has the limit of all stores."""

_PAUSES: Final = (0.1, 0.4)
"""Seconds before reading is tried again."""

_T = TypeVar("_T")


class KubernetesError(StoreError):
    """A call that failed. A ``transient`` one may have been carried out, and another may succeed."""

    transient = False


class BusyError(KubernetesError):
    """The API server failed, or wants to be left alone for a while."""

    transient = True


class UnreachableError(KubernetesError):
    """There is no cluster, no answer, or no login: other objects will fare no better."""

    transient = True


class NoClusterError(UnreachableError):
    """Nothing says where a cluster is, or what says so is of no use."""

    transient = False


class Content(NamedTuple):
    """The values of a Secret, and of which version they are."""

    values: Mapping[str, bytes]
    version: str

    def __repr__(self) -> str:
        return f"Content({', '.join(self.values)})"


class Kubernetes:
    """The Secrets of the cluster of the environment. Safe under threads. Every call may raise StoreError.

    The cluster is that of ``KUBECONFIG``, else the one this runs in, else that of ``~/.kube/config``. Where
    no namespace is given it is that of the pod, or of the context.
    """

    def __init__(self, environment: Mapping[str, str], service_account: str = _SERVICE_ACCOUNT) -> None:
        self._environment = environment
        self._service_account = service_account
        self._lock = threading.Lock()
        self._client: Client | None = None

    def read(self, namespace: str, name: str) -> Content | None:
        """None: there is no such Secret. What may succeed soon is tried again, as reading does no harm."""

        def call(client: Client) -> Content | None:
            from lightkube.resources.core_v1 import Secret

            found = client.get(Secret, name, namespace=namespace or client.namespace)
            try:
                values = {
                    key: base64.b64decode(value, validate=True) for key, value in (found.data or {}).items()
                }
            except binascii.Error:
                raise KubernetesError(f"the Secret {name!r} is not of base64") from None
            return Content(values, (found.metadata and found.metadata.resourceVersion) or "")

        for pause in _PAUSES:
            try:
                return self._call("read", "get", namespace, name, call, {404: None})
            except KubernetesError as error:
                if not error.transient:
                    raise
            time.sleep(pause)
        return self._call("read", "get", namespace, name, call, {404: None})

    def create(self, namespace: str, name: str, values: Mapping[str, bytes]) -> bool:
        """A new Secret. False: there is one already, which is untouched."""

        def call(client: Client) -> bool:
            from lightkube.models.meta_v1 import ObjectMeta
            from lightkube.resources.core_v1 import Secret

            where = namespace or client.namespace
            about = ObjectMeta(name=name, namespace=where, labels={MANAGED_BY: "bank-vaults"})
            client.create(Secret(metadata=about, type="Opaque", data=_encoded(values)))
            return True

        return self._call("create", "create", namespace, name, call, {409: False})

    def change(self, namespace: str, name: str, values: Mapping[str, bytes], version: str) -> bool:
        """Put these values into a Secret, beside the others. False: it is no longer of that version."""

        def call(client: Client) -> bool:
            from lightkube.resources.core_v1 import Secret

            patch = {"metadata": {"resourceVersion": version}, "data": _encoded(values)}
            client.patch(Secret, name, patch, namespace=namespace or client.namespace, patch_type=_merge())
            return True

        return self._call("write", "patch", namespace, name, call, {404: False, 409: False})

    def _call(
        self,
        what: str,
        verb: str,
        namespace: str,
        name: str,
        call: Callable[[Client], _T],
        answers: Mapping[int, _T],
    ) -> _T:
        """``answers``: which refusals of the API server are no errors, and what they mean."""

        def run() -> _T:
            import httpx2
            import msgspec
            from lightkube.core.exceptions import ApiError, ConfigError

            trouble = (OSError, ValueError, msgspec.MsgspecError, httpx2.InvalidURL, httpx2.HTTPError)
            try:
                return call(self._connected())
            except ApiError as error:
                code = error.response.status_code
                # A namespace that is not there is told in the same way as an object that is not there.
                if code in answers and not (what == "create" and code == 404):
                    return answers[code]
                if code == 401:
                    self.close()
                raise _refused(what, verb, namespace, name, code, error.status.message or "") from None
            except httpx2.HTTPStatusError as error:
                code = error.response.status_code
                raise _refused(what, verb, namespace, name, code, "") from None
            except ConfigError as error:
                self.close()
                raise NoClusterError(
                    f"cannot {what} the Secret {name!r}: no Kubernetes cluster is known "
                    f"({_reason(error)}); check KUBECONFIG, or the service account of the pod"
                ) from None
            except trouble as error:
                self.close()
                raise UnreachableError(
                    f"cannot {what} the Secret {name!r}: no Kubernetes cluster answers "
                    f"({_reason(error)}); check KUBECONFIG, or the service account of the pod"
                ) from None

        return limited("Kubernetes", f"{what} the Secret {name!r}", run)

    def _connected(self) -> Client:
        with self._lock:
            if self._client is None:
                import httpx2
                from lightkube import Client

                config = _configuration(self._environment, self._service_account)
                self._client = Client(config, timeout=httpx2.Timeout(_LIMIT), field_manager="bank-vaults")
            return self._client

    def close(self) -> None:
        """End the connections. The next call reads the files anew: what they say may have changed."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()


def _configuration(environment: Mapping[str, str], service_account: str) -> SingleConfig:
    """Raises ConfigError, OSError."""
    from lightkube.config.kubeconfig import KubeConfig
    from lightkube.config.models import User
    from lightkube.core.exceptions import ConfigError

    named = environment.get("KUBECONFIG", "")
    if os.pathsep in named:
        raise ConfigError("KUBECONFIG names several files, and only one can be used")
    try:
        if named:
            found = KubeConfig.from_file(named).get()
        elif environment.get("KUBERNETES_SERVICE_HOST") and os.path.exists(f"{service_account}/token"):
            found = KubeConfig.from_service_account(service_account).get()
        else:
            found = KubeConfig.from_file("~/.kube/config").get()
    except (KeyError, TypeError, AttributeError):
        raise ConfigError("the kubeconfig is damaged, or names what is not in it") from None
    except ConfigError:
        raise
    except Exception as error:  # of PyYAML and msgspec, which would show a line of the file
        raise ConfigError(f"the kubeconfig cannot be read: {type(error).__name__}") from None
    if found is None:  # which lightkube promises only for a default, and we give none
        raise ConfigError("the kubeconfig has no current context")
    return found if found.user is not None else found._replace(user=User())


def _refused(what: str, verb: str, namespace: str, name: str, code: int, message: str) -> KubernetesError:
    """What a status of the API server means."""
    where = f"cannot {what} the Secret {name!r}" + (f" in the namespace {namespace!r}" if namespace else "")
    if code == 401:
        return UnreachableError(f"{where}: the cluster does not accept this login; is it expired?")
    if code == 403:
        return KubernetesError(
            f"{where}: {message or 'forbidden'}; a Role has to allow {verb!r} on the resource 'secrets'"
        )
    if code == 404:
        return KubernetesError(f"{where}: there is no such namespace")
    if code in (413, 422):
        return KubernetesError(f"{where}: the API server refuses it ({code}); is it immutable, or too large?")
    if code == 429 or code >= 500:
        return BusyError(f"{where}: the API server answered {code}")
    return KubernetesError(f"{where}: the API server answered {code}")


def _reason(error: Exception) -> str:
    """Without what a login program printed, which may be a token."""
    text = str(error) or type(error).__name__
    return text.partition(":")[0] if text.startswith("Exec ") else text


def _merge() -> Any:
    from lightkube.types import PatchType

    return PatchType.MERGE


def _encoded(values: Mapping[str, bytes]) -> dict[str, str]:
    return {key: base64.b64encode(value).decode() for key, value in values.items()}
