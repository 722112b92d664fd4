"""API keys are found by their hash, while their time lasts."""

from __future__ import annotations

import hashlib

import pytest

from opscore.aws.api_keys import ApiKey, ApiKeys
from opscore.errors import DependencyFailed
from tests.support.aws import Deployment
from tests.support.memory import ManualClock


def put(deployment: Deployment, key: str, expires_at: int | None = None) -> str:
    digest = hashlib.sha256(key.encode()).hexdigest()
    expiry = {} if expires_at is None else {"expiresAt": {"N": str(expires_at)}}
    deployment.dynamodb.put_item(
        TableName=deployment.table("KeysTable"),
        Item={
            "pk": {"S": f"key#{digest}"},
            "sk": {"S": "key"},
            "scope": {"S": "operator"},
            "name": {"S": "night shift"},
        }
        | expiry,
    )
    return digest


def keys_of(deployment: Deployment, clock: ManualClock) -> ApiKeys:
    return ApiKeys(deployment.dynamodb, deployment.table("KeysTable"), clock)


def test_a_key_is_found_with_its_scope_and_without_its_text(deployment: Deployment) -> None:
    digest = put(deployment, "opscore_secret")

    found = keys_of(deployment, ManualClock()).find("opscore_secret")

    assert found == ApiKey(digest[:12], "night shift", "operator")


@pytest.mark.parametrize("key", ["opscore_other", "", "é", "\ud800", "x" * 100_000])
def test_a_key_that_nobody_knows_is_none(deployment: Deployment, key: str) -> None:
    put(deployment, "opscore_secret")

    assert keys_of(deployment, ManualClock()).find(key) is None


def test_a_key_counts_until_its_time_is_over(deployment: Deployment) -> None:
    clock = ManualClock()
    put(deployment, "opscore_secret", expires_at=clock() // 1000 + 10)
    keys = keys_of(deployment, clock)

    clock.forward(9.999)
    assert keys.find("opscore_secret") is not None
    clock.forward(0.001)
    assert keys.find("opscore_secret") is None


def test_keys_that_cannot_be_looked_up_are_tried_again_later(deployment: Deployment) -> None:
    keys = ApiKeys(deployment.dynamodb, "no-such-table", ManualClock())

    with pytest.raises(DependencyFailed):
        keys.find("opscore_secret")
