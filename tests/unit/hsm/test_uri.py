"""PKCS#11 URIs are read as RFC 7512 says, and nothing else is taken for one."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank_vaults.domain.secrets import Secret
from bank_vaults.hsm.uri import Pkcs11Uri, UriError, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # The examples of RFC 7512, section 3.
        ("pkcs11:", Pkcs11Uri()),
        ("pkcs11:object=my-pubkey;type=public", Pkcs11Uri(object="my-pubkey", type="public")),
        (
            "pkcs11:object=my-key;type=private?pin-source=file:/etc/token",
            Pkcs11Uri(object="my-key", type="private", pin_source="file:/etc/token"),
        ),
        (
            ("pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0;"
            "object=my-certificate;type=cert;id=%69%95%3E%5C%F4%BD%EC%91;serial="),
            Pkcs11Uri(
                token="The Software PKCS#11 Softtoken",
                manufacturer="Snake Oil, Inc.",
                model="1.0",
                object="my-certificate",
                type="cert",
                id=bytes.fromhex("69953e5cf4bdec91"),
                serial="",
            ),
        ),
        (
            ("pkcs11:token=Software%20PKCS%2311%20softtoken;manufacturer=Snake%20Oil,%20Inc."
            "?pin-value=the-pin"),
            Pkcs11Uri(
                token="Software PKCS#11 softtoken",
                manufacturer="Snake Oil, Inc.",
                pin_value=Secret("the-pin"),
            ),
        ),
        ("pkcs11:slot-description=Sun%20Metaslot", Pkcs11Uri(slot_description="Sun Metaslot")),
        (
            ("pkcs11:library-manufacturer=Snake%20Oil,%20Inc.;library-description=Soft%20Token%20Library;"
            "library-version=1.23"),
            Pkcs11Uri(
                library_manufacturer="Snake Oil, Inc.",
                library_description="Soft Token Library",
                library_version="1.23",
            ),
        ),
        ("pkcs11:id=%00%01?module-path=/usr/lib/p.so", Pkcs11Uri(id=b"\0\1", module_path="/usr/lib/p.so")),
        ("pkcs11:slot-id=327", Pkcs11Uri(slot_id=327)),
        ("pkcs11:x-a=1;object=k?x-b=2&module-name=opensc", Pkcs11Uri(object="k", module_name="opensc")),
        ("PKCS11:token=a", Pkcs11Uri(token="a")),
    ],
)  # fmt: skip
def test_a_uri_of_the_rfc_is_read(text: str, expected: Pkcs11Uri) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("http:token=a", "starts with 'pkcs11:'"),
        ("token=a", "starts with 'pkcs11:'"),
        ("pkcs11:token=a;token=b", "token stands twice"),
        ("pkcs11:token", "not one"),
        ("pkcs11:token=a;", "not one"),
        ("pkcs11:=a", "not one"),
        ("pkcs11:token=a b", "percent-encoding"),
        ("pkcs11:token=%zz", "percent-encoding"),
        ("pkcs11:token=ä", "percent-encoding"),
        ("pkcs11:token=%ff", "not UTF-8"),
        ("pkcs11:slot-id=x", "decimal"),
        ("pkcs11:slot-id=-1", "decimal"),
        ("pkcs11:slot-id=" + "9" * 5000, "up to 20 digits"),
        ("pkcs11:type=thing", "none of"),
        ("pkcs11:library-version=a", "1.2"),
        ("pkcs11:pin-value=1234", "after the question mark"),
        ("pkcs11:?token=a", "before the question mark"),
        ("pkcs11:?pin-value=1234&pin-source=/x", "not both"),
    ],
)
def test_what_is_no_uri_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(UriError, match=words) as caught:
        parse(text)
    assert "1234" not in str(caught.value)


def test_the_pin_of_a_uri_is_never_shown() -> None:
    assert "banzai" not in repr(parse("pkcs11:?pin-value=banzai"))


@given(st.text(max_size=60) | st.text(max_size=60).map("pkcs11:".__add__))
def test_any_text_is_a_uri_or_a_uri_error(text: str) -> None:
    try:
        parse(text)
    except UriError:
        return


@given(st.text(min_size=1, max_size=32), st.binary(min_size=1, max_size=20))
def test_any_label_and_id_can_be_written_into_a_uri(label: str, key_id: bytes) -> None:
    escaped = "".join(f"%{byte:02X}" for byte in key_id)
    uri = parse(f"pkcs11:token={quote(label, safe='')};id={escaped}")
    assert (uri.token, uri.id) == (label, key_id)
