from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator

from opscore.models.base import Model
from opscore.models.limits import Capability, ErrorCode, Id, Label
from opscore.models.outcome import TaskError
from opscore.workflows.shipped import DEFAULT_MAX_RETRIES

Duration = Annotated[int, Field(ge=1, le=30 * 86_400)]


class TaskBody(Model):
    """One task without a template; durations in seconds. A misspelt field must not be dropped."""

    model_config = ConfigDict(extra="forbid")

    agent_id: Id | None = None
    agent_capability: Capability | None = None
    name: Label | None = None
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    timeout: Duration | None = None
    wait_timeout: Duration | None = None
    heartbeat: Duration | None = None
    priority: Annotated[int, Field(ge=0, le=9)] | None = None
    max_retries: Annotated[int, Field(ge=0, le=20)] = DEFAULT_MAX_RETRIES

    @model_validator(mode="after")
    def _one_route(self) -> Self:
        if (self.agent_id is None) == (self.agent_capability is None):
            raise ValueError("give either agentId or agentCapability")
        return self

    def payload(self) -> dict[str, Any]:
        """The input of the session that does the task."""
        return self.model_dump(
            mode="json", by_alias=True, exclude_none=True, exclude={"max_retries"}
        )


class CompleteBody(Model):
    """A task is done."""

    agent_id: Id | None = None
    result: JsonValue = Field(default_factory=dict)


class FailBody(Model):
    """A task has failed."""

    agent_id: Id | None = None
    error_code: ErrorCode = TaskError.AGENT_ERROR.value
    message: Annotated[str, Field(max_length=4096)] = ""


class HeartbeatBody(Model):
    """A task is still being worked on."""

    agent_id: Id | None = None
