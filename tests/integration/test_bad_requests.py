"""Whatever is wrong with a request, on every route of template.yaml: 4xx with what is wrong and a
stable code, never 5xx, and nothing is changed.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from moto.dynamodb.models import dynamodb_backends

from tests.e2e.bad_requests import BODIES
from tests.support import events
from tests.support.aws import PARAMETERS, Template
from tests.support.events import ACCOUNT, API, REGION
from tests.support.world import World, is_silent, worlds

VALID: dict[str, dict[str, Any]] = {
    "PUT agent/{agentId}": {
        "contactEndpoint": "http://a.test/run",
        "agentName": "A",
        "version": "1",
        "capabilities": ["work"],
        "metadata": {},
        "maxConcurrency": 2,
        "transport": "direct",
    },
    "POST agent/{agentId}/state": {
        "agentId": "known",
        "timestamp": "2026-01-01T00:00:00Z",
        "state": "idle",
        "details": {},
    },
    "POST agent/{agentId}/quarantine": {"reason": "why"},
    "POST agent/{agentId}/release": {},
    "POST quarantines": {"reason": "why", "capability": "rare", "agentId": None, "version": None},
    "POST quarantines/release": {"version": "9", "capability": None, "agentId": None},
    "POST internal/agent/notify": {"event_type": "REGISTER", "agent_details": {}},
    "POST agent/{agentId}/workflow": {"workflowDefinitionId": "wf", "initialPayload": {}},
    "POST sessions": {
        "workflowDefinitionId": "wf",
        "workflowDefinition": None,
        "initialPayload": {},
    },
    "PATCH session/{sessionId}": {"metadata": {"a": 1}, "status": "paused"},
    "POST session/{sessionId}/cancel": {"cleanup": False},
    "POST session/{sessionId}/pause": {},
    "POST session/{sessionId}/resume": {},
    "POST session/{sessionId}/rerun": {"fromTask": "a", "workflowVersion": 1, "dryRun": True},
    "POST session/{sessionId}/signal": {"name": "go", "payload": 1, "signalId": "s"},
    "POST task": {
        "agentCapability": "work",
        "agentId": None,
        "name": "n",
        "parameters": {},
        "timeout": 5,
        "waitTimeout": 5,
        "heartbeat": 5,
        "priority": 5,
        "maxRetries": 1,
    },
    "POST task/{taskId}/complete": {"agentId": "other", "result": 1},
    "POST task/{taskId}/fail": {"agentId": "other", "errorCode": "E", "message": "m"},
    "POST task/{taskId}/heartbeat": {"agentId": "other"},
    "POST approval/{taskId}/approve": {"comment": "c", "by": "b"},
    "POST approval/{taskId}/reject": {"comment": "c", "by": "b"},
    "POST dead-letter/{deadLetterId}/replay": {
        "agentId": "a",
        "agentCapability": None,
        "workflowVersion": 1,
        "dryRun": True,
    },
    "POST dead-letters/replay": {
        "workflowId": "wf",
        "capability": "work",
        "error": "Undelivered",
        "since": "2026-01-01T00:00:00Z",
        "until": "2026-01-01T00:00:00Z",
        "all": False,
        "limit": 5,
        "cursor": None,
        "dryRun": True,
    },
    "POST dead-letter/{deadLetterId}/discard": {"reason": "why"},
    "PUT policy/{kind}": {
        "maxConcurrent": 5,
        "ratePerSecond": 5,
        "burst": 5,
        "reason": "why",
    },
    "POST policy/{kind}/pause": {"reason": "why"},
    "POST policy/{kind}/resume": {"reason": "why"},
    "PUT workflow/{workflowId}": {
        "id": "wf",
        "name": "W",
        "tasks": [],
        "input": {},
        "timeout": 5,
        "onFailure": [],
        "defaults": {},
    },
    "POST workflows/validate": {"id": "wf", "name": "W", "tasks": []},
}
"""A body with every field for each route that takes one, or is posted to."""

QUERIES = {
    "agents": ("state", "capability", "condition", "limit", "cursor"),
    "agent/{agentId}/state/history": ("limit", "cursor"),
    "quarantines": ("past", "limit", "cursor"),
    "sessions": ("status", "workflowId", "agentId", "limit", "cursor"),
    "tasks": ("limit", "cursor"),
    "approvals": ("workflowId", "sessionId", "limit", "cursor"),
    "dead-letters": (
        *("workflowId", "capability", "error", "state", "since", "until"),
        *("limit", "cursor"),
    ),
    "dead-letters/groups": ("workflowId", "capability", "error", "since", "until", "cursor"),
    "policies": ("kind", "limit", "cursor"),
    "policy/{kind}": ("name",),
    "workflows": ("limit", "cursor"),
    "workflow/{workflowId}": ("version",),
    "workflow/{workflowId}/versions": ("limit", "cursor"),
}
"""What is looked at of the query, for each route that reads it."""

WITHOUT_QUERY = {
    "/health",
    "agent/{agentId}",
    "agent/{agentId}/state",
    "session/{sessionId}",
    "session/{sessionId}/tasks",
    "task/{taskId}",
    "dead-letter/{deadLetterId}",
    "dead-letter/{deadLetterId}/compare/{otherId}",
    "workflows/schema",
}
FREE = {
    "POST session/{sessionId}/pause",
    "POST session/{sessionId}/resume",
    "POST agent/{agentId}/release",
}
"""Routes that take no body, and don't look at one."""
OPTIONAL = {f"POST {path}" for path in (
    "session/{sessionId}/cancel", "session/{sessionId}/rerun", "policy/{kind}/pause",
    "policy/{kind}/resume", "approval/{taskId}/approve", "approval/{taskId}/reject",
    "task/{taskId}/heartbeat", "dead-letter/{deadLetterId}/replay",
    "task/{taskId}/complete", "task/{taskId}/fail",
)}  # fmt: skip
"""Routes that may come without a body."""

ODD: tuple[Any, ...] = (
    True,
    -1,
    10**30,
    "",
    "x" * 5000,
    "a#b",
    "a\0b",
    [],
    [1],
    {"": 1},
    "9999-12-31T23:59:59-23:59",
)
ODD_TEXTS = ("", "0", "-1", "9" * 5000, "x" * 5000, "a#b", "a\0b", "9999-12-31T23:59:59-23:59")
NO_IDS = ("", "x" * 129, "a/b", "a#b", "a\0b", "a\nb")
NOTHINGS = ("\N{GRINNING FACE}", "..", "nobody", "task_x.-1")
"""Ids that could be."""


@dataclass(frozen=True)
class Route:
    """One route of the API. `at`: method and path without what all paths begin with."""

    function: str
    method: str
    path: str

    @property
    def at(self) -> str:
        return f"{self.method} {self.path.removeprefix(f'{API}/')}"

    @property
    def names(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)


def routes() -> list[Route]:
    """Every route of template.yaml."""
    functions = Template(PARAMETERS).resources("AWS::Serverless::Function").values()
    return [
        Route(properties["Handler"].split(".")[1], event["Properties"]["Method"], path)
        for properties in functions
        for event in properties.get("Events", {}).values()
        if event["Type"] == "HttpApi" and (path := event["Properties"]["Path"])
    ]


ROUTES = {route.at: route for route in routes()}
WRITES = [at for at, route in ROUTES.items() if route.method in {"POST", "PUT", "PATCH"}]


@dataclass(frozen=True)
class Known:
    """A world, and ids of what is in it, by their names in paths."""

    world: World
    ids: dict[str, str]

    def send(self, route: Route, ids: dict[str, str], **more: Any) -> tuple[int, dict[str, Any]]:
        """Send a request; `raw`: bytes as body, as they are."""
        raw = more.pop("raw", None)
        more["query"] = ({"name": "work"} if "{kind}" in route.path else {}) | more.get("query", {})
        event = events.http(route.method, route.path, **more) | {"pathParameters": ids}
        # As API Gateway does: what stands in the path is decoded already.
        event["rawPath"] = re.sub(r"{\w+}", "x", route.path)
        event["requestContext"]["http"]["path"] = event["rawPath"]
        if raw is not None:
            event |= {"body": base64.b64encode(raw).decode(), "isBase64Encoded": True}
        answer = self.world.invoke(route.function, event)
        return int(answer["statusCode"]), json.loads(answer["body"])

    def its_ids(self, route: Route) -> dict[str, str]:
        """The ids of what there is, for the route's path."""
        return {name: self.ids[name] for name in route.names}


@pytest.fixture(scope="module")
def known() -> Iterator[Known]:
    with worlds() as found:
        world = found.make()
        world.agent("known", "work", behaves=is_silent)
        template = {"id": "wf", "name": "W", "tasks": [{"taskId": "a", "agentCapability": "work"}]}
        world.request("workflow_api", events.workflow(template))
        session = world.request("session_api", events.trigger("wf"))
        assert session is not None
        world.settle()
        (delivery,) = world.deliveries
        ids = {
            "agentId": "known",
            "sessionId": session["sessionId"],
            "taskId": delivery.reference,
            "workflowId": "wf",
            "kind": "capability",
            "deadLetterId": "none",
            "otherId": "none",
        }
        yield Known(world, ids)


def items() -> dict[str, str]:
    """Everything that the tables hold."""
    tables = dynamodb_backends[ACCOUNT][REGION].tables
    return {
        f"{name} {first} {key}": json.dumps(item.to_json(), sort_keys=True)
        for name, table in tables.items()
        for first, group in table.items.items()
        for key, item in (group.items() if isinstance(group, dict) else [("", group)])
    }


def assert_told(status: int, body: dict[str, Any], about: Any) -> None:
    assert 400 <= status < 500, (about, status, body)
    assert body["detail"], about
    assert isinstance(body["code"], str), about


def test_every_route_is_attacked_here() -> None:
    assert set(WRITES) == set(VALID)
    reads = {at.removeprefix("GET ") for at in ROUTES if at.startswith("GET ")}
    assert reads == set(QUERIES) | WITHOUT_QUERY


@pytest.mark.parametrize("at", [at for at, route in ROUTES.items() if route.names])
def test_ids_of_nothing_find_nothing(known: Known, at: str) -> None:
    route = ROUTES[at]
    before = items()

    for odd in NO_IDS if at == "PUT agent/{agentId}" else (*NO_IDS, *NOTHINGS):
        answer = known.send(route, dict.fromkeys(route.names, odd), body=VALID.get(at))
        if answer[0] >= 300:
            assert_told(*answer, odd)

    assert items() == before


@pytest.mark.parametrize("at", [at for at in WRITES if at not in FREE])
def test_what_is_no_body_is_refused(known: Known, at: str) -> None:
    route = ROUTES[at]
    before = items()

    for what, raw in BODIES.items():
        if raw or at not in OPTIONAL:
            status, body = known.send(route, known.its_ids(route), raw=raw)
            if at == "POST workflows/validate":
                assert (status, body["valid"]) == (200, False), what
            else:
                assert_told(status, body, what)

    assert items() == before


@pytest.mark.parametrize("at", [at for at in WRITES if VALID[at]])
def test_no_odd_field_is_a_fault_of_ours(known: Known, at: str) -> None:
    route, valid = ROUTES[at], VALID[at]

    for field in valid:
        for odd in ODD:
            body = {name: value for name, value in valid.items() if value is not None}
            status, answer = known.send(route, known.its_ids(route), body=body | {field: odd})
            if status >= 300:
                assert_told(status, answer, (field, odd))


@pytest.mark.parametrize("path", QUERIES)
def test_no_odd_query_is_a_fault_of_ours(known: Known, path: str) -> None:
    route = ROUTES[f"GET {path}"]

    for name in QUERIES[path]:
        for odd in ODD_TEXTS:
            status, answer = known.send(route, known.its_ids(route), query={name: odd})
            if status >= 300:
                assert_told(status, answer, (name, odd))
