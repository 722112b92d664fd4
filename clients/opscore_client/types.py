"""The API's JSON objects, field for field; times are ISO 8601 texts unless a field says otherwise.

Every object is the server's answer as it came, so nothing that a newer server adds is lost.
"""

from typing import Any, NotRequired, TypedDict

JsonObject = dict[str, Any]


class ErrorInfo(TypedDict):
    """Why an attempt, a task or a session failed; `code` is what templates name in `retry`."""

    code: str
    message: str


class Agent(TypedDict):
    """A registered agent with its displayed state."""

    agentId: str
    agentName: str
    version: str
    capabilities: list[str]
    contactEndpoint: str
    transport: str
    metadata: JsonObject | None
    maxConcurrency: int
    state: str
    details: JsonObject | None
    timestamp: str
    lastSeenAt: str | None
    registeredAt: str
    eligible: bool
    openTasks: list[str]


class AgentState(TypedDict):
    """What an agent last said of itself, by its own clock."""

    agentId: str
    state: str
    details: JsonObject | None
    timestamp: str


class Attempt(TypedDict):
    """One try of a task; `route` 0 is the task's own, 1 and up its fallbacks."""

    attemptId: str
    route: int
    retry: int
    status: str
    agentId: str | None
    fence: int
    createdAt: str
    sentAt: str | None
    endedAt: str | None
    deadline: str | None
    outcome: str | None
    error: ErrorInfo | None


class Task(TypedDict):
    """A step of a workflow in one session, with every try of it."""

    taskId: str
    taskDefinitionId: str
    status: str
    agentId: str | None
    retryCount: int
    attempts: list[Attempt]
    result: Any
    error: ErrorInfo | None
    name: NotRequired[str]


class Session(TypedDict):
    """One run of one workflow version; `tasks` only when a single session is read."""

    sessionId: str
    workflowId: str
    workflowVersion: int | None
    agentId: str | None
    status: str
    startTime: str
    last_updated_time: str
    endTime: str | None
    metadata: JsonObject | None
    input: Any
    result: Any
    error: ErrorInfo | None
    tasks: NotRequired[list[Task]]


class Triggered(TypedDict):
    """The answer to a trigger: the session exists, and a repeat with the same key finds it."""

    sessionId: str
    workflowId: str
    message: str


class Workflow(TypedDict):
    """A workflow and its current version."""

    workflowId: str
    version: int
    name: str
    description: NotRequired[str | None]
    createdAt: str
    updatedAt: NotRequired[str]
    definition: NotRequired[JsonObject]


class Finding(TypedDict):
    """Something that a template has wrong (or, as a warning, unwise).

    Lines and columns count from 1; an inline template, or the whole of one, has only a `path`.
    """

    code: str
    message: str
    hint: str
    line: int | None
    column: int | None
    path: str


class Applied(TypedDict):
    """The answer to an upload; `changed` is false when this version existed already."""

    workflowId: str
    version: int
    changed: bool
    warnings: list[Finding]


class Validation(TypedDict):
    """Everything found in a template, at once."""

    valid: bool
    errors: list[Finding]
    warnings: list[Finding]


class DeadLetter(TypedDict):
    """A task message that could not be delivered, kept for people."""

    deadLetterId: str
    recordedAt: str
    reason: str
    receiveCount: int
    sessionId: str | None
    workflowId: str | None
    taskId: str | None
    attemptId: NotRequired[str | None]
    agentId: NotRequired[str | None]
