"""A session with branches and a map fails, and runs again, in moto's Step Functions."""

from __future__ import annotations

import json
import time
from typing import Any

from requests import PreparedRequest

from tests.support import events
from tests.support.aws import Deployment, deployed
from tests.support.calls import Calls, watching

WORKFLOW: dict[str, Any] = {
    "id": "triage",
    "name": "Triage",
    "defaults": {"retry": {"maxRetries": 0}},
    "tasks": [
        {"taskId": "look", "parallel": [
            {"tasks": [{"taskId": "logs", "agentCapability": "work"}]},
            {"tasks": [{"taskId": "metrics", "agentCapability": "work"}]},
        ]},
        {"taskId": "each", "map": {
            "items": "{% $tasks.look[0] %}",
            "maxConcurrency": 1,
            "tasks": [{"taskId": "fix", "agentCapability": "work",
                       "parameters": {"n": "{% $item %}"}}],
        }},
        {"taskId": "sum", "agentCapability": "work",
         "parameters": {"fixed": "{% $tasks.each %}", "seen": "{% $tasks.look %}"}},
    ],
}  # fmt: skip

RESULTS = {"logs": [1, 2, 3], "metrics": "fine"}


class Driver:
    """Delivers messages and does the tasks; `broken`: those for which the agent fails."""

    deployment: Deployment

    def __init__(self) -> None:
        self.calls = Calls()
        self.handed: list[dict[str, Any]] = []
        self.done: list[str] = []
        self.broken: set[str] = set()

    def gateway(self, request: PreparedRequest) -> tuple[int, dict[str, str], str]:
        self.handed.append(json.loads(request.body or "{}")["payload"])
        return 202, {}, "{}"

    def invoke(self, function: str, event: dict[str, Any]) -> dict[str, Any]:
        with self.calls.of(function):
            answer = self.deployment.handler(function)(event, events.Context())
        body = answer.get("body") if isinstance(answer, dict) else None
        return json.loads(body) if body else {}

    def run(self, session_id: str) -> dict[str, Any]:
        """Bring the session to its end; the session as the API shows it."""
        until = time.monotonic() + 60
        (machine,) = self.deployment.stepfunctions.list_state_machines()["stateMachines"]
        arn = machine["stateMachineArn"].replace(":stateMachine:", ":execution:")
        while True:
            found = self.deployment.stepfunctions.describe_execution(
                executionArn=f"{arn}:{session_id}"
            )
            if found["status"] != "RUNNING":
                break
            assert time.monotonic() < until
            received: Any = self.deployment.sqs.receive_message(
                QueueUrl=self.deployment.queue_url, MessageSystemAttributeNames=["All"]
            )
            if "Messages" not in received:
                time.sleep(0.02)
                continue
            self.invoke("task_dispatcher", events.sqs(received["Messages"]))
            for message in received["Messages"]:
                self.deployment.sqs.delete_message(
                    QueueUrl=self.deployment.queue_url, ReceiptHandle=message["ReceiptHandle"]
                )
            while self.handed:
                self._do(self.handed.pop(0))
        event = events.execution_status(machine["stateMachineArn"], session_id, found["status"])
        self.invoke("execution_recorder", event)
        path = f"/v1/opscore/session/{session_id}"
        route = "/v1/opscore/session/{sessionId}"
        return self.invoke("session_api", events.http("GET", path, route=route))

    def _do(self, task: dict[str, Any]) -> None:
        parameters = task["task_parameters"]
        name = ".".join([task["task_definition_id"], *map(str, parameters.values())][:2])
        self.done.append(name)
        if name in self.broken:
            event = events.own_word(task["opscore_task_id"], "fail")
        else:
            result = RESULTS.get(name, parameters)
            event = events.own_word(task["opscore_task_id"], "complete", {"result": result})
        self.invoke("task_api", event)
        self.invoke("state_api", events.report("a", "idle"))


def test_branches_and_items_that_were_done_are_not_done_again() -> None:
    driver = Driver()
    with (
        deployed(interpreter=True) as driver.deployment,
        watching(lambda: driver.calls, driver.gateway),
    ):
        driver.deployment.process_of()
        driver.invoke("state_api", events.registration("a", "work"))
        driver.invoke("state_api", events.report("a", "idle"))
        driver.invoke("workflow_api", events.workflow(WORKFLOW))
        driver.broken = {"fix.2"}
        old = driver.invoke("session_api", events.trigger("triage"))["sessionId"]
        failed = driver.run(old)
        assert (failed["status"], failed["error"]["code"]) == ("failed", "AgentError")
        assert sorted(driver.done) == ["fix.1", "fix.2", "logs", "metrics"]

        driver.broken, driver.done = set(), []
        begun = driver.invoke("session_api", events.rerun(old))
        assert begun["fromTasks"] == ["fix.1"]
        assert sorted(begun["kept"]) == ["fix.0", "logs", "metrics"]
        ended = driver.run(begun["sessionId"])

    assert (ended["status"], ended["rerunOf"]) == ("completed", old)
    assert [name.split(".")[0] for name in driver.done] == ["fix", "fix", "sum"]
    assert ended["result"] == {
        "fixed": [{"n": 1}, {"n": 2}, {"n": 3}],
        "seen": [[1, 2, 3], "fine"],
    }
    kept = {task["taskId"] for task in ended["tasks"] if task["attempts"][0]["keptFrom"]}
    assert kept == {"fix.0", "logs", "metrics"}
