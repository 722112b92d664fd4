from __future__ import annotations

from typing import Any

from pydantic import Field, JsonValue

from opscore.models.base import Model
from opscore.models.quarantine import Mark
from opscore.settings import TransportName

UNKNOWN_STATE = "UNKNOWN"


def _initial_details() -> dict[str, JsonValue]:
    return {"reason": "Initial registration"}


class Lease(Model):
    """An attempt's claim on a slot of an agent.

    `watermark`, `active_at` and `idle_at` are microseconds of the agent's own clock; reports up to
    the watermark say nothing about this lease. `idle_result`: what the report of `idle_at` gave.
    `named`: a report has named the attempt, so only such reports may end it. `running`: the agent
    has said that it began; `heartbeat`: the task asks to be told that the agent is still at it;
    `has_schema`: the task says what its result must look like; `slots`: what the attempt takes of
    limits.
    """

    attempt_id: str
    fence: int
    session_id: str
    task_key: str
    token: str = Field(repr=False)
    watermark: int
    active_at: int | None = None
    idle_at: int | None = None
    idle_result: JsonValue = None
    named: bool = False
    running: bool = False
    heartbeat: bool = False
    has_schema: bool = False
    slots: tuple[str, ...] = ()


class Draining(Model):
    """A slot whose attempt was taken back: the agent may still be at it, until (our clock, ms)."""

    attempt_id: str
    until: int


class Agent(Model):
    """A registered agent: what it is, what it last said, and what it holds.

    Times are milliseconds of our clock, but for `reported_at` and `last_report_at`: microseconds of
    the agent's. `idle_since` is set if and only if the agent can take a task now; it is also the
    sort key of the agent's idle entries. `unresponsive_since`: a lease ran out, and the agent has
    not been heard of since. `quarantines`: those that concern it.
    """

    agent_id: str
    agent_name: str
    version: str
    capabilities: tuple[str, ...] = ()
    contact_endpoint: str
    transport: TransportName | None = None
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    max_concurrency: int = 1
    registered_at: int

    state: str = UNKNOWN_STATE
    details: dict[str, JsonValue] | None = Field(default_factory=_initial_details)
    timestamp: str | None = None
    reported_at: int | None = None
    last_report_at: int = 0
    last_seen_at: int | None = None

    leases: dict[str, Lease] = Field(default_factory=dict)
    draining: tuple[Draining, ...] = ()
    cooldown_until: int | None = None
    unresponsive_since: int | None = None
    quarantines: tuple[Mark, ...] = ()
    idle_since: int | None = None
    rev: int = 0

    def replace(self, **changes: Any) -> Agent:
        return self.model_copy(update=changes)


class Report(Model):
    """An agent's word on its state. `at`: microseconds of the agent's clock; `attempt_id` and
    `fence` when the report names the task that it is about.
    """

    state: str
    at: int
    timestamp: str
    details: dict[str, JsonValue] | None = None
    attempt_id: str | None = None
    fence: int | None = None
