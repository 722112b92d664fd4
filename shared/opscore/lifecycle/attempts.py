"""How an attempt moves: RECEIVED or PARKED, SENDING, SENT, RUNNING, COMPLETING, CLOSED."""

from __future__ import annotations

from opscore.models.messages import TaskMessage
from opscore.models.outcome import TIMEOUTS, Outcome, TaskError
from opscore.models.task import Attempt, AttemptStatus, Task, TriedHow

LEASED = (AttemptStatus.SENDING, AttemptStatus.SENT, AttemptStatus.RUNNING)
"""An agent holds it: only now can an outcome from the agent be taken."""

MAX_REFUSALS = 3
"""Agents that may refuse one attempt before it counts as undeliverable."""


def fresh(message: TaskMessage, task: Task | None, first_asked_at: int, now: int) -> Attempt:
    """An attempt for a message seen for the first time.

    A retry keeps the time of the task's first request, for its place in the waiting list; a first
    attempt of the first route is a new activation (a loop's next pass) and asks anew.
    """
    again = task is not None and (message.retry > 0 or message.route > 0)
    asked_at = task.asked_at if task is not None and again else first_asked_at
    return Attempt(
        attempt_id=message.attempt_id, message=message, asked_at=asked_at, created_at=now
    )


def task_with(attempt: Attempt, task: Task | None) -> Task:
    """The task's record with this attempt in it, and with what its last attempt taught."""
    message = attempt.message
    if task is None:
        task = Task(
            session_id=message.session_id,
            task_key=message.task_key,
            task_id=message.task_id,
            workflow_id=message.workflow_id,
            name=message.name,
            asked_at=attempt.asked_at,
        )
    if attempt.attempt_id in task.attempts:
        return task
    first = message.retry == 0 and message.route == 0
    return task.replace(
        attempts=(*task.attempts, attempt.attempt_id),
        tried={} if first else tried(task),
        last=None,
        asked_at=attempt.asked_at,
    )


def tried(task: Task) -> dict[str, TriedHow]:
    """The agents that disappointed this task so far, and how."""
    if task.last is None or task.last.agent_id is None or task.last.outcome.succeeded:
        return task.tried
    timed_out = task.last.outcome.error_code in TIMEOUTS
    how = TriedHow.TIMED_OUT if timed_out else TriedHow.FAILED
    return {**task.tried, task.last.agent_id: how}


def next_deadline(attempt: Attempt) -> int | None:
    """When the attempt must have ended, or must have been heard of (ms)."""
    if attempt.deadline is None:
        return None
    if attempt.message.heartbeat is None or attempt.heartbeat_at is None:
        return attempt.deadline
    return min(attempt.deadline, attempt.heartbeat_at + round(attempt.message.heartbeat * 1000))


def overdue(attempt: Attempt, now: int) -> Outcome | None:
    """The failure that time has brought on the attempt, if it has."""
    if attempt.status is AttemptStatus.PARKED:
        if attempt.wait_deadline is not None and attempt.wait_deadline <= now:
            seconds = f"{attempt.message.wait_timeout:g}"
            return Outcome.failure(
                TaskError.NO_AGENT_AVAILABLE, f"no agent could take the task within {seconds} s"
            )
        return None
    ends = next_deadline(attempt)
    if attempt.status not in (AttemptStatus.SENT, AttemptStatus.RUNNING) or ends is None:
        return None
    if ends > now:
        return None
    if attempt.deadline is not None and attempt.deadline <= now:
        return Outcome.failure(
            TaskError.AGENT_TIMEOUT,
            f"agent {attempt.agent_id} gave no outcome within {attempt.message.timeout:g} s",
        )
    return Outcome.failure(
        TaskError.HEARTBEAT_TIMEOUT,
        f"agent {attempt.agent_id} was not heard of for {attempt.message.heartbeat:g} s",
    )
