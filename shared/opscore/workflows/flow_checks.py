"""Checks on the ways through a workflow, and on what expressions may refer to along them."""

from __future__ import annotations

from collections.abc import Iterable

from opscore.workflows.findings import Code, Report
from opscore.workflows.flow import Flow
from opscore.workflows.language import (
    Block,
    Choice,
    Expression,
    Name,
    OtherTask,
    Reference,
    Repeat,
    SetVariables,
    Step,
    Workflow,
)
from opscore.workflows.nodes import short
from opscore.workflows.references import KNOWN_NAMES
from opscore.workflows.steps import (
    all_steps,
    blocks,
    compensations,
    fallback_expressions,
    fallback_of,
    has_result,
    on_record,
    own_expressions,
)


def check_flow(workflow: Workflow, report: Report) -> None:
    """Find unknown targets, steps that nothing reaches, endless loops, results not yet made."""
    steps = list(all_steps(workflow.tasks))
    handlers = list(all_steps(workflow.on_failure))
    ids = {step.id for step in (*steps, *handlers)}
    known = len(ids) == len(steps) + len(handlers)
    main = _Checker(workflow.tasks, Flow(workflow.tasks), report)
    recorded = on_record(workflow.tasks)
    after = _HandlerChecker(workflow.on_failure, Flow(workflow.on_failure), report, recorded)
    for checker in (main, after):
        known &= checker.targets()
    for checker in (main, after):
        if known:
            checker.ways()
        checker.references()
    _check_variables(main.flow, steps, report)
    _check_variables(after.flow, handlers, report)
    for undo in compensations(workflow).values():
        if undo.id in ids:
            message = f"the compensation would have the taskId '{short(undo.id)}' of another task"
            report.error(Code.DUPLICATE_ID, message, undo.place)
        after.step_alone(undo)


class _Checker:
    """Checks one list of steps, and all inside it."""

    def __init__(self, block: Block, flow: Flow, report: Report) -> None:
        self.flow = flow
        self._block = block
        self._report = report
        self._ids = {step.id for step in all_steps(block)}

    def targets(self) -> bool:
        """Whether all steps go on with a step of their own list."""
        return self._targets(self._block)

    def _targets(self, block: Block) -> bool:
        here = {step.id for step in block}
        known = True
        for step in block:
            wanted = [("nextTaskId", step.next_task, step.next_place)]
            if isinstance(step, Choice):
                wanted += [("nextTaskId", rule.next_task, rule.place) for rule in step.rules]
            fallback = fallback_of(step)
            if isinstance(fallback, OtherTask):
                wanted.append(("taskId", fallback.task_id, fallback.place))
            for field, target, place in wanted:
                if target is None or target in here:
                    continue
                known = False
                message = f"{field} '{short(target)}' is not a task of this list"
                hint = self._report.suggest(target, here)
                if target in self._ids:
                    hint = "a step goes on within its own list; let the step around it go on there"
                self._report.error(Code.UNKNOWN_TASK, message, place, hint)
            for inner in blocks(step):
                known &= self._targets(inner)
        return known

    def ways(self) -> None:
        """Find what nothing leads to, and what never ends."""
        reported: set[str] = set()
        for step in all_steps(self._block):
            if self.flow.reached(step.id) or step.id in reported:
                continue
            reported |= {inner.id for inner in all_steps((step,))}
            self._report.error(
                Code.UNREACHABLE,
                f"nothing leads to task '{short(step.id)}'",
                step.place,
                "name it in a nextTaskId or a fallback, or remove it",
            )
        trapped = self.flow.trapped()
        if trapped:
            first = self.flow.step(trapped[0])
            assert first is not None
            names = ", ".join(f"'{short(step_id)}'" for step_id in trapped[:10])
            self._report.error(
                Code.ENDLESS_LOOP,
                f"no way leads from {names} to the end",
                first.next_place,
                "end the session with nextTaskId: null",
            )

    def references(self) -> None:
        """Find what expressions refer to and is not there."""
        for step in all_steps(self._block):
            self._all(own_expressions(step), step)
            self._all(fallback_expressions(step), step, in_fallback=True)
            if isinstance(step, Repeat):
                self._all((step.until,), step, until=True)

    def _all(
        self,
        found: Iterable[Expression],
        step: Step,
        *,
        in_fallback: bool = False,
        until: bool = False,
    ) -> None:
        for expression in found:
            for reference in expression.references:
                match reference.name:
                    case Name.TASKS:
                        self._result(reference, step, until=until)
                    case Name.VARIABLE:
                        self._variable(reference, step, until=until)
                    case Name.ITEM | Name.INDEX:
                        self._inside(reference, step, until=until)
                    case Name.ERROR if not in_fallback:  # that runs because of one
                        self._error(reference, step, until=until)
                    case _:
                        pass

    def _result(self, reference: Reference, step: Step, *, until: bool) -> None:
        meant = reference.task or ""
        target = self.flow.step(meant)
        if target is None:
            self._no_such_task(reference, meant)
        elif not has_result(target):
            message = f"task '{short(meant)}' has no result"
            self._report.error(Code.NO_RESULT, message, reference.place)
        elif self.flow.reached(step.id) and not self.flow.has_result(step.id, meant, until=until):
            self._not_made(reference, step, meant)

    def _no_such_task(self, reference: Reference, meant: str) -> None:
        dashed = sorted(i for i in self._ids if i.startswith(f"{meant}-"))
        hint = f"write $tasks.`{dashed[0]}`" if dashed else self._report.suggest(meant, self._ids)
        message = f"$tasks.{short(meant)}: there is no such task"
        self._report.error(Code.UNKNOWN_RESULT, message, reference.place, hint)

    def _not_made(self, reference: Reference, step: Step, meant: str) -> None:
        if not self._seen_from(step, meant):
            self._report.error(
                Code.NOT_SEEN_HERE,
                f"the result of '{short(meant)}' is seen only in the branch or map it stands in",
                reference.place,
                "use the result of the parallel or map: the list of what its parts ended with",
            )
            return
        here = "its own result" if meant == step.id else f"the result of '{short(meant)}'"
        self._report.error(
            Code.RESULT_NOT_MADE,
            f"task '{short(step.id)}' can start without {here}",
            reference.place,
            "not every way to it makes that result first",
        )

    def _variable(self, reference: Reference, step: Step, *, until: bool) -> None:
        name = reference.variable or ""
        scopes = self.flow.set_in(name)
        if not scopes:
            self._no_such_variable(reference, name)
        elif self.flow.reached(step.id) and not self.flow.has_variable(step.id, name, until=until):
            here = self.flow.around(step.id).scope
            if any(here.sees(scope) for scope in scopes):
                message = f"task '{short(step.id)}' can start without ${name} being set"
                hint = "not every way to it sets the variable first"
                self._report.error(Code.VARIABLE_NOT_SET, message, reference.place, hint)
            else:
                message = f"${name} is seen only inside the branch or map that sets it"
                self._report.error(Code.NOT_SEEN_HERE, message, reference.place)

    def _no_such_variable(self, reference: Reference, name: str) -> None:
        hint = self._report.suggest(name, self.flow.variables() | KNOWN_NAMES).replace("'", "'$", 1)
        self._report.error(Code.UNKNOWN_NAME, f"there is no ${short(name)}", reference.place, hint)

    def _inside(self, reference: Reference, step: Step, *, until: bool) -> None:
        around = self.flow.around(step.id)
        there = around.item if reference.name is Name.ITEM else around.index or until
        if not there:
            where = "a map" if reference.name is Name.ITEM else "a map or a repeat"
            message = f"${reference.name.value} is there only in the steps of {where}"
            self._report.error(Code.UNKNOWN_NAME, message, reference.place)

    def _error(self, reference: Reference, step: Step, *, until: bool) -> None:
        if self.flow.reached(step.id) and self.flow.error_scope(step.id, until=until) is None:
            self._report.error(
                Code.NO_ERROR_HERE,
                f"task '{short(step.id)}' can start without an error",
                reference.place,
                "$error is there in a fallback, and in a task that only fallbacks lead to",
            )

    def _seen_from(self, step: Step, other: str) -> bool:
        return self.flow.around(step.id).scope.sees(self.flow.around(other).scope)


class _HandlerChecker(_Checker):
    """Checks what runs after a session that failed: it sees results on record, and the error."""

    def __init__(self, block: Block, flow: Flow, report: Report, recorded: dict[str, bool]) -> None:
        super().__init__(block, flow, report)
        self._recorded = recorded

    def step_alone(self, step: Step) -> None:
        """Check a compensation, which stands in no list."""
        for expression in own_expressions(step):
            for reference in expression.references:
                match reference.name:
                    case Name.TASKS:
                        self._from_record(reference, reference.task or "")
                    case Name.VARIABLE:
                        self._no_such_variable(reference, reference.variable or "")
                    case Name.ITEM | Name.INDEX:
                        message = f"${reference.name.value} is there only in the steps of a map"
                        self._report.error(Code.UNKNOWN_NAME, message, reference.place)
                    case _:
                        pass

    def _result(self, reference: Reference, step: Step, *, until: bool) -> None:
        meant = reference.task or ""
        if self.flow.step(meant) is not None:
            super()._result(reference, step, until=until)
        else:
            self._from_record(reference, meant)

    def _from_record(self, reference: Reference, meant: str) -> None:
        if meant not in self._recorded:
            self._no_such_task(reference, meant)
        elif not self._recorded[meant]:
            self._report.error(
                Code.NOT_ON_RECORD,
                f"the result of '{short(meant)}' is not on record when a session has failed",
                reference.place,
                "only single answers are, outside maps and loops:"
                " of agents, approvals, signals and other workflows",
            )

    def _no_such_task(self, reference: Reference, meant: str) -> None:
        message = f"$tasks.{short(meant)}: there is no such task"
        hint = self._report.suggest(meant, (*self._ids, *self._recorded))
        self._report.error(Code.UNKNOWN_RESULT, message, reference.place, hint)

    def _error(self, reference: Reference, step: Step, *, until: bool) -> None:
        """There is always one: that of the session."""


def _check_variables(flow: Flow, steps: list[Step], report: Report) -> None:
    """A variable can't be set where one of the same name is seen from further out."""
    for step in steps:
        for name in step.variables if isinstance(step, SetVariables) else ():
            own = flow.around(step.id).scope
            if any(own != other and own.sees(other) for other in flow.set_in(name)):
                report.error(
                    Code.HIDDEN_VARIABLE,
                    f"${name} is set outside this branch or map too, and can't be set in here",
                    step.place,
                    "choose another name, or set it from the result of the parallel or map",
                )
