"""Policies, over HTTP: whom they hold back, and who goes on."""

from __future__ import annotations

from tests.e2e.agents import Agent, Fleet, fresh
from tests.e2e.api import Api, step, workflow


def test_a_limit_and_a_pause_hold_tasks_back_until_there_is_room(api: Api, fleet: Fleet) -> None:
    capability = fresh("text / sum up")
    limits = {"maxConcurrent": 1, "reason": "one licence"}
    put = api.put("policy/capability", limits, params={"name": capability})
    assert put.status_code == 200, put.text
    agents = [fleet.add(capability) for _ in range(2)]
    definition = workflow(step(agentCapability=capability))
    first = api.start(definition)
    api.attempt(first, "SENT")

    second = api.start(definition)

    api.attempt(second, "PARKED")
    assert api.post("policy/workflow/pause", params={"name": definition["id"]}).ok
    busy = holder(api, agents)
    busy.done(busy.next_run())
    assert api.end(first)["status"] == "completed"
    assert all(agent.idle_for(0.3) for agent in agents)

    assert api.post("policy/workflow/resume", params={"name": definition["id"]}).ok

    api.attempt(second, "SENT")
    busy = holder(api, agents)
    busy.done(busy.next_run())
    assert api.end(second)["status"] == "completed"
    assert api.read("policy/capability", name=capability)["maxConcurrent"] == 1


def holder(api: Api, agents: list[Agent]) -> Agent:
    """The agent that has a task."""
    (busy,) = [a for a in agents if api.read(f"agent/{a.agent_id}")["openTasks"]]
    return busy
