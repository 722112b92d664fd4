"""Which results a rerun keeps: those made by the sessions before it, as far as each is kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from opscore.models.messages import AnyStep, TaskMessage
from opscore.models.session import Keep, Rerun, Session
from opscore.models.task import Task

MAX_LINE = 10
"""How many sessions back a rerun's results may come from; each is a key of one batch read."""

MAX_SHOWN = 100
"""How many reruns a session names: the newest."""


def kept(rerun: Rerun, known: Mapping[str, Task]) -> Task | None:
    """Of the records of one task, by session, the one whose result is kept.

    The newest session in which the task has ended decides: one that failed there, or ended too
    late, is not taken from an older one.
    """
    for keep in rerun.keeps:
        task = known.get(keep.session_id)
        if task is None or task.last is None:
            continue
        if task.task_key in rerun.from_tasks or task.task_id in rerun.from_tasks:
            return None  # whatever the clocks say
        in_time = keep.until is None or task.last.at < keep.until
        return task if task.last.outcome.succeeded and in_time else None
    return None


def line_of(session: Session) -> tuple[Keep, ...]:
    """The session and those of which it is a rerun, the newest first, with all they keep: nothing
    that was made while it tidied up.
    """
    before = () if session.rerun is None else session.rerun.keeps
    until = None if session.ending is None else session.ending.since
    return (Keep(session_id=session.session_id, until=until), *before)[:MAX_LINE]


def cut(keeps: Iterable[Keep], asked: Mapping[str, int]) -> tuple[Keep, ...]:
    """The same, but for what ended after a task had been asked for (ms, by session)."""
    return tuple(
        keep.model_copy(update={"until": _earlier(keep.until, asked.get(keep.session_id))})
        for keep in keeps
    )


def _earlier(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)


def ended_by(session: Session, tasks: Iterable[Task]) -> list[Task]:
    """The tasks whose failure was the session's: nothing came after them."""
    error = session.error
    if error is None:
        return []
    return [
        task
        for task in tasks
        if task.last is not None
        and (session.ending is None or task.last.at <= session.ending.since)
        and task.last.outcome.error_code == error.code
        and task.last.outcome.message.startswith(error.message)
    ]


def undone(session: Session, tasks: Iterable[Task]) -> list[Task]:
    """The tasks whose results are worth nothing any more, since the session has undone them."""
    if session.ending is None:
        return []
    return [
        task
        for task in tasks
        if task.task_id in session.compensated
        and task.last is not None
        and task.last.outcome.succeeded
    ]


def called(name: str, tasks: Iterable[Task]) -> list[Task]:
    """The tasks that a name means: one by its key, or every activation of a step."""
    return [task for task in tasks if name in (task.task_key, task.task_id)]


def marked_with(session: Session, new_id: str, *, replay: bool) -> Session:
    """The session that now has a rerun."""
    reruns = (*session.reruns, new_id)[-MAX_SHOWN:]
    replayed_as = new_id if replay else session.replayed_as
    return session.replace(reruns=reruns, replayed_as=replayed_as)


def routed(message: AnyStep, session: Session | None) -> AnyStep:
    """The message, to whom the session's rerun sends it. A fallback's route stays as it is."""
    onto = None if session is None or session.rerun is None else session.rerun.onto
    if onto is None or message.route > 0 or message.task_id not in onto.steps:
        return message
    if not isinstance(message, TaskMessage):
        return message  # nobody to send it to
    whom = {"agent_id": onto.agent_id, "agent_capability": onto.agent_capability}
    return message.model_copy(update=whom)


def first_time(task: Task | None, attempt_id: str) -> bool:
    """Whether the task was not asked for before in its session: a step that comes again, in a loop
    of jumps, must be done again.
    """
    seen: Collection[str] = () if task is None else task.attempts
    return all(one == attempt_id for one in seen)


def keys_kept(rerun: Rerun, tasks: Mapping[str, Sequence[Task]]) -> list[Task]:
    """Every task whose result is kept, of those on record, by session."""
    by_key: dict[str, dict[str, Task]] = {}
    for session_id, found in tasks.items():
        for task in found:
            by_key.setdefault(task.task_key, {})[session_id] = task
    results = (kept(rerun, known) for known in by_key.values())
    return sorted((t for t in results if t is not None), key=lambda t: (t.asked_at, t.task_key))
