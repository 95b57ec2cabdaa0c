"""The outside world as templates see it: environment, files, objects, key services, names of hosts."""

from __future__ import annotations

import base64
import binascii
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.functions import Lookup, table
from bank_vaults.templating.golang.strconv import quote
from bank_vaults.templating.golang.values import Map, Value, text
from bank_vaults.templating.own.files import read_file
from bank_vaults.templating.policy import Policy
from bank_vaults.templating.template import Data

if TYPE_CHECKING:
    from _collections_abc import dict_items, dict_keys, dict_values

_log = logging.getLogger(__name__)

_NAMED: Final = r"(?P<name>[A-Za-z_][A-Za-z0-9_]*|[*#$@!?0-9-])|\{|(?P<none>)"
_VARIABLE: Final = re.compile(rf"\$(?:\{{(?P<braced>[^}}]*)\}}|{_NAMED})")
_VARIABLE_WITHOUT_BRACES: Final = re.compile(rf"\$(?:(?P<braced>(?!))|{_NAMED})")
_SHORTEST_LINE: Final = 8
_LONGEST_SECRET: Final = 64 * 1024
_SHORTEST_SHOWN: Final = 6
"""Characters; a shorter text is found by chance in the words of an error."""
_LONGEST_CUT: Final = 2048

Register = Callable[[str], None]
"""Takes a secret that is to be masked in all logs from now on."""


class Sources:
    """What the functions of our own stand on. For one thread; ``close`` ends the connections.

    Every look outside is checked against ``policy`` and told in the log, without values: variables at DEBUG,
    all else at INFO, and at DEBUG where it is in ``told``, to which it is added. What is read from files,
    objects and key services is handed to ``register_secret``, and what is secret of the variables that are
    read (``own.confidential``).
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        policy: Policy = Policy(),  # noqa: B008  immutable
        register_secret: Register = lambda _: None,
        told: set[tuple[str, ...]] | None = None,
    ) -> None:
        self._environment = environment
        self.policy = policy
        self._register = register_secret
        self._clients: dict[str, Any] = {}
        self._looks = set() if told is None else told
        self._told: set[str] = set()
        self._told_of_all = False
        self._read_values: dict[str, str] = {}

    def __enter__(self) -> Sources:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all connections to clouds."""
        while self._clients:
            self._clients.popitem()[1].close()

    def data(self) -> Data:
        """What a template is given: ``.Env``."""
        return Data(_Environment(self))

    def functions(self, *, escaped: bool = True) -> Lookup:
        """Our own functions by name; ``escaped`` is whether ``file`` makes its content fit between quotes."""
        return table(
            {
                "env": ("func(string) string", self.env),
                "expandenv": ("func(string) string", self.expandenv),
                "getHostByName": ("func(string) string", self.get_host_by_name),
                "file": ("func(string) (string, error)", self.file if escaped else self.raw_file),
                "blob": ("func(string) (string, error)", self.blob),
                "awskms": ("func(string, ...string) (string, error)", self.awskms),
                "gcpkms": ("func(string, string, string, string, string) (string, error)", self.gcpkms),
                "accessor": ("func(string) string", accessor),
                "toYaml": ("func(interface {}) (string, error)", to_yaml),
                "fromYaml": ("func(string) (interface {}, error)", from_yaml),
            }
        )

    def variable(self, name: str, function: str) -> str | None:
        """An environment variable, None where it is not set. Raises FunctionError where it is refused."""
        self.policy.check(function, "env", name)
        value = self._environment.get(name)
        if name not in self._told:
            self._told.add(name)
            self._tell(logging.DEBUG, "a template reads an environment variable", variable=name)
            self._keep_hidden(name, value)
        return value

    def _keep_hidden(self, name: str, value: str | None) -> None:
        if value:
            from bank_vaults.templating.own.confidential import secrets_of  # its patterns take milliseconds

            for secret in secrets_of(name, value):
                self._secret(secret)
            self._read_values[value] = name

    def tell_of_whole_environment(self) -> None:
        """A template goes through all variables."""
        if not self._told_of_all:
            self._told_of_all = True
            for name, value in self.permitted_variables().items():
                self._keep_hidden(name, value)
            self._tell(logging.DEBUG, "a template reads the whole environment")

    def permitted_variables(self) -> dict[str, str]:
        """The whole environment without what the policy refuses."""
        return {
            name: value
            for name, value in self._environment.items()
            if self.policy.permits("env", "env", name)
        }

    def hidden(self, error: str) -> str:
        """The text of an error without what the template has read: as it is, as Go quotes it, and its ends.

        A variable is named instead, because its value may be a path that helps. Very short ones stay.
        """
        where, separator, said = error.partition(">: ")
        for value in sorted(self._read_values, key=len, reverse=True):
            name = self._read_values[value]
            instead = f"[value of {name}]" if name else "***"
            forms = {value, quote(value)[1:-1]}
            if len(said) <= _LONGEST_SECRET and len(value) <= _LONGEST_CUT:
                # Go's errors show what is left to read, which is an end of the whole.
                forms |= {form[at:] for form in forms for at in range(len(form) - 7)}
            for form in sorted(forms, key=len, reverse=True):
                if len(form) >= _SHORTEST_SHOWN:
                    said = said.replace(form, instead)
        return f"{where}{separator}{said}"

    def env(self, name: str) -> str:
        """An environment variable, empty where it is not set."""
        return self.variable(name, "env") or ""

    def expandenv(self, string: str) -> str:
        """The text with ``$NAME`` and ``${NAME}`` replaced by the variables."""
        length = len(string)

        def replaced(match: re.Match[str]) -> str:
            nonlocal length
            name = match["braced"] or match["name"]
            if name:
                value = self.variable(name, "expandenv") or ""
                length += len(value)
                limits.text_of(length)
                return value
            return "$" if match["none"] is not None else ""

        # Behind the last brace none is closed; to look for it from each on would take time by the square.
        closed = string.rfind("}") + 1
        before = _VARIABLE.sub(replaced, string[:closed])
        return before + _VARIABLE_WITHOUT_BRACES.sub(replaced, string[closed:])

    def get_host_by_name(self, name: str) -> str:
        """The first address of a host. Raises FunctionError where it has none."""
        import socket  # seldom used

        self.policy.check("getHostByName", "host", name)
        self._tell(logging.INFO, "a template looks up a host", host=name)
        try:
            found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "no host name"
            raise FunctionError(f"lookup {name}: {reason}") from None
        return str(found[0][4][0])

    def file(self, path: str) -> str:
        """A file with each line end written as backslash and n, so that it fits between quotes."""
        return self.raw_file(path).replace("\n", "\\n")

    def raw_file(self, path: str) -> str:
        """A file as it is."""
        return self._read(path, "file")

    def blob(self, url: str) -> str:
        """An object of a bucket, or a file. Raises FunctionError."""
        from bank_vaults.templating.own import blobs  # with urllib, and the client of a cloud

        place = blobs.parse(url)
        if place.scheme == "file":
            return self._read(blobs.file_path(place), "blob")
        self.policy.check("blob", "blob", place.written)
        for host in place.hosts():
            self.policy.check("blob", "host", host)
        self._tell(logging.INFO, "a template reads an object", url=place.written)
        return self._secret(text(self._client(blobs.CLOUDS[place.scheme]).read(place)))

    def awskms(self, encrypted: str, *context: str) -> str:
        """What AWS KMS decrypts, with an encryption context of words ``name=value``. Raises FunctionError."""
        self.policy.check("awskms", "function", "awskms")
        pairs = {}
        for word in context:
            name, equals, value = word.partition("=")
            if not equals or not name:
                raise FunctionError(f"the encryption context {word!r} is not of the form name=value")
            pairs[name] = value
        ciphertext = _decoded(encrypted)
        self._tell(logging.INFO, "a template decrypts with AWS KMS", context=",".join(pairs))
        return self._secret(text(self._client("aws").decrypt(ciphertext, pairs)))

    def gcpkms(self, encrypted: str, project: str, location: str, ring: str, key: str) -> str:
        """What Google's Cloud KMS decrypts with that key. Raises FunctionError."""
        self.policy.check("gcpkms", "function", "gcpkms")
        ciphertext = _decoded(encrypted)
        parts = {"project": project, "location": location, "key ring": ring, "key": key}
        for what, name in parts.items():
            if not re.fullmatch(r"[\w.:-]+", name):
                raise FunctionError(f"{name!r} is no name of a {what}")
        name = f"projects/{project}/locations/{location}/keyRings/{ring}/cryptoKeys/{key}"
        self._tell(logging.INFO, "a template decrypts with Cloud KMS", key=name)
        return self._secret(text(self._client("gcp").decrypt(ciphertext, name)))

    def _read(self, path: str, function: str) -> str:
        real = self.policy.check_file(function, path)
        self._tell(logging.INFO, "a template reads a file", file=path)
        return self._secret(text(read_file(path, real)))

    def _client(self, cloud: str) -> Any:
        if cloud not in self._clients:
            from importlib import import_module

            module = import_module(f"bank_vaults.templating.own.{cloud}")
            self._clients[cloud] = module.Client(self._environment)
        return self._clients[cloud]

    def _secret(self, string: str) -> str:
        """Have a text masked in the logs: as it is, as ``file`` gives it, and its single lines.

        Longer ones than 64 KiB are certificates or data, and would make every log line slow.
        """
        whole = string.strip()
        if whole and len(whole) <= _LONGEST_SECRET:
            self._read_values[whole] = ""
            self._register(whole)
            if "\n" in whole:
                self._register(whole.replace("\n", "\\n"))
                for line in whole.split("\n"):
                    if len(line.strip()) >= _SHORTEST_LINE and not line.startswith("-----"):
                        self._register(line.strip())
        return string

    def _tell(self, level: int, sentence: str, **fields: str) -> None:
        look = (sentence, *fields.values())
        _log.log(logging.DEBUG if look in self._looks else level, sentence, extra={"fields": fields})
        self._looks.add(look)


class _Environment(Map):
    """The variables that the policy permits; asking for another by its name is an error that says so."""

    __slots__ = ("_sources",)

    def __init__(self, sources: Sources) -> None:
        super().__init__(sources.permitted_variables(), "string")
        self._sources = sources

    def __iter__(self) -> Iterator[str]:
        self._sources.tell_of_whole_environment()
        return super().__iter__()

    def keys(self) -> dict_keys[str, Value]:
        self._sources.tell_of_whole_environment()
        return super().keys()

    def items(self) -> dict_items[str, Value]:
        self._sources.tell_of_whole_environment()
        return super().items()

    def values(self) -> dict_values[str, Value]:
        self._sources.tell_of_whole_environment()
        return super().values()

    def __getitem__(self, name: str) -> Value:
        self._sources.variable(name, "env")
        return super().__getitem__(name)

    def get(self, name: str, default: Value = None) -> Value:
        self._sources.variable(name, "env")
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        self._sources.variable(str(name), "env")
        return super().__contains__(name)


def accessor(path: str) -> str:
    """What stands for the accessor of the mount at that path until the server is asked for it."""
    return f"__accessor__{path.rstrip('/')}"


def to_yaml(value: Value) -> str:
    """A value as YAML, names sorted, without a line end at its end. Raises FunctionError."""
    from bank_vaults.templating import yaml12  # imports PyYAML

    try:
        return yaml12.dump(value)
    except ValueError as error:
        raise FunctionError(f"this cannot be written as YAML: {error}") from None


def from_yaml(string: str) -> Value:
    """The value of a YAML document. Raises FunctionError."""
    from bank_vaults.templating import yaml12  # imports PyYAML

    try:
        return yaml12.load(string, limits.MAX_ITEMS)
    except yaml12.YamlError as error:
        raise FunctionError(f"this is no YAML: {error}") from None


def _decoded(encrypted: str) -> bytes:
    try:
        return base64.b64decode(re.sub(r"[\r\n]", "", encrypted), validate=True)
    except (binascii.Error, ValueError):
        raise FunctionError("the ciphertext is not base64") from None
