from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from opscore.http.requests import Paging
from opscore.models.base import Model
from opscore.models.dead_letter import LetterError, LetterState
from opscore.models.limits import Capability, Id
from opscore.records.dead_letters import LetterFilter
from opscore.services.replay import How

MAX_AT_ONCE = 20
"""Letters that one request replays: each is some ten requests to AWS."""


def _milliseconds(text: Any) -> int:
    if not isinstance(text, str):
        raise ValueError("must be a time as ISO 8601 text")  # noqa: TRY004 (pydantic takes no other)
    moment = datetime.fromisoformat(text)  # its ValueError is the fault that is shown
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (zoned - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)


Moment = Annotated[int, BeforeValidator(_milliseconds)]
"""A time as ISO 8601 text; milliseconds of our clock inside."""


class DiscardBody(Model):
    """Why nobody will do this task any more."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=1024)]


class LetterQuery(Paging):
    """Which dead letters are listed; times in ISO 8601, UTC without a zone."""

    workflow_id: Annotated[Id | None, Field(alias="workflowId")] = None
    capability: Capability | None = None
    error: LetterError | None = None
    state: LetterState | None = None
    since: Moment | None = None
    until: Moment | None = None

    def filter(self) -> LetterFilter:
        """The letters meant."""
        return LetterFilter(
            self.workflow_id, self.capability, self.error, self.state, self.since, self.until
        )


class ReplayBody(Model):
    """How dead letters are replayed; a misspelt field must not pass for the default."""

    model_config = ConfigDict(extra="forbid")

    agent_id: Id | None = None
    agent_capability: Capability | None = None
    workflow_version: Literal["same", "current"] | Annotated[int, Field(ge=1)] = "same"
    dry_run: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.agent_id is not None and self.agent_capability is not None:
            raise ValueError("give agentId or agentCapability, not both")
        return self

    def how(self, by: str | None) -> How:
        """The same, with who asks for it."""
        return How(self.agent_id, self.agent_capability, self.workflow_version, by)


class ReplayFoundBody(ReplayBody):
    """Which open letters, by at least one filter; `all` where all are meant."""

    workflow_id: Id | None = None
    capability: Capability | None = None
    error: LetterError | None = None
    since: Moment | None = None
    until: Moment | None = None
    all: bool = False
    limit: Annotated[int, Field(ge=1, le=MAX_AT_ONCE)] = 10
    cursor: Annotated[str, Field(max_length=4096)] | None = None

    @model_validator(mode="after")
    def _some(self) -> Self:
        filters = (self.workflow_id, self.capability, self.error, self.since, self.until)
        if self.all == any(one is not None for one in filters):
            raise ValueError("give at least one filter, or all: true without any")
        return self

    def filter(self) -> LetterFilter:
        """The letters meant."""
        return LetterFilter(
            self.workflow_id,
            self.capability,
            self.error,
            LetterState.OPEN,
            self.since,
            self.until,
        )
