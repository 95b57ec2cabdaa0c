"""The one table of all flags.

From it come the command line, the environment twins, the defaults, the help texts and the reference page
``docs/reference/cli.md``. A flag that is not in the table does not exist.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import NamedTuple

from bank_vaults.domain.durations import format_duration
from bank_vaults.domain.settings import Value

PREFIX = "BANK_VAULTS_"
FILE_SUFFIX = "-file"
"""``--X-file`` names a file that holds the secret ``--X``."""


class Kind(Enum):
    """How a flag is written; the value is the word for it in help texts."""

    TEXT = "text"
    PATH = "path"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    DURATION = "duration"
    LIST = "list"
    MAP = "map"
    FILE_MODE = "octal"
    SECRET = "secret"  # noqa: S105


ROOT = frozenset({"init", "unseal", "configure", "plan", "status"})
"""The commands that work with a server and a key store. Their common flags are the global ones."""

HSM = frozenset({"hsm list", "hsm doctor", "hsm prepare", "hsm objects", "hsm purge"})
"""The commands that work with a token itself."""

EVERYWHERE = ROOT | HSM | {"configure policy", "template", "version", "completion"}

_APPLYING = frozenset({"configure", "plan"})
_DOCUMENTS = _APPLYING | {"configure policy"}
"""The commands that read configuration files."""

_STORES = ROOT | {"hsm doctor"}

LEVELS = ("debug", "info", "warning", "error")

MODES = (
    "google-cloud-kms-gcs",
    "aws-kms-s3",
    "azure-key-vault",
    "alibaba-kms-oss",
    "vault",
    "oci",
    "k8s",
    "hsm-k8s",
    "hsm",
    "dev",
    "file",
)


class Option(NamedTuple):
    """One flag.

    ``default`` is the parsed value (durations in seconds); ``commands`` are those that read the flag;
    ``variable`` is the environment twin; ``choices`` are all values allowed, none meaning any; ``twin_of``
    is the secret flag ``X`` of an ``X-file``.
    """

    name: str
    kind: Kind
    default: Value
    help: str
    section: str = ""
    commands: frozenset[str] = ROOT
    choices: tuple[str, ...] = ()
    variable: str = ""
    twin_of: str = ""

    @property
    def is_global(self) -> bool:
        """Whether every command on servers and stores reads the flag."""
        return self.commands >= ROOT

    @property
    def names_files(self) -> bool:
        """Whether a shell should complete the value as a file name."""
        return self.kind is Kind.PATH or self.name in ("vault-config-file", "template")

    @property
    def default_text(self) -> str:
        """The default as it would be written on the command line; empty if there is none."""
        match self.default:
            case bool():
                return "true" if self.default else "false"
            case int() if self.kind is Kind.FILE_MODE:
                return f"0{self.default:o}"
            case float():
                return format_duration(self.default)
            case tuple():
                return ",".join(self.default)
            case Mapping():
                return ",".join(f"{key}={value}" for key, value in self.default.items())
            case None:
                return ""
            case _:
                return str(self.default)

    @property
    def description(self) -> str:
        """Help, choices and default in one line."""
        choices = f" ({', '.join(filter(None, self.choices))})" if self.choices else ""
        default = f" [default: {self.default_text}]" if self.default else ""
        return self.help + choices + default

    @property
    def file_twin(self) -> Option:
        """The ``--X-file`` flag of a secret flag ``--X``."""
        return self._replace(
            name=self.name + FILE_SUFFIX,
            kind=Kind.PATH,
            default="",
            help=f"file that holds the value of --{self.name}",
            variable=self.variable + "_FILE",
            twin_of=self.name,
        )


def _text(name: str, help_: str, default: str = "", choices: tuple[str, ...] = ()) -> Option:
    return Option(name, Kind.TEXT, default, help_, choices=choices)


def _path(name: str, help_: str, default: str = "") -> Option:
    return Option(name, Kind.PATH, default, help_)


def _secret(name: str, help_: str) -> Option:
    return Option(name, Kind.SECRET, None, help_)


def _boolean(name: str, help_: str, default: bool = False) -> Option:
    return Option(name, Kind.BOOLEAN, default, help_)


def _integer(name: str, help_: str, default: int) -> Option:
    return Option(name, Kind.INTEGER, default, help_)


def _list(name: str, help_: str, *default: str) -> Option:
    return Option(name, Kind.LIST, default, help_)


def _map(name: str, help_: str, **default: str) -> Option:
    return Option(name, Kind.MAP, default, help_)


def _section(heading: str, *options: Option, commands: frozenset[str] = ROOT) -> Iterator[Option]:
    for option in options:
        variable = option.variable or PREFIX + option.name.upper().replace("-", "_")
        placed = option._replace(section=heading, commands=commands, variable=variable)
        yield placed
        if placed.kind is Kind.SECRET:
            yield placed.file_twin


OPTIONS: tuple[Option, ...] = (
    *_section(
        "Unsealing",
        _boolean("init", "initialise the server if it is not initialised"),
        _boolean("auto", "the server unseals itself: send no keys"),
        _boolean("raft", "integrated storage: initialise the cluster or join it"),
        _text("raft-leader-address", "API address of the server to join"),
        _boolean("raft-secondary", "always join, never initialise"),
        _boolean("raft-ha-storage", "raft is only the HA storage: join after unsealing"),
        _path("raft-leader-ca-cert-file", "CA certificate that the joining server trusts for the leader"),
        _path("raft-leader-client-cert-file", "client certificate of the joining server"),
        _path("raft-leader-client-key-file", "key of the client certificate"),
        _boolean("raft-non-voter", "join without a vote"),
        commands=frozenset({"unseal"}),
    ),
    *_section(
        "Unsealing",
        _list("server-addr", "address of a server; repeat for several; default VAULT_ADDR"),
        commands=frozenset({"unseal", "status", "hsm doctor", "hsm prepare", "hsm purge"}),
    ),
    *_section(
        "Configuration",
        _list("vault-config-file", "configuration files to apply, in this order", "vault-config.yml"),
        _text("state", "where digests are kept: a file, kv:MOUNT/PATH or k8s:[NAMESPACE/]NAME[?key=KEY]"),
        commands=_DOCUMENTS,
    ),
    *_section(
        "Configuration",
        _boolean("fatal", "a configuration that fails ends the process"),
        _boolean("plan", "show what would be done, and do nothing; as the command plan"),
        _boolean("validate", "check the files, without a server"),
        Option("drift-interval", Kind.DURATION, 0.0, "look again after this time; default never"),
        _text("drift", "what is done about changes by others", "correct", choices=("correct", "report")),
        commands=frozenset({"configure"}),
    ),
    *_section(
        "Configuration",
        _path("plan-file", "with a plan: file to save it to; else the plan to apply exactly, or not at all"),
        _integer("parallelism", "requests at the same time", 8),
        _text(
            "write-only-policy",
            "when values are written that a server never shows",
            "changed",
            choices=("changed", "always", "create"),
        ),
        _list("purge-limit", "most deletions of a run, as 10 or as 20%; beyond that nothing is deleted"),
        _list("purge-protect", "what is never deleted, as secrets/NAME or auth/approle; * is anything"),
        _boolean("purge-keep-data", "do not delete mounts with something inside"),
        commands=_APPLYING,
    ),
    *_section(
        "Login",
        _text(
            "auth",
            "how to log in to the server; default is the root token of the key store",
            choices=("", "kubernetes", "approle", "cert", "token-file"),
        ),
        _text("auth-path", "path of the auth method; default is its name"),
        _text("auth-role", "role to log in with, for kubernetes and cert"),
        _path(
            "auth-jwt-file",
            "token of the service account, for kubernetes",
            "/var/run/secrets/kubernetes.io/serviceaccount/token",
        ),
        _text("auth-role-id", "role id, for approle"),
        _secret("auth-secret-id", "secret id, for approle"),
        _path("auth-token-file", "file that a token is read from at each use"),
        commands=_APPLYING,
    ),
    *_section(
        "Initialisation",
        _integer("secret-shares", "number of shares the key is split into, 1 to 255", 5),
        _integer("secret-threshold", "number of shares needed to unseal", 3),
        _boolean("store-root-token", "put the root token into the key store", default=True),
        _boolean("pre-flight-checks", "test the key store before initialising", default=True),
    ),
    *_section(
        "Initialisation",
        _secret("init-root-token", "root token to have after the initialisation, in place of a random one"),
        commands=frozenset({"init", "unseal"}),
    ),
    *_section(
        "Running",
        _boolean("once", "do the work once, then end"),
    ),
    *_section(
        "Running",
        Option("unseal-period", Kind.DURATION, 5.0, "longest pause between two looks at the server"),
        _text("metrics-address", "address the metrics are served on", ":9091"),
        _boolean("disable-metrics", "serve no metrics"),
        commands=frozenset({"unseal", "configure"}),
    ),
    *_section("Key store", _text("mode", "kind of key store", "k8s", choices=MODES), commands=_STORES),
    *_section("Key store: file", _path("file-path", "directory of the key files")),
    *_section(
        "Key store: Kubernetes",
        _text("k8s-secret-namespace", "namespace of the Secret"),
        _text("k8s-secret-name", "name of the Secret"),
        _map("k8s-secret-labels", "labels of the Secret when it is created"),
        commands=_STORES,
    ),
    *_section(
        "Key store: HSM",
        _path("hsm-module-path", "PKCS#11 library, or a p11-kit module file"),
        _text("hsm-uri", "token, key, module and PIN source as a PKCS#11 URI (RFC 7512)"),
        _text("hsm-serial", "serial number of the token"),
        _text("hsm-token-label", "label of the token"),
        _integer("hsm-slot-id", "slot of the token, where nothing else names it", 0),
        _secret("hsm-pin", "user PIN of the token"),
        _boolean("hsm-allow-final-try", "log in even if a wrong PIN would lock the token"),
        _text("hsm-key-label", "label of the key pair", "bank-vaults"),
        _text("hsm-key-id", "CKA_ID of the key pair, hexadecimal, where several have the label"),
        _boolean("hsm-generate-key", "make an RSA key pair if the token has none", default=True),
        _text(
            "hsm-blob-format",
            "how values are stored; auto keeps what is there",
            "auto",
            choices=("auto", "raw", "envelope"),
        ),
        _path(
            "hsm-state-dir", "where refused PINs are remembered; default $STATE_DIRECTORY or the user's state"
        ),
        commands=ROOT | HSM,
    ),
    *_section(
        "Token",
        _boolean("login", "log in with the user PIN: a wrong one costs a try"),
        commands=frozenset({"hsm list", "hsm doctor"}),
    ),
    *_section(
        "Token",
        _text("label", "label that the token gets", "bank-vaults"),
        _secret("so-pin", "SO-PIN of the token; a token that was never initialised gets it"),
        _boolean("new-token", "the token was never initialised: give it a random SO-PIN"),
        _path("so-pin-out", "file to make for a random SO-PIN, in place of showing it on the terminal"),
        commands=frozenset({"hsm prepare"}),
    ),
    *_section(
        "Token",
        _text("destroy-keys", "serial number of the token whose keys may be destroyed"),
        _boolean("force", "destroy keys even while a server says that it is initialised"),
        _boolean("yes", "do not ask"),
        commands=frozenset({"hsm prepare", "hsm purge"}),
    ),
    *_section(
        "Key store: another Vault",
        _text("vault-addr", "address of the Vault that keeps the keys"),
        _text("vault-unseal-keys-path", "path of the keys, for KV version 2 with data/ inside"),
        _text("vault-role", "role to log in with"),
        _text("vault-auth-path", "path of the auth method to log in with"),
        _path("vault-token-path", "file that the token is read from at each use"),
        _secret("vault-token", "token"),
    ),
    *_section(
        "Key store: AWS",
        _list("aws-kms-region", "region of the KMS key, one for each bucket"),
        _list("aws-kms-key-id", "id, ARN or alias of the KMS key, one for each bucket"),
        _map("aws-kms-encryption-context", "encryption context of the KMS key", Tool="bank-vaults"),
        _list("aws-s3-region", "region of the bucket, one for each bucket", "us-east-1"),
        _list("aws-s3-bucket", "S3 buckets"),
        _text("aws-s3-prefix", "prefix of the object names, the same in all buckets"),
        _list("aws-s3-sse-algo", "server-side encryption, one for each bucket: AES256, aws:kms or nothing"),
    ),
    *_section(
        "Key store: Google Cloud",
        _text("google-cloud-kms-project", "project of the KMS key"),
        _text("google-cloud-kms-location", "location of the KMS key"),
        _text("google-cloud-kms-key-ring", "key ring of the KMS key"),
        _text("google-cloud-kms-crypto-key", "name of the KMS key"),
        _text("google-cloud-storage-bucket", "storage bucket"),
        _text("google-cloud-storage-prefix", "prefix of the object names"),
    ),
    *_section(
        "Key store: Azure",
        _text("azure-key-vault-name", "name of the Key Vault"),
        _text("azure-key-vault-prefix", "prefix of the secret names"),
    ),
    *_section(
        "Key store: Oracle Cloud",
        _text("oci-key-ocid", "OCID of the key"),
        _text("oci-cryptographic-endpoint", "cryptographic endpoint of the key's vault"),
        _text("oci-bucket-name", "bucket"),
        _text("oci-bucket-namespace", "namespace of the bucket"),
        _text("oci-bucket-prefix", "prefix of the object names"),
    ),
    *_section(
        "Key store: Alibaba Cloud",
        _text("alibaba-access-key-id", "id of the access key"),
        _secret("alibaba-access-key-secret", "secret of the access key"),
        _text("alibaba-kms-region", "region of the KMS key"),
        _text("alibaba-kms-key-id", "id of the KMS key"),
        _text("alibaba-oss-endpoint", "OSS endpoint"),
        _text("alibaba-oss-bucket", "OSS bucket"),
        _text("alibaba-oss-prefix", "prefix of the object names"),
    ),
    *_section(
        "Templates",
        _list("template", "SRC:DST, a template and the file to write; repeat for several"),
        _text("delims", "left and right delimiter with a colon between", "${:}"),
        _path("file", "file to write if VAULT_LOCAL_CONFIG is set", "/vault/config/vault.json"),
        # BANK_VAULTS_MODE is the kind of key store, for all commands.
        Option("mode", Kind.FILE_MODE, 0o640, "mode of the written files", variable=PREFIX + "FILE_MODE"),
        _boolean("check", "render, and write nothing"),
        commands=frozenset({"template"}),
    ),
    *_section(
        "Templates",
        _text(
            "template-mode",
            "what is a template: the whole text, or each scalar of YAML or JSON on its own",
            "text",
            choices=("text", "scalar"),
        ),
        _list(
            "template-allow",
            "all that templates may read, as env:VAULT_* or file:/etc/tls",
        ),
        _list("template-deny", "what templates may not read or call, as env:*_KEY or function:file"),
        commands=_DOCUMENTS | {"template"},
    ),
    *_section(
        "Output",
        _text("output", "form of the output", "table", choices=("table", "json")),
        commands=HSM | {"configure", "plan", "status", "version"},
    ),
    *_section(
        "Output",
        _text("log-format", "form of the log lines", "text", choices=("text", "json")),
        _text("log-level", "least level that is logged", "info", choices=LEVELS),
        commands=EVERYWHERE,
    ),
)


def read_by(command: str) -> tuple[Option, ...]:
    """The flags that a command reads."""
    return tuple(option for option in OPTIONS if command in option.commands)
