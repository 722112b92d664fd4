from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field

from opscore.models.base import Model
from opscore.models.messages import AnyStep, TaskMessage
from opscore.models.outcome import Outcome


class AttemptStatus(StrEnum):
    """Where an attempt stands; see `opscore.lifecycle.attempts` for the moves."""

    RECEIVED = "RECEIVED"
    PARKED = "PARKED"
    WAITING = "WAITING"
    SENDING = "SENDING"
    SENT = "SENT"
    RUNNING = "RUNNING"
    COMPLETING = "COMPLETING"
    CLOSED = "CLOSED"


class Origin(Model):
    """The attempt of an earlier session that made a kept result."""

    session_id: str
    attempt_id: str


class Turn(Model):
    """The place that an attempt has, or had last, in a waiting list: from when its turn counts."""

    list_name: str
    at: int


class Attempt(Model):
    """One try of a task: one Step Functions task token. Times are milliseconds of our clock.

    `superseded`: the token was dead before our outcome reached it (timeout, end of the session).
    `waiting_key` is the sort key of the waiting entry of a parked attempt, in `waiting_list`;
    `held_ms`: its age when a paused session was resumed, for its wait began anew.
    `kept_from`: its result was made in an earlier session, of which this one is the rerun.
    `child_session_id`: the session that the attempt waits for.
    `called`: a policy's list has let it go; `slots`: what it takes of limits while an agent has it.
    """

    attempt_id: str
    message: AnyStep
    status: AttemptStatus = AttemptStatus.RECEIVED
    fence: int = 0
    agent_id: str | None = None
    refused_by: tuple[str, ...] = ()
    asked_at: int
    created_at: int
    sending_until: int | None = None
    sent_at: int | None = None
    deadline: int | None = None
    heartbeat_at: int | None = None
    wait_deadline: int | None = None
    held_ms: int = 0
    waiting_list: str | None = None
    waiting_key: str | None = None
    turn: Turn | None = None
    child_session_id: str | None = None
    called: bool = False
    slots: tuple[str, ...] = ()
    outcome: Outcome | None = None
    kept_from: Origin | None = None
    superseded: bool = False
    ended_at: int | None = None
    due_at: int | None = None
    rev: int = 0

    @property
    def session_id(self) -> str:
        return self.message.session_id

    @property
    def task_message(self) -> TaskMessage:
        """The message of an attempt that an agent is to make; only those are handed out."""
        assert isinstance(self.message, TaskMessage)
        return self.message

    def replace(self, **changes: Any) -> Attempt:
        return self.model_copy(update=changes)


class TriedHow(StrEnum):
    """How an agent disappointed a task."""

    FAILED = "failed"
    TIMED_OUT = "timedOut"


class LastWord(Model):
    """How the newest attempt of a task ended, when (ms) and with whom; read by the next attempt,
    and by a rerun, which finds the result itself in the attempt.
    """

    attempt_id: str
    agent_id: str | None = None
    outcome: Outcome
    at: int = 0


class Task(Model):
    """One activation of a step in a session: its attempts, the agents tried, the first request.

    `last` is written when an attempt ends; the next attempt folds it into `tried`.
    """

    session_id: str
    task_key: str
    task_id: str
    workflow_id: str
    name: str
    asked_at: int
    attempts: tuple[str, ...] = ()
    tried: dict[str, TriedHow] = Field(default_factory=dict)
    last: LastWord | None = None
    rev: int = 0

    def replace(self, **changes: Any) -> Task:
        return self.model_copy(update=changes)
