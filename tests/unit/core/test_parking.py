"""A task for which nobody is free waits, and is woken by whoever becomes able to take it."""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from opscore.models.messages import TaskMessage, WakeMessage
from opscore.models.outcome import Outcome
from opscore.models.task import AttemptStatus
from opscore.ports import Delivered, Table
from opscore.records.waiting import RECHECK_MS
from opscore.services.agents import Registration
from opscore.services.dispatch import Envelope
from tests.support.fleet import COOLDOWN_SECONDS, DRAIN_SECONDS, Fleet
from tests.support.interruption import InterruptedStore
from tests.support.memory import MemoryStore, MemoryTokens


def parked(fleet: Fleet, **more: Any) -> TaskMessage:
    message = fleet.message(**more)
    fleet.dispatch(message)
    assert fleet.attempt(message).status is AttemptStatus.PARKED
    return message


def sent(fleet: Fleet, message: TaskMessage) -> bool:
    return fleet.attempt(message).status is AttemptStatus.SENT


def order_of(fleet: Fleet) -> list[str]:
    return [reference.rpartition(".")[0] for _, reference in fleet.transport.delivered]


def flags(fleet: Fleet) -> int:
    assert isinstance(fleet.store, MemoryStore)
    return sum(1 for key in fleet.store.items if key.pk.startswith("flag#"))


def waiting_entries(fleet: Fleet) -> int:
    assert isinstance(fleet.store, MemoryStore)
    return sum(1 for key in fleet.store.items if key.pk.startswith("waiting#"))


# ---- every way of becoming able to take work


def registers_with_slots(fleet: Fleet) -> None:
    fleet.agent("b", max_concurrency=2, state=None)


def says_idle(fleet: Fleet) -> None:
    fleet.agent("b")


def learns_the_capability(fleet: Fleet) -> None:
    fleet.agent("b", "cook")
    fleet.agent("b", "cook", "work", state=None)


def has_its_limit_raised(fleet: Fleet) -> None:
    fleet.agent("b", "cook", state="active")
    fleet.agent("b", "work", "cook", state=None, max_concurrency=3)


def cools_down(fleet: Fleet) -> None:
    fleet.agent("b", state="error")
    fleet.clock.forward(COOLDOWN_SECONDS)
    fleet.sweeper.sweep()


@pytest.mark.parametrize(
    "becomes_able",
    [
        registers_with_slots,
        says_idle,
        learns_the_capability,
        has_its_limit_raised,
        cools_down,
    ],
    ids=lambda way: way.__name__,
)
def test_a_waiting_task_is_taken_when_an_agent(
    fleet: Fleet, becomes_able: Callable[[Fleet], None]
) -> None:
    message = parked(fleet)

    becomes_able(fleet)
    fleet.settle()

    assert sent(fleet, message)
    assert waiting_entries(fleet) == 0


def test_a_waiting_task_is_taken_when_an_agent_finishes_another(fleet: Fleet) -> None:
    fleet.agent("b")
    first = fleet.message()
    fleet.dispatch(first)
    second = parked(fleet)

    fleet.says("b", "idle", {"opscore_task_id": fleet.reference(first)})
    fleet.settle()

    assert sent(fleet, second)


def test_a_waiting_task_is_taken_when_the_slot_of_a_lost_one_has_drained(fleet: Fleet) -> None:
    fleet.agent("b")
    first = fleet.message()
    fleet.dispatch(first)
    second = parked(fleet)
    assert fleet.outcomes.end(fleet.attempt(first), Outcome.failure("AgentLost", ""))
    fleet.settle()
    assert not sent(fleet, second)

    fleet.clock.forward(DRAIN_SECONDS)
    for message in fleet.queue.take():
        fleet.dispatch(message)
    fleet.settle()

    assert sent(fleet, second)


def test_a_waiting_task_is_taken_when_the_end_of_another_ends_a_cool_down(fleet: Fleet) -> None:
    fleet.agent("b", max_concurrency=2)
    failed, done = fleet.message(task_id="failed"), fleet.message(task_id="done")
    fleet.dispatch(failed)
    fleet.dispatch(done)
    fleet.says("b", "error", {"opscore_task_id": fleet.reference(failed)})
    waiting = parked(fleet, task_id="waiting")
    fleet.queue.take()

    fleet.says("b", "idle", {"opscore_task_id": fleet.reference(done)})
    fleet.settle()

    assert sent(fleet, waiting)


def test_a_waiting_task_is_taken_when_a_claim_finds_more_slots_drained(fleet: Fleet) -> None:
    fleet.agent("b", max_concurrency=2)
    for task_id in ("first", "second"):
        message = fleet.message(task_id=task_id)
        fleet.dispatch(message)
        assert fleet.outcomes.end(fleet.attempt(message), Outcome.failure("AgentLost", ""))
    waiting = parked(fleet, task_id="waiting")
    fleet.queue.take()

    fleet.clock.forward(DRAIN_SECONDS)
    fleet.dispatch(fleet.message(task_id="named", agent_id="b"))
    fleet.settle()

    assert sent(fleet, waiting)


def test_agents_are_woken_only_for_lists_that_may_hold_something(fleet: Fleet) -> None:
    fleet.agent("a", "work", "cook")
    assert fleet.queue.sent == []

    fleet.says("a", "active")
    parked(fleet, agent_capability="cook")
    fleet.queue.take()
    fleet.says("a", "idle")

    ((wake, delay),) = fleet.queue.sent
    assert isinstance(wake, WakeMessage)
    assert delay == 0
    assert [name.split("#")[0] for name in wake.lists] == ["cook"]


def test_a_list_that_turned_out_to_be_empty_wakes_nobody_any_more(fleet: Fleet) -> None:
    parked(fleet)
    fleet.agent("a")
    fleet.settle()
    assert flags(fleet) == 1

    fleet.says("a", "idle", {"opscore_task_id": fleet.transport.delivered[0][1]})
    fleet.settle()
    assert flags(fleet) == 0

    fleet.queue.take()
    fleet.says("a", "active")
    fleet.says("a", "idle")
    assert fleet.queue.sent == []


# ---- interleavings: whatever happens in between, the task is taken


def interleaved(outer: str, step: int) -> tuple[Fleet, TaskMessage, bool]:
    """Parking and becoming idle, the one inside the other before its n-th call to the store."""
    store = InterruptedStore()
    fleet = Fleet(store=store)
    fleet.agent("a", state="active")
    message = fleet.message()

    def park() -> None:
        fleet.dispatch(message)

    def become_idle() -> None:
        fleet.says("a", "idle")

    first, second = (park, become_idle) if outer == "park" else (become_idle, park)
    interrupted = store.interrupt(first, step, second)
    if not interrupted:
        second()
    fleet.settle()
    return fleet, message, interrupted


@pytest.mark.parametrize("outer", ["park", "idle"])
def test_no_wake_up_is_lost_whatever_comes_in_between(outer: str) -> None:
    for step in itertools.count(1):
        fleet, message, interrupted = interleaved(outer, step)
        assert sent(fleet, message), f"lost before call {step}"
        assert len(fleet.transport.delivered) == 1
        if not interrupted:
            assert step > 3
            return


def lowered_while_parking(step: int) -> tuple[Fleet, TaskMessage, bool]:
    """A look into an empty list, and a task parked there before the look's n-th call."""
    store = InterruptedStore()
    fleet = Fleet(store=store, shards=1)
    fleet.outcomes.supersede(fleet.attempt(parked(fleet)))
    fleet.agent("a", state="active")
    message = fleet.message()
    wake = WakeMessage(agent_id="a", lists=("work#0",))
    interrupted = store.interrupt(
        lambda: fleet.dispatch(wake), step, lambda: fleet.dispatch(message)
    )
    return fleet, message, interrupted


def test_looking_into_an_empty_list_never_hides_a_task_parked_at_that_moment() -> None:
    for step in itertools.count(1):
        fleet, message, interrupted = lowered_while_parking(step)
        if not interrupted:
            assert step > 3
            return
        fleet.says("a", "idle")
        fleet.settle()
        assert sent(fleet, message), f"hidden before call {step}"


# ---- order


def test_a_higher_priority_goes_first(fleet: Fleet) -> None:
    low = parked(fleet, priority=1)
    high = parked(fleet, priority=9)
    usual = parked(fleet)

    fleet.agent("a", max_concurrency=3)
    fleet.settle()

    assert order_of(fleet) == [m.attempt_id for m in (high, usual, low)]


def test_age_lifts_a_low_priority(fleet: Fleet) -> None:
    low = parked(fleet, priority=4)
    fleet.clock.forward(61)
    usual = parked(fleet, priority=5)

    fleet.agent("a", max_concurrency=2)
    fleet.settle()

    assert order_of(fleet) == [low.attempt_id, usual.attempt_id]


def test_a_retry_keeps_its_tasks_place() -> None:
    fleet = Fleet()
    first = parked(fleet, task_id="first")
    fleet.clock.forward(1)
    second = parked(fleet, task_id="second")
    assert fleet.outcomes.end(fleet.attempt(first), Outcome.failure("NoAgentAvailable", ""))
    retry = parked(fleet, task_id="first", retry=1)

    fleet.agent("a", max_concurrency=2)
    fleet.settle()

    assert order_of(fleet) == [retry.attempt_id, second.attempt_id]


def test_a_busy_workflow_does_not_hold_up_another(fleet: Fleet) -> None:
    one = Fleet(shards=1)
    for _ in range(10):
        parked(one, workflow_id="busy")
    quiet = parked(one, workflow_id="quiet")

    one.agent("a", max_concurrency=2)
    one.settle()

    assert quiet.attempt_id in order_of(one)


def test_workflows_take_turns_and_none_is_always_first() -> None:
    firsts: Counter[str] = Counter()
    for _ in range(40):
        fleet = Fleet(shards=1)
        by_id = {parked(fleet, workflow_id=name).attempt_id: name for name in ("x", "y")}
        fleet.agent("a")
        fleet.settle()
        firsts[by_id[order_of(fleet)[0]]] += 1

    assert set(firsts) == {"x", "y"}


def test_a_workflow_with_many_waiting_does_not_hold_up_one_that_comes_late() -> None:
    fleet = Fleet(shards=1)
    for number in range(60):
        parked(fleet, workflow_id="busy", task_id=f"step-{number}")
    fleet.clock.forward(600)
    late = [parked(fleet, workflow_id="late", task_id=f"late-{n}").attempt_id for n in range(3)]

    fleet.agent("a", max_concurrency=9)
    fleet.settle()

    assert set(order_of(fleet)[:8]) >= set(late)


def test_retries_do_not_crowd_out_other_workflows() -> None:
    fleet = Fleet(shards=1)
    for number in range(60):
        parked(fleet, workflow_id="busy", task_id=f"step-{number}", retry=1)
    late = parked(fleet, workflow_id="late")

    fleet.agent("a", max_concurrency=4)
    fleet.settle()

    assert late.attempt_id in order_of(fleet)


# ---- the end of waiting


def test_a_task_that_waits_too_long_fails_and_waits_no_more(fleet: Fleet) -> None:
    message = parked(fleet, token="token", wait_timeout=600)
    ((timer, delay),) = fleet.queue.sent
    assert delay == 601

    fleet.clock.forward(delay)
    fleet.dispatch(timer)

    assert isinstance(fleet.tokens, MemoryTokens)
    assert fleet.tokens.answers["token"][1].startswith("NoAgentAvailable")
    assert waiting_entries(fleet) == 0
    assert fleet.attempt(message).status is AttemptStatus.CLOSED


def test_a_wait_longer_than_a_messages_delay_is_looked_at_again(fleet: Fleet) -> None:
    parked(fleet, wait_timeout=3600)
    fleet.clock.forward(900)
    (timer,) = fleet.queue.take()

    fleet.dispatch(timer)

    assert fleet.queue.sent == [(timer, 2701)]


def test_a_task_taken_in_time_is_not_failed_by_its_waiting_timer(fleet: Fleet) -> None:
    message = parked(fleet, wait_timeout=10, timeout=600)
    (timer,) = fleet.queue.take()
    fleet.agent("a")
    fleet.settle()

    fleet.clock.forward(11)
    fleet.dispatch(timer)

    assert sent(fleet, message)


def test_of_two_wake_ups_at_once_one_takes_the_task(fleet: Fleet) -> None:
    message = parked(fleet)
    fleet.agent("a")
    fleet.agent("b")
    wakes = fleet.queue.take(upto_delay=0)
    assert len(wakes) == 2

    for wake in wakes:
        fleet.dispatch(wake)

    assert len(fleet.transport.delivered) == 1
    assert sent(fleet, message)


def test_an_agent_that_speaks_while_it_is_woken_gets_the_task_all_the_same() -> None:
    for before_call in itertools.count(1):
        store = InterruptedStore()
        fleet = Fleet(store=store)
        message = parked(fleet)
        fleet.agent("a")
        wake = next(m for m in fleet.queue.take() if isinstance(m, WakeMessage))
        interrupted = store.interrupt(
            functools.partial(fleet.dispatch, wake),
            before_call,
            functools.partial(fleet.says, "a", "idle"),
        )
        assert sent(fleet, message)
        if not interrupted:
            return


def test_a_wake_up_hands_out_no_more_than_it_has_time_for(fleet: Fleet) -> None:
    messages = [parked(fleet, task_id=f"step-{number}") for number in range(5)]
    fleet.agent("a", max_concurrency=5, state=None)
    wake = next(m for m in fleet.queue.take() if isinstance(m, WakeMessage))
    fleet.transport.meanwhile = lambda *_: fleet.clock.forward(6)  # works inside the request
    began = fleet.clock()

    fleet.dispatcher.take(wake, Envelope(began, limit_seconds=10))
    assert fleet.clock() - began <= 20_000
    fleet.settle()

    assert all(sent(fleet, message) for message in messages)


def test_a_wake_up_while_the_gateway_is_down_leaves_the_others_waiting(fleet: Fleet) -> None:
    messages = [parked(fleet, task_id=f"step-{number}") for number in range(5)]
    fleet.transport.answers["a"] = Delivered.NOT_SENT
    fleet.agent("a")
    wake = next(m for m in fleet.queue.take() if isinstance(m, WakeMessage))

    fleet.dispatch(wake)

    statuses = [fleet.attempt(message).status for message in messages]
    assert statuses.count(AttemptStatus.PARKED) == 4


def test_an_entry_that_means_nothing_any_more_is_dropped(fleet: Fleet) -> None:
    message = parked(fleet)
    attempt = fleet.attempt(message)
    entry = fleet.waiting.parked(attempt)
    fleet.outcomes.supersede(attempt)
    fleet.store.write(*entry)

    fleet.agent("a")
    fleet.settle()

    assert waiting_entries(fleet) == 0
    assert fleet.transport.delivered == []


def test_a_wake_up_that_got_lost_is_made_up_for_by_the_sweeper(fleet: Fleet) -> None:
    message = parked(fleet)
    fleet.agent("a")
    fleet.queue.take()

    fleet.clock.forward(RECHECK_MS / 1000)
    fleet.sweeper.sweep()
    fleet.settle()

    assert sent(fleet, message)


def test_a_task_for_a_named_agent_whose_wake_up_got_lost_is_taken_too(fleet: Fleet) -> None:
    message = parked(fleet, agent_id="a")
    fleet.agent("a")
    fleet.queue.take()

    fleet.clock.forward(RECHECK_MS / 1000)
    fleet.sweeper.sweep()
    fleet.settle()

    assert sent(fleet, message)


@pytest.mark.parametrize("capability", ["=work", "@work"])
def test_a_capability_may_begin_like_the_name_of_another_kind_of_list(
    fleet: Fleet, capability: str
) -> None:
    message = parked(fleet, agent_capability=capability)
    waits_until = fleet.attempt(message).wait_deadline

    fleet.clock.forward(RECHECK_MS / 1000)
    fleet.sweeper.sweep()
    fleet.settle()
    assert fleet.attempt(message).wait_deadline == waits_until

    fleet.agent("a", capability)
    fleet.queue.take()
    fleet.clock.forward(RECHECK_MS / 1000)
    fleet.sweeper.sweep()
    fleet.settle()
    assert sent(fleet, message)


def test_the_sweeper_lowers_the_flag_of_an_empty_list(fleet: Fleet) -> None:
    message = parked(fleet)
    fleet.outcomes.supersede(fleet.attempt(message))
    fleet.clock.forward(RECHECK_MS / 1000)

    fleet.sweeper.sweep()

    assert flags(fleet) == 0


def test_deregistered_agents_are_woken_for_nothing(fleet: Fleet) -> None:
    parked(fleet)
    fleet.agent("a")
    fleet.agents.deregister("a")

    fleet.settle()

    assert fleet.transport.delivered == []
    assert isinstance(fleet.store, MemoryStore)
    assert not [k for k in fleet.store.items if k.table is Table.AGENTS and k.sk == "a"]


def test_an_agent_registered_anew_takes_waiting_tasks_of_its_new_capability(fleet: Fleet) -> None:
    message = parked(fleet)
    fleet.agent("b", "cook")
    fleet.agents.register(
        Registration(
            agent_id="b", agent_name="b", version="2", capabilities=("work",),
            contact_endpoint="http://b.example",
        )
    )  # fmt: skip
    fleet.settle()

    assert sent(fleet, message)
