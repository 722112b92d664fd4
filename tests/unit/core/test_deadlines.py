"""Time that is over ends a task; its agent's slot drains."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from opscore.errors import OutcomeDiffers
from opscore.http import views
from opscore.models.messages import DeadlineMessage, ReconsiderMessage, TaskMessage
from opscore.models.outcome import Outcome
from opscore.models.session import SessionStatus
from opscore.models.task import AttemptStatus
from tests.support.fleet import DRAIN_SECONDS, Fleet
from tests.support.memory import MemoryTokens


def answer(fleet: Fleet) -> str | None:
    """How the one token was answered."""
    assert isinstance(fleet.tokens, MemoryTokens)
    found = fleet.tokens.answers.get("token")
    return None if found is None else found[1]


def sent(fleet: Fleet, **more: object) -> TaskMessage:
    fleet.agent("a")
    message = fleet.message("token", **more)
    fleet.dispatch(message)
    return message


def ring(fleet: Fleet, message: TaskMessage, fence: int | None = None) -> None:
    fence = fleet.attempt(message).fence if fence is None else fence
    fleet.dispatch(DeadlineMessage(attempt_id=message.attempt_id, fence=fence))


Look = Callable[[Fleet, TaskMessage], None]


def by_timer(fleet: Fleet, message: TaskMessage) -> None:
    ring(fleet, message)


def by_sweeper(fleet: Fleet, message: TaskMessage) -> None:
    assert message
    fleet.sweeper.sweep()


WAYS = pytest.mark.parametrize("look", [by_timer, by_sweeper], ids=["timer", "sweeper"])


@WAYS
def test_a_task_without_an_outcome_in_time_fails(fleet: Fleet, look: Look) -> None:
    message = sent(fleet)
    fleet.clock.forward(59.9)
    look(fleet, message)
    assert answer(fleet) is None

    fleet.clock.forward(0.1)
    look(fleet, message)

    assert answer(fleet) == "AgentTimeout: agent a gave no outcome within 60 s"
    assert fleet.attempt(message).status is AttemptStatus.CLOSED


@WAYS
def test_an_agent_that_is_heard_of_keeps_its_task(fleet: Fleet, look: Look) -> None:
    message = sent(fleet, heartbeat=10)
    for _ in range(5):
        fleet.clock.forward(9)
        fleet.own_word.heartbeat(fleet.reference(message), "a")
        look(fleet, message)

    assert answer(fleet) is None
    fleet.clock.forward(10)
    look(fleet, message)
    assert answer(fleet) == "HeartbeatTimeout: agent a was not heard of for 10 s"


def test_a_report_that_names_the_task_is_a_heartbeat(fleet: Fleet) -> None:
    message = sent(fleet, heartbeat=10)
    for state in ("active", "active", "thinking"):
        fleet.clock.forward(9)
        fleet.says("a", state, {"opscore_task_id": fleet.reference(message)})
        ring(fleet, message)

    assert answer(fleet) is None
    assert fleet.attempt(message).status is AttemptStatus.RUNNING


def test_a_report_without_a_name_is_a_heartbeat_too(fleet: Fleet) -> None:
    message = sent(fleet, heartbeat=10)
    for _ in range(3):
        fleet.clock.forward(9)
        fleet.says("a", "active")
        ring(fleet, message)

    assert answer(fleet) is None


def test_a_timer_that_comes_early_is_set_again(fleet: Fleet) -> None:
    message = sent(fleet, timeout=3600)
    fleet.queue.take()
    fleet.clock.forward(900)

    ring(fleet, message)

    assert fleet.queue.sent == [(DeadlineMessage(attempt_id=message.attempt_id, fence=1), 2701)]


def test_the_timer_of_an_earlier_hand_over_does_nothing(fleet: Fleet) -> None:
    message = sent(fleet)
    fleet.queue.take()
    fleet.clock.forward(61)

    ring(fleet, message, fence=0)

    assert answer(fleet) is None
    assert fleet.queue.sent == []


def test_the_timer_of_a_task_that_has_ended_does_nothing(fleet: Fleet) -> None:
    message = sent(fleet)
    fleet.own_word.complete(fleet.reference(message), "a", 1)
    fleet.queue.take()
    fleet.clock.forward(61)

    ring(fleet, message)

    assert answer(fleet) == "1"
    assert fleet.queue.sent == []


@pytest.mark.parametrize("seconds", [1e15, 1e200, -1e200])
def test_a_time_that_a_template_computed_beyond_all_sense_can_be_stored_and_shown(
    fleet: Fleet, seconds: float
) -> None:
    message = sent(fleet, timeout=seconds, wait_timeout=seconds, heartbeat=seconds)

    deadline = fleet.attempt(message).deadline

    assert deadline is not None
    assert fleet.clock() <= deadline <= fleet.clock() + 366 * 86_400_000
    assert views.attempt(fleet.attempt(message))["deadline"]


# ---- draining


def timed_out(fleet: Fleet) -> TaskMessage:
    message = sent(fleet)
    fleet.clock.forward(60)
    ring(fleet, message)
    fleet.queue.take()
    return message


def test_an_agent_that_timed_out_gets_no_other_task_while_it_may_still_be_at_it(
    fleet: Fleet,
) -> None:
    timed_out(fleet)

    second = fleet.message()
    fleet.dispatch(second)

    assert fleet.attempt(second).status is AttemptStatus.PARKED


def test_the_late_pair_of_a_timed_out_task_does_not_end_the_agents_next_one(fleet: Fleet) -> None:
    started = fleet.clock() + 1
    timed_out(fleet)
    second = fleet.message("second")
    fleet.dispatch(second)
    finished = fleet.clock() + 1

    fleet.says("a", "idle", at=finished)  # the later of the two arrives first
    fleet.settle()
    assert fleet.attempt(second).status is AttemptStatus.SENT
    fleet.says("a", "active", at=started)

    assert fleet.attempt(second).status is AttemptStatus.SENT
    assert fleet.attempt(second).outcome is None


def test_an_agent_that_timed_out_gets_no_task_before_it_speaks(fleet: Fleet) -> None:
    timed_out(fleet)
    second = fleet.message("second")
    fleet.dispatch(second)

    fleet.clock.forward(DRAIN_SECONDS)
    fleet.sweeper.sweep()
    fleet.settle()
    assert fleet.attempt(second).status is AttemptStatus.PARKED
    fleet.says("a", "idle")
    fleet.settle()

    assert fleet.attempt(second).agent_id == "a"


def test_an_agents_own_late_word_shows_that_it_is_there(fleet: Fleet) -> None:
    message = timed_out(fleet)
    second = fleet.message("second")
    fleet.dispatch(second)

    with pytest.raises(OutcomeDiffers):
        fleet.own_word.complete(f"{message.attempt_id}.1", "a", "late")
    fleet.settle()

    assert fleet.attempt(second).status is AttemptStatus.SENT
    assert fleet.agents.get("a").unresponsive_since is None


def test_an_agent_that_registers_again_after_it_timed_out_is_asked_again(fleet: Fleet) -> None:
    timed_out(fleet)
    second = fleet.message("second")
    fleet.dispatch(second)
    fleet.clock.forward(DRAIN_SECONDS)

    fleet.agent("a", state=None)
    fleet.settle()

    assert fleet.attempt(second).status is AttemptStatus.SENT


def test_the_late_outcome_of_a_timed_out_task_changes_nothing(fleet: Fleet) -> None:
    message = sent(fleet)
    reference = fleet.reference(message)
    fleet.clock.forward(60)
    ring(fleet, message)

    fleet.says("a", "idle", {"opscore_task_id": reference, "result": "late"})

    assert answer(fleet) == "AgentTimeout: agent a gave no outcome within 60 s"
    outcome = fleet.attempt(message).outcome
    assert outcome is not None
    assert outcome.error_code == "AgentTimeout"
    assert fleet.agents.get("a").idle_since is not None


def looks(fleet: Fleet) -> list[ReconsiderMessage]:
    return [m for m in fleet.queue.take() if isinstance(m, ReconsiderMessage)]


def test_slots_that_drain_one_after_the_other_are_looked_at_once_each(fleet: Fleet) -> None:
    fleet.agent("a", max_concurrency=3, state=None)
    for number in range(3):
        message = fleet.message(task_id=f"step-{number}")
        fleet.dispatch(message)
        assert fleet.outcomes.end(fleet.attempt(message), Outcome.failure("AgentLost", ""))
        fleet.clock.forward(10)
    first, second, third = looks(fleet)

    fleet.clock.forward(DRAIN_SECONDS - 30)
    fleet.dispatch(first)
    assert len(fleet.agents.get("a").draining) == 2
    assert looks(fleet) == []  # each of the others has its own

    fleet.dispatch(second)  # before its time, as a queue's longest delay may have it
    assert looks(fleet) == [second]

    fleet.clock.forward(30)
    fleet.dispatch(second)
    fleet.dispatch(third)
    assert fleet.agents.get("a").draining == ()
    assert looks(fleet) == []


# ---- paused


@WAYS
def test_time_spent_paused_does_not_count_as_waiting(fleet: Fleet, look: Look) -> None:
    message = fleet.message("token", wait_timeout=60)
    fleet.dispatch(message)
    fleet.sessions.update("s1", status=SessionStatus.PAUSED)
    fleet.clock.forward(3600)
    look(fleet, message)
    assert answer(fleet) is None

    fleet.sessions.update("s1", status=SessionStatus.RUNNING)
    fleet.settle()
    fleet.agent("a")
    fleet.settle()

    assert fleet.attempt(message).status is AttemptStatus.SENT
