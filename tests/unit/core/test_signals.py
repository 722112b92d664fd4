"""Signals and the steps that wait for them."""

from __future__ import annotations

from typing import Any

import pytest

from opscore.errors import (
    DependencyFailed,
    SessionFinal,
    SessionNotFound,
    SignalIdReused,
    TooManySignals,
)
from opscore.models.messages import SignalMessage
from opscore.models.session import SessionStatus
from opscore.models.task import AttemptStatus
from opscore.services.signals import MAX_KEPT, Signal
from tests.support.fleet import Fleet
from tests.support.memory import MemoryTokens


def tell(fleet: Fleet, payload: Any, name: str = "go", signal_id: str | None = None) -> None:
    fleet.signals.send(Signal("s1", name, payload, signal_id))


def waits(fleet: Fleet, name: str = "go", **more: Any) -> SignalMessage:
    message = fleet.signal(name, **more)
    fleet.dispatch(message)
    return message


def answers(fleet: Fleet) -> dict[str, tuple[str, str]]:
    assert isinstance(fleet.tokens, MemoryTokens)
    return fleet.tokens.answers


def test_a_signal_is_the_result_of_the_step_that_waits_for_it(fleet: Fleet) -> None:
    message = waits(fleet)
    assert fleet.attempt(message).status is AttemptStatus.WAITING

    tell(fleet, {"n": 1})

    assert answers(fleet) == {message.token: ("succeeded", '{"n":1}')}
    assert fleet.attempt(message).status is AttemptStatus.CLOSED


def test_signals_that_come_too_early_are_kept_in_order(fleet: Fleet) -> None:
    fleet.session("s1")
    for payload in (1, 2, 3):
        tell(fleet, payload)

    messages = [waits(fleet, task_id=f"t{n}") for n in range(4)]

    given = [answers(fleet).get(message.token) for message in messages]
    assert given == [("succeeded", "1"), ("succeeded", "2"), ("succeeded", "3"), None]


def test_steps_that_wait_for_the_same_name_take_turns(fleet: Fleet) -> None:
    messages = [waits(fleet, task_id=f"t{n}") for n in range(2)]

    tell(fleet, "a")
    tell(fleet, "b")

    given = [answers(fleet)[message.token][1] for message in messages]
    assert given == ['"a"', '"b"']


def test_another_name_is_another_signal(fleet: Fleet) -> None:
    message = waits(fleet, "go")

    tell(fleet, 1, name="stop")

    assert fleet.attempt(message).status is AttemptStatus.WAITING
    assert answers(fleet) == {}


def test_two_signals_of_one_id_are_one(fleet: Fleet) -> None:
    first, second = waits(fleet, task_id="a"), waits(fleet, task_id="b")

    for _ in range(3):
        tell(fleet, 1, signal_id="x")

    assert list(answers(fleet)) == [first.token]
    assert fleet.attempt(second).status is AttemptStatus.WAITING
    with pytest.raises(SignalIdReused):
        tell(fleet, 2, signal_id="x")
    tell(fleet, 2, signal_id="y")
    assert answers(fleet)[second.token] == ("succeeded", "2")


def test_no_more_signals_are_kept_than_may_be(fleet: Fleet) -> None:
    fleet.session("s1")
    for number in range(MAX_KEPT):
        tell(fleet, number)

    with pytest.raises(TooManySignals, match="100 signals 'go' are kept"):
        tell(fleet, "one more")

    tell(fleet, "another name's", name="stop")
    waits(fleet)
    tell(fleet, "one more")


def test_a_final_session_takes_no_signal(fleet: Fleet) -> None:
    fleet.session("s1", status=SessionStatus.COMPLETED)

    with pytest.raises(SessionFinal):
        tell(fleet, 1)
    with pytest.raises(SessionNotFound):
        fleet.signals.send(Signal("nobody's", "go", 1))


def test_a_paused_session_takes_signals(fleet: Fleet) -> None:
    fleet.session("s1")
    fleet.sessions.update("s1", status=SessionStatus.PAUSED)
    message = waits(fleet)

    tell(fleet, 1)

    assert message.token in answers(fleet)


def test_a_step_whose_signal_does_not_come_times_out_and_leaves_it_to_the_next(
    fleet: Fleet,
) -> None:
    late = waits(fleet, timeout=60)
    fleet.clock.forward(60)
    fleet.sweeper.sweep()
    assert answers(fleet)[late.token] == ("failed", "Timeout: no signal 'go' came within 60 s")

    tell(fleet, 1)
    message = waits(fleet, retry=1)

    assert answers(fleet)[message.token] == ("succeeded", "1")


def test_a_signal_that_a_dead_token_got_goes_to_the_next_step(fleet: Fleet) -> None:
    dead = waits(fleet, task_id="a")
    message = waits(fleet, task_id="b")
    assert isinstance(fleet.tokens, MemoryTokens)
    fleet.tokens.dead.add(dead.token)

    tell(fleet, 1)

    assert fleet.attempt(dead).superseded
    assert answers(fleet) == {message.token: ("succeeded", "1")}


def test_a_signal_that_a_dead_token_got_is_kept_for_the_next_step(fleet: Fleet) -> None:
    dead = waits(fleet, task_id="a")
    assert isinstance(fleet.tokens, MemoryTokens)
    fleet.tokens.dead.add(dead.token)
    tell(fleet, 1, signal_id="x")

    message = waits(fleet, task_id="b")

    assert answers(fleet) == {message.token: ("succeeded", "1")}


def test_a_message_that_comes_again_takes_no_second_signal(fleet: Fleet) -> None:
    message = waits(fleet)
    fleet.dispatch(message)
    tell(fleet, 1)
    fleet.dispatch(message)
    tell(fleet, 2)

    other = waits(fleet, task_id="b")

    assert answers(fleet)[other.token] == ("succeeded", "2")


class Away(MemoryTokens):
    """Step Functions does not answer, until told."""

    def __init__(self) -> None:
        super().__init__()
        self.away = True

    def succeed(self, token: str, output: str) -> None:
        if self.away:
            raise DependencyFailed("Step Functions did not answer")
        super().succeed(token, output)


def test_a_signal_that_can_not_be_passed_on_yet_is_taken_all_the_same() -> None:
    tokens = Away()
    fleet = Fleet(tokens=tokens)
    message = waits(fleet)

    tell(fleet, 1)

    tokens.away = False
    fleet.clock.forward(30)
    fleet.sweeper.sweep()
    assert tokens.answers == {message.token: ("succeeded", "1")}


def test_a_signal_that_is_waited_for_in_time_is_no_token_open_for_too_long(fleet: Fleet) -> None:
    waits(fleet, timeout=3600)
    fleet.clock.forward(3000)
    assert fleet.sweeper.oldest_token_age() == 0

    fleet.clock.forward(700)

    assert fleet.sweeper.oldest_token_age() == 100
