"""Contract, section 3: what an agent receives, through AgentKit or directly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.agents import RUN_FIELDS, Agent, Fleet, fresh
from tests.e2e.api import Api, JsonObject, attempts, step, workflow
from tests.e2e.deployed import setting
from tests.e2e.gateway import Webhook


def joined(fleet: Fleet, capability: str) -> Agent:
    return fleet.join(capability)


def direct(fleet: Fleet, capability: str) -> Agent:
    return fleet.add(capability)


@pytest.mark.parametrize("come", [joined, direct])
def test_what_the_agent_receives_is_alike_by_either_transport(
    come: Callable[[Fleet, str], Agent], fleet: Fleet, api: Api
) -> None:
    """Through AgentKit, which keeps only what it knows; and directly, chosen by the agent."""
    capability = fresh("receives")
    agent = come(fleet, capability)
    session_id = api.start(
        workflow(step(agentCapability=capability, name="Look", parameters={"deep": {"er": [1]}}))
    )

    run = agent.next_run()

    assert set(run.body) == RUN_FIELDS
    assert run.body["senderId"] == "opscore_system_id"
    assert run.body["messageType"] == "workflow_task"
    assert run.body["sessionContext"] == {"sessionId": session_id}
    assert run.body["task_name"] == "Look"
    assert run.body["opscore_session_id"] == session_id
    assert run.body["opscore_task_id"] == run.reference
    assert_simulated_agent_takes(run.body["payload"])
    assert run.parameters == {"deep": {"er": [1]}}
    assert "Authorization" not in run.headers
    agent.done(run, {"seen": True})
    assert api.end(session_id)["result"] == {"seen": True}


def assert_simulated_agent_takes(payload: JsonObject) -> None:
    """Wrong types are answered 400 by it."""
    assert isinstance(payload["task_name"], str)
    assert isinstance(payload["task_parameters"], dict)
    assert isinstance(payload["opscore_task_id"], str)


@pytest.mark.parametrize("status", [200, 201, 204])
def test_any_2xx_of_the_agent_s_is_taken(status: int, fleet: Fleet, api: Api) -> None:
    capability = fresh("answers")
    agent = fleet.add(capability)
    agent.answers = status
    session_id = api.start(workflow(step(agentCapability=capability)))

    agent.done(agent.next_run())

    assert attempts(api.end(session_id))[0]["outcome"] == "completed"


def test_transport_is_chosen_per_deployment(
    aws: Any, fleet: Fleet, api: Api, webhook: Webhook
) -> None:
    """AgentKit main never delivers: with DispatchTransport=direct its agents are posted to."""
    agent, capability = fleet.make(), fresh("deployment")
    webhook.register(agent.agent_id, contactEndpoint=agent.endpoint, capabilities=[capability])
    agent.report("idle")

    with setting(aws, "TaskDispatcherName", "DISPATCH_TRANSPORT", "direct"):
        session_id = api.start(workflow(step(agentCapability=capability)))
        agent.done(agent.next_run(), "directly")
        assert api.end(session_id)["result"] == "directly"
