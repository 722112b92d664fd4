"""What the second execution of a session is told, which tidies up after a bad end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from opscore.models.messages import Phase
from opscore.models.session import Ending, Session
from opscore.models.task import Attempt, Task

SUFFIX = "-after"
"""What the second execution's name has more than the first's, which is the session's id."""

MAX_INPUT_BYTES = 192 * 1024
"""Step Functions takes 256 KiB for a state with its context, of which this is always a part."""

CANCELLED = "Cancelled"


def cleanup_name(session_id: str) -> str:
    """The name of a session's second execution."""
    return session_id + SUFFIX


def cleanup_input(
    session: Session, tasks: Sequence[Task], attempts: Mapping[str, Attempt]
) -> tuple[str, list[str]]:
    """The second execution's input as JSON, and the tasks whose results had to stay away.

    Every result that an agent gave counts, whether or not Step Functions still took it: the work
    was done. The same for the same records.
    """
    assert session.ending is not None
    done = _done(tasks, attempts)
    results = {task.task_id: attempt.outcome.result for task, attempt in done if attempt.outcome}
    undone = [task.task_id for task, _ in reversed(done) if task.task_id in session.compensated]
    document: dict[str, Any] = {
        **json.loads(session.execution_input),
        "results": results,
        "completed": undone,
        "error": _error(session.ending, tasks, attempts),
    }
    return _fitting(document)


def _done(tasks: Sequence[Task], attempts: Mapping[str, Attempt]) -> list[tuple[Task, Attempt]]:
    """Tasks outside maps and loops whose newest attempt succeeded, in the order of their requests;
    the first execution's alone.
    """
    newest = ((task, attempts.get(task.attempts[-1])) for task in tasks if task.attempts)
    done = [
        (task, attempt)
        for task, attempt in newest
        if attempt is not None
        and attempt.message.phase is Phase.MAIN
        and not attempt.message.index
        and attempt.outcome is not None
        and attempt.outcome.succeeded
    ]
    return sorted(done, key=lambda pair: (pair[0].asked_at, pair[1].created_at))


def _error(
    ending: Ending, tasks: Sequence[Task], attempts: Mapping[str, Attempt]
) -> dict[str, str | None]:
    """The session's first error, and the task that it came from: the last that failed so."""
    if ending.error is None:
        return {"code": CANCELLED, "message": "cancelled by a person", "taskId": None}
    failed = [
        attempt
        for attempt in (attempts.get(task.attempts[-1]) for task in tasks if task.attempts)
        if attempt is not None
        and attempt.outcome is not None
        and attempt.outcome.error_code == ending.error.code
        and attempt.message.phase is Phase.MAIN
    ]
    last = max(failed, key=lambda attempt: attempt.ended_at or 0, default=None)
    return {
        "code": ending.error.code,
        "message": ending.error.message,
        "taskId": None if last is None else last.message.task_id,
    }


def _fitting(document: dict[str, Any]) -> tuple[str, list[str]]:
    """The document as JSON, without the largest results if it would be too large; it names them in
    `omitted`.
    """
    sizes = {task_id: len(_text(result)) for task_id, result in document["results"].items()}
    left, omitted = dict(document["results"]), list[str]()
    text = _text(document)
    for task_id in sorted(sizes, key=lambda task_id: (-sizes[task_id], task_id)):
        if len(text) <= MAX_INPUT_BYTES:
            break
        del left[task_id]
        omitted.append(task_id)
        text = _text({**document, "results": left, "omitted": omitted})
    return text.decode(), omitted


def _text(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
