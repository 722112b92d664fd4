"""What the demo's session must have been, read from what the API shows of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opscore_client.types import Attempt, Session, Task


@dataclass(frozen=True)
class Check:
    """One thing that the template promises, and whether it came true."""

    promise: str
    kept: bool


def check(session: Session) -> list[Check]:
    """Every promise of workflow.yaml; a task that is not there keeps none of its own."""
    tasks = {task["taskDefinitionId"]: task for task in session.get("tasks", [])}
    return [
        Check("the session completed", session["status"] == "completed"),
        *_retry(tasks.get("read")),
        *_fallback_route(tasks.get("shorten")),
        *_fixed_result(tasks.get("illustrate")),
        *_results_reach_parameters(tasks),
    ]


def _retry(read: Task | None) -> Iterator[Check]:
    first, second = _attempt(read, 0), _attempt(read, 1)
    yield Check("read: its first attempt failed", _failed(first))
    yield Check("read: it was retried", _is(second, route=0, retry=1))
    elsewhere = bool(first and second and first["agentId"] != second["agentId"])
    yield Check("read: the retry went to another agent and succeeded", elsewhere and _done(second))


def _fallback_route(shorten: Task | None) -> Iterator[Check]:
    first, second = _attempt(shorten, 0), _attempt(shorten, 1)
    yield Check("shorten: its own route failed", _is(first, route=0, retry=0) and _failed(first))
    took_over = _is(second, route=1, retry=0) and _done(second)
    yield Check("shorten: the fallback route took over and succeeded", took_over)


def _fixed_result(illustrate: Task | None) -> Iterator[Check]:
    only = _attempt(illustrate, 0)
    alone = _failed(only) and _attempt(illustrate, 1) is None
    yield Check("illustrate: its only attempt failed", alone)


def _results_reach_parameters(tasks: dict[str, Task]) -> Iterator[Check]:
    """Agents sum up a text they are given; given none, they return their parameters."""
    read, shorten, publish = (_result(tasks.get(name)) for name in ("read", "shorten", "publish"))
    handed = publish.get("echo", {})
    text = f"{read.get('summary')} ({read.get('words')} words)"
    # The digest's own summary is the first sentence of what it was given.
    yield Check("read's result reached shorten", bool(read) and _begins(text, shorten))
    yield Check("read's result reached publish", _equal(handed, "words", read, "words"))
    yield Check("shorten's result reached publish", _equal(handed, "headline", shorten, "summary"))
    fixed = {"picture": "placeholder.svg"}
    yield Check("illustrate's fixed result reached publish", _equal(handed, "picture", fixed))


def _attempt(task: Task | None, number: int) -> Attempt | None:
    attempts = task["attempts"] if task else []
    return attempts[number] if number < len(attempts) else None


def _is(attempt: Attempt | None, *, route: int, retry: int) -> bool:
    return attempt is not None and (attempt["route"], attempt["retry"]) == (route, retry)


def _failed(attempt: Attempt | None) -> bool:
    return attempt is not None and attempt["error"] is not None


def _done(attempt: Attempt | None) -> bool:
    return attempt is not None and attempt["endedAt"] is not None and attempt["error"] is None


def _result(task: Task | None) -> dict[str, Any]:
    result = task["result"] if task else None
    return result if isinstance(result, dict) else {}


def _begins(text: str, digest: dict[str, Any]) -> bool:
    summary = digest.get("summary")
    return isinstance(summary, str) and summary != "" and text.startswith(summary)


def _equal(
    handed: dict[str, Any], name: str, made: dict[str, Any], made_name: str | None = None
) -> bool:
    value = made.get(made_name or name)
    return value is not None and handed.get(name) == value
