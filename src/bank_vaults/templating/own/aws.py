"""AWS: objects in S3, and what KMS decrypts. Region and credentials come from the usual chain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.own.blobs import Place
from bank_vaults.templating.own.extras import CONNECT_SECONDS, READ_SECONDS, missing

_READ: Final = (
    "region",
    "profile",
    "endpoint",
    "use_path_style",
    "s3ForcePathStyle",
    "hostname_immutable",
    "disable_https",
    "disableSSL",
    "anonymous",
    "accelerate",
    "dualstack",
    "fips",
)
_WITHOUT_EFFECT_ON_READING: Final = (
    "awssdk",
    "kmskeyid",
    "rate_limiter_capacity",
    "request_checksum_calculation",
    "response_checksum_validation",
    "ssetype",
)


class Client:
    """Clients of S3, one for each set of parameters, and of KMS."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        # The other clients of AWS know this variable, boto3 knows AWS_DEFAULT_REGION alone.
        self._region = environment.get("AWS_REGION") or None
        self._clients: dict[tuple[str, ...], Any] = {}

    def close(self) -> None:
        """End the connections."""
        while self._clients:
            self._clients.popitem()[1].close()

    def read(self, place: Place) -> bytes:
        """An object of S3. Raises FunctionError."""
        place.expect((*_READ, *_WITHOUT_EFFECT_ON_READING))
        errors = _errors()
        try:
            answer = self._s3(place).get_object(Bucket=place.bucket, Key=place.key)
            with answer["Body"] as body:
                return place.bounded(body.read(limits.MAX_TEXT + 1))
        except errors as error:
            hint = _hint(place) if _code(error) == "NoSuchKey" else ""
            raise place.failed("S3", _reason(error) + hint) from None

    def decrypt(self, ciphertext: bytes, context: Mapping[str, str]) -> bytes:
        """The text of a ciphertext, which names its key itself. Raises FunctionError."""
        errors = _errors()
        try:
            client = self._client("kms", "", self._region, None, {})
            answer = client.decrypt(CiphertextBlob=ciphertext, EncryptionContext=dict(context))
        except errors as error:
            raise FunctionError(f"AWS KMS: {_reason(error)}") from None
        return bytes(answer["Plaintext"])

    def _s3(self, place: Place) -> Any:
        immutable = place.flag("use_path_style", "s3ForcePathStyle") or place.flag("hostname_immutable")
        options: dict[str, Any] = {"s3": {"addressing_style": "path" if immutable else "auto"}}
        if place.flag("accelerate"):
            options["s3"]["use_accelerate_endpoint"] = True
        for name, option in (("dualstack", "use_dualstack_endpoint"), ("fips", "use_fips_endpoint")):
            if place.flag(name):
                options[option] = True
        if place.flag("anonymous"):
            from botocore import UNSIGNED

            options["signature_version"] = UNSIGNED
        plain = place.flag("disable_https", "disableSSL")
        endpoint = place.text("endpoint")
        if endpoint and "://" not in endpoint:
            endpoint = f"{'http' if plain else 'https'}://{endpoint}"
        region = place.text("region") or self._region
        return self._client("s3", place.text("profile"), region, endpoint or None, options, use_ssl=not plain)

    def _client(
        self,
        service: str,
        profile: str,
        region: str | None,
        endpoint: str | None,
        options: Mapping[str, Any],
        *,
        use_ssl: bool = True,
    ) -> Any:
        key = (service, profile, region or "", endpoint or "", repr(options), str(use_ssl))
        if key not in self._clients:
            from boto3.session import Session
            from botocore.config import Config

            config = Config(
                connect_timeout=CONNECT_SECONDS,
                read_timeout=READ_SECONDS,
                retries={"mode": "standard", "total_max_attempts": 3},
                **options,
            )
            session = Session(profile_name=profile or None, region_name=region)
            self._clients[key] = session.client(
                service, endpoint_url=endpoint, config=config, use_ssl=use_ssl
            )
        return self._clients[key]


def _errors() -> tuple[type[Exception], ...]:
    """What boto3 raises. Raises FunctionError where it is not installed."""
    try:
        import boto3  # noqa: F401
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        raise missing("AWS", "aws", error) from None
    # ValueError: names and endpoints that cannot be one.
    return BotoCoreError, ClientError, ValueError


def _code(error: Exception) -> str:
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))


def _reason(error: Exception) -> str:
    answer = getattr(error, "response", {}).get("Error", {})
    if answer:
        return f"{answer.get('Code')}: {answer.get('Message', '')}".rstrip(": ")
    return str(error)


def _hint(place: Place) -> str:
    if "/" not in place.key or "prefix" in place.parameters:
        return ""
    return "; the whole path is the key, where the original took its last segment only"
