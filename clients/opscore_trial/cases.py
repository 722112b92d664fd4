"""What a case file says, as data: what each task is answered, and what is expected of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opscore.workflows.findings import Place

USUAL_SECONDS = 1.0
"""How long an answer takes if the case does not say: so branches run side by side."""


@dataclass(frozen=True)
class Gives:
    """A result."""

    result: Any


@dataclass(frozen=True)
class Fails:
    """An error."""

    code: str
    message: str


@dataclass(frozen=True)
class Says:
    """A person's word on an approval."""

    approved: bool
    by: str | None = None
    comment: str = ""


@dataclass(frozen=True)
class Silent:
    """Nothing, until the time is over."""


@dataclass(frozen=True)
class Answer:
    """How one attempt of a task ends, so many seconds after it was asked for."""

    what: Gives | Fails | Says | Silent
    after: float = USUAL_SECONDS


@dataclass(frozen=True)
class Wanted:
    """A value that the course of a case must have, and where the file says so."""

    value: Any
    place: Place


@dataclass(frozen=True)
class Expected:
    """What is checked of a case: only what its file names, and that it completes or fails."""

    status: Wanted
    result: Wanted | None = None
    error: Wanted | None = None
    asked: Wanted | None = None
    sent: Mapping[str, Wanted] | None = None
    path: Wanted | None = None
    afterwards: Wanted | None = None


@dataclass(frozen=True)
class Case:
    """One session: what it is started with, who answers what, and what is expected.

    `answers`: by label (see `labels`), one answer for each attempt, the last one repeats.
    """

    name: str
    place: Place
    input: Any
    agent_id: str | None
    answers: Mapping[str, tuple[Answer, ...]]
    expected: Expected
