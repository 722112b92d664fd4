from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator

from opscore.errors import Malformed
from opscore.http.requests import Paging
from opscore.lifecycle.agents import Condition
from opscore.models.agent import Report
from opscore.models.base import Model
from opscore.models.limits import (
    MAX_CAPABILITIES,
    MAX_CONCURRENCY,
    MAX_FUTURE_SECONDS,
    Capability,
    Endpoint,
    Id,
    Label,
)
from opscore.models.quarantine import Quarantined
from opscore.services.own_word import parse_reference
from opscore.settings import TransportName

Reason = Annotated[str, Field(min_length=1, max_length=1024)]
"""Why, for people."""


class StateBody(Model):
    """An agent's report, as the AgentKit SDK sends it."""

    agent_id: Id
    timestamp: Annotated[str, Field(max_length=64)]
    state: Annotated[str, Field(min_length=1, max_length=64)]
    details: dict[str, JsonValue] | None = None

    def report(self, now_ms: int) -> Report:
        """The report in the agent's own time. A timestamp that can't be parsed means now.

        Raises Malformed for one that lies so far ahead that it would shadow every later report.
        """
        at = _microseconds(self.timestamp)
        now = now_ms * 1000
        if at is not None and at > now + MAX_FUTURE_SECONDS * 1_000_000:
            fault = {
                "type": "timestamp_in_future",
                "loc": ["body", "timestamp"],
                "msg": f"more than {MAX_FUTURE_SECONDS // 3600} h ahead; set the agent's clock",
                "input": self.timestamp,
            }
            raise Malformed([fault])
        attempt_id, fence = None, None
        reference = (self.details or {}).get("opscore_task_id")
        if isinstance(reference, str) and reference:
            attempt_id, fence = parse_reference(reference)
        return Report(
            state=self.state,
            at=now if at is None else at,
            timestamp=self.timestamp,
            details=self.details,
            attempt_id=attempt_id,
            fence=fence,
        )


def _microseconds(timestamp: str) -> int | None:
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return max((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds, 1)


class AgentBody(Model):
    """What an agent is registered with directly."""

    agent_name: Label | None = None
    version: Label = ""
    capabilities: Annotated[tuple[Capability, ...], Field(max_length=MAX_CAPABILITIES)] = ()
    contact_endpoint: Endpoint
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    max_concurrency: Annotated[int, Field(ge=1, le=MAX_CONCURRENCY)] | None = None
    transport: TransportName | None = None


class ReasonBody(Model):
    """Why an agent is kept from work."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


class AboutBody(Model):
    """What a quarantine is about: one of the three. In a body, for capabilities may hold slashes
    and white space.
    """

    model_config = ConfigDict(extra="forbid")

    agent_id: Id | None = None
    capability: Capability | None = None
    version: Label | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(given is not None for given in (self.agent_id, self.capability, self.version)) != 1:
            raise ValueError("give exactly one of agentId, capability and version")
        return self

    def subject(self) -> tuple[Quarantined, str]:
        """Which of the three, and its name."""
        if self.agent_id is not None:
            return Quarantined.AGENT, self.agent_id
        if self.capability is not None:
            return Quarantined.CAPABILITY, self.capability
        return Quarantined.VERSION, self.version or ""


class QuarantineBody(AboutBody):
    """A quarantine."""

    reason: Reason


class QuarantineQuery(Paging):
    """`?past=` of the list of quarantines."""

    past: bool = False


class AgentQuery(Paging):
    """`?state=&capability=&condition=` of the list of agents."""

    state: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    capability: Capability | None = None
    condition: Condition | None = None
