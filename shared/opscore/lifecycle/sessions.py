"""Which status may follow which; final ones never change."""

from __future__ import annotations

from opscore.errors import InvalidTransition, SessionFinal
from opscore.models.session import CleanupStatus, Ending, Failure, Session
from opscore.models.session import SessionStatus as S

FINAL = frozenset({S.COMPLETED, S.FAILED, S.CANCELLED})

_BY_PEOPLE = {
    S.STARTED: {S.PAUSED, S.CANCELLED},
    S.RUNNING: {S.PAUSED, S.CANCELLED},
    S.PAUSED: {S.RUNNING, S.CANCELLED},
}

_EXECUTION = {
    "RUNNING": S.RUNNING,
    "SUCCEEDED": S.COMPLETED,
    "FAILED": S.FAILED,
    "TIMED_OUT": S.FAILED,
    "ABORTED": S.CANCELLED,
}


def check_move(now: S, wanted: S) -> None:
    """Refuse a status move that a person may not make; staying where one is, is no move.

    Raises SessionFinal, InvalidTransition.
    """
    if now is wanted:
        return
    if now in FINAL:
        raise SessionFinal(f"the session is {now} and stays so")
    if wanted not in _BY_PEOPLE[now]:
        allowed = ", ".join(sorted(_BY_PEOPLE[now]))
        raise InvalidTransition(f"a {now} session can be made: {allowed}; not {wanted}")


def of_execution(status: str) -> S | None:
    """The session status that an execution status stands for; None for one we don't know."""
    return _EXECUTION.get(status)


def ending(session: Session, status: S, error: Failure | None, now: int) -> Session:
    """The session from a bad end on, as long as it tidies up. What was paused stays so, unless a
    person has cancelled it.
    """
    paused = session.status is S.PAUSED and status is not S.CANCELLED
    return session.replace(
        status=S.PAUSED if paused else S.RUNNING,
        ending=Ending(status=status, error=error, since=now),
        last_updated_time=now,
    )


def ended(
    session: Session, cleanup: CleanupStatus, cleanup_error: Failure | None, now: int
) -> Session:
    """The session when it has tidied up, with the end that it had before."""
    assert session.ending is not None
    known = {"cleanup": cleanup, "cleanup_error": cleanup_error}
    return session.replace(
        status=session.ending.status,
        error=session.ending.error,
        ending=session.ending.model_copy(update=known),
        last_updated_time=now,
        end_time=now,
    )


def cancelled(session: Session, now: int, *, cleanup: bool) -> Session:
    """The session when a person cancels it: it tidies up first if its workflow says how, or ends at
    once; without `cleanup` it does not tidy up, or no further. To say the same again changes
    nothing, for a request may come twice. Raises SessionFinal.
    """
    check_move(session.status, S.CANCELLED)
    if session.status in FINAL:
        return session
    if session.ending is not None:
        return session if cleanup else ended(session, CleanupStatus.STOPPED, None, now)
    if cleanup and session.cleanup_arn is not None:
        return ending(session, S.CANCELLED, None, now)
    return session.replace(status=S.CANCELLED, end_time=now, last_updated_time=now)
