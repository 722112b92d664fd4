"""Contract, section 5: the trigger."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.agents import Fleet, echoes, fresh
from tests.e2e.api import Api, JsonObject, step, workflow


def trigger(api: Api, agent_id: str, **body: Any) -> Any:
    return api.post(f"agent/{agent_id}/workflow", body)


def sessions_of(api: Api, workflow_id: str) -> list[JsonObject]:
    pages = api.pages("sessions", workflowId=workflow_id, limit=200)
    return [session for page in pages for session in page]


def test_accepted_by_id_or_inline_is_202(api: Api, fleet: Fleet) -> None:
    agent = fleet.add(behave=echoes)
    definition = workflow(step())
    put = api.put(f"workflow/{definition['id']}", definition)
    assert put.status_code == 201

    answers = [
        trigger(api, agent.agent_id, workflowDefinitionId=definition["id"], initialPayload=None),
        trigger(api, agent.agent_id, workflowDefinition=definition, initialPayload={}),
        trigger(api, agent.agent_id, workflowDefinition=definition),
    ]

    for answer in answers:
        assert answer.status_code == 202
        shown = answer.json()
        assert set(shown) == {"sessionId", "workflowId", "message"}
        assert shown["workflowId"] == definition["id"]
        assert shown["message"] == "Workflow triggered successfully"
        assert api.end(shown["sessionId"])["agentId"] == agent.agent_id


def test_definition_without_tasks_completes_its_session_at_once(api: Api, fleet: Fleet) -> None:
    agent = fleet.add()

    answer = trigger(api, agent.agent_id, workflowDefinition=workflow())

    assert answer.status_code == 202
    assert answer.json()["message"] == "Workflow triggered but has no tasks."
    session = api.read(f"session/{answer.json()['sessionId']}")
    assert session["status"] == "completed"
    assert session["endTime"] is not None
    assert session["tasks"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"workflowDefinitionId": None, "workflowDefinition": None},
        {"workflowDefinitionId": "sample_workflow_id", "workflowDefinition": {"id": "a"}},
        {"initialPayload": {}},
    ],
    ids=str,
)
def test_neither_or_both_definitions_is_422(body: JsonObject, api: Api, fleet: Fleet) -> None:
    answer = trigger(api, fleet.add().agent_id, **body)

    assert answer.status_code == 422
    assert set(answer.json()["detail"][0]) == {"type", "loc", "msg", "input"}


def test_unknown_definition_is_404_and_looked_at_first(api: Api, fleet: Fleet) -> None:
    for agent_id in (fleet.add().agent_id, "nobody-here"):
        answer = trigger(api, agent_id, workflowDefinitionId="no-such-workflow")

        assert answer.status_code == 404
        assert answer.json() == {
            "detail": "Workflow definition not found: no-such-workflow",
            "code": "workflow_not_found",
        }


@pytest.mark.parametrize("inline", [False, True])
def test_unknown_agent_is_404_and_leaves_no_session(inline: bool, api: Api) -> None:
    definition = workflow(step())
    api.put(f"workflow/{definition['id']}", definition)
    named = (
        {"workflowDefinition": definition} if inline else {"workflowDefinitionId": definition["id"]}
    )

    answer = trigger(api, "nobody-here", **named)

    assert answer.status_code == 404
    assert answer.json() == {"detail": "Agent not found: nobody-here", "code": "agent_not_found"}
    assert sessions_of(api, definition["id"]) == []


def test_definition_that_does_not_validate_is_422_with_everything_found(
    api: Api, fleet: Fleet
) -> None:
    definition = workflow(
        {"taskId": "a", "nextTaskId": "clsoe"}, {"taskId": "a", "parameters": "text"}, bogus=1
    )

    answer = trigger(api, fleet.add().agent_id, workflowDefinition=definition)

    assert answer.status_code == 422
    assert answer.json()["code"] == "workflow_invalid"
    findings = answer.json()["detail"]
    assert len(findings) >= 3
    assert all({"code", "message", "path"} <= set(finding) for finding in findings)
    assert sessions_of(api, definition["id"]) == []


def test_original_s_definition_runs_unchanged(api: Api, fleet: Fleet) -> None:
    """id, name, description, version, and tasks whose name is optional; null is as good as absent
    in each optional field.
    """
    capability = fresh("original")
    agent = fleet.add(capability, behave=echoes)
    definition = {
        "id": fresh("original"),
        "name": "As the original had it",
        "description": "",
        "tasks": [
            {
                "taskId": "a",
                "name": None,
                "agentCapability": capability,
                "parameters": {"x": 1},
                "nextTaskId": "b",
            },
            {"taskId": "b", "name": "B", "agentCapability": None, "parameters": {}},
        ],
    }

    answer = trigger(api, agent.agent_id, workflowDefinition=definition)

    assert answer.status_code == 202
    session = api.end(answer.json()["sessionId"])
    assert session["status"] == "completed"
    assert {task["agentId"] for task in session["tasks"]} == {agent.agent_id}


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        ({"b": 3, "c": {"d": []}}, {"a": 1, "b": 3, "c": {"d": []}}),
        ({}, {"a": 1, "b": 2}),
        (None, {"a": 1, "b": 2}),
    ],
    ids=str,
)
def test_initial_payload_overlays_the_first_task_s_parameters(
    payload: JsonObject | None, wanted: JsonObject, api: Api, fleet: Fleet
) -> None:
    """The original replaced them; the second task's stay as they are."""
    agent = fleet.add(behave=echoes)
    definition = workflow(
        step("first", parameters={"a": 1, "b": 2}), step("second", parameters={"own": True})
    )

    session = api.end(api.start(definition, payload, agent.agent_id))

    assert [task["payload"] for task in session["tasks"]] == [wanted, {"own": True}]
    assert session["tasks"][0]["result"] == {"echo": wanted}


def test_initial_payload_overlays_nothing_where_the_task_uses_expressions(
    api: Api, fleet: Fleet
) -> None:
    agent = fleet.add(behave=echoes)
    definition = workflow(step(parameters={"all": "{% $input.text %}"}))

    session = api.end(api.start(definition, {"text": "t", "more": 1}, agent.agent_id))

    assert session["tasks"][0]["payload"] == {"all": "t"}


def test_result_of_each_task_reaches_the_next_one_s_parameters(api: Api, fleet: Fleet) -> None:
    agent = fleet.add(behave=echoes)
    definition = workflow(
        step("first", parameters={"n": 1}),
        step("second", parameters={"got": "{% $tasks.first.echo.n + 1 %}"}),
    )

    session = api.end(api.start(definition, None, agent.agent_id))

    assert session["result"] == {"echo": {"got": 2}}
