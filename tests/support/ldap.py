"""An LDAP directory of its own for a test: on loopback, in a temporary directory, gone with the test."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from tests.support.binaries import MissingBinary
from tests.support.ownserver import START_LIMIT, OwnServer

_LIMIT: Final = 30.0  # seconds

SUFFIX: Final = "dc=example,dc=org"
ADMIN: Final = f"cn=admin,{SUFFIX}"
USERS: Final = f"ou=users,{SUFFIX}"
GROUPS: Final = f"ou=groups,{SUFFIX}"


class Programs(NamedTuple):
    """OpenLDAP as Debian has it: outside the path for ordinary users, its back ends as modules."""

    server: Path
    loader: Path
    client: Path
    schema: Path
    modules: Path


def find_openldap() -> Programs | MissingBinary:
    """The programs of the packages ``slapd`` and ``ldap-utils``."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"
    found = [shutil.which(name, path=path) for name in ("slapd", "slapadd", "ldapwhoami")]
    schema, modules = Path("/etc/ldap/schema"), Path("/usr/lib/ldap")
    if None in found or not schema.is_dir() or not modules.is_dir():
        return MissingBinary("slapd", "run scripts/setup")
    server, loader, client = (Path(str(name)) for name in found)
    return Programs(server, loader, client, schema, modules)


class Directory(OwnServer):
    """A running directory; ``ADMIN`` with ``password`` may do everything. Use it as a context manager.

    ``people`` are passwords by user name, ``groups`` the user names of members by group name.
    """

    def __init__(
        self,
        programs: Programs,
        password: str,
        people: Mapping[str, str],
        groups: Mapping[str, Iterable[str]],
    ) -> None:
        super().__init__("bv-ldap-")
        self._programs = programs
        self.password = password
        self._entries = "\n\n".join(_entries(password, people, groups)) + "\n"

    @property
    def url(self) -> str:
        """As servers and clients are told it."""
        return f"ldap://127.0.0.1:{self._port.number}"

    def can_log_in(self, name: str, password: str) -> bool:
        """Whether the directory takes this password of the entry with that name."""
        secret = self._directory / "secret"
        secret.write_text(password)
        answer = subprocess.run(
            [self._programs.client, "-x", "-H", self.url, "-D", name, "-y", secret],
            capture_output=True,
            timeout=_LIMIT,
            check=False,
        )
        return answer.returncode == 0

    def _start(self) -> None:
        (self._directory / "data").mkdir()
        settings = self._directory / "slapd.conf"
        settings.write_text(
            "\n".join(
                (
                    *(f"include {self._programs.schema / name}.schema" for name in _SCHEMAS),
                    f"pidfile {self._directory / 'pid'}",
                    f"modulepath {self._programs.modules}",
                    "moduleload back_mdb",
                    "database mdb",
                    f"suffix {SUFFIX}",
                    f"rootdn {ADMIN}",  # whose password is in its entry, so that it can be changed
                    f"directory {self._directory / 'data'}",
                    "dbnosync",
                    "access to attrs=userPassword by anonymous auth by * none",
                    "access to * by users read by * none",
                )
            )
            + "\n"
        )
        entries = self._directory / "entries.ldif"
        entries.write_text(self._entries)
        subprocess.run(
            [self._programs.loader, "-q", "-f", settings, "-l", entries],
            capture_output=True, timeout=START_LIMIT, check=True,
        )  # fmt: skip
        self._run(
            [self._programs.server, "-d", "0", "-f", settings, "-h", self.url],
            lambda: self.can_log_in(ADMIN, self.password),
        )


_SCHEMAS: Final = ("core", "cosine", "inetorgperson")


def _entries(password: str, people: Mapping[str, str], groups: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """In LDIF, what is above first."""
    yield f"dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example"
    yield (
        f"dn: {ADMIN}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\n"
        f"cn: admin\nuserPassword: {password}"
    )
    for place in (USERS, GROUPS):
        name = place.partition(",")[0].removeprefix("ou=")
        yield f"dn: {place}\nobjectClass: organizationalUnit\nou: {name}"
    for name, secret in people.items():
        yield (
            f"dn: uid={name},{USERS}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name}\nsn: {name}\n"
            f"userPassword: {secret}"
        )
    for name, members in groups.items():
        lines = "\n".join(f"member: uid={member},{USERS}" for member in members)
        yield f"dn: cn={name},{GROUPS}\nobjectClass: groupOfNames\ncn: {name}\n{lines}"
