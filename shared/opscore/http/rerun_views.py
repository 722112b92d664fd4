"""What callers see of a rerun: the new session, and what it keeps of the old one."""

from __future__ import annotations

from typing import Any

from opscore.models.session import Session
from opscore.services.rerun import Plan


def rerun(plan: Plan, session: Session | None) -> dict[str, Any]:
    """The session that runs the old one again; None: nothing was started."""
    if session is None:
        message = "Nothing was started: this is what would be"
    else:
        message = "Session runs again"
    return {
        "sessionId": None if session is None else session.session_id,
        **plan_of(plan),
        "message": message,
    }


def plan_of(value: Plan) -> dict[str, Any]:
    """What runs again, on which version, from which tasks, onto whom, and what is kept."""
    onto = value.rerun.onto
    return {
        "workflowId": value.old.workflow_id,
        "workflowVersion": value.machinery.version or None,
        "rerunOf": value.old.session_id,
        "fromTasks": list(value.rerun.from_tasks),
        "onto": None if onto is None else onto.model_dump(mode="json", by_alias=True),
        "kept": [task.task_key for task in value.kept],
    }
