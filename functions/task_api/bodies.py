from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator

from opscore.http.requests import Paging
from opscore.models.base import Model
from opscore.models.limits import Capability, ErrorCode, Id, Label
from opscore.models.outcome import TaskError
from opscore.models.policy import PolicyKind
from opscore.services.policies import Wanted
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


class WordBody(Model):
    """What a person says to an approval. A misspelt comment must not be dropped."""

    model_config = ConfigDict(extra="forbid")

    comment: Annotated[str, Field(max_length=4096)] = ""
    by: Annotated[Label | None, Field(min_length=1)] = None


class ApprovalQuery(Paging):
    """`?workflowId=&sessionId=` of the list of approvals."""

    workflow_id: Annotated[Id | None, Field(alias="workflowId")] = None
    session_id: Annotated[Id | None, Field(alias="sessionId")] = None


class HeartbeatBody(Model):
    """A task is still being worked on."""

    agent_id: Id | None = None


class PoliciesQuery(Paging):
    """`?kind=` of the list of policies."""

    kind: PolicyKind | None = None


class PolicyName(Model):
    """`?name=` of a policy: the capability, or the workflow's id. In the query, for capabilities
    may hold slashes and white space.
    """

    name: Capability


class ReasonBody(Model):
    """Why somebody pauses or resumes."""

    model_config = ConfigDict(extra="forbid")

    reason: Label | None = None


class PolicyBody(ReasonBody):
    """The limits of a capability or a workflow, all of them: one that is left out is none."""

    max_concurrent: Annotated[int, Field(ge=0, le=10_000)] | None = None
    rate_per_second: Annotated[float, Field(ge=0.001, le=1_000, allow_inf_nan=False)] | None = None
    burst: Annotated[int, Field(ge=1, le=10_000)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.max_concurrent is None and self.rate_per_second is None:
            raise ValueError("give maxConcurrent, ratePerSecond or both; DELETE clears a policy")
        if self.burst is not None and self.burst < (self.rate_per_second or self.burst + 1):
            raise ValueError("burst needs a ratePerSecond, and must not be smaller than that")
        return self

    def wanted(self) -> Wanted:
        """The limits."""
        return Wanted(self.max_concurrent, self.rate_per_second, self.burst)
