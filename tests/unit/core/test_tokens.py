"""No token is lost: each that is open is on record with who has it, and what no one will answer the
sweeper ends, in whatever state it was left.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from opscore.http import views
from opscore.lifecycle.attempts import owner
from opscore.models.messages import AnyStep
from opscore.models.outcome import Outcome
from opscore.models.task import AttemptStatus
from opscore.ports import Delete, Delivered
from opscore.records import keys
from opscore.services.dispatch import NotNow
from tests.support.fleet import Fleet
from tests.support.memory import MemoryTokens


class Died(Exception):
    """The worker died here."""


def die(*_: object) -> None:
    raise Died


def tried(fleet: Fleet, message: AnyStep) -> None:
    """Dispatched by a worker that may die, or may have to leave the message for later."""
    with suppress(NotNow, Died):
        fleet.dispatch(message)


def unsent(fleet: Fleet) -> AnyStep:
    """Its message is lost after a try that reached nobody."""
    fleet.agent("a")
    fleet.transport.answers["a"] = Delivered.NOT_SENT
    message = fleet.message()
    tried(fleet, message)
    fleet.transport.answers.clear()
    return message


def held_back(fleet: Fleet) -> AnyStep:
    """Its message is lost while the gateway is left alone."""
    for _ in range(3):
        message = unsent(fleet)
    assert fleet.attempt(message).fence == 1
    message = fleet.message(task_id="held")
    tried(fleet, message)
    assert fleet.attempt(message).fence == 0
    return message


def parked(fleet: Fleet) -> AnyStep:
    message = fleet.message(agent_capability="nobody has it")
    tried(fleet, message)
    return message


def parked_though_one_is_free(fleet: Fleet) -> AnyStep:
    """The wake-up of an agent that became free is lost."""
    message = fleet.message()
    tried(fleet, message)
    fleet.agent("a")
    return message


def worker_died(fleet: Fleet) -> AnyStep:
    fleet.agent("a")
    fleet.transport.meanwhile = die
    message = fleet.message()
    tried(fleet, message)
    fleet.transport.meanwhile = None
    return message


def worker_died_and_agent_left(fleet: Fleet) -> AnyStep:
    message = worker_died(fleet)
    fleet.store.write(Delete(keys.agent("a")))
    return message


def spoken_to_a_dead_worker(fleet: Fleet) -> AnyStep:
    """The agent says that it began; the worker dies before it notes that it has sent the task."""
    fleet.agent("a")

    def begins(*_: object) -> None:
        fleet.says("a", "active")
        raise Died

    fleet.transport.meanwhile = begins
    message = fleet.message()
    tried(fleet, message)
    fleet.transport.meanwhile = None
    assert fleet.attempt(message).deadline is None
    return message


def silent(fleet: Fleet) -> AnyStep:
    fleet.agent("a")
    message = fleet.message()
    tried(fleet, message)
    return message


def silent_heart(fleet: Fleet) -> AnyStep:
    fleet.agent("a")
    message = fleet.message(heartbeat=10, timeout=3000)
    tried(fleet, message)
    fleet.says("a", "active")
    return message


def untold(fleet: Fleet) -> AnyStep:
    """Its outcome is accepted, and whoever accepted it dies."""
    message = silent(fleet)
    decision = fleet.outcomes.decision(
        message.attempt_id, "s1", message.task_key, "a", Outcome.success(1), {"fence": 1}
    )
    fleet.store.write(*decision)
    return message


def approval(fleet: Fleet) -> AnyStep:
    message = fleet.approval()
    tried(fleet, message)
    return message


def signal(fleet: Fleet) -> AnyStep:
    message = fleet.signal()
    tried(fleet, message)
    return message


WAYS: dict[Callable[[Fleet], AnyStep], tuple[AttemptStatus, str]] = {
    unsent: (AttemptStatus.RECEIVED, "queue"),
    held_back: (AttemptStatus.RECEIVED, "queue"),
    parked: (AttemptStatus.PARKED, "waitingList"),
    parked_though_one_is_free: (AttemptStatus.PARKED, "waitingList"),
    worker_died: (AttemptStatus.SENDING, "dispatcher"),
    worker_died_and_agent_left: (AttemptStatus.SENDING, "dispatcher"),
    spoken_to_a_dead_worker: (AttemptStatus.RUNNING, "agent"),
    silent: (AttemptStatus.SENT, "agent"),
    silent_heart: (AttemptStatus.RUNNING, "agent"),
    untold: (AttemptStatus.COMPLETING, "stepFunctions"),
    approval: (AttemptStatus.WAITING, "person"),
    signal: (AttemptStatus.WAITING, "signal"),
}


def test_every_status_is_walked_through() -> None:
    assert {status for status, _ in WAYS.values()} == set(AttemptStatus) - {AttemptStatus.CLOSED}


def in_time(fleet: Fleet) -> None:
    """What the sweeper and its messages do in three hours; everything else is lost."""
    for _ in range(180):
        fleet.clock.forward(60)
        fleet.queue.take()
        fleet.sweeper.sweep()
        for message in fleet.queue.take():
            with suppress(NotNow):  # lost as well
                fleet.dispatch(message)


@pytest.mark.parametrize("gone", [False, True], ids=["its session runs", "its session is gone"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_what_no_one_will_answer_is_ended(way: Callable[[Fleet], AnyStep], *, gone: bool) -> None:
    fleet = Fleet()
    message = way(fleet)
    left = fleet.attempt(message)
    assert (left.status, owner(left)) == WAYS[way]
    assert left.due_at is not None
    (shown,) = [
        views.open_task(attempt, fleet.clock())
        for attempt in fleet.own_word.open(limit=50, cursor=None).items
        if attempt.attempt_id == message.attempt_id
    ]
    assert (shown["status"], shown["owner"]) == WAYS[way]
    assert shown["lookedAtNext"]
    if gone:
        fleet.store.write(Delete(keys.session("s1")))

    in_time(fleet)

    ended = fleet.attempt(message)
    assert ended.status is AttemptStatus.CLOSED
    assert isinstance(fleet.tokens, MemoryTokens)
    assert message.token in fleet.tokens.answers
    assert fleet.agents.find("a") is None or not fleet.agents.get("a").leases
    assert fleet.sweeper.oldest_token_age() == 0


def test_open_tasks_come_oldest_first_page_by_page() -> None:
    fleet = Fleet()
    messages = []
    for number in range(23):
        messages.append(fleet.message(task_id=f"t{number}", agent_capability="nobody"))
        fleet.dispatch(messages[-1])
        fleet.clock.forward(1)
    person = fleet.approval(task_id="approve")
    fleet.dispatch(person)

    found, cursor = [], None
    while True:
        page = fleet.own_word.open(limit=5, cursor=cursor)
        found += [attempt.attempt_id for attempt in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert found == [message.attempt_id for message in (*messages, person)]
    first = fleet.own_word.open(limit=1, cursor=None).items[0]
    assert views.open_task(first, fleet.clock())["ageSeconds"] == 23
    assert "token" not in str(views.open_task(first, fleet.clock())).lower().replace("token-", "")
