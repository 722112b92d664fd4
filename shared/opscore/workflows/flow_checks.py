"""Checks on the ways through a workflow, and on what expressions may refer to along them."""

from __future__ import annotations

from opscore.workflows.findings import Code, Report
from opscore.workflows.flow import Flow
from opscore.workflows.language import (
    Name,
    OtherTask,
    Reference,
    Task,
    Workflow,
    fallback_expressions,
    own_expressions,
)
from opscore.workflows.nodes import short


def check_flow(workflow: Workflow, report: Report) -> None:
    """Find unknown targets, tasks that nothing reaches, endless loops, results not yet made."""
    ids = {task.id for task in workflow.tasks}
    known = len(ids) == len(workflow.tasks)
    for task in workflow.tasks:
        known &= _check_targets(task, ids, report)
    flow = Flow(workflow)
    if known:
        _check_ways(workflow, flow, report)
    for task in workflow.tasks:
        _check_references(task, flow, ids, report)


def _check_targets(task: Task, ids: set[str], report: Report) -> bool:
    targets = [("nextTaskId", task.next_task, task.next_place)]
    if isinstance(task.fallback, OtherTask):
        targets.append(("taskId", task.fallback.task_id, task.fallback.place))
    unknown = [target for target in targets if target[1] is not None and target[1] not in ids]
    for field, target, place in unknown:
        message = f"{field} '{short(target or '')}' is not a task of this list"
        report.error(Code.UNKNOWN_TASK, message, place, report.suggest(target or "", ids))
    return not unknown


def _check_ways(workflow: Workflow, flow: Flow, report: Report) -> None:
    for task in workflow.tasks:
        if not flow.reached(task.id):
            report.error(
                Code.UNREACHABLE,
                f"nothing leads to task '{short(task.id)}'",
                task.place,
                "name it in a nextTaskId or a fallback, or remove it",
            )
    trapped = flow.trapped()
    if trapped:
        first = next(task for task in workflow.tasks if task.id == trapped[0])
        names = ", ".join(f"'{short(task_id)}'" for task_id in trapped[:10])
        report.error(
            Code.ENDLESS_LOOP,
            f"no way leads from {names} to the end",
            first.next_place,
            "end the session with nextTaskId: null",
        )


def _check_references(task: Task, flow: Flow, ids: set[str], report: Report) -> None:
    for expression in own_expressions(task):
        for reference in expression.references:
            _check_reference(reference, task, flow, ids, report)
    for expression in fallback_expressions(task):
        for reference in expression.references:
            if reference.name is not Name.ERROR:  # the fallback runs because of one
                _check_reference(reference, task, flow, ids, report)


def _check_reference(
    reference: Reference, task: Task, flow: Flow, ids: set[str], report: Report
) -> None:
    meant = reference.task
    if meant is not None and meant not in ids:
        dashed = sorted(i for i in ids if i.startswith(f"{meant}-"))
        hint = f"write $tasks.`{dashed[0]}`" if dashed else report.suggest(meant, ids)
        message = f"$tasks.{short(meant)}: there is no such task"
        report.error(Code.UNKNOWN_RESULT, message, reference.place, hint)
    elif not flow.reached(task.id):
        return
    elif meant is not None and not flow.has_result(task.id, meant):
        here = "its own result" if meant == task.id else f"the result of '{short(meant)}'"
        report.error(
            Code.RESULT_NOT_MADE,
            f"task '{short(task.id)}' can start without {here}",
            reference.place,
            "not every way to it makes that result first",
        )
    elif reference.name is Name.ERROR and not flow.has_error(task.id):
        report.error(
            Code.NO_ERROR_HERE,
            f"task '{short(task.id)}' can start without an error",
            reference.place,
            "$error is there in a fallback, and in a task that only fallbacks lead to",
        )
