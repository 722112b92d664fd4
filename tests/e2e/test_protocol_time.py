"""Deadlines: of a task's work, of its heartbeat, of its wait for an agent."""

from __future__ import annotations

import time

from tests.e2e.agents import Fleet, fresh
from tests.e2e.api import Api, attempts, step, workflow


def test_time_ends_what_nobody_else_does(api: Api, fleet: Fleet) -> None:
    """Three sessions at once, each with its own way of hanging."""
    quiet, beats_once = fleet.add(), fleet.add()
    wait = api.start(workflow(step(agentCapability=fresh("nobody"), waitTimeout="1s")))
    work = api.start(workflow(step(timeout="1s")), None, quiet.agent_id)
    beat = api.start(workflow(step(heartbeat="1s")), None, beats_once.agent_id)
    run = quiet.next_run()
    beats_once.say("heartbeat", beats_once.next_run())

    ended = {name: api.end(s) for name, s in {"wait": wait, "work": work, "beat": beat}.items()}

    assert {session["status"] for session in ended.values()} == {"failed"}
    codes = {name: session["error"]["code"] for name, session in ended.items()}
    assert codes == {"wait": "NoAgentAvailable", "work": "AgentTimeout", "beat": "HeartbeatTimeout"}
    assert attempts(ended["wait"])[0]["agentId"] is None
    assert quiet.agent_id in attempts(ended["work"])[0]["error"]["message"]
    for agent in (quiet, beats_once):
        assert api.read(f"agent/{agent.agent_id}")["openTasks"] == []
    late = quiet.say("complete", run, result={})
    assert (late.status_code, late.json()["code"]) == (409, "outcome_differs")


def test_heartbeats_and_reports_keep_a_task_alive(api: Api, fleet: Fleet) -> None:
    beating, reporting = fleet.add(), fleet.add()
    sessions = [
        api.start(workflow(step(heartbeat="1s")), None, agent.agent_id)
        for agent in (beating, reporting)
    ]
    beaten, reported = beating.next_run(), reporting.next_run()
    until = time.monotonic() + 2.3
    while time.monotonic() < until:
        assert beating.say("heartbeat", beaten, agentId=beating.agent_id).status_code == 200
        reporting.report("active", {"opscore_task_id": reported.reference})
        time.sleep(0.3)

    beating.done(beaten, "beaten")
    reporting.done(reported, "reported")

    assert [api.end(session)["result"] for session in sessions] == ["beaten", "reported"]


def test_paused_time_counts_for_no_wait(api: Api, fleet: Fleet) -> None:
    capability = fresh("paused")
    held = api.start(workflow(step(agentCapability=capability, waitTimeout="2s")))
    api.post(f"session/{held}/pause")
    time.sleep(2.2)
    assert api.read(f"session/{held}")["status"] == "paused"

    api.post(f"session/{held}/resume")
    agent = fleet.add(capability)

    agent.done(agent.next_run())
    assert api.end(held)["status"] == "completed"
