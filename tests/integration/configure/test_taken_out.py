"""K-1 on real servers: a right that is taken out of a file is not in force any longer, over restarts too."""

from __future__ import annotations

from tests.support.configured import Place
from tests.support.faultproxy import FaultProxy

DOCUMENT = """
auth:
  - type: approle
    roles:
      - name: app
        bind_secret_id: true
        token_ttl: 1h
        token_policies: admin
        token_type: batch
  - type: userpass
    users:
      - username: one
        password: of-a-user
        token_policies: [admin]
  - type: token
    roles:
      - name: made
        token_explicit_max_ttl: 1h
        allowed_policies: [admin]
        orphan: true
secrets:
  - type: pki
    configuration:
      roles:
        - name: web
          allowed_domains: example
          allow_localhost: true
          allow_any_name: true
  - type: ssh
    configuration:
      roles:
        - name: people
          key_type: ca
          allow_user_certificates: true
          allowed_users: "*"
  - type: database
    configuration:
      config:
        - name: main
          plugin_name: postgresql-database-plugin
          connection_url: "postgresql://{{username}}:{{password}}@127.0.0.1:1/x"
          username: u
          password: p
          verify_connection: false
          allowed_roles: [admin]
groups:
  - name: all
    type: internal
    policies: [admin]
"""
TAKEN_OUT = (
    "token_policies",
    "token_type",
    "allowed_policies",
    "orphan",
    "allow_localhost",
    "allow_any_name",
    "allowed_users",
    "allowed_roles",
    "policies",
)


def test_k1_a_right_that_is_taken_out_of_a_file_is_taken_back(place: Place) -> None:
    place.write(DOCUMENT)
    first = place.once()
    assert first.code == 0, first.log + first.output
    kept = [line for line in DOCUMENT.splitlines() if line.strip().partition(":")[0] not in TAKEN_OUT]
    place.write("\n".join(kept))
    planned = place.plan()
    assert planned.code == 2, planned.log
    for sentence in (
        "~ auth role approle/app: token_policies, token_type: no longer in the document",
        '    token_policies: ["admin"] -> null',
        "~ secrets item pki/roles/web: allow_localhost, allow_any_name: no longer in the document",
        "~ groups group all: policies: no longer in the document",
    ):
        assert sentence in planned.output, planned.output
    done = place.once()
    assert done.code == 0, done.log + done.output
    for path, field, value in (
        ("auth/approle/role/app", "token_policies", None),
        ("auth/approle/role/app", "token_type", "default"),
        ("auth/approle/role/app", "bind_secret_id", True),
        ("auth/userpass/users/one", "token_policies", None),
        ("auth/token/roles/made", "allowed_policies", None),
        ("auth/token/roles/made", "orphan", False),
        ("pki/roles/web", "allow_any_name", False),
        ("pki/roles/web", "allow_localhost", True),
        ("ssh/roles/people", "allowed_users", None),
        ("database/config/main", "allowed_roles", None),
        ("identity/group/name/all", "policies", None),
    ):
        shown = (place.shown(path) or {})[field]
        assert (shown or None) == (value or None), (path, field, shown)
    with FaultProxy(place.server) as proxy:
        again = place.once(address=proxy.address)
        assert (again.code, place.writes(proxy)) == (0, []), again.log + again.output


def test_k19_the_last_role_is_deleted_where_the_list_stays_as_an_empty_one(place: Place) -> None:
    purge = "purgeUnmanagedConfig: {enabled: true, within: true}"
    roles = """
auth: [{type: approle, roles: [{name: last}]}, {type: userpass, users: [{username: u, password: of-a-user}]}]
secrets: [{type: pki, configuration: {roles: [{name: last}]}}]
"""
    place.write(purge + roles)
    assert place.once().code == 0
    left = roles.replace("[{name: last}]", "[]").replace(", users: [{username: u, password: of-a-user}]", "")
    place.write(purge + left)
    done = place.once()
    assert done.code == 0, done.log + done.output
    assert place.shown("auth/approle/role/last") is None
    assert place.shown("pki/roles/last") is None
    assert place.shown("auth/userpass/users/u") is not None
    assert place.plan().code == 0
