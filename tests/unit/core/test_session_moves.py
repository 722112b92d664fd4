"""What people do to sessions, and what their ends do to the tasks in them."""

from __future__ import annotations

from typing import Any

import pytest

from opscore.errors import InvalidTransition, PayloadTooLarge, SessionFinal, SessionNotFound
from opscore.models.limits import MAX_PAYLOAD_BYTES
from opscore.models.session import SessionStatus
from opscore.models.task import AttemptStatus
from opscore.ports import Delivered
from opscore.services.dispatch import NotNow
from tests.support.fleet import Fleet
from tests.support.memory import MemoryMachines, MemoryStore, MemoryTokens


def entries(fleet: Fleet) -> int:
    assert isinstance(fleet.store, MemoryStore)
    return sum(1 for key in fleet.store.items if key.pk.startswith("waiting#"))


def move(fleet: Fleet, status: str) -> None:
    fleet.sessions.update("s1", status=SessionStatus(status))


# ---- pause and resume


def test_no_task_of_a_paused_session_is_handed_out_until_it_is_resumed(fleet: Fleet) -> None:
    fleet.agent("a")
    message = fleet.message()
    move(fleet, "paused")
    fleet.dispatch(message)
    fleet.settle()
    assert fleet.transport.delivered == []

    move(fleet, "running")
    fleet.settle()

    assert fleet.attempt(message).status is AttemptStatus.SENT


def test_a_task_that_waits_for_an_agent_is_held_when_its_session_is_paused(fleet: Fleet) -> None:
    message = fleet.message()
    fleet.dispatch(message)
    move(fleet, "paused")
    fleet.agent("a")
    fleet.settle()
    assert fleet.transport.delivered == []
    assert fleet.agents.get("a").idle_since is not None

    move(fleet, "running")
    fleet.settle()

    assert fleet.attempt(message).agent_id == "a"


def test_a_pause_does_not_use_up_a_waiting_tasks_time(fleet: Fleet) -> None:
    message = fleet.message(wait_timeout=600)
    fleet.dispatch(message)
    fleet.clock.forward(60)
    move(fleet, "paused")
    fleet.clock.forward(500)
    move(fleet, "running")
    fleet.settle()

    fleet.clock.forward(100)
    fleet.sweeper.sweep()
    assert fleet.attempt(message).status is AttemptStatus.PARKED

    fleet.clock.forward(501)
    fleet.sweeper.sweep()
    assert isinstance(fleet.tokens, MemoryTokens)
    assert [error for _, error in fleet.tokens.answers.values()] == [
        "NoAgentAvailable: no agent could take the task within 600 s"
    ]


def test_many_held_tasks_all_go_on(fleet: Fleet) -> None:
    fleet.agent("a", max_concurrency=50)
    move_first = [fleet.message(task_id=f"t{i}") for i in range(40)]
    move(fleet, "paused")
    for message in move_first:
        fleet.dispatch(message)
    assert entries(fleet) == 40

    move(fleet, "running")
    fleet.settle(rounds=50)

    assert {fleet.attempt(m).status for m in move_first} == {AttemptStatus.SENT}
    assert entries(fleet) == 0


def test_a_resumed_session_that_is_paused_again_holds_its_tasks(fleet: Fleet) -> None:
    fleet.agent("a")
    message = fleet.message()
    move(fleet, "paused")
    fleet.dispatch(message)
    move(fleet, "running")
    move(fleet, "paused")

    fleet.settle()

    assert fleet.transport.delivered == []
    move(fleet, "running")
    fleet.settle()
    assert fleet.attempt(message).status is AttemptStatus.SENT


def test_a_resumption_asked_for_again_sends_its_message_again(fleet: Fleet) -> None:
    fleet.agent("a")
    message = fleet.message()
    fleet.sessions.update("s1", status=SessionStatus.PAUSED)
    fleet.dispatch(message)
    fleet.sessions.update("s1", status=SessionStatus.RUNNING)
    fleet.queue.take()  # what the queue did not take, and so the caller asks again

    fleet.sessions.update("s1", status=SessionStatus.RUNNING)
    fleet.settle()

    assert fleet.attempt(message).status is AttemptStatus.SENT


def test_a_resumption_whose_message_got_lost_is_made_up_for_by_the_sweeper(fleet: Fleet) -> None:
    fleet.agent("a")
    message = fleet.message()
    move(fleet, "paused")
    fleet.dispatch(message)
    move(fleet, "running")
    fleet.queue.take()

    fleet.clock.forward(61)
    fleet.sweeper.sweep()
    fleet.settle()

    assert fleet.attempt(message).status is AttemptStatus.SENT


def test_a_task_that_is_with_an_agent_goes_on_while_its_session_is_paused(fleet: Fleet) -> None:
    fleet.agent("a")
    message = fleet.message("token")
    fleet.dispatch(message)
    move(fleet, "paused")

    fleet.own_word.complete(fleet.reference(message), "a", 1)

    assert isinstance(fleet.tokens, MemoryTokens)
    assert fleet.tokens.answers == {"token": ("succeeded", "1")}


# ---- cancel


def test_cancelling_ends_what_waits_and_what_runs_and_stops_the_execution(fleet: Fleet) -> None:
    assert isinstance(fleet.machines, MemoryMachines)
    arn = fleet.machines.create("m", "{}")
    fleet.machines.start(arn, "s1", "{}")
    fleet.session("s1", machine_arn=arn)
    fleet.agent("a")
    running, waiting = fleet.message(task_id="one"), fleet.message(task_id="two")
    for message in (running, waiting):
        fleet.dispatch(message)

    move(fleet, "cancelled")

    execution = fleet.machines.describe(arn, "s1")
    assert execution is not None
    assert execution.status == "ABORTED"
    for message in (running, waiting):
        attempt = fleet.attempt(message)
        assert (attempt.status, attempt.superseded) == (AttemptStatus.CLOSED, True)
    assert entries(fleet) == 0
    agent = fleet.agents.get("a")
    assert agent.leases == {}
    assert agent.draining
    session = fleet.sessions.get("s1")
    assert (session.cleaned, session.end_time) == (True, fleet.clock())


def test_an_attempt_that_was_only_received_is_closed_too(fleet: Fleet) -> None:
    fleet.agent("a")
    fleet.transport.answers["a"] = Delivered.NOT_SENT
    message = fleet.message()
    with pytest.raises(NotNow):
        fleet.dispatch(message)

    move(fleet, "cancelled")
    fleet.dispatch(message)

    assert fleet.attempt(message).status is AttemptStatus.CLOSED


def test_a_held_task_is_dropped_with_its_session(fleet: Fleet) -> None:
    message = fleet.message()
    move(fleet, "paused")
    fleet.dispatch(message)

    move(fleet, "cancelled")
    fleet.agent("a")
    fleet.settle()

    assert fleet.attempt(message).status is AttemptStatus.CLOSED
    assert fleet.transport.delivered == []
    assert entries(fleet) == 0


def test_the_word_of_an_agent_comes_too_late_for_a_cancelled_session(fleet: Fleet) -> None:
    fleet.agent("a")
    message = fleet.message("token")
    fleet.dispatch(message)
    reference = fleet.reference(message)
    move(fleet, "cancelled")

    fleet.says("a", "idle", {"opscore_task_id": reference})

    assert isinstance(fleet.tokens, MemoryTokens)
    assert fleet.tokens.answers == {}
    assert fleet.agents.get("a").idle_since is not None


def test_cancelling_twice_is_cancelling(fleet: Fleet) -> None:
    fleet.session("s1")
    for _ in range(2):
        move(fleet, "cancelled")

    assert fleet.sessions.get("s1").status is SessionStatus.CANCELLED


@pytest.mark.parametrize(
    ("final", "wanted"),
    [
        (final, wanted)
        for final in ("completed", "failed", "cancelled")
        for wanted in ("running", "paused", "cancelled")
        if final != wanted
    ],
)
def test_a_final_session_is_not_moved(fleet: Fleet, final: str, wanted: str) -> None:
    before = fleet.session("s1", status=SessionStatus(final), cleaned=True)

    with pytest.raises(SessionFinal):
        move(fleet, wanted)

    assert fleet.sessions.get("s1") == before.replace(rev=1)


def test_people_do_not_complete_sessions(fleet: Fleet) -> None:
    fleet.session("s1")

    with pytest.raises(InvalidTransition):
        move(fleet, "completed")


def test_a_session_that_nobody_knows_is_not_moved(fleet: Fleet) -> None:
    with pytest.raises(SessionNotFound):
        move(fleet, "paused")


# ---- metadata


@pytest.mark.parametrize(
    ("updates", "metadata"),
    [
        ([{"a": 1}, {"b": 2}], {"a": 1, "b": 2}),
        ([{"a": 1}, {"a": {"deep": []}}], {"a": {"deep": []}}),
        ([{"a": 1, "b": 2}, {"a": None}], {"b": 2}),
        ([{"none": None}], {}),
        ([{}], {}),
    ],
)
def test_metadata_is_merged_and_null_removes(
    fleet: Fleet, updates: list[dict[str, Any]], metadata: dict[str, Any]
) -> None:
    fleet.session("s1")
    for update in updates:
        fleet.sessions.update("s1", metadata=update)

    assert fleet.sessions.get("s1").metadata == metadata


def test_metadata_may_be_added_to_a_session_that_has_ended(fleet: Fleet) -> None:
    fleet.session("s1", status=SessionStatus.FAILED, cleaned=True)

    fleet.sessions.update("s1", metadata={"seen": True})

    session = fleet.sessions.get("s1")
    assert (session.metadata, session.status) == ({"seen": True}, SessionStatus.FAILED)


def test_metadata_does_not_grow_beyond_its_limit_bit_by_bit(fleet: Fleet) -> None:
    fleet.session("s1")
    half = "x" * (MAX_PAYLOAD_BYTES // 2)
    fleet.sessions.update("s1", metadata={"a": half})

    with pytest.raises(PayloadTooLarge):
        fleet.sessions.update("s1", metadata={"b": half})

    assert set(fleet.sessions.get("s1").metadata) == {"a"}
