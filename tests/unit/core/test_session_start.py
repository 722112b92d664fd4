"""A session starts once, on the current version, and is not lost between record and run."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest

from opscore.errors import (
    AgentNotFound,
    DependencyFailed,
    IdempotencyKeyReused,
    SessionNotFound,
    WorkflowInvalid,
    WorkflowNotFound,
)
from opscore.models.session import Session, SessionStatus
from opscore.ports import Execution, Refused
from opscore.services.sessions import StartRequest
from tests.support.fleet import Fleet
from tests.support.interruption import InterruptedStore
from tests.support.memory import MemoryMachines

WORKFLOW = {"id": "wf", "name": "W", "tasks": [{"taskId": "one", "agentCapability": "work"}]}
REQUEST = StartRequest("wf", None, {"text": "ä"})


class MachinesWithTrouble(MemoryMachines):
    """Step Functions that does not answer StartExecution, or refuses it."""

    trouble: Exception | None = None
    starts_anyway = False

    def start(self, machine_arn: str, name: str, execution_input: str) -> None:
        if self.trouble is None or self.starts_anyway:
            super().start(machine_arn, name, execution_input)
        if self.trouble is not None:
            raise self.trouble


def with_workflow(fleet: Fleet) -> Fleet:
    fleet.workflows.apply("wf", dict(WORKFLOW))
    return fleet


def executions(fleet: Fleet) -> dict[str, Any]:
    """The inputs of all executions, by name."""
    assert isinstance(fleet.machines, MemoryMachines)
    return {name: json.loads(text) for (_, name), text in fleet.machines.inputs.items()}


def newest(fleet: Fleet) -> Session:
    listed = fleet.sessions.listed(status=None, workflow_id=None, limit=1, cursor=None)
    return listed.items[0]


def test_a_session_runs_as_one_execution_of_its_name(fleet: Fleet) -> None:
    with_workflow(fleet).agent("a")

    session = fleet.sessions.start(replace(REQUEST, agent_id="a"))

    assert session.status is SessionStatus.STARTED
    assert executions(fleet) == {
        session.session_id: {
            "input": {"text": "ä"},
            "session": {
                "id": session.session_id,
                "agentId": "a",
                "workflowId": "wf",
                "workflowVersion": 1,
            },
        }
    }
    assert fleet.sessions.get(session.session_id).execution_input == session.execution_input


def test_the_same_request_with_the_same_key_starts_one_session(fleet: Fleet) -> None:
    with_workflow(fleet)
    request = replace(REQUEST, idempotency_key="k")

    ids = {fleet.sessions.start(request).session_id for _ in range(3)}

    assert len(ids) == 1
    assert len(executions(fleet)) == 1


def test_requests_without_a_key_or_with_another_start_each_their_own(fleet: Fleet) -> None:
    with_workflow(fleet)

    for key in (None, None, "k", "l"):
        fleet.sessions.start(replace(REQUEST, idempotency_key=key))

    assert len(executions(fleet)) == 4


@pytest.mark.parametrize("change", [{"payload": {"text": "b"}}, {"agent_id": "a"}])
def test_a_key_used_for_another_request_is_refused(fleet: Fleet, change: dict[str, Any]) -> None:
    with_workflow(fleet).agent("a")
    request = replace(REQUEST, idempotency_key="k")
    fleet.sessions.start(request)

    with pytest.raises(IdempotencyKeyReused):
        fleet.sessions.start(replace(request, **change))

    assert len(executions(fleet)) == 1


def test_a_repeat_finds_its_session_though_the_workflow_has_changed_since(fleet: Fleet) -> None:
    with_workflow(fleet)
    request = replace(REQUEST, idempotency_key="k")
    first = fleet.sessions.start(request)
    fleet.workflows.apply("wf", WORKFLOW | {"name": "changed"})

    again = fleet.sessions.start(request)

    assert (again.session_id, again.workflow_version) == (first.session_id, 1)
    assert len(executions(fleet)) == 1


def test_what_does_not_exist_starts_nothing(fleet: Fleet) -> None:
    with pytest.raises(WorkflowNotFound, match="Workflow definition not found: nope"):
        fleet.sessions.start(StartRequest("nope", None, {}, agent_id="nobody"))
    with_workflow(fleet)
    with pytest.raises(AgentNotFound, match="Agent not found: nobody"):
        fleet.sessions.start(replace(REQUEST, agent_id="nobody", idempotency_key="k"))

    fleet.agent("nobody")
    fleet.sessions.start(replace(REQUEST, agent_id="nobody", idempotency_key="k"))
    assert len(executions(fleet)) == 1


def test_an_inline_definition_is_checked_and_runs(fleet: Fleet) -> None:
    with pytest.raises(WorkflowInvalid):
        fleet.sessions.start(StartRequest(None, {"id": "x"}, {}))

    session = fleet.sessions.start(StartRequest(None, dict(WORKFLOW), {}))

    assert session.session_id in executions(fleet)
    assert fleet.workflows.listed(limit=10, cursor=None).items == []


def test_a_workflow_without_tasks_is_completed_at_once(fleet: Fleet) -> None:
    session = fleet.sessions.start(StartRequest(None, WORKFLOW | {"tasks": []}, {}))

    assert session.status is SessionStatus.COMPLETED
    assert session.end_time == fleet.clock()
    assert executions(fleet) == {}


def test_a_workflow_that_every_deployment_ships_is_there_without_being_put(fleet: Fleet) -> None:
    session = fleet.sessions.start(StartRequest("sample_workflow_id", None, {}))

    assert session.workflow_version == 1
    assert fleet.sessions.start(StartRequest("sample_workflow_id", None, {})).workflow_version == 1


@pytest.mark.parametrize("max_retries", [0, 3, 7])
def test_a_single_task_is_a_session_of_its_own(fleet: Fleet, max_retries: int) -> None:
    session = fleet.sessions.start_task({"agentCapability": "work"}, max_retries, None)

    assert executions(fleet)[session.session_id]["input"] == {"agentCapability": "work"}


def test_a_version_put_in_between_is_the_one_that_runs() -> None:
    for step in itertools.count(1):
        store = InterruptedStore()
        fleet = with_workflow(Fleet(store=store))

        def newer(fleet: Fleet = fleet) -> None:
            fleet.workflows.apply("wf", WORKFLOW | {"name": "newer"})

        def start(fleet: Fleet = fleet) -> None:
            fleet.sessions.start(REQUEST)

        if not store.interrupt(start, step, newer):
            assert step > 2
            return
        started = newest(fleet)
        assert started.workflow_version == 2
        assert len(executions(fleet)) == 1


# ---- Step Functions in trouble


def test_a_session_whose_start_was_not_answered_is_started_by_the_sweeper() -> None:
    machines = MachinesWithTrouble()
    fleet = with_workflow(Fleet(machines=machines))
    machines.trouble = DependencyFailed("Step Functions did not answer")

    session = fleet.sessions.start(REQUEST)
    assert executions(fleet) == {}

    machines.trouble = None
    fleet.clock.forward(61)
    fleet.sweeper.sweep()

    assert list(executions(fleet)) == [session.session_id]


def test_a_session_that_was_started_though_not_answered_is_not_started_twice() -> None:
    machines = MachinesWithTrouble()
    fleet = with_workflow(Fleet(machines=machines))
    machines.trouble, machines.starts_anyway = DependencyFailed("no answer"), True

    session = fleet.sessions.start(REQUEST)
    machines.trouble = None
    fleet.clock.forward(61)
    fleet.sweeper.sweep()

    assert list(executions(fleet)) == [session.session_id]
    assert fleet.sessions.get(session.session_id).status is SessionStatus.RUNNING


def test_the_repeated_request_starts_it_too() -> None:
    machines = MachinesWithTrouble()
    fleet = with_workflow(Fleet(machines=machines))
    machines.trouble = DependencyFailed("Step Functions did not answer")
    request = replace(REQUEST, idempotency_key="k")
    session = fleet.sessions.start(request)
    machines.trouble = None

    fleet.sessions.start(request)

    assert list(executions(fleet)) == [session.session_id]


def test_a_session_that_step_functions_refuses_fails_at_once() -> None:
    machines = MachinesWithTrouble()
    fleet = with_workflow(Fleet(machines=machines))
    machines.trouble = Refused("no such machine")

    with pytest.raises(DependencyFailed):
        fleet.sessions.start(REQUEST)

    session = newest(fleet)
    assert session.status is SessionStatus.FAILED
    assert session.error is not None
    assert session.error.code == "StartRefused"


def test_a_session_that_the_sweeper_cannot_start_fails_too() -> None:
    machines = MachinesWithTrouble()
    fleet = with_workflow(Fleet(machines=machines))
    machines.trouble = DependencyFailed("no answer")
    session = fleet.sessions.start(REQUEST)
    machines.trouble = Refused("the machine is gone")

    fleet.clock.forward(61)
    fleet.sweeper.sweep()

    assert fleet.sessions.get(session.session_id).status is SessionStatus.FAILED


def test_a_session_whose_execution_ended_unheard_is_closed_by_the_sweeper(fleet: Fleet) -> None:
    with_workflow(fleet)
    session = fleet.sessions.start(REQUEST)
    assert isinstance(fleet.machines, MemoryMachines)
    assert session.machine_arn is not None
    fleet.machines.executions[session.machine_arn, session.session_id] = Execution(
        "SUCCEEDED", output='{"answer": 42}'
    )

    fleet.clock.forward(61)
    fleet.sweeper.sweep()

    closed = fleet.sessions.get(session.session_id)
    assert (closed.status, closed.result) == (SessionStatus.COMPLETED, {"answer": 42})


# ---- reading


def test_a_session_that_nobody_knows_is_not_found(fleet: Fleet) -> None:
    with pytest.raises(SessionNotFound):
        fleet.sessions.get("unknown")
    with pytest.raises(SessionNotFound):
        fleet.sessions.view("unknown")


def test_sessions_are_listed_the_newest_first_by_status_and_workflow(fleet: Fleet) -> None:
    for number, (workflow_id, status) in enumerate(
        [("x", "running"), ("y", "failed"), ("x", "failed"), ("x", "running")]
    ):
        fleet.session(f"s{number}", workflow_id=workflow_id, status=SessionStatus(status))
        fleet.clock.forward(1)

    def ids(status: str | None = None, workflow_id: str | None = None) -> list[str]:
        seen: list[str] = []
        cursor = None
        while True:
            page = fleet.sessions.listed(
                status=status, workflow_id=workflow_id, limit=1, cursor=cursor
            )
            seen += [session.session_id for session in page.items]
            cursor = page.next_cursor
            if cursor is None:
                return seen

    assert ids() == ["s3", "s2", "s1", "s0"]
    assert ids("failed") == ["s2", "s1"]
    assert ids(workflow_id="x") == ["s3", "s2", "s0"]
    assert ids("running", "x") == ["s3", "s0"]
    assert ids("paused") == []


def test_a_session_is_shown_with_its_tasks_and_all_their_attempts(fleet: Fleet) -> None:
    fleet.agent("a", max_concurrency=5)
    for number, (task_id, retry) in enumerate([("one", 0), ("one", 1), ("two", 0)]):
        fleet.dispatch(fleet.message(f"t{number}", task_id=task_id, retry=retry))
        fleet.clock.forward(1)

    view = fleet.sessions.view("s1")

    assert [(task.task_id, len(task.attempts)) for task in view.tasks] == [("one", 2), ("two", 1)]
    assert len(view.attempts) == 3
