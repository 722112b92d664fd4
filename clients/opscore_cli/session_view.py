"""A session for people: its fields, a table of tasks with their attempts, its story, live."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from opscore_cli.present import Column, coloured, printable, table, write_fields, write_rows
from opscore_cli.story import Line, label, reason, short, stand, story
from opscore_cli.times import between, local
from opscore_client import FINAL
from opscore_client.types import Attempt, Session, Task

_TONES: Final = {"plain": "", "good": "green", "bad": "red", "turn": "yellow"}
_WORDS: Final = {
    "RECEIVED": "looking for an agent",
    "PARKED": "waiting",
    "WAITING": "waiting",
    "SENDING": "handing over",
    "SENT": "handed over",
    "RUNNING": "working",
    "COMPLETING": "closing",
    "CLOSED": "done",
}


@dataclass(frozen=True)
class Row:
    """An attempt, with its task's name where it is the task's first."""

    task: str
    attempt: Attempt


def columns(now: datetime) -> list[Column[Row]]:
    """The table of tasks and attempts; durations of what still runs are up to `now`."""

    def took(row: Row) -> str:
        return between(row.attempt["sentAt"], row.attempt["endedAt"], now)

    return [
        Column("task", lambda row: row.task),
        Column("attempt", lambda row: label(row.attempt)),
        Column("agent", lambda row: row.attempt["agentId"]),
        Column("status", lambda row: _status(row.attempt), is_status=True),
        Column("duration", took),
        Column("error", lambda row: reason(row.attempt["error"])),
    ]


def rows(tasks: Iterable[Task], *, repeat_names: bool) -> Iterator[Row]:
    """Attempts in order; names only once for people, on every line for programs."""
    for task in tasks:
        for number, attempt in enumerate(task["attempts"]):
            shown = repeat_names or number == 0
            yield Row(printable(task["taskId"]) if shown else " ", attempt)


def show(console: Console, session: Session, now: datetime) -> None:
    """Everything there is to see of a session."""
    write_fields(console, _fields(session, now))
    tasks = session.get("tasks", [])
    if tasks:
        console.print()
        repeat = not console.is_terminal
        write_rows(console, columns(now), list(rows(tasks, repeat_names=repeat)))
    console.print()
    lines = story(session)
    tell(console, lines, lines[0].at)


def tell(console: Console, lines: Iterable[Line], start: datetime) -> None:
    """Print lines of a story, each with its seconds since the session's start."""
    for line in lines:
        seconds = max((line.at - start).total_seconds(), 0.0)
        text = Text.assemble((f"{seconds:7.1f} s  ", "dim"), (line.text, _TONES[line.tone]))
        console.print(text, soft_wrap=True)


def follow(console: Console, seen: Iterable[Session], clock: Callable[[], datetime]) -> Session:
    """Show a session as it goes: a live table on a terminal, otherwise each line as it happens.

    `seen` yields the session again and again until its end; the last one is returned.
    """
    return _live(console, seen, clock) if console.is_terminal else _lines(console, seen)


def _live(console: Console, seen: Iterable[Session], clock: Callable[[], datetime]) -> Session:
    sessions = iter(seen)
    picture = _Picture(next(sessions), clock)
    with Live(picture, console=console, refresh_per_second=8) as live:
        for session in sessions:
            picture.session = session
            live.refresh()
    return picture.session


def _lines(console: Console, seen: Iterable[Session]) -> Session:
    told: set[str] = set()
    for session in seen:
        lines = story(session)
        tell(console, (line for line in lines if line.key not in told), lines[0].at)
        told |= {line.key for line in lines}
    return session


class _Picture:
    """A session as it stands; drawn anew each time, so that durations run between two looks."""

    def __init__(self, session: Session, clock: Callable[[], datetime]) -> None:
        self.session = session
        self._clock = clock
        self._spinner = Spinner("dots")

    def __rich__(self) -> RenderableType:
        session, now = self.session, self._clock()
        title: RenderableType = Text.assemble(
            (printable(session["workflowId"]), "bold"),
            "  ",
            coloured(session["status"]),
            f"  {between(session['startTime'], session['endTime'], now)}",
        )
        if session["status"] not in FINAL:
            self._spinner.update(text=title)
            title = self._spinner
        attempts = list(rows(session.get("tasks", []), repeat_names=False))
        return Group(title, table(columns(now), attempts)) if attempts else title


def _fields(session: Session, now: datetime) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "session": session["sessionId"],
        "workflow": f"{session['workflowId']} version {session['workflowVersion'] or '-'}",
        "agent": printable(session["agentId"]),
        "started by": _parent(session),
        "status": stand(session),
        "started": local(session["startTime"]),
        "duration": between(session["startTime"], session["endTime"], now),
        "input": short(session["input"]),
        "result": short(session["result"]),
        "error": reason(session["error"]),
        "rerun of": printable(session.get("rerunOf")),
        "reruns": printable(", ".join(session.get("reruns", []))),
    }
    optional = {"agent", "started by", "input", "result", "error", "rerun of", "reruns"}
    return {n: v for n, v in fields.items() if n not in optional or v != "-"}


def _parent(session: Session) -> str:
    parent = session.get("parent")
    if parent is None:
        return "-"
    return f"{printable(parent['taskId'])} of session {printable(parent['sessionId'])}"


def _status(attempt: Attempt) -> str:
    if attempt["error"]:
        return "failed"
    if attempt["outcome"] == "superseded":
        return "superseded"
    if attempt.get("keptFrom"):
        return "kept"
    return _WORDS.get(attempt["status"], attempt["status"])
