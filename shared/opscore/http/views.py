"""What callers see of agents, sessions, tasks and workflows, as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import JsonValue

from opscore.lifecycle.agents import Condition
from opscore.lifecycle.attempts import ends_at, owner
from opscore.models.agent import Agent
from opscore.models.messages import (
    AnyStep,
    ApprovalMessage,
    Phase,
    SignalMessage,
    TaskMessage,
    WorkflowMessage,
)
from opscore.models.policy import Policy
from opscore.models.quarantine import Mark, Quarantine
from opscore.models.session import Ending, Failure, Parent, Session
from opscore.models.task import Attempt, AttemptStatus, Task
from opscore.models.workflow import WorkflowVersion
from opscore.records.agents import HistoryEntry
from opscore.records.paging import Listing
from opscore.services.sessions import SessionView

T = TypeVar("T")


def iso(milliseconds: int | None) -> str | None:
    """A time of ours as text."""
    if milliseconds is None:
        return None
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def listing(found: Listing[T], view: Callable[[T], Any]) -> dict[str, Any]:
    return {"items": [view(item) for item in found.items], "nextCursor": found.next_cursor}


def agent(value: Agent, conditions: Collection[Condition]) -> dict[str, Any]:
    return {
        "agentId": value.agent_id,
        "agentName": value.agent_name,
        "version": value.version,
        "capabilities": list(value.capabilities),
        "contactEndpoint": value.contact_endpoint,
        "transport": value.transport,
        "metadata": value.metadata,
        "maxConcurrency": value.max_concurrency,
        "state": value.state,
        "details": value.details,
        "timestamp": value.timestamp,
        "lastSeenAt": iso(value.last_seen_at),
        "registeredAt": iso(value.registered_at),
        "stale": Condition.STALE in conditions,
        "unresponsiveSince": iso(value.unresponsive_since),
        "eligible": value.idle_since is not None,
        "openTasks": sorted(value.leases),
        "quarantines": [_mark(mark) for mark in value.quarantines],
        "cooldownUntil": iso(value.cooldown_until),
        "draining": [
            {"attemptId": slot.attempt_id, "until": iso(slot.until)} for slot in value.draining
        ],
    }


def _mark(value: Mark) -> dict[str, Any]:
    return {
        "what": value.what,
        "name": value.name,
        "reason": value.reason,
        "by": value.by,
        "since": iso(value.since),
    }


def quarantine(value: Quarantine) -> dict[str, Any]:
    return {
        **_mark(value),
        "applied": value.applied,
        "releasedBy": value.released_by,
        "releasedAt": iso(value.released_at),
    }


def agent_state(value: Agent) -> dict[str, Any]:
    return {
        "agentId": value.agent_id,
        "state": value.state,
        "details": value.details,
        "timestamp": value.timestamp or iso(value.registered_at),
    }


def history_entry(value: HistoryEntry) -> dict[str, Any]:
    return {
        "state": value.state,
        "timestamp": value.timestamp,
        "details": value.details,
        "receivedAt": iso(value.received_at),
        "displayed": value.displayed,
    }


def attempt(value: Attempt) -> dict[str, Any]:
    return {
        "attemptId": value.attempt_id,
        "route": value.message.route,
        "retry": value.message.retry,
        "status": value.status,
        "agentId": value.agent_id,
        "fence": value.fence,
        "createdAt": iso(value.created_at),
        "sentAt": iso(value.sent_at),
        "endedAt": iso(value.ended_at),
        "deadline": iso(value.deadline),
        "outcome": _outcome(value),
        "keptFrom": (
            None if value.kept_from is None else value.kept_from.model_dump(by_alias=True)
        ),
        "error": _error(value),
    }


_STANDS = {
    AttemptStatus.RECEIVED: "waiting",
    AttemptStatus.PARKED: "waiting",
    AttemptStatus.WAITING: "waiting",
    AttemptStatus.SENDING: "dispatching",
    AttemptStatus.SENT: "running",
    AttemptStatus.RUNNING: "running",
    AttemptStatus.COMPLETING: "completing",
}


def task_status(newest: Attempt | None) -> str:
    """A task stands where its newest attempt does."""
    if newest is None:
        return "waiting"
    if newest.status is not AttemptStatus.CLOSED:
        return _STANDS[newest.status]
    if newest.outcome is None or newest.superseded:
        return "superseded"
    return "completed" if newest.outcome.succeeded else "failed"


def task(value: Task, attempts: dict[str, Attempt]) -> dict[str, Any]:
    """A task with its attempts, the oldest first."""
    known = [attempts[attempt_id] for attempt_id in value.attempts if attempt_id in attempts]
    newest = known[-1] if known else None
    return {
        "taskId": value.task_key,
        "taskDefinitionId": value.task_id,
        "kind": "task" if newest is None else newest.message.kind,
        "name": value.name,
        "workflowId": value.workflow_id,
        "sessionId": value.session_id,
        "status": task_status(newest),
        "agentId": None if newest is None else newest.agent_id,
        "phase": Phase.MAIN if newest is None else newest.message.phase,
        "retryCount": max(len(known) - 1, 0),
        "payload": None if newest is None else _payload(newest.message),
        "attempts": [attempt(one) for one in known],
        "result": None if newest is None or newest.outcome is None else newest.outcome.result,
        "error": None if newest is None else _error(newest),
        "createdAt": iso(value.asked_at),
        "updatedAt": None if newest is None else iso(newest.ended_at or newest.sent_at),
        **({} if newest is None else _awaited(newest)),
    }


def attempt_with_task(value: Attempt) -> dict[str, Any]:
    """One attempt for whoever holds a reference to it."""
    message = value.message
    return {
        **attempt(value),
        "taskId": value.attempt_id,
        "taskDefinitionId": message.task_id,
        "kind": message.kind,
        "taskStatus": task_status(value),
        "name": message.name,
        "sessionId": message.session_id,
        "workflowId": message.workflow_id,
        "payload": _payload(message),
        "result": None if value.outcome is None else value.outcome.result,
        **_awaited(value),
    }


def open_task(value: Attempt, now: int) -> dict[str, Any]:
    """An attempt without an end: whose turn it is, since when, until when."""
    message = value.message
    return {
        "attemptId": value.attempt_id,
        "taskDefinitionId": message.task_id,
        "kind": message.kind,
        "name": message.name,
        "sessionId": message.session_id,
        "workflowId": message.workflow_id,
        "status": value.status,
        "owner": owner(value),
        "agentId": value.agent_id,
        "waitingList": value.waiting_list,
        "createdAt": iso(value.created_at),
        "ageSeconds": max(now - value.created_at, 0) // 1000,
        "deadline": iso(ends_at(value)),
        "lookedAtNext": iso(value.due_at),
    }


def _payload(message: AnyStep) -> JsonValue:
    match message:
        case TaskMessage(parameters=parameters):
            return parameters
        case WorkflowMessage(input=given):
            return given
        case ApprovalMessage() | SignalMessage():
            return None


def _awaited(value: Attempt) -> dict[str, Any]:
    """What an attempt that is no agent's waits for."""
    match value.message:
        case ApprovalMessage(prompt=prompt):
            return {"prompt": prompt}
        case SignalMessage(signal=name):
            return {"signal": name}
        case WorkflowMessage(child_workflow_id=workflow_id):
            return {"childWorkflowId": workflow_id, "childSessionId": value.child_session_id}
        case TaskMessage():
            return {}


def approval(value: Attempt) -> dict[str, Any]:
    """An approval that waits for a person."""
    message = value.message
    return {
        "taskId": value.attempt_id,
        "taskDefinitionId": message.task_id,
        "name": message.name,
        "sessionId": message.session_id,
        "workflowId": message.workflow_id,
        **_awaited(value),
        "createdAt": iso(value.created_at),
        "deadline": iso(value.deadline),
    }


def approval_answer(value: Attempt) -> dict[str, Any]:
    """An approval with what a person said."""
    said = None if value.outcome is None else value.outcome.result
    return {
        "taskId": value.attempt_id,
        "sessionId": value.session_id,
        **(said if isinstance(said, dict) else {}),
    }


def triggered(value: Session) -> dict[str, Any]:
    """The answer to a trigger; the wording is the original's."""
    return {
        "sessionId": value.session_id,
        "workflowId": value.workflow_id,
        "message": (
            "Workflow triggered but has no tasks."
            if value.machine_arn is None
            else "Workflow triggered successfully"
        ),
    }


def session(value: Session) -> dict[str, Any]:
    """A session without its tasks."""
    return {
        "sessionId": value.session_id,
        "workflowId": value.workflow_id,
        "workflowVersion": value.workflow_version or None,
        "agentId": value.agent_id,
        "parent": _parent(value.parent),
        "status": value.status,
        "startTime": iso(value.start_time),
        "last_updated_time": iso(value.last_updated_time),
        "endTime": iso(value.end_time),
        "metadata": value.metadata,
        "input": json.loads(value.execution_input)["input"],
        "result": value.result,
        "error": _failure(value.error),
        "ending": None if value.ending is None else _ending(value.ending),
        "rerunOf": None if value.rerun is None else value.rerun.of,
        "fromTasks": [] if value.rerun is None else list(value.rerun.from_tasks),
        "reruns": list(value.reruns),
    }


def _ending(value: Ending) -> dict[str, Any]:
    return {
        "status": value.status,
        "error": _failure(value.error),
        "since": iso(value.since),
        "cleanup": {"status": value.cleanup, "error": _failure(value.cleanup_error)},
    }


def _failure(value: Failure | None) -> dict[str, str] | None:
    return None if value is None else value.model_dump(by_alias=True)


def _parent(value: Parent | None) -> dict[str, str] | None:
    if value is None:
        return None
    return {"sessionId": value.session_id, "taskId": value.task_key}


def session_with_tasks(view: SessionView) -> dict[str, Any]:
    tasks = [task(one, view.attempts) for one in view.tasks]
    return {**session(view.session), "tasks": tasks}


def workflow(value: WorkflowVersion) -> dict[str, Any]:
    return {
        "workflowId": value.workflow_id,
        "version": value.version,
        "name": value.name,
        "label": value.label,
        "description": value.description,
        "hash": value.content_hash,
        "createdAt": iso(value.created_at),
    }


def workflow_with_template(value: WorkflowVersion) -> dict[str, Any]:
    return {**workflow(value), "template": value.template}


def policy(value: Policy) -> dict[str, Any]:
    return {
        "kind": value.kind,
        "name": value.name,
        "maxConcurrent": value.max_concurrent,
        "ratePerSecond": value.rate_per_second,
        "burst": value.burst,
        "paused": value.paused,
        "reason": value.reason,
        "updatedBy": value.updated_by,
        "updatedAt": iso(value.updated_at),
    }


def _outcome(value: Attempt) -> str | None:
    if value.outcome is None:
        return "superseded" if value.superseded else None
    return "completed" if value.outcome.succeeded else "failed"


def _error(value: Attempt) -> dict[str, str] | None:
    if value.outcome is None or value.outcome.error_code is None:
        return None
    return {"code": value.outcome.error_code, "message": value.outcome.message}
