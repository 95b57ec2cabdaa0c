"""What a try to generate a key has left in a pki engine, when its answer has never come.

The private key was in that answer, so nobody has it and nobody ever will. What the try has left may go, if
it is certain that it is of this try and that nothing depends on it:

- the key was given a name that nobody else gives (``key_name``), remembered before the request. So it is
  known again, what others have made meanwhile is not taken for it, and a request that was only late is
  refused by the server once there is a key of that name;
- a digest of the issuers, keys and certificates that were there right before is remembered with it. What is
  there now beside the key, its issuer and the certificate of that has to be the same: nothing was issued;
- there is no role that issues certificates without storing them, for these are on no list.

Some uses leave no trace on a server: ``root/sign-self-issued``, which takes ``sudo``, a second request for a
certificate with the same key (``generate/existing``), and a role that stored nothing and is gone by now.

Source: what OpenBao 2.6 and 2.7 answer. A key that an issuer has cannot be deleted, so issuers go first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from bank_vaults.configure.model import Digest, Fields, Record, Request, Shown, Trace
from bank_vaults.configure.server import UnreadableError, infos, keys, read, text

_NAME: Final = "key_name"

_MAKES_ISSUER: Final = {
    "root/generate": True,
    "issuers/generate/root": True,
    "intermediate/generate": False,
    "issuers/generate/intermediate": False,
    "keys/generate": False,
}
"""By where in the engine a key is generated: whether there is an issuer with it then."""

_NEW_KEY: Final = frozenset({"exported", "internal"})
"""Ways to generate with which the key is a new one, in the engine."""

_NO_SUCH_PATH: Final = "unsupported path"


class Left(NamedTuple):
    """What an earlier try has left: how it is removed, or why it cannot be."""

    removal: tuple[Request, ...] = ()
    fault: str = ""


def trace_of(mount: str, path: str, fields: Fields) -> Trace | None:
    """How what a request to a pki engine generates is known again; None where it cannot be."""
    place, _, way = path.removeprefix(f"{mount}/").rpartition("/")
    if place not in _MAKES_ISSUER or way not in _NEW_KEY or fields.get(_NAME):
        return None
    return Trace(mount, _MAKES_ISSUER[place])


def reads(trace: Trace) -> tuple[str, ...]:
    """What may be asked for here. Roles are read one by one."""
    lists = (_issuers(trace), _keys(trace), _certificates(trace), _roles(trace), _expressions(trace))
    return (*lists, _role(trace, "*"))


def removes(trace: Trace) -> tuple[str, ...]:
    """Where something may be deleted."""
    return f"{trace.mount}/issuer/*", f"{trace.mount}/key/*"


def after(trace: Trace, record: Record) -> Trace:
    """With what the last try has remembered; as it is where that could not be told from others."""
    match record.done:
        case (_, mark, tries) if tries.isdecimal():
            return trace._replace(mark=mark, tries=int(tries))
    return trace


def begun(
    trace: Trace, record: Record, mark: str, shown: Callable[[str], Shown], digest: Digest
) -> tuple[Record, Fields]:
    """What to remember of a try right before its request, and what to add to that. ``mark`` is a new name,
    for the first try. Raises what ``shown`` raises.
    """
    mark = trace.mark or mark
    try:
        before = _inside(trace, shown).without(mark).digest(digest)
    except UnreadableError:
        before = ""  # a later run can prove nothing then, which is no reason not to go on
    done = (*record.done, mark, str(trace.tries + 1))
    return record._replace(shown=before, done=done), {_NAME: mark}


def left(trace: Trace, record: Record, shown: Callable[[str], Shown], digest: Digest) -> Left:
    """What is to be removed of an earlier try, before there is another one."""
    if not trace.mark:
        return Left(fault="its key cannot be told from others")
    try:
        return _left(trace, record, shown, digest)
    except UnreadableError as error:
        return Left(fault=str(error))


def _left(trace: Trace, record: Record, shown: Callable[[str], Shown], digest: Digest) -> Left:
    now = _inside(trace, shown)
    others = now.without(trace.mark)
    issuers = [name for name in now.issuers if name not in others.issuers]
    own = {now.issuers[name].serial for name in issuers}
    # The certificate of an earlier try was there before the last one, also if its issuer still is.
    remaining = (others, others._replace(certificates=now.certificates - own))
    if record.shown not in [each.digest(digest) for each in remaining]:
        return Left(fault=f"something else in {trace.mount} was made, issued or removed since")
    if len(issuers) > trace.makes_issuer:
        return Left(fault="another issuer has its key")
    if others.issuers and any(now.issuers[name].is_default for name in issuers):
        return Left(fault="it is the default issuer among others")
    if issuers and (role := next(_unlisted(trace, shown), "")):
        return Left(fault=f"the role {role} may have issued certificates that are on no list")
    gone = [f"issuer/{name}" for name in issuers]
    gone += [f"key/{name}" for name in now.keys if name not in others.keys]
    return Left(tuple(Request("DELETE", f"{trace.mount}/{each}") for each in gone))


class _Issuer(NamedTuple):
    key: str
    serial: str
    is_default: bool


class _Inside(NamedTuple):
    """What is in an engine."""

    issuers: Mapping[str, _Issuer]
    keys: Mapping[str, str]
    """Their names."""
    certificates: frozenset[str]
    """All that were ever stored, also those of issuers that are gone."""

    def without(self, mark: str) -> _Inside:
        """Without the key of that name and issuers that have it."""
        left = {key: name for key, name in self.keys.items() if name != mark}
        marked = self.keys.keys() - left.keys()
        issuers = {name: issuer for name, issuer in self.issuers.items() if issuer.key not in marked}
        return _Inside(issuers, left, self.certificates)

    def digest(self, digest: Digest) -> str:
        return digest([sorted(self.issuers), sorted(self.keys), sorted(self.certificates)])


def _inside(trace: Trace, shown: Callable[[str], Shown]) -> _Inside:
    """Raises UnreadableError."""
    path = _issuers(trace)
    issuers = {
        name: _Issuer(
            text(info, "key_id", path), text(info, "serial_number", path), bool(info.get("is_default"))
        )
        for name, info in _told(shown, path).items()
    }
    path = _keys(trace)
    names = {name: text(info, "key_name", path) for name, info in _told(shown, path).items()}
    return _Inside(issuers, names, frozenset(keys(shown, _certificates(trace))))


def _told(shown: Callable[[str], Shown], path: str) -> Mapping[str, Mapping[str, Any]]:
    """What a list tells of all of its entries. Raises UnreadableError."""
    found = infos(shown, path)
    if found.keys() != set(keys(shown, path)):
        raise UnreadableError(path, "it does not tell of every entry")
    return found


def _unlisted(trace: Trace, shown: Callable[[str], Shown]) -> Iterator[str]:
    """Roles whose certificates are on no list. Raises UnreadableError."""
    for name in keys(shown, _roles(trace)):
        if (read(shown, _role(trace, name)) or {}).get("no_store"):
            yield name
    path = _expressions(trace)
    if _NO_SUCH_PATH not in shown(path).problem:
        yield from keys(shown, path)


def _issuers(trace: Trace) -> str:
    return f"{trace.mount}/issuers?list=true"


def _keys(trace: Trace) -> str:
    return f"{trace.mount}/keys?list=true"


def _certificates(trace: Trace) -> str:
    return f"{trace.mount}/certs?list=true"


def _roles(trace: Trace) -> str:
    return f"{trace.mount}/roles?list=true"


def _role(trace: Trace, name: str) -> str:
    return f"{trace.mount}/roles/{name}"


def _expressions(trace: Trace) -> str:
    """Roles of OpenBao that decide by themselves what is stored."""
    return f"{trace.mount}/cel/roles?list=true"
