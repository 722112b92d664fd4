"""What an attempt inherits from its task, and what time brings on it."""

from __future__ import annotations

from typing import Any

import pytest

from opscore.lifecycle.attempts import fresh, next_deadline, overdue, task_with, tried
from opscore.models.messages import TaskMessage
from opscore.models.outcome import Outcome
from opscore.models.task import Attempt, AttemptStatus, LastWord, Task, TriedHow

NOW = 1_800_000_000_000


def message(token: str = "t", **more: Any) -> TaskMessage:
    values = {
        "token": token,
        "session_id": "s",
        "workflow_id": "w",
        "task_id": "step",
        "name": "Step",
        "agent_capability": "work",
        "timeout": 60,
        "wait_timeout": 600,
    }
    return TaskMessage.model_validate(values | more)


def an_attempt(status: AttemptStatus = AttemptStatus.SENT, **more: Any) -> Attempt:
    heartbeat = more.pop("heartbeat", None)
    first = fresh(message(heartbeat=heartbeat), None, NOW, NOW)
    return first.replace(status=status, agent_id="a", **more)


def ended(task: Task, attempt: Attempt, agent_id: str | None, outcome: Outcome) -> Task:
    last = LastWord(attempt_id=attempt.attempt_id, agent_id=agent_id, outcome=outcome)
    return task.replace(last=last)


def test_the_same_message_is_the_same_attempt_and_another_token_another() -> None:
    assert message("t").attempt_id == message("t", name="else").attempt_id
    assert message("t").attempt_id != message("u").attempt_id
    assert "secret-token" not in repr(message("secret-token"))


def test_map_items_of_one_step_are_tasks_of_their_own() -> None:
    keys = {message(index=index).task_key for index in ((), (0,), (1,), (0, 1))}

    assert keys == {"step", "step.0", "step.1", "step.0.1"}


@pytest.mark.parametrize("again", [{"retry": 1}, {"route": 1}])
def test_a_retry_keeps_the_place_of_the_tasks_first_request(again: dict[str, int]) -> None:
    task = task_with(fresh(message("t"), None, NOW, NOW), None)

    assert fresh(message("u", **again), task, NOW + 5, NOW + 5).asked_at == NOW


def test_a_loops_next_pass_asks_anew_and_holds_nothing_against_anyone() -> None:
    first = fresh(message("t"), None, NOW, NOW)
    task = task_with(first, None).replace(tried={"a": TriedHow.FAILED})

    second = fresh(message("u"), task, NOW + 5, NOW + 5)
    after = task_with(second, task)

    assert second.asked_at == after.asked_at == NOW + 5
    assert after.tried == {}
    assert after.attempts == (first.attempt_id, second.attempt_id)


@pytest.mark.parametrize(
    ("outcome", "how"),
    [
        (Outcome.failure("AgentError", ""), TriedHow.FAILED),
        (Outcome.failure("DiskFull", ""), TriedHow.FAILED),
        (Outcome.failure("AgentTimeout", ""), TriedHow.TIMED_OUT),
        (Outcome.failure("HeartbeatTimeout", ""), TriedHow.TIMED_OUT),
    ],
)
def test_a_retry_knows_which_agent_disappointed_and_how(outcome: Outcome, how: TriedHow) -> None:
    first = fresh(message("t"), None, NOW, NOW)
    task = ended(task_with(first, None), first, "a", outcome)

    after = task_with(fresh(message("u", retry=1), task, NOW, NOW), task)

    assert after.tried == {"a": how}
    assert after.last is None


def test_every_disappointment_of_a_task_is_remembered() -> None:
    task = task_with(fresh(message("t"), None, NOW, NOW), None)
    for number, agent_id in enumerate(("a", "b", "a"), start=1):
        attempt = fresh(message(f"t{number}", retry=number), task, NOW, NOW)
        task = ended(task, attempt, agent_id, Outcome.failure("AgentError", ""))
        task = task_with(attempt, task)

    assert task.tried == {"a": TriedHow.FAILED, "b": TriedHow.FAILED}


@pytest.mark.parametrize(
    ("agent_id", "outcome"),
    [("a", Outcome.success(1)), (None, Outcome.failure("NoAgentAvailable", ""))],
)
def test_success_and_failures_without_an_agent_are_held_against_nobody(
    agent_id: str | None, outcome: Outcome
) -> None:
    first = fresh(message("t"), None, NOW, NOW)

    assert tried(ended(task_with(first, None), first, agent_id, outcome)) == {}


def test_an_attempt_that_is_on_record_already_changes_nothing() -> None:
    first = fresh(message("t"), None, NOW, NOW)
    task = task_with(first, None)

    assert task_with(first, task) is task


def test_an_agent_that_gives_no_outcome_in_time_has_timed_out() -> None:
    attempt = an_attempt(deadline=NOW + 60_000)

    assert overdue(attempt, NOW + 59_999) is None
    outcome = overdue(attempt, NOW + 60_000)
    assert outcome is not None
    assert (outcome.error_code, outcome.message) == (
        "AgentTimeout",
        "agent a gave no outcome within 60 s",
    )


def test_an_agent_that_is_not_heard_of_for_its_heartbeat_has_timed_out() -> None:
    attempt = an_attempt(
        AttemptStatus.RUNNING, deadline=NOW + 60_000, heartbeat=10, heartbeat_at=NOW
    )

    assert next_deadline(attempt) == NOW + 10_000
    outcome = overdue(attempt, NOW + 10_000)
    assert outcome is not None
    assert outcome.error_code == "HeartbeatTimeout"


def test_heartbeats_do_not_lengthen_the_timeout() -> None:
    attempt = an_attempt(
        AttemptStatus.RUNNING, deadline=NOW + 60_000, heartbeat=10, heartbeat_at=NOW + 59_000
    )

    assert next_deadline(attempt) == NOW + 60_000
    outcome = overdue(attempt, NOW + 60_000)
    assert outcome is not None
    assert outcome.error_code == "AgentTimeout"


def test_a_task_that_waits_too_long_for_an_agent_fails() -> None:
    attempt = an_attempt(AttemptStatus.PARKED, wait_deadline=NOW + 600_000)

    assert overdue(attempt, NOW + 599_999) is None
    outcome = overdue(attempt, NOW + 600_000)
    assert outcome is not None
    assert outcome.error_code == "NoAgentAvailable"


def test_a_held_task_waits_without_end() -> None:
    assert overdue(an_attempt(AttemptStatus.PARKED), NOW + 10**12) is None


@pytest.mark.parametrize(
    "status",
    [
        AttemptStatus.RECEIVED,
        AttemptStatus.SENDING,
        AttemptStatus.COMPLETING,
        AttemptStatus.CLOSED,
    ],
)
def test_time_brings_nothing_on_an_attempt_that_no_agent_works_on(status: AttemptStatus) -> None:
    assert overdue(an_attempt(status, deadline=NOW, wait_deadline=NOW), NOW + 1) is None
