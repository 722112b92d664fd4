from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import JsonValue

from opscore.models.base import Model


class TaskError(StrEnum):
    """Errors that Ops-Core itself puts on a task, by the names that templates match."""

    AGENT_ERROR = "AgentError"
    AGENT_TIMEOUT = "AgentTimeout"
    HEARTBEAT_TIMEOUT = "HeartbeatTimeout"
    DISPATCH_FAILED = "DispatchFailed"
    NO_AGENT_AVAILABLE = "NoAgentAvailable"
    AGENT_LOST = "AgentLost"
    INVALID_RESULT = "InvalidResult"
    INVALID_INPUT = "InvalidInput"
    TIMEOUT = "Timeout"
    REJECTED = "Rejected"
    WORKFLOW_NOT_FOUND = "WorkflowNotFound"
    CHILD_CANCELLED = "ChildCancelled"
    DEPTH_LIMIT = "DepthLimit"


TIMEOUTS = (TaskError.AGENT_TIMEOUT, TaskError.HEARTBEAT_TIMEOUT)
"""The agent was silent for too long: it may still be at it."""

TAKEN_BACK = (*TIMEOUTS, TaskError.AGENT_LOST)
"""The task ended without a word of its agent, which may still be at it."""


_OWN_NAMES = {
    "States.QueryEvaluationError": "ExpressionError",
    "States.ExceedToleratedFailureThreshold": "TooManyFailures",
    "States.HeartbeatTimeout": TaskError.HEARTBEAT_TIMEOUT.value,
}


def own_name(error: str) -> str:
    """The language's name for the error that an execution ended with."""
    return _OWN_NAMES.get(error, error)


class Outcome(Model):
    """How an attempt ended: a result, or an error code with its message."""

    result: JsonValue = None
    error_code: str | None = None
    message: str = ""

    @property
    def succeeded(self) -> bool:
        return self.error_code is None

    @classmethod
    def success(cls, result: JsonValue) -> Self:
        return cls(result=result)

    @classmethod
    def failure(cls, code: str, message: str) -> Self:
        return cls(error_code=str(code), message=message)
