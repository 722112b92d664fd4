"""Execution events come late, twice, unordered or never: sessions end once, and right."""

from __future__ import annotations

import itertools

import pytest

from opscore.models.session import SessionStatus
from opscore.models.task import AttemptStatus
from opscore.ports import Execution
from tests.support.fleet import Fleet
from tests.support.memory import MemoryMachines

RUNNING = Execution("RUNNING")
SUCCEEDED = Execution("SUCCEEDED", output='{"answer": 42}')
FAILED = Execution("FAILED", error="AgentError", cause="boom")


def started(fleet: Fleet, status: SessionStatus = SessionStatus.STARTED) -> MemoryMachines:
    """Session s1 with an execution that runs."""
    assert isinstance(fleet.machines, MemoryMachines)
    arn = fleet.machines.create("m", "{}")
    fleet.machines.start(arn, "s1", "{}")
    fleet.session("s1", machine_arn=arn, status=status, due_at=fleet.clock() + 60_000)
    return fleet.machines


def status(fleet: Fleet) -> SessionStatus:
    return fleet.sessions.get("s1").status


@pytest.mark.parametrize(
    ("execution", "expected", "code", "message"),
    [
        (RUNNING, SessionStatus.RUNNING, None, None),
        (SUCCEEDED, SessionStatus.COMPLETED, None, None),
        (FAILED, SessionStatus.FAILED, "AgentError", "boom"),
        (Execution("TIMED_OUT"), SessionStatus.FAILED, "SessionTimeout", ""),
        (Execution("ABORTED", cause="by hand"), SessionStatus.CANCELLED, "Aborted", "by hand"),
    ],
)
def test_a_session_follows_its_execution(
    fleet: Fleet,
    execution: Execution,
    expected: SessionStatus,
    code: str | None,
    message: str | None,
) -> None:
    started(fleet)

    fleet.recording.event("s1", execution)

    session = fleet.sessions.get("s1")
    assert session.status is expected
    assert (session.end_time is not None) == (expected is not SessionStatus.RUNNING)
    assert (session.error and session.error.code) == code
    assert (session.error and session.error.message) == message
    assert session.result == ({"answer": 42} if execution is SUCCEEDED else None)


@pytest.mark.parametrize(
    "events", list(itertools.permutations([RUNNING, SUCCEEDED, RUNNING, SUCCEEDED], 4))
)
def test_events_in_any_order_and_twice_come_to_the_same_end(
    fleet: Fleet, events: tuple[Execution, ...]
) -> None:
    started(fleet)

    for event in events:
        fleet.recording.event("s1", event)
        fleet.clock.forward(1)

    session = fleet.sessions.get("s1")
    assert (session.status, session.result) == (SessionStatus.COMPLETED, {"answer": 42})


@pytest.mark.parametrize("late", [RUNNING, FAILED, Execution("ABORTED"), SUCCEEDED])
def test_a_final_session_never_changes(fleet: Fleet, late: Execution) -> None:
    started(fleet)
    fleet.recording.event("s1", SUCCEEDED)
    before = fleet.sessions.get("s1")
    fleet.clock.forward(5)

    fleet.recording.event("s1", late)

    assert fleet.sessions.get("s1") == before


def test_a_late_running_does_not_resume_a_paused_session(fleet: Fleet) -> None:
    started(fleet)
    fleet.sessions.update("s1", status=SessionStatus.PAUSED)

    fleet.recording.event("s1", RUNNING)

    assert status(fleet) is SessionStatus.PAUSED


def test_a_paused_session_whose_execution_ends_has_ended(fleet: Fleet) -> None:
    started(fleet)
    fleet.sessions.update("s1", status=SessionStatus.PAUSED)

    fleet.recording.event("s1", FAILED)

    assert status(fleet) is SessionStatus.FAILED


def test_a_cancelled_session_stays_cancelled_when_its_stop_is_reported(fleet: Fleet) -> None:
    started(fleet)
    fleet.sessions.update("s1", status=SessionStatus.CANCELLED)

    fleet.recording.event("s1", Execution("ABORTED", error="Cancelled"))

    assert status(fleet) is SessionStatus.CANCELLED


def test_an_execution_that_starts_after_its_session_was_cancelled_is_stopped(fleet: Fleet) -> None:
    machines = started(fleet)
    place, running = machines.executions.popitem()
    fleet.sessions.update("s1", status=SessionStatus.CANCELLED)

    machines.executions[place] = running
    fleet.recording.event("s1", RUNNING)

    assert machines.executions[place].status == "ABORTED"


def test_the_sweeper_stops_an_execution_that_starts_after_its_session_was_cancelled(
    fleet: Fleet,
) -> None:
    machines = started(fleet)
    place, running = machines.executions.popitem()
    fleet.sessions.update("s1", status=SessionStatus.CANCELLED)

    machines.executions[place] = running
    fleet.clock.forward(61)
    fleet.sweeper.sweep()

    assert machines.executions[place].status == "ABORTED"
    assert fleet.sessions.get("s1").cleaned


def test_an_output_too_large_for_its_event_is_fetched(fleet: Fleet) -> None:
    machines = started(fleet)
    machines.executions = dict.fromkeys(machines.executions, SUCCEEDED)

    fleet.recording.event("s1", Execution("SUCCEEDED"))

    assert fleet.sessions.get("s1").result == {"answer": 42}


def test_an_error_that_its_event_lacks_is_fetched(fleet: Fleet) -> None:
    machines = started(fleet)
    machines.executions = dict.fromkeys(machines.executions, FAILED)

    fleet.recording.event("s1", Execution("FAILED"))

    error = fleet.sessions.get("s1").error
    assert error is not None
    assert (error.code, error.message) == ("AgentError", "boom")


def test_an_output_of_nothing_is_a_result(fleet: Fleet) -> None:
    started(fleet)

    fleet.recording.event("s1", Execution("SUCCEEDED", output="null"))

    assert status(fleet) is SessionStatus.COMPLETED


@pytest.mark.parametrize("session_id", ["unknown", ""])
def test_an_event_of_a_session_that_nobody_knows_does_nothing(
    fleet: Fleet, session_id: str
) -> None:
    fleet.recording.event(session_id, SUCCEEDED)

    assert fleet.sessions.listed(status=None, workflow_id=None, limit=1, cursor=None).items == []


def test_an_execution_status_that_nobody_knows_changes_nothing(fleet: Fleet) -> None:
    started(fleet)

    fleet.recording.event("s1", Execution("PENDING_REDRIVE"))

    assert status(fleet) is SessionStatus.STARTED


@pytest.mark.parametrize("execution", [FAILED, Execution("TIMED_OUT"), Execution("ABORTED")])
def test_tasks_left_open_by_an_ended_execution_are_closed(
    fleet: Fleet, execution: Execution
) -> None:
    started(fleet)
    fleet.agent("a")
    messages = [fleet.message(task_id=f"t{i}") for i in range(2)]
    for message in messages:
        fleet.dispatch(message)

    fleet.recording.event("s1", execution)

    assert {fleet.attempt(m).status for m in messages} == {AttemptStatus.CLOSED}
    assert fleet.agents.get("a").leases == {}
    assert fleet.sessions.get("s1").cleaned


# ---- the sweeper's part


def test_an_open_session_is_looked_at_from_time_to_time(fleet: Fleet) -> None:
    machines = started(fleet)
    fleet.recording.event("s1", RUNNING)
    fleet.clock.forward(601)
    fleet.sweeper.sweep()
    assert status(fleet) is SessionStatus.RUNNING

    machines.executions = dict.fromkeys(machines.executions, FAILED)
    fleet.clock.forward(601)
    fleet.sweeper.sweep()

    assert status(fleet) is SessionStatus.FAILED


def test_a_session_between_looks_is_left_alone(fleet: Fleet) -> None:
    started(fleet)
    fleet.recording.event("s1", RUNNING)
    fleet.clock.forward(599)

    assert fleet.sweeper.sweep() == {}


def test_an_ended_session_that_was_not_tidied_up_is_tidied_up(fleet: Fleet) -> None:
    machines = started(fleet)
    fleet.agent("a")
    message = fleet.message()
    fleet.dispatch(message)
    session = fleet.sessions.get("s1").replace(
        status=SessionStatus.CANCELLED, end_time=fleet.clock(), due_at=fleet.clock() + 60_000
    )
    fleet.store.write(fleet.session_records.put(session))

    fleet.clock.forward(60)
    fleet.sweeper.sweep()

    assert fleet.attempt(message).status is AttemptStatus.CLOSED
    assert {execution.status for execution in machines.executions.values()} == {"ABORTED"}
    session = fleet.sessions.get("s1")
    assert (session.cleaned, session.due_at) == (True, None)


def test_a_tidied_session_is_looked_at_no_more(fleet: Fleet) -> None:
    started(fleet)
    fleet.recording.event("s1", SUCCEEDED)
    fleet.clock.forward(10**6)

    assert fleet.sweeper.sweep() == {}


@pytest.mark.parametrize(
    ("theirs", "own"),
    [
        ("States.QueryEvaluationError", "ExpressionError"),
        ("States.ExceedToleratedFailureThreshold", "TooManyFailures"),
        ("NoMoney", "NoMoney"),
    ],
)
def test_a_session_s_error_has_the_language_s_name(fleet: Fleet, theirs: str, own: str) -> None:
    started(fleet)

    fleet.recording.event("s1", Execution("FAILED", error=theirs, cause="why"))

    error = fleet.sessions.get("s1").error
    assert error is not None
    assert (error.code, error.message) == (own, "why")
