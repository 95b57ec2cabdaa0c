"""A document with a secret that is generated, and the proof that it is neither lost nor made twice."""

from __future__ import annotations

from typing import Any

from tests.support.configured import Place


def document(prefix: str = "", many: int = 5) -> dict[str, Any]:
    """One that generates a secret; ``prefix`` makes another one of it, for the same server.

    It has ``many`` policies and users.
    """
    secret, pki = f"{prefix}secret", f"{prefix}pki"
    root = {
        "name": "exported",
        "common_name": "ca.test",
        "create_only": True,
        "key_type": "ec",  # which takes milliseconds
        "save_to": f"{secret}/data/pki/ca",
    }
    users = [{"username": f"u{number}", "password": f"pass-{number}"} for number in range(many)]
    return {
        "policies": [{"name": f"{prefix}p{number}", "rules": "# nothing"} for number in range(many)],
        "auth": [{"type": "userpass", "path": f"{prefix}userpass", "users": users}],
        "secrets": [
            {"path": secret, "type": "kv", "options": {"version": 2}},
            {
                "path": pki,
                "type": "pki",
                "config": {"max_lease_ttl": "72h"},
                "configuration": {
                    "root/generate": [root],
                    "roles": [{"name": "default", "allow_any_name": True}],
                },
            },
        ],
        "startupSecrets": [{"type": "kv", "path": f"{secret}/data/app", "data": {"data": {"a": "b"}}}],
    }


def assert_generated_once(place: Place, prefix: str = "") -> None:
    """There is one certificate authority, its key is where it was to go, and nothing has a second version."""
    issuers = (place.shown(f"{prefix}pki/issuers?list=true") or {}).get("keys") or []
    assert len(issuers) == 1
    saved = place.shown(f"{prefix}secret/data/pki/ca")
    assert saved is not None
    assert "PRIVATE KEY" in saved["data"]["private_key"]
    assert saved["metadata"]["version"] == 1
    certificate = (place.shown(f"{prefix}pki/cert/ca") or {})["certificate"].strip()
    assert saved["data"]["certificate"].strip() == certificate
    assert place.shown(f"{prefix}secret/data/app")["metadata"]["version"] == 1  # type: ignore[index]
