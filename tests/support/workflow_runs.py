"""Runs one workflow case, playing every agent: in an interpreter, or on anything like AWS."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opscore.workflows.checks import check
from opscore.workflows.compiler import compile_workflow
from opscore_trial.interpreter import Execution
from tests.support.workflow_cases import SESSION_AGENT, Case, Fails, Silent

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

ROLE = "arn:aws:iam::123456789012:role/workflow"


@dataclass
class Run:
    """What came of a case: the execution's end, and every message that was sent."""

    status: str
    output: Any
    error: str | None
    cause: str | None
    entered: list[str]
    messages: list[dict[str, Any]] = field(default_factory=list)


def interpret(case: Case) -> Run:
    """Run the case's template in the interpreter alone."""
    workflow = check(case.template).require()
    agents = _Agents(case)

    def receive(message: dict[str, Any]) -> None:
        match agents.answer_to(message):
            case Silent():
                pass
            case Fails(error, cause):
                execution.fail(message["token"], error, cause)
            case result:
                execution.succeed(message["token"], result)

    given = {"input": case.payload, "session": _session(workflow.id)}
    execution = Execution(compile_workflow(workflow, "queue"), given, receive)
    ended = execution.run()
    return Run(
        ended.status, ended.output, ended.error, ended.cause, list(ended.entered), agents.messages
    )


def run_case(
    case: Case, sqs: SQSClient, sfn: SFNClient, *, patience: float = 30, pause: float = 0.01
) -> Run:
    """Start a session of the case's template and answer its messages, until it ends."""
    queue_url = sqs.create_queue(QueueName=f"case-{uuid.uuid4().hex}")["QueueUrl"]
    workflow = check(case.template).require()
    definition = _with_short_backstops(compile_workflow(workflow, queue_url), case)
    machine = sfn.create_state_machine(
        name=f"case-{uuid.uuid4().hex}", definition=definition, roleArn=ROLE
    )["stateMachineArn"]
    execution = sfn.start_execution(
        stateMachineArn=machine,
        name=str(uuid.uuid4()),
        input=json.dumps({"input": case.payload, "session": _session(workflow.id)}),
    )["executionArn"]
    agents = _Agents(case)
    until = time.monotonic() + patience
    while time.monotonic() < until:
        agents.answer(sqs, sfn, queue_url)
        if sfn.describe_execution(executionArn=execution)["status"] != "RUNNING":
            break
        time.sleep(pause)
    return _ended(sfn, execution, agents.messages)


def _session(workflow_id: str) -> dict[str, Any]:
    return {"id": "s", "agentId": SESSION_AGENT, "workflowId": workflow_id, "workflowVersion": 1}


class _Agents:
    """Answers each message by the next answer that its task has; the last one repeats."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._used: Counter[str] = Counter()
        self.messages: list[dict[str, Any]] = []

    def answer(self, sqs: SQSClient, sfn: SFNClient, queue_url: str) -> None:
        received = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)
        for message in received.get("Messages", []):
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
            body = json.loads(message["Body"])
            # Where a branch or an item beside it has failed, nobody waits any more.
            gone = (sfn.exceptions.TaskTimedOut, sfn.exceptions.TaskDoesNotExist)
            with suppress(*gone):
                self._send(sfn, body["token"], self.answer_to(body))

    def _send(self, sfn: SFNClient, token: str, answer: Any) -> None:
        match answer:
            case Silent():
                pass
            case Fails(error, cause):
                sfn.send_task_failure(taskToken=token, error=error, cause=cause)
            case result:
                sfn.send_task_success(taskToken=token, output=json.dumps(result))

    def answer_to(self, body: dict[str, Any]) -> Any:
        """The answer whose turn it is."""
        self.messages.append(body)
        task = body["taskId"]
        index = ".".join(map(str, body["index"]))
        keys = (f"{task}@{index}", f"{task}#{body['route']}", task)
        key = next(key for key in keys if key in self._case.agents)
        answers = self._case.agents[key]
        self._used[key] += 1
        return answers[min(self._used[key], len(answers)) - 1]


def _with_short_backstops(definition: str, case: Case) -> str:
    """A task that no one answers ends by its state's timeout: a second instead of minutes."""
    machine = json.loads(definition)
    for task, answers in case.agents.items():
        if any(isinstance(answer, Silent) for answer in answers):
            machine["States"][task]["TimeoutSeconds"] = 1
    return json.dumps(machine)


def _ended(sfn: SFNClient, execution: str, messages: list[dict[str, Any]]) -> Run:
    found = sfn.describe_execution(executionArn=execution)
    history = sfn.get_execution_history(executionArn=execution, maxResults=1000)["events"]
    output = found.get("output")
    return Run(
        status=found["status"],
        output=None if output is None else json.loads(output),
        error=found.get("error"),
        cause=found.get("cause"),
        entered=[
            e["stateEnteredEventDetails"]["name"]
            for e in history
            if "stateEnteredEventDetails" in e
        ],
        messages=messages,
    )


def faults(case: Case, run: Run, *, outer_states_only: bool = False) -> list[str]:
    """What differs from the case's promise; empty if nothing does. `outer_states_only`: the run
    does not tell of states inside branches and items.
    """
    found = []
    if run.status != case.status:
        found.append(f"status {run.status}: {run.error} {run.cause}")
    if case.status == "SUCCEEDED" and run.output != case.output:
        found.append(f"output {run.output!r}, not {case.output!r}")
    if case.status == "FAILED" and not _same_error(case, run):
        found.append(f"error {run.error!r}, {run.cause!r}")
    messages = sorted(run.messages, key=_order) if case.at_once else run.messages
    sent = [_part(message, wanted) for message, wanted in zip(messages, case.sent, strict=False)]
    if len(messages) != len(case.sent) or sent != list(case.sent):
        shown = [(m["taskId"], m["index"], m["route"], m["retry"]) for m in messages]
        found.append(f"messages {sent}, not {list(case.sent)}; all: {shown}")
    tokens = {message["token"] for message in run.messages}
    if len(tokens) != len(run.messages):
        found.append("two attempts have one token")
    if case.entered not in (None, len(run.entered)) and not (case.at_once and outer_states_only):
        found.append(f"{len(run.entered)} states entered, not {case.entered}: {run.entered}")
    return found


def _same_error(case: Case, run: Run) -> bool:
    return run.error == case.error and case.cause in (..., run.cause)


def _order(message: dict[str, Any]) -> Any:
    return (message["taskId"], message["index"], message["route"], message["retry"])


def _part(message: dict[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    return {key: message.get(key, "absent") for key in wanted}
