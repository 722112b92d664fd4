"""The request that hands a task to an agent, alike for every transport."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from opscore.models.task import Attempt

SENDER = "opscore_system_id"
MESSAGE_TYPE = "workflow_task"


def task_reference(attempt: Attempt) -> str:
    """What agents echo as `opscore_task_id`: the attempt, and the fence of this hand-over."""
    return f"{attempt.attempt_id}.{attempt.fence}"


def run_request(attempt: Attempt, now: datetime | None = None) -> dict[str, Any]:
    """The body of `POST …/run`. AgentKit drops every field but these; `payload` passes untouched,
    so what an agent must know stands in there too.
    """
    message = attempt.task_message
    reference = task_reference(attempt)
    return {
        "senderId": SENDER,
        "messageType": MESSAGE_TYPE,
        "payload": {
            "task_name": message.name,
            "task_parameters": message.parameters,
            "opscore_task_id": reference,
            "opscore_session_id": message.session_id,
            "task_definition_id": message.task_id,
            "timeout_seconds": message.timeout,
            "heartbeat_seconds": message.heartbeat,
        },
        "timestamp": (now or datetime.now(UTC)).isoformat(),
        "sessionContext": {"sessionId": message.session_id},
        "task_name": message.name,
        "opscore_session_id": message.session_id,
        "opscore_task_id": reference,
    }
