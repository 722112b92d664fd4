from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from opscore.models.base import Model


class PolicyKind(StrEnum):
    """What a policy can be about."""

    CAPABILITY = "capability"
    WORKFLOW = "workflow"


@dataclass(frozen=True)
class Subject:
    """A capability, or a workflow by its id. Neither holds a `#`."""

    kind: PolicyKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}#{self.name}"


class Policy(Model):
    """How the tasks of a capability or a workflow may be handed out. Times: our clock, ms.

    `counters`: how many counters share the limit's slots.
    """

    kind: PolicyKind
    name: str
    max_concurrent: int | None = None
    rate_per_second: float | None = None
    burst: int | None = None
    paused: bool = False
    reason: str | None = None
    updated_by: str | None = None
    updated_at: int
    resumed_at: int | None = None
    counters: int = 0
    rev: int = 0

    @property
    def subject(self) -> Subject:
        return Subject(self.kind, self.name)

    @property
    def counted(self) -> bool:
        """Whether a hand-over has to be counted."""
        return self.max_concurrent is not None or self.rate_per_second is not None

    @property
    def empty(self) -> bool:
        """Whether it asks for nothing: one that was cleared stays for the slots still taken."""
        return not self.counted and not self.paused

    def replace(self, **changes: Any) -> Policy:
        return self.model_copy(update=changes)


class Bucket(Model):
    """A share of a rate. `due_at`: when its next task would be due if they came evenly (µs); one
    may be taken as long as that is no further ahead than the burst allows. `look_at`: when the
    waiting list is to be looked at (ms).
    """

    due_at: int | None = None
    look_at: int | None = None
