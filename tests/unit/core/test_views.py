"""What callers see."""

from __future__ import annotations

from typing import Any

import pytest

from opscore.http import views
from opscore.models.messages import TaskMessage
from opscore.models.outcome import Outcome
from opscore.models.session import Session, SessionStatus
from opscore.models.task import Attempt, AttemptStatus, Task
from opscore.records.paging import Listing
from tests.support.fleet import Fleet

T = 1_800_000_000_123


def an_attempt(status: AttemptStatus, **more: Any) -> Attempt:
    message = TaskMessage(
        token="the-secret-token", session_id="s", workflow_id="w", task_id="k", name="n",
        timeout=1, wait_timeout=1, parameters={"p": 1},
    )  # fmt: skip
    return Attempt(
        attempt_id="t", message=message, asked_at=T, created_at=T, status=status
    ).replace(**more)


@pytest.mark.parametrize(
    ("attempt", "status"),
    [
        (an_attempt(AttemptStatus.RECEIVED), "waiting"),
        (an_attempt(AttemptStatus.PARKED), "waiting"),
        (an_attempt(AttemptStatus.SENDING), "dispatching"),
        (an_attempt(AttemptStatus.SENT), "running"),
        (an_attempt(AttemptStatus.RUNNING), "running"),
        (an_attempt(AttemptStatus.COMPLETING), "completing"),
        (an_attempt(AttemptStatus.CLOSED, outcome=Outcome.success(1)), "completed"),
        (an_attempt(AttemptStatus.CLOSED, outcome=Outcome.failure("E", "")), "failed"),
        (an_attempt(AttemptStatus.CLOSED, superseded=True), "superseded"),
        (an_attempt(AttemptStatus.CLOSED), "superseded"),
    ],
)
def test_a_task_stands_where_its_newest_attempt_does(attempt: Attempt, status: str) -> None:
    assert views.task_status(attempt) == status


def test_a_task_without_an_attempt_on_record_waits() -> None:
    task = Task(session_id="s", task_key="k", task_id="k", workflow_id="w", name="n", asked_at=T)
    shown = views.task(task, {})

    assert (shown["status"], shown["attempts"], shown["retryCount"]) == ("waiting", [], 0)


def test_a_task_shows_its_attempts_the_oldest_first_and_the_newest_ones_result() -> None:
    failed = an_attempt(
        AttemptStatus.CLOSED, agent_id="a", outcome=Outcome.failure("DiskFull", "no room")
    )
    done = failed.replace(attempt_id="u", agent_id="b", outcome=Outcome.success({"x": 1}))
    task = Task(
        session_id="s", task_key="k.0", task_id="k", workflow_id="w", name="n", asked_at=T,
        attempts=("t", "u"),
    )  # fmt: skip

    shown = views.task(task, {"u": done, "t": failed})

    assert [one["attemptId"] for one in shown["attempts"]] == ["t", "u"]
    assert shown["attempts"][0]["error"] == {"code": "DiskFull", "message": "no room"}
    assert (shown["taskId"], shown["taskDefinitionId"]) == ("k.0", "k")
    assert (shown["status"], shown["agentId"], shown["retryCount"]) == ("completed", "b", 1)
    assert (shown["result"], shown["error"], shown["payload"]) == ({"x": 1}, None, {"p": 1})


def test_no_view_shows_a_token() -> None:
    attempt = an_attempt(AttemptStatus.SENT)
    task = Task(
        session_id="s", task_key="k", task_id="k", workflow_id="w", name="n", asked_at=T,
        attempts=("t",),
    )  # fmt: skip

    shown = [views.attempt(attempt), views.attempt_with_task(attempt)]
    assert "secret" not in str([*shown, views.task(task, {"t": attempt})])


def test_a_session_shows_the_originals_fields() -> None:
    session = Session(
        session_id="s", workflow_id="w", workflow_version=3, status=SessionStatus.RUNNING,
        start_time=T, last_updated_time=T, execution_input='{"input": {"a": 1}, "session": {}}',
    )  # fmt: skip

    assert views.session(session) == {
        "sessionId": "s",
        "workflowId": "w",
        "workflowVersion": 3,
        "agentId": None,
        "parent": None,
        "status": "running",
        "startTime": "2027-01-15T08:00:00.123Z",
        "last_updated_time": "2027-01-15T08:00:00.123Z",
        "endTime": None,
        "metadata": {},
        "input": {"a": 1},
        "result": None,
        "error": None,
        "ending": None,
        "rerunOf": None,
        "fromTasks": [],
        "reruns": [],
    }


def test_a_registered_agent_that_has_not_reported_is_unknown(fleet: Fleet) -> None:
    state = views.agent_state(fleet.agent("a", state=None))

    assert state["state"] == "UNKNOWN"
    assert state["details"] == {"reason": "Initial registration"}
    assert isinstance(state["timestamp"], str)


def test_an_agent_shows_what_it_was_registered_with_and_what_it_holds(fleet: Fleet) -> None:
    fleet.agent("a", "work", metadata={"zone": "b"}, max_concurrency=2)
    message = fleet.message()
    fleet.dispatch(message)

    shown = views.agent(fleet.agents.get("a"), ())

    assert shown["openTasks"] == [message.attempt_id]
    assert shown["eligible"] is True
    assert (shown["capabilities"], shown["metadata"]) == (["work"], {"zone": "b"})
    assert "token" not in str(shown)


def test_a_list_shows_its_items_and_where_it_goes_on() -> None:
    assert views.listing(Listing([1, 2], "c"), str) == {"items": ["1", "2"], "nextCursor": "c"}
