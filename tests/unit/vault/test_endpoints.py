"""Addresses taken apart without urllib, whose import takes too long, and never otherwise than by it."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bank_vaults.vault.client import _target
from bank_vaults.vault.endpoints import ConfigError, Endpoint, _split, parse_address, parse_proxy

_PORTS = {"http": 80, "https": 443}
_SCHEMES = st.sampled_from(["http://", "https://", "HTTP://", "unix://", "ftp://", "http:", "//", "://", ""])
_PIECES = st.sampled_from(
    ["h", "Vault.test", "[fd00::1]", "[::1%eth0]", "[", "]", ":", "@", "/", "//", "?", "#"]
)
_NUMBERS = st.integers(-1, 70000).map(str) | st.sampled_from(
    ["", "08200", "8_0", "+80", "²", "٣", "9" * 5000]
)
_TEXTS = st.text(max_size=5) | st.characters(max_codepoint=0x7F)
_ADDRESSES = st.builds(
    "".join, st.tuples(_SCHEMES, st.lists(st.one_of(_PIECES, _NUMBERS, _TEXTS), max_size=7).map("".join))
)


@settings(deadline=None, max_examples=300)
@given(_ADDRESSES)
def test_an_address_is_refused_or_means_what_it_means_to_urllib(text: str) -> None:
    try:
        endpoint = parse_address(text, "X")
    except ConfigError:
        return
    url = urlsplit(text)
    if endpoint.scheme == "unix":
        assert endpoint == Endpoint("unix", text[len("unix://") :], 0)
        return
    port = url.port or _PORTS[url.scheme]
    assert endpoint == Endpoint(
        url.scheme, url.hostname or "", port, url.path.rstrip("/"), url.port is not None
    )
    assert parse_address(str(endpoint), "X")[:3] == endpoint[:3]


@settings(deadline=None, max_examples=300)
@given(st.one_of(_ADDRESSES, st.lists(st.one_of(_PIECES, _NUMBERS, _TEXTS), max_size=7).map("".join)))
def test_a_proxy_is_refused_or_means_what_it_means_to_urllib(text: str) -> None:
    try:
        endpoint, credentials = parse_proxy(text, "X")
    except ConfigError:
        return
    url = urlsplit(text if "://" in text else f"http://{text}")
    assert endpoint == Endpoint("http", url.hostname or "", url.port or 80)
    assert (credentials is None) is (url.username is None)


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("http://h", ""),
        ("http://h/", ""),
        ("http://h/a/b//", "/a/b"),
        ("http://h//", ""),
        ("http://h:/a", "/a"),
    ],
)
def test_a_path_has_no_slash_at_its_end(text: str, base: str) -> None:
    assert parse_address(text, "X") == Endpoint("http", "h", 80, base, explicit_port=False)


@pytest.mark.parametrize(
    "text", ["unix://h/s", "unix://:1/s", "unix://u@/s", "unix:/s", "unix:s", "unix:///s?x"]
)
def test_a_socket_has_a_path_and_nothing_else(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_address(text, "X")


def test_the_name_of_a_network_device_keeps_its_case() -> None:
    assert parse_address("https://[FE80::1%Eth0]:8200", "X").host == "fe80::1%Eth0"


@pytest.mark.parametrize(
    "host",
    [
        "[]",
        "[::1",
        "[::1]x",
        "[::1]]",
        "[h]",
        "[h:1]",
        "[127.0.0.1]",
        "[::1%]",
        "[::1%a%b]",
        "[::\udcff]",
        "h]",
        "[@h",
    ],
)
def test_brackets_hold_an_ipv6_address_and_nothing_else(host: str) -> None:
    for parse in (parse_address, parse_proxy):
        with pytest.raises(ConfigError):
            parse(f"http://{host}:1", "X")


def test_an_address_in_parts_shows_no_password() -> None:
    assert "pa55" not in repr(_split("http://user:pa55@h:1/p"))


@settings(deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_paths_are_quoted_as_urllib_quotes_them(path: str) -> None:
    name, question, query = path.partition("?")
    safe = "/!$&'()*+,;=:@~"
    target = f"/v1/{quote(name.lstrip('/'), safe=safe)}{question}{quote(query, safe=safe + '?%')}"
    assert _target(path) == (name, target)
