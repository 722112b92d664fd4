"""What the deploy step adds to the emulator: routes, the authorizer, expiry, keys and secrets."""

from __future__ import annotations

import stat
from typing import Any

import pytest
import requests

from infra.local.stack import SECRETS, LocalStack

OPEN_ROUTES = {"GET /health", "POST /v1/opscore/internal/agent/notify"}


def test_every_route_but_two_asks_for_a_key(aws: Any) -> None:
    routes = aws.gateway.get_routes(ApiId=aws.outputs["ApiId"])["Items"]
    without = {route["RouteKey"] for route in routes if route["AuthorizationType"] == "NONE"}

    assert len(routes) >= 30
    assert without == OPEN_ROUTES
    assert not [route for route in routes if "ANY" in route["RouteKey"]]


def test_authorizer_is_cached_by_key_and_route(aws: Any) -> None:
    authorizers = aws.gateway.get_authorizers(ApiId=aws.outputs["ApiId"])["Items"]

    assert len(authorizers) == 1
    assert sorted(authorizers[0]["IdentitySource"]) == [
        "$context.routeKey",
        "$request.header.Authorization",
    ]
    assert authorizers[0]["AuthorizerResultTtlInSeconds"] <= 60


def test_request_without_a_key_is_turned_away(base_url: str) -> None:
    answer = requests.get(f"{base_url}/v1/opscore/agents", timeout=35)

    assert answer.status_code == 401
    assert isinstance(answer.json(), dict)


def test_health_needs_no_key(base_url: str) -> None:
    answer = requests.get(f"{base_url}/health", timeout=35)

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("table", ["Agents", "Work", "Workflows", "Keys"])
def test_items_of_every_table_expire(aws: Any, table: str) -> None:
    name = aws.outputs[f"{table}TableName"]
    expiry = aws.dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]

    assert expiry == {"AttributeName": "ttl", "TimeToLiveStatus": "ENABLED"}


def test_webhook_secret_is_the_file_s(aws: Any, stack: LocalStack) -> None:
    stored = aws.secrets.get_secret_value(SecretId=aws.outputs["WebhookSecretId"])

    assert stored["SecretString"] == stack.webhook_secret


@pytest.mark.parametrize("name", SECRETS)
def test_secret_files_are_their_owner_s(stack: LocalStack, name: str) -> None:
    mode = (stack.settings.directory / name).stat().st_mode

    assert stat.S_IMODE(mode) == 0o600


def test_no_key_is_stored(aws: Any, keys: dict[str, str]) -> None:
    table = aws.outputs["KeysTableName"]
    stored = str(list(aws.dynamodb.get_paginator("scan").paginate(TableName=table)))

    assert "key#" in stored
    assert not [key for key in keys.values() if key in stored]
