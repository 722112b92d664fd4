"""A session from its trigger to its end over HTTP events, queues and moto's Step Functions."""

from __future__ import annotations

import json
import time
from typing import Any

from requests import PreparedRequest

from tests.support import events
from tests.support.aws import deployed
from tests.support.calls import Calls, watching


def sequence(number: int) -> dict[str, Any]:
    tasks = [{"taskId": f"t{n}", "agentCapability": "work"} for n in range(number)]
    return {"id": "seq", "name": "seq", "tasks": tasks}


def test_a_session_enters_a_state_for_each_task() -> None:
    calls, handed = Calls(), list[tuple[str, str]]()

    def gateway(request: PreparedRequest) -> tuple[int, dict[str, str], str]:
        agent_id = str(request.url).split("/")[-2]
        handed.append((agent_id, json.loads(request.body or "{}")["opscore_task_id"]))
        return 202, {}, "{}"

    with deployed(interpreter=True) as deployment, watching(lambda: calls, gateway):
        deployment.process_of()

        def invoke(function: str, event: dict[str, Any]) -> Any:
            with calls.of(function):
                return deployment.handler(function)(event, events.Context())

        invoke("state_api", events.registration("a", "work"))
        invoke("state_api", events.report("a", "idle"))
        invoke("workflow_api", events.workflow(sequence(3)))
        session = json.loads(invoke("session_api", events.trigger("seq"))["body"])["sessionId"]
        (machine,) = deployment.stepfunctions.list_state_machines()["stateMachines"]
        arn = machine["stateMachineArn"].replace(":stateMachine:", ":execution:") + f":{session}"

        until = time.monotonic() + 30
        while (found := deployment.stepfunctions.describe_execution(executionArn=arn))[
            "status"
        ] == "RUNNING":
            assert time.monotonic() < until
            received: Any = deployment.sqs.receive_message(
                QueueUrl=deployment.queue_url, MessageSystemAttributeNames=["All"]
            )
            if "Messages" not in received:
                time.sleep(0.02)
                continue
            answer = invoke("task_dispatcher", events.sqs(received["Messages"]))
            assert answer == {"batchItemFailures": []}
            for agent_id, task in handed:
                for state in ("active", "idle"):
                    details = {"opscore_task_id": task, "result": len(handed)}
                    invoke("state_api", events.report(agent_id, state, details))

        assert (found["status"], json.loads(found["output"])) == ("SUCCEEDED", 3)
        history = deployment.stepfunctions.get_execution_history(executionArn=arn, maxResults=1000)
        entered = [e for e in history["events"] if e["type"].endswith("StateEntered")]
        assert len(entered) <= 3 + 1

        event = events.execution_status(machine["stateMachineArn"], session, found["status"])
        invoke("execution_recorder", event)
        shown = invoke(
            "session_api",
            events.http(
                "GET",
                f"/v1/opscore/session/{session}",
                route="/v1/opscore/session/{sessionId}",
            ),
        )
        body = json.loads(shown["body"])
        assert (body["status"], body["result"]) == ("completed", 3)
        assert [task["status"] for task in body["tasks"]] == ["completed"] * 3
