"""From a checked workflow to Step Functions definitions: a pure function, same input, same bytes.

A step that waits for an answer is one state that sends one message; a fallback to another route is
a state of its own, a fixed result is none, unless it ends its list. Results live in variables, and
only those that some expression reads: an execution holds no more than 10 MiB of them.
"""

from __future__ import annotations

from opscore.errors import WorkflowInvalid
from opscore.workflows.blocks import BlockCompiler
from opscore.workflows.callbacks import AFTER, Sender
from opscore.workflows.definition import (
    MAX_BYTES,
    ChoiceRule,
    ChoiceState,
    Part,
    PassState,
    State,
    StateMachine,
    SucceedState,
    Way,
)
from opscore.workflows.findings import Code, Finding
from opscore.workflows.flow import Flow
from opscore.workflows.language import Block, Workflow
from opscore.workflows.names import state_name
from opscore.workflows.places import Place, leading_to
from opscore.workflows.sources import COMPLETED, literal
from opscore.workflows.steps import all_steps, compensations
from opscore.workflows.wiring import Wiring

_UNDONE, _TO_UNDO = "c_undone", "c_to_undo"


def compile_workflow(workflow: Workflow, queue_url: str) -> str:
    """The definition as canonical JSON.

    Raises `WorkflowInvalid` for a workflow without tasks, and for one whose definition is larger
    than Step Functions takes.
    """
    if not workflow.tasks:
        raise _invalid(Code.BAD_VALUE, "a workflow without tasks has nothing to compile")
    wiring = Wiring(Flow(workflow.tasks), workflow.tasks, on_record=False)
    compiler = BlockCompiler(wiring, Sender(workflow.id), queue_url, first=workflow.tasks[0])
    part = compiler.part(workflow.tasks, Place())
    return _checked(StateMachine(workflow.name, part, workflow.timeout))


def compile_cleanup(workflow: Workflow, queue_url: str) -> str | None:
    """The definition of what runs after a session that ended badly, or None if nothing does: the
    compensations of what had completed, last first, then `onFailure`. What fails there is passed
    over. Raises `WorkflowInvalid` like `compile_workflow`.
    """
    undo = compensations(workflow)
    if not undo and not workflow.on_failure:
        return None
    steps: Block = (*workflow.on_failure, *undo.values())
    wiring = Wiring(Flow(workflow.on_failure), steps, on_record=True)
    compiler = BlockCompiler(wiring, Sender(workflow.id, AFTER), queue_url)
    names = {step.id for step in all_steps(steps)}
    names |= {state_name(step_id, "end", names) for step_id in names}
    end = state_name("onFailure", "end", names)
    states: dict[str, State] = {end: SucceedState("{% null %}")}
    first = workflow.on_failure[0].id if workflow.on_failure else end
    for step in workflow.on_failure:
        after = step.next_task or end
        place = Place(end=leading_to(end), escape=wiring.passing_over(step, after))
        states |= compiler.states((step,), place)
    start = first
    if undo:
        start = state_name("compensations", "start", names)
        following = state_name("compensations", "next", names)
        states |= _undoing(
            undo_ids={key: step.id for key, step in undo.items()},
            start=start,
            following=following,
            then=first,
        )
        for step in undo.values():
            place = Place(end=leading_to(following), escape=wiring.passing_over(step, following))
            states |= compiler.states((step,), place)
    return _checked(StateMachine(workflow.name, Part(start, states)))


def _undoing(
    *, undo_ids: dict[str, str], start: str, following: str, then: str
) -> dict[str, State]:
    """A loop over what had completed: each round goes to what undoes it."""
    wanted = literal(list(undo_ids))
    to_undo = f"{{% [$filter({COMPLETED}, function($c) {{ $c in {wanted} }})] %}}"
    rules = tuple(
        ChoiceRule(
            condition=f"{{% (${_TO_UNDO}[${_UNDONE}] = {literal(step_id)}) = true %}}",
            next_state=undo_id,
            assign={_UNDONE: f"{{% ${_UNDONE} + 1 %}}"},
        )
        for step_id, undo_id in undo_ids.items()
    )
    return {
        start: PassState(Way(following), assign={_UNDONE: 0, _TO_UNDO: to_undo}),
        following: ChoiceState(rules, default=then),
    }


def _checked(machine: StateMachine) -> str:
    definition = machine.to_json()
    size = len(definition.encode())
    if size > MAX_BYTES:
        message = f"the compiled definition has {size} bytes, and Step Functions takes {MAX_BYTES}"
        raise _invalid(Code.DEFINITION_TOO_LARGE, message)
    return definition


def _invalid(code: Code, message: str) -> WorkflowInvalid:
    return WorkflowInvalid([Finding(code, message, path="tasks")])
