"""What travels through the task queue."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue, TypeAdapter

from opscore.models.base import Model
from opscore.models.limits import SignalName
from opscore.models.policy import PolicyKind, Subject

LONGEST_SECONDS = 365 * 24 * 3600
"""An execution's longest life: what a template computes beyond it comes to the same."""

ATTEMPT_PREFIX = "task_"

Seconds = Annotated[
    float,
    Field(allow_inf_nan=False),
    AfterValidator(lambda seconds: min(max(seconds, 0.0), LONGEST_SECONDS)),
]


class Phase(StrEnum):
    """Which of a session's two executions a message comes from."""

    MAIN = "main"
    AFTER = "after"
    """The one that tidies up after a bad end."""


class StepMessage(Model):
    """One attempt of a step, as the compiled definition sends it. `timeout` in seconds; `index`:
    the map items and loop rounds that led to it, the outermost first.
    """

    token: str = Field(repr=False)
    session_id: str
    workflow_id: str
    task_id: str
    name: str
    route: int = 0
    retry: int = 0
    index: tuple[int, ...] = ()
    phase: Phase = Phase.MAIN
    timeout: Seconds

    @property
    def attempt_id(self) -> str:
        """The attempt's id: the same message twice is the same attempt."""
        return ATTEMPT_PREFIX + hashlib.sha256(self.token.encode()).hexdigest()[:32]

    @property
    def capability(self) -> str | None:
        """What an agent must be able to do; None for what is no agent's, or a named one's."""
        return None

    @property
    def task_key(self) -> str:
        """The task's key in its session: the step, and the path of map items that led to it."""
        return ".".join([self.task_id, *map(str, self.index)])


class TaskMessage(StepMessage):
    """A step that an agent does. Durations in seconds."""

    kind: Literal["task"] = "task"
    agent_id: str | None = None
    agent_capability: str | None = None
    session_agent_id: str | None = None
    parameters: JsonValue = Field(default_factory=dict)
    wait_timeout: Seconds
    heartbeat: Seconds | None = None
    priority: int = Field(default=5, ge=0, le=9)
    result_schema: JsonValue = None

    @property
    def capability(self) -> str | None:
        return None if self.agent_id is not None else self.agent_capability


class ApprovalMessage(StepMessage):
    """A step that waits for a person's word."""

    kind: Literal["approval"] = "approval"
    prompt: JsonValue = None


class SignalMessage(StepMessage):
    """A step that waits for a signal of that name."""

    kind: Literal["signal"] = "signal"
    signal: SignalName


class WorkflowMessage(StepMessage):
    """A step that waits for a session of another workflow, of its current version by default."""

    kind: Literal["workflow"] = "workflow"
    child_workflow_id: str
    child_version: int | None = None
    input: JsonValue = Field(default_factory=dict)
    session_agent_id: str | None = None


AnyStep = Annotated[
    TaskMessage | ApprovalMessage | SignalMessage | WorkflowMessage, Field(discriminator="kind")
]


class AttemptMessage(Model):
    """Go on with an attempt from where it stands."""

    kind: Literal["attempt"] = "attempt"
    attempt_id: str


class DeadlineMessage(Model):
    """Look whether the time of an attempt's hand-over is over; of another fence, nothing."""

    kind: Literal["deadline"] = "deadline"
    attempt_id: str
    fence: int


class WakeMessage(Model):
    """An agent can take work, and these waiting lists may have some."""

    kind: Literal["wake"] = "wake"
    agent_id: str
    lists: tuple[str, ...]


class ReconsiderMessage(Model):
    """An agent's cool-down is over at that time (ms): look whether it can take work."""

    kind: Literal["reconsider"] = "reconsider"
    agent_id: str
    at: int = 0


class ResumeMessage(Model):
    """A paused session runs again: its held tasks go on."""

    kind: Literal["resume"] = "resume"
    session_id: str


class SettleMessage(Model):
    """A session may have an end to tidy up after, or one that was missed."""

    kind: Literal["settle"] = "settle"
    session_id: str


class RoomMessage(Model):
    """A policy may let more tasks through than it did: look who waits for it. `look_at`: the time
    (ms) for which this look was set, if it was.
    """

    kind: Literal["room"] = "room"
    about: PolicyKind
    name: str
    look_at: int | None = None

    @classmethod
    def of(cls, subject: Subject, look_at: int | None = None) -> RoomMessage:
        return cls(about=subject.kind, name=subject.name, look_at=look_at)

    @property
    def subject(self) -> Subject:
        return Subject(self.about, self.name)


Message = (
    TaskMessage
    | ApprovalMessage
    | SignalMessage
    | WorkflowMessage
    | AttemptMessage
    | DeadlineMessage
    | WakeMessage
    | ReconsiderMessage
    | ResumeMessage
    | SettleMessage
    | RoomMessage
)

messages: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])
