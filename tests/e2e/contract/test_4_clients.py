"""Contract, section 4: opscore_sdk, opscore_cli and the load tests of the original."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.e2e.agents import Fleet, fresh, now
from tests.e2e.api import Api
from tests.e2e.deployed import setting
from tests.e2e.gateway import event

SAMPLE = "sample_workflow_id"


@pytest.fixture
def sdk(base_url: str, keys: dict[str, str]) -> requests.Session:
    """opscore_sdk's session: Bearer and JSON on every request."""
    session = requests.Session()
    session.headers.update(
        {"Authorization": f"Bearer {keys['operator']}", "Content-Type": "application/json"}
    )
    return session


def test_sdk_update_state_expects_202_and_get_state_200(
    sdk: requests.Session, base_url: str, fleet: Fleet
) -> None:
    agent = fleet.add(idle=False)
    url = f"{base_url}/v1/opscore/agent/{agent.agent_id}/state"
    body = {"agentId": agent.agent_id, "timestamp": now(), "state": "idle", "details": None}

    updated = sdk.post(url, json=body, timeout=10)
    shown = sdk.get(url, timeout=10)

    assert updated.status_code == 202
    assert shown.status_code == 200
    assert shown.json()["state"] == "idle"
    assert set(shown.json()) == {"agentId", "state", "details", "timestamp"}


@pytest.mark.parametrize("payload", [None, {}, {"question": "why"}], ids=str)
def test_sdk_trigger_workflow_expects_202_with_three_fields(
    payload: Any, sdk: requests.Session, base_url: str, fleet: Fleet, api: Api
) -> None:
    agent = fleet.add()

    answer = sdk.post(
        f"{base_url}/v1/opscore/agent/{agent.agent_id}/workflow",
        json={"workflowDefinitionId": SAMPLE, "initialPayload": payload},
        timeout=10,
    )

    assert answer.status_code == 202
    assert set(answer.json()) == {"sessionId", "workflowId", "message"}
    api.post(f"session/{answer.json()['sessionId']}/cancel")


def test_sdk_tells_401_403_404_and_the_rest_apart_and_reads_detail(
    sdk: requests.Session, base_url: str, api: Api, fleet: Fleet
) -> None:
    agent = fleet.add()
    url = f"{base_url}/v1/opscore/agent"
    stranger = api.with_key("opscore_nobody")

    unknown = sdk.get(f"{url}/nobody-here/state", timeout=10)
    wrong = sdk.post(f"{url}/{agent.agent_id}/state", data="{", timeout=10)

    assert stranger.get(f"agent/{agent.agent_id}/state").status_code in {401, 403}
    assert unknown.status_code == 404
    assert isinstance(unknown.json()["detail"], str)
    assert wrong.status_code == 422
    assert wrong.json()["detail"]


@pytest.fixture
def unsigned(aws: Any, api: Api) -> Iterator[Api]:
    """A deployment with AllowUnsignedWebhook on."""
    with setting(aws, "StateApiName", "ALLOW_UNSIGNED_WEBHOOK", "true"):
        yield api.with_key(None)


def test_load_test_registers_unsigned_where_the_deployment_allows_it(
    unsigned: Api, api: Api
) -> None:
    """Off by default (section 1 has that); a signature that is there is checked all the same."""
    agent_id = f"loadtest-agent-{fresh('0001')}"
    path = "/v1/opscore/internal/agent/notify"
    body = event(
        agent_id,
        agentName="Load Test Agent 1",
        capabilities=["test_capability"],
        contactEndpoint=f"http://fake-{agent_id}.local/run",
    )

    answer = unsigned.post(path, body)
    forged = unsigned.post(
        path, body, headers={"X-AgentKit-Timestamp": "1", "X-AgentKit-Signature": "0" * 64}
    )

    assert answer.status_code == 200
    assert forged.status_code == 401
    assert api.read(f"agent/{agent_id}")["agentName"] == "Load Test Agent 1"
    report = {"agentId": agent_id, "timestamp": now(), "state": "idle", "details": {"load": 1}}
    assert api.post(f"agent/{agent_id}/state", report).status_code == 202
    assert api.delete(f"agent/{agent_id}").status_code == 200


def test_load_test_trigger_s_extra_keys_are_ignored(api: Api, fleet: Fleet) -> None:
    agent = fleet.add()
    body = {
        "workflowDefinitionId": SAMPLE,
        "agentId": "someone-else",
        "context": {"load": True},
        "initialPayload": {"user": 7},
    }

    answer = api.post(f"agent/{agent.agent_id}/workflow", body)

    assert answer.status_code == 202
    session = api.read(f"session/{answer.json()['sessionId']}")
    assert session["agentId"] == agent.agent_id
    assert session["workflowId"] == SAMPLE
    api.post(f"session/{session['sessionId']}/cancel")


def test_every_deployment_ships_the_sample_workflow(api: Api) -> None:
    shown = api.read(f"workflow/{SAMPLE}")

    assert (shown["name"], shown["label"]) == ("Sample Load Test Workflow", "1.0")
    assert shown["template"] == {
        "id": SAMPLE,
        "name": "Sample Load Test Workflow",
        "version": "1.0",
        "tasks": [
            {
                "taskId": "step_1",
                "name": "First Step",
                "agentCapability": "test_capability",
                "parameters": {"message": "This is the first step."},
                "nextTaskId": "step_2",
            },
            {
                "taskId": "step_2",
                "name": "Second Step",
                "agentCapability": "another_capability",
                "parameters": {"value": 123},
                "nextTaskId": None,
            },
        ],
    }


def test_sample_workflow_runs_its_two_steps_on_agents_with_its_capabilities(
    api: Api, fleet: Fleet
) -> None:
    first, second = fleet.add("test_capability"), fleet.add("another_capability")
    session_id = api.start(SAMPLE, {"question": "why"}, first.agent_id)

    step_1 = first.next_run()
    assert step_1.body["task_name"] == "First Step"
    assert step_1.parameters == {"message": "This is the first step.", "question": "why"}
    first.done(step_1, {"one": 1})
    step_2 = second.next_run()
    assert step_2.body["task_name"] == "Second Step"
    assert step_2.parameters == {"value": 123}
    second.done(step_2, {"two": 2})

    session = api.end(session_id)
    assert session["status"] == "completed"
    assert session["result"] == {"two": 2}
    assert [task["result"] for task in session["tasks"]] == [{"one": 1}, {"two": 2}]
