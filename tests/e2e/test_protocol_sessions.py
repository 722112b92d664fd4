"""Sessions: started once, moved by people, listed; single tasks and workflow versions."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.agents import Fleet, echoes, errs_and_recovers, fresh
from tests.e2e.api import Api, JsonObject, attempts, step, workflow
from tests.e2e.waiting import eventually


def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


def executions(aws: Any, session_id: str) -> list[JsonObject]:
    """Every execution that runs or ran under a session's name."""
    machines = aws.sfn.get_paginator("list_state_machines").paginate()
    arns = [m["stateMachineArn"] for page in machines for m in page["stateMachines"]]
    return [
        execution
        for arn in arns
        for execution in aws.sfn.list_executions(stateMachineArn=arn)["executions"]
        if execution["name"] == session_id
    ]


def test_starting_twice_with_one_idempotency_key_starts_one(
    aws: Any, api: Api, fleet: Fleet
) -> None:
    agent = fleet.add()
    definition, headers = workflow(step()), key()

    first = api.start(definition, {"n": 1}, agent.agent_id, headers)
    second = api.start(definition, {"n": 1}, agent.agent_id, headers)

    assert second == first
    agent.done(agent.next_run())
    api.end(first)
    assert api.start(definition, {"n": 1}, agent.agent_id, headers) == first
    assert agent.idle_for(0.5)
    assert len(executions(aws, first)) == 1
    listed = [s for page in api.pages("sessions", workflowId=definition["id"]) for s in page]
    assert [session["sessionId"] for session in listed] == [first]


def test_starting_at_once_with_one_idempotency_key_starts_one(
    aws: Any, api: Api, fleet: Fleet
) -> None:
    agent = fleet.add()
    definition, headers = workflow(step()), key()
    api.put(f"workflow/{definition['id']}", definition)

    with ThreadPoolExecutor(4) as pool:
        starts = [
            pool.submit(api.start, definition["id"], None, agent.agent_id, headers)
            for _ in range(4)
        ]
        started = {start.result() for start in starts}

    assert len(started) == 1
    agent.done(agent.next_run())
    api.end(started.pop())
    assert agent.idle_for(0.5)
    listed = [s for page in api.pages("sessions", workflowId=definition["id"]) for s in page]
    assert len(listed) == 1


def test_another_request_under_the_same_key_is_409(api: Api, fleet: Fleet) -> None:
    agent, headers = fleet.add(behave=echoes), key()
    definition = workflow(step())
    first = api.start(definition, {"n": 1}, agent.agent_id, headers)

    answer = api.post(
        f"agent/{agent.agent_id}/workflow",
        {"workflowDefinition": definition, "initialPayload": {"n": 2}},
        headers=headers,
    )

    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_reused")
    assert api.end(first)["status"] == "completed"


def test_cancel_ends_the_execution_and_frees_what_it_held(aws: Any, api: Api, fleet: Fleet) -> None:
    agent = fleet.add()
    session_id = api.start(workflow(step("first"), step("second")), None, agent.agent_id)
    run = agent.next_run()

    answer = api.post(f"session/{session_id}/cancel")

    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    (execution,) = eventually(
        lambda: [e for e in executions(aws, session_id) if e["status"] == "ABORTED"]
    )
    assert execution["name"] == session_id
    late = agent.say("complete", run, result="too late")
    assert (late.status_code, late.json()["code"]) == (409, "stale_task")
    agent.report("idle", {"opscore_task_id": run.reference})
    assert agent.idle_for(0.3)
    session = api.read(f"session/{session_id}")
    assert session["status"] == "cancelled"
    assert session["endTime"] is not None
    assert session["tasks"][0]["status"] == "superseded"
    assert api.read(f"agent/{agent.agent_id}")["openTasks"] == []
    assert api.read(f"agent/{agent.agent_id}")["eligible"] is True


def test_cancelled_session_s_waiting_task_goes_to_nobody(api: Api, fleet: Fleet) -> None:
    agent = fleet.add(idle=False)
    cancelled = api.start(workflow(step()), None, agent.agent_id)
    api.attempt(cancelled, "PARKED")
    api.post(f"session/{cancelled}/cancel")
    kept = api.start(workflow(step()), None, agent.agent_id)
    api.attempt(kept, "PARKED")

    agent.report("idle")

    run = agent.next_run()
    assert run.session_id == kept
    agent.done(run)
    assert api.end(kept)["status"] == "completed"
    assert agent.idle_for(0.3)


@pytest.mark.parametrize("move", ["pause", "resume"])
def test_final_states_never_change(move: str, api: Api, fleet: Fleet) -> None:
    session_id = api.start(workflow(step()), None, fleet.add().agent_id)
    api.post(f"session/{session_id}/cancel")
    before = api.end(session_id)

    answer = api.post(f"session/{session_id}/{move}")

    assert (answer.status_code, answer.json()["code"]) == (409, "session_final")
    assert api.post(f"session/{session_id}/cancel").status_code == 200
    after = api.read(f"session/{session_id}")
    assert (after["status"], after["endTime"]) == (before["status"], before["endTime"])


def test_paused_session_hands_out_no_task_until_it_is_resumed(api: Api, fleet: Fleet) -> None:
    """What runs already may end; what comes next waits."""
    agent = fleet.add()
    session_id = api.start(workflow(step("first"), step("second")), None, agent.agent_id)
    first = agent.next_run()
    paused = api.post(f"session/{session_id}/pause")
    assert paused.json()["status"] == "paused"
    agent.done(first)
    api.attempt(session_id, "PARKED")
    agent.report("idle")
    assert agent.idle_for(0.3)

    resumed = api.post(f"session/{session_id}/resume")

    assert resumed.json()["status"] == "running"
    second = agent.next_run()
    assert second.body["payload"]["task_definition_id"] == "second"
    agent.done(second)
    assert api.end(session_id)["status"] == "completed"


def test_patch_merges_metadata_and_makes_moves(api: Api, fleet: Fleet) -> None:
    session_id = api.start(workflow(step()), None, fleet.add().agent_id)
    path = f"session/{session_id}"

    api.patch(path, {"metadata": {"a": 1, "b": {"c": []}}})
    answer = api.patch(path, {"metadata": {"a": None, "d": "é"}, "status": "paused"})

    assert answer.status_code == 200
    assert answer.json()["metadata"] == {"b": {"c": []}, "d": "é"}
    assert answer.json()["status"] == "paused"
    assert api.patch(path, {"status": "running"}).json()["status"] == "running"
    assert api.patch(path, {"status": "cancelled"}).json()["status"] == "cancelled"
    assert api.read(path)["metadata"] == {"b": {"c": []}, "d": "é"}


@pytest.mark.parametrize("status", ["completed", "failed", "started"])
def test_move_that_no_person_may_make_is_409(status: str, api: Api, fleet: Fleet) -> None:
    agent = fleet.add()
    session_id = api.start(workflow(step()), None, agent.agent_id)
    run = agent.next_run()
    eventually(lambda: api.read(f"session/{session_id}")["status"] == "running")

    answer = api.patch(f"session/{session_id}", {"status": status, "metadata": {"a": 1}})

    assert (answer.status_code, answer.json()["code"]) == (409, "invalid_transition")
    assert api.read(f"session/{session_id}")["metadata"] == {}
    agent.done(run)
    api.end(session_id)


def test_sessions_are_listed_newest_first_by_status_and_workflow_in_pages(
    api: Api, fleet: Fleet
) -> None:
    agent = fleet.add()
    definition = workflow()
    done = [api.start(definition, None, agent.agent_id) for _ in range(5)]
    running = api.start(workflow(step()), None, agent.agent_id)

    pages = api.pages("sessions", workflowId=definition["id"], status="completed", limit=2)
    newest = api.read("sessions", limit=1)

    found = [session["sessionId"] for page in pages for session in page]
    assert found == done[::-1]
    assert all(len(page) <= 2 for page in pages)
    assert [s["sessionId"] for s in newest["items"]] == [running]
    assert newest["nextCursor"]
    api.post(f"session/{running}/cancel")
    cancelled = [s for p in api.pages("sessions", status="cancelled", limit=200) for s in p]
    assert running in [session["sessionId"] for session in cancelled]


def test_agents_are_listed_by_state_and_capability_in_pages(api: Api, fleet: Fleet) -> None:
    capability, state = fresh("listed"), fresh("state")
    agents = sorted(fleet.add(capability, idle=False).agent_id for _ in range(5))
    for agent_id in agents[:3]:
        body = {"agentId": agent_id, "timestamp": "2026-01-01T00:00:00Z", "state": state}
        api.post(f"agent/{agent_id}/state", body)

    capable = api.pages("agents", capability=capability, limit=2)
    stated = api.pages("agents", state=state, limit=1)
    both = api.pages("agents", state=state, capability=capability)

    assert [a["agentId"] for page in capable for a in page] == agents
    assert all(len(page) <= 2 for page in capable)
    assert sorted(a["agentId"] for page in stated for a in page) == agents[:3]
    assert sorted(a["agentId"] for page in both for a in page) == agents[:3]


def test_single_task_by_capability_or_agent(api: Api, fleet: Fleet) -> None:
    capability = fresh("single")
    agent = fleet.add(capability, behave=echoes)
    bodies: list[JsonObject] = [
        {"agentCapability": capability, "parameters": {"n": 1}},
        {"agentId": agent.agent_id, "parameters": {"n": 2}, "name": "Named", "timeout": 20},
        {"agentId": agent.agent_id, "maxRetries": 0, "priority": 9, "waitTimeout": 20},
    ]

    answers = [api.post("task", body) for body in bodies]

    assert [answer.status_code for answer in answers] == [202] * 3
    assert all(set(a.json()) == {"sessionId", "workflowId", "message"} for a in answers)
    sessions = [api.end(answer.json()["sessionId"]) for answer in answers]
    assert [s["result"] for s in sessions] == [
        {"echo": {"n": 1}},
        {"echo": {"n": 2}},
        {"echo": {}},
    ]
    assert sessions[1]["tasks"][0]["name"] == "Named"


def test_single_task_s_retries_are_as_many_as_it_asks_for(api: Api, fleet: Fleet) -> None:
    agent = fleet.add(behave=errs_and_recovers)
    starts = {
        retries: api.post(
            "task", {"agentId": agent.agent_id, "maxRetries": retries}, headers=key()
        ).json()["sessionId"]
        for retries in (0, 1)
    }

    for retries, session_id in starts.items():
        session = api.end(session_id)
        assert session["status"] == "failed"
        assert len(attempts(session, "task")) == retries + 1


def test_single_task_with_an_idempotency_key_starts_once(api: Api, fleet: Fleet) -> None:
    agent, headers = fleet.add(behave=echoes), key()
    body = {"agentId": agent.agent_id}

    ids = {api.post("task", body, headers=headers).json()["sessionId"] for _ in range(2)}

    assert len(ids) == 1
    api.end(ids.pop())


def test_higher_priority_goes_first(api: Api, fleet: Fleet) -> None:
    agent = fleet.add(idle=False)
    sessions = {}
    for priority in (1, 9, 5):
        body = {"agentId": agent.agent_id, "priority": priority}
        sessions[api.post("task", body).json()["sessionId"]] = priority
    for session_id in sessions:
        api.attempt(session_id, "PARKED")

    agent.report("idle")

    order = []
    for _ in sessions:
        run = agent.next_run()
        order.append(sessions[run.session_id])
        agent.done(run)
    assert order == [9, 5, 1]


def test_each_changed_upload_is_a_version_and_a_session_keeps_its_own(
    api: Api, fleet: Fleet
) -> None:
    agent = fleet.add()
    definition = workflow(step(parameters={"v": 1}))
    path = f"workflow/{definition['id']}"
    first = api.put(path, definition)
    same = api.put(path, definition)
    session_id = api.start(definition["id"], None, agent.agent_id)
    run = agent.next_run()
    changed = {**definition, "tasks": [step(parameters={"v": 2})]}
    second = api.put(path, changed)

    assert [a.status_code for a in (first, same, second)] == [201, 200, 201]
    assert [a.json()["version"] for a in (first, same, second)] == [1, 1, 2]
    assert [a.json()["changed"] for a in (first, same, second)] == [True, False, True]
    assert run.parameters == {"v": 1}
    agent.done(run)
    assert api.end(session_id)["workflowVersion"] == 1
    versions = [v["version"] for page in api.pages(f"{path}/versions", limit=1) for v in page]
    assert versions == [2, 1]
    assert api.read(path, version=1)["template"] == definition
    assert api.read(path)["template"] == changed
    listed = [w["workflowId"] for page in api.pages("workflows", limit=200) for w in page]
    assert listed.count(definition["id"]) == 1
    latest = api.start(definition["id"], None, agent.agent_id)
    second_run = agent.next_run()
    assert second_run.parameters == {"v": 2}
    agent.done(second_run)
    assert api.end(latest)["workflowVersion"] == 2


def test_yaml_is_put_and_validated_with_every_fault_found(api: Api) -> None:
    good = f"id: {fresh('yaml')}\nname: Y\ntasks:\n  - {{taskId: a, agentCapability: c}}\n"
    bad = good + "  - {taskId: a, nextTaskId: nowhere}\nbogus: 1\n"
    headers = {"Content-Type": "application/yaml"}
    workflow_id = good.split()[1]

    put = api.put(f"workflow/{workflow_id}", data=good, headers=headers)
    refused = api.put(f"workflow/{workflow_id}", data=bad, headers=headers)
    checked = api.post("workflows/validate", data=bad, headers=headers)

    assert put.status_code == 201
    assert (refused.status_code, refused.json()["code"]) == (422, "workflow_invalid")
    assert checked.status_code == 200
    assert checked.json()["valid"] is False
    assert checked.json()["errors"] == refused.json()["detail"]
    assert len(checked.json()["errors"]) >= 3
    assert all({"line", "column", "code", "message"} <= set(e) for e in checked.json()["errors"])
    assert api.read(f"workflow/{workflow_id}")["version"] == 1


def test_items_of_a_map_too_large_for_one_history_are_executions_of_their_own(
    aws: Any, api: Api, fleet: Fleet
) -> None:
    fleet.add(capability := fresh("large"), behave=echoes)
    task = step(agentCapability=capability, parameters={"item": "{% $item %}"})
    large = {"items": "{% $input.items %}", "maxItems": 5000, "tasks": [task]}
    session = api.start(workflow({"taskId": "all", "map": large}), {"items": ["a", "b"]})

    ended = api.end(session)
    assert ended["result"] == [{"echo": {"item": "a"}}, {"echo": {"item": "b"}}]
    (execution,) = executions(aws, session)
    runs = aws.sfn.list_map_runs(executionArn=execution["executionArn"])["mapRuns"]
    assert len(runs) == 1
