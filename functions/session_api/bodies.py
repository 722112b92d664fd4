from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator

from opscore.http.requests import Paging
from opscore.models.base import Model
from opscore.models.limits import Id, SignalName
from opscore.models.session import SessionStatus


class TriggerBody(Model):
    """What a session is started with: exactly one of the two ways to name a workflow."""

    workflow_definition_id: Id | None = None
    workflow_definition: dict[str, Any] | None = None
    initial_payload: dict[str, JsonValue] | None = None

    @model_validator(mode="after")
    def _one_workflow(self) -> Self:
        if (self.workflow_definition_id is None) == (self.workflow_definition is None):
            raise ValueError("give either workflowDefinitionId or workflowDefinition")
        return self


class UpdateBody(Model):
    """What a person changes of a session; a misspelt field must not pass for no change."""

    model_config = ConfigDict(extra="forbid")

    metadata: dict[Annotated[str, Field(min_length=1, max_length=128)], JsonValue] | None = None
    status: SessionStatus | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.metadata is None and self.status is None:
            raise ValueError("give metadata, status or both")
        return self


class CancelBody(Model):
    """How a session is cancelled: without `cleanup` it does not tidy up, or no further."""

    model_config = ConfigDict(extra="forbid")

    cleanup: bool = True


class RerunBody(Model):
    """From where an ended session runs again; a misspelt field must not pass for the default."""

    model_config = ConfigDict(extra="forbid")

    from_task: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    workflow_version: Literal["same", "current"] | Annotated[int, Field(ge=1)] = "same"
    dry_run: bool = False


class SignalBody(Model):
    """A signal for a session. A misspelt signalId must not pass for none."""

    model_config = ConfigDict(extra="forbid")

    name: SignalName
    payload: JsonValue = Field(default_factory=dict)
    signal_id: Id | None = None


class SessionQuery(Paging):
    """`?status=&workflowId=` of the list of sessions."""

    status: SessionStatus | None = None
    workflow_id: Annotated[Id | None, Field(alias="workflowId")] = None
