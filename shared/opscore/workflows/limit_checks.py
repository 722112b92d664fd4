"""Checks against what Step Functions takes, and warnings about times that don't fit together."""

from __future__ import annotations

from opscore.errors import WorkflowInvalid
from opscore.workflows.compiler import compile_workflow
from opscore.workflows.findings import Code, Place, Report
from opscore.workflows.flow import longest_way
from opscore.workflows.language import RetryRule, Task, Workflow, routes
from opscore.workflows.nodes import short

MAX_EVENTS = 25_000
"""Step Functions' limit on an execution's history."""

_EXECUTION_EVENTS, _TASK_EVENTS, _RETRY_EVENTS = 2, 6, 4
_LONGEST_QUEUE_URL = f"https://sqs.ap-southeast-1.amazonaws.com/123456789012/{'q' * 80}"


def check_limits(workflow: Workflow, report: Report) -> None:
    """Find what could not run to its end, in a workflow that nothing else is wrong with."""
    if report.errors or not workflow.tasks:
        return
    for task in workflow.tasks:
        _check_times(workflow, task, report)
    place = Place("tasks")
    events = longest_way(workflow, _events)
    if events is not None and events + _EXECUTION_EVENTS > MAX_EVENTS:
        message = f"in the worst case an execution has {events} events; {MAX_EVENTS} are the limit"
        report.error(
            Code.TOO_MANY_EVENTS, message, place, "lower maxRetries, or split the workflow"
        )
    try:
        compile_workflow(workflow, _LONGEST_QUEUE_URL)
    except WorkflowInvalid as error:
        for finding in error.findings:
            report.error(Code(finding.code), finding.message, place, "split the workflow")


def _events(task: Task) -> int:
    return sum(
        _TASK_EVENTS + _RETRY_EVENTS * sum(rule.max_retries for rule in route.retry)
        for route in routes(task)
    )


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
    patience = _patience(task.timeout, task.route.retry)
    if workflow.timeout is not None and patience > workflow.timeout:
        report.warn(
            Code.RETRY_OUTLASTS_SESSION,
            f"'{short(task.id)}' with its retries can take {patience} s,"
            f" and the session has {workflow.timeout} s",
            task.place,
        )


def _patience(timeout: int, rules: tuple[RetryRule, ...]) -> int:
    """The longest time that attempts and the pauses between them can take, in seconds."""
    total = timeout
    for rule in rules:
        delay = float(rule.interval)
        for _ in range(rule.max_retries):
            total += timeout + int(min(delay, rule.max_delay))
            delay = min(delay * rule.backoff_rate, rule.max_delay)
    return total
