"""State machines are there as long as somebody may need them, and no longer."""

from __future__ import annotations

from typing import Any

import pytest

from opscore.errors import DependencyFailed, WorkflowNotFound, WorkflowShipped
from opscore.models.session import SessionStatus
from opscore.models.workflow import WorkflowVersion
from opscore.ports import ConditionFailed, Execution
from opscore.records import keys
from opscore.services.rerun import CURRENT, RerunRequest
from opscore.services.sessions import StartRequest
from opscore.workflows.shipped import SINGLE_TASK_ID
from tests.support.fleet import Fleet
from tests.support.memory import MemoryMachines

DAY = 24 * 3600


def template(text: str, **more: Any) -> dict[str, Any]:
    tasks = [{"taskId": "one", "agentCapability": "work", "parameters": {"text": text}}]
    return {"id": "wf", "name": "W", "tasks": tasks, **more}


def apply(fleet: Fleet, text: str, **more: Any) -> WorkflowVersion:
    return fleet.workflows.apply("wf", template(text, **more)).version


def start(fleet: Fleet, definition: dict[str, Any] | None = None) -> str:
    name = None if definition else "wf"
    return fleet.sessions.start(StartRequest(name, definition, {})).session_id


def there(fleet: Fleet) -> set[str]:
    assert isinstance(fleet.machines, MemoryMachines)
    return set(fleet.machines.definitions)


def ends(fleet: Fleet, session_id: str) -> None:
    fleet.recording.event(session_id, Execution("SUCCEEDED", output="{}"))


def passes(fleet: Fleet, seconds: float, sweeps: int = 1) -> None:
    for _ in range(sweeps):
        fleet.clock.forward(seconds)
        fleet.sweeper.sweep()


def arns(*versions: WorkflowVersion) -> set[str | None]:
    return {arn for version in versions for arn in (version.machine_arn, version.cleanup_arn)}


UNDO = {"onFailure": [{"taskId": "tell", "agentCapability": "notify"}]}


def test_the_machines_of_a_replaced_version_go_when_no_session_is_open_on_them(
    fleet: Fleet,
) -> None:
    old = apply(fleet, "a", **UNDO)
    session_id = start(fleet)
    new = apply(fleet, "b", **UNDO)
    passes(fleet, DAY, sweeps=3)
    assert there(fleet) == arns(old, new)

    ends(fleet, session_id)
    passes(fleet, 3601)

    assert there(fleet) == arns(new)
    passes(fleet, DAY, sweeps=3)
    assert there(fleet) == arns(new)


def test_a_session_that_tidies_up_keeps_its_machines(fleet: Fleet) -> None:
    old = apply(fleet, "a", **UNDO)
    session_id = start(fleet)
    apply(fleet, "b")
    fleet.recording.event(session_id, Execution("FAILED", error="AgentError"))

    passes(fleet, DAY, sweeps=3)

    assert arns(old) <= there(fleet)


def test_a_session_whose_execution_has_not_begun_keeps_its_machine(fleet: Fleet) -> None:
    old = apply(fleet, "a")
    fleet.session("s1", status=SessionStatus.PAUSED, machine_arn=old.machine_arn)
    apply(fleet, "b")

    passes(fleet, DAY, sweeps=3)

    assert arns(old) - {None} <= there(fleet)


def test_what_was_current_once_and_comes_again_is_a_machine_of_its_own(fleet: Fleet) -> None:
    first = apply(fleet, "a")
    apply(fleet, "b")
    again = apply(fleet, "a")

    passes(fleet, 3601)

    assert first.machine_arn != again.machine_arn
    assert there(fleet) == {again.machine_arn}
    start(fleet)


def test_the_machine_of_an_inline_definition_goes_after_a_day_and_comes_again(fleet: Fleet) -> None:
    ends(fleet, start(fleet, template("a")))
    (arn,) = there(fleet)
    passes(fleet, DAY - 1)
    assert there(fleet) == {arn}
    passes(fleet, 2)
    assert there(fleet) == set()

    start(fleet, template("a"))

    assert there(fleet) == {arn}


def test_the_machine_of_an_inline_definition_stays_while_it_is_used(fleet: Fleet) -> None:
    for _ in range(6):
        ends(fleet, start(fleet, template("a")))
        passes(fleet, DAY / 2 - 60)
        assert len(there(fleet)) == 1


def test_a_machine_that_is_being_collected_is_not_started_on(fleet: Fleet) -> None:
    ends(fleet, start(fleet, template("a")))
    (arn,) = there(fleet)
    pair = fleet.machine_records.get(keys.machine_name(arn))
    assert pair is not None
    deleting = pair.replace(deleting=True, due_at=fleet.clock() + 60_000)
    fleet.store.write(fleet.machine_records.put(deleting))

    with pytest.raises(DependencyFailed, match="try again"):
        start(fleet, template("a"))
    passes(fleet, 61)
    assert there(fleet) == set()
    start(fleet, template("a"))


class MachinesInBetween(MemoryMachines):
    """Something happens while a machine is deleted."""

    meanwhile: Any = None

    def delete(self, machine_arn: str) -> None:
        if self.meanwhile is not None:
            self.meanwhile()
        super().delete(machine_arn)


def test_a_start_during_the_collecting_does_not_start_on_what_goes(fleet: Fleet) -> None:
    machines = fleet.machines = MachinesInBetween()
    ends(fleet, start(fleet, template("a")))
    refused: list[str] = []

    def starts() -> None:
        with pytest.raises(DependencyFailed) as error:
            start(fleet, template("a"))
        refused.append(str(error.value))

    machines.meanwhile = starts
    passes(fleet, DAY + 1)

    assert len(refused) == 1
    assert there(fleet) == set()


def test_an_upload_that_came_to_nothing_leaves_no_machine(fleet: Fleet) -> None:
    current = apply(fleet, "a")
    assert current.machine_arn is not None
    fleet.making.made("wf", 2, '{"never": "written"}', None)

    passes(fleet, DAY + 1)

    assert there(fleet) == {current.machine_arn}


def test_the_machine_of_a_session_that_may_run_again_is_held(fleet: Fleet) -> None:
    old = apply(fleet, "a")
    assert old.machine_arn is not None
    apply(fleet, "b")
    fleet.clock.forward(3601)

    assert fleet.making.held(old.machine_arn)
    passes(fleet, 60)

    assert old.machine_arn in there(fleet)


def test_an_old_version_is_made_again_for_who_asks_for_it(fleet: Fleet) -> None:
    old = apply(fleet, "a")
    new = apply(fleet, "b")
    passes(fleet, 3601)
    assert there(fleet) == {new.machine_arn}

    again = fleet.workflows.runnable("wf", 1)

    assert (again.version, again.machine_arn) == (1, old.machine_arn)
    assert there(fleet) == {old.machine_arn, new.machine_arn}
    fleet.workflows.delete("wf")
    with pytest.raises(WorkflowNotFound):
        fleet.workflows.runnable("wf", 1)


# ---- deleted workflows


def test_no_session_starts_on_a_deleted_workflow_and_those_that_run_go_on(fleet: Fleet) -> None:
    version = apply(fleet, "a")
    session_id = start(fleet)

    fleet.workflows.delete("wf")

    with pytest.raises(WorkflowNotFound):
        start(fleet)
    assert fleet.workflows.listed(limit=9, cursor=None).items == []
    passes(fleet, DAY)
    assert there(fleet) == {version.machine_arn}
    ends(fleet, session_id)
    passes(fleet, 3601)
    assert there(fleet) == set()


def test_what_a_deleted_workflow_ran_can_run_again_on_its_own_version(fleet: Fleet) -> None:
    apply(fleet, "a")
    session_id = start(fleet)
    fleet.sessions.update(session_id, status=SessionStatus.CANCELLED)
    fleet.workflows.delete("wf")

    again, _ = fleet.reruns.start(RerunRequest(session_id), None)

    assert (again.status, again.workflow_version) == (SessionStatus.STARTED, 1)
    with pytest.raises(WorkflowNotFound):
        fleet.reruns.start(RerunRequest(session_id, version=CURRENT), None)


def test_a_start_that_overlaps_a_deletion_starts_nothing(fleet: Fleet) -> None:
    version = apply(fleet, "a")
    fleet.workflows.delete("wf")

    with pytest.raises(ConditionFailed):
        fleet.store.write(fleet.workflow_records.is_current(version))


def test_a_deleted_workflow_that_comes_again_has_the_next_number(fleet: Fleet) -> None:
    apply(fleet, "a")
    fleet.workflows.delete("wf")

    again = fleet.workflows.apply("wf", template("a"))

    assert (again.version.version, again.changed) == (2, True)
    start(fleet)
    with pytest.raises(WorkflowNotFound):
        fleet.workflows.delete("unknown")


def test_a_workflow_is_deleted_once(fleet: Fleet) -> None:
    apply(fleet, "a")
    fleet.workflows.delete("wf")

    with pytest.raises(WorkflowNotFound):
        fleet.workflows.delete("wf")


def test_a_shipped_workflow_is_not_deleted(fleet: Fleet) -> None:
    with pytest.raises(WorkflowShipped):
        fleet.workflows.delete(SINGLE_TASK_ID)
