"""States that send one message to the task queue and wait for an answer to its token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opscore.workflows.definition import Retrier
from opscore.workflows.language import (
    ALL_ERRORS,
    NEVER_RETRIED,
    Approval,
    Callback,
    Child,
    RetryRule,
    Route,
    Seconds,
    Signal,
    Task,
)
from opscore.workflows.names import message_group
from opscore.workflows.sources import INPUT, RETRY_NAMES, SESSION, Sources, literal

BACKSTOP_SECONDS = 300
"""What a state waits beyond the task's own times: Ops-Core ends attempts itself, and Step Functions
only where Ops-Core could not. The sweeper comes every minute."""

MAX_TIMEOUT = 99_999_999
AFTER = "after"
"""The phase of messages that a session's second execution sends."""


@dataclass(frozen=True, slots=True)
class Sender:
    """What all messages of one definition have in common."""

    workflow_id: str
    phase: str | None = None

    @property
    def group(self) -> str:
        """The message group: SQS is fair between workflows."""
        return message_group(self.workflow_id)

    def message(
        self, step: Callback, number: int, route: Route | None, path: str | None, sources: Sources
    ) -> dict[str, Any]:
        """The message of a step; `number` tells its routes apart, `path` leads through maps and
        loops to it (JSONata).
        """
        message: dict[str, Any] = {
            "token": "{% $states.context.Task.Token %}",
            "sessionId": f"{{% {SESSION}.id %}}",
            "workflowId": self.workflow_id,
            "taskId": step.id,
            "name": sources.value(step.name),
            "route": number,
            "retry": "{% $states.context.State.RetryCount %}",
            "index": f"{{% {path} %}}" if path else [],
        }
        if self.phase:
            message["phase"] = self.phase
        return message | _own_fields(step, route, sources)


def _own_fields(step: Callback, route: Route | None, sources: Sources) -> dict[str, Any]:
    match step:
        case Task():
            assert route is not None
            return _task(step, route, sources)
        case Approval():
            return {
                "kind": "approval",
                "prompt": sources.value(step.prompt),
                "timeout": sources.value(step.timeout),
            }
        case Signal():
            return {
                "kind": "signal",
                "signal": sources.value(step.signal),
                "timeout": sources.value(step.timeout),
            }
        case Child():
            version = {} if step.version is None else {"childVersion": sources.value(step.version)}
            return {
                "kind": "workflow",
                "childWorkflowId": sources.value(step.workflow_id),
                "sessionAgentId": f"{{% {SESSION}.agentId %}}",
                "input": sources.value(step.input),
                "timeout": sources.value(step.timeout),
            } | version


def _task(task: Task, route: Route, sources: Sources) -> dict[str, Any]:
    message: dict[str, Any] = {
        "kind": "task",
        "sessionAgentId": f"{{% {SESSION}.agentId %}}",
        "parameters": sources.value(route.parameters),
        "timeout": sources.value(task.timeout),
        "waitTimeout": sources.value(task.wait_timeout),
        "priority": sources.value(task.priority),
    }
    if route.agent_id is None and route.agent_capability is None:
        message["agentId"] = message["sessionAgentId"]
    optional = {
        "agentId": route.agent_id,
        "agentCapability": route.agent_capability,
        "heartbeat": task.heartbeat,
    }
    given = {key: sources.value(value) for key, value in optional.items() if value is not None}
    schema = {} if task.result_schema is None else {"resultSchema": dict(task.result_schema)}
    return message | given | schema


def overlaid(parameters: Mapping[str, Any]) -> str:
    """The original's rule for a first task without expressions: what the session was started with
    overlays its parameters.
    """
    own = literal(parameters)
    return f'{{% $type({INPUT}) = "object" ? $merge([{own}, {INPUT}]) : {own} %}}'


def backstop(step: Callback, sources: Sources) -> int | str:
    """When Step Functions gives up on an answer, in seconds or as JSONata."""
    times: list[Seconds] = [step.timeout]
    if isinstance(step, Task):
        times.insert(0, step.wait_timeout)
    plain = [seconds for seconds in times if isinstance(seconds, int)]
    if len(plain) == len(times):
        return sum(plain) + BACKSTOP_SECONDS
    total = " + ".join(sources.seconds(seconds) for seconds in times)
    return f"{{% $min([$ceil({total}) + {BACKSTOP_SECONDS}, {MAX_TIMEOUT}]) %}}"


def retriers(rules: tuple[RetryRule, ...]) -> tuple[Retrier, ...]:
    """The rules as Step Functions takes them."""
    found: list[Retrier] = []
    for rule in rules:
        if rule.errors == (ALL_ERRORS,):
            if rule.max_retries == 0:
                break
            found.append(Retrier(_theirs(NEVER_RETRIED), max_attempts=0))
        found.append(_retrier(rule))
    return tuple(found)


def _retrier(rule: RetryRule) -> Retrier:
    if rule.max_retries == 0:
        return Retrier(_theirs(rule.errors), max_attempts=0)
    return Retrier(
        _theirs(rule.errors),
        max_attempts=rule.max_retries,
        interval_seconds=rule.interval,
        backoff_rate=rule.backoff_rate,
        max_delay_seconds=rule.max_delay,
        full_jitter=rule.full_jitter,
    )


def _theirs(errors: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(name for error in errors for name in RETRY_NAMES.get(error, (error,)))
    )
