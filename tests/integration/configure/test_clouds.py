"""Auth methods and engines of clouds, where the server carries them: written once, and rotated for real.

What is asked for at write time is answered by moto for AWS, and by a few lines for Cloud Foundry.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import trustme

from tests.support.clouds import moto, service_account
from tests.support.configured import Place
from tests.support.discovery import Provider
from tests.support.faultproxy import FaultProxy

NOWHERE = "http://127.0.0.1:1"
SECRET = "secret-of-a-cloud"
ZERO = "00000000-0000-0000-0000-000000000000"


def carried(place: Place, kind: str) -> set[str]:
    plugins = (place.shown("sys/plugins/catalog") or {})["detailed"]
    return {plugin["name"] for plugin in plugins if plugin["type"] == kind}


def methods(foundry: Provider) -> list[dict[str, Any]]:
    authority = trustme.CA().cert_pem.bytes().decode()
    return [
        {
            "type": "gcp",
            "config": {"credentials": json.dumps(service_account(NOWHERE)), "iam_alias": "unique_id"},
            "roles": [
                {"name": "r", "type": "iam", "bound_service_accounts": "a@b.iam", "token_policies": "a"}
            ],
        },
        {
            "type": "azure",
            "config": {"tenant_id": ZERO, "resource": NOWHERE, "client_id": ZERO, "client_secret": SECRET},
            "roles": [{"name": "r", "bound_subscription_ids": [ZERO], "token_policies": ["a"]}],
        },
        {
            "type": "oci",
            "config": {"home_tenancy_id": "ocid1.tenancy.oc1..a"},
            "roles": [{"name": "r", "ocid_list": "ocid1.group.oc1..a", "token_policies": "a"}],
        },
        {
            "type": "alicloud",
            "roles": [{"name": "r", "arn": "acs:ram::5138828231865461:role/r", "token_policies": "a"}],
        },
        {
            "type": "cf",
            "config": {
                "identity_ca_certificates": authority,
                "cf_api_addr": foundry.url,
                "cf_username": "u",
                "cf_password": SECRET,
            },
            "roles": [{"name": "r", "bound_space_ids": [ZERO], "token_policies": "a"}],
        },
    ]


def engines() -> list[dict[str, Any]]:
    keys = {"access_key": "AKIAEXAMPLE", "secret_key": SECRET}
    return [
        {
            "type": "aws",
            "configuration": {
                "config/root": [{**keys, "region": "eu-west-1", "max_retries": 1}],
                "config/lease": [{"lease": "1h", "lease_max": "2h"}],
                "roles": [
                    {
                        "name": "r",
                        "credential_type": "iam_user",
                        "policy_arns": ["arn:aws:iam::123456789012:policy/x"],
                        "policy_document": '{"Version": "2012-10-17", "Statement": []}',
                    }
                ],
            },
        },
        {
            "type": "azure",
            "configuration": {
                "config": [
                    {
                        "subscription_id": ZERO,
                        "tenant_id": ZERO,
                        "client_id": ZERO,
                        "client_secret": SECRET,
                        "root_password_ttl": "48h",
                    }
                ]
            },
        },
        {
            "type": "gcp",
            "configuration": {"config": [{"credentials": json.dumps(service_account(NOWHERE)), "ttl": "1h"}]},
        },
        {
            "type": "gcpkms",
            "configuration": {
                "config": [{"credentials": json.dumps(service_account(NOWHERE)), "scopes": "cloudkms"}]
            },
        },
        {
            "type": "alicloud",
            "configuration": {
                "config": [keys],
                "role": [{"name": "r", "role_arn": "acs:ram::5138828231865461:role/r"}],
            },
        },
        {
            "type": "consul",
            "configuration": {
                "config": [{"name": "access", "address": "127.0.0.1:1", "token": SECRET}],
                "roles": [{"name": "r", "consul_policies": "a,b", "ttl": "1h"}],
            },
        },
        {
            "type": "nomad",
            "configuration": {
                "config": [
                    {"name": "access", "address": NOWHERE, "token": SECRET, "max_token_name_length": 100},
                    {"name": "lease", "ttl": "1h", "max_ttl": "2h"},
                ],
                "role": [{"name": "r", "policies": "a", "type": "client"}],
            },
        },
        {
            "type": "mongodbatlas",
            "configuration": {
                "config": [{"public_key": "abc", "private_key": SECRET}],
                "roles": [
                    {"name": "r", "organization_id": "x", "roles": "ORG_MEMBER", "ttl": "1h", "max_ttl": "2h"}
                ],
            },
        },
        {
            "type": "terraform",
            "configuration": {
                "config": [{"token": SECRET, "address": NOWHERE}],
                "role": [{"name": "r", "user_id": "user-abc", "ttl": "1h"}],
            },
        },
        {
            "type": "ad",
            "configuration": {
                "config": [
                    {"binddn": "cn=a", "bindpass": SECRET, "url": "ldaps://127.0.0.1:1", "userdn": "dc=x"}
                ]
            },
        },
    ]


@pytest.fixture
def foundry() -> Iterator[Provider]:
    with Provider() as running:
        yield running


def test_what_needs_a_cloud_is_written_once(place: Place, foundry: Provider) -> None:
    auth, secret = carried(place, "auth"), carried(place, "secret")
    given = {
        "auth": [each for each in methods(foundry) if each["type"] in auth],
        "secrets": [each for each in engines() if each["type"] in secret],
    }
    if not given["auth"] and not given["secrets"]:
        pytest.skip("this server has nothing of a cloud built in")
    place.write(given)
    planned, first = place.plan(), place.once("--log-level=debug")
    assert first.code == 0, first.log + first.output
    with FaultProxy(place.server) as proxy:
        second = place.once(address=proxy.address)
        assert (second.code, place.writes(proxy)) == (0, []), second.log + second.output
    place.state.unlink()
    third = place.once()
    assert third.code == 0, third.log + third.output
    with FaultProxy(place.server) as proxy:
        fourth = place.once(address=proxy.address)
        assert (fourth.code, place.writes(proxy)) == (0, []), fourth.log + fourth.output
    text = "".join(done.output + done.log for done in (planned, first, second, third, fourth))
    assert SECRET not in text
    assert "PRIVATE KEY" not in text + place.state.read_text()


@pytest.fixture
def aws() -> Iterator[str]:
    with moto() as address:
        yield address


def test_k8_the_root_credentials_of_aws_are_rotated_once(place: Place, aws: str) -> None:
    if "aws" not in carried(place, "secret"):
        pytest.skip("this server has no aws engine built in")
    own = {"region_name": "eu-west-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
    iam = boto3.client("iam", endpoint_url=aws, **own)
    iam.create_user(UserName="vault")
    key = iam.create_access_key(UserName="vault")["AccessKey"]
    root = {
        "access_key": key["AccessKeyId"],
        "secret_key": key["SecretAccessKey"],
        "region": "eu-west-1",
        "iam_endpoint": aws,
        "sts_endpoint": aws,
        "rotate": True,
    }
    place.write({"secrets": [{"type": "aws", "configuration": {"config/root": [root]}}]})
    with FaultProxy(place.server) as proxy:
        first = place.once("--log-level=debug", address=proxy.address)
        assert first.code == 0, first.log + first.output
        sent = [path for _, path in place.writes(proxy) if path.startswith("aws/")]
    assert sent == ["aws/config/root", "aws/config/rotate-root"]
    (left,) = iam.list_access_keys(UserName="vault")["AccessKeyMetadata"]
    assert left["AccessKeyId"] != key["AccessKeyId"]
    assert (place.shown("aws/config/root") or {})["access_key"] == left["AccessKeyId"]
    with FaultProxy(place.server) as proxy:
        second = place.once(address=proxy.address)
        assert (second.code, place.writes(proxy)) == (0, []), second.log + second.output
    assert key["SecretAccessKey"] not in first.log + first.output + place.state.read_text()
