"""When an agent can take work, and what its reports say about the task it holds."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opscore.lifecycle.agents import (
    Condition,
    Reported,
    Said,
    claimed,
    conditions,
    eligible,
    failure_of,
    free_slots,
    next_change_at,
    released,
    reported,
    said,
    settled,
)
from opscore.models.agent import Agent, Draining, Lease, Report
from opscore.models.outcome import Outcome

NOW = 1_800_000_000_000
COOLDOWN = 5_000
WATERMARK = 1_000


def an_agent(**more: Any) -> Agent:
    values: dict[str, Any] = {
        "agent_id": "a",
        "agent_name": "a",
        "version": "1",
        "contact_endpoint": "http://a.example/run",
        "registered_at": NOW,
        "state": "idle",
        "last_report_at": WATERMARK,
        "reported_at": WATERMARK,
    }
    return Agent.model_validate(values | more)


def a_lease(attempt_id: str = "t1", fence: int = 1) -> Lease:
    return Lease(
        attempt_id=attempt_id,
        fence=fence,
        session_id="s",
        task_key="k",
        token="token",
        watermark=0,
    )


def a_report(state: str, at: int, details: dict[str, Any] | None = None, **more: Any) -> Report:
    return Report(state=state, at=at, timestamp=str(at), details=details, **more)


def busy(**more: Any) -> Agent:
    """An agent that was handed a task after its report at WATERMARK."""
    return claimed(settled(an_agent(**more), NOW), a_lease(), NOW)


def hear(agent: Agent, reports: list[Report]) -> Reported:
    """The effect of the report that ended the task, or of the last one."""
    effect = None
    for report in reports:
        effect = reported(agent, report, NOW, COOLDOWN)
        agent = effect.agent
        if effect.outcome is not None:
            break
    assert effect is not None
    return effect


@pytest.mark.parametrize("state", ["idle", "IDLE", " Finished ", "completed", "Completed"])
def test_an_agent_that_says_it_has_finished_can_take_work(state: str) -> None:
    assert said(state) is Said.IDLE
    assert eligible(an_agent(state=state), NOW)


@pytest.mark.parametrize("state", ["UNKNOWN", "active", "initializing", "on holiday", ""])
def test_an_agent_in_any_other_state_can_not(state: str) -> None:
    assert not eligible(an_agent(state=state), NOW)


def test_an_agent_with_several_slots_can_take_work_in_any_state_while_one_is_free() -> None:
    agent = an_agent(state="active", max_concurrency=2)
    one = claimed(settled(agent, NOW), a_lease("t1"), NOW)
    two = claimed(one, a_lease("t2"), NOW)

    assert eligible(one, NOW)
    assert free_slots(two) == 0
    assert not eligible(two, NOW)


def test_a_claim_takes_the_slot_and_remembers_what_the_agent_said_before() -> None:
    agent = busy()

    assert agent.idle_since is None
    assert agent.leases["t1"].watermark == WATERMARK


def test_an_agent_that_stays_eligible_keeps_its_place_among_the_idle() -> None:
    agent = settled(an_agent(), NOW)
    later = reported(agent, a_report("idle", WATERMARK + 1), NOW + 9_000, COOLDOWN).agent

    assert later.idle_since == agent.idle_since == NOW


# ---- reports that name no task


@pytest.mark.parametrize("order", list(itertools.permutations(range(2))))
def test_active_and_idle_end_the_task_in_either_order(order: tuple[int, ...]) -> None:
    pair = [
        a_report("active", WATERMARK + 10),
        a_report("idle", WATERMARK + 20, {"result": {"answer": 42}}),
    ]

    effect = hear(busy(), [pair[i] for i in order])

    assert effect.outcome == Outcome.success({"answer": 42})


def test_active_and_idle_at_the_same_instant_end_the_task() -> None:
    pair = [a_report("active", WATERMARK + 1), a_report("idle", WATERMARK + 1)]

    assert hear(busy(), pair).outcome is not None


@pytest.mark.parametrize("order", [("active", "idle"), ("idle", "active")])
def test_of_active_and_idle_at_the_same_instant_idle_is_what_shows(order: tuple[str, str]) -> None:
    agent = an_agent()

    for state in order:
        agent = reported(agent, a_report(state, WATERMARK + 1), NOW, COOLDOWN).agent

    assert (agent.state, eligible(agent, NOW)) == ("idle", True)


def test_idle_alone_ends_nothing() -> None:
    """It may have been on its way when the task was handed over."""
    effect = hear(busy(), [a_report("idle", WATERMARK + at) for at in (1, 2, 3)])

    assert effect.outcome is None
    assert effect.agent.leases


def test_active_after_idle_begins_the_task_and_ends_nothing() -> None:
    effect = hear(busy(), [a_report("idle", WATERMARK + 1), a_report("active", WATERMARK + 2)])

    assert effect.outcome is None
    assert effect.began


def test_a_task_begins_once() -> None:
    first = hear(busy(), [a_report("active", WATERMARK + 1)])
    again = hear(first.agent, [a_report("active", WATERMARK + 2)])

    assert first.began
    assert not again.began


def test_an_error_later_than_the_hand_over_fails_the_task() -> None:
    effect = hear(busy(), [a_report("error", WATERMARK + 1, {"error": "no disk"})])

    assert effect.outcome == Outcome.failure("AgentError", "no disk")


def test_the_late_pair_of_an_earlier_task_does_not_end_the_next_one() -> None:
    late = [a_report("active", WATERMARK - 20), a_report("idle", WATERMARK - 10)]

    effect = hear(busy(), late)

    assert effect.outcome is None
    assert not effect.displayed


def test_with_two_tasks_open_only_reports_that_name_one_count() -> None:
    agent = claimed(busy(max_concurrency=2), a_lease("t2"), NOW)

    effect = hear(agent, [a_report("active", WATERMARK + 1), a_report("idle", WATERMARK + 2)])

    assert effect.outcome is None
    assert effect.lease is None


STATES = st.sampled_from(["active", "idle", "completed", "finished", "error", "initializing"])
WORK_STATES = st.sampled_from(["active", "idle", "finished"])


@given(st.lists(st.tuples(STATES, st.integers(1, WATERMARK)), min_size=1, max_size=8))
def test_reports_up_to_the_watermark_never_end_a_lease(said_at: list[tuple[str, int]]) -> None:
    effect = hear(busy(), [a_report(state, at) for state, at in said_at])

    assert effect.outcome is None
    assert effect.agent.leases["t1"].active_at is None


@given(
    st.lists(
        st.tuples(WORK_STATES, st.integers(WATERMARK - 3, WATERMARK + 6)), min_size=1, max_size=5
    ),
    st.data(),
)
def test_the_same_reports_in_any_order_come_to_the_same_end(
    said_at: list[tuple[str, int]], data: st.DataObject
) -> None:
    reports = [a_report(state, at) for state, at in said_at]
    shuffled = data.draw(st.permutations(reports))

    straight, other = hear(busy(), reports), hear(busy(), list(shuffled))

    assert straight.outcome == other.outcome


@given(st.lists(st.tuples(WORK_STATES, st.integers(WATERMARK, WATERMARK + 6)), max_size=6))
def test_a_task_ends_if_and_only_if_active_then_idle_were_said_after_the_hand_over(
    said_at: list[tuple[str, int]],
) -> None:
    started = [at for state, at in said_at if state == "active" and at > WATERMARK]
    stopped = [at for state, at in said_at if state != "active" and at > WATERMARK]
    done = any(a <= i for a in started for i in stopped)

    agent, ended = busy(), False
    for state, at in said_at:
        effect = reported(agent, a_report(state, at), NOW, COOLDOWN)
        agent, ended = effect.agent, ended or effect.outcome is not None

    assert ended == done


@given(st.lists(st.tuples(STATES, st.integers(1, 50)), min_size=1, max_size=10))
def test_the_newest_report_by_the_agents_clock_is_shown(said_at: list[tuple[str, int]]) -> None:
    agent = an_agent(reported_at=None, last_report_at=0, state="UNKNOWN")
    for state, at in said_at:
        agent = reported(agent, a_report(state, at), NOW, COOLDOWN).agent

    newest = max(at for _, at in said_at)
    assert agent.reported_at == agent.last_report_at == newest
    assert agent.state in {state for state, at in said_at if at == newest}


# ---- reports that name their task


def named(state: str, at: int = WATERMARK + 1, fence: int = 1, **details: Any) -> Report:
    details["opscore_task_id"] = f"t1.{fence}"
    return a_report(state, at, details, attempt_id="t1", fence=fence)


@pytest.mark.parametrize("state", ["idle", "finished", "completed"])
def test_a_report_that_names_its_task_ends_it_without_a_word_before(state: str) -> None:
    assert hear(busy(), [named(state, value=7)]).outcome == Outcome.success({"value": 7})


def test_details_result_is_the_result_even_if_it_is_null() -> None:
    assert hear(busy(), [named("idle", result=None, other=1)]).outcome == Outcome.success(None)


def test_a_report_with_an_older_fence_says_nothing_of_the_task() -> None:
    agent = claimed(settled(an_agent(), NOW), a_lease(fence=2), NOW)

    effect = hear(agent, [named("idle", fence=1)])

    assert effect.outcome is None
    assert effect.lease is None


def test_once_an_agent_names_its_task_only_such_reports_end_it() -> None:
    begun = hear(busy(), [named("active", WATERMARK + 1)])
    unnamed = hear(
        begun.agent, [a_report("active", WATERMARK + 2), a_report("idle", WATERMARK + 3)]
    )

    assert begun.began
    assert unnamed.outcome is None
    assert hear(unnamed.agent, [named("idle", WATERMARK + 4)]).outcome == Outcome.success({})


def test_a_named_report_counts_even_with_a_clock_that_stands_still() -> None:
    assert hear(busy(), [named("idle", WATERMARK)]).outcome is not None


# ---- errors


@pytest.mark.parametrize(
    ("details", "code", "message"),
    [
        (None, "AgentError", "the agent reported an error"),
        ({"error": "disk full"}, "AgentError", "disk full"),
        ({"message": "disk full"}, "AgentError", "disk full"),
        ({"errorCode": "DiskFull", "error": "x"}, "DiskFull", "x"),
        ({"errorCode": "States.ALL", "error": "x"}, "AgentError", "x"),
        ({"errorCode": "a b"}, "AgentError", "the agent reported an error"),
        ({"errorCode": 7, "error": {"deep": ["é"]}}, "AgentError", '{"deep": ["é"]}'),
        ({"error": None}, "AgentError", "null"),
    ],
)
def test_what_an_agent_says_of_its_failure(
    details: dict[str, Any] | None, code: str, message: str
) -> None:
    assert failure_of(details) == Outcome.failure(code, message)


def test_a_failures_message_is_kept_short() -> None:
    assert len(failure_of({"error": "x" * 100_000}).message) == 4096


def test_after_an_error_an_agent_that_says_nothing_more_is_asked_again_soon() -> None:
    agent = reported(an_agent(), a_report("error", WATERMARK + 1), NOW, COOLDOWN).agent

    assert agent.idle_since is None
    assert next_change_at(agent) == NOW + COOLDOWN
    assert settled(agent, NOW + COOLDOWN).idle_since == NOW + COOLDOWN


def test_after_an_error_an_agent_that_says_idle_is_asked_at_once() -> None:
    agent = reported(an_agent(), a_report("error", WATERMARK + 1), NOW, COOLDOWN).agent

    assert reported(agent, a_report("idle", WATERMARK + 2), NOW + 1, COOLDOWN).agent.idle_since


def test_an_old_error_does_not_cool_down_an_agent_that_has_said_idle_since() -> None:
    agent = settled(an_agent(), NOW)

    assert reported(agent, a_report("error", WATERMARK - 1), NOW, COOLDOWN).agent.idle_since


# ---- draining


def test_the_slot_of_a_timed_out_task_stays_taken_until_its_time_is_over() -> None:
    agent = released(busy(), "t1", NOW, drain_until=NOW + 1_000)

    assert not eligible(agent, NOW)
    assert next_change_at(agent) == NOW + 1_000
    assert settled(agent, NOW + 1_000).idle_since == NOW + 1_000


def test_the_slot_of_a_timed_out_task_is_free_again_when_the_agent_says_idle() -> None:
    agent = released(busy(), "t1", NOW, drain_until=NOW + 1_000)

    after = reported(agent, a_report("idle", WATERMARK + 1), NOW + 1, COOLDOWN).agent

    assert after.draining == ()
    assert after.idle_since == NOW + 1


def test_releasing_a_lease_that_is_not_there_drains_nothing() -> None:
    agent = settled(an_agent(), NOW)

    assert released(agent, "other", NOW, drain_until=NOW + 1_000, silent=True) == agent


# ---- unresponsive


def ran_out(**more: Any) -> Agent:
    """An agent whose lease t1 ran out."""
    return released(busy(**more), "t1", NOW, drain_until=NOW + 1_000, silent=True)


def test_an_agent_whose_lease_ran_out_gets_nothing_until_it_speaks() -> None:
    agent = settled(ran_out(), NOW + 1_000_000)
    assert (agent.state, agent.idle_since, agent.unresponsive_since) == ("idle", None, NOW)

    after = reported(agent, a_report("idle", WATERMARK + 1), NOW + 1_000_001, COOLDOWN).agent

    assert after.unresponsive_since is None
    assert after.idle_since == NOW + 1_000_001


@pytest.mark.parametrize("state", ["active", "idle", "error"])
def test_what_it_said_before_and_arrives_late_does_not_count(state: str) -> None:
    after = reported(ran_out(), a_report(state, WATERMARK), NOW + 1, COOLDOWN).agent

    assert after.unresponsive_since == NOW
    assert after.draining


@pytest.mark.parametrize("first", ["active", "idle"])
def test_the_late_pair_of_a_lost_task_ends_no_other_that_its_agent_has(first: str) -> None:
    """Two slots, and reports that name no task: the pair may be of either."""
    one = claimed(settled(an_agent(max_concurrency=2), NOW), a_lease("t1"), NOW)
    both = claimed(one, a_lease("t2"), NOW)
    agent = released(both, "t1", NOW, drain_until=NOW + 1_000, silent=True)
    pair = [a_report("active", WATERMARK + 1), a_report("idle", WATERMARK + 2)]

    effect = hear(agent, pair if first == "active" else pair[::-1])

    assert effect.outcome is None
    assert effect.agent.unresponsive_since is None
    assert free_slots(effect.agent) == 0


def test_naming_a_lost_task_as_ended_frees_its_slot_among_others() -> None:
    one = claimed(settled(an_agent(max_concurrency=2), NOW), a_lease("t1"), NOW)
    both = claimed(one, a_lease("t2"), NOW)
    agent = released(both, "t1", NOW, drain_until=NOW + 1_000, silent=True)

    still = reported(agent, named("active", WATERMARK + 1), NOW + 1, COOLDOWN).agent
    ended = reported(still, named("idle", WATERMARK + 2), NOW + 2, COOLDOWN).agent

    assert free_slots(still) == 0
    assert free_slots(ended) == 1
    assert ended.idle_since == NOW + 2


def test_conditions_leave_the_reported_state_as_it_is() -> None:
    agent = ran_out()

    assert conditions(agent, NOW, 60_000) == {Condition.UNRESPONSIVE}
    assert agent.state == "idle"


def test_an_agent_is_stale_when_it_was_not_heard_of_for_that_long() -> None:
    agent = an_agent(last_seen_at=NOW)

    assert Condition.STALE not in conditions(agent, NOW + 59_999, 60_000)
    assert Condition.STALE in conditions(agent, NOW + 60_000, 60_000)
    assert eligible(agent, NOW + 60_000)


@st.composite
def agents(draw: st.DrawFn) -> Agent:
    leases = [f"t{i}" for i in range(draw(st.integers(0, 3)))]
    times = st.none() | st.integers(NOW - 5, NOW + 5)
    return an_agent(
        state=draw(STATES),
        max_concurrency=draw(st.integers(1, 3)),
        leases={name: a_lease(name) for name in leases},
        draining=tuple(
            Draining(attempt_id="d", until=until)
            for until in draw(st.lists(st.integers(NOW - 5, NOW + 5), max_size=2))
        ),
        cooldown_until=draw(times),
        unresponsive_since=draw(st.none() | st.just(NOW - 1)),
        idle_since=draw(times),
    )


@given(agents())
def test_an_agent_has_a_place_among_the_idle_if_and_only_if_it_can_take_work(agent: Agent) -> None:
    after = settled(agent, NOW)

    assert (after.idle_since is not None) == eligible(after, NOW)
    assert settled(after, NOW) == after
    change = next_change_at(after)
    assert change is None or change > NOW


@given(agents(), st.lists(st.tuples(STATES, st.integers(1, 2_000)), max_size=4))
def test_no_report_lets_an_agent_hold_more_than_it_may(
    agent: Agent, said_at: list[tuple[str, int]]
) -> None:
    agent = settled(agent, NOW)
    for state, at in said_at:
        agent = reported(agent, a_report(state, at), NOW, COOLDOWN).agent

    assert (agent.idle_since is not None) == eligible(agent, NOW)
    if agent.idle_since is not None:
        assert len(agent.leases) < agent.max_concurrency
