"""Which status may follow which; final ones never change."""

from __future__ import annotations

from opscore.errors import InvalidTransition, SessionFinal
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
