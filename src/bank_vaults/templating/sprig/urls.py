"""sprig's ``urlParse`` and ``urlJoin``, with the rules of Go's ``net/url``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from bank_vaults.templating import limits
from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.strconv import quote
from bank_vaults.templating.golang.values import Value, kind_of, octets, text

_ALWAYS: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")
_IN_HOST: Final = _ALWAYS | frozenset(b"!$&'()*+,;=:[]<>\"")
_IN_PATH: Final = _ALWAYS | frozenset(b"$&+,/:;=@")
_IN_FRAGMENT: Final = _ALWAYS | frozenset(b"$&+,/:;=?@!()*")
_IN_USER: Final = _ALWAYS | frozenset(b"$&+,;=")
_OF_USERINFO: Final = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._:~!$&'()*+,;=%@"
)
_LETTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_DIGITS: Final = frozenset("0123456789")
_HEX: Final = frozenset(b"0123456789abcdefABCDEF")


MAX_URL: Final = 1024 * 1024
"""Characters of a URL, or of one of its parts."""


class _Url(NamedTuple):
    """The parts of a URL, unescaped but for the query and what is opaque."""

    scheme: str = ""
    opaque: str = ""
    user: tuple[str, str | None] | None = None
    """Name and password; a password may be missing, and both may be."""
    host: str = ""
    path: str = ""
    query: str = ""
    fragment: str = ""


def _escaped(string: str, plain: frozenset[int]) -> str:
    """Bytes that are not plain as ``%XX``."""
    return "".join(chr(octet) if octet in plain else f"%{octet:02X}" for octet in octets(string))


def _bad_escape(octets_of_it: bytes) -> FunctionError:
    return FunctionError(f"invalid URL escape {quote(text(octets_of_it))}")


def _unescaped(string: str) -> str:
    """``%XX`` resolved. Raises FunctionError."""
    return _resolved(string, lambda _: True, lambda _: True)


def _unescaped_host(string: str) -> str:
    """A host, in which only bytes beyond ASCII and percent signs may be escaped. Raises FunctionError."""
    return _resolved(
        string, lambda octet: octet >= 0x80 or octet == 0x25, lambda octet: octet >= 0x80 or octet in _IN_HOST
    )


def _unescaped_zone(string: str) -> str:
    """The zone of an IPv6 address, in which a host's characters, spaces and percent signs may be escaped."""
    return _resolved(
        string,
        lambda octet: octet in _IN_HOST or octet in b" %",
        lambda octet: octet >= 0x80 or octet in _IN_HOST,
    )


def _resolved(string: str, may_be_escaped: Callable[[int], bool], may_be_plain: Callable[[int], bool]) -> str:
    source = octets(string)
    result = bytearray()
    at = 0
    while at < len(source):
        octet = source[at]
        if octet == 0x25:
            digits = source[at + 1 : at + 3]
            if len(digits) < 2 or not _HEX.issuperset(digits) or not may_be_escaped(int(digits, 16)):
                raise _bad_escape(source[at : at + 3])
            result.append(int(digits, 16))
            at += 3
        elif may_be_plain(octet):
            result.append(octet)
            at += 1
        else:
            raise FunctionError(f"invalid character {quote(chr(octet))} in host name")
    return text(bytes(result))


def _parsed(url: str) -> _Url:
    """Take a URL to pieces. Raises FunctionError with Go's text."""
    front, _, fragment = url.partition("#")
    try:
        parts = _without_fragment(front)
    except FunctionError as error:
        raise FunctionError(f"parse {quote(front)}: {error}") from None
    try:
        return parts._replace(fragment=_unescaped(fragment))
    except FunctionError as error:
        raise FunctionError(f"parse {quote(url)}: {error}") from None


def _without_fragment(url: str) -> _Url:
    if any(each < " " or each == "\x7f" for each in url):
        raise FunctionError("net/url: invalid control character in URL")
    scheme, rest = _scheme(url)
    rest, _, query = rest.partition("?")
    if not rest.startswith("/"):
        if scheme:
            return _Url(scheme, opaque=rest, query=query)
        if ":" in rest.partition("/")[0]:
            raise FunctionError("first path segment in URL cannot contain colon")
    user, host = None, ""
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        authority, slash, rest = rest[2:].partition("/")
        rest = slash + rest
        user, host = _authority(authority, strict=scheme in ("http", "https"))
    return _Url(scheme, "", user, host, _unescaped(rest), query)


def _scheme(url: str) -> tuple[str, str]:
    """The scheme in small letters, and the rest; empty where there is none. Raises FunctionError."""
    for place, each in enumerate(url):
        if each in _LETTERS:
            continue
        if each == ":":
            if place == 0:
                raise FunctionError("missing protocol scheme")
            return url[:place].lower(), url[place + 1 :]
        if place == 0 or (each not in _DIGITS and each not in "+-."):
            break
    return "", url


def _authority(authority: str, *, strict: bool) -> tuple[tuple[str, str | None] | None, str]:
    """User and host; where it is strict, a host has one colon at most. Raises FunctionError."""
    userinfo, at, written = authority.rpartition("@")
    host = _host(written, strict=strict)
    if not at:
        return None, host
    if not _OF_USERINFO.issuperset(userinfo):
        raise FunctionError("net/url: invalid userinfo")
    name, colon, password = userinfo.partition(":")
    return (_unescaped(name), _unescaped(password) if colon else None), host


def _host(host: str, *, strict: bool) -> str:
    bracket = host.rfind("[")
    if bracket > 0:
        raise FunctionError("invalid IP-literal")
    if bracket == 0:
        end = host.rfind("]")
        if end < 0:
            raise FunctionError("missing ']' in host")
        _check_port(host[end + 1 :])
        zone = host.find("%25", 0, end)
        if zone < 0:
            address = _unescaped_host(host[1:end])
        else:
            address = _unescaped_host(host[1:zone]) + _unescaped_zone(host[zone:end])
        _check_ipv6(address)
        return f"[{address}]{host[end + 1 :]}"
    colon = host.find(":") if strict else host.rfind(":")
    if colon >= 0:
        _check_port(host[colon:])
    return _unescaped_host(host)


def _is_port(port: str) -> bool:
    """Whether it is empty, or a colon and digits."""
    return not port or (port[0] == ":" and _DIGITS.issuperset(port[1:]))


def _check_port(port: str) -> None:
    if not _is_port(port):
        raise FunctionError(f"invalid port {quote(port)} after host")


def _check_ipv6(address: str) -> None:
    from ipaddress import IPv6Address, ip_address

    reason = "zone must be a non-empty string" if address.endswith("%") else "unable to parse IP"
    plain, percent, zone = address.partition("%")
    try:
        parsed = ip_address(plain)
    except ValueError:
        parsed = None
        reason = "unable to parse IP"
    if parsed is None or (percent and not zone):
        raise FunctionError(f"invalid host: ParseAddr({quote(address)}): {reason}")
    if not isinstance(parsed, IPv6Address):
        raise FunctionError("invalid IP-literal")


def _hostname(host: str) -> str:
    """The host without port and brackets."""
    colon = host.rfind(":")
    if colon >= 0 and _is_port(host[colon:]):
        host = host[:colon]
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _userinfo(user: tuple[str, str | None] | None) -> str:
    if user is None:
        return ""
    name, password = user
    written = _escaped(name, _IN_USER)
    return written if password is None else f"{written}:{_escaped(password, _IN_USER)}"


def _written(url: _Url) -> str:
    """The URL as a text."""
    result = f"{url.scheme}:" if url.scheme else ""
    if url.opaque:
        result += url.opaque
    else:
        if (url.scheme and url.path) or url.host or url.user is not None:
            result += "//"
        if url.user is not None:
            result += f"{_userinfo(url.user)}@"
        result += _escaped(url.host, _IN_HOST)
        path = "*" if url.path == "*" else _escaped(url.path, _IN_PATH)
        if path and not path.startswith("/") and url.host:
            result += "/"
        if not result and ":" in path.partition("/")[0]:
            result = "./"
        result += path
    if url.query:
        result += f"?{url.query}"
    return result + (f"#{_escaped(url.fragment, _IN_FRAGMENT)}" if url.fragment else "")


def url_parse(url: str) -> dict[str, Value]:
    """The parts of a URL by name. Raises FunctionError."""
    limits.input_of("the URL", len(url), MAX_URL)
    try:
        parts = _parsed(url)
    except FunctionError as error:
        raise FunctionError(f"unable to parse url: {error}") from None
    return {
        "scheme": parts.scheme,
        "host": parts.host,
        "hostname": _hostname(parts.host),
        "path": parts.path,
        "query": parts.query,
        "opaque": parts.opaque,
        "fragment": parts.fragment,
        "userinfo": _userinfo(parts.user),
    }


def url_join(parts: Mapping[str, Value]) -> str:
    """A URL of the parts that ``urlParse`` gives, ``hostname`` aside. Raises FunctionError."""
    url = _Url(
        scheme=_part(parts, "scheme"),
        host=_part(parts, "host"),
        path=_part(parts, "path"),
        query=_part(parts, "query"),
        opaque=_part(parts, "opaque"),
        fragment=_part(parts, "fragment"),
    )
    userinfo = _part(parts, "userinfo")
    if userinfo:
        try:
            url = url._replace(user=_parsed(f"proto://{userinfo}@host").user)
        except FunctionError as error:
            raise FunctionError(f"unable to parse userinfo in dict: {error}") from None
    return _written(url)


def _part(parts: Mapping[str, Value], name: str) -> str:
    value = parts.get(name, "")
    if value is None:
        raise FunctionError("runtime error: invalid memory address or nil pointer dereference")
    if not isinstance(value, str):
        raise FunctionError(f"unable to parse {name} key, must be of type string, but {kind_of(value)} found")
    limits.input_of(f"the {name}", len(value), MAX_URL)
    return value


FUNCTIONS: Final[Mapping[str, Callable[..., Value]]] = {"urlParse": url_parse, "urlJoin": url_join}
