"""The promises of mode ``hsm``, proved with the real program on every kind of token there is."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tests.conftest import skip_or_fail
from tests.support.binaries import MissingBinary, ServerKind, all_kinds
from tests.support.program import seal_status, wait_unsealed
from tests.support.servers import Keys, Server, api, initialise
from tests.support.tokens import KEY_ID, PIN, WRONG_PIN, Access, Token, TokenKind, all_tokens
from virtual_nitrokey.card import Work

KEYS = sorted([*(f"vault-unseal-{number}" for number in range(5)), "vault-root"])
OTHER_ID = "20"
PRIVATE_OPERATIONS = (Work.RSA_PRIVATE, Work.EC_AGREE)
PADDINGS = {
    "oaep": padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None),
    "pkcs1": padding.PKCS1v15(),
}


@pytest.fixture(scope="session")
def one_kind() -> ServerKind:
    """The first server there is: to a token they are all the same."""
    return next(kind for kind in all_kinds() if isinstance(kind, ServerKind))


@pytest.fixture
def server(one_kind: ServerKind) -> Iterator[Server]:
    """A running server that is not initialised and keeps its data in memory."""
    with Server(one_kind) as running:
        yield running


@pytest.fixture
def lasting_server(one_kind: ServerKind) -> Iterator[Server]:
    """One that outlives its restart."""
    with Server(one_kind, storage="raft") as running:
        yield running


@pytest.fixture(params=all_tokens(), ids=lambda offer: offer.name, scope="session")
def kind(request: pytest.FixtureRequest) -> TokenKind:
    """Each kind of token in turn. One that is missing skips the test at a desk and fails it in CI."""
    kind: TokenKind | MissingBinary = request.param.kind()
    if isinstance(kind, MissingBinary):
        skip_or_fail(kind)
    return kind


@pytest.fixture
def token(kind: TokenKind, tmp_path: Path) -> Iterator[Token]:
    """A fresh token with a key pair."""
    with kind.lend(tmp_path) as lent:
        yield lent


@pytest.fixture
def rsa_token(kind: TokenKind, token: Token) -> Token:
    """One whose key pair could be that of an older version."""
    if not kind.rsa:
        pytest.skip("older versions knew no other keys than RSA")
    return token


@pytest.fixture
def empty_token(kind: TokenKind, tmp_path: Path) -> Iterator[Token]:
    """A fresh token without a key pair: it does not matter for which one."""
    if not kind.rsa:
        pytest.skip("the same as without a key pair for RSA")
    with kind.lend(tmp_path, keyed=False) as lent:
        yield lent


@pytest.fixture
def locking_token(kind: TokenKind, token: Token) -> Token:
    """One that locks after three wrong PINs."""
    if not kind.locks:
        pytest.skip("this token does not lock after three")
    return token


def unsealed(server: Server) -> bool:
    return seal_status(server)["sealed"] is False


def initialised(token: Token, server: Server, *flags: str) -> None:
    done = token.run("unseal", "--init", "--once", *flags, server=server)
    assert done.code == 0, done.log


def write_as_go_bank_vaults(token: Token, keys: Keys, scheme: str) -> None:
    """The shares, encrypted one by one to the key of the token by another program."""
    public = load_der_public_key(token.read("bank-vaults", "pubkey"))
    assert isinstance(public, RSAPublicKey)
    for number, share in enumerate(keys.shares):
        token.write(f"vault-unseal-{number}", public.encrypt(share.encode(), PADDINGS[scheme]))


def test_a_fresh_server_is_unsealed_and_all_its_keys_and_nothing_else_are_private_on_the_token(
    token: Token, server: Server
) -> None:
    initialised(token, server)
    assert unsealed(server)
    assert token.values() == dict.fromkeys(KEYS, Access(private=True))


def test_a_running_program_unseals_a_restarted_server_with_one_private_operation_at_most(
    token: Token, lasting_server: Server
) -> None:
    with token.program("unseal", "--init", server=lasting_server) as program:
        program.wait_for("vault is unsealed")
        before = token.work(*PRIVATE_OPERATIONS)
        lasting_server.restart()
        wait_unsealed(lasting_server)
        assert token.work(*PRIVATE_OPERATIONS) - before <= 1
        assert program.stop() == 0


def test_a_second_start_unseals_with_one_private_operation_and_makes_neither_keys_nor_values(
    kind: TokenKind, token: Token, lasting_server: Server
) -> None:
    initialised(token, lasting_server)
    values = {name: token.read(name) for name in KEYS}
    lasting_server.restart()
    before = token.work(*PRIVATE_OPERATIONS)
    initialised(token, lasting_server)
    assert unsealed(lasting_server)
    assert token.work(*PRIVATE_OPERATIONS) - before == len(token.sticks)
    assert token.work(Work.RSA_GENERATE, Work.EC_GENERATE) == 0
    assert {name: token.read(name) for name in KEYS} == values


def test_a_key_pair_is_generated_where_there_is_none_and_only_once(
    empty_token: Token, server: Server
) -> None:
    first = empty_token.run("unseal", "--init", "--once", server=server)
    assert first.code == 0, first.log
    assert "generated a key pair with label 'bank-vaults' in HSM" in first.log
    second = empty_token.run("unseal", "--once", server=server)
    assert second.code == 0, second.log
    assert "found objects with label 'bank-vaults' in HSM" in second.log
    assert empty_token.done("--list-objects", "--type", "privkey").count("Private Key Object") == 1


def test_no_key_pair_is_generated_where_the_operator_does_not_want_one(
    empty_token: Token, server: Server
) -> None:
    done = empty_token.run("unseal", "--init", "--once", "--hsm-generate-key=false", server=server)
    assert done.code == 74, done.log
    assert "there is no key pair with label 'bank-vaults' on the token, and none is generated" in done.log
    assert "Private Key" not in empty_token.done("--list-objects", "--type", "privkey")
    assert seal_status(server)["initialized"] is False


def test_two_key_pairs_of_one_label_are_refused_with_their_ids_and_one_is_chosen_by_its_id(
    rsa_token: Token, server: Server
) -> None:
    rsa_token.generate(OTHER_ID)
    done = rsa_token.run("unseal", "--init", "--once", server=server)
    assert done.code == 74, done.log
    assert "2 private keys with label 'bank-vaults'" in done.log
    assert KEY_ID in done.log
    assert OTHER_ID in done.log
    initialised(rsa_token, server, f"--hsm-key-id={OTHER_ID}")


def test_a_wrong_pin_costs_one_try_over_any_number_of_starts_and_the_right_one_works_then(
    kind: TokenKind, token: Token, server: Server
) -> None:
    for _ in range(5):
        done = token.run("unseal", "--init", "--once", server=server, pin=WRONG_PIN)
        assert done.code == 77, done.log
        assert WRONG_PIN not in done.log
    assert "has refused this PIN before, so it is not tried again" in done.log
    if kind.locks:
        assert token.wrong_tries() == 1
    initialised(token, server)


def test_the_last_try_is_used_only_when_a_person_says_so(locking_token: Token, server: Server) -> None:
    token = locking_token
    for _ in range(2):
        assert token.tool("--login", "--pin", WRONG_PIN, "--list-objects").returncode
    assert "final user PIN try" in token.flags()
    refused = token.run("unseal", "--init", "--once", server=server)
    assert refused.code == 77, refused.log
    assert "--hsm-allow-final-try" in refused.log
    assert "final user PIN try" in token.flags()  # a login would have reset it
    initialised(token, server, "--hsm-allow-final-try")


def test_a_locked_token_is_left_alone(locking_token: Token, server: Server) -> None:
    token = locking_token
    for _ in range(3):
        assert token.tool("--login", "--pin", WRONG_PIN, "--list-objects").returncode
    tries = token.wrong_tries()
    done = token.run("unseal", "--init", "--once", "--hsm-allow-final-try", server=server)
    assert done.code == 77, done.log
    assert "is locked: unlock it with its SO-PIN" in done.log
    assert token.wrong_tries() == tries


def test_a_token_is_found_by_serial_number_or_uri_and_its_pin_in_a_file(
    token: Token, server: Server, tmp_path: Path
) -> None:
    (serial,) = token.serials
    file = tmp_path / "pin"
    file.write_text(f"{PIN}\n")
    for choice in (
        ("--hsm-serial", serial, "--hsm-pin-file", str(file)),
        ("--hsm-uri", f"pkcs11:token=bank-vaults;serial={serial}?pin-source=file:{file}"),
    ):
        done = token.run("unseal", "--init", "--once", server=server, pin=None, choice=choice)
        assert done.code == 0, done.log


def test_of_two_tokens_with_one_label_none_is_taken_until_the_serial_number_says_which(
    kind: TokenKind, server: Server, tmp_path: Path
) -> None:
    if not kind.many:
        pytest.skip("all tokens of this kind have one serial number")
    with kind.lend(tmp_path, count=2) as token:
        first, second = token.serials
        done = token.run("unseal", "--init", "--once", server=server)
        assert done.code == 74, done.log
        assert first in done.log
        assert second in done.log
        done = token.run("unseal", "--init", "--once", server=server, choice=("--hsm-serial", second))
        assert done.code == 0, done.log
        assert sorted(token.values(second)) == KEYS
        assert token.values(first) == {}


@pytest.mark.parametrize("scheme", PADDINGS)
def test_values_of_go_bank_vaults_unseal_a_server_that_was_initialised_elsewhere(
    scheme: str, rsa_token: Token, server: Server
) -> None:
    keys = initialise(server, 3, 2)
    write_as_go_bank_vaults(rsa_token, keys, scheme)
    done = rsa_token.run("unseal", "--once", server=server)
    assert done.code == 0, done.log
    assert unsealed(server)


def test_values_that_another_program_puts_onto_the_token_are_found_without_a_restart(
    rsa_token: Token, server: Server
) -> None:
    keys = initialise(server)
    with rsa_token.program("unseal", server=server) as program:
        program.wait_for("the store has 0 usable unseal keys")
        write_as_go_bank_vaults(rsa_token, keys, "oaep")
        wait_unsealed(server)
        assert program.stop() == 0


def test_a_key_put_into_a_store_of_the_older_format_stays_in_it(rsa_token: Token, server: Server) -> None:
    killed = rsa_token.run(
        "unseal",
        "--init",
        "--hsm-blob-format=raw",
        server=server,
        environment={"BANK_VAULTS_FAILPOINT": "init.key-stored:2"},
    )
    assert killed.code == -signal.SIGKILL, killed.log
    initialised(rsa_token, server)
    assert {name: len(rsa_token.read(name)) for name in KEYS} == dict.fromkeys(KEYS, 2048 // 8)


def test_a_value_can_be_deleted_by_its_label_with_any_pkcs11_tool_and_the_others_still_unseal(
    token: Token, server: Server
) -> None:
    initialised(token, server, "--init-root-token=wanted")
    for name in ("vault-unseal-0", "vault-root"):
        token.done("--delete-object", "--type", "data", "--label", name)
    assert sorted(token.values()) == KEYS[2:]
    assert api(server, "PUT", "sys/seal", token="wanted").status == 204
    initialised(token, server)
    assert unsealed(server)
