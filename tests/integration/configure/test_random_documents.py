"""plan(apply(plan)) is empty, whatever the document says and whatever others have left on the server."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bank_vaults.configure import assembly
from bank_vaults.configure.model import Action
from bank_vaults.configure.plan import Plan
from bank_vaults.configure.server import FACTS, facts
from tests.support.configuring import Applier, configuration_of

NAMES = ["a", "team-b", "c_1"]
DURATIONS = st.sampled_from(["90s", "10m", "1.5h", 300, "2h45m", "1d"])
WORDS = st.text("abc XYZ09,.:-é€", max_size=12).map(str.strip)
CAPABILITIES = st.lists(
    st.sampled_from(["create", "read", "update", "delete", "list"]), min_size=1, unique=True
)
POLICY_NAMES = st.lists(st.sampled_from(["a", "team-b", "default", "elsewhere"]), unique=True)


def members(**optional: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A map with any of these members."""
    return st.fixed_dictionaries({}, optional=optional)


def named(body: st.SearchStrategy[dict[str, Any]], member: str = "name") -> st.SearchStrategy[list[Any]]:
    """Up to three of them, of different names."""
    bodies = st.dictionaries(st.sampled_from(NAMES), body, max_size=3)
    return bodies.map(lambda found: [{member: name, **each} for name, each in found.items()])


RULES = 'path "secret/{}" {{ capabilities = {} }}'
POLICIES = named(
    st.builds(
        lambda capabilities, path: {"rules": RULES.format(path, json.dumps(capabilities))},
        CAPABILITIES,
        st.sampled_from(["*", "data/app", "+/x"]),
    )
)  # fmt: skip
ROLES = named(
    members(
        token_policies=POLICY_NAMES | POLICY_NAMES.map(",".join),
        token_ttl=DURATIONS,
        token_max_ttl=st.just("48h"),
        secret_id_ttl=DURATIONS,
        secret_id_num_uses=st.integers(0, 40),
        bind_secret_id=st.sampled_from([True, "true"]),
        token_type=st.sampled_from(["default", "service"]),
    )
)
USERS = named(
    st.builds(
        lambda password, more: {"password": password, **more},
        st.sampled_from(["first-password", "other-password"]),
        members(token_policies=POLICY_NAMES, token_ttl=DURATIONS),
    )
)
TUNED = members(
    description=WORDS, config=members(default_lease_ttl=DURATIONS, max_lease_ttl=st.just("72h"))
)  # fmt: skip
KEYS = named(members(type=st.just("aes256-gcm96"), auto_rotate_period=st.sampled_from(["1h", "0", "720h"])))
GROUPS = named(
    members(policies=POLICY_NAMES, metadata=st.just({"org": "x"})).map(
        lambda more: {"type": "internal", **more}
    )
)
SECRETS = st.dictionaries(st.sampled_from(["USER", "PASSWORD", "é"]), WORDS | st.integers(), min_size=1)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A document of sections and members as they come; the version of a kv engine is always the same."""
    kv = [
        {"type": "kv", "path": f"kv/{name}", "options": {"version": 1 + number % 2}, **draw(TUNED)}
        for number, name in enumerate(NAMES)
        if draw(st.booleans())
    ]
    stored = [
        {"type": "kv", "path": engine["path"] + ("/data" * (engine["options"]["version"] - 1)) + "/app",
         "data": {"data": draw(SECRETS)}}
        for engine in kv
        if draw(st.booleans())
    ]  # fmt: skip
    transit = [{"type": "transit", "configuration": {"keys": draw(KEYS)}}] if draw(st.booleans()) else []
    return {
        "policies": draw(POLICIES),
        "auth": [
            {"type": "approle", **draw(members(description=WORDS)), "roles": draw(ROLES)},
            {"type": "userpass", "path": "people/all", "users": draw(USERS)},
        ],
        "groups": draw(GROUPS),
        "secrets": kv + transit,
        "startupSecrets": stored,
    }


def apply(applier: Applier, document: dict[str, Any]) -> Plan:
    """The second plan; every part of the first one has to be possible."""
    server = facts({path: applier.shown(path) for path in FACTS}.__getitem__, {})
    configuration = configuration_of(json.dumps(document))

    def source(*_: Any) -> Any:
        raise AssertionError("no Kubernetes Secret is asked for")

    wanted = assembly.wanted(configuration, server, source, applier.memory)
    applier.apply(applier.plan(wanted))
    return applier.plan(wanted)


def test_a_second_plan_is_empty(applier: Applier) -> None:
    # One server for all: each document is applied over what those before it have left there.
    @settings(
        max_examples=25,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(documents())
    def check(document: dict[str, Any]) -> None:
        left = apply(applier, document)
        assert {change.action for change in left.changes} <= {Action.KEEP}, [
            (str(change.identity), change.reason, change.differences) for change in left.todo
        ]

    check()
