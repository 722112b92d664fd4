"""A session told in order: who was asked, what failed, what was tried instead, what came out."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from opscore_cli.present import printable
from opscore_cli.times import between, duration, moment
from opscore_client import FINAL
from opscore_client.types import Attempt, ErrorInfo, Session, Task

Tone = Literal["plain", "good", "bad", "turn"]

_RESULT_WIDTH: Final = 100
_CLEANUPS: Final = {"completed": "is done", "failed": "failed", "stopped": "was stopped"}
_A_WAIT: Final = timedelta(seconds=1)
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Line:
    """One thing that happened. `key` is the same whenever the same thing is told again."""

    key: str
    at: datetime
    text: str
    tone: Tone = "plain"


def story(session: Session) -> list[Line]:
    """Everything that has happened in a session so far, in order of time."""
    start = moment(session["startTime"]) or _LONG_AGO
    lines = [Line("start", start, _opening(session))]
    for task in session.get("tasks", []):
        lines += _task(task, session, start)
    lines += _ending_badly(session, start)
    # A stable sort: what happened in the same instant stays in the order it was told in.
    lines.sort(key=lambda line: line.at)
    if session["status"] in FINAL:
        end = moment(session["endTime"]) or lines[-1].at
        lines.append(Line("end", end, _ending(session), _tone_of(session["status"])))
    return lines


def label(attempt: Attempt) -> str:
    """Which try of a task: `attempt 1`, `retry 1`, `fallback 1`, or `fallback 1, retry 1`."""
    retry = f"retry {attempt['retry']}" if attempt["retry"] else ""
    fallback = f"fallback {attempt['route']}" if attempt["route"] else ""
    return ", ".join(filter(None, (fallback, retry))) or "attempt 1"


def stand(session: Session) -> str:
    """A session's status, and the end that it tidies up after."""
    ending = session.get("ending")
    if ending is None or session["status"] in FINAL:
        return session["status"]
    return f"{session['status']}, tidying up, then {ending['status']}"


def reason(error: ErrorInfo | None) -> str:
    """An error as `code: message`."""
    if not error:
        return "-"
    code, message = printable(error.get("code")), error.get("message")
    return f"{code}: {printable(message)}" if message else code


def short(value: object) -> str:
    """A result in one line of bounded length."""
    text = printable(value)
    return text if len(text) <= _RESULT_WIDTH else text[: _RESULT_WIDTH - 1] + "…"


def _opening(session: Session) -> str:
    version = session["workflowVersion"]
    workflow = printable(session["workflowId"]) + (f" version {version}" if version else "")
    agent, old = session["agentId"], session.get("rerunOf")
    return (
        f"session started: {workflow}"
        + (f", for {printable(agent)}" if agent else "")
        + (f", a rerun of {printable(old)}" if old else "")
    )


def _ending(session: Session) -> str:
    took = between(session["startTime"], session["endTime"], datetime.now(UTC))
    text = f"session {session['status']} after {took}"
    return f"{text}: {reason(session['error'])}" if session["error"] else text


def _ending_badly(session: Session, start: datetime) -> Iterator[Line]:
    """A bad end that is tidied up after, and how that went."""
    ending = session.get("ending")
    if ending is None:
        return
    why = f": {reason(ending['error'])}" if ending["error"] else ""
    since = moment(ending["since"]) or start
    yield Line("ending", since, f"session ends as {ending['status']}{why}; it tidies up", "bad")
    cleanup = ending["cleanup"]
    if cleanup["status"] != "running":
        error = f": {reason(cleanup['error'])}" if cleanup["error"] else ""
        text = f"tidying up {_CLEANUPS.get(cleanup['status'], cleanup['status'])}{error}"
        done = cleanup["status"] == "completed"
        ended = moment(session["endTime"]) or since
        yield Line("cleanup", ended, text, "good" if done else "bad")


def _tone_of(status: str) -> Tone:
    return "good" if status == "completed" else "bad"


def _task(task: Task, session: Session, start: datetime) -> Iterator[Line]:
    name = printable(task["taskId"])
    last = start
    for attempt in task["attempts"]:
        for line in (*_wait(name, task, attempt), *_attempt(name, attempt)):
            last = max(last, line.at)
            yield line
    if task["status"] == "completed":
        yield Line(
            f"{task['taskId']}/result", last, f"{name}: result {short(task['result'])}", "good"
        )
    elif task["status"] == "failed" and session["status"] == "completed":
        text = f"{name}: failed in the end; the workflow went on with its fallback"
        yield Line(f"{task['taskId']}/without", last, text, "turn")


def _wait(name: str, task: Task, attempt: Attempt) -> Iterator[Line]:
    """That a step waits for what is no agent's."""
    match task.get("kind"):
        case "approval":
            what = f"approval: {short(task.get('prompt'))}"
        case "signal":
            what = f"signal {printable(task.get('signal'))}"
        case "workflow":
            child = printable(task.get("childSessionId"))
            what = f"session {child} of {printable(task.get('childWorkflowId'))}"
        case _:
            return
    if attempt["deadline"]:
        created = moment(attempt["createdAt"]) or _LONG_AGO
        text = f"{name}: {label(attempt)} waits for {what}"
        yield Line(f"{attempt['attemptId']}/waits", created, text, "turn")


def _attempt(name: str, attempt: Attempt) -> Iterator[Line]:
    key, which = attempt["attemptId"], label(attempt)
    created = moment(attempt["createdAt"]) or _LONG_AGO
    agent = printable(attempt["agentId"])
    sent, ended = moment(attempt["sentAt"]), moment(attempt["endedAt"])
    if attempt["status"] == "PARKED":
        yield Line(f"{key}/parked", created, f"{name}: {which} waits for a free agent", "turn")
    if sent:
        again = attempt["route"] > 0 or attempt["retry"] > 0
        wait = f" after waiting {duration(sent - created)}" if sent - created > _A_WAIT else ""
        text = f"{name}: {which} goes to {agent}{wait}"
        yield Line(f"{key}/sent", sent, text, "turn" if again else "plain")
    if not ended:
        return
    if origin := attempt.get("keptFrom"):
        text = f"{name}: {which} keeps the result of session {printable(origin['sessionId'])}"
        yield Line(f"{key}/kept", ended, text, "good")
        return
    by = f" by {agent}" if attempt["agentId"] else ""
    took = f" after {between(attempt['sentAt'] or attempt['createdAt'], attempt['endedAt'], ended)}"
    if attempt["error"]:
        text = f"{name}: {which}{by} failed{took}: {reason(attempt['error'])}"
        yield Line(f"{key}/ended", ended, text, "bad")
    else:
        yield Line(f"{key}/ended", ended, f"{name}: {which}{by} is done{took}", "good")
