from __future__ import annotations

from opscore.models.base import Model


class DeadLetter(Model):
    """A task message that could not be delivered, kept for people. Times: our clock, ms."""

    dead_letter_id: str
    recorded_at: int
    reason: str
    body: str
    receive_count: int
    session_id: str | None = None
    workflow_id: str | None = None
    task_id: str | None = None
    attempt_id: str | None = None
    agent_id: str | None = None
