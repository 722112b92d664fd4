"""Agents come, change, go, and speak before anyone knows them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from opscore.errors import AgentNotFound, InvalidCursor
from opscore.models.agent import Agent
from opscore.models.limits import MAX_CAPABILITIES
from opscore.models.task import AttemptStatus
from opscore.ports import ListedAgent
from opscore.records.agents import EARLY_SECONDS
from opscore.services.agents import Registration
from tests.support.fleet import Fleet
from tests.support.interruption import InterruptedStore
from tests.support.memory import MemoryStore, MemoryTokens


def registration(agent_id: str = "a", *capabilities: str, version: str = "1") -> Registration:
    return Registration(
        agent_id=agent_id,
        agent_name=agent_id,
        version=version,
        capabilities=capabilities or ("work",),
        contact_endpoint="http://a.example/run",
    )


def left_of(fleet: Fleet, agent_id: str) -> list[str]:
    """Where the agent's id still stands, but for its history."""
    assert isinstance(fleet.store, MemoryStore)
    return [
        key.pk
        for key in fleet.store.items
        if agent_id in (key.sk.split("#")[-1], key.pk.partition("#")[2])
        and not key.pk.startswith("history#")
    ]


def test_registering_again_updates_the_details_and_keeps_the_state(fleet: Fleet) -> None:
    fleet.agent("a", "work", max_concurrency=2)
    message = fleet.message()
    fleet.dispatch(message)
    before = fleet.agents.get("a")

    fleet.agents.register(registration("a", "cook", version="2"))

    after = fleet.agents.get("a")
    assert (after.version, after.capabilities) == ("2", ("cook",))
    assert (after.state, after.leases, after.registered_at) == (
        before.state,
        before.leases,
        before.registered_at,
    )
    assert after.max_concurrency == 2


def test_an_agent_that_loses_a_capability_gets_no_such_tasks_any_more(fleet: Fleet) -> None:
    fleet.agent("a", "work", "cook")
    fleet.agents.register(registration("a", "cook"))

    message = fleet.message()
    fleet.dispatch(message)

    assert fleet.attempt(message).status is AttemptStatus.PARKED
    assert [a.agent_id for a in listed(fleet, capability="work")] == []
    assert [a.agent_id for a in listed(fleet, capability="cook")] == ["a"]


def test_a_capability_named_twice_is_one(fleet: Fleet) -> None:
    fleet.agents.register(registration("a", "work", "work"))

    assert fleet.agents.get("a").capabilities == ("work",)


def test_an_idle_agent_may_exchange_all_its_capabilities_and_go(fleet: Fleet) -> None:
    first = [f"one{i}" for i in range(MAX_CAPABILITIES)]
    second = [f"two{i}" for i in range(MAX_CAPABILITIES)]
    fleet.agent("a", *first)

    fleet.agents.register(registration("a", *second))
    assert fleet.agents.get("a").capabilities == tuple(second)
    fleet.agents.deregister("a")

    assert left_of(fleet, "a") == []


def test_an_agent_with_several_slots_and_every_capability_can_be_registered(fleet: Fleet) -> None:
    agent = fleet.agent("a", *map(str, range(MAX_CAPABILITIES)), max_concurrency=2, state=None)

    assert agent.idle_since is not None


# ---- going


def test_nothing_is_left_of_an_agent_that_has_gone(fleet: Fleet) -> None:
    fleet.agent("a", "work", "cook")

    fleet.agents.deregister("a")

    assert left_of(fleet, "a") == []
    with pytest.raises(AgentNotFound):
        fleet.agents.get("a")
    with pytest.raises(AgentNotFound):
        fleet.agents.deregister("a")


def test_the_tasks_of_an_agent_that_has_gone_are_lost_and_may_be_retried(fleet: Fleet) -> None:
    fleet.agent("a", max_concurrency=2)
    messages = [fleet.message(f"token{i}") for i in range(2)]
    for message in messages:
        fleet.dispatch(message)

    fleet.agents.deregister("a")

    assert isinstance(fleet.tokens, MemoryTokens)
    lost = ("failed", "AgentLost: agent a was deregistered")
    assert fleet.tokens.answers == {"token0": lost, "token1": lost}
    assert {fleet.attempt(m).status for m in messages} == {AttemptStatus.CLOSED}


def test_a_task_that_is_done_is_not_lost_with_its_agent(fleet: Fleet) -> None:
    fleet.agent("a")
    message = fleet.message("token")
    fleet.dispatch(message)
    fleet.own_word.complete(fleet.reference(message), "a", 1)

    fleet.agents.deregister("a")

    assert isinstance(fleet.tokens, MemoryTokens)
    assert fleet.tokens.answers == {"token": ("succeeded", "1")}


# ---- speaking early


def test_a_report_from_before_the_registration_is_applied_by_it(fleet: Fleet) -> None:
    with pytest.raises(AgentNotFound):
        fleet.says("a", "idle", {"load": 1})

    agent = fleet.agents.register(registration())

    assert (agent.state, agent.details) == ("idle", {"load": 1})
    assert agent.idle_since is not None
    assert fleet.agents.get("a") == agent
    history = fleet.agents.history("a", limit=10, cursor=None).items
    assert [entry.state for entry in history] == ["idle"]


def test_a_task_waiting_for_the_agent_is_taken_by_that(fleet: Fleet) -> None:
    message = fleet.message()
    fleet.dispatch(message)
    with pytest.raises(AgentNotFound):
        fleet.says("a", "idle")

    fleet.agents.register(registration())
    fleet.settle()

    assert fleet.attempt(message).agent_id == "a"


def test_a_report_from_long_before_the_registration_is_forgotten(fleet: Fleet) -> None:
    with pytest.raises(AgentNotFound):
        fleet.says("a", "idle")
    fleet.clock.forward(EARLY_SECONDS + 1)

    assert fleet.agents.register(registration()).state == "UNKNOWN"


def test_an_early_report_is_applied_once(fleet: Fleet) -> None:
    with pytest.raises(AgentNotFound):
        fleet.says("a", "idle")
    fleet.agents.register(registration())
    fleet.agents.deregister("a")

    assert fleet.agents.register(registration()).state == "UNKNOWN"


@pytest.mark.parametrize("outer", ["report", "register"])
def test_report_and_registration_at_once_lose_no_state_whatever_comes_in_between(
    outer: str,
) -> None:
    for step in itertools.count(1):
        store = InterruptedStore()
        fleet = Fleet(store=store)

        def report(fleet: Fleet = fleet) -> None:
            try:
                fleet.says("a", "idle", {"load": 1})
            except AgentNotFound:
                return

        def register(fleet: Fleet = fleet) -> None:
            fleet.agents.register(registration())

        first, second = (report, register) if outer == "report" else (register, report)
        if not store.interrupt(first, step, second):
            assert step > 2
            return

        agent = fleet.agents.get("a")
        assert (agent.state, agent.details) == ("idle", {"load": 1}), f"lost before call {step}"
        assert agent.idle_since is not None


# ---- state and history


def test_the_newest_report_is_shown_and_older_ones_are_in_the_history(fleet: Fleet) -> None:
    fleet.agent("a", state=None)
    fleet.says("a", "idle", at=2_000)
    fleet.says("a", "active", at=1_000)

    assert fleet.agents.get("a").state == "idle"
    history = fleet.agents.history("a", limit=10, cursor=None).items
    assert [(entry.state, entry.displayed) for entry in history] == [
        ("idle", True),
        ("active", False),
    ]


def test_history_comes_page_by_page_the_newest_first(fleet: Fleet) -> None:
    fleet.agent("a", state=None)
    for number in range(5):
        fleet.says("a", f"state{number}")

    seen: list[str] = []
    cursor = None
    while True:
        page = fleet.agents.history("a", limit=2, cursor=cursor)
        seen += [entry.state for entry in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert seen == [f"state{number}" for number in reversed(range(5))]


def test_the_history_of_an_agent_that_nobody_knows_is_refused(fleet: Fleet) -> None:
    with pytest.raises(AgentNotFound):
        fleet.agents.history("a", limit=1, cursor=None)


def test_a_cursor_of_one_agents_history_does_not_open_anothers(fleet: Fleet) -> None:
    for agent_id in ("a", "b"):
        fleet.agent(agent_id)
        fleet.says(agent_id, "active")
    cursor = fleet.agents.history("a", limit=1, cursor=None).next_cursor

    with pytest.raises(InvalidCursor):
        fleet.agents.history("b", limit=1, cursor=cursor)


def listed(fleet: Fleet, **wanted: str) -> list[Agent]:
    seen: list[Agent] = []
    cursor = None
    while True:
        page = fleet.agents.listed(
            state=wanted.get("state"), capability=wanted.get("capability"), limit=2, cursor=cursor
        )
        seen += page.items
        cursor = page.next_cursor
        if cursor is None:
            return seen


def test_agents_are_listed_by_state_and_by_capability(fleet: Fleet) -> None:
    fleet.agent("a", "work")
    fleet.agent("b", "work", "cook", state="Active")
    fleet.agent("c", "cook")
    fleet.agent("d", "cook", state=None)

    def ids(**wanted: str) -> set[str]:
        found = [agent.agent_id for agent in listed(fleet, **wanted)]
        assert len(set(found)) == len(found)
        return set(found)

    assert ids() == {"a", "b", "c", "d"}
    assert ids(state="IDLE ") == {"a", "c"}
    assert ids(state="active") == {"b"}
    assert ids(state="unknown") == {"d"}
    assert ids(capability="cook") == {"b", "c", "d"}
    assert ids(state="idle", capability="cook") == {"c"}
    assert ids(capability="fly") == set()


# ---- AgentKit's list


class Directory:
    def __init__(self, *agents: ListedAgent) -> None:
        self._agents = agents

    def agents(self) -> Sequence[ListedAgent]:
        return self._agents


def entry(agent_id: str, *capabilities: str, version: str = "1") -> ListedAgent:
    return ListedAgent(agent_id, agent_id, version, capabilities, f"http://{agent_id}.example")


def test_agents_that_agentkit_lists_are_registered(fleet: Fleet) -> None:
    assert fleet.agents.sync(Directory(entry("a", "work"), entry("b"))) == 2

    assert fleet.agents.get("a").contact_endpoint == "http://a.example"


def test_a_second_look_at_the_same_list_changes_nothing(fleet: Fleet) -> None:
    fleet.agents.sync(Directory(entry("a", "work")))
    before = fleet.agents.get("a")

    assert fleet.agents.sync(Directory(entry("a", "work"))) == 0
    assert fleet.agents.get("a") == before


def test_what_agentkit_lists_otherwise_is_updated_and_the_rest_stays(fleet: Fleet) -> None:
    fleet.agent("a", "work", metadata={"zone": "b"}, max_concurrency=3)

    assert fleet.agents.sync(Directory(entry("a", "work", version="2"))) == 1

    agent = fleet.agents.get("a")
    assert (agent.version, agent.metadata, agent.max_concurrency) == ("2", {"zone": "b"}, 3)
    assert agent.state == "idle"


def test_no_agent_is_removed_because_it_is_not_listed(fleet: Fleet) -> None:
    fleet.agent("a")

    assert fleet.agents.sync(Directory()) == 0
    assert fleet.agents.find("a") is not None
