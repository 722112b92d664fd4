"""Requests that are odd rather than wrong, and everything that nobody has thought of."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.e2e.agents import fresh
from tests.e2e.api import PREFIX, Api
from tests.e2e.bad_requests import KIB, WORDS, WRITES, report
from tests.e2e.gateway import Webhook
from tests.e2e.known import Known


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/octet-stream", "multipart/form-data", "", "é", "application/json"],
)
def test_body_is_read_as_json_whatever_its_type_says(
    content_type: str, api: Api, known: Known
) -> None:
    """Binary types come encoded from API Gateway; what they hold is the same."""
    body = report(agentId=known.agent.agent_id, timestamp="2020-01-01T00:00:00Z")
    headers = {"Content-Type": content_type.encode()}

    answer = api.call(
        "POST", known.fill("agent/{agent}/state"), data=json.dumps(body), headers=headers
    )

    assert answer.status_code == 202


def test_of_duplicate_keys_the_last_counts(api: Api, known: Known) -> None:
    raw = (
        '{{"agentId": "other", "agentId": "{}", "timestamp": "2020-01-01T00:00:00Z", "state": "a"}}'
    )

    answer = api.post(known.fill("agent/{agent}/state"), data=raw.format(known.agent.agent_id))

    assert answer.status_code == 202


def test_endless_reference_in_a_report_names_nothing(api: Api, known: Known) -> None:
    """Free details are the agent's own; what looks like a task's id must not break the report."""
    for reference in ("a." + "9" * 5000, "." * 100, "a.-1", "a.٣", "a.1.2", "\0.1", "a.1e3"):
        body = report(
            agentId=known.agent.agent_id,
            timestamp="2020-01-01T00:00:00Z",
            details={"opscore_task_id": reference},
        )
        answer = api.post(known.fill("agent/{agent}/state"), body)
        assert answer.status_code == 202, (reference, answer.text)
        unknown = fresh("unknown")
        early = api.post(f"agent/{unknown}/state", {**body, "agentId": unknown})
        assert early.status_code == 404, (reference, early.text)


def test_metadata_can_t_grow_beyond_its_limit_by_small_updates(api: Api, known: Known) -> None:
    path = known.fill("session/{session}")
    first = api.patch(path, {"metadata": {"a": "x" * 60 * KIB}})
    before = api.read(path)["metadata"]

    answer = api.patch(path, {"metadata": {"b": "x" * 60 * KIB}})

    assert first.status_code == 200
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert api.read(path)["metadata"] == before
    assert api.patch(path, {"metadata": {"a": None}}).status_code == 200


def test_webhook_s_body_over_the_limit_is_413(webhook: Webhook) -> None:
    answer = webhook.register(fresh("large"), metadata={"a": "x" * 300 * KIB})

    assert answer.status_code == 413


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Large": "x" * 9 * KIB},
        {"Authorization": "Bearer " + "x" * 9 * KIB},
        {f"X-Many-{n}": "x" for n in range(90)},
        {"X-Endless": "x" * 70 * KIB},
    ],
    ids=["large", "large key", "many", "endless"],
)
def test_huge_headers_are_no_error_of_ours(headers: dict[str, str], api: Api) -> None:
    status, body = api.raw("GET", f"{PREFIX}agents", headers)

    assert status < 500
    assert isinstance(json.loads(body), dict)


@pytest.mark.parametrize(
    "request_line",
    [
        "GET /v1/opscore/nothing-here",
        "GET /",
        "GET /v1/opscore/agents/",
        "PATCH /v1/opscore/agents",
        "DELETE /v1/opscore/sessions",
        "POST /health",
        "PUT /v1/opscore/internal/agent/notify",
        "GET /v1/opscore//agents",
    ],
)
def test_route_that_is_not_there_is_404_or_405(request_line: str, api: Api) -> None:
    method, target = request_line.split(" ")

    status, body = api.raw(method, target)

    assert status in {403, 404, 405}
    assert isinstance(json.loads(body), dict)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = [
    "agentId",
    "timestamp",
    "state",
    "details",
    "contactEndpoint",
    "capabilities",
    "maxConcurrency",
    "workflowDefinitionId",
    "workflowDefinition",
    "initialPayload",
    "agentCapability",
    "parameters",
    "timeout",
    "metadata",
    "status",
    "result",
    "errorCode",
]
bodies = st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=6)
paths = st.sampled_from([*WRITES.values(), *WORDS.values(), ("PUT", "workflow/{workflow}")])


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(route=paths, body=bodies | st.binary(max_size=40) | json_values)
def test_no_body_whatever_is_an_error_of_ours(
    route: tuple[str, str], body: Any, api: Api, aws: Any
) -> None:
    """Any object of our field names, any JSON, any bytes, on every route that takes a body."""
    method, path = route
    at = path.format(agent="anyone", task="task_any.1", session="any", workflow="any-flow")
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    answer = api.call(method, at, data=content, headers={"Content-Type": "application/json"})

    assert answer.status_code < 500, (route, content, answer.text)
    assert isinstance(answer.json(), dict)
