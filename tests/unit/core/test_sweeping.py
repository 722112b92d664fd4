"""Whatever step was lost, the sweeper makes up for it; what fails holds up nothing else."""

from __future__ import annotations

import itertools

import pytest

from opscore.errors import DependencyFailed
from opscore.models.messages import AttemptMessage
from opscore.models.outcome import Outcome
from opscore.models.task import AttemptStatus
from opscore.ports import Delivered
from opscore.records import keys
from opscore.services.dispatch import NotNow
from tests.support.fleet import Fleet
from tests.support.memory import MemoryStore, MemoryTokens

HOUR = 3600


class MuteTokens(MemoryTokens):
    """Step Functions that never answers for one token."""

    def succeed(self, token: str, output: str) -> None:
        if token == "mute":
            raise DependencyFailed("Step Functions did not answer")
        super().succeed(token, output)


def sweep(fleet: Fleet, seconds: float = 60, rounds: int = 1) -> None:
    for _ in range(rounds):
        fleet.clock.forward(seconds)
        fleet.sweeper.sweep()
        fleet.settle()


def test_an_unsent_task_whose_message_got_lost_is_sent(fleet: Fleet) -> None:
    fleet.agent("a")
    fleet.transport.answers["a"] = Delivered.NOT_SENT
    message = fleet.message()
    with pytest.raises(NotNow):
        fleet.dispatch(message)
    fleet.transport.answers.clear()

    sweep(fleet, 900)

    assert fleet.attempt(message).status is AttemptStatus.SENT


def test_a_task_whose_worker_died_is_sent(fleet: Fleet) -> None:
    class Died(Exception):
        pass

    def die(*_: object) -> None:
        raise Died

    fleet.agent("a")
    fleet.transport.meanwhile = die
    message = fleet.message()
    with pytest.raises(Died):
        fleet.dispatch(message)
    fleet.transport.meanwhile = None

    sweep(fleet, 16)

    assert fleet.attempt(message).status is AttemptStatus.SENT
    assert fleet.attempt(message).fence == 1


def test_a_cool_down_whose_message_got_lost_ends(fleet: Fleet) -> None:
    fleet.agent("a", state="error")
    message = fleet.message()
    fleet.dispatch(message)

    sweep(fleet, 6)

    assert fleet.attempt(message).agent_id == "a"


def test_nothing_is_looked_at_before_its_time(fleet: Fleet) -> None:
    fleet.agent("a")
    for _ in range(2):
        fleet.dispatch(fleet.message())

    assert fleet.sweeper.sweep() == {}


def test_one_that_fails_does_not_hold_up_the_others() -> None:
    fleet = Fleet(tokens=MuteTokens())
    for number, token in enumerate(("mute", "b", "c")):
        fleet.agent(f"a{number}")
        message = fleet.message(token, task_id=token)
        fleet.dispatch(message)
        decision = fleet.outcomes.decision(
            message.attempt_id, "s1", token, "a", Outcome.success(1), {}
        )
        fleet.store.write(*decision)

    fleet.clock.forward(30)
    seen = fleet.sweeper.sweep()

    assert isinstance(fleet.tokens, MuteTokens)
    assert set(fleet.tokens.answers) == {"b", "c"}
    assert seen["failed"] == 1
    assert seen["attempt"] == 3


def test_one_that_cannot_be_read_does_not_hold_up_the_others(fleet: Fleet) -> None:
    assert isinstance(fleet.store, MemoryStore)
    messages = [fleet.message(task_id=f"step-{number}") for number in range(2)]
    for number, message in enumerate(messages):
        fleet.agent(f"agent-{number}")
        fleet.dispatch(message)
    fleet.store.items[keys.attempt(messages[0].attempt_id)]["status"] = "OF_A_LATER_VERSION"

    sweep(fleet, 61)

    assert fleet.attempt(messages[1]).status is AttemptStatus.CLOSED


def test_a_sweep_without_time_left_stops(fleet: Fleet) -> None:
    for number in range(3):
        fleet.dispatch(fleet.message(task_id=f"t{number}"))
    fleet.clock.forward(HOUR)
    left = itertools.chain([True, False], itertools.repeat(False))

    assert fleet.sweeper.sweep(lambda: next(left)).total() == 1


def test_many_due_at_once_are_all_looked_at(fleet: Fleet) -> None:
    messages = [fleet.message(task_id=f"t{number}") for number in range(120)]
    for message in messages:
        fleet.dispatch(message)
    fleet.queue.take()

    fleet.clock.forward(HOUR)
    fleet.sweeper.sweep()

    assert {fleet.attempt(m).status for m in messages} == {AttemptStatus.CLOSED}
    assert isinstance(fleet.tokens, MemoryTokens)
    assert len(fleet.tokens.answers) == 120


def test_a_quiet_deployment_is_quiet(fleet: Fleet) -> None:
    fleet.agent("a")
    message = fleet.message()
    fleet.dispatch(message)
    fleet.own_word.complete(fleet.reference(message), "a", 1)
    fleet.says("a", "idle")
    fleet.queue.take()

    sweep(fleet, HOUR, rounds=3)

    assert fleet.sweeper.sweep() == {}
    assert fleet.queue.sent == []


def test_a_lost_task_is_not_sent_for_twice_by_two_sweeps(fleet: Fleet) -> None:
    fleet.agent("a")
    fleet.transport.answers["a"] = Delivered.NOT_SENT
    message = fleet.message()
    with pytest.raises(NotNow):
        fleet.dispatch(message)
    fleet.clock.forward(900)

    fleet.sweeper.sweep()
    fleet.sweeper.sweep()

    assert fleet.queue.take() == [AttemptMessage(attempt_id=message.attempt_id)]


def test_the_age_of_the_oldest_open_task_is_known(fleet: Fleet) -> None:
    assert fleet.sweeper.oldest_token_age() == 0.0
    old = fleet.message(agent_id="nobody")
    fleet.dispatch(old)
    fleet.clock.forward(30)
    fleet.dispatch(fleet.message())
    fleet.clock.forward(5)
    assert fleet.sweeper.oldest_token_age() == 35.0

    fleet.outcomes.supersede(fleet.attempt(old))
    assert fleet.sweeper.oldest_token_age() == 5.0
