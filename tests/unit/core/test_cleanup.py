"""After a bad end a session tidies up once, with what was done, and ends as it had before."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from opscore.errors import SessionFinal
from opscore.lifecycle.cleanup import MAX_INPUT_BYTES
from opscore.models.messages import Phase, TaskMessage
from opscore.models.session import CleanupStatus, Session, SessionStatus
from opscore.models.task import AttemptStatus
from opscore.ports import Execution, Refused
from tests.support.fleet import Fleet
from tests.support.memory import MemoryMachines

RUNNING = Execution("RUNNING")
SUCCEEDED = Execution("SUCCEEDED", output="{}")
FAILED = Execution("FAILED", error="AgentError", cause="boom")
TIMED_OUT = Execution("TIMED_OUT")
ABORTED = Execution("ABORTED", cause="by hand")
AFTER = "s1-after"


def started(fleet: Fleet, *compensated: str, **more: Any) -> MemoryMachines:
    """Session s1 that runs, of a workflow that tidies up."""
    machines = fleet.machines
    assert isinstance(machines, MemoryMachines)
    arn, cleanup = machines.create("m", "{}"), machines.create("m-after", "{}")
    machines.start(arn, "s1", "{}")
    fleet.session(
        "s1",
        machine_arn=arn,
        cleanup_arn=cleanup,
        compensated=compensated,
        execution_input='{"input":{"n":1},"session":{"id":"s1"}}',
        due_at=fleet.clock() + 60_000,
        **more,
    )
    return machines


def ends(fleet: Fleet, name: str, execution: Execution) -> None:
    """One of the session's executions ends, and the event of it comes."""
    machines = fleet.machines
    assert isinstance(machines, MemoryMachines)
    place = next(place for place in machines.executions if place[1] == name)
    machines.executions[place] = execution
    fleet.recording.event(name, execution)


def after(fleet: Fleet) -> dict[str, Any] | None:
    """What the second execution was told; None if there is none."""
    machines = fleet.machines
    assert isinstance(machines, MemoryMachines)
    told = {name: text for (_, name), text in machines.inputs.items()}
    return json.loads(told[AFTER]) if AFTER in told else None


def stands(fleet: Fleet, name: str) -> str | None:
    machines = fleet.machines
    assert isinstance(machines, MemoryMachines)
    found = {key: execution.status for (_, key), execution in machines.executions.items()}
    return found.get(name)


def session(fleet: Fleet) -> Session:
    return fleet.sessions.get("s1")


def cancel(fleet: Fleet, *, cleanup: bool = True) -> Session:
    return fleet.sessions.update("s1", status=SessionStatus.CANCELLED, cleanup=cleanup)


def done(fleet: Fleet, task_id: str, result: Any, **more: Any) -> TaskMessage:
    """A task of the session that an agent has done."""
    fleet.clock.forward(1)
    message = given(fleet, task_id, **more)
    fleet.own_word.complete(fleet.reference(message), None, result)
    return message


def given(fleet: Fleet, task_id: str, **more: Any) -> TaskMessage:
    """A task of the session that an agent has."""
    if not fleet.agents.listed(state=None, capability=None, limit=1, cursor=None).items:
        fleet.agent("a", max_concurrency=50)
    message = fleet.message(task_id=task_id, **more)
    fleet.dispatch(message)
    return message


@pytest.mark.parametrize(
    ("end", "status", "code"),
    [
        (FAILED, SessionStatus.FAILED, "AgentError"),
        (TIMED_OUT, SessionStatus.FAILED, "SessionTimeout"),
        (ABORTED, SessionStatus.CANCELLED, "Aborted"),
    ],
)
@pytest.mark.parametrize("cleanup", [SUCCEEDED, FAILED, TIMED_OUT, ABORTED])
def test_a_session_ends_when_it_has_tidied_up_by_what_ended_it(
    fleet: Fleet, end: Execution, status: SessionStatus, code: str, cleanup: Execution
) -> None:
    started(fleet)

    ends(fleet, "s1", end)

    between = session(fleet)
    assert between.ending is not None
    assert (between.status, between.end_time) == (SessionStatus.RUNNING, None)
    assert (between.ending.status, between.ending.cleanup) == (status, CleanupStatus.RUNNING)
    assert stands(fleet, AFTER) == "RUNNING"

    fleet.clock.forward(5)
    ends(fleet, AFTER, cleanup)

    final = session(fleet)
    assert final.error is not None
    assert final.ending is not None
    assert (final.status, final.error.code, final.cleaned) == (status, code, True)
    assert final.end_time == fleet.clock()
    succeeded = cleanup is SUCCEEDED
    assert (final.ending.cleanup is CleanupStatus.COMPLETED) == succeeded
    assert (final.ending.cleanup_error is None) == succeeded


def test_a_session_that_completes_does_not_tidy_up(fleet: Fleet) -> None:
    started(fleet)

    ends(fleet, "s1", SUCCEEDED)

    assert (session(fleet).status, after(fleet)) == (SessionStatus.COMPLETED, None)


def test_the_cleanup_is_told_what_was_done_last_first_and_what_went_wrong(fleet: Fleet) -> None:
    started(fleet, "book", "pay", "never")
    done(fleet, "book", {"id": 7})
    done(fleet, "look", [1])
    done(fleet, "item", "of a map", index=[0])
    done(fleet, "pay", "paid")
    failed = given(fleet, "ship")
    fleet.own_word.fail(fleet.reference(failed), None, "AgentError", "boom")

    ends(fleet, "s1", FAILED)

    assert after(fleet) == {
        "input": {"n": 1},
        "session": {"id": "s1"},
        "results": {"book": {"id": 7}, "look": [1], "pay": "paid"},
        "completed": ["pay", "book"],
        "error": {"code": "AgentError", "message": "boom", "taskId": "ship"},
    }


def test_a_person_who_cancels_is_told_as_the_reason(fleet: Fleet) -> None:
    started(fleet)

    cancel(fleet)

    told = after(fleet)
    assert told is not None
    assert (told["error"]["code"], told["error"]["taskId"]) == ("Cancelled", None)
    assert stands(fleet, "s1") == "ABORTED"


def test_work_that_was_done_counts_though_nobody_took_its_result_any_more(fleet: Fleet) -> None:
    started(fleet, "book")
    message = given(fleet, "book")
    assert hasattr(fleet.tokens, "dead")
    fleet.tokens.dead.add(message.token)
    fleet.own_word.complete(fleet.reference(message), None, "booked")

    ends(fleet, "s1", TIMED_OUT)

    told = after(fleet)
    assert told is not None
    assert (told["results"], told["completed"]) == ({"book": "booked"}, ["book"])


def test_a_step_that_was_taken_again_counts_by_its_newest_try(fleet: Fleet) -> None:
    started(fleet, "a", "b")
    done(fleet, "a", 1)
    done(fleet, "b", 2)
    done(fleet, "a", 3)
    again = given(fleet, "b")
    fleet.own_word.fail(fleet.reference(again), None, "AgentError", "")

    ends(fleet, "s1", FAILED)

    told = after(fleet)
    assert told is not None
    assert (told["results"], told["completed"]) == ({"a": 3}, ["a"])


def test_results_that_are_too_large_stay_away_largest_first(fleet: Fleet) -> None:
    started(fleet, *(f"t{n}" for n in range(6)))
    for n in range(6):
        done(fleet, f"t{n}", "x" * (50_000 + n * 1000))

    ends(fleet, "s1", FAILED)

    told = after(fleet)
    assert told is not None
    assert told["omitted"] == ["t5", "t4", "t3"]
    assert sorted(told["results"]) == ["t0", "t1", "t2"]
    assert told["completed"] == [f"t{n}" for n in reversed(range(6))]
    assert len(json.dumps(told)) <= MAX_INPUT_BYTES + 1000


def test_what_the_first_execution_left_is_closed_and_its_messages_are_dropped(fleet: Fleet) -> None:
    started(fleet)
    held, late = given(fleet, "held"), fleet.message(task_id="late")

    ends(fleet, "s1", FAILED)
    fleet.dispatch(late)

    assert fleet.attempt(held).status is AttemptStatus.CLOSED
    assert fleet.task_records.attempt(late.attempt_id) is None
    assert fleet.agents.get("a").leases == {}


def test_the_tasks_of_the_cleanup_are_handed_out_until_it_has_ended(fleet: Fleet) -> None:
    started(fleet)
    early = fleet.message(task_id="early", phase=Phase.AFTER)
    fleet.agent("a", max_concurrency=50)
    fleet.dispatch(early)
    assert fleet.transport.delivered == []
    ends(fleet, "s1", FAILED)

    message = given(fleet, "undo", phase=Phase.AFTER)
    fleet.recording.event("s1", FAILED)
    assert fleet.attempt(message).status is AttemptStatus.SENT

    ends(fleet, AFTER, FAILED)
    fleet.dispatch(fleet.message(task_id="late", phase=Phase.AFTER))
    assert fleet.attempt(message).status is AttemptStatus.CLOSED
    assert len(fleet.transport.delivered) == 1


EVENTS = [("s1", RUNNING), ("s1", FAILED), (AFTER, RUNNING), (AFTER, SUCCEEDED)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_events_in_any_order_and_twice_come_to_the_same(fleet: Fleet, order: Any) -> None:
    started(fleet)
    for name, execution in (EVENTS[i] for i in (*order, *order)):
        if stands(fleet, name) is not None and execution is not RUNNING:
            ends(fleet, name, execution)
        fleet.recording.event(name, execution)
    fleet.clock.forward(61)
    fleet.sweeper.sweep()

    final = session(fleet)
    assert (final.status, final.cleaned) == (SessionStatus.FAILED, True)
    assert final.ending is not None
    assert final.ending.cleanup is CleanupStatus.COMPLETED


# ---- what the sweeper makes good


def test_a_cleanup_whose_end_was_missed_is_found_ended(fleet: Fleet) -> None:
    machines = started(fleet)
    ends(fleet, "s1", FAILED)
    machines.executions = {
        place: SUCCEEDED if place[1] == AFTER else execution
        for place, execution in machines.executions.items()
    }

    fleet.clock.forward(61)
    fleet.sweeper.sweep()

    assert (session(fleet).status, session(fleet).due_at) == (SessionStatus.FAILED, None)


def test_a_cleanup_that_runs_is_looked_at_from_time_to_time(fleet: Fleet) -> None:
    started(fleet)
    ends(fleet, "s1", FAILED)
    fleet.clock.forward(61)
    assert fleet.sweeper.sweep() == {"session": 1}
    fleet.clock.forward(599)
    assert fleet.sweeper.sweep() == {}


class WithoutAnswer(MemoryMachines):
    """Step Functions that refuses to start a cleanup."""

    def start(self, machine_arn: str, name: str, execution_input: str) -> None:
        if name == AFTER:
            raise Refused("no such state machine")
        super().start(machine_arn, name, execution_input)


def test_a_cleanup_that_can_not_start_is_said_and_the_session_ends(fleet: Fleet) -> None:
    fleet.machines = WithoutAnswer()
    started(fleet)

    ends(fleet, "s1", FAILED)

    final = session(fleet)
    assert final.ending is not None
    assert final.ending.cleanup_error is not None
    assert (final.status, final.cleaned) == (SessionStatus.FAILED, True)
    assert final.ending.cleanup_error.code == "StartRefused"


# ---- people


def test_a_cancelled_session_tidies_up_and_cancelling_again_changes_nothing(fleet: Fleet) -> None:
    started(fleet)

    answers = [cancel(fleet) for _ in range(3)]

    assert {answer.status for answer in answers} == {SessionStatus.RUNNING}
    assert stands(fleet, AFTER) == "RUNNING"
    ends(fleet, "s1", ABORTED)
    ends(fleet, AFTER, SUCCEEDED)
    assert (session(fleet).status, session(fleet).error) == (SessionStatus.CANCELLED, None)
    assert cancel(fleet).status is SessionStatus.CANCELLED


def test_a_session_can_be_cancelled_without_tidying_up(fleet: Fleet) -> None:
    started(fleet)

    cancel(fleet, cleanup=False)

    assert (session(fleet).status, session(fleet).ending) == (SessionStatus.CANCELLED, None)
    assert (stands(fleet, "s1"), after(fleet)) == ("ABORTED", None)


@pytest.mark.parametrize("end", [FAILED, ABORTED])
def test_a_person_may_stop_the_tidying_up(fleet: Fleet, end: Execution) -> None:
    started(fleet)
    ends(fleet, "s1", end)
    message = given(fleet, "undo", phase=Phase.AFTER)
    before = session(fleet).ending

    cancel(fleet, cleanup=False)

    final = session(fleet)
    assert before is not None
    assert final.ending is not None
    assert (final.status, final.error) == (before.status, before.error)
    assert (final.ending.cleanup, final.cleaned) == (CleanupStatus.STOPPED, True)
    assert stands(fleet, AFTER) == "ABORTED"
    assert fleet.attempt(message).status is AttemptStatus.CLOSED


def test_a_cleanup_that_starts_after_it_was_stopped_is_stopped(fleet: Fleet) -> None:
    machines = started(fleet)
    ends(fleet, "s1", FAILED)
    place = next(place for place in machines.executions if place[1] == AFTER)
    running = machines.executions.pop(place)
    cancel(fleet, cleanup=False)
    assert not session(fleet).cleaned

    machines.executions[place] = running
    fleet.recording.event(AFTER, RUNNING)

    assert stands(fleet, AFTER) == "ABORTED"
    fleet.clock.forward(61)
    fleet.sweeper.sweep()
    assert session(fleet).cleaned


def test_an_execution_that_begins_after_the_cancelling_is_stopped_before_the_cleanup(
    fleet: Fleet,
) -> None:
    machines = started(fleet, status=SessionStatus.STARTED)
    place, running = machines.executions.popitem()
    cancel(fleet)
    assert after(fleet) is None

    machines.executions[place] = running
    fleet.recording.event("s1", RUNNING)

    assert stands(fleet, "s1") == "ABORTED"
    assert after(fleet) is not None


def test_a_session_that_never_began_tidies_up_all_the_same(fleet: Fleet) -> None:
    machines = started(fleet, status=SessionStatus.STARTED)
    machines.executions.clear()
    cancel(fleet)

    fleet.clock.forward(61)
    fleet.sweeper.sweep()

    assert after(fleet) is not None


def test_a_pause_holds_the_cleanup_too_and_a_cancel_goes_on_with_it(fleet: Fleet) -> None:
    started(fleet, status=SessionStatus.PAUSED)
    ends(fleet, "s1", TIMED_OUT)
    assert session(fleet).status is SessionStatus.PAUSED
    message = fleet.message(task_id="undo", phase=Phase.AFTER)
    fleet.agent("a")
    fleet.dispatch(message)
    assert fleet.transport.delivered == []

    fleet.sessions.update("s1", status=SessionStatus.RUNNING)
    fleet.settle()

    assert fleet.attempt(message).status is AttemptStatus.SENT


def test_a_paused_session_that_is_cancelled_tidies_up_at_once(fleet: Fleet) -> None:
    started(fleet, status=SessionStatus.PAUSED)

    assert cancel(fleet).status is SessionStatus.RUNNING
    assert after(fleet) is not None


def test_what_has_tidied_up_is_final(fleet: Fleet) -> None:
    started(fleet)
    ends(fleet, "s1", FAILED)
    ends(fleet, AFTER, SUCCEEDED)
    before = session(fleet)

    for cleanup in (True, False):
        with pytest.raises(SessionFinal):
            cancel(fleet, cleanup=cleanup)
    for late in (RUNNING, SUCCEEDED, FAILED):
        fleet.recording.event("s1", late)
        fleet.recording.event(AFTER, late)

    assert session(fleet) == before
