"""The AgentKit stand-in keeps to the wire contract's sections 1 and 3, spoken to over HTTP."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from infra.local.agentkit import AgentKit
from tests.e2e.recorder import Recorder, serving

SECRET = "shared"
DETAILS = {
    "agentName": "Reader One",
    "version": "1.0",
    "capabilities": ["read"],
    "metadata": {"description": "reads"},
}
RUN = {
    "senderId": "opscore_system_id",
    "messageType": "workflow_task",
    "payload": {"task_name": "read", "task_parameters": {"a": [1, None]}, "extra": {"deep": True}},
    "timestamp": "2026-11-22T11:26:57+00:00",
    "sessionContext": {"sessionId": "s-1", "priority": 9},
    "task_name": "read",
    "opscore_session_id": "s-1",
    "opscore_task_id": "task_1.1",
    "unknown": "dropped",
}


@pytest.fixture
def opscore() -> Iterator[Recorder]:
    with serving(Recorder()) as recorder:
        yield recorder


@pytest.fixture
def contact() -> Iterator[Recorder]:
    with serving(Recorder()) as recorder:
        yield recorder


@pytest.fixture
def agentkit(opscore: Recorder) -> Iterator[str]:
    webhook = f"{opscore.url}/v1/opscore/internal/agent/notify"
    with serving(AgentKit(0, webhook, SECRET, offer_agents=False)) as server:
        yield f"http://127.0.0.1:{server.server_port}"


def register(agentkit: str, contact: Recorder) -> requests.Response:
    details = {**DETAILS, "contactEndpoint": f"{contact.url}/run"}
    return requests.post(f"{agentkit}/v1/agents/register", json=details, timeout=5)


def agent_id(agentkit: str, contact: Recorder) -> str:
    return str(register(agentkit, contact).json()["data"]["agentId"])


def run(agentkit: str, agent: str, **changes: Any) -> requests.Response:
    url = f"{agentkit}/v1/agents/{agent}/run"
    return requests.post(url, json={**RUN, **changes}, timeout=5)


def test_registration_assigns_an_id(agentkit: str, contact: Recorder) -> None:
    first, second = register(agentkit, contact), register(agentkit, contact)

    assert (first.status_code, first.json()["status"]) == (201, "success")
    assert first.json()["data"]["agentId"] != second.json()["data"]["agentId"]


def test_registration_is_told_to_opscore_with_a_signature(
    agentkit: str, opscore: Recorder, contact: Recorder
) -> None:
    agent = agent_id(agentkit, contact)
    webhook = opscore.first()
    timestamp = webhook.headers["x-agentkit-timestamp"]
    signed = hmac.new(SECRET.encode(), timestamp.encode() + b"." + webhook.body, hashlib.sha256)

    assert webhook.path == "/v1/opscore/internal/agent/notify"
    assert webhook.headers["x-agentkit-signature"] == signed.hexdigest()
    assert abs(int(timestamp) - time.time()) < 5
    assert "authorization" not in webhook.headers
    assert json.loads(webhook.body) == {
        "event_type": "REGISTER",
        "agent_details": {"agentId": agent, **DETAILS, "contactEndpoint": f"{contact.url}/run"},
    }


def test_registration_succeeds_whatever_opscore_says(
    agentkit: str, opscore: Recorder, contact: Recorder
) -> None:
    opscore.status = 500
    assert register(agentkit, contact).status_code == 201
    opscore.first()
    time.sleep(0.2)

    assert len(opscore.received) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"agentName": None},
        {"version": 1},
        {"contactEndpoint": "not a url"},
        {"capabilities": "read"},
        {"metadata": []},
    ],
)
def test_wrong_registration_is_refused(agentkit: str, change: dict[str, Any]) -> None:
    details = {**DETAILS, "contactEndpoint": "http://127.0.0.1:9/run", **change}
    answer = requests.post(f"{agentkit}/v1/agents/register", json=details, timeout=5)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", next(iter(change))]


def test_run_is_scheduled_and_forwarded_once_with_the_known_fields(
    agentkit: str, contact: Recorder
) -> None:
    agent = agent_id(agentkit, contact)
    answer = run(agentkit, agent)
    forwarded = contact.first()
    time.sleep(0.2)

    assert answer.status_code == 202
    assert answer.json()["status"] == "success"
    assert answer.json()["data"] == {"agentId": agent, "dispatch_status": "scheduled"}
    assert len(contact.received) == 1
    assert "authorization" not in forwarded.headers
    kept = {name: RUN[name] for name in RUN if name not in {"unknown", "sessionContext"}}
    assert json.loads(forwarded.body) == {**kept, "sessionContext": {"sessionId": "s-1"}}


def test_run_is_accepted_though_the_agent_is_gone(agentkit: str, contact: Recorder) -> None:
    agent = agent_id(agentkit, contact)
    contact.status = 500

    assert run(agentkit, agent).status_code == 202
    contact.first()
    time.sleep(0.2)
    assert len(contact.received) == 1


def test_run_of_an_unknown_agent_is_not_found(agentkit: str) -> None:
    answer = run(agentkit, "nobody")

    assert answer.status_code == 404
    assert answer.json() == {"detail": "Agent with ID 'nobody' not found."}


@pytest.mark.parametrize(
    "change", [{"senderId": None}, {"messageType": 1}, {"payload": []}, {"opscore_task_id": 7}]
)
def test_wrong_run_is_refused(agentkit: str, contact: Recorder, change: dict[str, Any]) -> None:
    answer = run(agentkit, agent_id(agentkit, contact), **change)

    assert answer.status_code == 422
    assert contact.received == []


def test_health_is_answered_and_the_list_is_not_offered(agentkit: str) -> None:
    statuses = {
        path: requests.get(agentkit + path, timeout=5).status_code
        for path in ("/", "/health", "/v1/agents")
    }

    assert statuses == {"/": 200, "/health": 200, "/v1/agents": 404}


def test_list_may_be_offered(opscore: Recorder, contact: Recorder) -> None:
    with serving(AgentKit(0, opscore.url, SECRET, offer_agents=True)) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        agent = agent_id(url, contact)
        listed = requests.get(f"{url}/v1/agents", timeout=5).json()

    assert [one["agentId"] for one in listed] == [agent]
