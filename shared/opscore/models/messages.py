"""What travels through the task queue."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue, TypeAdapter

from opscore.models.base import Model

LONGEST_SECONDS = 365 * 24 * 3600
"""An execution's longest life: what a template computes beyond it comes to the same."""

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


class TaskMessage(Model):
    """One attempt of a task, as the compiled definition sends it. Durations in seconds."""

    kind: Literal["task"] = "task"
    token: str = Field(repr=False)
    session_id: str
    workflow_id: str
    task_id: str
    name: str
    route: int = 0
    retry: int = 0
    agent_id: str | None = None
    agent_capability: str | None = None
    session_agent_id: str | None = None
    parameters: JsonValue = Field(default_factory=dict)
    timeout: Seconds
    wait_timeout: Seconds
    heartbeat: Seconds | None = None
    priority: int = Field(default=5, ge=0, le=9)
    index: tuple[int, ...] = ()
    phase: Phase = Phase.MAIN
    result_schema: JsonValue = None

    @property
    def attempt_id(self) -> str:
        """The attempt's id: the same message twice is the same attempt."""
        return "task_" + hashlib.sha256(self.token.encode()).hexdigest()[:32]

    @property
    def task_key(self) -> str:
        """The task's key in its session: the step, and the path of map items that led to it."""
        return ".".join([self.task_id, *map(str, self.index)])


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


Message = (
    TaskMessage | AttemptMessage | DeadlineMessage | WakeMessage | ReconsiderMessage | ResumeMessage
)

messages: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])
