"""What there is to draw of a workflow, before anybody says how."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from opscore.workflows.flow import edges
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
from opscore.workflows.steps import blocks, compensation_of, fallback_of, retry_of

LONGEST = 44


class Shape(StrEnum):
    """How a step looks."""

    AGENT = "agent"
    PERSON = "person"
    SIGNAL = "signal"
    CHILD = "child"
    CHOICE = "choice"
    WAIT = "wait"
    SET = "set"
    FAIL = "fail"
    SUCCEED = "succeed"
    GROUP = "group"


@dataclass(frozen=True)
class Link:
    """A way on to another step of the list; None is its end. `failed`: taken by a failure."""

    target: str | None
    label: str = ""
    failed: bool = False


@dataclass(frozen=True)
class Node:
    """One step: a title, what else is to know of it, where it goes on, and the steps inside it."""

    id: str
    shape: Shape
    title: str
    lines: tuple[str, ...]
    links: tuple[Link, ...]
    inside: tuple[tuple[Node, ...], ...] = ()


Nodes = tuple[Node, ...]


@dataclass(frozen=True)
class Diagram:
    """A whole workflow; `handlers` run when a session has ended badly."""

    title: str
    nodes: Nodes
    handlers: Nodes


def diagram(workflow: Workflow) -> Diagram:
    """All that there is to draw."""
    return Diagram(workflow.name, _nodes(workflow.tasks), _nodes(workflow.on_failure))


def _nodes(block: Block) -> Nodes:
    return tuple(_node(step) for step in block)


def _node(step: Step) -> Node:
    shape, lines = _looks(step)
    lines += [*_retries(retry_of(step)), *_instead(fallback_of(step)), *_undoing(step)]
    name = step.id if isinstance(step.name, Expression) else step.name
    title = step.id if name == step.id else f"{name} ({step.id})"
    inside = tuple(_nodes(block) for block in blocks(step))
    return Node(step.id, shape, title, tuple(map(_short, lines)), tuple(_links(step)), inside)


def _looks(step: Step) -> tuple[Shape, list[str]]:
    match step:
        case Task():
            return Shape.AGENT, [_who(step.route)]
        case Approval():
            return Shape.PERSON, ["asks a person", f"within {_time(step.timeout)}"]
        case Signal():
            return Shape.SIGNAL, [f"waits for {_text(step.signal)}"]
        case Child():
            return Shape.CHILD, [f"runs {_text(step.workflow_id)}"]
        case Choice():
            return Shape.CHOICE, []
        case Wait():
            pause = (
                _time(step.seconds) if step.seconds is not None else f"until {_text(step.until)}"
            )
            return Shape.WAIT, [pause]
        case SetVariables():
            return Shape.SET, [", ".join(f"${name}" for name in step.variables)]
        case Fail():
            return Shape.FAIL, [step.error]
        case Succeed():
            return Shape.SUCCEED, []
        case Parallel():
            return Shape.GROUP, ["all at once"]
        case Map():
            some = [f"{step.tolerated} % may fail"] if step.tolerated else []
            return Shape.GROUP, [f"for each of {_text(step.items)}", *some]
        case Repeat():
            until = f"until {_text(step.until)}"
            return Shape.GROUP, [until, f"at most {step.max_iterations} rounds"]


def _links(step: Step) -> Iterator[Link]:
    if isinstance(step, Choice):
        for rule in step.rules:
            yield Link(rule.next_task, _short(rule.when.source))
        yield Link(step.next_task, "otherwise")
        return
    for edge in edges(step):
        yield Link(edge.target, "fails" if edge.failed else "", edge.failed)


def _who(route: Route) -> str:
    if route.agent_id is not None:
        return f"agent {_text(route.agent_id)}"
    return (
        "the session's agent" if route.agent_capability is None else _text(route.agent_capability)
    )


def _retries(rules: tuple[RetryRule, ...]) -> list[str]:
    if len(rules) == 1 and rules[0].errors == ("ALL",):
        return [f"retries: {rules[0].max_retries}"] if rules[0].max_retries else []
    return [f"retries: {rule.max_retries} on {_named(rule)}" for rule in rules]


def _named(rule: RetryRule) -> str:
    return "any other" if rule.errors == ("ALL",) else ", ".join(rule.errors)


def _instead(fallback: Fallback | None) -> list[str]:
    match fallback:
        case OtherRoute(route):
            return [f"else {_who(route)}", *_retries(route.retry)]
        case FixedResult():
            return ["else a fixed result"]
        case OtherTask() | None:
            return []


def _undoing(step: Step) -> list[str]:
    undo = compensation_of(step)
    return [] if undo is None else [f"undone by {_who(undo.route)}"]


def _time(seconds: int | Expression) -> str:
    if isinstance(seconds, Expression):
        return seconds.source
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds % unit == 0:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def _text(value: object) -> str:
    if isinstance(value, Expression):
        return value.source
    return f"{len(value)} items" if isinstance(value, tuple) else str(value)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
