"""Step Functions as far as Ops-Core speaks to it: machines, executions and task tokens.

It plays workflows whose tasks follow one another: enough to see who answers which token, a hundred
times faster than an interpreter. What definitions mean is tested with interpreters elsewhere.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from opscore.lifecycle.cleanup import SUFFIX
from tests.support.events import ACCOUNT, REGION, execution_status


@dataclass
class Token:
    """A task token: one try of a step, and every answer it was given."""

    execution: Execution
    step: int
    retry: int
    open: bool = True
    answers: list[tuple[str, ...]] = field(default_factory=list)
    accepted: list[tuple[str, ...]] = field(default_factory=list)


@dataclass
class Execution:
    """A run of a machine."""

    machine_arn: str
    name: str
    input: str
    status: str = "RUNNING"
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    starts: int = 1


class _Refusal(Exception):
    """An error that AWS would answer with."""


@dataclass
class Executions:
    """`steps`: the task messages of a session, one after the other, without what differs between
    sessions and tries; `steps_of`: those of other workflows, by their ids; `after`: of executions
    that tidy up. `messages` and `events`: what Step Functions sends of itself, still to be
    delivered.
    """

    steps: Sequence[dict[str, Any]] = ()
    steps_of: dict[str, Sequence[dict[str, Any]]] = field(default_factory=dict)
    after: Sequence[dict[str, Any]] = ()
    retries: int = 0
    messages: deque[dict[str, Any]] = field(default_factory=deque)
    events: deque[dict[str, Any]] = field(default_factory=deque)
    machines: dict[str, str] = field(default_factory=dict)
    executions: dict[str, Execution] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)

    def answer(self, operation: str, given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Carry out an operation; see `tests.support.calls.AwsAnswer`."""
        operations: dict[str, Callable[..., dict[str, Any]]] = {
            "CreateStateMachine": self._create,
            "DescribeStateMachine": self._describe_machine,
            "DeleteStateMachine": self._delete,
            "StartExecution": self._start,
            "DescribeExecution": self._describe,
            "StopExecution": self._stop,
            "SendTaskSuccess": self._succeed,
            "SendTaskFailure": self._fail,
        }
        try:
            body, status = operations[operation](given), 200
        except _Refusal as refusal:
            body, status = {"Error": {"Code": str(refusal), "Message": "refused"}}, 400
        return SimpleNamespace(status_code=status), body | {
            "ResponseMetadata": {"HTTPStatusCode": status}
        }

    def _create(self, given: dict[str, Any]) -> dict[str, Any]:
        arn = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{given['name']}"
        if self.machines.setdefault(arn, given["definition"]) != given["definition"]:
            raise _Refusal("StateMachineAlreadyExists")
        return {"stateMachineArn": arn}

    def _describe_machine(self, given: dict[str, Any]) -> dict[str, Any]:
        if given["stateMachineArn"] not in self.machines:
            raise _Refusal("StateMachineDoesNotExist")
        return {"status": "ACTIVE"}

    def _delete(self, given: dict[str, Any]) -> dict[str, Any]:
        arn = given["stateMachineArn"]
        on_it = [e for e in self.executions.values() if e.machine_arn == arn]
        assert all(e.status != "RUNNING" for e in on_it), "what runs on it would end"
        self.machines.pop(arn, None)
        return {}

    def _start(self, given: dict[str, Any]) -> dict[str, Any]:
        machine, name = given["stateMachineArn"], given["name"]
        if machine not in self.machines:
            raise _Refusal("StateMachineDoesNotExist")
        known = self.executions.get(name)
        if known is None:
            execution = Execution(machine, name, given["input"])
            self.executions[name] = execution
            self._announce(execution)
            self._enter(execution, 0, 0)
        elif (known.machine_arn, known.input, known.status) == (machine, given["input"], "RUNNING"):
            known.starts += 1
        else:
            raise _Refusal("ExecutionAlreadyExists")
        return {"executionArn": _arn(machine, name)}

    def _enter(self, execution: Execution, step: int, retry: int) -> None:
        token = f"token-{len(self.tokens)}"
        self.tokens[token] = Token(execution, step, retry)
        session = json.loads(execution.input)["session"]
        self.messages.append(
            {
                "kind": "task",
                "token": token,
                "sessionId": session["id"],
                "phase": "after" if execution.name.endswith(SUFFIX) else "main",
                "workflowId": session["workflowId"],
                "sessionAgentId": session["agentId"],
                "retry": retry,
                "route": 0,
            }
            | self._steps(execution)[step]
        )

    def _steps(self, execution: Execution) -> Sequence[dict[str, Any]]:
        if execution.name.endswith(SUFFIX):
            return self.after
        workflow_id = json.loads(execution.input)["session"]["workflowId"]
        return self.steps_of.get(workflow_id, self.steps)

    def _describe(self, given: dict[str, Any]) -> dict[str, Any]:
        execution = self._found(given)
        answer = {"status": execution.status, "input": execution.input}
        more = {"output": execution.output, "error": execution.error, "cause": execution.cause}
        return answer | {name: value for name, value in more.items() if value is not None}

    def _stop(self, given: dict[str, Any]) -> dict[str, Any]:
        execution = self._found(given)
        if execution.status == "RUNNING":
            self._end(execution, "ABORTED", error=given["error"], cause=given["cause"])
        return {}

    def _found(self, given: dict[str, Any]) -> Execution:
        for execution in self.executions.values():
            if _arn(execution.machine_arn, execution.name) == given["executionArn"]:
                return execution
        raise _Refusal("ExecutionDoesNotExist")

    def _succeed(self, given: dict[str, Any]) -> dict[str, Any]:
        token = self._accepted(given["taskToken"], ("success", given["output"]))
        if token.step + 1 < len(self._steps(token.execution)):
            self._enter(token.execution, token.step + 1, 0)
        else:
            self._end(token.execution, "SUCCEEDED", output=given["output"])
        return {}

    def _fail(self, given: dict[str, Any]) -> dict[str, Any]:
        error, cause = given["error"], given["cause"]
        token = self._accepted(given["taskToken"], ("failure", error, cause))
        if token.retry < self.retries:
            self._enter(token.execution, token.step, token.retry + 1)
        else:
            self._end(token.execution, "FAILED", error=error, cause=cause)
        return {}

    def _accepted(self, name: str, answer: tuple[str, ...]) -> Token:
        token = self.tokens[name]
        token.answers.append(answer)
        if not token.open:
            raise _Refusal("TaskTimedOut")
        token.open = False
        token.accepted.append(answer)
        return token

    def _end(self, execution: Execution, status: str, **how: str) -> None:
        execution.status = status
        for name, value in how.items():
            setattr(execution, name, value)
        for token in self.tokens.values():
            if token.execution is execution:
                token.open = False
        self._announce(execution)

    def _announce(self, execution: Execution) -> None:
        # Output and error are left out, as AWS does with long ones: they have to be fetched.
        self.events.append(
            execution_status(execution.machine_arn, execution.name, execution.status)
        )


def _arn(machine_arn: str, name: str) -> str:
    return machine_arn.replace(":stateMachine:", ":execution:") + f":{name}"
