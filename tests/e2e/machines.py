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

    def task(self, end: bool = True, parameters: Any = None, **fields: Any) -> JsonObject:
        """A task that waits for its token, which its message holds beside these parameters."""
        body = {
            "token": "{% $states.context.Task.Token %}",
            "name": "{% $states.context.State.Name %}",
            "retry": "{% $states.context.State.RetryCount %}",
            "parameters": parameters,
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
            return next(iter(self.tasks_at_hand(1)), None)

        return eventually(receive, seconds)

    def tasks_at_hand(self, most: int = 10) -> list[JsonObject]:
        """Messages that tasks have sent, without a wait for them."""
        answer = self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=most)
        messages = answer.get("Messages", [])
        for message in messages:
            self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]

    def succeed(self, task: JsonObject, output: Any = None) -> None:
        """Answer a task with a result."""
        self.sfn.send_task_success(
            taskToken=task["token"], output=json.dumps({} if output is None else output)
        )

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

    def history(self, execution: str) -> list[JsonObject]:
        """An execution's events, in order."""
        pages = self.sfn.get_paginator("get_execution_history").paginate(
            executionArn=execution, maxResults=1000
        )
        return [event for page in pages for event in page["events"]]


def caught(error: str, following: str = "caught") -> list[JsonObject]:
    """A Catch of one error."""
    return [{"ErrorEquals": [error], "Next": following}]
