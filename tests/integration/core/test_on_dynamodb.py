"""Whole ways of a task over DynamoDB: what only its own limits and rules would break."""

from __future__ import annotations

import pytest

from opscore.bootstrap import ports
from opscore.models.limits import MAX_CAPABILITIES, MAX_PAYLOAD_BYTES
from opscore.models.session import SessionStatus
from opscore.models.task import AttemptStatus
from opscore.ports import Delivered
from opscore.records.dead_letters import LetterFilter
from opscore.services.dispatch import NotNow
from tests.support.aws import Deployment
from tests.support.fleet import Fleet
from tests.support.memory import MemoryTokens


@pytest.fixture
def fleet(deployment: Deployment) -> Fleet:
    """The services over the tables of template.yaml."""
    assert deployment.items("AgentsTable") == []
    return Fleet(store=ports().store)


def answers(fleet: Fleet) -> dict[str, tuple[str, str]]:
    assert isinstance(fleet.tokens, MemoryTokens)
    return fleet.tokens.answers


def test_a_task_waits_is_woken_begun_and_done(fleet: Fleet, deployment: Deployment) -> None:
    message = fleet.message("token")
    fleet.dispatch(message)
    fleet.agent("a")
    fleet.settle()
    fleet.says("a", "active")
    fleet.says("a", "idle", {"result": {"empty": "", "none": None, "n": 1e300, "b": 2**80}})
    fleet.settle()

    assert answers(fleet) == {
        "token": ("succeeded", f'{{"empty":"","none":null,"n":1e+300,"b":{2**80}}}')
    }
    left = {str(item["pk"]).split("#")[0] for item in deployment.items("AgentsTable")}
    assert left == {"agent", "directory", "history", "idle"}


def test_an_agent_of_most_capabilities_comes_changes_works_and_goes(
    fleet: Fleet, deployment: Deployment
) -> None:
    first = [f"one{i}" for i in range(MAX_CAPABILITIES)]
    second = [f"two{i}" for i in range(MAX_CAPABILITIES - 1)] + ["work"]
    fleet.agent("a", *first, max_concurrency=2)
    fleet.agent("a", *second, max_concurrency=1)
    message = fleet.message("token")

    fleet.dispatch(message)
    fleet.says("a", "idle", {"opscore_task_id": fleet.reference(message)})
    fleet.agents.deregister("a")

    assert answers(fleet) == {"token": ("succeeded", "{}")}
    left = {str(item["pk"]).split("#")[0] for item in deployment.items("AgentsTable")}
    assert left == {"history"}


def test_the_longest_ids_and_largest_payloads_fit(fleet: Fleet) -> None:
    long = "😀" * 128
    fleet.agent(long, long)
    payload = {"x": "y" * (MAX_PAYLOAD_BYTES - 10)}
    message = fleet.message("t" * 1024, task_id="k" * 80, agent_capability=long, parameters=payload)

    fleet.dispatch(message)
    fleet.says(long, "active", payload)
    fleet.says(long, "idle", {"result": payload})

    assert answers(fleet)["t" * 1024][0] == "succeeded"


def test_a_refused_unsent_held_and_retried_task_ends_well(fleet: Fleet) -> None:
    fleet.agent("a")
    fleet.agent("b")
    fleet.transport.answers = {"a": Delivered.REFUSED, "b": Delivered.NOT_SENT}
    message = fleet.message("token", session_agent_id="a")
    with pytest.raises(NotNow):
        fleet.dispatch(message)
    fleet.sessions.update("s1", status=SessionStatus.PAUSED)
    fleet.dispatch(message)
    fleet.transport.answers.clear()
    fleet.sessions.update("s1", status=SessionStatus.RUNNING)
    fleet.settle()

    attempt = fleet.attempt(message)
    assert (attempt.status, attempt.agent_id, attempt.fence) == (AttemptStatus.SENT, "b", 3)


def test_the_sweeper_finds_what_is_due(fleet: Fleet) -> None:
    fleet.agent("a")
    sent, waits = fleet.message("sent"), fleet.message("waits", task_id="other")
    for message in (sent, waits):
        fleet.dispatch(message)
    assert fleet.sweeper.sweep() == {}

    fleet.clock.forward(600)
    fleet.sweeper.sweep()

    assert answers(fleet)["sent"][1].startswith("AgentTimeout")
    assert answers(fleet)["waits"][1].startswith("NoAgentAvailable")


def test_a_cancelled_session_leaves_nothing_open(fleet: Fleet) -> None:
    fleet.agent("a")
    for number in range(3):
        fleet.dispatch(fleet.message(task_id=f"t{number}"))

    fleet.sessions.update("s1", status=SessionStatus.CANCELLED)

    assert fleet.sweeper.oldest_token_age() == 0.0
    assert fleet.sessions.get("s1").cleaned


def test_lists_come_page_by_page(fleet: Fleet) -> None:
    for number in range(5):
        fleet.agent(f"a{number}", "work")
        fleet.session(f"s{number}")
        fleet.dead_letters.record(f"m{number}", "x", 9)
        fleet.clock.forward(1)

    agents, sessions, letters = 0, 0, 0
    cursors: list[str | None] = [None, None, None]
    for _ in range(8):
        found = fleet.agents.listed(state="idle", capability=None, limit=2, cursor=cursors[0])
        agents, cursors[0] = agents + len(found.items), found.next_cursor
        if cursors[0] is None:
            break
    for _ in range(8):
        page = fleet.sessions.listed(status="running", workflow_id="wf", limit=2, cursor=cursors[1])
        sessions, cursors[1] = sessions + len(page.items), page.next_cursor
        if cursors[1] is None:
            break
    for _ in range(8):
        more = fleet.letterbox.found(LetterFilter(), limit=2, cursor=cursors[2])
        letters, cursors[2] = letters + len(more.items), more.next_cursor
        if cursors[2] is None:
            break

    assert (agents, sessions, letters, cursors) == (5, 5, 5, [None, None, None])
