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
LOOP_LIMIT = "LoopLimit"
TOO_MANY_FAILURES = "TooManyFailures"
TIMEOUT = "Timeout"
"""Nobody answered an approval, a signal or a child session in time."""

OWN_ERRORS = (
    "AgentError",
    "AgentTimeout",
    "HeartbeatTimeout",
    "DispatchFailed",
    "NoAgentAvailable",
    "InvalidResult",
    "AgentLost",
    "Rejected",
    TIMEOUT,
    "WorkflowNotFound",
    "ChildCancelled",
    "DepthLimit",
    "InvalidInput",
    LOOP_LIMIT,
    TOO_MANY_FAILURES,
    EXPRESSION_ERROR,
)
"""Errors that Ops-Core itself makes; agents may add their own, and templates in `fail`."""

NEVER_RETRIED = ("Rejected", EXPRESSION_ERROR)
"""Repeating can't mend these, so `ALL` leaves them out."""


class Name(Enum):
    """What an expression may begin with, beside its own variables."""

    INPUT = "input"
    TASKS = "tasks"
    SESSION = "session"
    ERROR = "error"
    ITEM = "item"
    INDEX = "index"
    VARIABLE = "variable"
    """What a `set` step sets: any other name."""


@dataclass(frozen=True, slots=True)
class Reference:
    """One use of a name: `source[start:end]`. `what`: the task whose result is meant, or the
    variable.
    """

    name: Name
    start: int
    end: int
    what: str | None
    place: Place

    @property
    def task(self) -> str | None:
        """The task whose result is meant."""
        return self.what if self.name is Name.TASKS else None

    @property
    def variable(self) -> str | None:
        """The variable that is meant."""
        return self.what if self.name is Name.VARIABLE else None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What every step has. `next_task` None ends the list that the step stands in."""

    id: str
    name: str | Expression
    next_task: str | None
    place: Place
    next_place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded(Named):
    """A step that can fail, be tried again, and be replaced by something else."""

    retry: tuple[RetryRule, ...]
    fallback: Fallback | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Named):
    """A step that an agent does. Its route and its fallback's have the retries."""

    route: Route
    timeout: Seconds
    wait_timeout: Seconds
    heartbeat: Seconds | None
    priority: int | Expression
    result_schema: Mapping[str, object] | None
    fallback: Fallback | None
    compensate: Task | None

    @property
    def retry(self) -> tuple[RetryRule, ...]:
        return self.route.retry


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval(Guarded):
    """Waits for a person's yes or no."""

    prompt: Payload
    timeout: Seconds
    compensate: Task | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal(Guarded):
    """Waits for a message of that name to the session; its payload is the result."""

    signal: str | Expression
    timeout: Seconds
    compensate: Task | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Child(Guarded):
    """Runs another workflow as a session of its own, and waits for its result."""

    workflow_id: str | Expression
    version: int | Expression | None
    input: Payload
    timeout: Seconds
    compensate: Task | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallel(Guarded):
    """All branches at once; the result is the list of theirs, in order."""

    branches: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Map(Guarded):
    """The body once for each item; the result is the list of theirs, in order.

    `tolerated`: the percentage of items that may fail. `max_items`: more are an error.
    """

    items: Payload
    max_items: int
    max_concurrency: int
    tolerated: int
    body: Block


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat(Named):
    """The body again and again until a condition holds; the result is its last step's."""

    body: Block
    until: Expression
    max_iterations: int
    fallback: Fallback | None


@dataclass(frozen=True, slots=True)
class Rule:
    """Where to go on when something holds."""

    when: Expression
    next_task: str | None
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Named):
    """The first rule that holds decides; `next_task` where none does."""

    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait(Named):
    """A pause of so many seconds, or until a time (ISO 8601)."""

    seconds: Seconds | None
    until: str | Expression | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetVariables(Named):
    """Gives variables their values; all are evaluated before any is set."""

    variables: Mapping[str, Payload]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail(Named):
    """Ends the list it stands in, and whatever that belongs to, with an error."""

    error: str
    message: str | Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeed(Named):
    """Ends the session, the branch or the map's item, with a result."""

    result: Payload


Callback = Task | Approval | Signal | Child
"""Steps that send a message and wait for an answer to their token."""

Step = Callback | Parallel | Map | Repeat | Choice | Wait | SetVariables | Fail | Succeed
"""Every kind of step; each `match` over it must name them all."""

Block = tuple[Step, ...]
"""Steps that run one after the other, unless they say where to go on."""


@dataclass(frozen=True, slots=True)
class Workflow:
    """A checked template."""

    id: str
    name: str
    description: str
    version: str
    timeout: int | None
    input: Mapping[str, object] | None
    tasks: Block
    on_failure: Block
