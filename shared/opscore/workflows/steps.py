"""Looking through steps: what they contain, which expressions they hold, how they go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from opscore.workflows.language import (
    Approval,
    Block,
    Child,
    Choice,
    Expression,
    Fail,
    Fallback,
    FixedResult,
    Map,
    OtherRoute,
    OtherTask,
    Parallel,
    Payload,
    Repeat,
    RetryRule,
    Route,
    SetVariables,
    Signal,
    Step,
    Succeed,
    Task,
    Wait,
    Workflow,
)


def blocks(step: Step) -> tuple[Block, ...]:
    """The lists of steps inside a step."""
    match step:
        case Parallel():
            return step.branches
        case Map() | Repeat():
            return (step.body,)
        case _:
            return ()


def all_steps(block: Block) -> Iterator[Step]:
    """Every step of a list, with what they contain; a step before its inner ones."""
    for step in block:
        yield step
        for inner in blocks(step):
            yield from all_steps(inner)


def compensations(workflow: Workflow) -> dict[str, Task]:
    """What undoes top-level steps, by their ids, in the order of the template."""
    found = ((step.id, compensation_of(step)) for step in workflow.tasks)
    return {step_id: undo for step_id, undo in found if undo is not None}


def compensation_of(step: Step) -> Task | None:
    """What undoes the step."""
    match step:
        case Task() | Approval() | Signal() | Child():
            return step.compensate
        case _:
            return None


def on_record(block: Block) -> dict[str, bool]:
    """Every step of a template, and whether its result is on record when a session has ended: the
    single answers are, outside maps and loops.
    """
    found: dict[str, bool] = {}
    for step in block:
        found[step.id] = isinstance(step, Task | Approval | Signal | Child)
        for inner in blocks(step):
            kept = isinstance(step, Parallel)
            found |= {name: kept and single for name, single in on_record(inner).items()}
    return found


def fallback_of(step: Step) -> Fallback | None:
    """What happens instead when the step has failed."""
    match step:
        case Task() | Approval() | Signal() | Child() | Parallel() | Map() | Repeat():
            return step.fallback
        case _:
            return None


def retry_of(step: Step) -> tuple[RetryRule, ...]:
    """The rules by which a failed step is tried again."""
    match step:
        case Task() | Approval() | Signal() | Child() | Parallel() | Map():
            return step.retry
        case _:
            return ()


def routes(task: Task) -> tuple[Route, ...]:
    """The task's own route, and its fallback's."""
    match task.fallback:
        case OtherRoute(route):
            return (task.route, route)
        case _:
            return (task.route,)


def has_result(step: Step) -> bool:
    """Whether expressions can refer to the step's result."""
    match step:
        case Choice() | Wait() | SetVariables() | Fail() | Succeed():
            return False
        case _:
            return True


def expressions(payload: Payload) -> tuple[Expression, ...]:
    """Every expression in a payload, in its order."""
    match payload:
        case Expression():
            return (payload,)
        case tuple():
            return tuple(e for item in payload for e in expressions(item))
        case Mapping():
            return tuple(e for item in payload.values() for e in expressions(item))
        case _:
            return ()


def route_expressions(route: Route) -> tuple[Expression, ...]:
    """Every expression of a route."""
    return _of(route.agent_id, route.agent_capability, route.parameters)


def own_expressions(step: Step) -> tuple[Expression, ...]:
    """Every expression that is evaluated when the step starts; its fallback's are not, nor are
    those of steps inside it, and `until`.
    """
    match step:
        case Task():
            times = (step.timeout, step.wait_timeout, step.heartbeat)
            return (*_of(step.name, *times, step.priority), *route_expressions(step.route))
        case Approval():
            return _of(step.name, step.prompt, step.timeout)
        case Signal():
            return _of(step.name, step.signal, step.timeout)
        case Child():
            return _of(step.name, step.workflow_id, step.version, step.input, step.timeout)
        case Map():
            return _of(step.items)
        case Choice():
            return tuple(rule.when for rule in step.rules)
        case Wait():
            return _of(step.seconds, step.until)
        case SetVariables():
            return _of(step.variables)
        case Fail():
            return _of(step.message)
        case Succeed():
            return _of(step.result)
        case Parallel() | Repeat():
            return ()


def fallback_expressions(step: Step) -> tuple[Expression, ...]:
    """Every expression of a step's fallback."""
    match fallback_of(step):
        case OtherRoute(route):
            return route_expressions(route)
        case FixedResult(result):
            return expressions(result)
        case OtherTask() | None:
            return ()


def all_expressions(step: Step) -> tuple[Expression, ...]:
    """Every expression of a step, but for those of steps inside it and of its compensation."""
    until = (step.until,) if isinstance(step, Repeat) else ()
    return (*own_expressions(step), *fallback_expressions(step), *until)


def _of(*parts: Payload) -> tuple[Expression, ...]:
    return tuple(e for part in parts for e in expressions(part))
