"""Promises of ``blob``, ``awskms`` and ``gcpkms``, proved with the vendors' own clients on the wire."""

from __future__ import annotations

import base64
import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bank_vaults.templating import limits
from bank_vaults.templating.errors import TemplateError
from bank_vaults.templating.own.sources import Sources
from bank_vaults.templating.render import render
from tests.support import clouds

pytestmark = [
    pytest.mark.filterwarnings("default"),  # of the vendors' clients
    pytest.mark.filterwarnings("error::ResourceWarning"),
    pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning"),
]

_OF_CLOUDS = ("AWS_", "AZURE_", "GOOGLE_", "GCLOUD_", "STORAGE_EMULATOR_HOST", "CLOUDSDK_")


@pytest.fixture(autouse=True)
def _nobodys_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(_OF_CLOUDS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def secrets() -> list[str]:
    return []


@pytest.fixture
def sources(secrets: list[str]) -> Iterator[Sources]:
    with Sources(os.environ, register_secret=secrets.append) as found:
        yield found


def _failure(template: str, sources: Sources) -> str:
    with pytest.raises(TemplateError) as failed:
        render(template, sources)
    return str(failed.value)


@pytest.fixture
def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# AWS


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with clouds.moto() as address:
        yield address


@pytest.fixture
def aws_account(aws: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws)
    return aws


def _client(service: str, address: str) -> Any:
    import boto3

    return boto3.client(
        service,
        region_name="eu-west-1",
        endpoint_url=address,
        aws_access_key_id="id",
        aws_secret_access_key="key",
    )


@pytest.fixture(scope="module")
def bucket(aws: str) -> str:
    client = _client("s3", aws)
    client.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    for key in ("key", "dir/key", "dir/sub/key", "a b+ü"):
        client.put_object(Bucket="bucket", Key=key, Body=f"content of {key}".encode())
    client.put_object(Bucket="bucket", Key="raw", Body=b"\xff\n", ACL="public-read")
    client.close()
    return "bucket"


@pytest.mark.usefixtures("aws_account", "bucket")
@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("s3://bucket/key?region=eu-west-1", "key"),
        ("s3://bucket/dir/key?region=eu-west-1", "dir/key"),
        ("s3://bucket/dir/sub/key?region=eu-west-1", "dir/sub/key"),
        ("s3://bucket/key?region=eu-west-1&prefix=dir/", "dir/key"),
        ("s3://bucket/dir/key?prefix=dir/&region=eu-west-1", "dir/key"),
        ("s3://bucket/a%20b+%C3%BC?region=eu-west-1", "a b+ü"),
        ("s3://bucket/key?region=eu-west-1&use_path_style=true&awssdk=v2", "key"),
        ("s3://bucket/key?region=eu-west-1&s3ForcePathStyle=1", "key"),
    ],
)
def test_an_object_of_s3_is_read_by_its_whole_path_or_its_prefix(
    sources: Sources, secrets: list[str], url: str, key: str
) -> None:
    assert render(f"${{ blob `{url}` }}", sources) == f"content of {key}"
    assert secrets == [f"content of {key}"]


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("scheme", ["http://", ""])
def test_the_url_can_name_the_server_and_do_without_an_account(
    aws: str, sources: Sources, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    endpoint = scheme + aws.removeprefix("http://")
    url = f"s3://bucket/raw?endpoint={endpoint}&disable_https=true&hostname_immutable=true&anonymous=true"
    assert os.fsencode(render(f"${{ blob `{url}` }}", sources)) == b"\xff\n"


@pytest.mark.usefixtures("aws_account", "bucket")
def test_a_missing_object_names_service_and_reason_and_the_rule_of_the_original(sources: Sources) -> None:
    said = _failure("${ blob `s3://bucket/none/key?region=eu-west-1` }", sources)
    assert said.endswith(
        "error calling blob: s3://bucket/none/key: S3: NoSuchKey: The specified key does not exist.; the "
        "whole path is the key, where the original took its last segment only"
    )
    for url in ("s3://bucket/none?region=eu-west-1", "s3://bucket/x/none?prefix=x/&region=eu-west-1"):
        assert _failure(f"${{ blob `{url}` }}", sources).endswith("The specified key does not exist.")


@pytest.mark.usefixtures("aws_account")
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("s3://nobodys/key?region=eu-west-1", "S3: NoSuchBucket: The specified bucket does not exist"),
        ("s3://b$d/key?region=eu-west-1", "S3: "),
        ("s3://bucket/key?zone=x", "s3://bucket/key: unknown parameter 'zone'"),
        ("s3://bucket/key?use_path_style=maybe", "the parameter use_path_style is no boolean: 'maybe'"),
        ("s3://bucket/key?region=eu-west-1&profile=none", "S3: The config profile (none) could not be found"),
        ("s3://bucket/key?region=eu-west-1&endpoint=ht!tp://x", "S3: "),
    ],
)
def test_what_s3_cannot_do_names_the_layer(sources: Sources, url: str, reason: str) -> None:
    assert reason in _failure(f"${{ blob `{url}` }}", sources)


def test_without_credentials_aws_says_so(sources: Sources, aws: str) -> None:
    said = _failure(f"${{ blob `s3://bucket/key?region=eu-west-1&endpoint={aws}` }}", sources)
    assert said.endswith("s3://bucket/key: S3: Unable to locate credentials")


def test_more_parameters_reach_the_client(sources: Sources) -> None:
    from bank_vaults.templating.own import aws, blobs

    client = aws.Client({"AWS_REGION": "eu-west-1"})
    url = "s3://bucket/key?dualstack=true&fips=true"
    config = client._s3(blobs.parse(url)).meta.config
    assert (config.use_dualstack_endpoint, config.use_fips_endpoint) == (True, True)
    config = client._s3(blobs.parse("s3://bucket/key?accelerate=true")).meta.config
    assert config.s3["use_accelerate_endpoint"] is True
    client.close()


@pytest.mark.usefixtures("aws_account", "bucket")
def test_an_object_that_is_too_long_is_refused(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_TEXT", 5)
    said = _failure("${ blob `s3://bucket/key?region=eu-west-1` }", sources)
    assert said.endswith("s3://bucket/key: the object is longer than 5 bytes")


@pytest.mark.usefixtures("aws_account")
@pytest.mark.parametrize("context", [{}, {"Tool": "bank-vaults", "b64": "eA=="}])
def test_kms_decrypts_with_its_context_whose_values_may_have_equals_signs(
    aws: str, sources: Sources, secrets: list[str], monkeypatch: pytest.MonkeyPatch, context: dict[str, str]
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    client = _client("kms", aws)
    key = client.create_key()["KeyMetadata"]["KeyId"]
    sealed = client.encrypt(KeyId=key, Plaintext=b"the password", EncryptionContext=context)["CiphertextBlob"]
    client.close()
    monkeypatch.setenv("SEALED", base64.b64encode(sealed).decode())
    words = " ".join(f"`{name}={value}`" for name, value in context.items())
    with Sources(os.environ, register_secret=secrets.append) as fresh:
        assert render(f"${{ awskms (env `SEALED`) {words} }}", fresh) == "the password"
        assert secrets[-1] == "the password"
        said = _failure("${ awskms (env `SEALED`) `Tool=other` }", fresh)
    assert "error calling awskms: AWS KMS: InvalidCiphertextException" in said


@pytest.mark.usefixtures("aws_account")
def test_kms_without_a_region_says_so(sources: Sources) -> None:
    assert _failure("${ awskms `eA==` }", sources).endswith("AWS KMS: You must specify a region.")


# Google Cloud


@pytest.fixture
def cloud() -> Iterator[clouds.Cloud]:
    with clouds.cloud() as found:
        yield found


@pytest.fixture
def google(cloud: clouds.Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> clouds.Cloud:
    account = tmp_path / "account.json"
    account.write_text(json.dumps(clouds.service_account(cloud.address)))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account))
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", cloud.address)
    monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS", cloud.address + "/")
    return cloud


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("gs://bucket/key", "bucket/key"),
        ("gs://bucket/dir/key", "bucket/dir/key"),
        ("gs://bucket/key?prefix=dir/", "bucket/dir/key"),
        ("gs://bucket/dir/key?anonymous=true", "bucket/dir/key"),
    ],
)
def test_an_object_of_cloud_storage_is_read(
    google: clouds.Cloud, sources: Sources, secrets: list[str], url: str, name: str
) -> None:
    google.objects[name] = b"content"
    assert render(f"${{ blob `{url}` }}", sources) == "content"
    assert secrets == ["content"]


def test_an_empty_object_of_cloud_storage_is_empty(google: clouds.Cloud, sources: Sources) -> None:
    google.objects["bucket/key"] = b""
    assert render("<${ blob `gs://bucket/key` }>", sources) == "<>"


def test_what_cloud_storage_cannot_do_names_the_layer(
    google: clouds.Cloud, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "gs://bucket/dir/key: Cloud Storage: 404: " in _failure("${ blob `gs://bucket/dir/key` }", sources)
    said = _failure("${ blob `gs://bucket/key?private_key_path=/x` }", sources)
    assert said.endswith("gs://bucket/key: unknown parameter 'private_key_path'")
    google.objects["bucket/key"] = b"123456"
    monkeypatch.setattr(limits, "MAX_TEXT", 5)
    assert "the object is longer than 5 bytes" in _failure("${ blob `gs://bucket/key` }", sources)


def test_cloud_kms_decrypts(google: clouds.Cloud, sources: Sources, secrets: list[str]) -> None:
    sealed = base64.b64encode(b"drowssap eht").decode()
    template = f"${{ gcpkms `{sealed}` `project` `europe-west1` `ring` `key` }}"
    assert render(template, sources) == "the password"
    assert secrets == ["the password"]
    request, headers = google.requests[-1]
    assert request.startswith(
        "POST /v1/projects/project/locations/europe-west1/keyRings/ring/cryptoKeys/key:decrypt"
    )
    assert headers["authorization"].startswith("Bearer ")
    google.refused = 403, json.dumps({"error": {"code": 403, "message": "not allowed"}}).encode()
    said = _failure(template, sources)
    assert "error calling gcpkms: Cloud KMS: projects/project/locations/europe-west1/" in said
    assert "403" in said
    assert "not allowed" in said


def test_without_credentials_google_says_so(
    cloud: clouds.Cloud, sources: Sources, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none"))
    assert "Cloud Storage: File" in _failure("${ blob `gs://bucket/key` }", sources)
    assert "Cloud KMS: " in _failure("${ gcpkms `eA==` `p` `l` `r` `k` }", sources)


# Azure


@pytest.fixture
def azure(cloud: clouds.Cloud, monkeypatch: pytest.MonkeyPatch) -> clouds.Cloud:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "account")
    monkeypatch.setenv("AZURE_STORAGE_KEY", base64.b64encode(b"key").decode())
    monkeypatch.setenv("AZURE_STORAGE_DOMAIN", cloud.host)
    monkeypatch.setenv("AZURE_STORAGE_PROTOCOL", "http")
    return cloud


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("azblob://container/key", "container/key"),
        ("azblob://container/dir/key", "container/dir/key"),
        ("azblob://container/key?prefix=dir/&localemu=true", "container/dir/key"),
    ],
)
def test_a_blob_of_azure_is_read_with_the_key_of_the_account(
    azure: clouds.Cloud, sources: Sources, secrets: list[str], url: str, name: str
) -> None:
    azure.objects[name] = b"content"
    assert render(f"${{ blob `{url}` }}", sources) == "content"
    assert secrets == ["content"]
    request, headers = azure.requests[-1]
    assert request.startswith("GET /account/container/")
    assert headers["authorization"].startswith("SharedKey account:")


def test_an_empty_blob_is_empty(azure: clouds.Cloud, sources: Sources) -> None:
    azure.objects["container/key"] = b""
    assert render("<${ blob `azblob://container/key` }>", sources) == "<>"


def test_azure_takes_a_token_and_a_connection_string(
    azure: clouds.Cloud, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    azure.objects["container/key"] = b"content"
    template = "${ blob `azblob://container/key` }"
    monkeypatch.delenv("AZURE_STORAGE_KEY")
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", "?sv=1&sig=abc")
    assert render(template, sources) == "content"
    assert azure.requests[-1][0].endswith("sig=abc")
    connection = (
        f"DefaultEndpointsProtocol=http;AccountName=other;AccountKey=a2V5;BlobEndpoint={azure.address}/other"
    )
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection)
    assert render(template, sources) == "content"
    assert azure.requests[-1][0].startswith("GET /other/container/key")


@pytest.mark.parametrize(
    ("query", "address"),
    [
        ("", "https://account.blob.core.windows.net"),
        ("?storage_account=other&domain=blob.example.com&protocol=http", "http://other.blob.example.com"),
        ("?domain=cdn.example.com&cdn=true", "https://cdn.example.com"),
        ("?domain=emulator:10000&localemu=true", "https://emulator:10000/account"),
    ],
)
def test_the_account_has_the_address_that_the_original_gives_it(query: str, address: str) -> None:
    from bank_vaults.templating.own import azure, blobs

    place = blobs.parse(f"azblob://container/key{query}")
    client = azure.Client({})
    assert client._url(place, place.text("storage_account") or "account") == address


def test_what_azure_cannot_do_names_the_layer(
    azure: clouds.Cloud, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = "${ blob `azblob://container/key` }"
    assert "azblob://container/key: Azure: BlobNotFound: " in _failure(template, sources)
    said = _failure("${ blob `azblob://container/key?protocol=ftp` }", sources)
    assert "'ftp' is no protocol: accepted are http and https" in said
    azure.objects["container/key"] = b"123456"
    monkeypatch.setattr(limits, "MAX_TEXT", 5)
    assert "the object is longer than 5 bytes" in _failure(template, sources)
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT")
    assert _failure(template, sources).endswith("Azure: AZURE_STORAGE_ACCOUNT is not set")
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", "nonsense")
    assert "azblob://container/key: Azure: Connection string" in _failure(template, sources)


def test_without_a_key_azure_takes_the_identity_of_the_machine(
    azure: clouds.Cloud, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    from azure import identity
    from azure.core import exceptions

    tokens: list[str] = []

    class Identity:
        def get_token(self, *scopes: str, **_: object) -> object:
            tokens.extend(scopes)
            raise exceptions.ClientAuthenticationError("no identity here")

        def close(self) -> None:
            tokens.append("closed")

    monkeypatch.setattr(identity, "DefaultAzureCredential", Identity)
    monkeypatch.delenv("AZURE_STORAGE_KEY")
    said = _failure("${ blob `azblob://container/key` }", sources)
    assert "azblob://container/key: Azure: " in said
    sources.close()
    assert tokens[-1] == "closed"


# without the clients


@pytest.mark.parametrize(
    ("call", "modules", "sentence"),
    [
        ("blob `s3://b/k`", ["boto3"], "AWS: boto3 is not installed: pip install 'bank-vaults[aws]'"),
        ("awskms `eA==`", ["boto3"], "AWS: boto3 is not installed: pip install 'bank-vaults[aws]'"),
        ("blob `gs://b/k`", ["google.cloud.storage"], "pip install 'bank-vaults[gcp]'"),
        ("gcpkms `eA==` `p` `l` `r` `k`", ["google.cloud.kms"], "pip install 'bank-vaults[gcp]'"),
        ("blob `azblob://b/k`", ["azure.storage.blob"], "pip install 'bank-vaults[azure]'"),
        ("blob `azblob://b/k?storage_account=a`", ["azure.identity"], "pip install 'bank-vaults[azure]'"),
    ],
)
def test_a_client_that_is_not_installed_is_named_with_the_way_to_get_it(
    sources: Sources, monkeypatch: pytest.MonkeyPatch, call: str, modules: list[str], sentence: str
) -> None:
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    assert sentence in _failure(f"${{ {call} }}", sources)


@pytest.mark.parametrize(
    ("call", "layer"),
    [
        (
            "blob `s3://b/k?region=r1&endpoint=http://127.0.0.1:PORT&anonymous=true`",
            "S3: Could not connect to",
        ),
        ("blob `azblob://b/k?storage_account=a&domain=127.0.0.1:PORT&protocol=http`", "Azure: "),
    ],
)
def test_a_cloud_that_is_not_there_is_an_error_of_its_layer(
    sources: Sources, monkeypatch: pytest.MonkeyPatch, closed_port: int, call: str, layer: str
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_KEY", "a2V5")
    assert layer in _failure(f"${{ {call.replace('PORT', str(closed_port))} }}", sources)
