"""What ends with an execution: its branches, their sleeps and their waits."""

# ruff: noqa: SLF001  (a fix reaches into what it mends)
from __future__ import annotations

import time
from contextvars import ContextVar
from typing import Any

from ministack.services import stepfunctions as sfn

JsonObject = dict[str, Any]

LOOK_SECONDS = 0.2

running: ContextVar[JsonObject | None] = ContextVar("running", default=None)
"""The execution that a thread runs, or the group of branches that it is of."""


def ended(execution: JsonObject | None) -> bool:
    """Whether an execution, or the branch of one, is over."""
    while execution is not None:
        if execution["status"] != "RUNNING":
            return True
        execution = execution.get("parent")
    return False


def check_running(execution: JsonObject | None) -> None:
    """Raises States.Aborted, which nothing catches, once an execution or its branch is over."""
    if ended(execution):
        raise sfn._ExecutionError("States.Aborted", "the execution has ended")


def sleeps_end_with_their_execution() -> None:
    """Defect: a Wait, or a retry's delay, goes on after its execution, or its branch, has ended."""
    run = sfn._run_execution

    def run_execution(arn: str) -> Any:
        running.set(sfn._executions.get(arn))
        return run(arn)

    def sleep(seconds: float) -> None:
        until = time.monotonic() + seconds * sfn._SFN_WAIT_SCALE
        while (left := until - time.monotonic()) > 0:
            check_running(running.get())
            time.sleep(min(left, LOOK_SECONDS))

    sfn._run_execution = run_execution
    sfn._scaled_sleep = sleep


FIXES = (sleeps_end_with_their_execution,)
