"""What becomes of a hand-over: accepted, refused, gone, unanswered, not sent, overtaken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from opscore.errors import SettingError
from opscore.lifecycle.attempts import MAX_REFUSALS
from opscore.models.agent import Agent
from opscore.models.messages import AttemptMessage, DeadlineMessage
from opscore.models.task import Attempt, AttemptStatus
from opscore.ports import Delivered
from opscore.services.dispatch import NotNow
from opscore.settings import TransportName
from tests.support.fleet import DRAIN_SECONDS, Fleet
from tests.support.memory import MemoryTokens


def answers(fleet: Fleet) -> dict[str, tuple[str, str]]:
    assert isinstance(fleet.tokens, MemoryTokens)
    return fleet.tokens.answers


def test_a_delivered_task_is_looked_at_when_its_time_is_over(fleet: Fleet) -> None:
    fleet.agent("a")
    message = fleet.message()

    fleet.dispatch(message)

    assert fleet.queue.sent == [(DeadlineMessage(attempt_id=message.attempt_id, fence=1), 61)]


def test_a_task_that_an_agent_refuses_goes_to_the_next_under_a_new_fence(fleet: Fleet) -> None:
    fleet.agent("a")
    fleet.agent("b")
    fleet.transport.answers["a"] = Delivered.REFUSED
    message = fleet.message(session_agent_id="a")

    fleet.dispatch(message)

    assert fleet.transport.delivered == [("b", f"{message.attempt_id}.2")]
    refuser = fleet.agents.get("a")
    assert refuser.leases == {}
    assert refuser.idle_since is not None


def test_a_task_that_its_only_agent_refuses_waits_for_another(fleet: Fleet) -> None:
    fleet.agent("a")
    fleet.transport.answers["a"] = Delivered.REFUSED
    message = fleet.message()

    fleet.dispatch(message)
    fleet.settle()
    assert fleet.attempt(message).status is AttemptStatus.PARKED

    fleet.agent("b")
    fleet.settle()
    assert fleet.attempt(message).agent_id == "b"


def test_a_task_that_many_agents_refuse_fails(fleet: Fleet) -> None:
    for number in range(MAX_REFUSALS + 2):
        fleet.agent(f"a{number}")
        fleet.transport.answers[f"a{number}"] = Delivered.REFUSED
    message = fleet.message("token")

    fleet.dispatch(message)

    assert answers(fleet)["token"][1].startswith("DispatchFailed: refused by ")
    assert fleet.attempt(message).status is AttemptStatus.CLOSED
    assert fleet.attempt(message).fence == MAX_REFUSALS


def test_an_agent_that_is_gone_is_left_alone_for_a_while_and_the_next_one_asked(
    fleet: Fleet,
) -> None:
    fleet.agent("a")
    fleet.agent("b")
    fleet.transport.answers["a"] = Delivered.GONE
    message = fleet.message(session_agent_id="a")

    fleet.dispatch(message)

    assert fleet.transport.delivered == [("b", f"{message.attempt_id}.2")]
    gone = fleet.agents.get("a")
    assert gone.idle_since is None
    assert gone.cooldown_until == fleet.clock() + DRAIN_SECONDS * 1000


def test_an_agent_that_was_gone_gets_work_again_as_soon_as_it_speaks(fleet: Fleet) -> None:
    fleet.agent("a")
    fleet.transport.answers["a"] = Delivered.GONE
    with pytest.raises(NotNow):
        fleet.dispatch(fleet.message("token"))
    fleet.dispatch(fleet.message("token"))
    assert fleet.attempt(fleet.message("token")).status is AttemptStatus.PARKED

    fleet.transport.answers.clear()
    fleet.says("a", "idle")
    fleet.settle()

    assert fleet.attempt(fleet.message("token")).status is AttemptStatus.SENT


def test_when_the_gateway_is_down_no_other_agent_is_tried_and_the_message_comes_back(
    fleet: Fleet,
) -> None:
    for agent_id in ("a", "b"):
        fleet.agent(agent_id)
        fleet.transport.answers[agent_id] = Delivered.NOT_SENT
    message = fleet.message()

    with pytest.raises(NotNow) as refusal:
        fleet.dispatch(message)

    attempt = fleet.attempt(message)
    assert refusal.value.seconds is None
    assert (attempt.status, attempt.fence, attempt.agent_id) == (AttemptStatus.RECEIVED, 1, None)
    assert all(fleet.agents.get(a).idle_since for a in ("a", "b"))
    assert attempt.due_at is not None


def test_when_one_agents_own_endpoint_is_down_another_is_tried(fleet: Fleet) -> None:
    fleet.transport.shared = False
    fleet.agent("a")
    fleet.agent("b")
    fleet.transport.answers["a"] = Delivered.NOT_SENT
    message = fleet.message(session_agent_id="a")

    fleet.dispatch(message)

    assert fleet.transport.delivered == [("b", f"{message.attempt_id}.2")]


def test_when_every_endpoint_is_down_the_message_comes_back(fleet: Fleet) -> None:
    fleet.transport.shared = False
    for agent_id in ("a", "b"):
        fleet.agent(agent_id)
        fleet.transport.answers[agent_id] = Delivered.NOT_SENT

    with pytest.raises(NotNow):
        fleet.dispatch(fleet.message())


def test_agents_that_take_long_to_refuse_are_not_all_asked_at_once(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    for agent_id in ("a", "b", "c"):
        fleet.agent(agent_id)
    message = fleet.message()

    def slowly(_agent: Agent, _attempt: Attempt, timeout_seconds: float) -> Delivered:
        fleet.clock.forward(timeout_seconds)
        return Delivered.REFUSED

    monkeypatch.setattr(fleet.transport, "deliver", slowly)
    with pytest.raises(NotNow):
        fleet.dispatch(message)

    attempt = fleet.attempt(message)
    assert (attempt.status, len(attempt.refused_by)) == (AttemptStatus.RECEIVED, 1)


def test_a_task_whose_agent_did_not_answer_counts_as_delivered(fleet: Fleet) -> None:
    fleet.agent("a")
    fleet.agent("b")
    fleet.transport.answers["a"] = Delivered.UNANSWERED
    message = fleet.message(session_agent_id="a")

    fleet.dispatch(message)

    assert fleet.attempt(message).status is AttemptStatus.SENT
    assert list(fleet.agents.get("a").leases) == [message.attempt_id]
    assert fleet.agents.get("b").leases == {}


def test_a_transport_that_the_deployment_lacks_costs_no_agent_its_slot() -> None:
    fleet = Fleet()

    def none_such(name: TransportName | None) -> Any:
        raise SettingError("missing setting: AGENTKIT_API_URL")

    fleet.dispatcher._handover._transports = none_such
    fleet.agent("a")

    with pytest.raises(SettingError):
        fleet.dispatch(fleet.message())

    assert fleet.agents.get("a").leases == {}


def test_an_agent_of_a_transport_that_the_deployment_lacks_is_not_in_the_way_of_others() -> None:
    fleet = Fleet()

    def direct_only(name: TransportName | None) -> Any:
        if name is TransportName.AGENTKIT:
            raise SettingError("missing setting: AGENTKIT_API_URL")
        return fleet.transport

    fleet.dispatcher._handover._transports = direct_only
    fleet.agent("a", transport=TransportName.AGENTKIT)
    fleet.agent("b")
    message = fleet.message()

    fleet.dispatch(message)

    assert fleet.attempt(message).agent_id == "b"


# ---- reports that come before the request is answered

Meanwhile = Callable[[Agent, Attempt], None]


def working(fleet: Fleet, *states: str, named: bool) -> Meanwhile:
    """An agent that works inside the request."""

    def work(agent: Agent, attempt: Attempt) -> None:
        reference = f"{attempt.attempt_id}.{attempt.fence}"
        for state in states:
            details: dict[str, Any] = {"opscore_task_id": reference} if named else {}
            fleet.says(agent.agent_id, state, details)

    return work


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("answer", [Delivered.ACCEPTED, Delivered.UNANSWERED])
def test_a_task_that_is_done_before_its_request_is_answered_stays_done(
    fleet: Fleet, answer: Delivered, *, named: bool
) -> None:
    fleet.agent("a")
    fleet.transport.answers["a"] = answer
    fleet.transport.meanwhile = working(fleet, "active", "idle", named=named)
    message = fleet.message("token")

    fleet.dispatch(message)

    assert answers(fleet) == {"token": ("succeeded", "{}")}
    assert fleet.attempt(message).status is AttemptStatus.CLOSED
    agent = fleet.agents.get("a")
    assert agent.leases == {}
    assert agent.idle_since is not None


@pytest.mark.parametrize("named", [True, False])
def test_a_task_that_has_begun_before_its_request_is_answered_keeps_running_with_a_deadline(
    fleet: Fleet, *, named: bool
) -> None:
    fleet.agent("a")
    fleet.transport.meanwhile = working(fleet, "active", named=named)
    message = fleet.message()

    fleet.dispatch(message)

    attempt = fleet.attempt(message)
    assert attempt.status is AttemptStatus.RUNNING
    assert attempt.deadline == fleet.clock() + 60_000


@pytest.mark.parametrize("answer", [Delivered.REFUSED, Delivered.GONE, Delivered.NOT_SENT])
@pytest.mark.parametrize("states", [("active",), ("active", "idle")])
def test_an_agents_report_counts_more_than_how_its_request_was_answered(
    fleet: Fleet, answer: Delivered, states: tuple[str, ...]
) -> None:
    fleet.agent("a")
    fleet.agent("b")
    work = working(fleet, *states, named=True)

    class Rude(type(fleet.transport)):  # type: ignore[misc]  # the fake's class is what is meant
        def deliver(self, agent: Agent, attempt: Attempt, timeout_seconds: float) -> Delivered:
            super().deliver(agent, attempt, timeout_seconds)
            work(agent, attempt)
            return answer

    fleet.transport = Rude()
    message = fleet.message(session_agent_id="a")

    fleet.dispatch(message)

    done = states[-1] == "idle"
    expected = AttemptStatus.CLOSED if done else AttemptStatus.RUNNING
    assert fleet.attempt(message).status is expected
    assert [agent_id for agent_id, _ in fleet.transport.delivered] == ["a"]
    assert fleet.agents.get("b").leases == {}


def test_a_task_begun_under_a_rude_answer_gets_its_deadline_from_the_sweeper(fleet: Fleet) -> None:
    fleet.agent("a")
    work = working(fleet, "active", named=True)

    class Rude(type(fleet.transport)):  # type: ignore[misc]  # the fake's class is what is meant
        def deliver(self, agent: Agent, attempt: Attempt, timeout_seconds: float) -> Delivered:
            work(agent, attempt)
            return Delivered.REFUSED

    fleet.transport = Rude()
    message = fleet.message("token")
    fleet.dispatch(message)
    assert fleet.attempt(message).deadline is None

    fleet.clock.forward(20)
    fleet.sweeper.sweep()
    fleet.clock.forward(61)
    fleet.sweeper.sweep()

    assert answers(fleet)["token"][1].startswith("AgentTimeout")


def test_a_woken_task_that_could_not_be_sent_is_tried_again_from_the_queue(fleet: Fleet) -> None:
    message = fleet.message()
    fleet.dispatch(message)
    fleet.queue.take()
    fleet.transport.answers["a"] = Delivered.NOT_SENT
    fleet.agent("a")

    for wake in fleet.queue.take():
        fleet.dispatch(wake)

    assert (AttemptMessage(attempt_id=message.attempt_id), 1) in fleet.queue.sent
    fleet.transport.answers.clear()
    fleet.settle()
    assert fleet.attempt(message).status is AttemptStatus.SENT
