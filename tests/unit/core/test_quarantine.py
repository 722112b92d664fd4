"""Quarantine: no new work, leases taken back, tasks to others; and an end of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from opscore.errors import OutcomeDiffers, QuarantineNotFound
from opscore.lifecycle.agents import Condition
from opscore.models.messages import TaskMessage
from opscore.models.quarantine import Quarantined
from opscore.models.task import AttemptStatus
from opscore.ports import ConditionFailed
from opscore.services.agents import Registration
from tests.support.fleet import Fleet
from tests.support.interruption import InterruptedStore
from tests.support.memory import ManualClock, MemoryTokens

A, C, V = Quarantined.AGENT, Quarantined.CAPABILITY, Quarantined.VERSION
OF_A = pytest.mark.parametrize(
    ("what", "name"), [(A, "a"), (C, "work"), (V, "1")], ids=["agent", "capability", "version"]
)


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


def impose(fleet: Fleet, what: Quarantined, name: str) -> None:
    assert fleet.quarantines.impose(what, name, "it lies", "ops").applied


def lift(fleet: Fleet, what: Quarantined, name: str) -> None:
    assert fleet.quarantines.lift(what, name, "ops").applied


def dispatched(fleet: Fleet, **more: Any) -> TaskMessage:
    message = fleet.message(**more)
    fleet.dispatch(message)
    return message


def stands(fleet: Fleet, message: TaskMessage) -> AttemptStatus:
    return fleet.attempt(message).status


@OF_A
def test_no_new_work_until_it_is_lifted(fleet: Fleet, what: Quarantined, name: str) -> None:
    fleet.agent("a")

    impose(fleet, what, name)
    message = dispatched(fleet)
    fleet.says("a", "idle")
    fleet.settle()
    assert stands(fleet, message) is AttemptStatus.PARKED

    lift(fleet, what, name)
    fleet.settle()
    assert stands(fleet, message) is AttemptStatus.SENT


@OF_A
def test_what_it_holds_is_taken_back_and_fails_for_a_retry(
    fleet: Fleet, what: Quarantined, name: str
) -> None:
    fleet.agent("a")
    message = dispatched(fleet)
    reference = fleet.reference(message)

    impose(fleet, what, name)

    assert stands(fleet, message) is AttemptStatus.CLOSED
    assert isinstance(fleet.tokens, MemoryTokens)
    status, word = fleet.tokens.answers[message.token]
    assert (status, word) == ("failed", f"AgentLost: {what} {name} is in quarantine: it lies")
    assert fleet.agents.get("a").leases == {}
    with pytest.raises(OutcomeDiffers):
        fleet.own_word.complete(reference, "a", "late")
    fleet.says("a", "idle", {"opscore_task_id": reference, "result": "late"})
    outcome = fleet.attempt(message).outcome
    assert outcome is not None
    assert outcome.error_code == "AgentLost"


def test_the_retry_goes_to_another_agent(fleet: Fleet) -> None:
    fleet.agent("a")
    dispatched(fleet)
    fleet.agent("b")

    impose(fleet, A, "a")
    again = dispatched(fleet, retry=1)

    assert fleet.attempt(again).agent_id == "b"


def test_what_waits_goes_to_others(fleet: Fleet) -> None:
    fleet.agent("a", state="active")
    message = dispatched(fleet)

    impose(fleet, A, "a")
    fleet.says("a", "idle")
    fleet.settle()
    assert stands(fleet, message) is AttemptStatus.PARKED
    fleet.agent("b")
    fleet.settle()

    assert fleet.attempt(message).agent_id == "b"


def test_an_agent_goes_on_with_its_other_capabilities(fleet: Fleet) -> None:
    fleet.agent("a", "work", "cook", max_concurrency=2)
    work, cook = dispatched(fleet), dispatched(fleet, agent_capability="cook", task_id="cook")

    impose(fleet, C, "cook")

    assert stands(fleet, work) is AttemptStatus.SENT
    assert stands(fleet, cook) is AttemptStatus.CLOSED
    fleet.says("a", "idle", {"opscore_task_id": fleet.reference(cook)})
    assert stands(fleet, dispatched(fleet, task_id="more")) is AttemptStatus.SENT
    more = dispatched(fleet, agent_capability="cook", task_id="later")
    assert stands(fleet, more) is AttemptStatus.PARKED


def test_a_session_s_own_agent_and_a_named_one_are_kept_from_it_too(fleet: Fleet) -> None:
    fleet.agent("a", "work", "cook")
    impose(fleet, C, "cook")

    own = dispatched(fleet, agent_capability="cook", session_agent_id="a", task_id="own")
    named = dispatched(fleet, agent_id="a", task_id="named")

    assert stands(fleet, own) is AttemptStatus.PARKED
    assert stands(fleet, named) is AttemptStatus.SENT  # it asks for the agent, for no capability


def test_a_version_is_kept_out_also_when_it_registers_later(fleet: Fleet) -> None:
    impose(fleet, V, "1")

    fleet.agent("late")

    message = dispatched(fleet)
    assert stands(fleet, message) is AttemptStatus.PARKED
    (mark,) = fleet.agents.get("late").quarantines
    assert (mark.what, mark.name, mark.reason, mark.by) == (V, "1", "it lies", "ops")


def test_an_agent_that_comes_with_a_better_version_is_free(fleet: Fleet) -> None:
    fleet.agent("a")
    message = dispatched(fleet)
    impose(fleet, V, "1")
    waiting = dispatched(fleet, task_id="waits")

    fleet.agents.register(
        Registration("a", "a", "2", ("work",), "http://a.example/run"),
    )
    fleet.says("a", "idle")
    fleet.settle()

    assert stands(fleet, message) is AttemptStatus.CLOSED
    assert stands(fleet, waiting) is AttemptStatus.SENT


def test_an_agent_does_not_get_out_by_deregistering(fleet: Fleet) -> None:
    fleet.agent("a")
    impose(fleet, A, "a")

    fleet.agents.deregister("a")
    fleet.agent("a")

    assert stands(fleet, dispatched(fleet)) is AttemptStatus.PARKED


def test_a_capability_that_comes_later_is_closed_too(fleet: Fleet) -> None:
    impose(fleet, C, "cook")
    fleet.agent("a")

    fleet.agent("a", "work", "cook")

    message = dispatched(fleet, agent_capability="cook")
    assert stands(fleet, message) is AttemptStatus.PARKED


def test_of_two_quarantines_the_other_stands(fleet: Fleet) -> None:
    fleet.agent("a")
    impose(fleet, A, "a")
    impose(fleet, V, "1")

    lift(fleet, A, "a")

    assert fleet.agents.conditions(fleet.agents.get("a")) == {Condition.QUARANTINED}
    assert stands(fleet, dispatched(fleet)) is AttemptStatus.PARKED


def test_an_agent_that_timed_out_is_asked_again_while_all_others_are_kept_out(
    fleet: Fleet,
) -> None:
    fleet.agent("a")
    first = dispatched(fleet)
    fleet.clock.forward(60)
    fleet.dispatcher.deadline(first.attempt_id, 1)
    fleet.agent("b")
    impose(fleet, A, "b")

    fleet.says("a", "idle")
    again = dispatched(fleet, retry=1)

    assert fleet.attempt(again).agent_id == "a"


def test_who_why_and_when_are_on_record_also_after_it(fleet: Fleet) -> None:
    impose(fleet, C, "a capability/with all")
    began = fleet.clock()
    fleet.clock.forward(60)
    again = fleet.quarantines.impose(C, "a capability/with all", "another reason", "else")
    (standing,) = fleet.quarantines.listed(past=False, limit=10, cursor=None).items
    fleet.quarantines.lift(C, "a capability/with all", "else")

    assert standing == again
    assert (standing.reason, standing.by, standing.since) == ("it lies", "ops", began)
    assert not fleet.quarantines.listed(past=False, limit=10, cursor=None).items
    (past,) = fleet.quarantines.listed(past=True, limit=10, cursor=None).items
    assert (past.reason, past.released_by, past.released_at) == ("it lies", "else", fleet.clock())
    with pytest.raises(QuarantineNotFound):
        fleet.quarantines.lift(C, "a capability/with all", "else")


# ---- what was not finished


class Ended(Exception):
    """The process ended here."""


def end() -> None:
    raise Ended


def with_end(store: InterruptedStore, call: int, action: Callable[[], object]) -> bool:
    """Take the action in a process that ends before its n-th call of the store; False if it makes
    fewer.
    """
    try:
        return store.interrupt(action, call, end)
    except Ended:
        return True


def swept(fleet: Fleet) -> None:
    for _ in range(3):
        fleet.clock.forward(61)
        fleet.sweeper.sweep()
        fleet.settle()


def test_what_a_lost_request_began_the_sweeper_ends() -> None:
    for call in itertools.count(4):  # before that nothing is on record
        store = InterruptedStore()
        fleet = Fleet(store=store)
        for name in ("a", "b"):
            fleet.agent(name, max_concurrency=2)
        tasks = [
            dispatched(fleet, agent_id=name, task_id=f"{name}{n}", timeout=3600)
            for name in ("a", "b")
            for n in (1, 2)
        ]

        ended = with_end(store, call, partial(impose, fleet, V, "1"))
        swept(fleet)

        (record,) = fleet.quarantines.listed(past=False, limit=10, cursor=None).items
        assert record.applied
        assert {stands(fleet, task) for task in tasks} == {AttemptStatus.CLOSED}
        assert [fleet.agents.get(name).leases for name in ("a", "b")] == [{}, {}]
        if not ended:
            assert call > 20
            return


def test_what_a_lost_release_began_the_sweeper_ends() -> None:
    for call in itertools.count(4):
        store = InterruptedStore()
        fleet = Fleet(store=store)
        for name in ("a", "b"):
            fleet.agent(name)
        impose(fleet, V, "1")
        waiting = [dispatched(fleet, task_id=f"t{n}", timeout=3600) for n in (1, 2)]

        ended = with_end(store, call, partial(lift, fleet, V, "1"))
        swept(fleet)

        assert not fleet.quarantines.listed(past=False, limit=10, cursor=None).items
        assert {stands(fleet, task) for task in waiting} == {AttemptStatus.SENT}
        if not ended:
            assert call > 8
            return


@pytest.mark.parametrize("what", [A, V])
def test_whenever_an_agent_registers_the_quarantine_finds_it(what: Quarantined) -> None:
    """Before each call of the request that imposes it, and the other way round."""
    name = "late" if what is A else "1"
    for outer_imposes in (True, False):
        for call in itertools.count(1):
            store = InterruptedStore()
            fleet = Fleet(store=store)
            imposes: Callable[[], object] = partial(impose, fleet, what, name)
            registers: Callable[[], object] = partial(fleet.agent, "late")
            outer, inner = (imposes, registers) if outer_imposes else (registers, imposes)

            interrupted = store.interrupt(outer, call, inner)
            if not interrupted:
                inner()
            fleet.settle()

            agent = fleet.agents.get("late")
            assert [mark.what for mark in agent.quarantines] == [what], (outer_imposes, call)
            assert agent.idle_since is None
            if not interrupted:
                break


@pytest.mark.parametrize("what", [A, C, V])
def test_a_claim_loses_against_a_quarantine_or_is_taken_back(what: Quarantined) -> None:
    """Before each call of a dispatch, the agent goes into quarantine."""
    name = {A: "a", C: "work", V: "1"}[what]
    for call in itertools.count(1):
        store = InterruptedStore()
        fleet = Fleet(store=store)
        fleet.agent("a")
        message = fleet.message()

        interrupted = store.interrupt(
            partial(fleet.dispatch, message), call, partial(impose, fleet, what, name)
        )

        if not interrupted:
            return
        assert fleet.agents.get("a").leases == {}
        assert stands(fleet, message) in (AttemptStatus.PARKED, AttemptStatus.CLOSED)


def test_a_claim_on_an_agent_read_before_the_quarantine_loses(fleet: Fleet) -> None:
    fleet.agent("a")
    message = dispatched(fleet, agent_id="nobody")
    seen = fleet.agents.get("a")

    impose(fleet, A, "a")

    with pytest.raises(ConditionFailed):
        fleet.handover.claim(fleet.attempt(message), None, seen, 10)


class TickingClock(ManualClock):
    """Each look takes a while."""

    def __call__(self) -> int:
        self.now += 10
        return self.now


@pytest.mark.parametrize("what", [C, V])
def test_a_fleet_that_takes_longer_than_a_request_is_gone_on_with(what: Quarantined) -> None:
    fleet = Fleet(clock=TickingClock())
    for number in range(300):
        fleet.agent(f"a{number:03d}", state=None)
    name = "work" if what is C else "1"

    begun = fleet.quarantines.impose(what, name, "it lies", "ops")
    assert not begun.applied
    assert begun.seen_to
    fleet.says("a299", "idle")  # nobody has seen to it yet
    message = fleet.message(wait_timeout=3600)
    fleet.dispatch(message)
    fleet.settle()
    assert stands(fleet, message) is AttemptStatus.PARKED
    assert fleet.agents.get("a299").quarantines == ()
    for _ in range(3):
        fleet.clock.forward(61)
        fleet.sweeper.sweep()

    (record,) = fleet.quarantines.listed(past=False, limit=10, cursor=None).items
    assert record.applied
    assert all(fleet.agents.get(f"a{number:03d}").quarantines for number in range(300))
    fleet.settle()
    assert stands(fleet, message) is AttemptStatus.PARKED
    assert fleet.quarantine_records.notice().marks == ()


def test_a_large_fleet_is_seen_to_page_by_page(fleet: Fleet) -> None:
    for number in range(120):
        fleet.agent(f"a{number:03d}")

    impose(fleet, C, "work")

    assert stands(fleet, dispatched(fleet)) is AttemptStatus.PARKED
    page = fleet.agents.listed(
        state=None, capability=None, condition=Condition.QUARANTINED, limit=200, cursor=None
    )
    assert len(page.items) == 120
