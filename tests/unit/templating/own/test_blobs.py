"""Promises of the URLs of ``blob``."""

from __future__ import annotations

import pytest

from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.own import blobs


@pytest.mark.parametrize(
    ("url", "bucket", "key"),
    [
        ("s3://bucket/key", "bucket", "key"),
        ("gs://bucket/dir/sub/key", "bucket", "dir/sub/key"),
        ("azblob://container/a%20b%2Fc", "container", "a b/c"),
        ("s3://bucket//key", "bucket", "/key"),
        # With a prefix the directory of the path does not count, as in the original.
        ("s3://bucket/key?prefix=dir/", "bucket", "dir/key"),
        ("s3://bucket/dir/key?prefix=dir/", "bucket", "dir/key"),
        ("s3://bucket/dir/key?prefix=", "bucket", "key"),
        ("s3://bucket/key?prefix=dir%2Fna&region=x", "bucket", "dir/nakey"),
    ],
)
def test_a_url_names_bucket_and_key(url: str, bucket: str, key: str) -> None:
    place = blobs.parse(url)
    assert (place.bucket, place.key) == (bucket, key)
    assert place.written == f"{place.scheme}://{bucket}/{key}"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///etc/hosts", "/etc/hosts"),
        ("file:///hosts", "/hosts"),
        ("file://localhost/etc/hosts", "/etc/hosts"),
        ("file://./dir/name", "dir/name"),
        ("file:///etc/hosts?prefix=sub/", "/etc/sub/hosts"),
        ("file:///a%20b/c?metadata=skip", "/a b/c"),
    ],
)
def test_a_url_of_a_file_names_its_path(url: str, path: str) -> None:
    assert blobs.file_path(blobs.parse(url)) == path


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("s3://bucket", "s3://bucket/ names no object: the path ends without a name"),
        ("s3://bucket/dir/", "s3://bucket/dir/ names no object: the path ends without a name"),
        ("s3:///key", "s3:// is followed by no bucket"),
        ("http://x/y", "the scheme 'http' is unknown: accepted are file://, s3://, gs://, azblob://"),
        ("key", "the scheme '' is unknown"),
        ("", "the scheme '' is unknown"),
        ("s3://bucket/key?region", "this is no URL: "),
        ("s3://[/key", "this is no URL: "),
    ],
)
def test_what_names_no_object_is_an_error(url: str, sentence: str) -> None:
    with pytest.raises(FunctionError) as failed:
        blobs.parse(url)
    assert sentence in str(failed.value)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("file://elsewhere/etc/hosts", "file://elsewhere/etc/hosts names a machine: write file:///PATH"),
        ("file:///etc/hosts?region=x", "unknown parameter 'region'"),
    ],
)
def test_a_file_of_another_machine_is_an_error(url: str, sentence: str) -> None:
    with pytest.raises(FunctionError) as failed:
        blobs.file_path(blobs.parse(url))
    assert sentence in str(failed.value)


@pytest.mark.parametrize(
    ("query", "hosts"),
    [
        ("", []),
        ("?region=x", []),
        ("?endpoint=http://minio:9000/x", ["minio"]),
        ("?endpoint=minio:9000", ["minio"]),
        ("?domain=blob.example.com&storage_account=other", ["blob.example.com", "other"]),
    ],
)
def test_the_servers_that_a_url_names_are_told(query: str, hosts: list[str]) -> None:
    assert list(blobs.parse(f"s3://b/k{query}").hosts()) == hosts
