"""Checks against what Step Functions takes, and warnings about times that don't fit together."""

from __future__ import annotations

from opscore.errors import WorkflowInvalid
from opscore.workflows.compiler import compile_cleanup, compile_workflow
from opscore.workflows.durations_of import patience
from opscore.workflows.effort import (
    ENDLESS,
    MAX_EVENTS,
    Effort,
    cleanup_effort,
    effort,
    has_executions_of_its_own,
)
from opscore.workflows.findings import Code, Place, Report
from opscore.workflows.grammar import INLINE_CONCURRENCY
from opscore.workflows.language import Block, Map, Parallel, Repeat, Task, Workflow
from opscore.workflows.nodes import short
from opscore.workflows.steps import all_steps, blocks

_LONGEST_QUEUE_URL = f"https://sqs.ap-southeast-1.amazonaws.com/123456789012/{'q' * 80}"


def check_limits(workflow: Workflow, report: Report, *, own_executions: bool) -> None:
    """Find what could not run to its end, in a workflow that nothing else is wrong with.

    `own_executions`: the service can run the items of a map as executions of their own.
    """
    if report.errors or not workflow.tasks:
        return
    for step in all_steps((*workflow.tasks, *workflow.on_failure)):
        if isinstance(step, Task):
            _check_times(workflow, step, report)
    for block in (workflow.tasks, workflow.on_failure):
        _check_maps(block, report, own_executions=own_executions, outermost=True)
    place = Place("tasks")
    _check_events(effort(workflow).most, "an execution", place, report)
    after = "what runs when a session ends badly"
    _check_events(cleanup_effort(workflow), after, Place("onFailure"), report)
    if report.errors:
        return
    try:
        compile_workflow(workflow, _LONGEST_QUEUE_URL)
        compile_cleanup(workflow, _LONGEST_QUEUE_URL)
    except WorkflowInvalid as error:
        for finding in error.findings:
            report.error(Code(finding.code), finding.message, place, "split the workflow")


def _check_events(most: Effort, what: str, place: Place, report: Report) -> None:
    events = most.events
    if MAX_EVENTS < events < ENDLESS:  # a loop by nextTaskId has no bound to hold it to
        message = f"in the worst case {what} has {events} events; {MAX_EVENTS} are the limit"
        hint = "lower maxRetries, maxItems or maxIterations, or split the workflow"
        report.error(Code.TOO_MANY_EVENTS, message, place, hint)


def _check_maps(block: Block, report: Report, *, own_executions: bool, outermost: bool) -> None:
    """Find maps that one history can't hold, where they can't have executions of their own."""
    for step in block:
        if isinstance(step, Map):
            _check_map(step, report, own_executions=own_executions, outermost=outermost)
        plain = outermost and not isinstance(step, Map | Parallel | Repeat)
        for inner in blocks(step):
            _check_maps(inner, report, own_executions=own_executions, outermost=plain)


def _check_map(step: Map, report: Report, *, own_executions: bool, outermost: bool) -> None:
    if not has_executions_of_its_own(step):
        if step.max_concurrency > INLINE_CONCURRENCY:
            report.error(
                Code.MAP_TOO_LARGE,
                f"at most {INLINE_CONCURRENCY} items of '{short(step.id)}' can run at once",
                step.place,
                "only a map that is too large for one execution's history can run more",
            )
        return
    message = f"{step.max_items} items of '{short(step.id)}' are too many for one history"
    hint = "lower maxItems, or the work for each item"
    if not own_executions:
        message += ", and here items can't have executions of their own"
        report.error(Code.MAP_TOO_LARGE, message, step.place, hint)
    elif not outermost:
        message += "; only a map in the template's own list can give them executions of their own"
        report.error(Code.MAP_TOO_LARGE, message, step.place, hint)


def _check_times(workflow: Workflow, task: Task, report: Report) -> None:
    if not isinstance(task.timeout, int):
        return
    if isinstance(task.heartbeat, int) and task.heartbeat >= task.timeout:
        report.warn(
            Code.HEARTBEAT_TOO_LONG,
            f"the heartbeat of '{short(task.id)}' is not shorter than its timeout",
            task.place,
            "the timeout comes first",
        )
    longest = patience(task.timeout, task.route.retry)
    if workflow.timeout is not None and longest > workflow.timeout:
        report.warn(
            Code.RETRY_OUTLASTS_SESSION,
            f"'{short(task.id)}' with its retries can take {longest} s,"
            f" and the session has {workflow.timeout} s",
            task.place,
        )
