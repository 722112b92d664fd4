"""Dead letters are replayed: once for each session, onto whom is wanted, on record."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from opscore.errors import (
    AgentNotFound,
    DeadLetterNotFound,
    LetterSettled,
    NotReplayable,
    SessionNotFinal,
)
from opscore.http import letter_views
from opscore.models.dead_letter import LetterState
from opscore.models.messages import TaskMessage
from opscore.models.session import Session
from opscore.ports import Delivered
from opscore.records.dead_letters import LetterFilter
from opscore.services.dispatch import NotNow
from opscore.services.replay import AT_ONCE, How, Replayed
from opscore.services.sessions import StartRequest
from tests.support.fleet import Fleet
from tests.support.interruption import InterruptedStore
from tests.support.played import answer, ended, executions, step, with_steps

JO = How(by="jo")


def dead(fleet: Fleet, session: Session, letter_id: str, name: str, **more: Any) -> TaskMessage:
    """A task of the session that nothing could be sent of: its letter, and its failure."""
    fleet.clock.forward(1)
    fleet.transport.answers["a"] = Delivered.NOT_SENT
    message = fleet.message(session_id=session.session_id, task_id=name, **more)
    with pytest.raises(NotNow):
        fleet.dispatch(message)
    fleet.clock.forward(1)
    fleet.dead_letters.record(letter_id, message.model_dump_json(by_alias=True), 7)
    fleet.transport.answers.clear()
    return message


def failed(fleet: Fleet, session: Session) -> None:
    cause = "could not be delivered, after 6 tries"
    ended(fleet, session, "FAILED", error="DispatchFailed", cause=cause)


def a_dead_session(fleet: Fleet, *letters: str) -> Session:
    """Step one was done; step two could not be delivered, once for each of the letters."""
    old = with_steps(fleet, "one", "two")
    step(fleet, old, "one", 1)
    for retry, letter_id in enumerate(letters or ("m1",)):
        dead(fleet, old, letter_id, "two", retry=retry)
    failed(fleet, old)
    return old


def state(fleet: Fleet, letter_id: str) -> tuple[LetterState, str | None]:
    found = fleet.letterbox.get(letter_id)[0]
    return found.state, found.replayed_as


def replayed(fleet: Fleet, letter_id: str = "m1", how: How = JO) -> Session:
    fleet.clock.forward(1)
    done = fleet.replays.replay(letter_id, how)
    return fleet.sessions.get(done.session_id or "")


def results(fleet: Fleet, session: Session, names: Sequence[str]) -> list[Any]:
    return [answer(fleet, step(fleet, session, name, "new")) for name in names]


def test_a_letters_session_runs_again_from_its_task(fleet: Fleet) -> None:
    old = a_dead_session(fleet)

    new = replayed(fleet)

    assert new.rerun is not None
    assert (new.rerun.of, new.rerun.from_tasks) == (old.session_id, ("two",))
    assert results(fleet, new, ["one", "two"]) == [("succeeded", "1"), ("succeeded", '"new"')]
    shown = letter_views.dead_letter(fleet.letterbox.get("m1")[0])
    assert (shown["state"], shown["replayedAs"], shown["settledBy"]) == (
        "replayed",
        new.session_id,
        "jo",
    )
    assert fleet.sessions.get(old.session_id).replayed_as == new.session_id


def test_all_letters_of_the_session_are_settled_with_it(fleet: Fleet) -> None:
    names = [f"m{number}" for number in range(AT_ONCE + 5)]
    a_dead_session(fleet, *names)

    new = replayed(fleet, "m7")

    expected = (LetterState.REPLAYED, new.session_id)
    assert {state(fleet, name) for name in names} == {expected}
    found = fleet.letterbox.found(LetterFilter(state=LetterState.OPEN), limit=9, cursor=None)
    assert found.items == []


def test_replaying_again_finds_the_same_session(fleet: Fleet) -> None:
    a_dead_session(fleet, "m1", "m2")

    ids = {replayed(fleet, name).session_id for name in ("m1", "m1", "m2")}

    assert len(ids) == 1
    assert len(executions(fleet)) == 2


def test_a_letter_that_comes_late_is_settled_by_the_session_that_runs_already(
    fleet: Fleet,
) -> None:
    old = a_dead_session(fleet)
    new = replayed(fleet)
    message = fleet.message(session_id=old.session_id, task_id="two")
    fleet.dead_letters.record("late", message.model_dump_json(by_alias=True), 7)

    done = fleet.replays.replay("late", JO)

    assert (done.session_id, done.again) == (new.session_id, True)
    assert state(fleet, "late") == (LetterState.REPLAYED, new.session_id)


def test_a_letter_whose_fallback_went_on_runs_again_with_what_came_after_it(fleet: Fleet) -> None:
    old = with_steps(fleet, "one", "two", "three")
    step(fleet, old, "one", 1)
    dead(fleet, old, "m1", "two")
    step(fleet, old, "three", 3)
    ended(fleet, old, output="null")

    new = replayed(fleet)

    assert results(fleet, new, ["one", "two", "three"]) == [
        ("succeeded", "1"),
        ("succeeded", '"new"'),
        ("succeeded", '"new"'),
    ]


# ---- onto someone else


@pytest.mark.parametrize(
    "how", [How(agent_id="b"), How(agent_capability="other")], ids=["an agent", "a capability"]
)
def test_the_letters_step_goes_to_whom_is_wanted_and_no_other_step(fleet: Fleet, how: How) -> None:
    a_dead_session(fleet)
    fleet.agent("b", "other")

    new = replayed(fleet, how=how)
    step(fleet, new, "two", "new")
    step(fleet, new, "three", "new")

    assert [agent for agent, _ in fleet.transport.delivered][-2:] == ["b", "a"]


def test_a_fallback_stays_as_the_template_has_it(fleet: Fleet) -> None:
    a_dead_session(fleet)
    fleet.agent("b", "other")
    new = replayed(fleet, how=How(agent_id="b"))

    step(fleet, new, "two", RuntimeError("no"))
    step(fleet, new, "two", "new", route=1)

    assert [agent for agent, _ in fleet.transport.delivered][-2:] == ["b", "a"]


def test_onto_an_agent_that_is_not_there_nothing_is_replayed(fleet: Fleet) -> None:
    a_dead_session(fleet)

    with pytest.raises(AgentNotFound, match="nobody"):
        replayed(fleet, how=How(agent_id="nobody"))

    assert state(fleet, "m1") == (LetterState.OPEN, None)


def test_onto_another_than_the_first_time_is_refused(fleet: Fleet) -> None:
    a_dead_session(fleet)
    fleet.agent("b")
    new = replayed(fleet, how=How(agent_id="b"))

    assert replayed(fleet, how=How(agent_id="b")).session_id == new.session_id
    with pytest.raises(LetterSettled, match=new.session_id):
        replayed(fleet, how=How(agent_id="a"))


# ---- refused


def test_what_is_no_tasks_can_only_be_discarded(fleet: Fleet) -> None:
    fleet.dead_letters.record("m1", "nonsense", 7)

    with pytest.raises(NotReplayable, match="only be discarded"):
        fleet.replays.replay("m1", JO)
    with pytest.raises(DeadLetterNotFound):
        fleet.replays.replay("unknown", JO)


def test_discarded_and_replayed_exclude_each_other(fleet: Fleet) -> None:
    a_dead_session(fleet, "m1", "m2")
    fleet.letterbox.discard("m1", "of no use", "jo")
    with pytest.raises(LetterSettled, match="discarded"):
        replayed(fleet, "m1")

    new = replayed(fleet, "m2")

    assert state(fleet, "m1") == (LetterState.DISCARDED, None)
    assert state(fleet, "m2") == (LetterState.REPLAYED, new.session_id)
    with pytest.raises(LetterSettled, match="replayed"):
        fleet.letterbox.discard("m2", "of no use", "jo")


def test_a_session_that_runs_still_is_not_replayed(fleet: Fleet) -> None:
    old = with_steps(fleet, "one")
    dead(fleet, old, "m1", "one")

    with pytest.raises(SessionNotFinal):
        replayed(fleet)

    assert state(fleet, "m1") == (LetterState.OPEN, None)


# ---- by filter


def all_of(
    fleet: Fleet, wanted: LetterFilter, how: How = JO, *, limit: int = 2, dry_run: bool = False
) -> list[Replayed]:
    done, cursor = list[Replayed](), None
    while True:
        page = fleet.replays.replay_found(wanted, how, limit=limit, cursor=cursor, dry_run=dry_run)
        done += page.items
        cursor = page.next_cursor
        if cursor is None:
            return done


OPEN = LetterFilter(state=LetterState.OPEN)


def test_letters_are_replayed_by_filter_each_session_once(fleet: Fleet) -> None:
    a_dead_session(fleet, "m1", "m2", "m3")
    second = fleet.sessions.start(StartRequest("wf", None, {}))
    dead(fleet, second, "m4", "one")
    failed(fleet, second)
    third = fleet.sessions.start(StartRequest("wf", None, {}))
    dead(fleet, third, "m5", "one")
    fleet.dead_letters.record("m6", "nonsense", 7)

    done = all_of(fleet, OPEN)

    by_letter = {one.letter.dead_letter_id: one for one in done}
    assert (by_letter["m5"].error and by_letter["m5"].error.code) == "session_not_final"
    assert (by_letter["m6"].error and by_letter["m6"].error.code) == "not_replayable"
    begun = [one for one in done if one.plan is not None]
    assert len(begun) == 2
    assert {state(fleet, name)[0] for name in ("m1", "m2", "m3", "m4")} == {LetterState.REPLAYED}
    assert {state(fleet, name)[0] for name in ("m5", "m6")} == {LetterState.OPEN}
    assert [one.error is not None for one in all_of(fleet, OPEN)] == [True, True]


def test_steps_of_all_letters_that_are_meant_go_to_whom_is_wanted(fleet: Fleet) -> None:
    old = with_steps(fleet, "one", "two", "three")
    dead(fleet, old, "m1", "one", index=[0])
    dead(fleet, old, "m2", "two")
    dead(fleet, old, "m3", "three", agent_capability="rare")
    failed(fleet, old)
    fleet.agent("b", "other")

    all_of(fleet, LetterFilter(capability="work", state=LetterState.OPEN), How(agent_id="b"))

    new = fleet.sessions.get(fleet.sessions.get(old.session_id).replayed_as or "")
    assert new.rerun is not None
    assert new.rerun.onto is not None
    assert set(new.rerun.onto.steps) == {"one", "two"}
    assert set(new.rerun.from_tasks) == {"one.0", "two"}


def test_a_dry_run_says_what_would_be_done_and_does_nothing(fleet: Fleet) -> None:
    a_dead_session(fleet)
    before = dict(executions(fleet))

    (done,) = all_of(fleet, OPEN, How(agent_capability="other"), dry_run=True)

    shown = letter_views.replayed(done)
    assert shown["sessionId"] is None
    assert shown["rerun"]["kept"] == ["one"]
    assert shown["rerun"]["fromTasks"] == ["two"]
    assert shown["rerun"]["onto"]["agentCapability"] == "other"
    assert executions(fleet) == before
    assert state(fleet, "m1") == (LetterState.OPEN, None)


# ---- at once


def test_two_who_replay_a_session_at_once_begin_it_once() -> None:
    """Whatever the moment, and whichever of its letters."""

    def once_at(moment: int) -> bool:
        store = InterruptedStore()
        fleet = Fleet(store=store)
        old = a_dead_session(fleet, "m1", "m2")
        interrupted = store.interrupt(
            lambda: fleet.replays.replay("m1", JO), moment, lambda: fleet.replays.replay("m2", JO)
        )
        reruns = fleet.sessions.get(old.session_id).reruns
        assert len(reruns) == 1
        assert set(executions(fleet)) == {old.session_id, *reruns}
        expected = (LetterState.REPLAYED, reruns[0])
        assert {state(fleet, name) for name in ("m1", "m2")} == {expected}
        return interrupted

    assert len(list(itertools.takewhile(once_at, itertools.count(1)))) > 5


def test_of_a_replay_and_a_discard_at_once_one_is_on_record() -> None:
    def one_wins_at(moment: int) -> bool:
        store = InterruptedStore()
        fleet = Fleet(store=store)
        old = a_dead_session(fleet)

        def replay() -> None:
            try:
                fleet.replays.replay("m1", JO)
            except LetterSettled:
                assert state(fleet, "m1") == (LetterState.DISCARDED, None)

        def discard() -> None:
            try:
                fleet.letterbox.discard("m1", "of no use", None)
            except LetterSettled:
                assert state(fleet, "m1")[0] is LetterState.REPLAYED

        interrupted = store.interrupt(replay, moment, discard)
        reruns = fleet.sessions.get(old.session_id).reruns
        assert (state(fleet, "m1")[0] is LetterState.REPLAYED) == (len(reruns) == 1)
        return interrupted

    assert len(list(itertools.takewhile(one_wins_at, itertools.count(1)))) > 5
