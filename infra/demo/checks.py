"""What the demo's session must have been, read from what the API shows of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from opscore_client.types import Attempt, JsonObject, Session, Task

FIXED: Final = {"picture": "placeholder.svg"}
EDITOR: Final = "the editor"


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
        *_at_once(tasks.get("shorten"), tasks.get("illustrate")),
        *_for_each(session, tasks.get("read")),
        *_asked(tasks.get("approve")),
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


def _at_once(one: Task | None, other: Task | None) -> Iterator[Check]:
    begun, ended = _times(one), _times(other)
    at_once = bool(begun and ended) and begun[0] < ended[1] and ended[0] < begun[1]
    yield Check("shorten and illustrate were under way at once", at_once)


def _times(task: Task | None) -> tuple[str, str]:
    attempts = task["attempts"] if task else []
    return (attempts[0]["createdAt"], attempts[-1]["endedAt"] or "") if attempts else ("", "")


def _for_each(session: Session, read: Task | None) -> Iterator[Check]:
    looked_up = [t for t in session.get("tasks", []) if t["taskDefinitionId"] == "look-up"]
    words = (read["result"] or {}).get("topWords", []) if read else []
    each = len(looked_up) == len(words) > 0
    done = all(task["status"] == "completed" for task in looked_up)
    yield Check("look-up: done once for each word", each and done)


def _asked(approve: Task | None) -> Iterator[Check]:
    said = approve["result"] if approve and isinstance(approve["result"], dict) else {}
    yield Check("approve: the editor was asked, and agreed", said.get("by") == EDITOR)


def _results_reach_parameters(tasks: dict[str, Task]) -> Iterator[Check]:
    """What each agent was handed is the `payload` of its task; the template says what of whom."""
    read, shorten = _object(tasks, "read", "result"), _object(tasks, "shorten", "result")
    handed = {name: _object(tasks, name, "payload") for name in tasks}
    text = f"{read.get('summary')} ({read.get('words')} words)"
    for promise, made, parameter, given in (
        ("read's result reached shorten", read, "text", text),
        ("read's result reached illustrate", read, "about", read.get("topWords")),
        ("read's result reached publish", read, "words", read.get("words")),
        ("shorten's result reached publish", shorten, "headline", shorten.get("summary")),
        ("illustrate's fixed result reached publish", FIXED, "picture", FIXED["picture"]),
        ("approve's result reached publish", {"by": EDITOR}, "approvedBy", EDITOR),
    ):
        to = handed.get(promise.rpartition(" ")[2], {})
        yield Check(promise, bool(made) and given is not None and to.get(parameter) == given)


def _attempt(task: Task | None, number: int) -> Attempt | None:
    attempts = task["attempts"] if task else []
    return attempts[number] if number < len(attempts) else None


def _is(attempt: Attempt | None, *, route: int, retry: int) -> bool:
    return attempt is not None and (attempt["route"], attempt["retry"]) == (route, retry)


def _failed(attempt: Attempt | None) -> bool:
    return attempt is not None and attempt["error"] is not None


def _done(attempt: Attempt | None) -> bool:
    return attempt is not None and attempt["endedAt"] is not None and attempt["error"] is None


def _object(tasks: dict[str, Task], name: str, field: Literal["payload", "result"]) -> JsonObject:
    value = tasks[name][field] if name in tasks else None
    return value if isinstance(value, dict) else {}
