"""Google Cloud: objects in Cloud Storage, and what Cloud KMS decrypts, with the default credentials."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, Final

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.own.blobs import Place
from bank_vaults.templating.own.extras import CONNECT_SECONDS, READ_SECONDS, missing

_ENDPOINT_OF_KMS: Final = "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS"
"""The variable by which Google's own tool is told of another endpoint."""


class Client:
    """Clients of Cloud Storage, with credentials or without, and of Cloud KMS."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._endpoint = environment.get(_ENDPOINT_OF_KMS, "").rstrip("/")
        self._storages: dict[bool, Any] = {}
        self._kms: Any = None

    def close(self) -> None:
        """End the connections."""
        while self._storages:
            self._storages.popitem()[1].close()
        if self._kms is not None:
            self._kms.transport.close()
            self._kms = None

    def read(self, place: Place) -> bytes:
        """An object of Cloud Storage. Raises FunctionError."""
        place.expect(("anonymous", "access_id"))
        errors = _errors("Cloud Storage", "google.cloud.storage")
        content = _Bounded(place)
        try:
            from google.cloud.storage.retry import DEFAULT_RETRY

            blob = self._storage(place.flag("anonymous")).bucket(place.bucket).blob(place.key)
            blob.download_to_file(
                content,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                retry=DEFAULT_RETRY.with_timeout(READ_SECONDS),
            )
        except errors as error:
            raise place.failed("Cloud Storage", _reason(error)) from None
        return content.getvalue()

    def decrypt(self, ciphertext: bytes, key: str) -> bytes:
        """The text of a ciphertext, with the key of that resource name. Raises FunctionError."""
        errors = _errors("Cloud KMS", "google.cloud.kms")
        try:
            answer = self._service().decrypt(
                request={"name": key, "ciphertext": ciphertext}, timeout=READ_SECONDS
            )
        except errors as error:
            raise FunctionError(f"Cloud KMS: {key}: {_reason(error)}") from None
        return bytes(answer.plaintext)

    def _storage(self, anonymous: bool) -> Any:
        if anonymous not in self._storages:
            from google.cloud.storage import Client as Storage

            # The project is of no use for reading, and cannot always be found out.
            self._storages[anonymous] = (
                Storage.create_anonymous_client() if anonymous else Storage(project=None)
            )
        return self._storages[anonymous]

    def _service(self) -> Any:
        if self._kms is None:
            from google.cloud.kms import KeyManagementServiceClient

            options = {"api_endpoint": self._endpoint} if self._endpoint else None
            self._kms = KeyManagementServiceClient(transport="rest", client_options=options)
        return self._kms


class _Bounded(io.BytesIO):
    """Takes an object as long as it is not too long."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place

    def write(self, part: Any) -> int:
        if self.tell() + len(part) > limits.MAX_TEXT:
            raise FunctionError(f"{self._place.written}: the object is longer than {limits.MAX_TEXT} bytes")
        return super().write(part)


def _errors(service: str, module: str) -> tuple[type[Exception], ...]:
    """What Google's clients raise. Raises FunctionError where they are not installed."""
    try:
        from importlib import import_module

        import_module(module)
        from google.api_core.exceptions import GoogleAPIError
        from google.auth.exceptions import GoogleAuthError
        from requests.exceptions import RequestException
    except ImportError as error:
        raise missing(service, "gcp", error) from None
    return GoogleAPIError, GoogleAuthError, RequestException, ValueError


def _reason(error: Exception) -> str:
    code, message = getattr(error, "code", None), getattr(error, "message", None)
    return f"{int(code)}: {message}" if isinstance(code, int) and message else str(error)
