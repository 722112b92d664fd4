"""API keys: what each scope opens, route by route, and that no answer opens another route."""

from __future__ import annotations

import hashlib
import re
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from infra.local.deploy import store_key
from opscore_cli.keys import make
from tests.e2e.agents import Fleet
from tests.e2e.api import Api, step, workflow

OPEN = {"GET /health", "POST /v1/opscore/internal/agent/notify"}
AGENT = {
    "POST /v1/opscore/agent/{agentId}/state",
    "GET /v1/opscore/agent/{agentId}/state",
    "GET /v1/opscore/agent/{agentId}",
    "GET /v1/opscore/task/{taskId}",
    "POST /v1/opscore/task/{taskId}/complete",
    "POST /v1/opscore/task/{taskId}/fail",
    "POST /v1/opscore/task/{taskId}/heartbeat",
}
ADMIN = {
    "DELETE /v1/opscore/agent/{agentId}",
    "DELETE /v1/opscore/workflow/{workflowId}",
}
REFUSED = {401, 403}


def deployed_routes(aws: Any) -> set[str]:
    routes = aws.gateway.get_routes(ApiId=aws.outputs["ApiId"], MaxResults="500")["Items"]
    return {route["RouteKey"] for route in routes}


def call(api: Api, route: str) -> int:
    """Call a route with ids that nobody has, and a body that nothing takes."""
    method, path = route.split(" ")
    body = b"not json" if method in {"POST", "PUT", "PATCH"} else None
    path = re.sub(r"\{\w+\}", "nobody-here", path)
    return int(api.call(method, path, data=body).status_code)


def test_every_route_but_health_and_the_webhook_asks_for_a_key(api: Api, aws: Any) -> None:
    routes = deployed_routes(aws)
    assert routes >= OPEN | AGENT | ADMIN
    assert len(routes) > 25

    for route in sorted(routes):
        unauthenticated = {call(api.with_key(None), route), call(api.with_key("nobody's"), route)}
        if route == "GET /health":
            assert unauthenticated == {200}
        else:
            # The webhook's own answer to a missing signature is 401 too.
            assert unauthenticated <= REFUSED, route


@pytest.mark.parametrize("scope", ["agent", "operator", "admin"])
def test_each_scope_opens_its_routes_and_no_others(
    scope: str, api: Api, aws: Any, keys: dict[str, str]
) -> None:
    """Admin includes operator, operator includes agent."""
    holder = api.with_key(keys[scope])
    for route in sorted(deployed_routes(aws) - OPEN):
        allowed = route in AGENT or (scope != "agent" and route not in ADMIN) or scope == "admin"
        status = call(holder, route)
        assert (status not in REFUSED) is allowed, (route, status)


def test_answer_for_one_route_opens_no_other(
    api: Api, aws: Any, keys: dict[str, str], fleet: Fleet
) -> None:
    """The authorizer's answer is kept for the pair of key and route, for a minute at most."""
    agent = fleet.add()
    holder = api.with_key(keys["agent"])
    for _ in range(3):
        assert holder.get(f"agent/{agent.agent_id}/state").status_code == 200
        assert holder.get("agents").status_code in REFUSED
        assert holder.delete(f"agent/{agent.agent_id}").status_code in REFUSED
    assert api.get("agents").status_code == 200
    assert api.with_key(None).get(f"agent/{agent.agent_id}/state").status_code in REFUSED

    (authorizer,) = aws.gateway.get_authorizers(ApiId=aws.outputs["ApiId"])["Items"]

    assert set(authorizer["IdentitySource"]) == {
        "$request.header.Authorization",
        "$context.routeKey",
    }
    assert authorizer["AuthorizerResultTtlInSeconds"] <= 60


def test_refusal_on_one_route_closes_no_other(api: Api, keys: dict[str, str], fleet: Fleet) -> None:
    agent = fleet.add()
    holder = api.with_key(keys["agent"])
    for _ in range(3):
        assert holder.get("sessions").status_code in REFUSED
        assert holder.get(f"agent/{agent.agent_id}/state").status_code == 200


def test_agent_key_can_neither_start_sessions_nor_register_agents(
    api: Api, keys: dict[str, str], fleet: Fleet
) -> None:
    agent = fleet.add()
    holder = api.with_key(keys["agent"])
    body = {"workflowDefinition": workflow(step())}

    answers = [
        holder.post(f"agent/{agent.agent_id}/workflow", body),
        holder.post("sessions", body),
        holder.post("task", {"agentId": agent.agent_id}),
        holder.put("agent/new", {"contactEndpoint": "http://x.local/run"}),
        holder.put("workflow/new", workflow(step())),
    ]

    assert {answer.status_code for answer in answers} <= REFUSED
    assert agent.idle_for(0.3)
    assert api.get("agent/new").status_code == 404


@pytest.fixture
def odd_keys(stack: Any, aws: Any) -> dict[str, str]:
    """Keys on record that open nothing: an unknown scope, and one whose time is over."""
    now = datetime.now(UTC)
    unknown = make("superuser", "unknown scope", now, None)  # type: ignore[arg-type]  # as it says
    expired = make("admin", "expired", now, None)
    store_key(stack.cloud, unknown)
    store_key(stack.cloud, expired)
    aws.dynamodb.update_item(
        TableName=aws.outputs["KeysTableName"],
        Key={"pk": {"S": f"key#{expired.digest}"}, "sk": {"S": "key"}},
        UpdateExpression="SET expiresAt = :then",
        ExpressionAttributeValues={":then": {"N": str(int(time.time()) - 1)}},
    )
    return {"unknown": unknown.text, "expired": expired.text}


@pytest.mark.parametrize("which", ["unknown", "expired"])
def test_key_of_an_unknown_scope_or_past_its_time_opens_nothing(
    which: str, api: Api, odd_keys: dict[str, str]
) -> None:
    holder = api.with_key(odd_keys[which])

    assert holder.get("agents").status_code in REFUSED
    assert holder.get("agent/nobody-here/state").status_code in REFUSED


def test_only_a_hash_of_a_key_is_stored(aws: Any, keys: dict[str, str]) -> None:
    pages = aws.dynamodb.get_paginator("scan").paginate(TableName=aws.outputs["KeysTableName"])
    stored = repr([item for page in pages for item in page["Items"]])

    assert hashlib.sha256(keys["operator"].encode()).hexdigest() in stored
    assert not [key for key in keys.values() if key in stored]
