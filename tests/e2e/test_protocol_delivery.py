"""Getting a task to an agent, whatever breaks on the way."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from infra.local.stack import AGENTKIT, LocalStack
from tests.e2e.agents import Agent, Fleet, Run, echoes, fresh
from tests.e2e.api import Api, JsonObject, attempts, step, workflow
from tests.e2e.gateway import Gateway, Webhook
from tests.e2e.waiting import eventually


def test_killed_agent_s_task_is_retried_elsewhere_after_its_timeout(
    stack: LocalStack, api: Api, fleet: Fleet
) -> None:
    capability = fresh("killed")
    stack.start_agent("good", "killed", (capability,), work_seconds=60)
    killed = stack.agent_id("killed")
    definition = workflow(step(agentCapability=capability, timeout="2s", retries=1))
    session_id = api.start(definition, {"text": "One. Two."})
    running = api.attempt(session_id, "RUNNING")
    other = fleet.add(capability, behave=echoes)

    stack.kill_agent("killed")

    session = api.end(session_id)
    api.delete(f"agent/{killed}")
    assert session["status"] == "completed"
    first, second = attempts(session)
    assert first["attemptId"] == running["attemptId"]
    assert (first["agentId"], first["error"]["code"]) == (killed, "AgentTimeout")
    assert first["endedAt"] >= first["deadline"]
    assert (second["agentId"], second["outcome"]) == (other.agent_id, "completed")


@pytest.fixture
def without_agentkit(stack: LocalStack, fleet: Fleet) -> Any:
    """An agent that is reached through AgentKit only, which has died."""
    agent = fleet.join("stranded")
    stack.processes.kill(AGENTKIT)
    yield agent
    stack.start_agentkit()


def test_killed_agentkit_ends_in_a_dead_letter_and_the_template_s_fallback(
    without_agentkit: Agent, api: Api
) -> None:
    agent = without_agentkit
    definition = workflow(step(agentId=agent.agent_id, fallback={"result": {"empty": True}}))
    session_id = api.start(definition, {"payload": "kept for people"})

    session = api.end(session_id, seconds=40)

    assert session["status"] == "completed"
    assert session["result"] == {"empty": True}
    (attempt,) = attempts(session)
    assert attempt["error"]["code"] == "DispatchFailed"
    # Each redelivery was a hand-over of its own.
    assert attempt["fence"] > 1
    letter = next(
        letter
        for page in api.pages("dead-letters")
        for letter in page
        if letter["sessionId"] == session_id
    )
    assert letter["receiveCount"] >= 3
    assert letter["attemptId"] == attempt["attemptId"]
    assert letter["taskDefinitionId"] == "work"
    shown = api.read(f"dead-letter/{letter['deadLetterId']}")
    message = json.loads(shown["body"])
    assert message["parameters"] == {"payload": "kept for people"}
    assert "token" not in message
    assert agent.runs.empty()
    assert api.read(f"agent/{agent.agent_id}")["openTasks"] == []


def test_gateway_that_comes_back_in_time_costs_no_attempt(
    gateway: Gateway, webhook: Webhook, api: Api
) -> None:
    """503: nothing was taken, so the same attempt goes again, after a short while."""
    agent_id = fresh("patient")
    webhook.register(agent_id, capabilities=[])
    report = {"agentId": agent_id, "timestamp": "2026-01-01T00:00:00Z", "state": "idle"}
    api.post(f"agent/{agent_id}/state", report)
    gateway.statuses[agent_id] = 503
    session_id = api.start(workflow(step()), None, agent_id)
    gateway.next_run()
    gateway.statuses.clear()

    _, body, _ = gateway.next_run()

    api.post(f"task/{body['opscore_task_id']}/complete", {"result": "late"})
    session = api.end(session_id)
    assert session["result"] == "late"
    assert len(attempts(session)) == 1
    api.delete(f"agent/{agent_id}")


def test_agent_that_nothing_listens_for_gives_way_to_another(api: Api, fleet: Fleet) -> None:
    """Direct: no connection means that nothing was sent."""
    capability = fresh("absent")
    absent = fleet.add(capability)
    absent.close()
    present = fleet.add(capability)
    sessions = [api.start(workflow(step(agentCapability=capability))) for _ in range(2)]

    for _ in sessions:
        present.done(present.next_run())

    ended = [api.end(session) for session in sessions]
    assert {session["status"] for session in ended} == {"completed"}
    assert {len(attempts(session)) for session in ended} == {1}


@pytest.mark.parametrize("status", [400, 500, 302])
def test_agent_that_refuses_gives_way_to_another(status: int, api: Api, fleet: Fleet) -> None:
    capability = fresh("refuses")
    refusing = fleet.add(capability)
    refusing.answers = status
    session_id = api.start(workflow(step(agentCapability=capability)))
    refused = refusing.next_run()
    api.attempt(session_id, "PARKED")

    willing = fleet.add(capability)

    run = willing.next_run()
    assert run.reference > refused.reference
    willing.done(run)
    session = api.end(session_id)
    assert session["status"] == "completed"
    assert len(attempts(session)) == 1
    late = refusing.say("complete", refused)
    assert late.status_code == 409


def slow(agent: Agent, run: Run) -> None:
    """Works inside the request for longer than Ops-Core waits for an answer."""
    time.sleep(2.5)
    agent.done(run, "slowly")


def test_bytes_sent_and_no_answer_are_taken_as_delivered(api: Api, fleet: Fleet) -> None:
    agent = fleet.add(behave=slow, inside=True)

    session = api.end(api.start(workflow(step()), None, agent.agent_id))

    assert session["result"] == "slowly"
    assert agent.runs.qsize() == 1
    assert len(attempts(session)) == 1


def test_deregistered_agent_s_task_is_retried_elsewhere(api: Api, fleet: Fleet) -> None:
    capability = fresh("leaves")
    leaving = fleet.add(capability)
    session_id = api.start(workflow(step(agentCapability=capability, retries=1)))
    leaving.next_run()
    staying = fleet.add(capability)

    api.delete(f"agent/{leaving.agent_id}")

    staying.done(staying.next_run())
    session = api.end(session_id)
    assert session["status"] == "completed"
    assert attempts(session)[0]["error"]["code"] == "AgentLost"


def test_quarantined_agent_s_task_is_retried_elsewhere_until_it_is_released(
    api: Api, fleet: Fleet
) -> None:
    capability = fresh("lies")
    lying = fleet.add(capability)
    session_id = api.start(workflow(step(agentCapability=capability, retries=1)))
    late = lying.next_run()

    shown = api.post(f"agent/{lying.agent_id}/quarantine", {"reason": "it lies"}).json()
    lying.report("idle")
    honest = fleet.add(capability)
    honest.done(honest.next_run(), "true")

    (mark,) = shown["quarantines"]
    assert (mark["reason"], mark["what"], bool(mark["by"])) == ("it lies", "agent", True)
    session = api.end(session_id)
    assert session["result"] == "true"
    assert [a["error"] and a["error"]["code"] for a in attempts(session)] == ["AgentLost", None]
    assert lying.say("complete", late, result="a lie").status_code == 409
    honest.report("active")
    waiting = api.start(workflow(step(agentCapability=capability)))
    attempt_id = api.attempt(waiting, "PARKED")["attemptId"]
    open_tasks = {task["attemptId"]: task for page in api.pages("tasks") for task in page}
    assert open_tasks[attempt_id]["owner"] == "waitingList"
    api.post(f"agent/{lying.agent_id}/release")
    lying.done(lying.next_run(), "at last")
    assert api.end(waiting)["result"] == "at last"


def test_quarantined_capability_waits_until_it_is_released(api: Api, fleet: Fleet) -> None:
    capability = f"with / and white space, {fresh('closed')}"
    agent = fleet.add(capability)
    subject = {"capability": capability}
    imposed = api.post("quarantines", {**subject, "reason": "wrong model"}).json()
    session_id = api.start(workflow(step(agentCapability=capability)))
    api.attempt(session_id, "PARKED")

    listed = [found for page in api.pages("quarantines") for found in page]
    api.post("quarantines/release", subject)

    assert imposed["applied"] is True
    assert imposed in listed
    agent.done(agent.next_run(), "at last")
    assert api.end(session_id)["result"] == "at last"
    past = [found for page in api.pages("quarantines", past="true") for found in page]
    assert [found["reason"] for found in past if found["name"] == capability] == ["wrong model"]


def message_of(aws: Any, attempt_id: str) -> str:
    """The message that Step Functions sent for an attempt, from the work table."""
    pages = aws.dynamodb.get_paginator("scan").paginate(TableName=aws.outputs["WorkTableName"])
    items: list[JsonObject] = [item for page in pages for item in page["Items"]]
    return next(
        str(item["message"]["S"])
        for item in items
        if item["pk"]["S"].endswith(attempt_id) and "message" in item
    )


def task_queue(aws: Any) -> str:
    """The task queue's URL."""
    function = aws.functions.get_function_configuration(
        FunctionName=aws.outputs["TaskDispatcherName"]
    )
    return str(function["Environment"]["Variables"]["TASK_QUEUE_URL"])


def send_again(aws: Any, attempt_id: str, times: int = 2) -> None:
    """Deliver an attempt's message again; returns once it has been dealt with."""
    url = task_queue(aws)
    for _ in range(times):
        aws.sqs.send_message(QueueUrl=url, MessageBody=message_of(aws, attempt_id))
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    def drained() -> bool:
        found = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return all(found[name] == "0" for name in names)

    eventually(drained)


def test_message_delivered_twice_dispatches_once(aws: Any, api: Api, fleet: Fleet) -> None:
    """Sent again through SQS while its task is parked, is with an agent, and has ended."""
    agent = fleet.add(idle=False)
    session_id = api.start(workflow(step()), None, agent.agent_id)
    attempt_id = api.attempt(session_id, "PARKED")["attemptId"]
    send_again(aws, attempt_id)
    agent.report("idle")
    run = agent.next_run()
    send_again(aws, attempt_id)
    agent.done(run, "once")
    session = api.end(session_id)
    send_again(aws, attempt_id)

    assert agent.idle_for(0.5)
    assert session["result"] == "once"
    (attempt,) = attempts(api.read(f"session/{session_id}"))
    assert (attempt["fence"], attempt["status"]) == (1, "CLOSED")


def test_failed_attempt_is_retried_elsewhere_and_then_falls_back_to_another_route(
    api: Api, fleet: Fleet
) -> None:
    capability, spare = fresh("fails"), fresh("spare")

    def fails(agent: Agent, run: Run) -> None:
        agent.say("fail", run, message="no")

    failing = [fleet.add(capability, behave=fails) for _ in range(2)]
    spared = fleet.add(spare, behave=echoes)
    fallback = {"agentCapability": spare, "parameters": {"instead": True}}
    definition = workflow(step(agentCapability=capability, retries=1, fallback=fallback))

    session = api.end(api.start(definition))

    assert session["result"] == {"echo": {"instead": True}}
    found = attempts(session)
    assert [(a["route"], a["retry"]) for a in found] == [(0, 0), (0, 1), (1, 0)]
    assert {a["agentId"] for a in found[:2]} == {agent.agent_id for agent in failing}
    assert found[2]["agentId"] == spared.agent_id
