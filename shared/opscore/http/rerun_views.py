"""What callers see of a rerun: the new session, and what it keeps of the old one."""

from __future__ import annotations

from typing import Any

from opscore.models.session import Onto, Session
from opscore.services.rerun import Plan


def rerun(plan: Plan, session: Session | None) -> dict[str, Any]:
    """The session that runs the old one again; None: nothing was started."""
    if session is None:
        message = "Nothing was started: this is what would be"
    else:
        message = "Session runs again"
    return {
        "sessionId": None if session is None else session.session_id,
        "workflowId": plan.old.workflow_id,
        "workflowVersion": plan.machinery.version or None,
        "rerunOf": plan.old.session_id,
        "fromTasks": list(plan.rerun.from_tasks),
        "onto": onto(plan.rerun.onto),
        "kept": [task.task_key for task in plan.kept],
        "message": message,
    }


def onto(value: Onto | None) -> dict[str, Any] | None:
    """Who does which steps instead of whom the template names."""
    return None if value is None else value.model_dump(mode="json", by_alias=True)
