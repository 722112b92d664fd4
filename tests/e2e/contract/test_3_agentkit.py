"""Contract, section 3: Ops-Core calls AgentKit, and what reaches the agents behind it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.e2e.agents import RUN_FIELDS, Fleet, fresh, now
from tests.e2e.api import Api, attempts, step, workflow
from tests.e2e.gateway import Gateway, Webhook


def known_to_agentkit(api: Api, webhook: Webhook, capability: str) -> str:
    """An agent that is reached through AgentKit and has said idle; its id needs quoting."""
    agent_id = fresh("kit:agent")
    assert webhook.register(agent_id, capabilities=[capability]).status_code == 200
    say(api, agent_id, "idle")
    return agent_id


def say(api: Api, agent_id: str, state: str, **details: Any) -> None:
    body = {"agentId": agent_id, "timestamp": now(), "state": state, "details": details}
    assert api.post(f"agent/{agent_id}/state", body).status_code == 202


def test_run_has_the_fields_that_agentkit_keeps_and_no_others(
    api: Api, webhook: Webhook, gateway: Gateway
) -> None:
    capability = fresh("run")
    agent_id = known_to_agentkit(api, webhook, capability)
    parameters = {"text": "é", "n": 1.5, "list": [None, {}]}
    session_id = api.start(
        workflow(
            step(agentCapability=capability, name="Do it", parameters=parameters, heartbeat="19s")
        )
    )

    asked_of, body, headers = gateway.next_run()

    assert asked_of == agent_id
    assert set(body) == RUN_FIELDS
    assert body["senderId"] == "opscore_system_id"
    assert body["messageType"] == "workflow_task"
    assert body["sessionContext"] == {"sessionId": session_id}
    assert body["task_name"] == "Do it"
    assert body["opscore_session_id"] == session_id
    assert datetime.fromisoformat(body["timestamp"]).tzinfo is not None
    reference = body["opscore_task_id"]
    assert body["payload"] == {
        "task_name": "Do it",
        "task_parameters": parameters,
        "opscore_task_id": reference,
        "opscore_session_id": session_id,
        "task_definition_id": "work",
        "timeout_seconds": 20,
        "heartbeat_seconds": 19,
    }
    assert headers["Content-Type"] == "application/json"
    assert "Authorization" not in headers
    say(api, agent_id, "idle", opscore_task_id=reference, result={"done": True})
    assert api.end(session_id)["result"] == {"done": True}


def test_unnamed_task_is_called_by_its_id(api: Api, webhook: Webhook, gateway: Gateway) -> None:
    capability = fresh("unnamed")
    agent_id = known_to_agentkit(api, webhook, capability)
    session_id = api.start(workflow(step("only-an-id", agentCapability=capability)))

    _, body, _ = gateway.next_run()

    assert body["task_name"] == body["payload"]["task_name"] == "only-an-id"
    assert body["payload"]["task_parameters"] == {}
    say(api, agent_id, "idle", opscore_task_id=body["opscore_task_id"])
    assert api.end(session_id)["status"] == "completed"


@pytest.mark.parametrize("status", [404, 422])
def test_agent_that_agentkit_does_not_know_or_refuses_gives_way_to_the_next(
    status: int, api: Api, webhook: Webhook, gateway: Gateway
) -> None:
    """The same attempt with a higher fence: nothing had begun, so no retry is spent."""
    capability = fresh("gone")
    first, second = (known_to_agentkit(api, webhook, capability) for _ in range(2))
    gateway.statuses[first] = status
    gateway.statuses[second] = status
    session_id = api.start(workflow(step(agentCapability=capability)))
    asked_first, body, _ = gateway.next_run()
    gateway.statuses.clear()

    asked_next, again, _ = gateway.next_run()

    assert {asked_first, asked_next} == {first, second}
    attempt_id, _, fence = body["opscore_task_id"].rpartition(".")
    assert again["opscore_task_id"] == f"{attempt_id}.{int(fence) + 1}"
    say(api, asked_next, "idle", opscore_task_id=again["opscore_task_id"], result={"ok": 1})
    session = api.end(session_id)
    assert session["status"] == "completed"
    assert len(attempts(session)) == 1
    assert attempts(session)[0]["agentId"] == asked_next


def test_202_says_nothing_of_delivery_so_the_task_s_own_timeout_ends_it(
    api: Api, webhook: Webhook, gateway: Gateway
) -> None:
    capability = fresh("lost")
    agent_id = known_to_agentkit(api, webhook, capability)
    session_id = api.start(workflow(step(agentCapability=capability, timeout="1s")))
    gateway.next_run()

    session = api.end(session_id)

    assert session["status"] == "failed"
    assert session["error"]["code"] == "AgentTimeout"
    assert agent_id in session["error"]["message"]


def test_no_list_of_agents_means_not_offered(stack: Any, api: Api, gateway: Gateway) -> None:
    """`GET /v1/agents` exists in no public AgentKit: 404 is no failure."""
    agents = known_ids(api)

    stack.sweep()

    assert gateway.lists_asked > 0
    assert known_ids(api) == agents


def test_listed_agents_are_synced_where_the_list_is_offered(
    stack: Any, api: Api, gateway: Gateway
) -> None:
    agent_id = fresh("synced")
    gateway.listed = [
        {
            "agentId": agent_id,
            "agentName": "Synced",
            "version": "3.1",
            "capabilities": ["synced"],
            "contactEndpoint": "http://fake-agent-x.local/run",
            "metadata": None,
        },
        {"agentId": "", "contactEndpoint": "http://x.local/"},
        "nonsense",
    ]

    stack.sweep()

    agent = api.read(f"agent/{agent_id}")
    assert (agent["agentName"], agent["version"]) == ("Synced", "3.1")
    assert agent["capabilities"] == ["synced"]
    assert agent["state"] == "UNKNOWN"
    say(api, agent_id, "idle")
    stack.sweep()
    assert api.read(f"agent/{agent_id}")["state"] == "idle"
    api.delete(f"agent/{agent_id}")


def known_ids(api: Api) -> set[str]:
    return {a["agentId"] for page in api.pages("agents", limit=200) for a in page}


def test_transport_is_chosen_per_agent(
    fleet: Fleet, api: Api, webhook: Webhook, gateway: Gateway
) -> None:
    """The deployment's own is AgentKit; one of two agents asks to be posted to directly."""
    capability = fresh("both")
    agent = fleet.add(capability)
    other = known_to_agentkit(api, webhook, capability)
    sessions = [api.start(workflow(step(agentCapability=capability))) for _ in range(2)]

    run = agent.next_run()
    asked_of, body, _ = gateway.next_run()

    assert asked_of == other
    assert {run.session_id, body["opscore_session_id"]} == set(sessions)
    agent.done(run)
    say(api, other, "idle", opscore_task_id=body["opscore_task_id"])
    assert {api.end(session)["status"] for session in sessions} == {"completed"}
