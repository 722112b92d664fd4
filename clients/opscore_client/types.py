"""The API's JSON objects, field for field; times are ISO 8601 texts.

Every object is the server's answer as it came, so nothing that a newer server adds is lost.
"""

from typing import Any, NotRequired, TypedDict

JsonObject = dict[str, Any]


class ErrorInfo(TypedDict):
    """Why an attempt, a task or a session failed; `code` is what templates name in `retry`."""

    code: str
    message: str


class DrainingSlot(TypedDict):
    """A slot whose task was taken back: the agent may still be at it."""

    attemptId: str
    until: str


class OpenTask(TypedDict):
    """An attempt without an end: whose turn it is, since when, until when."""

    attemptId: str
    taskDefinitionId: str
    kind: str
    name: str
    sessionId: str
    workflowId: str
    status: str
    owner: str
    agentId: str | None
    waitingList: str | None
    createdAt: str
    ageSeconds: int
    deadline: str | None
    lookedAtNext: str | None


class QuarantineMark(TypedDict):
    """What keeps an agent from work."""

    what: str
    name: str
    reason: str
    by: str | None
    since: str


class Quarantine(QuarantineMark):
    """An agent, a capability or a version that is kept from work; `applied`: every agent knows."""

    applied: bool
    releasedBy: str | None
    releasedAt: str | None


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
    stale: bool
    unresponsiveSince: str | None
    eligible: bool
    openTasks: list[str]
    quarantines: list[QuarantineMark]
    cooldownUntil: str | None
    draining: list[DrainingSlot]


class AgentState(TypedDict):
    """What an agent last said of itself, by its own clock."""

    agentId: str
    state: str
    details: JsonObject | None
    timestamp: str


class HistoryEntry(TypedDict):
    """One report of an agent; `displayed` is false for one that came after a newer one."""

    state: str
    timestamp: str
    details: JsonObject | None
    receivedAt: str
    displayed: bool


class Origin(TypedDict):
    """The attempt of an earlier session that made a kept result."""

    sessionId: str
    attemptId: str


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
    keptFrom: NotRequired[Origin | None]
    error: ErrorInfo | None


class Task(TypedDict):
    """A step of a workflow in one session, with every try of it, the oldest first.

    `payload`, `result` and `error` are those of the newest attempt. `phase`: `main`, or `after` for
    what tidies up after a bad end. `kind`: `task`, or what a step waits for instead of an agent:
    `approval` (with its `prompt`), `signal` (its name), `workflow` (`childSessionId`).
    """

    taskId: str
    taskDefinitionId: str
    kind: str
    name: str
    workflowId: str
    sessionId: str
    status: str
    agentId: str | None
    phase: str
    retryCount: int
    payload: Any
    attempts: list[Attempt]
    result: Any
    error: ErrorInfo | None
    createdAt: str
    updatedAt: str | None
    prompt: NotRequired[Any]
    signal: NotRequired[str]
    childWorkflowId: NotRequired[str]
    childSessionId: NotRequired[str | None]


class Approval(TypedDict):
    """A step that waits for a person; `taskId` is what `approve` and `reject` take."""

    taskId: str
    taskDefinitionId: str
    name: str
    sessionId: str
    workflowId: str
    prompt: Any
    createdAt: str
    deadline: str


class ApprovalAnswer(TypedDict):
    """What a person said to an approval, as it is on record."""

    taskId: str
    sessionId: str
    approved: bool
    by: str | None
    comment: str
    at: str


class Parent(TypedDict):
    """The task of another session that waits for a session."""

    sessionId: str
    taskId: str


class AttemptWithTask(Attempt):
    """One attempt for whoever holds a reference to it; `taskId` is the attempt's id here."""

    taskId: str
    taskDefinitionId: str
    taskStatus: str
    name: str
    sessionId: str
    workflowId: str
    payload: Any
    result: Any


class CleanupInfo(TypedDict):
    """How tidying up stands, or ended: `running`, `completed`, `failed` or `stopped`."""

    status: str
    error: ErrorInfo | None


class Ending(TypedDict):
    """A bad end that a session tidies up after; its `status` and `error` become the session's."""

    status: str
    error: ErrorInfo | None
    since: str
    cleanup: CleanupInfo


class Session(TypedDict):
    """One run of one workflow version; `tasks` only when a single session is read."""

    sessionId: str
    workflowId: str
    workflowVersion: int | None
    agentId: str | None
    parent: NotRequired[Parent | None]
    status: str
    startTime: str
    last_updated_time: str
    endTime: str | None
    metadata: JsonObject | None
    input: Any
    result: Any
    error: ErrorInfo | None
    ending: Ending | None
    rerunOf: NotRequired[str | None]
    fromTasks: NotRequired[list[str]]
    reruns: NotRequired[list[str]]
    tasks: NotRequired[list[Task]]


class Triggered(TypedDict):
    """The answer to a trigger: the session exists, and a repeat with the same key finds it."""

    sessionId: str
    workflowId: str
    message: str


class PlannedRerun(TypedDict):
    """What runs again, on which version, from which tasks, onto whom, and which tasks are kept."""

    workflowId: str
    workflowVersion: int | None
    rerunOf: str
    fromTasks: list[str]
    onto: JsonObject | None
    kept: list[str]


class Rerun(PlannedRerun):
    """The answer to a rerun: the new session (None after a dry run), and what it keeps."""

    sessionId: str | None
    message: str


class Workflow(TypedDict):
    """One version of a workflow; `label` is its author's, `template` only when one is read."""

    workflowId: str
    version: int
    name: str
    label: str
    description: str
    hash: str
    createdAt: str
    template: NotRequired[JsonObject]


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


class Applied(Workflow):
    """The answer to an upload; `changed` is false when this version existed already."""

    changed: bool
    warnings: list[Finding]


class Validation(TypedDict):
    """Everything found in a template, at once."""

    valid: bool
    errors: list[Finding]
    warnings: list[Finding]
    price: NotRequired[JsonObject | None]


class DeadLetter(TypedDict):
    """A task message that could not be delivered; its `body` only when one letter is read."""

    deadLetterId: str
    recordedAt: str
    error: str
    reason: str
    receiveCount: int
    sessionId: str | None
    workflowId: str | None
    taskDefinitionId: str | None
    taskId: str | None
    attemptId: str | None
    agentId: str | None
    agentCapability: str | None
    fingerprint: str
    state: str
    replayedAs: str | None
    settledAt: str | None
    settledBy: str | None
    settledBecause: str | None
    body: NotRequired[str]


class Policy(TypedDict):
    """How the tasks of a capability, or a workflow, may be handed out; None is no limit."""

    kind: str
    name: str
    maxConcurrent: int | None
    ratePerSecond: float | None
    burst: int | None
    paused: bool
    reason: str | None
    updatedBy: str | None
    updatedAt: str


class LetterError(TypedDict):
    """Why a dead letter could not be replayed."""

    code: str
    detail: Any


class Replayed(TypedDict):
    """What became of a dead letter: the session that its task runs again in (None after a dry run,
    or an error); `again`: it was begun before.
    """

    deadLetterId: str
    sessionId: str | None
    again: bool
    rerun: PlannedRerun | None
    error: LetterError | None


class LetterGroup(TypedDict):
    """Dead letters that are alike; `example` is the newest."""

    fingerprint: str
    count: int
    firstAt: str
    lastAt: str
    workflowId: str | None
    taskDefinitionId: str | None
    agentId: str | None
    agentCapability: str | None
    error: str
    example: str


class Difference(TypedDict):
    """Where two inputs differ. A side is a list of its value, empty where the path is not there."""

    path: str
    here: list[Any]
    there: list[Any]


class Comparison(TypedDict):
    """Two dead letters, and where their inputs differ; not `complete`: in more places yet."""

    deadLetter: DeadLetter
    other: DeadLetter
    differences: list[Difference]
    complete: bool
