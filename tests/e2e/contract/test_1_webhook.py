"""Contract, section 1: AgentKit calls Ops-Core, the registration webhook."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.agents import fresh
from tests.e2e.api import Api
from tests.e2e.gateway import Webhook, event, signed


@pytest.fixture
def agent_id(api: Api) -> Iterator[str]:
    agent_id = fresh("webhook")
    yield agent_id
    api.delete(f"agent/{agent_id}")


@pytest.mark.parametrize("kind", ["REGISTER", "register", "Register"])
def test_register_in_any_case_is_200_with_the_original_s_words(
    kind: str, webhook: Webhook, api: Api, agent_id: str
) -> None:
    answer = webhook.send(event(agent_id, kind))

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "success",
        "message": f"Agent {agent_id} registered successfully.",
    }
    agent = api.read(f"agent/{agent_id}")
    assert agent["agentName"] == "Signed"
    assert agent["capabilities"] == ["signed"]
    assert agent["contactEndpoint"] == "http://fake-agent-x.local/run"
    assert agent["metadata"] == {"description": "of a test"}


@pytest.mark.parametrize("metadata", [{"a": {"b": [1]}}, {}, None, ...], ids=str)
def test_metadata_is_an_object_or_null_or_absent(
    metadata: Any, webhook: Webhook, api: Api, agent_id: str
) -> None:
    assert webhook.register(agent_id, metadata=metadata).status_code == 200

    assert api.read(f"agent/{agent_id}")["metadata"] == (
        metadata if metadata not in (None, ...) else {}
    )


def test_extras_such_as_registration_time_are_ignored(
    webhook: Webhook, api: Api, agent_id: str
) -> None:
    body = event(agent_id, registration_time="2026-11-22T11:26:57+00:00", anything=[1])

    assert webhook.send({**body, "more": {}}).status_code == 200
    assert "anything" not in api.read(f"agent/{agent_id}")


@pytest.mark.parametrize("kind", ["DEREGISTER", "deregister"])
def test_deregister_is_200_and_deregisters(
    kind: str, webhook: Webhook, api: Api, agent_id: str
) -> None:
    webhook.register(agent_id)

    answer = webhook.send(event(agent_id, kind))

    assert answer.status_code == 200
    assert answer.json()["status"] == "success"
    assert api.get(f"agent/{agent_id}").status_code == 404


def test_deregister_of_an_unknown_agent_is_200_too(webhook: Webhook, agent_id: str) -> None:
    assert webhook.send(event(agent_id, "DEREGISTER")).status_code == 200


@pytest.mark.parametrize("kind", ["HEARTBEAT", "", "REGISTER "])
def test_another_event_is_400(kind: str, webhook: Webhook, api: Api, agent_id: str) -> None:
    answer = webhook.send(event(agent_id, kind))

    assert answer.status_code == 400
    assert answer.json() == {
        "detail": f"Unknown event type: {kind}",
        "code": "unknown_event_type",
    }
    assert api.get(f"agent/{agent_id}").status_code == 404


def test_empty_agent_id_is_400(webhook: Webhook) -> None:
    answer = webhook.register("")

    assert answer.status_code == 400
    assert answer.json() == {
        "detail": "Missing agentId in agent_details for REGISTER event.",
        "code": "missing_agent_id",
    }


@pytest.mark.parametrize(
    "details",
    [
        {"agentId": ...},
        {"agentName": ...},
        {"version": ...},
        {"contactEndpoint": ...},
        {"contactEndpoint": "no url"},
        {"contactEndpoint": "ftp://host/run"},
        {"agentId": 7},
        {"agentName": None},
        {"capabilities": "one"},
        {"capabilities": [1]},
        {"metadata": "text"},
        {"metadata": [1]},
    ],
    ids=str,
)
def test_schema_error_is_422(
    details: dict[str, Any], webhook: Webhook, api: Api, agent_id: str
) -> None:
    answer = webhook.send(event(agent_id, **details))

    assert answer.status_code == 422
    faults = answer.json()["detail"]
    assert {"type", "loc", "msg", "input"} <= set(faults[0])
    assert faults[0]["loc"][:3] == ["body", "agent_details", next(iter(details))]
    assert api.get(f"agent/{agent_id}").status_code == 404


@pytest.mark.parametrize(
    "body", [b"{", b"", b"[]", b"null", b'"text"', b'{"event_type": "REGISTER"}']
)
def test_bad_json_is_422(body: bytes, webhook: Webhook) -> None:
    answer = webhook.send(body)

    assert answer.status_code == 422
    assert answer.json()["code"] == "malformed"


def test_event_type_is_required(webhook: Webhook, agent_id: str) -> None:
    body = event(agent_id)
    del body["event_type"]

    assert webhook.send(body).status_code == 422


def header_faults(secret: str, body: bytes) -> dict[str, dict[str, str]]:
    """Headers that must not pass, by what is wrong with them."""
    good = signed(secret, body)
    old = str(int(time.time()) - 301)
    ahead = str(int(time.time()) + 330)
    fraction = f"{time.time():.3f}"
    without_signature = {k: v for k, v in good.items() if k != "X-AgentKit-Signature"}
    without_timestamp = {k: v for k, v in good.items() if k != "X-AgentKit-Timestamp"}
    return {
        "unsigned": {"Content-Type": "application/json"},
        "no signature": without_signature,
        "no timestamp": without_timestamp,
        "other secret": signed("another secret", body),
        "other body": signed(secret, body + b" "),
        "stale": signed(secret, body, old),
        "from the future": signed(secret, body, ahead),
        "timestamp changed": {**good, "X-AgentKit-Timestamp": old},
        "timestamp is no integer": signed(secret, body, fraction),
        "timestamp is no number": signed(secret, body, "now"),
        "timestamp is negative": signed(secret, body, "-1"),
        "timestamp is huge": signed(secret, body, "9" * 5000),
        "empty": {**good, "X-AgentKit-Signature": ""},
        "cut": {**good, "X-AgentKit-Signature": good["X-AgentKit-Signature"][:63]},
        "no hex": {**good, "X-AgentKit-Signature": "é" * 32},
        "bearer in its place": {**without_signature, "Authorization": "Bearer x"},
    }


@pytest.mark.parametrize("fault", header_faults("", b""))
def test_bad_missing_or_stale_signature_is_401(
    fault: str, stack: Any, webhook: Webhook, api: Api, agent_id: str
) -> None:
    body = json.dumps(event(agent_id)).encode()
    headers = {
        name: value.encode("latin-1")
        for name, value in header_faults(stack.webhook_secret, body)[fault].items()
    }

    answer = webhook.send(body, headers)  # type: ignore[arg-type]  # bytes pass as they are

    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthenticated"
    assert isinstance(answer.json()["detail"], str)
    assert api.get(f"agent/{agent_id}").status_code == 404


def test_signature_is_over_the_raw_bytes(
    stack: Any, webhook: Webhook, api: Api, agent_id: str
) -> None:
    """White space, key order and escapes of the sender's own must not matter."""
    spaced = json.dumps(event(agent_id, agentName="Jos\u00e9"), indent=3, ensure_ascii=False)
    raw = spaced.encode() + b"\n\n"

    assert webhook.send(raw).status_code == 200
    assert api.read(f"agent/{agent_id}")["agentName"] == "Jos\u00e9"
    compact = json.dumps(json.loads(raw), separators=(",", ":")).encode()
    assert webhook.send(compact, signed(stack.webhook_secret, raw)).status_code == 401


@pytest.mark.parametrize("age", [0, 240, -240])
def test_signature_up_to_5_minutes_old_passes(
    age: int, stack: Any, webhook: Webhook, agent_id: str
) -> None:
    body = json.dumps(event(agent_id)).encode()
    headers = signed(stack.webhook_secret, body, str(int(time.time()) - age))

    assert webhook.send(body, headers).status_code == 200


def test_replay_is_the_same_idempotent_registration(
    stack: Any, webhook: Webhook, api: Api, agent_id: str
) -> None:
    body = json.dumps(event(agent_id)).encode()
    headers = signed(stack.webhook_secret, body)
    first = webhook.send(body, headers)
    before = api.read(f"agent/{agent_id}")

    again = webhook.send(body, headers)

    assert (again.status_code, again.json()) == (200, first.json())
    assert api.read(f"agent/{agent_id}") == before


def test_repeated_register_updates_the_details_and_keeps_the_state(
    webhook: Webhook, api: Api, agent_id: str
) -> None:
    """The original reset the state."""
    webhook.register(agent_id)
    report = {"agentId": agent_id, "timestamp": "2026-11-22T11:26:57+00:00", "state": "active"}
    api.post(f"agent/{agent_id}/state", {**report, "details": {"n": 1}})
    before = api.read(f"agent/{agent_id}/state")

    answer = webhook.register(
        agent_id,
        agentName="Renamed",
        version="2.0",
        capabilities=["other", "more"],
        contactEndpoint="https://elsewhere.example/run",
        metadata={"new": True},
    )

    assert answer.status_code == 200
    assert api.read(f"agent/{agent_id}/state") == before
    agent = api.read(f"agent/{agent_id}")
    assert (agent["agentName"], agent["version"]) == ("Renamed", "2.0")
    assert agent["capabilities"] == ["other", "more"]
    assert agent["contactEndpoint"] == "https://elsewhere.example/run"
    assert agent["metadata"] == {"new": True}
    listed = api.read("agents", capability="signed", limit=200)["items"]
    assert agent_id not in [item["agentId"] for item in listed]
    listed = api.read("agents", capability="more", limit=200)["items"]
    assert agent_id in [item["agentId"] for item in listed]


def test_agentkit_registers_an_agent_once_and_signed(fleet: Any, api: Api) -> None:
    """The whole way: an agent registers with AgentKit, which tells Ops-Core."""
    agent = fleet.join("joined-by-webhook", metadata=None)

    shown = api.read(f"agent/{agent.agent_id}")
    assert shown["agentName"] == "Joined"
    assert shown["state"] == "idle"
    assert shown["contactEndpoint"] == agent.endpoint
