"""Sticks that come and go, a pcscd that comes and goes, a second client, and a card that is busy."""

from __future__ import annotations

import re
import threading

from tests.integration.virtual_nitrokey.bench import KEYPAIR, LABEL, LOGIN, SERIAL, Bench, Prepared
from tests.integration.virtual_nitrokey.client import Client
from tests.integration.virtual_nitrokey.conftest import SetUp
from tests.support.opensc import OpenSC
from virtual_nitrokey.card import Work
from virtual_nitrokey.pcscd import Reader
from virtual_nitrokey.timing import Profile

READER = Reader(SERIAL).name
PATIENCE = 60.0  # seconds, for what takes a few


def recovers(client: Client) -> bool:
    """Whether a client that begins anew, without a new process, can use the key."""
    client.call("reinitialize")
    client.log_in()
    return bool(client.call("sign", label=LABEL, data="00"))


def test_a_stick_that_is_pulled_is_gone_and_works_again_when_it_is_back(keyed: Bench) -> None:
    with Client(keyed) as client:
        client.log_in()
        assert client.call("readers") == [READER]
        keyed.rig.remove()
        keyed.rig.settle()
        assert client.call("readers") == []
        assert client.error("sign", label=LABEL, data="00") == "SessionHandleInvalid"
        assert client.error("token") == "StopIteration"
        keyed.rig.insert()
        keyed.rig.settle()
        assert client.error("sign", label=LABEL, data="00") == "SessionHandleInvalid"
        assert recovers(client)


def test_a_stick_that_was_out_while_nobody_looked_has_forgotten_who_was_logged_in(keyed: Bench) -> None:
    with Client(keyed) as client:
        client.log_in()
        keyed.rig.remove()
        keyed.rig.settle()
        keyed.rig.insert()
        keyed.rig.settle()
        assert client.error("sign", label=LABEL, data="00") == "DeviceRemoved"
        assert keyed.rig.stick().card.counters.pins_right == 1
        assert recovers(client)


def test_a_reset_by_another_process_ends_the_login_and_the_selection(keyed: Bench) -> None:
    def state_of_the_pin() -> str:
        asked = keyed.done("opensc-tool", "--card-driver", "default", "--send-apdu", "00200081")
        answer = re.search(r"SW1=0x(..), SW2=0x(..)", asked)
        assert answer is not None
        return answer[1] + answer[2]

    with Client(keyed) as client:  # keeps the card under power
        client.log_in()
        assert state_of_the_pin() == "9000"
        keyed.done("opensc-tool", "--card-driver", "default", "--reset")
        assert state_of_the_pin() == "6D00"


def test_a_pcscd_that_was_restarted_ends_a_session_and_the_next_one_works(keyed: Bench) -> None:
    with Client(keyed) as client:
        client.log_in()
        keyed.rig.restart_pcscd()
        assert client.error("sign", label=LABEL, data="00") == "GeneralError"
        assert recovers(client)
    keyed.done("pkcs11-tool", "--list-objects", *LOGIN)


def test_the_stick_is_found_by_a_client_that_was_there_before_pcscd(
    set_up: SetUp, prepared: Prepared
) -> None:
    bench = set_up(prepared.with_key, start=False)
    with Client(bench) as client:
        assert client.call("readers") == []
        bench.rig.start()
        assert client.call("readers") == [READER]
        client.log_in()
        assert client.call("sign", label=LABEL, data="00")


def test_two_clients_use_one_stick_in_turns(keyed: Bench) -> None:
    with Client(keyed) as one, Client(keyed) as other:
        one.log_in()
        other.log_in()
        signatures = {client.call("sign", label=LABEL, data="00") for client in (one, other) * 3}
        assert len(signatures) == 1
        one.call("close")
        assert other.call("sign", label=LABEL, data="00") in signatures


def test_a_long_generation_of_a_key_passes_while_a_second_client_waits(
    set_up: SetUp, prepared: Prepared, opensc: OpenSC, system_opensc: OpenSC
) -> None:
    begun = threading.Event()

    def seconds(work: Work, _bits: int) -> float:
        if work is not Work.RSA_GENERATE:
            return 0.0
        begun.set()
        return 20.0

    # As long as on a real card once, with the system's OpenSC; else as long as five of pcscd's looks at it.
    scale = 1.0 if opensc == system_opensc else 0.1
    bench = set_up(prepared.initialised, profile=Profile("slow keys", seconds), time_scale=scale)
    with Client(bench) as client:
        client.log_in()
        generated = client.start("generate_rsa", label="slow", bits=2048)
        assert begun.wait(PATIENCE)
        assert bench.rig.stick().card.counters.work[Work.RSA_GENERATE] == 0
        bench.done("opensc-tool", "--name")
        assert bench.rig.stick().card.counters.work[Work.RSA_GENERATE] == 1
        generated()
    # pcscd looks at the card as before: it notices when it goes and when it comes.
    bench.rig.remove()
    bench.rig.settle()
    bench.rig.insert()
    bench.rig.settle()
    assert bench.labels(*LOGIN) == [("Private Key Object", "slow"), ("Public Key Object", "slow")]


def test_a_stick_that_is_pulled_while_it_makes_a_key_has_made_none(initialised: Bench) -> None:
    before = initialised.rig.stick().card.image
    initialised.fault("generate remove")
    assert initialised.refused("pkcs11-tool", *KEYPAIR, "rsa:2048")
    assert initialised.rig.stick().card.image == before
    initialised.rig.insert()
    initialised.rig.settle()
    initialised.done("pkcs11-tool", *KEYPAIR, "rsa:2048")
