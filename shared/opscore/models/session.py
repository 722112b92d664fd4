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


class Keep(Model):
    """An earlier session whose results are kept: of tasks that had ended before `until` (ms), or
    of all.
    """

    session_id: str
    until: int | None = None


class Onto(Model):
    """Who does these steps instead of whom the template names."""

    steps: tuple[str, ...]
    agent_id: str | None = None
    agent_capability: str | None = None


class Rerun(Model):
    """What makes a session the rerun of another: `keeps` has that one first, then the sessions of
    which it was a rerun itself.
    """

    of: str
    from_tasks: tuple[str, ...] = ()
    keeps: tuple[Keep, ...]
    onto: Onto | None = None


class CleanupStatus(StrEnum):
    """How the tidying up after a bad end stands, or ended."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"


class Ending(Model):
    """A bad end that a session tidies up after: how the session ends by it, why, since when (ms);
    and what became of the tidying up, which changes neither.
    """

    status: SessionStatus
    error: Failure | None = None
    since: int
    cleanup: CleanupStatus = CleanupStatus.RUNNING
    cleanup_error: Failure | None = None


class Parent(Model):
    """The task of another session that waits for this one."""

    session_id: str
    task_key: str
    attempt_id: str


class Session(Model):
    """One run of one workflow version; one execution of the same name. Times: our clock, ms.

    `execution_input` is kept byte for byte: a repeated StartExecution must send the same.
    `reruns`: the newest sessions that run this one again; `replayed_as`: the one of them that was
    started for its dead letters.
    `cleanup_arn`: the machine that tidies up after a bad end, and `compensated` the steps that it
    can undo; `ending` is set from that end on, and the session final when it has tidied up.
    `depth`: how many sessions it is nested in.
    """

    session_id: str
    workflow_id: str
    workflow_version: int
    machine_arn: str | None = None
    cleanup_arn: str | None = None
    compensated: tuple[str, ...] = ()
    agent_id: str | None = None
    parent: Parent | None = None
    depth: int = 0
    status: SessionStatus = SessionStatus.STARTED
    start_time: int
    last_updated_time: int
    resumed_at: int | None = None
    end_time: int | None = None
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    execution_input: str
    result: JsonValue = None
    error: Failure | None = None
    rerun: Rerun | None = None
    reruns: tuple[str, ...] = ()
    replayed_as: str | None = None
    ending: Ending | None = None
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
