"""Which moves of a session people may make, and what executions stand for."""

from __future__ import annotations

import itertools

import pytest

from opscore.errors import InvalidTransition, SessionFinal
from opscore.lifecycle.sessions import FINAL, check_move, of_execution
from opscore.models.session import SessionStatus as S

ALLOWED = {
    (S.STARTED, S.PAUSED), (S.STARTED, S.CANCELLED),
    (S.RUNNING, S.PAUSED), (S.RUNNING, S.CANCELLED),
    (S.PAUSED, S.RUNNING), (S.PAUSED, S.CANCELLED),
}  # fmt: skip
OPEN = [status for status in S if status not in FINAL]
PAIRS = [pair for pair in itertools.product(S, S) if pair[0] is not pair[1]]


@pytest.mark.parametrize("pair", sorted(ALLOWED))
def test_people_pause_resume_and_cancel(pair: tuple[S, S]) -> None:
    check_move(*pair)


@pytest.mark.parametrize("pair", [p for p in PAIRS if p not in ALLOWED and p[0] not in FINAL])
def test_any_other_move_is_refused_and_says_which_are_not(pair: tuple[S, S]) -> None:
    with pytest.raises(InvalidTransition) as refusal:
        check_move(*pair)

    assert "cancelled" in str(refusal.value.detail)


@pytest.mark.parametrize("pair", [p for p in PAIRS if p[0] in FINAL])
def test_a_final_session_moves_no_more(pair: tuple[S, S]) -> None:
    with pytest.raises(SessionFinal):
        check_move(*pair)


@pytest.mark.parametrize("status", list(S))
def test_asking_for_where_a_session_stands_is_no_move(status: S) -> None:
    check_move(status, status)


@pytest.mark.parametrize(
    ("execution", "status"),
    [
        ("RUNNING", S.RUNNING),
        ("SUCCEEDED", S.COMPLETED),
        ("FAILED", S.FAILED),
        ("TIMED_OUT", S.FAILED),
        ("ABORTED", S.CANCELLED),
        ("PENDING_REDRIVE", None),
    ],
)
def test_what_an_executions_status_stands_for(execution: str, status: S | None) -> None:
    assert of_execution(execution) is status
