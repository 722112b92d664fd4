"""State machines of the tests' own, whose tasks wait on a queue of their own."""

from __future__ import annotations

import json
import uuid
from typing import Any

from tests.e2e.waiting import eventually

JsonObject = dict[str, Any]

CALLBACK = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"


class Machines:
    """Runs definitions, and hands out their tasks."""

    def __init__(self, aws: Any) -> None:
        self.sfn = aws.sfn
        self.sqs = aws.sqs
        self.role = aws.outputs["WorkflowRoleArn"]
        self.queue_url = self.sqs.create_queue(QueueName=f"test-{uuid.uuid4().hex}")["QueueUrl"]

    def task(self, end: bool = True, **fields: Any) -> JsonObject:
        """A task that waits for its token; its message holds the token, name and retry count."""
        body = {
            "token": "{% $states.context.Task.Token %}",
            "name": "{% $states.context.State.Name %}",
            "retry": "{% $states.context.State.RetryCount %}",
        }
        arguments = {"QueueUrl": self.queue_url, "MessageBody": body}
        state = {"Type": "Task", "Resource": CALLBACK, "TimeoutSeconds": 20, "Arguments": arguments}
        return {**state, **({"End": True} if end else {}), **fields}

    def create(self, states: JsonObject, **fields: Any) -> str:
        """A machine that starts at the first of its states; its arn."""
        definition = {
            "QueryLanguage": "JSONata",
            "StartAt": next(iter(states)),
            "States": states,
            **fields,
        }
        name = f"test-{uuid.uuid4().hex}"
        machine = self.sfn.create_state_machine(
            name=name, definition=json.dumps(definition), roleArn=self.role
        )
        return str(machine["stateMachineArn"])

    def start(self, states: JsonObject, given: Any = None, **fields: Any) -> str:
        """Start a new machine; the execution's arn."""
        machine = self.create(states, **fields)
        execution = self.sfn.start_execution(
            stateMachineArn=machine, input=json.dumps(given if given is not None else {})
        )
        return str(execution["executionArn"])

    def next_task(self, seconds: float = 20) -> JsonObject:
        """The next message that a task sent."""

        def receive() -> JsonObject | None:
            messages = self.sqs.receive_message(QueueUrl=self.queue_url).get("Messages", [])
            if not messages:
                return None
            self.sqs.delete_message(
                QueueUrl=self.queue_url, ReceiptHandle=messages[0]["ReceiptHandle"]
            )
            body: JsonObject = json.loads(messages[0]["Body"])
            return body

        return eventually(receive, seconds)

    def succeed(self, task: JsonObject, output: Any = None) -> None:
        """Answer a task with a result."""
        self.sfn.send_task_success(taskToken=task["token"], output=json.dumps(output or {}))

    def fail(self, task: JsonObject, error: str = "AgentError") -> None:
        """Answer a task with an error."""
        self.sfn.send_task_failure(taskToken=task["token"], error=error, cause="as told")

    def end(self, execution: str, seconds: float = 20) -> JsonObject:
        """How an execution ended: status, and output or error."""

        def look() -> JsonObject | None:
            described: JsonObject = self.sfn.describe_execution(executionArn=execution)
            return described if described["status"] != "RUNNING" else None

        ended = eventually(look, seconds)
        output = json.loads(ended["output"]) if ended.get("output") else None
        return {"status": ended["status"], "output": output, "error": ended.get("error")}
