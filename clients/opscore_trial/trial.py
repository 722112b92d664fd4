"""One case of a template, from the session's start to its end and what follows a bad one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from opscore.models.outcome import own_name
from opscore.workflows.schemas import faults
from opscore_trial.cases import Case
from opscore_trial.compiled import Compiled
from opscore_trial.fleet import Asked, Fleet, UnansweredError
from opscore_trial.interpreter import Ended, Status, TooLongError

_NOTHING = Ended(Status.FAILED, None, None, None, (), 0, 0.0)

SESSION_ID = "trial"
VERSION = 1


@dataclass(frozen=True)
class Course:
    """What came of a case.

    `status` is completed, failed, or broken off: by `broken`, which no session could go on after.
    `asked` has the session's own messages, `afterwards` those of what runs after a bad end.
    `path`: the states entered by all of them; `retries` are billed like them; `seconds` are those
    of the session itself.
    """

    status: str
    result: Any
    error: dict[str, str] | None
    asked: Sequence[Asked]
    afterwards: Sequence[Asked]
    path: Sequence[str]
    afterwards_path: Sequence[str]
    retries: int
    seconds: float
    broken: str | None = None


def run_case(compiled: Compiled, case: Case) -> Course:
    """Run one case; nothing is left of it but its course."""
    session = {
        "id": SESSION_ID,
        "agentId": case.agent_id,
        "workflowId": compiled.workflow_id,
        "workflowVersion": VERSION,
    }
    given = {"input": case.input, "session": session}
    unfit = [] if compiled.input is None else faults(compiled.input, case.input)
    if unfit:
        told = "; ".join(fault.at("input") for fault in unfit)
        return _course(_NOTHING, [], broken=f"no session can be started with this: {told}")
    fleet = Fleet(case)
    execution = fleet.answering(compiled.definition, given)
    try:
        ended = execution.run()
    except (UnansweredError, TooLongError) as error:
        return _course(execution.so_far(), fleet.asked, broken=_broken(error))
    asked = list(fleet.asked)
    if ended.status is Status.SUCCEEDED or compiled.cleanup is None:
        return _course(ended, asked)
    after = fleet.answering(compiled.cleanup, given | _told(ended, asked))
    try:
        tidied, broken = after.run(), None
    except (UnansweredError, TooLongError) as error:
        tidied, broken = after.so_far(), _broken(error)
    return _course(ended, asked, fleet.asked[len(asked) :], tidied, broken)


def _course(
    ended: Ended,
    asked: Sequence[Asked],
    afterwards: Sequence[Asked] = (),
    tidied: Ended | None = None,
    broken: str | None = None,
) -> Course:
    completed = ended.status is Status.SUCCEEDED
    return Course(
        status="completed" if completed else "failed",
        result=ended.output,
        error=None if completed else _error(ended),
        asked=asked,
        afterwards=afterwards,
        path=ended.entered,
        afterwards_path=() if tidied is None else tidied.entered,
        retries=ended.retries + (0 if tidied is None else tidied.retries),
        seconds=ended.seconds,
        broken=broken,
    )


def _error(ended: Ended) -> dict[str, str]:
    timed_out = ended.status is Status.TIMED_OUT
    code = "SessionTimeout" if timed_out else own_name(ended.error or "Unknown")
    return {"code": code, "message": ended.cause or ""}


def _told(ended: Ended, asked: Sequence[Asked]) -> dict[str, Any]:
    """What the second execution is told of the first."""
    newest = {one.message.task_id: one for one in asked if not one.message.index}
    done = {
        task: one.outcome.result for task, one in newest.items() if one.outcome and one.succeeded
    }
    error = _error(ended)
    failed = (one for one in asked if one.outcome and one.outcome.error_code == error["code"])
    last = max(failed, key=lambda one: one.ended_at or 0, default=None)
    return {
        "results": done,
        "completed": list(reversed(done)),
        "error": {**error, "taskId": last.message.task_id if last else None},
    }


def _broken(error: UnansweredError | TooLongError) -> str:
    if isinstance(error, TooLongError):
        return f"it does not come to an end: {error}"
    return str(error)
