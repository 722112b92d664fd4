"""A gateway that is down is left alone, and found again: no storm, no task lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from opscore.lifecycle.breaker import FAILURES, LONGEST_MS, failed, is_open, pause_ms
from opscore.models.breaker import Breaker
from opscore.models.messages import TaskMessage
from opscore.models.task import AttemptStatus
from opscore.ports import Delivered
from opscore.records import keys
from opscore.services.dispatch import NotNow
from opscore.settings import TransportName
from tests.support.fleet import Fleet
from tests.support.interruption import InterruptedStore
from tests.support.memory import MemoryTransport

AGENTKIT = TransportName.AGENTKIT


class CountingTransport(MemoryTransport):
    """Counts what it is asked to deliver."""

    asked = 0

    def deliver(self, *given: object) -> Delivered:
        self.asked += 1
        return super().deliver(*given)  # type: ignore[arg-type]  # passed on as they come


def a_fleet(agents: int = 3, **more: object) -> tuple[Fleet, CountingTransport]:
    """A fleet whose gateway is down."""
    transport = CountingTransport()
    fleet = Fleet(transport=transport, **more)  # type: ignore[arg-type]  # a store, if any
    for number in range(agents):
        fleet.agent(f"a{number}")
        transport.answers[f"a{number}"] = Delivered.NOT_SENT
    return fleet, transport


def tried(fleet: Fleet, message: TaskMessage) -> int | None:
    """The seconds after which the message comes back; None if it is done with."""
    try:
        fleet.dispatch(message)
    except NotNow as later:
        return later.seconds or 0
    return None


def down(fleet: Fleet) -> None:
    """The gateway has failed often enough to be left alone."""
    for number in range(FAILURES):
        assert tried(fleet, fleet.message(task_id=f"first-{number}")) == 0


def breaker(fleet: Fleet) -> object:
    return fleet.store.get(keys.breaker(AGENTKIT))


def test_after_some_failures_nothing_is_sent_and_no_agent_claimed() -> None:
    fleet, transport = a_fleet()
    down(fleet)
    messages = [fleet.message(task_id=f"t{number}") for number in range(50)]

    waits = [tried(fleet, message) for message in messages]

    assert transport.asked == FAILURES
    assert all(wait is not None and wait > 0 for wait in waits)
    assert {fleet.attempt(message).status for message in messages} == {AttemptStatus.RECEIVED}
    assert {fleet.attempt(message).fence for message in messages} == {0}
    assert fleet.agents.get("a0").leases == {}


def test_an_outage_of_an_hour_costs_few_requests_and_few_receives() -> None:
    fleet, transport = a_fleet()
    down(fleet)
    transport.asked = 0
    fleet.clock.forward(600)
    messages = [fleet.message(task_id=f"t{number}") for number in range(100)]
    due = dict.fromkeys(range(100), fleet.clock())
    receives = dict.fromkeys(range(100), 0)
    until = fleet.clock() + 3_000_000

    while fleet.clock() < until:
        for number, at in due.items():
            if at <= fleet.clock():
                receives[number] += 1
                wait = tried(fleet, messages[number])
                due[number] = fleet.clock() + max(wait or 0, 1) * 1000
        fleet.clock.forward(1)

    assert transport.asked <= 3_000_000 / LONGEST_MS + 1
    assert max(receives.values()) <= 3_000 / 300 + 6


def test_one_task_is_sent_to_see_and_with_its_success_all_go() -> None:
    fleet, transport = a_fleet()
    down(fleet)
    fleet.clock.forward(3)
    transport.answers.clear()
    seen: list[int | None] = []
    worker = Fleet(store=fleet.store, transport=transport, clock=fleet.clock)
    message = fleet.message(task_id="other")
    transport.meanwhile = lambda *_: seen.append(tried(worker, message))

    assert tried(fleet, fleet.message(task_id="probe")) is None

    (wait,) = seen  # while it was under way, no other was sent
    assert wait is not None
    assert wait > 0
    transport.meanwhile = None
    assert breaker(fleet) is None
    assert tried(worker, message) is None


def test_a_trial_that_fails_doubles_the_pause() -> None:
    fleet, transport = a_fleet()
    down(fleet)
    for pause in (2, 4, 8, 16, 32, 60, 60):
        asked = transport.asked
        fleet.clock.forward(pause - 0.5)
        assert tried(fleet, fleet.message()) != 0
        assert transport.asked == asked
        fleet.clock.forward(0.5)
        assert tried(fleet, fleet.message()) == 0
        assert transport.asked == asked + 1


def test_a_trial_whose_worker_died_is_made_again_by_another() -> None:
    fleet, transport = a_fleet()
    down(fleet)
    fleet.clock.forward(2)
    agent = fleet.lookout.agent("a0")
    assert agent is not None
    assert fleet.gateways.closed_for(agent, 10) is None
    transport.answers.clear()
    other = Fleet(store=fleet.store, queue=fleet.queue, transport=transport, clock=fleet.clock)

    assert tried(other, fleet.message()) != 0
    fleet.clock.forward(16)
    assert tried(other, fleet.message()) is None


def test_a_trial_is_kept_when_its_agent_goes_to_another_task() -> None:
    fleet, transport = a_fleet(store=InterruptedStore())
    down(fleet)
    fleet.clock.forward(2)
    transport.answers.clear()
    store = fleet.store
    assert isinstance(store, InterruptedStore)

    # Between the trial and the claim the agent says something.
    store.interrupt(lambda: tried(fleet, fleet.message("m")), 6, lambda: fleet.says("a0", "idle"))

    assert fleet.attempt(fleet.message("m")).status is AttemptStatus.SENT


def test_what_waits_in_a_list_stays_there_and_is_taken_when_the_gateway_is_back() -> None:
    fleet, transport = a_fleet(agents=1)
    fleet.says("a0", "active")
    waiting = fleet.message("waits", timeout=600)
    fleet.dispatch(waiting)
    assert fleet.attempt(waiting).status is AttemptStatus.PARKED
    fleet.agent("other", "cook")
    transport.answers["other"] = Delivered.NOT_SENT
    for number in range(FAILURES):
        tried(fleet, fleet.message(agent_id="other", task_id=f"t{number}"))

    fleet.says("a0", "idle")
    fleet.settle()
    assert fleet.attempt(waiting).status is AttemptStatus.PARKED
    asked = transport.asked
    transport.answers.clear()
    fleet.clock.forward(70)
    fleet.sweeper.sweep()
    fleet.settle()

    assert transport.asked > asked
    assert fleet.attempt(waiting).status is AttemptStatus.SENT


def test_a_refusal_shows_that_the_gateway_is_there() -> None:
    fleet, transport = a_fleet()
    for number in range(FAILURES - 1):
        tried(fleet, fleet.message(task_id=f"t{number}"))
    assert breaker(fleet) is not None

    transport.answers = dict.fromkeys(transport.answers, Delivered.REFUSED)
    tried(fleet, fleet.message(task_id="refused"))

    assert breaker(fleet) is None


def test_agents_with_endpoints_of_their_own_close_nothing_for_others() -> None:
    fleet, transport = a_fleet()
    transport.shared = False

    for number in range(5):
        tried(fleet, fleet.message(task_id=f"t{number}"))

    assert breaker(fleet) is None


def test_many_who_fail_at_once_are_one_outage() -> None:
    """Deliveries that were under way when it closed do not make the pause longer."""
    fleet, _ = a_fleet()
    agent = fleet.lookout.agent("a0")
    assert agent is not None
    workers = [
        Fleet(store=fleet.store, transport=fleet.transport, clock=fleet.clock) for _ in range(8)
    ]
    for worker in workers:
        worker.lookout.agent("a0")

    for worker in workers:
        worker.gateways.learn(agent, Delivered.NOT_SENT)

    item = fleet.store.get(keys.breaker(AGENTKIT))
    assert item is not None
    assert item["openUntil"] == fleet.clock() + 2_000


@given(st.lists(st.integers(0, 100_000), max_size=30))
def test_pauses_grow_and_end(steps: list[int]) -> None:
    now, known = 1_800_000_000_000, None
    for number, step in enumerate(steps, 1):
        now += step
        known = failed(known, AGENTKIT, now)
        assert is_open(known) == (number >= FAILURES)
        assert known.open_until <= now + LONGEST_MS
        assert 1_000 <= pause_ms(known, now, 300_000) <= 300_000


def test_nothing_known_is_nothing_wrong() -> None:
    assert not is_open(None)
    assert not is_open(Breaker(name=AGENTKIT, failures=FAILURES - 1, since=0))
