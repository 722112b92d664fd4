"""What callers see of dead letters."""

from __future__ import annotations

from typing import Any

from opscore.http import rerun_views
from opscore.http.views import iso
from opscore.lifecycle.letters import Difference, LetterGroup, fingerprint
from opscore.models.dead_letter import DeadLetter
from opscore.services.letters import Comparison
from opscore.services.replay import Replayed


def dead_letter(value: DeadLetter) -> dict[str, Any]:
    """A letter without its message."""
    return {
        "deadLetterId": value.dead_letter_id,
        "recordedAt": iso(value.recorded_at),
        "error": value.error,
        "reason": value.reason,
        "receiveCount": value.receive_count,
        "sessionId": value.session_id,
        "workflowId": value.workflow_id,
        "taskDefinitionId": value.task_id,
        "taskId": value.task_key,
        "attemptId": value.attempt_id,
        "agentId": value.agent_id,
        "agentCapability": value.agent_capability,
        "fingerprint": fingerprint(value),
        "state": value.state,
        "replayedAs": value.replayed_as,
        "settledAt": iso(value.settled_at),
        "settledBy": value.settled_by,
        "settledBecause": value.settled_because,
    }


def with_body(value: DeadLetter, body: str) -> dict[str, Any]:
    """A letter with its message as text."""
    return {**dead_letter(value), "body": body}


def group(value: LetterGroup) -> dict[str, Any]:
    """Letters that are alike."""
    example = value.example
    return {
        "fingerprint": value.fingerprint,
        "count": value.count,
        "firstAt": iso(value.first_at),
        "lastAt": iso(value.last_at),
        "workflowId": example.workflow_id,
        "taskDefinitionId": example.task_id,
        "agentId": example.agent_id,
        "agentCapability": example.agent_capability,
        "error": example.error,
        "example": example.dead_letter_id,
    }


def comparison(value: Comparison) -> dict[str, Any]:
    """Where the inputs of two letters differ."""
    return {
        "deadLetter": dead_letter(value.left),
        "other": dead_letter(value.right),
        "differences": [_difference(one) for one in value.differences],
        "complete": value.complete,
    }


def replayed(value: Replayed) -> dict[str, Any]:
    """What became of a letter that was to be replayed."""
    error = value.error
    return {
        "deadLetterId": value.letter.dead_letter_id,
        "sessionId": value.session_id,
        "again": value.again,
        "rerun": None if value.plan is None else rerun_views.plan_of(value.plan),
        "error": None if error is None else {"code": error.code, "detail": error.detail},
    }


def _difference(value: Difference) -> dict[str, Any]:
    """A side's value stands in a list, which is empty where there is none."""
    return {"path": value.path, "here": list(value.left), "there": list(value.right)}
