"""The lease protocol against a model of it, on the DynamoDB adapter: in whatever order agents come,
work, fail, fall silent and go, who holds which task and how it ended is as the model says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from moto.core.base_backend import BackendDict

from opscore.bootstrap import ports
from opscore.errors import OutcomeDiffers, StaleFence
from opscore.lifecycle.attempts import LEASED
from opscore.models.messages import TaskMessage
from opscore.models.task import AttemptStatus
from tests.support.aws import Deployment, deployed
from tests.support.fleet import Fleet
from tests.support.memory import MemoryTokens

AGENTS = ("a", "b", "c")
TIMEOUT_SECONDS = 60
FOREVER = 10_000_000


@dataclass
class Held:
    """A task in an agent's hands. `reference`: what the agent was given."""

    agent_id: str
    reference: str


class Model(RuleBasedStateMachine):
    """`slots`: the agents there are; `out`: those that can take nothing until they say idle.

    A task waits, is held, or has its one answer: `succeeded`, or the error that failed it.
    """

    deployment: Deployment

    def __init__(self) -> None:
        super().__init__()
        BackendDict.reset()
        self.deployment.make_resources()
        self.tokens = MemoryTokens()
        self.fleet = Fleet(store=ports().store, tokens=self.tokens)
        self.slots: dict[str, int] = {}
        self.out: set[str] = set()
        self.waiting: list[TaskMessage] = []
        self.held: dict[str, Held] = {}
        self.ended: dict[str, str] = {}
        self.stale: list[str] = []
        self.messages: dict[str, TaskMessage] = {}

    # ---- what happens

    @initialize()
    def begins(self) -> None:
        """Two agents, one of them with a task."""
        for agent_id in AGENTS[:2]:
            self.comes(agent_id, slots=1)
        self.asks(twice=False)

    @rule(agent_id=st.sampled_from(AGENTS), slots=st.sampled_from((1, 2)))
    def comes(self, agent_id: str, slots: int) -> None:
        """An agent registers, anew or again, and says idle."""
        slots = max(slots, self.slots.get(agent_id, 0))
        self.fleet.agent(agent_id, max_concurrency=slots, state=None)
        self.slots[agent_id] = slots
        self.says_idle(agent_id)

    @rule(agent_id=st.sampled_from(AGENTS))
    def says_idle(self, agent_id: str) -> None:
        if agent_id in self.slots:
            self.fleet.says(agent_id, "idle")
            self.out.discard(agent_id)
            self.settle()

    @precondition(lambda self: self.slots)
    @rule(data=st.data())
    def goes(self, data: st.DataObject) -> None:
        agent_id = data.draw(st.sampled_from(sorted(self.slots)))
        self.fleet.agents.deregister(agent_id)
        del self.slots[agent_id]
        self.out.discard(agent_id)
        for token, held in list(self.held.items()):
            if held.agent_id == agent_id:
                self.end(token, "AgentLost")
        self.settle()

    @rule(twice=st.booleans())
    def asks(self, *, twice: bool) -> None:
        """A task's message comes, and perhaps once more."""
        message = self.fleet.message(
            task_id=f"step-{len(self.messages)}", timeout=TIMEOUT_SECONDS, wait_timeout=FOREVER
        )
        self.messages[message.token] = message
        self.waiting.append(message)
        for _ in range(1 + twice):
            self.fleet.dispatch(message)
        self.settle()

    @precondition(lambda self: self.held)
    @rule(data=st.data(), own_word=st.booleans(), repeat=st.booleans())
    def completes(self, data: st.DataObject, *, own_word: bool, repeat: bool) -> None:
        token = data.draw(st.sampled_from(sorted(self.held)))
        held = self.held[token]
        for _ in range(1 + repeat):
            if own_word:
                self.fleet.own_word.complete(held.reference, held.agent_id, "done")
            else:
                details = {"opscore_task_id": held.reference, "result": "done"}
                self.fleet.says(held.agent_id, "idle", details)
        self.end(token, "succeeded")
        self.says_idle(held.agent_id)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), recovers=st.booleans())
    def fails(self, data: st.DataObject, *, recovers: bool) -> None:
        """An agent reports an error; one that does not recover cools down."""
        token = data.draw(st.sampled_from(sorted(self.held)))
        held = self.held[token]
        details = {"opscore_task_id": held.reference, "error": "broken"}
        self.fleet.says(held.agent_id, "error", details)
        self.end(token, "AgentError")
        self.out.add(held.agent_id)
        if recovers:
            self.says_idle(held.agent_id)
        self.settle()

    @precondition(lambda self: self.stale)
    @rule(data=st.data())
    def speaks_too_late(self, data: st.DataObject) -> None:
        """A word on a task that has ended changes nothing, and says so."""
        reference = data.draw(st.sampled_from(self.stale))
        with pytest.raises((StaleFence, OutcomeDiffers)):
            self.fleet.own_word.complete(reference, None, "too late")
        self.settle()

    @precondition(lambda self: self.held)
    @rule()
    def all_fall_silent(self) -> None:
        """The time of everything in hand runs out, and the sweeper sees to it."""
        self.fleet.clock.forward(TIMEOUT_SECONDS + 1)
        silent = {held.agent_id for held in self.held.values()}
        self.out |= silent
        for token in list(self.held):
            self.end(token, "AgentTimeout")
        self.fleet.sweeper.sweep()
        self.settle()
        for agent_id in sorted(self.slots.keys() - silent):
            self.says_idle(agent_id)  # a cool-down may have ended in that time

    @rule()
    def is_swept(self) -> None:
        self.fleet.sweeper.sweep()
        self.settle()

    # ---- the model follows

    def end(self, token: str, how: str) -> None:
        self.stale.append(self.held.pop(token).reference)
        self.ended[token] = how

    def settle(self) -> None:
        """What is to be dispatched is; who took what, only a look can tell."""
        self.fleet.settle()
        for message in list(self.waiting):
            attempt = self.fleet.attempt(message)
            if attempt.status in LEASED:
                assert attempt.agent_id is not None
                self.waiting.remove(message)
                self.held[message.token] = Held(
                    attempt.agent_id, f"{attempt.attempt_id}.{attempt.fence}"
                )

    # ---- what must hold

    @invariant()
    def leases_are_as_in_the_model(self) -> None:
        for agent_id, slots in self.slots.items():
            mine = {
                self.messages[token].attempt_id
                for token, held in self.held.items()
                if held.agent_id == agent_id
            }
            agent = self.fleet.agents.get(agent_id)
            assert agent.leases.keys() == mine
            assert len(mine) <= slots

    @invariant()
    def each_task_is_where_the_model_has_it(self) -> None:
        for token, held in self.held.items():
            attempt = self.fleet.attempt(self.messages[token])
            assert attempt.agent_id == held.agent_id
            assert attempt.status in LEASED
        for message in self.waiting:
            assert self.fleet.attempt(message).status is AttemptStatus.PARKED
        for token in self.ended:
            assert self.fleet.attempt(self.messages[token]).status is AttemptStatus.CLOSED

    @invariant()
    def each_token_has_the_one_answer_of_the_model(self) -> None:
        answers = {
            token: how if how == "succeeded" else what.split(":")[0]
            for token, (how, what) in self.tokens.answers.items()
        }
        assert answers == self.ended

    @invariant()
    def nothing_waits_while_someone_could_do_it(self) -> None:
        free = [
            agent_id
            for agent_id, slots in self.slots.items()
            if agent_id not in self.out
            and sum(held.agent_id == agent_id for held in self.held.values()) < slots
        ]
        assert not (free and self.waiting)


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    with deployed({"LogLevel": "ERROR"}) as found:
        yield found


def test_the_lease_protocol_is_as_its_model(deployment: Deployment) -> None:
    Model.deployment = deployment
    run_state_machine_as_test(
        Model,
        settings=settings(
            max_examples=12,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],  # at most 20 steps: no smaller example is worth its minutes
            suppress_health_check=list(HealthCheck),
        ),
    )
