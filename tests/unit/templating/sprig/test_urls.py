"""Promises of the functions for URLs."""

from __future__ import annotations

import pytest

from bank_vaults.templating.errors import FunctionError
from bank_vaults.templating.golang.values import Value
from bank_vaults.templating.sprig.urls import MAX_URL, url_join, url_parse


def test_a_url_has_all_its_parts() -> None:
    assert url_parse("HTTP://u%40x:p%3a@Host:80/a%20b?q=%zz#f%20g") == {
        "scheme": "http",
        "host": "Host:80",
        "hostname": "Host",
        "path": "/a b",
        "query": "q=%zz",
        "opaque": "",
        "fragment": "f g",
        "userinfo": "u%40x:p%3A",
    }


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mailto:a@b", {"scheme": "mailto", "opaque": "a@b"}),
        ("//h/p", {"host": "h", "hostname": "h", "path": "/p"}),
        ("///p", {"path": "///p"}),
        ("a:///p", {"scheme": "a", "path": "/p"}),
        ("?q", {"query": "q"}),
        ("*", {"path": "*"}),
        ("", {}),
        ("h://[::1]:80", {"scheme": "h", "host": "[::1]:80", "hostname": "::1"}),
        ("h://[fe80::1%25en%200]", {"scheme": "h", "host": "[fe80::1%en 0]", "hostname": "fe80::1%en 0"}),
        ("h://%C3%A9", {"scheme": "h", "host": "é", "hostname": "é"}),
        ("h://@h", {"scheme": "h", "host": "h", "hostname": "h"}),
        ("h://u@h", {"scheme": "h", "host": "h", "hostname": "h", "userinfo": "u"}),
        ("h://a:p@b@h:", {"scheme": "h", "host": "h:", "hostname": "h", "userinfo": "a:p%40b"}),
        ("h://a:1,b:2", {"scheme": "h", "host": "a:1,b:2", "hostname": "a:1,b"}),
        ("h:/%ff", {"scheme": "h", "path": "/\udcff"}),
    ],
)
def test_parts_that_a_url_does_not_have_are_empty(url: str, expected: dict[str, str]) -> None:
    assert {name: part for name, part in url_parse(url).items() if part} == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (":a", 'parse ":a": missing protocol scheme'),
        ("1:a", 'parse "1:a": first path segment in URL cannot contain colon'),
        ("a_b:c", 'parse "a_b:c": first path segment in URL cannot contain colon'),
        ("/\x01", r'parse "/\x01": net/url: invalid control character in URL'),
        ("/%zz#f", 'parse "/%zz": invalid URL escape "%zz"'),
        ("/%4", 'parse "/%4": invalid URL escape "%4"'),
        ("/#%zz", 'parse "/#%zz": invalid URL escape "%zz"'),
        ("h://a b", 'parse "h://a b": invalid character " " in host name'),
        ("h://%20", 'parse "h://%20": invalid URL escape "%20"'),
        ("h://h:x", 'parse "h://h:x": invalid port ":x" after host'),
        ("https://a:1,b:2", 'parse "https://a:1,b:2": invalid port ":1,b:2" after host'),
        ("h://[::1]x", 'parse "h://[::1]x": invalid port "x" after host'),
        ("h://[::1", "parse \"h://[::1\": missing ']' in host"),
        ("h://a[::1]", 'parse "h://a[::1]": invalid IP-literal'),
        ("h://[1.2.3.4]", 'parse "h://[1.2.3.4]": invalid IP-literal'),
        ("h://[a]", 'parse "h://[a]": invalid host: ParseAddr("a"): unable to parse IP'),
        (
            "h://[::1%25]",
            'parse "h://[::1%25]": invalid host: ParseAddr("::1%"): zone must be a non-empty string',
        ),
        ("h://[::1%25%2f]", 'parse "h://[::1%25%2f]": invalid URL escape "%2f"'),
        ("h://u p@h", 'parse "h://u p@h": net/url: invalid userinfo'),
        ("h://u%zz@h", 'parse "h://u%zz@h": invalid URL escape "%zz"'),
    ],
)
def test_what_is_no_url_is_refused_in_the_words_of_go(url: str, expected: str) -> None:
    with pytest.raises(FunctionError) as refused:
        url_parse(url)
    assert str(refused.value) == f"unable to parse url: {expected}"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({}, ""),
        (
            {"scheme": "h", "host": "a", "path": "p q", "query": "x=y z", "fragment": "f g"},
            "h://a/p%20q?x=y z#f%20g",
        ),
        ({"scheme": "h", "opaque": "x y", "host": "a"}, "h:x y"),
        ({"scheme": "h"}, "h:"),
        ({"scheme": "h", "path": "/p"}, "h:///p"),
        ({"host": "[fe80::1%en0]"}, "//[fe80::1%25en0]"),
        ({"path": "a:b/c"}, "./a:b/c"),
        ({"path": "*"}, "*"),
        ({"path": "!()*'"}, "%21%28%29%2A%27"),
        ({"fragment": "!()*'\udcff"}, "#!()*%27%FF"),
        ({"userinfo": "u:p:q", "host": "h"}, "//u:p%3Aq@h"),
        ({"userinfo": "u"}, "//u@"),
        ({"userinfo": "u/v"}, ""),
        ({"hostname": "ignored", "other": 5}, ""),
    ],
)
def test_a_url_is_joined_of_its_parts(parts: dict[str, Value], expected: str) -> None:
    assert url_join(parts) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"host": 5}, "unable to parse host key, must be of type string, but int found"),
        ({"path": []}, "unable to parse path key, must be of type string, but slice found"),
        ({"scheme": None}, "runtime error: invalid memory address or nil pointer dereference"),
        (
            {"userinfo": "é"},
            'unable to parse userinfo in dict: parse "proto://é@host": net/url: invalid userinfo',
        ),
    ],
)
def test_parts_that_are_none_are_refused(parts: dict[str, Value], expected: str) -> None:
    with pytest.raises(FunctionError) as refused:
        url_join(parts)
    assert str(refused.value) == expected


def test_a_url_of_great_length_is_refused() -> None:
    with pytest.raises(FunctionError, match=r"^the URL has 1048577 characters, more than 1048576$"):
        url_parse("x" * (MAX_URL + 1))
    with pytest.raises(FunctionError, match=r"^the path has 1048577 characters, more than 1048576$"):
        url_join({"path": "x" * (MAX_URL + 1)})
