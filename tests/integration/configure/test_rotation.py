"""Root credentials of a real PostgreSQL are rotated once; the password of the document is never put back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bank_vaults.configure.memory import Memory
from bank_vaults.configure.model import Action, Wanted
from bank_vaults.configure.sections import secrets
from bank_vaults.configure.server import Server
from tests.conftest import skip_or_fail
from tests.support.binaries import MissingBinary
from tests.support.configuring import Applier, RefusedByServerError, configuration_of
from tests.support.postgres import ADMIN, Postgres, find_postgres

PASSWORD = "of the document"
ROTATE = "database/rotate-root/main"
CONFIG = "database/config/main"


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    programs = find_postgres()
    if isinstance(programs, MissingBinary):
        skip_or_fail(programs)
    with Postgres(programs, PASSWORD) as server:
        yield server


def wanted_of(
    postgres: Postgres, *, password: str = PASSWORD, roles: str = "app", more: str = ""
) -> tuple[Wanted, ...]:
    text = f"""
secrets:
  - type: database
    configuration:
      config:
        - {{name: main, plugin_name: postgresql-database-plugin, username: {ADMIN}, password: {password},
           connection_url: "{postgres.url}", allowed_roles: "{roles}", rotate: true {more}}}
      roles:
        - name: app
          db_name: main
          creation_statements: "CREATE ROLE \\"{{{{name}}}}\\" WITH LOGIN PASSWORD '{{{{password}}}}';"
"""
    return secrets.wanted(configuration_of(text), Server())


def sent(applier: Applier) -> list[str]:
    """What was sent to the connection since the last call."""
    paths = [request.path for request in applier.requests if request.path in (CONFIG, ROTATE)]
    applier.requests.clear()
    return paths


def works(applier: Applier) -> bool:
    return applier.call("GET", "database/creds/app").status == 200


def test_k8_it_is_rotated_in_the_run_that_mounts_it_and_never_again(
    applier: Applier, postgres: Postgres
) -> None:
    applier.apply_twice(wanted_of(postgres))
    assert sent(applier) == [CONFIG, ROTATE]
    assert works(applier)
    assert not postgres.can_log_in(ADMIN, PASSWORD)
    applier.memory = Memory.decode(applier.memory.encode())  # another process
    assert not applier.plan(wanted_of(postgres)).todo


def test_k8_a_lost_memory_costs_one_more_rotation_and_no_password_is_put_back(
    applier: Applier, postgres: Postgres
) -> None:
    applier.apply_twice(wanted_of(postgres))
    sent(applier)
    applier.memory = Memory.empty()
    applier.apply_twice(wanted_of(postgres))
    assert sent(applier) == [ROTATE]
    assert works(applier)


@pytest.mark.parametrize("requests", [0, 1, 2])
def test_k8_a_run_killed_on_the_way_is_completed_and_nothing_is_lost(
    applier: Applier, postgres: Postgres, requests: int
) -> None:
    applier.apply(applier.plan(wanted_of(postgres)[:1]))
    (change,) = [each for each in applier.plan(wanted_of(postgres)).changes if each.identity.name == CONFIG]
    applier.memory = applier.memory.with_records({change.identity: change.before})
    for request in change.requests[:requests]:
        assert applier.call(request.method, request.path, request.body).status < 300
    applier.apply_twice(wanted_of(postgres))
    assert sent(applier) == ([CONFIG, ROTATE] if requests == 0 else [ROTATE])
    assert works(applier)


def test_k8_what_else_changes_is_written_without_the_old_password(
    applier: Applier, postgres: Postgres
) -> None:
    applier.apply_twice(wanted_of(postgres))
    sent(applier)
    changed = wanted_of(postgres, roles="app,other", more=", verify_connection: true")
    plan = applier.plan(changed)
    assert PASSWORD not in repr(plan)
    applier.apply_twice(changed)
    assert sent(applier) == [CONFIG]
    assert works(applier)
    assert applier.call("GET", CONFIG).body["data"]["allowed_roles"] == ["app", "other"]


def test_k8_new_credentials_in_the_document_are_written_and_rotated_again(
    applier: Applier, postgres: Postgres
) -> None:
    applier.apply_twice(wanted_of(postgres))
    sent(applier)
    with pytest.raises(RefusedByServerError):  # not the password that the database has
        applier.apply(applier.plan(wanted_of(postgres, password="unknown")))
    assert sent(applier) == [CONFIG]
    assert works(applier)


def test_a_role_waits_for_the_connection_that_it_names(applier: Applier, postgres: Postgres) -> None:
    changes = {change.identity.name: change for change in applier.plan(wanted_of(postgres)).changes}
    assert {each.name for each in changes["database/roles/app"].needs} == {"database", CONFIG}
    assert changes["database/roles/app"].stage > changes[CONFIG].stage
    assert changes[CONFIG].action is Action.CREATE
