from __future__ import annotations

from enum import StrEnum
from typing import Any

from opscore.models.base import Model


class LetterState(StrEnum):
    """What people have done about a dead letter."""

    OPEN = "open"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


class LetterError(StrEnum):
    """Why a message became a dead letter."""

    UNDELIVERED = "Undelivered"
    """No agent ever got the task; it has failed with DispatchFailed."""
    MOVED_ON = "MovedOn"
    """The attempt had gone on without this message, so it was left alone."""
    NO_TASK = "NoTask"
    """A message of Ops-Core's own, or of a task that is not on record."""
    UNREADABLE = "Unreadable"
    """No message that Ops-Core sends."""


class DeadLetter(Model):
    """A task message that could not be delivered, kept for people. Times: our clock, ms.

    `settled_…`: by whom (the name of an API key), when and why it was replayed or discarded;
    `replayed_as` is the session that its task runs again in.
    """

    dead_letter_id: str
    recorded_at: int
    error: LetterError
    reason: str
    receive_count: int
    session_id: str | None = None
    workflow_id: str | None = None
    task_id: str | None = None
    task_key: str | None = None
    attempt_id: str | None = None
    agent_id: str | None = None
    agent_capability: str | None = None
    state: LetterState = LetterState.OPEN
    replayed_as: str | None = None
    settled_at: int | None = None
    settled_by: str | None = None
    settled_because: str | None = None

    def replace(self, **changes: Any) -> DeadLetter:
        return self.model_copy(update=changes)
