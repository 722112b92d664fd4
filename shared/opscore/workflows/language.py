"""The workflow language as data: a closed union of frozen values, however it was written.

Every default is filled in. Durations are whole seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from opscore.workflows.findings import Place

ALL_ERRORS = "ALL"
EXPRESSION_ERROR = "ExpressionError"
OWN_ERRORS = (
    "AgentError",
    "AgentTimeout",
    "HeartbeatTimeout",
    "DispatchFailed",
    "NoAgentAvailable",
    "InvalidResult",
    "AgentLost",
    "Rejected",
    "LoopLimit",
    EXPRESSION_ERROR,
)
"""Errors that Ops-Core itself makes; agents may add their own."""

NEVER_RETRIED = ("Rejected", EXPRESSION_ERROR)
"""Repeating can't mend these, so `ALL` leaves them out."""


class Name(Enum):
    """What an expression may begin with, beside its own variables."""

    INPUT = "input"
    TASKS = "tasks"
    SESSION = "session"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Reference:
    """One use of a name: `source[start:end]`, with the task whose result is meant."""

    name: Name
    start: int
    end: int
    task: str | None
    place: Place


@dataclass(frozen=True, slots=True)
class Expression:
    """JSONata as its author wrote it, without the delimiters, and what it refers to."""

    source: str
    references: tuple[Reference, ...]
    place: Place

    def rewritten(self, name_of: Callable[[Reference], str]) -> str:
        """The source with each reference replaced, and nothing else touched."""
        text, done = "", 0
        for reference in self.references:
            text += self.source[done : reference.start] + name_of(reference)
            done = reference.end
        return text + self.source[done:]


Payload = (
    str | int | float | bool | Expression | tuple["Payload", ...] | Mapping[str, "Payload"] | None
)
"""JSON with expressions anywhere in it."""

Seconds = int | Expression


@dataclass(frozen=True, slots=True)
class RetryRule:
    """How often and how patiently these errors are tried again; `max_retries` after the first."""

    errors: tuple[str, ...] = (ALL_ERRORS,)
    max_retries: int = 3
    interval: int = 2
    backoff_rate: float = 2.0
    max_delay: int = 60
    full_jitter: bool = True


@dataclass(frozen=True, slots=True)
class Route:
    """Who is asked to do a task, with what, and how often.

    With neither agent nor capability it is the agent that the session was triggered for.
    """

    agent_id: str | Expression | None
    agent_capability: str | Expression | None
    parameters: Payload
    retry: tuple[RetryRule, ...]


@dataclass(frozen=True, slots=True)
class OtherRoute:
    """When the task has failed, ask someone else."""

    route: Route


@dataclass(frozen=True, slots=True)
class OtherTask:
    """When the task has failed, go on with another one."""

    task_id: str
    place: Place


@dataclass(frozen=True, slots=True)
class FixedResult:
    """When the task has failed, this is its result."""

    result: Payload


Fallback = OtherRoute | OtherTask | FixedResult


@dataclass(frozen=True, slots=True)
class Task:
    """A step that an agent does. `next_task` None ends the session."""

    id: str
    name: str | Expression
    route: Route
    timeout: Seconds
    wait_timeout: Seconds
    heartbeat: Seconds | None
    priority: int | Expression
    next_task: str | None
    fallback: Fallback | None
    place: Place
    next_place: Place


Step = Task
"""Every kind of step; later kinds join this union, and each `match` over it must name them."""


@dataclass(frozen=True, slots=True)
class Workflow:
    """A checked template."""

    id: str
    name: str
    description: str
    version: str
    timeout: int | None
    input: Mapping[str, object] | None
    tasks: tuple[Step, ...]


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


def routes(task: Task) -> tuple[Route, ...]:
    """The task's own route, and its fallback's."""
    match task.fallback:
        case OtherRoute(route):
            return (task.route, route)
        case _:
            return (task.route,)


def route_expressions(route: Route) -> tuple[Expression, ...]:
    """Every expression of a route."""
    parts = (route.agent_id, route.agent_capability, route.parameters)
    return tuple(e for part in parts for e in expressions(part))


def own_expressions(task: Task) -> tuple[Expression, ...]:
    """Every expression of a task, its fallback's left out."""
    parts = (task.name, task.timeout, task.wait_timeout, task.heartbeat, task.priority)
    return (*(e for part in parts for e in expressions(part)), *route_expressions(task.route))


def fallback_expressions(task: Task) -> tuple[Expression, ...]:
    """Every expression of a task's fallback."""
    match task.fallback:
        case OtherRoute(route):
            return route_expressions(route)
        case FixedResult(result):
            return expressions(result)
        case OtherTask() | None:
            return ()
