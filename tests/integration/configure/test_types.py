"""No type of auth method, secrets engine or database that a server carries is left out of these tests."""

from __future__ import annotations

import json
from typing import Any

from bank_vaults.configure.sections import secrets
from bank_vaults.configure.server import Server
from tests.integration.configure import test_clouds
from tests.support.configured import Place
from tests.support.configuring import Applier, configuration_of
from tests.support.discovery import Provider
from tests.support.every_type import ENGINES, methods
from tests.support.faultproxy import FaultProxy

CONNECTIONS: dict[str, dict[str, Any]] = {
    "cassandra-database-plugin": {"hosts": "127.0.0.1", "port": 1, "username": "u", "password": "p"},
    "couchbase-database-plugin": {"hosts": "127.0.0.1", "username": "u", "password": "p"},
    "elasticsearch-database-plugin": {"url": "http://127.0.0.1:1", "username": "u", "password": "p"},
    "influxdb-database-plugin": {"host": "127.0.0.1", "port": 1, "username": "u", "password": "p"},
    "mongodb-database-plugin": {
        "connection_url": "mongodb://{{username}}:{{password}}@127.0.0.1:1/x",
        "username": "u",
        "password": "p",
    },
    "mongodbatlas-database-plugin": {"public_key": "u", "private_key": "p", "project_id": "x"},
    "postgresql-database-plugin": {
        "connection_url": "postgresql://{{username}}:{{password}}@127.0.0.1:1/x",
        "username": "u",
        "password": "p",
    },
    "redis-elasticache-database-plugin": {"url": "127.0.0.1:1", "username": "u", "password": "p"},
    "redis-database-plugin": {"host": "127.0.0.1", "port": 1, "username": "u", "password": "p"},
    "valkey-database-plugin": {"host": "127.0.0.1", "port": 1, "username": "u", "password": "p"},
}
"""Those of other plugins are the one of MySQL."""

OF_LDAP = {"ldap", "openldap"}
"""Engines that are tested with a directory, in ``test_ldap``."""

MYSQL = {"connection_url": "{{username}}:{{password}}@tcp(127.0.0.1:1)/", "username": "u", "password": "p"}


def carried(place: Place | Applier, kind: str) -> list[str]:
    """The types that can be mounted."""
    answer = place.call("GET", "sys/plugins/catalog").body["data"]["detailed"]
    usable = (None, "", "supported", "deprecated")
    return sorted(
        plugin["name"]
        for plugin in answer
        if plugin["type"] == kind and plugin["builtin"] and plugin.get("deprecation_status") in usable
    )


def test_every_type_is_mounted_once_and_purged(place: Place) -> None:
    auth, engines = carried(place, "auth"), carried(place, "secret")
    assert {"approle", "jwt"} <= set(auth)
    assert {"kv", "pki"} <= set(engines)
    place.write(
        {
            "auth": [{"type": kind, "path": f"of/{kind}", "description": "ours"} for kind in auth],
            "secrets": [{"type": kind, "path": f"of/{kind}", "description": "ours"} for kind in engines],
        }
    )
    first = place.once()
    assert first.code == 0, first.log + first.output
    assert {kind for path, kind in place.mounts("auth").items() if path.startswith("of/")} == set(auth)
    assert {kind for path, kind in place.mounts().items() if path.startswith("of/")} == set(engines)
    with FaultProxy(place.server) as proxy:
        second = place.once(address=proxy.address)
        assert (second.code, place.writes(proxy)) == (0, []), second.log + second.output
    place.write("purgeUnmanagedConfig: {enabled: true}")
    purged = place.once()
    assert purged.code == 0, purged.log + purged.output
    assert not [path for path in (*place.mounts(), *place.mounts("auth")) if path.startswith("of/")]


def test_every_database_is_connected_once(applier: Applier) -> None:
    plugins = carried(applier, "database")
    assert "postgresql-database-plugin" in plugins
    connections = [
        {"name": plugin, "plugin_name": plugin, "verify_connection": False, "allowed_roles": "a,b"}
        | CONNECTIONS.get(plugin, MYSQL)
        for plugin in plugins
    ]
    document = {"secrets": [{"type": "database", "configuration": {"config": connections}}]}
    configuration = configuration_of(json.dumps(document))
    applier.apply_twice(secrets.wanted(configuration, Server()))
    assert applier.call("GET", "database/config?list=true").body["data"]["keys"] == plugins


def test_the_configuration_of_every_type_is_tested(applier: Applier) -> None:
    with Provider() as provider:
        auth = {method["type"] for method in (*methods(provider), *test_clouds.methods(provider))}
    engines = {engine.type for engine in configuration_of(ENGINES).secrets}
    engines |= {engine["type"] for engine in test_clouds.engines()} | OF_LDAP
    assert set(carried(applier, "auth")) <= auth | {"pcf"}  # an older name of cf
    assert set(carried(applier, "secret")) <= engines
