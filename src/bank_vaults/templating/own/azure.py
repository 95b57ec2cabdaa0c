"""Azure: blobs in containers. Account and credentials come from the variables that the original knows.

``AZURE_STORAGE_CONNECTION_STRING``, or ``AZURE_STORAGE_ACCOUNT`` with ``AZURE_STORAGE_KEY``, with
``AZURE_STORAGE_SAS_TOKEN``, or with Azure's default chain of identities.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.own.blobs import Place
from bank_vaults.templating.own.extras import CONNECT_SECONDS, READ_SECONDS, missing

_DOMAIN: Final = "blob.core.windows.net"
_NO_SUCH_RANGE: Final = 416
"""The answer to any range of an empty blob."""
_OWN_MACHINE: Final = ("localhost", "127.0.0.1")


class Client:
    """Clients of the accounts that URLs name."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._services: dict[tuple[str, ...], Any] = {}
        self._identity: Any = None

    def close(self) -> None:
        """End the connections."""
        while self._services:
            self._services.popitem()[1].close()
        if self._identity is not None:
            self._identity.close()
            self._identity = None

    def read(self, place: Place) -> bytes:
        """A blob. Raises FunctionError."""
        place.expect(("domain", "protocol", "cdn", "localemu", "storage_account"))
        try:
            from azure.core.exceptions import AzureError
            from azure.storage.blob import BlobServiceClient  # noqa: F401
        except ImportError as error:
            raise missing("Azure", "azure", error) from None
        try:
            blob = self._service(place).get_blob_client(place.bucket, place.key)
            return place.bounded(blob.download_blob(offset=0, length=limits.MAX_TEXT + 1).readall())
        except (AzureError, ValueError) as error:
            if getattr(error, "status_code", None) == _NO_SUCH_RANGE:
                return b""
            raise place.failed("Azure", _reason(error)) from None

    def _service(self, place: Place) -> Any:
        from azure.storage.blob import BlobServiceClient

        limit: dict[str, Any] = {
            "connection_timeout": CONNECT_SECONDS,
            "read_timeout": READ_SECONDS,
            "retry_total": 2,
            # Seconds between tries; the usual ones are 15 and more.
            "initial_backoff": 1,
            "increment_base": 2,
            "random_jitter_range": 0,
        }
        connection = self._environment.get("AZURE_STORAGE_CONNECTION_STRING", "")
        url, account = "", ""
        if not connection:
            account = place.text("storage_account") or self._environment.get("AZURE_STORAGE_ACCOUNT", "")
            if not account:
                raise place.failed("Azure", "AZURE_STORAGE_ACCOUNT is not set")
            url = self._url(place, account)
        key = (connection, url, account)
        if key not in self._services:
            self._services[key] = (
                BlobServiceClient.from_connection_string(connection, **limit)
                if connection
                else BlobServiceClient(url, credential=self._credential(account), **limit)
            )
        return self._services[key]

    def _url(self, place: Place, account: str) -> str:
        domain = place.text("domain") or self._environment.get("AZURE_STORAGE_DOMAIN") or _DOMAIN
        protocol = place.text("protocol") or self._environment.get("AZURE_STORAGE_PROTOCOL") or "https"
        if protocol not in ("http", "https"):
            raise FunctionError(f"{place.written}: {protocol!r} is no protocol: accepted are http and https")
        if place.flag("cdn") or self._is_true("AZURE_STORAGE_IS_CDN"):
            return f"{protocol}://{domain}"
        local = place.flag("localemu") or self._is_true("AZURE_STORAGE_IS_LOCAL_EMULATOR")
        if local or domain.partition(":")[0] in _OWN_MACHINE:
            return f"{protocol}://{domain}/{account}"
        return f"{protocol}://{account}.{domain}"

    def _credential(self, account: str) -> Any:
        if key := self._environment.get("AZURE_STORAGE_KEY"):
            return {"account_name": account, "account_key": key}
        if token := self._environment.get("AZURE_STORAGE_SAS_TOKEN"):
            return token.removeprefix("?")
        if self._identity is None:
            try:
                from azure.identity import DefaultAzureCredential
            except ImportError as error:
                raise missing("Azure", "azure", error) from None
            self._identity = DefaultAzureCredential()
        return self._identity

    def _is_true(self, variable: str) -> bool:
        return self._environment.get(variable, "").lower() in ("1", "t", "true")


def _reason(error: Exception) -> str:
    """Azure's code and the first line of its message; the others are an id and a time."""
    lines = str(getattr(error, "message", None) or error).splitlines() or [type(error).__name__]
    code = getattr(error, "error_code", None)
    return f"{getattr(code, 'value', code)}: {lines[0]}" if code else lines[0]
