"""The URLs of ``blob``: which object of which bucket they name.

``s3://BUCKET/KEY?region=…``, ``gs://BUCKET/KEY``, ``azblob://CONTAINER/KEY``, ``file:///DIRECTORY/NAME``. The
whole path is the key. With ``?prefix=`` the key is the prefix and then the last segment of the path, as the
original reads it, which knows no other way to an object in a directory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from bank_vaults.domain.booleans import boolean
from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError

CLOUDS: Final = {"s3": "aws", "gs": "gcp", "azblob": "azure"}
"""From scheme to the module that reads it."""

_HOSTS: Final = ("endpoint", "domain", "storage_account")
"""Parameters that name a server, or an account that is one."""


class Place(NamedTuple):
    """An object: scheme, bucket, key, and the parameters behind the question mark."""

    scheme: str
    bucket: str
    key: str
    parameters: Mapping[str, str]

    @property
    def written(self) -> str:
        """The URL of the object, without parameters: for rules, logs and errors."""
        return f"{self.scheme}://{self.bucket}/{self.key}"

    def hosts(self) -> Iterator[str]:
        """Names of the servers that the URL itself asks for."""
        for name in _HOSTS:
            if address := self.parameters.get(name):
                yield urlsplit(address if "//" in address else f"//{address}").hostname or address

    def text(self, *names: str) -> str:
        """The first of the parameters that is given and not empty, else an empty text."""
        return next((self.parameters[name] for name in names if self.parameters.get(name)), "")

    def flag(self, *names: str) -> bool:
        """Whether one of the parameters is true. Raises FunctionError for what is no boolean."""
        given = self.text(*names)
        meaning = boolean(given) if given else False
        if meaning is None:
            raise FunctionError(f"{self.written}: the parameter {names[0]} is no boolean: {given!r}")
        return meaning

    def expect(self, known: Collection[str]) -> None:
        """Raise FunctionError where a parameter is none of these."""
        for name in self.parameters:
            if name not in known and name != "prefix":
                raise FunctionError(f"{self.written}: unknown parameter {name!r}")

    def failed(self, service: str, reason: object) -> FunctionError:
        """The error that a service gave for this object."""
        return FunctionError(f"{self.written}: {service}: {reason}")

    def bounded(self, content: bytes) -> bytes:
        """The content. Raises FunctionError where it is longer than a text may be."""
        if len(content) > limits.MAX_TEXT:
            raise FunctionError(f"{self.written}: the object is longer than {limits.MAX_TEXT} bytes")
        return content


def parse(url: str) -> Place:
    """What a URL names. Raises FunctionError."""
    try:
        parts = urlsplit(url)
        parameters = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError as error:
        raise FunctionError(f"this is no URL: {error}") from None
    bucket, path = parts.netloc, unquote(parts.path, errors="surrogateescape").removeprefix("/")
    if parts.scheme != "file" and parts.scheme not in CLOUDS:
        accepted = ", ".join(f"{scheme}://" for scheme in ("file", *CLOUDS))
        raise FunctionError(f"the scheme {parts.scheme!r} is unknown: accepted are {accepted}")
    if parts.scheme != "file" and not bucket:
        raise FunctionError(f"{parts.scheme}:// is followed by no bucket")
    directory, _, name = path.rpartition("/")
    if not name:
        raise FunctionError(f"{parts.scheme}://{bucket}/{path} names no object: the path ends without a name")
    if parts.scheme == "file":
        key = f"{directory}/{parameters.get('prefix', '')}{name}"
    elif "prefix" in parameters:
        key = parameters["prefix"] + name
    else:
        key = path
    return Place(parts.scheme, bucket, key, parameters)


def file_path(place: Place) -> str:
    """The path that a URL of ``file://`` names. Raises FunctionError for one of another machine."""
    place.expect(("create_dir", "no_tmp_dir", "metadata", "dir_file_mode", "base_url", "secret_key_path"))
    if place.bucket == ".":
        return place.key.removeprefix("/")
    if place.bucket not in ("", "localhost"):
        raise FunctionError(f"{place.written} names a machine: write file:///PATH")
    return "/" + place.key.removeprefix("/")
