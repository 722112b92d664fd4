"""Steps that are sessions of other workflows: how they start, and who hears of whose end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opscore.errors import DependencyFailed
from opscore.models.messages import DeadlineMessage, WorkflowMessage
from opscore.models.session import Session, SessionStatus
from opscore.models.task import AttemptStatus
from opscore.ports import Execution, Refused
from opscore.services.child_start import MAX_DEPTH
from opscore.services.signals import Signal
from tests.support.fleet import Fleet
from tests.support.memory import MemoryMachines, MemoryTokens

TEMPLATE = {"id": "child", "name": "C", "tasks": [{"taskId": "t", "agentCapability": "c"}]}


@pytest.fixture
def fleet() -> Fleet:
    fleet = Fleet()
    fleet.workflows.apply("child", TEMPLATE)
    return fleet


def begun(fleet: Fleet, **more: Any) -> WorkflowMessage:
    message = fleet.child(**more)
    fleet.dispatch(message)
    return message


def child_of(fleet: Fleet, message: WorkflowMessage) -> Session:
    return fleet.sessions.get(fleet.attempt(message).child_session_id or "none")


def ends(fleet: Fleet, message: WorkflowMessage, execution: Execution) -> None:
    fleet.recording.event(child_of(fleet, message).session_id, execution)


def answers(fleet: Fleet) -> dict[str, tuple[str, str]]:
    assert isinstance(fleet.tokens, MemoryTokens)
    return fleet.tokens.answers


def executions(fleet: Fleet) -> dict[str, str]:
    assert isinstance(fleet.machines, MemoryMachines)
    return {name: found.status for (_, name), found in fleet.machines.executions.items()}


def test_a_step_starts_a_session_of_another_workflow(fleet: Fleet) -> None:
    message = begun(fleet, input={"n": 1}, session_agent_id="a", index=(2,))

    child = child_of(fleet, message)
    assert (child.workflow_id, child.workflow_version, child.agent_id) == ("child", 1, "a")
    assert json.loads(child.execution_input)["input"] == {"n": 1}
    assert child.parent is not None
    assert (child.parent.session_id, child.parent.task_key) == ("s1", "step.2")
    assert executions(fleet) == {child.session_id: "RUNNING"}
    assert fleet.attempt(message).status is AttemptStatus.WAITING


def test_a_message_that_comes_twice_starts_one_session(fleet: Fleet) -> None:
    message = begun(fleet)
    fleet.dispatch(message)

    assert list(executions(fleet)) == [child_of(fleet, message).session_id]


def test_a_childs_result_is_the_steps(fleet: Fleet) -> None:
    message = begun(fleet)

    ends(fleet, message, Execution("SUCCEEDED", output='{"ok":true}'))
    ends(fleet, message, Execution("SUCCEEDED", output='{"ok":true}'))

    assert answers(fleet) == {message.token: ("succeeded", '{"ok":true}')}
    assert fleet.attempt(message).status is AttemptStatus.CLOSED
    assert child_of(fleet, message).cleaned


@pytest.mark.parametrize(
    ("execution", "said"),
    [
        (Execution("FAILED", error="TooShort", cause="no text"), "TooShort: no text"),
        (Execution("TIMED_OUT"), "SessionTimeout: "),
        (Execution("ABORTED"), "ChildCancelled: child session"),
    ],
)
def test_a_childs_failure_is_the_steps(fleet: Fleet, execution: Execution, said: str) -> None:
    message = begun(fleet)

    ends(fleet, message, execution)

    status, word = answers(fleet)[message.token]
    assert status == "failed"
    assert word.startswith(said)


def test_a_child_that_a_person_cancels_fails_the_step(fleet: Fleet) -> None:
    message = begun(fleet)

    fleet.sessions.update(child_of(fleet, message).session_id, status=SessionStatus.CANCELLED)

    assert answers(fleet)[message.token][1].startswith("ChildCancelled: child session")


def test_the_sweeper_finds_a_childs_end_whose_event_got_lost(fleet: Fleet) -> None:
    message = begun(fleet)
    child = child_of(fleet, message)
    assert isinstance(fleet.machines, MemoryMachines)
    place = (child.machine_arn or "", child.session_id)
    fleet.machines.executions[place] = Execution("SUCCEEDED", output="1")

    fleet.clock.forward(61)
    fleet.sweeper.sweep()

    assert answers(fleet) == {message.token: ("succeeded", "1")}


@pytest.mark.parametrize("status", [SessionStatus.CANCELLED, SessionStatus.FAILED])
def test_a_child_is_cancelled_with_its_parent(fleet: Fleet, status: SessionStatus) -> None:
    message = begun(fleet)
    grandchild = begun(fleet, session_id=child_of(fleet, message).session_id)

    if status is SessionStatus.CANCELLED:
        fleet.sessions.update("s1", status=status)
    else:
        fleet.recording.event("s1", Execution("FAILED", error="E", cause=""))
    fleet.settle()

    assert set(executions(fleet).values()) == {"ABORTED"}
    for one in (message, grandchild):
        child = child_of(fleet, one)
        assert (child.status, child.cleaned) == (SessionStatus.CANCELLED, True)
        assert fleet.attempt(one).superseded
    assert answers(fleet) == {}


def test_the_sweeper_tidies_up_after_a_cancelled_child(fleet: Fleet) -> None:
    message = begun(fleet)
    fleet.sessions.update("s1", status=SessionStatus.CANCELLED)
    fleet.queue.take()  # the message that should have it done got lost

    fleet.clock.forward(61)
    fleet.sweeper.sweep()

    assert child_of(fleet, message).cleaned
    assert set(executions(fleet).values()) == {"ABORTED"}


def test_a_child_that_takes_too_long_is_cancelled_and_fails_the_step(fleet: Fleet) -> None:
    message = begun(fleet, timeout=60)
    fleet.queue.take()
    fleet.clock.forward(60)

    fleet.dispatch(DeadlineMessage(attempt_id=message.attempt_id, fence=0))
    fleet.settle()

    child = child_of(fleet, message)
    expected = f"Timeout: child session {child.session_id} did not end within 60 s"
    assert answers(fleet) == {message.token: ("failed", expected)}
    assert (child.status, child.cleaned) == (SessionStatus.CANCELLED, True)


def test_a_step_that_is_tried_again_is_another_session(fleet: Fleet) -> None:
    first = begun(fleet)
    ends(fleet, first, Execution("FAILED", error="E", cause=""))

    second = begun(fleet, retry=1)

    assert len(executions(fleet)) == 2
    assert child_of(fleet, second).status is SessionStatus.STARTED


def test_a_step_that_is_made_anew_leaves_no_child_of_before(fleet: Fleet) -> None:
    first = begun(fleet)
    fleet.clock.forward(1)

    second = begun(fleet)
    fleet.settle()

    assert child_of(fleet, first).status is SessionStatus.CANCELLED
    assert child_of(fleet, second).status is SessionStatus.STARTED


def test_a_version_can_be_named(fleet: Fleet) -> None:
    fleet.workflows.apply("child", TEMPLATE | {"name": "D"})

    assert child_of(fleet, begun(fleet, task_id="a")).workflow_version == 2
    assert child_of(fleet, begun(fleet, task_id="b", child_version=1)).workflow_version == 1


@pytest.mark.parametrize("wrong", [{"workflow_id": "nobody's"}, {"child_version": 7}])
def test_an_unknown_workflow_fails_the_step(fleet: Fleet, wrong: dict[str, Any]) -> None:
    message = begun(fleet, **wrong)

    status, word = answers(fleet)[message.token]
    assert status == "failed"
    assert word.startswith("WorkflowNotFound: Workflow definition not found:")
    assert fleet.attempt(message).child_session_id is None


def test_an_input_that_is_no_object_fails_the_step(fleet: Fleet) -> None:
    message = begun(fleet, input=[1])

    assert answers(fleet)[message.token] == ("failed", "InvalidInput: input: not an object")


def test_an_input_that_does_not_fit_the_workflow_fails_the_step(fleet: Fleet) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "number"}}}
    fleet.workflows.apply("strict", TEMPLATE | {"id": "strict", "input": schema})

    message = begun(fleet, workflow_id="strict", input={"n": "one"})

    assert answers(fleet)[message.token][1].startswith("InvalidInput: n: ")
    assert executions(fleet) == {}


def test_a_child_that_is_cancelled_tidies_up_first(fleet: Fleet) -> None:
    message = begun(fleet)
    arn = fleet.machines.create("after", "{}")
    fleet.store.write(fleet.session_records.put(child_of(fleet, message).replace(cleanup_arn=arn)))

    fleet.sessions.update("s1", status=SessionStatus.CANCELLED)
    fleet.settle()

    child_id = child_of(fleet, message).session_id
    after = f"{child_id}-after"
    assert executions(fleet) == {child_id: "ABORTED", after: "RUNNING"}
    assert child_of(fleet, message).status is SessionStatus.RUNNING
    assert isinstance(fleet.machines, MemoryMachines)
    fleet.machines.executions[arn, after] = Execution("SUCCEEDED", output="1")
    fleet.recording.event(after, Execution("SUCCEEDED", output="1"))
    assert child_of(fleet, message).status is SessionStatus.CANCELLED


def test_sessions_are_nested_no_deeper_than_they_may(fleet: Fleet) -> None:
    session_id, messages = "s1", []
    for _ in range(MAX_DEPTH):
        messages.append(begun(fleet, session_id=session_id))
        session_id = child_of(fleet, messages[-1]).session_id

    message = begun(fleet, session_id=session_id)

    assert answers(fleet) == {
        message.token: ("failed", "DepthLimit: 10 sessions are nested already")
    }


def test_a_child_without_tasks_has_ended_at_once(fleet: Fleet) -> None:
    fleet.workflows.apply("empty", {"id": "empty", "name": "E", "tasks": []})

    message = begun(fleet, workflow_id="empty")

    assert answers(fleet) == {message.token: ("succeeded", "null")}
    assert child_of(fleet, message).cleaned


class Machines(MemoryMachines):
    """Step Functions refuses to start anything, or is away."""

    error: Exception | None = None

    def start(self, machine_arn: str, name: str, execution_input: str) -> None:
        if self.error is not None:
            raise self.error
        super().start(machine_arn, name, execution_input)


def test_a_child_that_step_functions_refuses_fails_the_step() -> None:
    machines = Machines()
    fleet = Fleet(machines=machines)
    fleet.workflows.apply("child", TEMPLATE)
    machines.error = Refused("too long")

    message = begun(fleet)

    assert answers(fleet) == {message.token: ("failed", "StartRefused: too long")}
    assert child_of(fleet, message).status is SessionStatus.FAILED


def test_a_child_whose_start_gets_no_answer_is_started_by_the_sweeper() -> None:
    machines = Machines()
    fleet = Fleet(machines=machines)
    fleet.workflows.apply("child", TEMPLATE)
    machines.error = DependencyFailed("no answer")
    message = begun(fleet)
    assert executions(fleet) == {}

    machines.error = None
    fleet.clock.forward(61)
    fleet.sweeper.sweep()

    assert executions(fleet) == {child_of(fleet, message).session_id: "RUNNING"}


def test_a_paused_session_starts_no_child_until_it_is_resumed(fleet: Fleet) -> None:
    fleet.session("s1")
    fleet.sessions.update("s1", status=SessionStatus.PAUSED)
    message = begun(fleet, timeout=60)
    fleet.clock.forward(120)
    fleet.sweeper.sweep()
    assert executions(fleet) == {}

    fleet.sessions.update("s1", status=SessionStatus.RUNNING)
    fleet.settle()

    assert list(executions(fleet)) == [child_of(fleet, message).session_id]
    assert fleet.attempt(message).deadline == fleet.clock() + 60_000


def test_a_child_goes_on_while_its_parent_is_paused(fleet: Fleet) -> None:
    message = begun(fleet)
    fleet.sessions.update("s1", status=SessionStatus.PAUSED)
    step = fleet.signal(session_id=child_of(fleet, message).session_id)
    fleet.dispatch(step)

    fleet.signals.send(Signal(step.session_id, "go", 1))

    assert answers(fleet) == {step.token: ("succeeded", "1")}


def test_a_session_that_has_ended_starts_no_child(fleet: Fleet) -> None:
    fleet.session("s1", status=SessionStatus.CANCELLED)

    fleet.dispatch(fleet.child())

    assert executions(fleet) == {}
