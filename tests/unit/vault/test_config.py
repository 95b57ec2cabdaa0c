"""The environment of the client: both prefixes, notes where one wins, errors instead of zero values."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bank_vaults.domain.secrets import Secret
from bank_vaults.vault.config import ClientConfig, ConfigError, from_environment

HTTPS = "https://vault.test:8200"


def config_of(environ: Mapping[str, str]) -> ClientConfig:
    return from_environment(environ)[0]


def notes_of(environ: Mapping[str, str]) -> tuple[str, ...]:
    return from_environment(environ)[1]


def test_without_variables_the_defaults_of_the_go_client_hold() -> None:
    config, notes = from_environment({})
    assert config == ClientConfig()
    assert (config.address, config.timeout, config.max_retries) == ("https://127.0.0.1:8200", 60.0, 2)
    assert notes == ()


@pytest.mark.parametrize("prefix", ["VAULT_", "BAO_"])
def test_each_variable_is_read_under_both_prefixes(prefix: str) -> None:
    values = {
        "ADDR": HTTPS,
        "NAMESPACE": "team/a",
        "TOKEN": "t-secret",
        "CACERT": "/ca.pem",
        "CACERT_BYTES": "PEM",
        "CAPATH": "/cas",
        "CLIENT_CERT": "/c.pem",
        "CLIENT_KEY": "/k.pem",
        "TLS_SERVER_NAME": "name.test",
        "SKIP_VERIFY": "1",
        "CLIENT_TIMEOUT": "1m30s",
        "MAX_RETRIES": "0",
        "RATE_LIMIT": "2.5:20",
        "SRV_LOOKUP": "true",
        "DISABLE_REDIRECTS": "t",
        "PROXY_ADDR": "http://proxy.test:3128",
    }
    assert config_of({prefix + name: value for name, value in values.items()}) == ClientConfig(
        address=HTTPS,
        namespace="team/a",
        token=Secret("t-secret"),
        ca_cert="/ca.pem",
        ca_cert_bytes="PEM",
        ca_path="/cas",
        client_cert="/c.pem",
        client_key="/k.pem",
        tls_server_name="name.test",
        skip_verify=True,
        timeout=90.0,
        max_retries=0,
        rate_limit=(2.5, 20),
        srv_lookup=True,
        disable_redirects=True,
        proxy="http://proxy.test:3128",
    )


def test_bao_wins_where_both_differ_and_a_note_says_so_without_the_values() -> None:
    environ = {"VAULT_TOKEN": "old-secret", "BAO_TOKEN": "new-secret", "VAULT_ADDR": HTTPS, "BAO_ADDR": HTTPS}
    config, notes = from_environment(environ)
    assert config.token == Secret("new-secret")
    assert notes == ("BAO_TOKEN wins over VAULT_TOKEN: both are set and differ",)


def test_an_empty_variable_counts_as_not_set() -> None:
    environ = {"BAO_ADDR": "", "VAULT_ADDR": HTTPS, "VAULT_CLIENT_TIMEOUT": "", "VAULT_SKIP_VERIFY": ""}
    assert from_environment(environ) == (ClientConfig(address=HTTPS), ())


def test_the_agent_wins_over_the_address_and_the_argument_over_both() -> None:
    environ = {"VAULT_AGENT_ADDR": "http://127.0.0.1:8100", "BAO_ADDR": HTTPS}
    config, notes = from_environment(environ)
    assert config.address == "http://127.0.0.1:8100"
    assert notes == ("VAULT_AGENT_ADDR wins over BAO_ADDR: both are set and differ",)
    assert from_environment(environ, address="http://other.test")[0].address == "http://other.test"


@pytest.mark.parametrize(
    "address",
    [HTTPS, "http://127.0.0.1", "https://[::1]:8200/vault", "unix:///run/bao.sock", "HTTPS://v.test"],
)
def test_addresses_that_can_be_used_are_taken(address: str) -> None:
    assert config_of({"VAULT_ADDR": address}).address == address


@pytest.mark.parametrize(
    "address",
    [
        "vault.test:8200",
        "127.0.0.1:8200",
        "ftp://vault.test",
        "https://",
        "https://vault.test:port",
        "https://vault.test:0",
        "https://vault.test:99999",
        "https://user:pa55word@vault.test",
        "https://vault.test/?x=1",
        "https://vault.test/#x",
        " https://vault.test",
        "https://vault.test\n",
        "https://[::1",
        "unix://run/bao.sock",
        "unix:///",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_by_the_name_of_its_variable(address: str) -> None:
    with pytest.raises(ConfigError, match=r"^BAO_ADDR must be like") as caught:
        config_of({"BAO_ADDR": address})
    assert "pa55word" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLIENT_TIMEOUT", "soon"),
        ("CLIENT_TIMEOUT", "-5s"),
        ("CLIENT_TIMEOUT", "0"),
        ("MAX_RETRIES", "-1"),
        ("MAX_RETRIES", "many"),
        ("MAX_RETRIES", "1.5"),
        ("SKIP_VERIFY", "maybe"),
        ("SKIP_VERIFY", "yes"),
        ("DISABLE_REDIRECTS", "2"),
        ("SRV_LOOKUP", "on"),
        ("RATE_LIMIT", "0"),
        ("RATE_LIMIT", "fast"),
        ("RATE_LIMIT", "5:0"),
        ("RATE_LIMIT", "5:1.5"),
        ("RATE_LIMIT", "nan"),
        ("NAMESPACE", "team\n"),
        ("NAMESPACE", "größe"),
        ("TLS_SERVER_NAME", "größe.test"),
        ("PROXY_ADDR", "socks5://proxy.test"),
        ("HTTP_PROXY", "https://proxy.test"),
        ("HTTP_PROXY", "http://proxy.test:port"),
        ("HTTP_PROXY", "http://[proxy"),
    ],
)
@pytest.mark.parametrize("prefix", ["VAULT_", "BAO_"])
def test_a_bad_value_is_an_error_that_names_the_variable_never_a_silent_zero(
    prefix: str, name: str, value: str
) -> None:
    with pytest.raises(ConfigError, match=f"^{prefix}{name}"):
        config_of({prefix + name: value})


@pytest.mark.parametrize(("value", "limit"), [("10", (10.0, 10)), ("0.5", (0.5, 1)), ("3:7", (3.0, 7))])
def test_the_burst_of_the_rate_limit_defaults_to_the_rate(value: str, limit: tuple[float, int]) -> None:
    assert config_of({"VAULT_RATE_LIMIT": value}).rate_limit == limit


@pytest.mark.parametrize(("value", "expected"), [("T", True), ("True", True), ("F", False), ("0", False)])
def test_booleans_are_those_of_go(value: str, expected: bool) -> None:
    assert config_of({"VAULT_DISABLE_REDIRECTS": value}).disable_redirects is expected


@pytest.mark.parametrize(
    ("present", "missing"), [("CLIENT_CERT", "CLIENT_KEY"), ("CLIENT_KEY", "CLIENT_CERT")]
)
def test_a_client_certificate_needs_its_key_and_the_other_way_round(present: str, missing: str) -> None:
    with pytest.raises(ConfigError, match=f"^VAULT_{present} is set, VAULT_{missing} is not"):
        config_of({f"VAULT_{present}": "/file"})


def test_what_weakens_or_is_ignored_is_noted() -> None:
    environ = {"VAULT_ADDR": HTTPS, "BAO_SKIP_VERIFY": "true", "VAULT_WRAP_TTL": "5m"}
    assert notes_of(environ) == (
        "BAO_SKIP_VERIFY is set: the server's certificate is not verified",
        "VAULT_WRAP_TTL is ignored: a wrapped answer would put the keys behind a token that expires",
    )
    assert notes_of({"VAULT_ADDR": "http://v.test", "VAULT_CACERT": "/ca", "BAO_TLS_SERVER_NAME": "v"}) == (
        "VAULT_CACERT, BAO_TLS_SERVER_NAME without effect: the address is http, not https",
    )


def test_srv_lookup_without_dnspython_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"VAULT_SRV_LOOKUP needs .* pip install bank-vaults\[srv\]"):
        config_of({"VAULT_SRV_LOOKUP": "1"})


def test_proxies_win_in_their_order() -> None:
    environ = {"VAULT_ADDR": HTTPS, "https_proxy": "http://fifth", "HTTPS_PROXY": "http://fourth"}
    assert config_of(environ).proxy == "http://fourth"
    environ["VAULT_HTTP_PROXY"] = "http://third"
    assert config_of(environ).proxy == "http://third"
    environ["BAO_PROXY_ADDR"] = "http://first:1"
    assert config_of(environ).proxy == "http://first:1"
    assert (
        config_of({"VAULT_ADDR": HTTPS, "https_proxy": "lower.test:3128"}).proxy == "http://lower.test:3128"
    )


def test_the_standard_proxy_is_that_of_the_scheme_of_the_address() -> None:
    environ = {"HTTP_PROXY": "http://plain.test:1", "HTTPS_PROXY": "http://tls.test:2"}
    assert config_of({**environ, "VAULT_ADDR": "http://vault.test"}).proxy == "http://plain.test:1"
    assert config_of({**environ, "VAULT_ADDR": HTTPS}).proxy == "http://tls.test:2"
    assert config_of({**environ, "VAULT_ADDR": "unix:///run/bao.sock"}).proxy is None


@pytest.mark.parametrize(
    "address",
    ["http://localhost:8200", "http://127.0.0.1:8200", "http://127.8.8.8", "http://[::1]:8200"],
)
def test_loopback_hosts_are_asked_directly_unless_the_proxy_is_ours(address: str) -> None:
    assert config_of({"VAULT_ADDR": address, "HTTP_PROXY": "http://p.test"}).proxy is None
    assert config_of({"VAULT_ADDR": address, "VAULT_HTTP_PROXY": "http://p.test"}).proxy == "http://p.test"


@pytest.mark.parametrize(
    ("host", "no_proxy", "direct"),
    [
        ("vault.test", "vault.test", True),
        ("VAULT.test", "vault.TEST", True),
        ("a.vault.test", "vault.test", True),
        ("a.vault.test", ".vault.test", True),
        ("a.vault.test", "*.vault.test", True),
        ("vault.test", ".vault.test", False),
        ("notvault.test", "vault.test", False),
        ("vault.test", "other.test, vault.test", True),
        ("vault.test", "*", True),
        ("vault.test", "", False),
        ("vault.test", ",", False),
        ("vault.test:8200", "vault.test:8200", True),
        ("vault.test:8200", "vault.test:8201", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "vault.test", False),
        ("[fd00::1]:8200", "fd00::1", True),
        ("[fd00::1]:8200", "[fd00::1]:8200", True),
        ("[fd00::1]", "fd00::/8", True),
    ],
)
@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_no_proxy_means_what_it_means_in_go(variable: str, host: str, no_proxy: str, direct: bool) -> None:
    environ = {"VAULT_ADDR": f"https://{host}", "HTTPS_PROXY": "http://p.test:1", variable: no_proxy}
    assert (config_of(environ).proxy is None) is direct


def test_passwords_and_tokens_never_show() -> None:
    environ = {
        "VAULT_TOKEN": "t0ken",
        "VAULT_PROXY_ADDR": "http://us%40r:pa%3Ass@p.test:1",
        "VAULT_ADDR": HTTPS,
    }
    config, notes = from_environment(environ)
    assert config.proxy_credentials == Secret("us@r:pa:ss")
    for text in (repr(config), str(config), repr(notes)):
        assert "t0ken" not in text
        assert "pa:ss" not in text
        assert "pa%3Ass" not in text
    with pytest.raises(ConfigError) as caught:
        config_of({"VAULT_PROXY_ADDR": "http://user:pa55word@p.test:port"})
    assert "pa55word" not in str(caught.value)
    assert caught.value.__cause__ is None


_NAMES = ["ADDR", "CLIENT_TIMEOUT", "MAX_RETRIES", "RATE_LIMIT", "PROXY_ADDR", "SKIP_VERIFY", "NAMESPACE"]


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from([f"VAULT_{n}" for n in _NAMES] + ["NO_PROXY", "HTTPS_PROXY"]), st.text())
)
def test_any_environment_is_a_configuration_or_a_configerror(environ: dict[str, str]) -> None:
    try:
        config, _ = from_environment(environ)
    except ConfigError:
        return
    assert config.timeout > 0
    assert config.max_retries >= 0
