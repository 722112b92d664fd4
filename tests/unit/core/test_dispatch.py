"""A task's message: dispatched once, to the agent that fits best."""

from __future__ import annotations

from collections import Counter

import pytest

from opscore.models.messages import AttemptMessage, TaskMessage
from opscore.models.outcome import Outcome
from opscore.models.session import SessionStatus
from opscore.models.task import AttemptStatus
from opscore.ports import Delivered
from opscore.services.dispatch import NotNow
from opscore.services.handover import SENDING_SLACK_MS
from tests.support.fleet import Fleet
from tests.support.interruption import InterruptedStore
from tests.support.memory import MemoryTokens


def test_a_task_goes_to_an_idle_agent_that_has_its_capability(fleet: Fleet) -> None:
    fleet.agent("other", "cook")
    fleet.agent("busy", "work", state="active")
    fleet.agent("a", "work")
    message = fleet.message()

    fleet.dispatch(message)

    attempt = fleet.attempt(message)
    assert fleet.transport.delivered == [("a", f"{message.attempt_id}.1")]
    assert (attempt.status, attempt.agent_id, attempt.fence) == (AttemptStatus.SENT, "a", 1)
    assert attempt.deadline == fleet.clock() + 60_000
    assert list(fleet.agents.get("a").leases) == [message.attempt_id]
    assert fleet.task(message).attempts == (message.attempt_id,)


@pytest.mark.parametrize("state", ["UNKNOWN", "active", "initializing"])
def test_no_task_goes_to_an_agent_that_is_not_idle(fleet: Fleet, state: str) -> None:
    fleet.agent("a", state=state)
    message = fleet.message()

    fleet.dispatch(message)

    assert fleet.transport.delivered == []
    assert fleet.attempt(message).status is AttemptStatus.PARKED


def test_a_message_that_comes_twice_is_dispatched_once(fleet: Fleet) -> None:
    fleet.agent("a")
    fleet.agent("b")
    message = fleet.message()

    fleet.dispatch(message)
    fleet.dispatch(message)
    fleet.dispatch(AttemptMessage(attempt_id=message.attempt_id))

    assert len(fleet.transport.delivered) == 1


def claimed_by_others(number: int) -> Counter[str]:
    """That many dispatchers at once: each has found an agent when the next begins, and so finds
    the same. How often who took a task.
    """
    store = InterruptedStore()
    fleet = Fleet(store=store, shards=1)
    for n in range(number):
        fleet.agent(f"a{n}")
    messages = [fleet.message(task_id=f"step-{n}") for n in range(number)]

    def dispatch(left: list[TaskMessage]) -> None:
        if left:
            # Calls: the work, the idle, the agent, the claim.
            store.interrupt(lambda: fleet.dispatch(left[0]), 4, lambda: dispatch(left[1:]))

    dispatch(messages)
    assert len(fleet.transport.delivered) == number
    return Counter(agent_id for agent_id, _ in fleet.transport.delivered[:2])


def test_dispatchers_that_see_the_same_agent_first_do_not_go_on_to_the_same_next() -> None:
    taken = sum((claimed_by_others(8) for _ in range(20)), Counter[str]())

    assert taken["a0"] == 20
    assert len(taken) > 3


def test_an_agent_with_two_slots_gets_two_tasks_and_no_third(fleet: Fleet) -> None:
    fleet.agent("a", max_concurrency=2)
    messages = [fleet.message() for _ in range(3)]

    for message in messages:
        fleet.dispatch(message)

    assert [agent_id for agent_id, _ in fleet.transport.delivered] == ["a", "a"]
    assert fleet.attempt(messages[2]).status is AttemptStatus.PARKED


@pytest.mark.parametrize(
    "status",
    [
        AttemptStatus.SENT,
        AttemptStatus.RUNNING,
        AttemptStatus.PARKED,
        AttemptStatus.COMPLETING,
        AttemptStatus.CLOSED,
    ],
)
def test_a_message_of_an_attempt_that_others_look_after_is_done_with(
    fleet: Fleet, status: AttemptStatus
) -> None:
    message = fleet.message()
    fleet.dispatch(message)
    parked = fleet.attempt(message)
    fleet.store.write(fleet.task_records.put(parked.replace(status=status)))
    fleet.agent("a", state="idle")

    fleet.dispatch(message)

    assert fleet.transport.delivered == []


def test_a_message_of_an_attempt_that_nobody_knows_is_done_with(fleet: Fleet) -> None:
    fleet.dispatch(AttemptMessage(attempt_id="task_unknown"))

    assert fleet.queue.sent == []


# ---- another worker


class Died(Exception):
    pass


def die(*_: object) -> None:
    raise Died


def a_sending_attempt(fleet: Fleet) -> str:
    """An attempt whose worker died in the middle of its request."""
    fleet.agent("a")
    message = fleet.message("token")
    fleet.transport.meanwhile = die
    with pytest.raises(Died):
        fleet.dispatch(message)
    fleet.transport.meanwhile = None
    fleet.transport.delivered.clear()
    return message.attempt_id


def test_a_task_that_another_worker_is_sending_stays_on_the_queue(fleet: Fleet) -> None:
    a_sending_attempt(fleet)

    with pytest.raises(NotNow) as refusal:
        fleet.dispatch(fleet.message("token"))

    assert refusal.value.seconds == 16
    assert fleet.transport.delivered == []


def test_once_that_workers_time_is_over_the_same_hand_over_is_made_again(fleet: Fleet) -> None:
    attempt_id = a_sending_attempt(fleet)
    fleet.clock.forward(10 + SENDING_SLACK_MS / 1000)

    fleet.dispatch(fleet.message("token"))

    assert fleet.transport.delivered == [("a", f"{attempt_id}.1")]
    assert fleet.attempt(fleet.message("token")).status is AttemptStatus.SENT


def test_the_worker_that_makes_it_again_has_as_much_time_as_the_first(fleet: Fleet) -> None:
    a_sending_attempt(fleet)
    fleet.clock.forward(16)
    fleet.transport.meanwhile = die
    with pytest.raises(Died):
        fleet.dispatch(fleet.message("token"))

    with pytest.raises(NotNow) as refusal:
        fleet.dispatch(fleet.message("token"))

    assert refusal.value.seconds == 16


def test_the_task_of_a_dead_worker_is_lost_if_its_agent_is_gone_meanwhile(fleet: Fleet) -> None:
    a_sending_attempt(fleet)
    agent = fleet.agents.get("a")
    fleet.store.write(*fleet.agent_records.removed(agent))
    fleet.clock.forward(16)

    fleet.dispatch(fleet.message("token"))

    assert isinstance(fleet.tokens, MemoryTokens)
    assert fleet.tokens.answers["token"][1].startswith("AgentLost")


def test_a_take_over_that_cannot_send_lets_the_message_come_back_and_try_again(
    fleet: Fleet,
) -> None:
    a_sending_attempt(fleet)
    fleet.clock.forward(16)
    fleet.transport.answers["a"] = Delivered.NOT_SENT

    with pytest.raises(NotNow):
        fleet.dispatch(fleet.message("token"))
    fleet.transport.answers.clear()
    fleet.dispatch(fleet.message("token"))

    assert fleet.attempt(fleet.message("token")).fence == 2
    assert len(fleet.agents.get("a").leases) == 1


# ---- whom to ask


def test_the_agent_that_has_been_idle_longest_is_asked_first() -> None:
    one = Fleet(shards=1)
    for agent_id in ("z", "m", "a"):
        one.agent(agent_id)
        one.clock.forward(1)

    for _ in range(3):
        one.dispatch(one.message())

    assert [agent_id for agent_id, _ in one.transport.delivered] == ["z", "m", "a"]


def test_the_sessions_own_agent_is_asked_before_others(fleet: Fleet) -> None:
    for agent_id in ("a", "b", "own", "c"):
        fleet.agent(agent_id)

    fleet.dispatch(fleet.message(session_agent_id="own"))

    assert fleet.transport.delivered[0][0] == "own"


@pytest.mark.parametrize("why", ["busy", "without the capability", "unknown"])
def test_where_the_sessions_own_agent_does_not_fit_another_is_asked(fleet: Fleet, why: str) -> None:
    if why != "unknown":
        fleet.agent(
            "own",
            "cook" if why == "without the capability" else "work",
            state="active" if why == "busy" else "idle",
        )
    fleet.agent("a")

    fleet.dispatch(fleet.message(session_agent_id="own"))

    assert fleet.transport.delivered[0][0] == "a"


def test_a_task_that_names_its_agent_waits_for_that_one(fleet: Fleet) -> None:
    fleet.agent("a")
    fleet.agent("b", state="active")
    message = fleet.message(agent_id="b")

    fleet.dispatch(message)
    assert fleet.attempt(message).status is AttemptStatus.PARKED

    fleet.says("b", "idle")
    fleet.settle()
    assert fleet.transport.delivered == [("b", f"{message.attempt_id}.1")]


def retried(fleet: Fleet, agent_id: str, outcome: Outcome) -> str:
    """Who is asked to do a task again that this agent has ended so."""
    first = fleet.message(agent_capability="work")
    fleet.dispatch(first.model_copy(update={"session_agent_id": agent_id}))
    assert fleet.attempt(first).agent_id == agent_id
    assert fleet.outcomes.end(fleet.attempt(first), outcome)
    fleet.clock.forward(400)
    for other in ("a", "b", "c"):
        if fleet.agents.find(other) is not None:
            fleet.says(other, "idle")
    fleet.settle()

    again = fleet.message(retry=1, session_agent_id=agent_id)
    fleet.dispatch(again)
    return fleet.attempt(again).agent_id or "nobody"


@pytest.mark.parametrize("code", ["AgentError", "AgentTimeout"])
def test_a_retry_goes_to_another_agent_if_there_is_one(fleet: Fleet, code: str) -> None:
    for agent_id in ("a", "b"):
        fleet.agent(agent_id)

    assert retried(fleet, "a", Outcome.failure(code, "")) == "b"


@pytest.mark.parametrize("code", ["AgentError", "AgentTimeout"])
def test_a_retry_goes_to_the_same_agent_if_there_is_no_other(fleet: Fleet, code: str) -> None:
    fleet.agent("a")

    assert retried(fleet, "a", Outcome.failure(code, "")) == "a"


def test_a_retry_after_a_timeout_waits_for_a_busy_agent_rather_than_ask_the_same(
    fleet: Fleet,
) -> None:
    fleet.agent("a")
    fleet.agent("b")
    first = fleet.message(session_agent_id="a")
    fleet.dispatch(first)
    assert fleet.outcomes.end(fleet.attempt(first), Outcome.failure("AgentTimeout", ""))
    fleet.says("a", "idle")
    fleet.says("b", "active")

    again = fleet.message(retry=1)
    fleet.dispatch(again)
    fleet.settle()
    assert fleet.attempt(again).status is AttemptStatus.PARKED

    fleet.says("b", "idle")
    fleet.settle()
    assert fleet.attempt(again).agent_id == "b"


def test_a_retry_after_a_timeout_does_not_wait_for_an_agent_that_has_long_been_silent(
    fleet: Fleet,
) -> None:
    fleet.agent("a")
    fleet.agent("b")
    fleet.says("b", "active")
    first = fleet.message(session_agent_id="a")
    fleet.dispatch(first)
    assert fleet.outcomes.end(fleet.attempt(first), Outcome.failure("AgentTimeout", ""))
    fleet.clock.forward(601)
    fleet.says("a", "idle")

    again = fleet.message(retry=1)
    fleet.dispatch(again)

    assert fleet.attempt(again).agent_id == "a"


def test_a_retry_after_a_failure_asks_the_same_agent_rather_than_wait(fleet: Fleet) -> None:
    fleet.agent("a")
    fleet.agent("b")
    first = fleet.message(session_agent_id="a")
    fleet.dispatch(first)
    assert fleet.outcomes.end(fleet.attempt(first), Outcome.failure("AgentError", ""))
    fleet.says("a", "idle")
    fleet.says("b", "active")

    again = fleet.message(retry=1)
    fleet.dispatch(again)

    assert fleet.attempt(again).agent_id == "a"


def test_of_agents_that_disappointed_those_that_failed_are_asked_before_those_that_timed_out(
    fleet: Fleet,
) -> None:
    for agent_id in ("slow", "wrong"):
        fleet.agent(agent_id)
    for number, (agent_id, code) in enumerate([("slow", "AgentTimeout"), ("wrong", "AgentError")]):
        message = fleet.message(agent_id=agent_id, retry=number)
        fleet.dispatch(message)
        assert fleet.outcomes.end(fleet.attempt(message), Outcome.failure(code, ""))
        fleet.says(agent_id, "idle")

    last = fleet.message(retry=2)
    fleet.dispatch(last)

    assert fleet.attempt(last).agent_id == "wrong"


# ---- sessions that do not run


@pytest.mark.parametrize(
    "status", [SessionStatus.COMPLETED, SessionStatus.FAILED, SessionStatus.CANCELLED]
)
def test_no_task_of_an_ended_session_is_handed_out(fleet: Fleet, status: SessionStatus) -> None:
    fleet.agent("a")
    fleet.session("s1", status=status)

    fleet.dispatch(fleet.message())

    assert fleet.transport.delivered == []
    assert fleet.agents.get("a").leases == {}


def test_a_task_of_a_session_that_nobody_knows_fails(fleet: Fleet) -> None:
    message = fleet.message("token").model_copy(update={"session_id": "unknown"})

    fleet.dispatch(message)

    assert isinstance(fleet.tokens, MemoryTokens)
    assert fleet.tokens.answers["token"] == (
        "failed",
        "DispatchFailed: no session unknown is on record",
    )


def test_a_task_that_names_nobody_fails_at_once(fleet: Fleet) -> None:
    message = fleet.message("token", agent_capability=None)

    fleet.dispatch(message)

    assert isinstance(fleet.tokens, MemoryTokens)
    status, error = fleet.tokens.answers["token"]
    assert status == "failed"
    assert error.startswith("DispatchFailed: the task names no agent")
    assert fleet.task(message).attempts == (message.attempt_id,)
