from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opscore_cli.session_view import columns, rows
from opscore_cli.story import label, story
from tests.unit.clients.fake_api import a_session, a_task, an_attempt, at
from tests.unit.clients.plays import BROKE, a_whole_session, frames

NOW = datetime(2026, 11, 22, 10, 0, 30, tzinfo=UTC)
START = datetime(2026, 11, 22, 10, tzinfo=UTC)


def told(session: Any) -> list[tuple[float, str]]:
    return [((line.at - START) / timedelta(seconds=1), line.text) for line in story(session)]


def test_a_session_is_told_in_order() -> None:
    assert told(a_whole_session()) == [
        (0.0, "session started: triage version 1, for flaky"),
        (1.0, "collect: attempt 1 goes to flaky"),
        (1.5, "collect: attempt 1 by flaky failed after 0.5 s: AgentError: the disk is full"),
        (3.0, "collect: retry 1 goes to good"),
        (4.2, "collect: retry 1 by good is done after 1.2 s"),
        (4.2, 'collect: result {"text": "abc"}'),
        (5.0, "analyse: attempt 1 goes to broken"),
        (5.5, "analyse: attempt 1 by broken failed after 0.5 s: AgentError: the disk is full"),
        (6.0, "analyse: fallback 1 goes to good"),
        (7.0, "analyse: fallback 1 by good is done after 1.0 s"),
        (7.0, 'analyse: result {"words": 1}'),
        (8.0, "publish: attempt 1 goes to broken"),
        (8.5, "publish: attempt 1 by broken failed after 0.5 s: AgentError: the disk is full"),
        (8.5, "publish: failed in the end; the workflow went on with its fallback"),
        (9.0, "session completed after 9.0 s"),
    ]


def test_what_was_told_once_keeps_its_key() -> None:
    session = a_session("s-1", "triage")
    keys: list[str] = []
    for frame in frames():
        now = [line.key for line in story({**session, **frame})]  # type: ignore[typeddict-item]  # a whole session
        assert [key for key in keys if key not in now] == []
        keys = now
    assert len(keys) == len(set(keys)) == 15


def test_an_attempt_without_an_agent_waits() -> None:
    parked = an_attempt("t1", None, None, status="PARKED")
    session = a_session("s-1", "triage", tasks=[a_task("collect", [parked], "waiting")])

    assert (0.0, "collect: attempt 1 waits for a free agent") in told(session)


def test_a_wait_that_is_over_is_told_with_the_handing_over() -> None:
    attempt = an_attempt("t1", "good", 9.0) | {"createdAt": at(2)}
    session = a_session("s-1", "triage", tasks=[a_task("collect", [attempt], "running")])

    assert (9.0, "collect: attempt 1 goes to good after waiting 7.0 s") in told(session)


def test_a_session_that_failed_says_why() -> None:
    failed = a_session("s-1", "triage", status="failed", endTime=at(4), error=BROKE)

    assert told(failed)[-1] == (4.0, "session failed after 4.0 s: AgentError: the disk is full")


ENDING = {
    "status": "failed",
    "error": BROKE,
    "since": at(4),
    "cleanup": {"status": "running", "error": None},
}


def test_tidying_up_after_a_bad_end_is_told_as_it_goes() -> None:
    undone = a_task("book (compensate)", [an_attempt("t9", "good", 5, 6)], "completed", "ok")
    tidies = a_session("s-1", "triage", tasks=[undone], ending=ENDING)

    assert told(tidies)[1:] == [
        (4.0, "session ends as failed: AgentError: the disk is full; it tidies up"),
        (5.0, "book (compensate): attempt 1 goes to good"),
        (6.0, "book (compensate): attempt 1 by good is done after 1.0 s"),
        (6.0, "book (compensate): result ok"),
    ]


@pytest.mark.parametrize(
    ("cleanup", "text"),
    [
        ({"status": "completed", "error": None}, "tidying up is done"),
        ({"status": "stopped", "error": None}, "tidying up was stopped"),
        ({"status": "failed", "error": BROKE}, "tidying up failed: AgentError: the disk is full"),
    ],
)
def test_how_tidying_up_ended_is_told_before_the_end(cleanup: Any, text: str) -> None:
    ending: Any = ENDING | {"cleanup": cleanup}
    session = a_session("s-1", "triage", status="failed", endTime=at(8), error=BROKE, ending=ending)

    assert told(session)[2:] == [
        (8.0, text),
        (8.0, "session failed after 8.0 s: AgentError: the disk is full"),
    ]


def test_what_agents_send_cannot_steer_the_terminal() -> None:
    evil = an_attempt("t1", "a\x1b[2J", 1, 2, {"code": "X", "message": "one\ntwo\x1b]0;x\x07"})
    session = a_session("s-1", "w", tasks=[a_task("step", [evil], "failed")])

    text = "".join(text for _, text in told(session))
    assert "\x1b" not in text
    assert "\n" not in text
    assert "X: one two" in text


@pytest.mark.parametrize(
    ("route", "retry", "text"),
    [
        (0, 0, "attempt 1"),
        (0, 2, "retry 2"),
        (1, 0, "fallback 1"),
        (2, 1, "fallback 2, retry 1"),
    ],
)
def test_attempts_are_named_for_what_they_are(route: int, retry: int, text: str) -> None:
    assert label(an_attempt("t", "a", 1, route=route, retry=retry)) == text  # type: ignore[arg-type]  # JSON


def test_the_table_has_a_row_for_each_attempt() -> None:
    shown = [
        [column.show(row) for column in columns(NOW)]
        for row in rows(a_whole_session()["tasks"], repeat_names=False)
    ]

    assert shown == [
        ["collect", "attempt 1", "flaky", "failed", "0.5 s", "AgentError: the disk is full"],
        [" ", "retry 1", "good", "done", "1.2 s", "-"],
        ["analyse", "attempt 1", "broken", "failed", "0.5 s", "AgentError: the disk is full"],
        [" ", "fallback 1", "good", "done", "1.0 s", "-"],
        ["publish", "attempt 1", "broken", "failed", "0.5 s", "AgentError: the disk is full"],
    ]


def test_what_still_runs_lasts_until_now() -> None:
    [row] = rows(
        [a_task("collect", [an_attempt("t1", "flaky", 1.0)], "running")],  # type: ignore[list-item]  # JSON
        repeat_names=True,
    )

    assert [column.show(row) for column in columns(NOW)][3:5] == ["working", "29 s"]
