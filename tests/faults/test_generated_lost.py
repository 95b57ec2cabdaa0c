"""A key was generated and its answer never came: nobody has it, and the next run makes another one in its
place, where nothing depends on it.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from tests.faults.harness import apply_killed_when
from tests.support.binaries import ServerKind
from tests.support.configured import Place
from tests.support.faultproxy import DROP_ANSWER, HOLD, FaultProxy
from tests.support.servers import Server

ROOT, INTERMEDIATE = "root/generate", "intermediate/generate"
REPLACED = "an earlier run has generated it and never got the answer"
LOST = "there is nothing to save"


@pytest.fixture
def place(server_kind: ServerKind, tmp_path: Path) -> Iterator[Place]:
    with Server(server_kind) as server:
        yield Place(server, tmp_path)


@pytest.fixture
def one_place(one_kind: ServerKind, tmp_path: Path) -> Iterator[Place]:
    with Server(one_kind) as server:
        yield Place(server, tmp_path)


def document(option: str, version: int = 2, mount: str = "pki", **fields: Any) -> dict[str, Any]:
    """One that generates a key and saves it to ``kv``."""
    item = {
        "name": "exported",
        "common_name": "ca.test",
        "key_type": "ec",
        "create_only": True,
        "save_to": f"kv/data/{mount}" if version == 2 else f"kv/{mount}",
        **fields,
    }
    return {
        "secrets": [
            {"path": "kv", "type": "kv", "options": {"version": version}},
            {"path": mount, "type": "pki", "configuration": {option: [item]}},
        ]
    }


def killed_at(place: Place, path: str, *, carried_out: bool = True) -> None:
    """Apply, with the program killed when it writes there, which the server gets all the same or does not."""
    code = apply_killed_when(place, lambda seen: seen == path, carried_out=carried_out)
    assert code == -signal.SIGKILL


def inside(place: Place, mount: str = "pki") -> tuple[list[str], list[str], list[str]]:
    """IDs of issuers and keys, and serial numbers of certificates."""
    issuers, keys, certificates = (
        sorted((place.shown(f"{mount}/{name}?list=true") or {}).get("keys") or [])
        for name in ("issuers", "keys", "certs")
    )
    return issuers, keys, certificates


def saved(place: Place, mount: str = "pki") -> dict[str, Any]:
    """What is at ``save_to``, of either version of kv."""
    versioned, plain = place.shown(f"kv/data/{mount}"), place.shown(f"kv/{mount}")
    data: dict[str, Any] = versioned["data"] if versioned else plain or {}
    return data


def public_key(found: x509.Certificate | x509.CertificateSigningRequest | Any) -> bytes:
    encoded: bytes = found.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def assert_saved_key_fits(place: Place, option: str, mount: str = "pki") -> None:
    """It is the only one, and that of the only issuer or of the request for a certificate, if any."""
    data = saved(place, mount)
    key = public_key(load_pem_private_key(data["private_key"].encode(), None))
    issuers, keys, _ = inside(place, mount)
    assert keys == [data["key_id"]]
    if option.endswith("root") or option == ROOT:
        assert issuers == [data["issuer_id"]]
        shown = place.shown(f"{mount}/cert/ca") or {}
        assert key == public_key(x509.load_pem_x509_certificate(shown["certificate"].encode()))
    elif option == INTERMEDIATE:
        assert issuers == []
        assert key == public_key(x509.load_pem_x509_csr(data["csr"].encode()))


def assert_nothing_left(place: Place) -> None:
    with FaultProxy(place.server) as proxy:
        again = place.once(address=proxy.address)
        assert (again.code, place.writes(proxy)) == (0, []), again.log + again.output


@pytest.mark.parametrize("version", [1, 2], ids=["kv v1", "kv v2"])
@pytest.mark.parametrize("option", [ROOT, INTERMEDIATE])
def test_k6_killed_before_the_answer_the_next_run_has_another_key_and_saves_it(
    place: Place, option: str, version: int
) -> None:
    place.write(document(option, version))
    killed_at(place, f"pki/{option}/exported")
    _, (lost,), _ = inside(place)
    planned = place.plan()
    assert (planned.code, REPLACED in planned.output) == (2, True), planned.output
    done = place.once()
    assert done.code == 0, done.log + done.output
    assert inside(place)[1] != [lost]
    assert_saved_key_fits(place, option)
    assert b"PRIVATE KEY" not in place.state.read_bytes()
    assert_nothing_left(place)


@pytest.mark.parametrize("option", [ROOT, "issuers/generate/root", INTERMEDIATE, "keys/generate"])
def test_k6_a_lost_answer_is_made_good_in_the_same_run(place: Place, option: str) -> None:
    place.write(document(option))
    with FaultProxy(place.server) as proxy:
        proxy.on("PUT", f"pki/{option}/exported", DROP_ANSWER)
        done = place.once(address=proxy.address)
        assert done.code == 0, done.log + done.output
        assert proxy.count("PUT", f"pki/{option}/exported") == 2
    assert_saved_key_fits(place, option)
    assert_nothing_left(place)


def test_k6_answers_lost_again_and_again_leave_one_key(one_place: Place) -> None:
    place = one_place
    place.write(document(ROOT))
    for _ in range(3):
        killed_at(place, "pki/root/generate/exported")
    assert place.once().code == 0
    assert_saved_key_fits(place, ROOT)


@pytest.mark.parametrize("carried_out", [False, True], ids=["before the server acts", "before it answers"])
@pytest.mark.parametrize("option", [ROOT, INTERMEDIATE])
def test_k6_killed_at_any_write_of_the_replacement_the_next_run_completes(
    one_place: Place, option: str, carried_out: bool
) -> None:
    place = one_place
    for number in range(1, 9):
        mount = f"pki{number}"
        place.write(document(option, mount=mount))
        killed_at(place, f"{mount}/{option}/exported")
        (issuers, (key,), _) = inside(place, mount)
        wanted = [f"{mount}/issuer/{each}" for each in issuers]
        wanted += [f"{mount}/key/{key}", f"{mount}/{option}/exported", f"kv/data/{mount}"]
        if number > len(wanted):
            break
        killed_at(place, wanted[number - 1], carried_out=carried_out)
        done = place.once()
        assert done.code == 0, f"killed at {wanted[number - 1]}: {done.log}{done.output}"
        assert_saved_key_fits(place, option, mount)
        assert_nothing_left(place)
    assert number == len(wanted) + 1


def sign(place: Place) -> None:
    """Have the lost certificate authority issue a certificate that is stored."""
    csr = (place.call("PUT", "other/intermediate/generate/internal", {"common_name": "x"}).body["data"])[
        "csr"
    ]
    answer = place.call("PUT", "pki/root/sign-intermediate", {"csr": csr, "common_name": "x"})
    assert answer.status == 200, answer


def role(place: Place) -> None:
    """Make it possible that certificates were issued that are on no list."""
    body = {"allow_any_name": True, "no_store": True}
    assert place.call("PUT", "pki/roles/quick", body).status < 300


def another(place: Place) -> None:
    """Make another certificate authority."""
    assert place.call("PUT", "pki/root/generate/internal", {"common_name": "mine"}).status == 200


def use(place: Place) -> None:
    """Make another issuer with the lost key."""
    body = {"common_name": "mine", "key_ref": "default"}
    assert place.call("PUT", "pki/root/generate/existing", body).status == 200


def take(place: Place) -> None:
    """Put something at the place that it was to be saved to."""
    assert place.call("PUT", "kv/data/pki", {"data": {"mine": "1"}}).status == 200


@pytest.mark.parametrize(
    ("meanwhile", "words"),
    [
        (sign, "something else in pki was made, issued or removed since"),
        (role, "the role quick may have issued certificates that are on no list"),
        (another, "something else in pki was made, issued or removed since"),
        (use, "another issuer has its key"),
        (take, "there is something at kv/data/pki already"),
    ],
)
def test_k6_what_something_may_depend_on_is_told_and_not_touched(
    place: Place, meanwhile: Any, words: str
) -> None:
    place.write(document(ROOT))
    killed_at(place, "pki/root/generate/exported")
    place.call("POST", "sys/mounts/other", {"type": "pki"})
    meanwhile(place)
    before = inside(place)
    with FaultProxy(place.server) as proxy:
        refused = place.once(address=proxy.address)
        assert (refused.code, place.writes(proxy)) == (1, [])
    assert words in refused.output
    assert inside(place) == before


def test_k6_what_was_there_before_is_not_touched(place: Place) -> None:
    whole = document(ROOT)
    configuration = whole["secrets"][1]["configuration"]
    configuration[ROOT].insert(0, {"name": "internal", "common_name": "first.test", "key_type": "ec"})
    place.write(whole)
    killed_at(place, "pki/root/generate/exported")
    first = (place.shown("pki/issuer/default") or {})["issuer_id"]
    issuers, _, certificates = inside(place)
    assert len(issuers) == len(certificates) == 2
    done = place.once()
    assert done.code == 0, done.log + done.output
    assert set(inside(place)[0]) == {first, saved(place)["issuer_id"]}
    assert len(inside(place)[1]) == 2
    assert (place.shown("pki/issuer/default") or {})["issuer_id"] == first
    assert_nothing_left(place)


@pytest.mark.parametrize("option", [ROOT, INTERMEDIATE])
def test_k6_what_somebody_made_instead_is_not_touched(place: Place, option: str) -> None:
    place.write(document(option))
    killed_at(place, f"pki/{option}/exported", carried_out=False)
    body = {"common_name": "ca.test", "key_type": "ec"}
    assert place.call("PUT", f"pki/{option}/internal", body).status == 200
    before = inside(place)
    refused = place.once()
    assert (refused.code, LOST in refused.output) == (1, True), refused.output
    assert inside(place) == before


def test_k6_a_request_that_comes_late_makes_nothing_twice(one_place: Place) -> None:
    place = one_place
    place.write(document(ROOT))
    path = "pki/root/generate/exported"
    with FaultProxy(place.server) as proxy:
        proxy.on("PUT", path, HOLD)
        with place.program(address=proxy.address) as program:
            proxy.wait_for("PUT", path)
            program.signal(signal.SIGKILL)
            program.wait()
        done = place.once()
        assert done.code == 0, done.log + done.output
        proxy.let_go()
    assert_saved_key_fits(place, ROOT)


def test_k6_a_name_that_the_document_gives_proves_nothing(one_place: Place) -> None:
    place = one_place
    place.write(document(ROOT, key_name="mine"))
    killed_at(place, "pki/root/generate/exported")
    before = inside(place)
    refused = place.once()
    assert (refused.code, LOST in refused.output) == (1, True), refused.output
    assert inside(place) == before


@pytest.mark.parametrize(
    ("engine", "path"),
    [
        (
            {"type": "ssh", "configuration": {"config": [{"name": "ca", "generate_signing_key": True}]}},
            "ssh/config/ca",
        ),
        ({"type": "transit", "configuration": {"keys": [{"name": "k"}]}}, "transit/keys/k"),
    ],
)
def test_k6_what_the_server_shows_is_saved_although_the_answer_was_lost(
    place: Place, engine: dict[str, Any], path: str
) -> None:
    whole = document(ROOT)
    ((option, (item,)),) = engine["configuration"].items()
    engine = {**engine, "configuration": {option: [{**item, "save_to": "kv/data/public"}]}}
    place.write({"secrets": [whole["secrets"][0], engine]})
    killed_at(place, path)
    shown = place.shown(path)
    done = place.once()
    assert done.code == 0, done.log + done.output
    assert saved(place, "public") == shown == place.shown(path)
    assert_nothing_left(place)


def test_k6_what_is_told_once_and_cannot_be_told_from_others_is_an_error(one_place: Place) -> None:
    place = one_place
    item = {
        "name": "k",
        "generate": True,
        "exported": True,
        "issuer": "i",
        "account_name": "a",
        "save_to": "kv/data/code",
    }
    engine = {"type": "totp", "configuration": {"keys": [item]}}
    place.write({"secrets": [document(ROOT)["secrets"][0], engine]})
    killed_at(place, "totp/keys/k")
    with FaultProxy(place.server) as proxy:
        refused = place.once(address=proxy.address)
        assert (refused.code, place.writes(proxy)) == (1, [])
    assert LOST in refused.output
