from __future__ import annotations

from enum import StrEnum
from typing import Any

from opscore.models.base import Model


class Quarantined(StrEnum):
    """What is kept from work."""

    AGENT = "agent"
    CAPABILITY = "capability"
    VERSION = "version"


class Mark(Model):
    """A quarantine as an agent carries it that it concerns. `since`: our clock, ms."""

    what: Quarantined
    name: str
    reason: str
    by: str | None = None
    since: int


class Quarantine(Mark):
    """A quarantine on record. `applied`: every agent that it concerns has been seen to, after it
    was imposed or, with `released_at`, lifted; until then all up to the id `seen_to` have.
    """

    applied: bool = False
    seen_to: str | None = None
    released_by: str | None = None
    released_at: int | None = None
    rev: int = 0

    @property
    def stands(self) -> bool:
        return self.released_at is None

    def mark(self) -> Mark:
        return Mark.model_validate(self.model_dump(include=set(Mark.model_fields)))

    def replace(self, **changes: Any) -> Quarantine:
        return self.model_copy(update=changes)
