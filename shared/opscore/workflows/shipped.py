"""The templates that every deployment ships."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

SAMPLE_WORKFLOW_ID = "sample_workflow_id"
SINGLE_TASK_ID = "opscore_single_task"
DEFAULT_MAX_RETRIES = 3
"""What the shipped single task has; any other number is a definition of its own."""

_FILES = {SAMPLE_WORKFLOW_ID: "sample_workflow.yaml", SINGLE_TASK_ID: "single_task.yaml"}


@cache
def shipped_source(workflow_id: str) -> str | None:
    """The YAML text of a shipped template, or None if there is none of this id."""
    name = _FILES.get(workflow_id)
    return None if name is None else files("opscore").joinpath("shipped", name).read_text("utf-8")


def shipped_ids() -> tuple[str, ...]:
    """The ids of all shipped templates."""
    return tuple(_FILES)


def single_task(max_retries: int = DEFAULT_MAX_RETRIES) -> dict[str, Any]:
    """The template of a single task with this many retries: each number is its own definition."""
    from opscore.workflows.checks import check

    template = check(shipped_source(SINGLE_TASK_ID) or "").template or {}
    task = template["tasks"][0] | {"retry": {"maxRetries": max_retries}}
    return template | {"tasks": [task]}
