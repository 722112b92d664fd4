"""Limits, rates and pauses of capabilities and workflows: who is let through, who waits, who is
woken.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from opscore.errors import PolicyNotFound
from opscore.models.messages import RoomMessage, TaskMessage
from opscore.models.outcome import Outcome
from opscore.models.policy import Policy, PolicyKind, Subject
from opscore.models.session import SessionStatus
from opscore.models.task import AttemptStatus
from opscore.ports import Delivered
from opscore.records.waiting import RECHECK_MS
from opscore.services.policies import Wanted
from tests.support.fleet import Fleet
from tests.support.interruption import InterruptedStore
from tests.support.memory import MemoryStore, MemoryTokens

WORK = Subject(PolicyKind.CAPABILITY, "work")
FLOW = Subject(PolicyKind.WORKFLOW, "wf")
BOTH = pytest.mark.parametrize("subject", [WORK, FLOW], ids=lambda subject: str(subject.kind))


def limit(fleet: Fleet, subject: Subject, slots: int | None = None, **rate: Any) -> Policy:
    wanted = Wanted(slots, rate.get("per_second"), rate.get("burst"))
    policy = fleet.policies.limit(subject, wanted, None, None)
    fleet.settle(upto_delay=0)
    return policy


def dispatched(fleet: Fleet, number: int, **more: Any) -> list[TaskMessage]:
    messages = [fleet.message(task_id=f"step-{n}", **more) for n in range(number)]
    for message in messages:
        fleet.dispatch(message)
    return messages


def agents(fleet: Fleet, number: int) -> None:
    for n in range(number):
        fleet.agent(f"a{n}")


def statuses(fleet: Fleet, messages: list[TaskMessage]) -> list[AttemptStatus]:
    return [fleet.attempt(message).status for message in messages]


def running(fleet: Fleet, messages: list[TaskMessage]) -> int:
    return statuses(fleet, messages).count(AttemptStatus.SENT)


def finish(fleet: Fleet, message: TaskMessage) -> None:
    fleet.own_word.complete(fleet.reference(message), None, "done")
    agent_id = next(
        agent for agent, reference in fleet.transport.delivered if message.attempt_id in reference
    )
    fleet.says(agent_id, "idle")
    fleet.settle()


def used(fleet: Fleet) -> int:
    assert isinstance(fleet.store, MemoryStore)
    return sum(
        int(item["used"] or 0) for key, item in fleet.store.items.items() if key.sk == "counter"
    )


# ---- limits


@BOTH
@pytest.mark.parametrize("slots", [0, 1, 3, 20])
def test_no_more_tasks_run_at_once_than_the_limit_says(
    fleet: Fleet, subject: Subject, slots: int
) -> None:
    limit(fleet, subject, slots)
    agents(fleet, 24)

    messages = dispatched(fleet, 24)
    fleet.settle()

    assert running(fleet, messages) == slots == used(fleet)
    assert statuses(fleet, messages).count(AttemptStatus.PARKED) == 24 - slots


@BOTH
def test_each_end_lets_the_next_through(fleet: Fleet, subject: Subject) -> None:
    limit(fleet, subject, 2)
    agents(fleet, 5)
    messages = dispatched(fleet, 5)

    order = []
    while left := [m for m in messages if fleet.attempt(m).status is AttemptStatus.SENT]:
        assert len(left) <= 2 == max(2, used(fleet))
        order.append(left[0])
        finish(fleet, left[0])

    assert statuses(fleet, messages) == [AttemptStatus.CLOSED] * 5
    assert used(fleet) == 0


def times_out(fleet: Fleet, message: TaskMessage) -> None:
    fleet.clock.forward(61)
    fleet.dispatcher.deadline(message.attempt_id, 1)


def is_cancelled(fleet: Fleet, message: TaskMessage) -> None:
    fleet.outcomes.supersede(fleet.attempt(message))


def is_reported(fleet: Fleet, message: TaskMessage) -> None:
    agent_id = fleet.attempt(message).agent_id or ""
    fleet.says(agent_id, "idle", {"opscore_task_id": fleet.reference(message)})


def loses_its_agent(fleet: Fleet, message: TaskMessage) -> None:
    fleet.agents.deregister(fleet.attempt(message).agent_id or "")


def fails(fleet: Fleet, message: TaskMessage) -> None:
    fleet.own_word.fail(fleet.reference(message), None, "Broken", "")


@pytest.mark.parametrize(
    "ends",
    [times_out, is_cancelled, is_reported, loses_its_agent, fails],
    ids=lambda way: way.__name__,
)
def test_a_slot_is_given_back_once_when_a_task(
    fleet: Fleet, ends: Callable[[Fleet, TaskMessage], None]
) -> None:
    limit(fleet, WORK, 1)
    agents(fleet, 2)
    first, second = dispatched(fleet, 2)

    ends(fleet, first)
    fleet.settle()

    assert statuses(fleet, [first, second]) == [AttemptStatus.CLOSED, AttemptStatus.SENT]
    assert used(fleet) == 1


@pytest.mark.parametrize("answer", [Delivered.REFUSED, Delivered.GONE, Delivered.NOT_SENT])
def test_a_hand_over_that_came_to_nothing_holds_no_slot(fleet: Fleet, answer: Delivered) -> None:
    limit(fleet, WORK, 1)
    fleet.transport.shared = False
    fleet.transport.answers["a0"] = answer
    agents(fleet, 2)

    messages = dispatched(fleet, 2)
    fleet.settle()

    assert running(fleet, messages) == 1 == used(fleet)
    finish(fleet, next(m for m in messages if fleet.attempt(m).status is AttemptStatus.SENT))
    assert used(fleet) <= 1


def test_both_limits_hold_where_a_task_is_under_two(fleet: Fleet) -> None:
    limit(fleet, WORK, 3)
    limit(fleet, FLOW, 2)
    agents(fleet, 8)

    ours = dispatched(fleet, 4)
    others = dispatched(fleet, 4, workflow_id="other")
    fleet.settle()

    assert running(fleet, ours) == 2
    assert running(fleet, others) == 1


def test_tasks_under_two_limits_all_run_in_the_end(fleet: Fleet) -> None:
    limit(fleet, WORK, 2)
    limit(fleet, FLOW, 1)
    agents(fleet, 8)
    messages = dispatched(fleet, 4) + dispatched(fleet, 4, workflow_id="other")
    fleet.settle()

    while left := [m for m in messages if fleet.attempt(m).status is AttemptStatus.SENT]:
        finish(fleet, left[0])

    assert set(statuses(fleet, messages)) == {AttemptStatus.CLOSED}


def test_a_task_that_is_let_through_and_finds_no_agent_does_not_hold_up_the_next(
    fleet: Fleet,
) -> None:
    limit(fleet, FLOW, 1)
    fleet.agent("a0", "work")
    (first,) = dispatched(fleet, 1)
    nobody = fleet.message(task_id="nobody", agent_capability="unknown")
    fleet.dispatch(nobody)
    (last,) = dispatched(fleet, 1)

    finish(fleet, first)

    assert statuses(fleet, [nobody, last]) == [AttemptStatus.PARKED, AttemptStatus.SENT]


def test_a_new_task_does_not_overtake_those_that_wait(fleet: Fleet) -> None:
    limit(fleet, WORK, 1)
    agents(fleet, 3)
    first, second = dispatched(fleet, 2)
    fleet.own_word.complete(fleet.reference(first), None, "done")

    (third,) = dispatched(fleet, 1, priority=5)
    fleet.settle()

    assert statuses(fleet, [second, third]) == [AttemptStatus.SENT, AttemptStatus.PARKED]


def test_a_task_that_waited_for_an_agent_waits_for_its_limit_too(fleet: Fleet) -> None:
    messages = dispatched(fleet, 3)
    limit(fleet, WORK, 1)

    agents(fleet, 3)
    fleet.settle()
    assert running(fleet, messages) == 1

    for message in [m for m in messages if fleet.attempt(m).status is AttemptStatus.SENT]:
        finish(fleet, message)
    assert running(fleet, messages) == 1


@BOTH
def test_a_limit_that_is_raised_or_cleared_lets_more_through(
    fleet: Fleet, subject: Subject
) -> None:
    limit(fleet, subject, 1)
    agents(fleet, 12)
    messages = dispatched(fleet, 12)

    limit(fleet, subject, 9)
    assert running(fleet, messages) == 9

    fleet.policies.clear(subject, None)
    fleet.settle()
    assert running(fleet, messages) == 12
    with pytest.raises(PolicyNotFound):
        fleet.policies.get(subject)


def test_a_limit_that_is_lowered_holds_once_enough_have_ended(fleet: Fleet) -> None:
    limit(fleet, WORK, 20)
    agents(fleet, 24)
    messages = dispatched(fleet, 24)

    limit(fleet, WORK, 2)
    for _ in range(22):
        left = [m for m in messages if fleet.attempt(m).status is AttemptStatus.SENT]
        finish(fleet, left[0])
        assert running(fleet, messages) == max(len(left) - 1, 2)

    assert used(fleet) == 2


def test_a_task_that_waits_too_long_for_its_limit_fails(fleet: Fleet) -> None:
    limit(fleet, WORK, 0)
    (message,) = dispatched(fleet, 1, token="token", wait_timeout=30)

    fleet.clock.forward(31)
    for timer in fleet.queue.take():
        fleet.dispatch(timer)

    assert isinstance(fleet.tokens, MemoryTokens)
    assert fleet.tokens.answers["token"][1].startswith("NoAgentAvailable")
    assert fleet.attempt(message).status is AttemptStatus.CLOSED


# ---- rates


def test_tasks_are_handed_out_at_the_rate(fleet: Fleet) -> None:
    limit(fleet, WORK, per_second=2.0, burst=2)
    agents(fleet, 12)
    messages = dispatched(fleet, 12)
    counts = [running(fleet, messages)]

    for _ in range(6):
        fleet.clock.forward(1)
        for message in fleet.queue.take(upto_delay=1):
            fleet.dispatch(message)
        fleet.settle(upto_delay=0)
        counts.append(running(fleet, messages))

    assert counts == [2, 4, 6, 8, 10, 12, 12]


def test_one_look_is_set_for_all_that_wait_for_a_rate(fleet: Fleet) -> None:
    limit(fleet, WORK, per_second=0.1, burst=1)
    agents(fleet, 9)

    dispatched(fleet, 9)

    looks = [delay for message, delay in fleet.queue.sent if isinstance(message, RoomMessage)]
    assert looks == [10]


def test_a_rate_that_refills_while_the_message_of_it_gets_lost_is_looked_at_by_the_sweeper(
    fleet: Fleet,
) -> None:
    limit(fleet, WORK, per_second=1.0, burst=1)
    agents(fleet, 3)
    messages = dispatched(fleet, 3, timeout=600)
    fleet.queue.take()

    fleet.clock.forward(RECHECK_MS / 1000)
    fleet.sweeper.sweep()
    fleet.settle(upto_delay=0)

    assert running(fleet, messages) == 2


# ---- pauses


@BOTH
def test_a_pause_holds_tasks_and_a_resumption_lets_them_go(fleet: Fleet, subject: Subject) -> None:
    agents(fleet, 4)
    before = dispatched(fleet, 1)
    fleet.policies.pause(subject, "maintenance", "mia")

    messages = dispatched(fleet, 3)
    fleet.settle()
    assert running(fleet, before) == 1
    assert running(fleet, messages) == 0

    fleet.policies.resume(subject, None, None)
    fleet.settle()
    assert running(fleet, messages) == 3


def test_a_pause_holds_tasks_that_wait_for_an_agent(fleet: Fleet) -> None:
    messages = dispatched(fleet, 3)
    fleet.policies.pause(FLOW, None, None)
    agents(fleet, 3)
    fleet.settle()
    assert running(fleet, messages) == 0

    fleet.policies.resume(FLOW, None, None)
    fleet.settle()
    assert running(fleet, messages) == 3


def test_paused_time_counts_for_no_waiting_task(fleet: Fleet) -> None:
    (message,) = dispatched(fleet, 1, wait_timeout=600)
    fleet.policies.pause(WORK, None, None)
    fleet.clock.forward(700)
    fleet.sweeper.sweep()
    fleet.policies.resume(WORK, None, None)
    fleet.settle()
    assert fleet.attempt(message).status is AttemptStatus.PARKED

    fleet.clock.forward(590)
    agents(fleet, 1)
    fleet.settle()
    assert running(fleet, [message]) == 1


def test_what_a_paused_capability_holds_of_a_session_that_ended_is_dropped(fleet: Fleet) -> None:
    fleet.policies.pause(WORK, None, None)
    (message,) = dispatched(fleet, 1)
    session = fleet.session_records.get("s1")
    assert session is not None
    fleet.store.write(fleet.session_records.put(session.replace(status=SessionStatus.CANCELLED)))

    fleet.policies.resume(WORK, None, None)
    fleet.settle()

    assert fleet.attempt(message).status is AttemptStatus.CLOSED


def test_resuming_keeps_the_limit_and_its_list_is_let_through_by_turns(fleet: Fleet) -> None:
    limit(fleet, WORK, 1)
    fleet.policies.pause(WORK, None, None)
    agents(fleet, 3)
    messages = dispatched(fleet, 3)

    fleet.policies.resume(WORK, None, None)
    fleet.settle()

    assert running(fleet, messages) == 1
    assert fleet.policies.get(WORK).max_concurrent == 1


def test_a_policy_tells_who_changed_it_and_why(fleet: Fleet) -> None:
    fleet.policies.pause(WORK, "maintenance", "mia")
    limit(fleet, FLOW, 3)

    policy = fleet.policies.get(WORK)
    listed = fleet.policies.listed(kind=None, limit=10, cursor=None).items
    flows = fleet.policies.listed(kind=PolicyKind.WORKFLOW, limit=10, cursor=None).items

    assert (policy.paused, policy.reason, policy.updated_by) == (True, "maintenance", "mia")
    assert policy.updated_at == fleet.clock()
    assert [one.subject for one in listed] == [WORK, FLOW]
    assert [one.subject for one in flows] == [FLOW]


# ---- no lost wake-ups


def resumes(fleet: Fleet) -> None:
    fleet.policies.resume(WORK, None, None)


def raises_the_limit(fleet: Fleet) -> None:
    fleet.policies.limit(WORK, Wanted(2, None, None), None, None)


def ends_the_other(fleet: Fleet) -> None:
    (running,) = [reference for _, reference in fleet.transport.delivered][:1]
    fleet.own_word.complete(running, None, 1)


def blocked(way: Callable[[Fleet], None], store: InterruptedStore) -> Fleet:
    fleet = Fleet(store=store)
    agents(fleet, 2)
    limit(fleet, WORK, 1)
    dispatched(fleet, 1)
    if way is resumes:
        limit(fleet, WORK, None)
        fleet.policies.pause(WORK, None, None)
    fleet.settle()
    return fleet


@pytest.mark.parametrize(
    "way", [resumes, raises_the_limit, ends_the_other], ids=lambda way: way.__name__
)
@pytest.mark.parametrize("outer", ["park", "open"])
def test_no_wake_up_is_lost_whatever_comes_in_between(
    way: Callable[[Fleet], None], outer: str
) -> None:
    for step in itertools.count(1):
        store = InterruptedStore()
        fleet = blocked(way, store)
        message = fleet.message(task_id="waits")

        def park(fleet: Fleet = fleet, message: TaskMessage = message) -> None:
            fleet.dispatch(message)

        def open_up(fleet: Fleet = fleet) -> None:
            way(fleet)

        first, second = (park, open_up) if outer == "park" else (open_up, park)
        interrupted = store.interrupt(first, step, second)
        if not interrupted:
            second()
        fleet.settle()

        assert fleet.attempt(message).status is AttemptStatus.SENT, f"lost before call {step}"
        if not interrupted:
            return


def test_a_wake_up_that_got_lost_is_made_up_for_by_the_sweeper(fleet: Fleet) -> None:
    limit(fleet, WORK, 1)
    agents(fleet, 2)
    first, second = dispatched(fleet, 2)
    assert fleet.outcomes.end(fleet.attempt(first), Outcome.success(1))
    fleet.queue.take()

    fleet.clock.forward(RECHECK_MS / 1000)
    fleet.sweeper.sweep()
    fleet.settle()

    assert running(fleet, [second]) == 1
