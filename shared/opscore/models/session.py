from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field, JsonValue

from opscore.models.base import Model


class SessionStatus(StrEnum):
    """The original's statuses."""

    STARTED = "started"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Failure(Model):
    """Why a session ended badly."""

    code: str
    message: str = ""


class Session(Model):
    """One run of one workflow version; one execution of the same name. Times: our clock, ms.

    `execution_input` is kept byte for byte: a repeated StartExecution must send the same.
    """

    session_id: str
    workflow_id: str
    workflow_version: int
    machine_arn: str | None = None
    agent_id: str | None = None
    status: SessionStatus = SessionStatus.STARTED
    start_time: int
    last_updated_time: int
    resumed_at: int | None = None
    end_time: int | None = None
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    execution_input: str
    result: JsonValue = None
    error: Failure | None = None
    cleaned: bool = False
    due_at: int | None = None
    rev: int = 0

    def replace(self, **changes: Any) -> Session:
        return self.model_copy(update=changes)


class IdempotencyRecord(Model):
    """The session that an Idempotency-Key started, and the request it came with."""

    session_id: str
    request_hash: str
    expires_at: int
