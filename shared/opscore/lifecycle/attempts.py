"""How an attempt moves: RECEIVED or PARKED, SENDING, SENT, RUNNING, COMPLETING, CLOSED; one that no
agent makes is WAITING instead of sent.
"""

from __future__ import annotations

from enum import StrEnum

from opscore.models.messages import (
    AnyStep,
    ApprovalMessage,
    SignalMessage,
    TaskMessage,
    WorkflowMessage,
)
from opscore.models.outcome import TIMEOUTS, Outcome, TaskError
from opscore.models.task import Attempt, AttemptStatus, Task, TriedHow

LEASED = (AttemptStatus.SENDING, AttemptStatus.SENT, AttemptStatus.RUNNING)
"""An agent holds it: only now can an outcome from the agent be taken."""

_TIMED = (AttemptStatus.WAITING, AttemptStatus.SENT, AttemptStatus.RUNNING)

MAX_REFUSALS = 3
"""Agents that may refuse one attempt before it counts as undeliverable."""


def fresh(message: AnyStep, task: Task | None, first_asked_at: int, now: int) -> Attempt:
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


def superseded(attempt: Attempt, now: int) -> Attempt:
    """The attempt closed without an answer: its token is dead."""
    return attempt.replace(
        status=AttemptStatus.CLOSED,
        superseded=True,
        ended_at=now,
        waiting_list=None,
        waiting_key=None,
        slots=(),
        due_at=None,
    )


def next_deadline(attempt: Attempt) -> int | None:
    """When the attempt must have ended, or must have been heard of (ms)."""
    if attempt.deadline is None:
        return None
    if attempt.heartbeat_at is None or attempt.task_message.heartbeat is None:
        return attempt.deadline
    heartbeat_ms = round(attempt.task_message.heartbeat * 1000)
    return min(attempt.deadline, attempt.heartbeat_at + heartbeat_ms)


def overdue(attempt: Attempt, now: int) -> Outcome | None:
    """The failure that time has brought on the attempt, if it has."""
    if attempt.status is AttemptStatus.PARKED:
        if attempt.wait_deadline is not None and attempt.wait_deadline <= now:
            seconds = f"{attempt.task_message.wait_timeout:g}"
            return Outcome.failure(
                TaskError.NO_AGENT_AVAILABLE, f"no agent could take the task within {seconds} s"
            )
        return None
    ends = next_deadline(attempt)
    if attempt.status not in _TIMED or ends is None or ends > now:
        return None
    if attempt.status is AttemptStatus.WAITING:
        return _waited_in_vain(attempt)
    if attempt.deadline is not None and attempt.deadline <= now:
        return Outcome.failure(
            TaskError.AGENT_TIMEOUT,
            f"agent {attempt.agent_id} gave no outcome within {attempt.message.timeout:g} s",
        )
    return Outcome.failure(
        TaskError.HEARTBEAT_TIMEOUT,
        f"agent {attempt.agent_id} was not heard of for {attempt.task_message.heartbeat:g} s",
    )


class Owner(StrEnum):
    """Whose turn it is with an open attempt."""

    QUEUE = "queue"
    WAITING_LIST = "waitingList"
    DISPATCHER = "dispatcher"
    AGENT = "agent"
    STEP_FUNCTIONS = "stepFunctions"
    PERSON = "person"
    SIGNAL = "signal"
    SESSION = "session"


_OWNERS = {
    AttemptStatus.RECEIVED: Owner.QUEUE,
    AttemptStatus.PARKED: Owner.WAITING_LIST,
    AttemptStatus.SENDING: Owner.DISPATCHER,
    AttemptStatus.SENT: Owner.AGENT,
    AttemptStatus.RUNNING: Owner.AGENT,
    AttemptStatus.COMPLETING: Owner.STEP_FUNCTIONS,
}


def owner(attempt: Attempt) -> Owner | None:
    """Who has the attempt; None of one that has ended."""
    if attempt.status is not AttemptStatus.WAITING:
        return _OWNERS.get(attempt.status)
    match attempt.message:
        case ApprovalMessage():
            return Owner.PERSON
        case SignalMessage():
            return Owner.SIGNAL
        case _:
            return Owner.SESSION


def ends_at(attempt: Attempt) -> int | None:
    """When the time of an open attempt is over, in the hands that it is in (ms); None while it
    waits for what has no end, as a paused session, or is on its way.
    """
    if attempt.status is AttemptStatus.PARKED:
        return attempt.wait_deadline
    return next_deadline(attempt) if attempt.status in _TIMED else None


def _waited_in_vain(attempt: Attempt) -> Outcome:
    match attempt.message:
        case ApprovalMessage():
            what = "nobody approved or rejected"
        case SignalMessage(signal=name):
            what = f"no signal {name!r} came"
        case WorkflowMessage():
            what = f"child session {attempt.child_session_id} did not end"
        case TaskMessage():
            what = "nothing happened"
    return Outcome.failure(TaskError.TIMEOUT, f"{what} within {attempt.message.timeout:g} s")
