"""An ended session runs again, and what it had made is not made again."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from opscore.errors import (
    AgentNotFound,
    DefinitionGone,
    IdempotencyKeyReused,
    InputInvalid,
    KeptTaskChanged,
    NothingFailed,
    SessionNotFinal,
    SessionNotFound,
    TaskNotFound,
    WorkflowNotFound,
)
from opscore.http import views
from opscore.lifecycle.cleanup import cleanup_name
from opscore.models.session import Ending, Session, SessionStatus
from opscore.models.task import AttemptStatus
from opscore.ports import Execution
from opscore.services.approvals import Word
from opscore.services.rerun import RerunRequest
from opscore.services.sessions import StartRequest
from tests.support.fleet import Fleet
from tests.support.interruption import InterruptedStore
from tests.support.memory import MemoryMachines, MemoryStore
from tests.support.played import answer, ended, executions, run, step, with_steps

BROKEN = RuntimeError("broken")


def again(fleet: Fleet, session: Session, *names: str, key: str | None = None) -> Session:
    fleet.clock.forward(1)
    new, _ = fleet.reruns.start(RerunRequest(session.session_id, names), key)
    return fleet.sessions.get(new.session_id)


def work_done(fleet: Fleet) -> int:
    return len(fleet.transport.delivered)


def test_a_failed_session_runs_again_from_what_failed(fleet: Fleet) -> None:
    old = with_steps(fleet, "one", "two", "three")
    run(fleet, old, {"one": {"x": 1}, "two": [2], "three": BROKEN})
    done = work_done(fleet)

    new = again(fleet, old)
    first, second = (step(fleet, new, name, "not asked") for name in ("one", "two"))

    assert (answer(fleet, first), answer(fleet, second)) == (
        ("succeeded", '{"x":1}'),
        ("succeeded", "[2]"),
    )
    assert work_done(fleet) == done
    third = step(fleet, new, "three", 3)
    assert answer(fleet, third) == ("succeeded", "3")
    assert work_done(fleet) == done + 1


def test_old_and_new_name_each_other_and_kept_results_their_makers(fleet: Fleet) -> None:
    old = with_steps(fleet, "one", "two")
    made = run(fleet, old, {"one": 1, "two": BROKEN})

    new = again(fleet, old)
    step(fleet, new, "one")

    assert views.session(fleet.sessions.get(old.session_id))["reruns"] == [new.session_id]
    shown = views.session_with_tasks(fleet.sessions.view(new.session_id))
    assert (shown["rerunOf"], shown["fromTasks"]) == (old.session_id, ["two"])
    (task,) = shown["tasks"]
    assert (task["status"], task["result"]) == ("completed", 1)
    assert task["attempts"][0]["keptFrom"] == {
        "sessionId": old.session_id,
        "attemptId": made["one"].attempt_id,
    }


def test_the_new_session_has_the_same_machine_input_and_agent(fleet: Fleet) -> None:
    fleet.agent("mine", "other")
    with_steps(fleet, "one")
    old = fleet.sessions.start(StartRequest("wf", None, {"n": 7}, agent_id="mine"))
    run(fleet, old, {"one": BROKEN})

    new = again(fleet, old)

    assert (new.machine_arn, new.workflow_version) == (old.machine_arn, 1)
    assert json.loads(executions(fleet)[new.session_id]) == {
        "input": {"n": 7},
        "session": {
            "id": new.session_id,
            "agentId": "mine",
            "workflowId": "wf",
            "workflowVersion": 1,
        },
    }


@pytest.mark.parametrize(
    ("from_task", "kept"),
    [("one", set()), ("two", {"one"}), ("three", {"one", "two"}), ("four", {"one", "two"})],
)
def test_from_an_earlier_task_what_came_after_it_is_made_again(
    fleet: Fleet, from_task: str, kept: set[str]
) -> None:
    old = with_steps(fleet, "one", "two", "three", "four")
    # What failed and was taken over is no result: it is made again in any case.
    step(fleet, old, "one", 1)
    step(fleet, old, "two", 2)
    step(fleet, old, "three", BROKEN)
    step(fleet, old, "four", BROKEN)
    ended(fleet, old, "FAILED", error="AgentError", cause="broken")
    new = again(fleet, old, from_task)

    for name in ("one", "two", "three", "four"):
        step(fleet, new, name, "again")

    view = fleet.sessions.view(new.session_id)
    assert {
        attempt.message.task_id for attempt in view.attempts.values() if attempt.kept_from
    } == kept


def test_what_ran_beside_the_failed_task_is_kept(fleet: Fleet) -> None:
    old = with_steps(fleet, "one")
    slow = step(fleet, old, "one", ..., index=[0])
    fleet.agent("b")
    step(fleet, old, "one", "beside", index=[1])
    fleet.own_word.fail(fleet.reference(slow), None, "AgentError", "broken")
    ended(fleet, old, "FAILED", error="AgentError", cause="broken")
    fleet.says("a", "idle")

    new = again(fleet, old)

    assert answer(fleet, step(fleet, new, "one", "again", index=[0])) == ("succeeded", '"again"')
    assert answer(fleet, step(fleet, new, "one", "no", index=[1])) == ("succeeded", '"beside"')


def test_one_item_of_a_map_may_be_named(fleet: Fleet) -> None:
    old = with_steps(fleet, "one")
    for item in range(3):
        step(fleet, old, "one", item, index=[item])
    ended(fleet, old, output="null")

    new = again(fleet, old, "one.1")

    answers = [answer(fleet, step(fleet, new, "one", "new", index=[i])) for i in range(3)]
    assert answers == [("succeeded", "0"), ("succeeded", '"new"'), ("succeeded", '"new"')]


def test_a_rerun_of_a_rerun_keeps_what_any_of_them_made(fleet: Fleet) -> None:
    old = with_steps(fleet, "one", "two", "three")
    made = run(fleet, old, {"one": 1, "two": BROKEN})
    second = again(fleet, old)
    # It is cancelled before its first task is even asked for again.
    fleet.sessions.update(second.session_id, status=SessionStatus.CANCELLED)
    third = again(fleet, second)
    run(fleet, third, {"one": "no", "two": 2, "three": BROKEN})

    last = again(fleet, third)
    results = [answer(fleet, step(fleet, last, name, "new")) for name in ("one", "two", "three")]

    assert results == [("succeeded", "1"), ("succeeded", "2"), ("succeeded", '"new"')]
    view = fleet.sessions.view(last.session_id)
    first = next(a for a in view.attempts.values() if a.message.task_id == "one")
    assert first.kept_from is not None
    assert first.kept_from.attempt_id == made["one"].attempt_id


def test_what_a_rerun_made_again_is_not_taken_from_the_session_before_it(fleet: Fleet) -> None:
    old = with_steps(fleet, "one", "two", "three")
    run(fleet, old, {"one": 1, "two": 2, "three": BROKEN})
    second = again(fleet, old, "two")
    step(fleet, second, "one", "no")
    step(fleet, second, "two", BROKEN)
    ended(fleet, second, "FAILED", error="AgentError", cause="broken")

    third = again(fleet, second)

    assert answer(fleet, step(fleet, third, "two", "new")) == ("succeeded", '"new"')


def test_from_a_task_of_the_session_before_that_later_results_of_both_are_dropped(
    fleet: Fleet,
) -> None:
    old = with_steps(fleet, "one", "two", "three", "four")
    run(fleet, old, {"one": 1, "two": 2, "three": 3, "four": BROKEN})
    second = again(fleet, old)
    step(fleet, second, "one")
    step(fleet, second, "two")
    fleet.sessions.update(second.session_id, status=SessionStatus.CANCELLED)

    third = again(fleet, second, "two")

    results = [answer(fleet, step(fleet, third, name, "new")) for name in ("one", "two", "three")]
    assert results == [("succeeded", "1"), ("succeeded", '"new"'), ("succeeded", '"new"')]


def test_a_step_that_comes_again_in_a_loop_of_jumps_is_done_again(fleet: Fleet) -> None:
    old = with_steps(fleet, "one", "two")
    run(fleet, old, {"one": 1, "two": BROKEN})
    new = again(fleet, old)

    assert answer(fleet, step(fleet, new, "one", "no")) == ("succeeded", "1")
    assert answer(fleet, step(fleet, new, "one", "next")) == ("succeeded", '"next"')


def test_a_task_held_by_a_pause_gets_its_kept_result_when_its_session_goes_on(
    fleet: Fleet,
) -> None:
    old = with_steps(fleet, "one", "two")
    run(fleet, old, {"one": 1, "two": BROKEN})
    new = again(fleet, old)
    fleet.sessions.update(new.session_id, status=SessionStatus.PAUSED)
    message = step(fleet, new, "one")
    assert answer(fleet, message) is None

    fleet.sessions.update(new.session_id, status=SessionStatus.RUNNING)
    fleet.settle()

    assert answer(fleet, message) == ("succeeded", "1")
    assert fleet.attempt(message).kept_from is not None


def test_what_a_person_decided_is_kept_too(fleet: Fleet) -> None:
    old = with_steps(fleet, "two")
    asked = fleet.approval(session_id=old.session_id, task_id="one")
    fleet.dispatch(asked)
    fleet.approvals.answer(asked.attempt_id, Word(True, "ann", ""))
    step(fleet, old, "two", BROKEN)
    ended(fleet, old, "FAILED", error="AgentError", cause="broken")

    new = again(fleet, old)
    again_asked = fleet.approval(session_id=new.session_id, task_id="one")
    fleet.dispatch(again_asked)

    assert answer(fleet, again_asked) == answer(fleet, asked)
    assert fleet.attempt(again_asked).kept_from is not None


def test_the_same_message_twice_is_one_kept_result(fleet: Fleet) -> None:
    old = with_steps(fleet, "one", "two")
    run(fleet, old, {"one": 1, "two": BROKEN})
    new = again(fleet, old)

    message = step(fleet, new, "one")
    fleet.dispatch(message)

    assert fleet.attempt(message).status is AttemptStatus.CLOSED
    assert fleet.task(message).attempts == (message.attempt_id,)


def test_what_a_session_has_undone_is_done_again_and_what_came_after_it(fleet: Fleet) -> None:
    old = with_steps(fleet, "one", "two", "three", "four")
    cleanup = fleet.machines.create("cleanup", "{}")
    tidies_up = fleet.sessions.get(old.session_id).replace(
        cleanup_arn=cleanup, compensated=("two",)
    )
    fleet.store.write(fleet.session_records.put(tidies_up))
    for name in ("one", "two", "three"):
        step(fleet, old, name, name)
    step(fleet, old, "four", BROKEN)
    ended(fleet, old, "FAILED", error="AgentError", cause="broken")
    step(fleet, old, "two (compensate)", "undone", phase="after")
    assert isinstance(fleet.machines, MemoryMachines)
    fleet.machines.executions[(cleanup, cleanup_name(old.session_id))] = Execution("SUCCEEDED")
    fleet.recording.reconcile(old.session_id)

    new = again(fleet, old)

    assert new.rerun is not None
    assert set(new.rerun.from_tasks) == {"two", "four"}
    results = [answer(fleet, step(fleet, new, name, "new")) for name in ("one", "two", "three")]
    assert results == [("succeeded", '"one"'), ("succeeded", '"new"'), ("succeeded", '"new"')]


def test_what_tidies_up_is_never_kept(fleet: Fleet) -> None:
    old = with_steps(fleet, "one", "two")
    step(fleet, old, "one", 1)
    step(fleet, old, "two", BROKEN)
    ended(fleet, old, "FAILED", error="AgentError", cause="broken")
    new = again(fleet, old)
    ending = Ending(status=SessionStatus.FAILED, since=fleet.clock())
    fleet.store.write(fleet.session_records.put(new.replace(ending=ending)))

    assert answer(fleet, step(fleet, new, "one", "tidied", phase="after")) == (
        "succeeded",
        '"tidied"',
    )


# ---- what is refused


def test_only_what_has_ended_runs_again(fleet: Fleet) -> None:
    with pytest.raises(SessionNotFound):
        fleet.reruns.plan(RerunRequest("nobody"))
    with pytest.raises(SessionNotFinal, match="started"):
        fleet.reruns.plan(RerunRequest(with_steps(fleet, "one").session_id))


def test_a_completed_session_runs_again_from_a_task_that_is_named(fleet: Fleet) -> None:
    old = with_steps(fleet, "one", "two")
    run(fleet, old, {"one": 1, "two": 2})

    with pytest.raises(NothingFailed, match="from which task"):
        again(fleet, old)
    with pytest.raises(TaskNotFound, match="three in session"):
        again(fleet, old, "three")

    new = again(fleet, old, "two")
    assert answer(fleet, step(fleet, new, "one", "no")) == ("succeeded", "1")
    assert answer(fleet, step(fleet, new, "two", "new")) == ("succeeded", '"new"')


def test_a_session_of_an_agent_that_is_gone_does_not_run_again(fleet: Fleet) -> None:
    fleet.agent("mine")
    with_steps(fleet, "one")
    old = fleet.sessions.start(StartRequest("wf", None, {}, agent_id="mine"))
    run(fleet, old, {"one": BROKEN})
    fleet.agents.deregister("mine")

    with pytest.raises(AgentNotFound, match="mine"):
        again(fleet, old)

    assert fleet.sessions.get(old.session_id).reruns == ()


# ---- its machine


def gone(fleet: Fleet) -> MemoryMachines:
    """Step Functions when all machines have been collected."""
    assert isinstance(fleet.machines, MemoryMachines)
    assert isinstance(fleet.store, MemoryStore)
    fleet.machines.definitions.clear()
    for key in [key for key in fleet.store.items if key.pk.startswith("machine#")]:
        del fleet.store.items[key]
    return fleet.machines


def test_a_machine_that_is_gone_is_made_again_from_the_template(fleet: Fleet) -> None:
    old = with_steps(fleet, "one")
    run(fleet, old, {"one": BROKEN})
    machines = gone(fleet)

    new = again(fleet, old)

    assert machines.exists(new.machine_arn or "")
    assert new.session_id in executions(fleet)


def test_an_inline_definition_runs_again_as_long_as_its_machine_is_there(fleet: Fleet) -> None:
    fleet.agent("a")
    definition: dict[str, Any] = {"id": "x", "name": "x", "tasks": [{"taskId": "one"}]}
    old = fleet.sessions.start(StartRequest(None, definition, {}))
    run(fleet, old, {"one": BROKEN})

    assert again(fleet, old).machine_arn == old.machine_arn

    gone(fleet)
    with pytest.raises(DefinitionGone, match="with the definition"):
        again(fleet, old)


# ---- on another version


def newer(fleet: Fleet, *tasks: dict[str, Any]) -> None:
    template = {"id": "wf", "name": "W", "tasks": [{"agentCapability": "work"} | t for t in tasks]}
    fleet.workflows.apply("wf", template)


def on(fleet: Fleet, old: Session, version: str | int, *names: str) -> Session:
    request = RerunRequest(old.session_id, names, version=version)
    return fleet.reruns.start(request, None)[0]


@pytest.mark.parametrize("version", ["current", 2])
def test_a_session_runs_again_on_a_newer_version_where_the_kept_tasks_are_the_same(
    fleet: Fleet, version: str | int
) -> None:
    old = with_steps(fleet, "one", "two")
    run(fleet, old, {"one": 1, "two": BROKEN})
    newer(fleet, {"taskId": "one", "timeout": "5m"}, {"taskId": "two", "parameters": {"x": 1}})

    new = on(fleet, old, version)

    assert new.workflow_version == 2
    assert new.machine_arn != old.machine_arn
    assert json.loads(executions(fleet)[new.session_id])["session"]["workflowVersion"] == 2
    assert answer(fleet, step(fleet, new, "one", "no")) == ("succeeded", "1")


def test_a_version_with_another_kept_task_is_refused_with_its_name(fleet: Fleet) -> None:
    old = with_steps(fleet, "one", "two", "three")
    run(fleet, old, {"one": 1, "two": 2, "three": BROKEN})
    newer(fleet, {"taskId": "one"}, {"taskId": "two", "parameters": {"x": 1}}, {"taskId": "three"})

    with pytest.raises(KeptTaskChanged, match="would be kept: two; run again from the first"):
        on(fleet, old, "current")

    assert on(fleet, old, "current", "two").workflow_version == 2
    assert on(fleet, old, "same").workflow_version == 1
    assert on(fleet, old, 1).workflow_version == 1


def test_a_newer_version_must_take_the_input(fleet: Fleet) -> None:
    old = with_steps(fleet, "one")
    run(fleet, old, {"one": BROKEN})
    template = {"id": "wf", "name": "W", "tasks": [{"taskId": "one", "agentCapability": "work"}]}
    fleet.workflows.apply("wf", template | {"input": {"type": "object", "required": ["text"]}})

    with pytest.raises(InputInvalid):
        on(fleet, old, "current")


def test_a_version_that_is_not_there_is_not_found(fleet: Fleet) -> None:
    old = with_steps(fleet, "one")
    run(fleet, old, {"one": BROKEN})

    with pytest.raises(WorkflowNotFound, match="version 7"):
        on(fleet, old, 7)


def test_an_inline_definition_has_no_versions(fleet: Fleet) -> None:
    fleet.agent("a")
    definition: dict[str, Any] = {"id": "x", "name": "x", "tasks": [{"taskId": "one"}]}
    old = fleet.sessions.start(StartRequest(None, definition, {}))
    run(fleet, old, {"one": BROKEN})

    with pytest.raises(DefinitionGone, match="no versions"):
        on(fleet, old, "current")


# ---- once


def test_the_same_request_with_the_same_key_is_one_rerun(fleet: Fleet) -> None:
    old = with_steps(fleet, "one", "two")
    run(fleet, old, {"one": 1, "two": BROKEN})

    ids = {again(fleet, old, key="k").session_id for _ in range(3)}

    assert fleet.sessions.get(old.session_id).reruns == tuple(ids)
    with pytest.raises(IdempotencyKeyReused):
        again(fleet, old, "one", key="k")


def test_a_dry_run_starts_nothing_and_says_what_is_kept(fleet: Fleet) -> None:
    old = with_steps(fleet, "one", "two", "three")
    run(fleet, old, {"one": 1, "two": 2, "three": BROKEN})
    before = dict(executions(fleet))

    plan = fleet.reruns.plan(RerunRequest(old.session_id))

    assert [task.task_key for task in plan.kept] == ["one", "two"]
    assert plan.rerun.from_tasks == ("three",)
    assert executions(fleet) == before
    assert fleet.sessions.get(old.session_id).reruns == ()


def test_two_reruns_at_once_are_both_on_record() -> None:
    """Whatever the moment at which the second comes."""

    def both_are_there_after_a_second_at(moment: int) -> bool:
        store = InterruptedStore()
        fleet = Fleet(store=store)
        old = with_steps(fleet, "one")
        run(fleet, old, {"one": BROKEN})
        interrupted = store.interrupt(lambda: again(fleet, old), moment, lambda: again(fleet, old))
        reruns = fleet.sessions.get(old.session_id).reruns
        assert len(set(reruns)) == (2 if interrupted else 1)
        assert set(reruns) <= set(executions(fleet))
        return interrupted

    moments = list(itertools.takewhile(both_are_there_after_a_second_at, itertools.count(1)))
    assert len(moments) > 2
