"""Contract, section 6: behaviour to keep."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
import requests

from tests.e2e.agents import Fleet, echoes, errs, errs_and_recovers, fresh
from tests.e2e.api import Api, JsonObject, attempts, step, workflow
from tests.e2e.waiting import eventually

SESSION_FIELDS = {
    "sessionId",
    "workflowId",
    "workflowVersion",
    "agentId",
    "status",
    "startTime",
    "last_updated_time",
    "endTime",
    "metadata",
    "input",
    "result",
    "error",
    "tasks",
}
OUR_FIELDS = {"parent", "rerunOf", "fromTasks", "reruns", "ending"}
TASK_FIELDS = {
    "taskId",
    "workflowId",
    "sessionId",
    "agentId",
    "taskDefinitionId",
    "payload",
    "status",
    "retryCount",
    "createdAt",
    "updatedAt",
    "attempts",
    "result",
    "error",
}
PLATFORM_LINES = ("START ", "END ", "REPORT ", "INIT_START ")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_session_has_the_original_s_fields(api: Api, fleet: Fleet) -> None:
    agent = fleet.add(behave=echoes)
    session_id = api.start(workflow(step()), {"in": 1}, agent.agent_id)

    session = api.end(session_id)

    assert set(session) == SESSION_FIELDS | OUR_FIELDS
    assert uuid.UUID(session_id).version == 4
    assert session["sessionId"] == session_id
    assert session["agentId"] == agent.agent_id
    assert session["metadata"] == {}
    assert session["input"] == {"in": 1}
    assert session["result"] == {"echo": {"in": 1}}
    assert session["error"] is None
    assert moment(session["startTime"]) <= moment(session["endTime"])
    assert moment(session["endTime"]) <= moment(session["last_updated_time"])


def test_task_has_the_original_s_fields(api: Api, fleet: Fleet) -> None:
    agent = fleet.add(behave=echoes)
    session_id = api.start(workflow(step("only", name="Only")), {"in": 1}, agent.agent_id)

    (task,) = api.end(session_id)["tasks"]

    assert set(task) >= TASK_FIELDS
    assert task["sessionId"] == session_id
    assert task["agentId"] == agent.agent_id
    assert task["taskDefinitionId"] == "only"
    assert task["payload"] == {"in": 1}
    assert task["status"] == "completed"
    assert task["retryCount"] == 0
    assert moment(task["createdAt"]) <= moment(task["updatedAt"])
    assert api.read(f"session/{session_id}/tasks") == {"items": [task], "nextCursor": None}


def test_statuses_move_and_final_ones_set_end_time(api: Api, fleet: Fleet) -> None:
    """started, running, paused, running, completed; failed; cancelled."""
    agent = fleet.add()
    seen = []
    session_id = api.start(workflow(step()), None, agent.agent_id)
    seen.append(api.read(f"session/{session_id}"))
    run = agent.next_run()
    for move in ("pause", "resume"):
        assert api.post(f"session/{session_id}/{move}").status_code == 200
        seen.append(api.read(f"session/{session_id}"))
    agent.done(run)
    seen.append(api.end(session_id))
    failing = api.start(workflow(step()), None, fleet.add(behave=errs).agent_id)
    seen.append(api.end(failing))
    cancelled = api.start(workflow(step()), None, fleet.add().agent_id)
    api.post(f"session/{cancelled}/cancel")
    seen.append(api.end(cancelled))

    statuses = [session["status"] for session in seen]
    assert statuses[0] in {"started", "running"}
    assert statuses[1:] == ["paused", "running", "completed", "failed", "cancelled"]
    assert [session["endTime"] is None for session in seen] == [True] * 3 + [False] * 3


def test_3_retries_are_the_default_four_attempts_in_all(api: Api, fleet: Fleet) -> None:
    """`maxRetries = 3`: the fifth would be one too many."""
    agent = fleet.add(behave=errs_and_recovers)
    task = {"taskId": "work", "timeout": "20s", "waitTimeout": "20s"}

    session = api.end(api.start(workflow(task), None, agent.agent_id), seconds=40)

    assert session["status"] == "failed"
    assert session["error"] == {"code": "AgentError", "message": "could not do it"}
    assert [attempt["retry"] for attempt in attempts(session)] == [0, 1, 2, 3]
    assert session["tasks"][0]["retryCount"] == 3


@pytest.mark.parametrize(
    "state", ["UNKNOWN", "initializing", "active", "error?", "making things up"]
)
def test_only_an_agent_whose_state_is_idle_is_dispatched_to(
    state: str, api: Api, fleet: Fleet
) -> None:
    """And free strings are states."""
    capability = fresh("idle-only")
    agent = fleet.add(capability, idle=False)
    if state != "UNKNOWN":
        agent.report(state)
    session_id = api.start(workflow(step(agentCapability=capability)))
    api.attempt(session_id, "PARKED")
    assert agent.runs.empty()

    agent.report("idle")

    agent.done(agent.next_run())
    assert api.end(session_id)["status"] == "completed"


@pytest.mark.parametrize("state", ["idle", "IDLE", "finished", "Completed"])
def test_idle_like_states_in_any_case_are_idle(state: str, api: Api, fleet: Fleet) -> None:
    agent = fleet.add(idle=False)
    agent.report(state)

    assert api.read(f"agent/{agent.agent_id}")["eligible"] is True


def test_busy_agent_gets_the_next_task_after_its_first(api: Api, fleet: Fleet) -> None:
    agent = fleet.add()
    sessions = [api.start(workflow(step()), None, agent.agent_id) for _ in range(2)]
    first = agent.next_run()
    api.attempt((set(sessions) - {first.session_id}).pop(), "PARKED")
    assert agent.runs.empty()
    agent.done(first)

    second = agent.next_run()
    agent.done(second)

    assert {first.session_id, second.session_id} == set(sessions)
    assert {api.end(session)["status"] for session in sessions} == {"completed"}


def test_health_is_200_and_needs_no_key(base_url: str) -> None:
    answer = requests.get(f"{base_url}/health", timeout=10)

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok"}


@pytest.fixture
def log_lines(aws: Any) -> Callable[[], dict[str, list[str]]]:
    """Every line that the deployed functions have logged so far, by function."""
    logs = aws.cloud.client("logs")

    def read() -> dict[str, list[str]]:
        groups = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/opscore-")["logGroups"]
        found: dict[str, list[str]] = {}
        for group in groups:
            pages = logs.get_paginator("filter_log_events").paginate(
                logGroupName=group["logGroupName"]
            )
            found[group["logGroupName"]] = [
                line
                for page in pages
                for event in page["events"]
                for line in event["message"].splitlines()
                if line.strip() and not line.startswith(PLATFORM_LINES)
            ]
        return found

    return read


def test_logs_are_one_json_object_a_line_without_keys_tokens_or_payloads(
    api: Api, fleet: Fleet, keys: dict[str, str], stack: Any, aws: Any, log_lines: Any
) -> None:
    marks = {name: f"{name}-{uuid.uuid4().hex}" for name in ("input", "result", "details", "meta")}
    agent = fleet.add(metadata={"mark": marks["meta"]})
    session_id = api.start(workflow(step()), {"mark": marks["input"]}, agent.agent_id)
    run = agent.next_run()
    agent.report("active", {"opscore_task_id": run.reference, "mark": marks["details"]})
    attempt_id = api.attempt(session_id, "RUNNING")["attemptId"]
    token = token_of(aws, attempt_id)
    agent.done(run, {"mark": marks["result"]})
    api.end(session_id)
    api.post(f"agent/{agent.agent_id}/state", {"agentId": marks["input"], "state": 5})
    secrets = [*keys.values(), stack.webhook_secret, token, *marks.values()]

    lines = eventually(lambda: found_about(log_lines(), session_id))

    for line in lines:
        assert isinstance(json.loads(line), dict), line
        assert not [secret for secret in secrets if secret in line], line


def found_about(by_function: dict[str, list[str]], session_id: str) -> list[str] | None:
    """Every line, once dispatcher, session API and recorder have written of the session."""
    about = [name for name, lines in by_function.items() if session_id in "".join(lines)]
    wanted = ("session-api", "task-dispatcher", "execution-recorder", "state-api")
    if not all(any(name.endswith(end) for name in about) for end in wanted):
        return None
    return [line for lines in by_function.values() for line in lines]


def token_of(aws: Any, attempt_id: str) -> str:
    """The task token behind an attempt."""
    items = aws.dynamodb.get_paginator("scan").paginate(TableName=aws.outputs["WorkTableName"])
    found: list[JsonObject] = [
        item for page in items for item in page["Items"] if item["pk"]["S"].endswith(attempt_id)
    ]
    message = json.loads(next(i["message"]["S"] for i in found if "message" in i))
    return str(message["token"])
