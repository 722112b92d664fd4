from __future__ import annotations

import json
from cProfile import Profile

import pytest

from opscore.errors import WorkflowInvalid
from opscore.workflows.checks import check
from opscore.workflows.compiler import compile_workflow
from opscore.workflows.language import Workflow
from opscore.workflows.names import MAX_NAME
from opscore.workflows.shipped import (
    DEFAULT_MAX_RETRIES,
    SINGLE_TASK_ID,
    shipped_ids,
    shipped_source,
    single_task,
)
from tests.unit.workflows.pairs import QUEUE_URL


def sequence(length: int) -> str:
    tasks = "".join(f"  - {{taskId: task-{n}, agentCapability: c}}\n" for n in range(length))
    return f"id: long\nname: Long\ntasks:\n{tasks}"


def test_a_good_template_gives_a_workflow_and_its_data() -> None:
    checked = check(b"id: a\nname: A\nversion: 1.10\ntasks: [{taskId: t}]\n")

    assert isinstance(checked.require(), Workflow)
    assert checked.require().version == "1.10"
    assert checked.template == {"id": "a", "name": "A", "version": 1.1, "tasks": [{"taskId": "t"}]}
    assert (checked.errors, checked.warnings) == ([], [])


def test_a_bad_template_gives_every_finding() -> None:
    checked = check("id: a\ntasks: [{taskId: t, timeout: x}]")

    assert checked.workflow is None
    assert [finding.code for finding in checked.errors] == ["OC010", "OC015"]
    with pytest.raises(WorkflowInvalid) as raised:
        checked.require()
    assert [finding.code for finding in raised.value.findings] == ["OC010", "OC015"]


def test_no_tasks_is_a_workflow_with_nothing_to_compile() -> None:
    workflow = check({"id": "a", "name": "A", "tasks": []}).require()

    assert workflow.tasks == ()
    with pytest.raises(WorkflowInvalid):
        compile_workflow(workflow, QUEUE_URL)


def test_the_order_of_keys_does_not_change_the_bytes() -> None:
    one = {
        "id": "a",
        "name": "A",
        "tasks": [{"taskId": "t", "parameters": {"x": 1, "y": [{"b": 1, "a": 2}]}}],
    }
    other = {
        "tasks": [{"parameters": {"y": [{"a": 2, "b": 1}], "x": 1}, "taskId": "t"}],
        "name": "A",
        "id": "a",
    }

    definitions = [compile_workflow(check(source).require(), QUEUE_URL) for source in (one, other)]

    assert definitions[0] == definitions[1]
    assert definitions[0] == json.dumps(
        json.loads(definitions[0]), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )


@pytest.mark.parametrize("length", [1, 2, 7])
def test_a_sequence_has_one_state_per_task(length: int) -> None:
    machine = json.loads(compile_workflow(check(sequence(length)).require(), QUEUE_URL))

    assert len(machine["States"]) == length


def test_a_thousand_tasks_fit_into_one_definition() -> None:
    checked = check(sequence(1000))

    assert checked.errors == []
    assert len(compile_workflow(checked.require(), QUEUE_URL)) < 1024 * 1024


def test_the_work_for_each_task_does_not_grow_with_their_number() -> None:
    few, many = (_calls(length) / length for length in (100, 1000))

    assert many < few * 1.1


def _calls(length: int) -> int:
    """Function calls that checking and compiling a sequence takes."""
    profile = Profile()
    template = sequence(length)
    profile.runcall(lambda: compile_workflow(check(template).require(), QUEUE_URL))
    return sum(entry.callcount for entry in profile.getstats())


@pytest.mark.parametrize("workflow_id", shipped_ids())
def test_shipped_templates_are_free_of_findings(workflow_id: str) -> None:
    checked = check(shipped_source(workflow_id) or "")

    assert checked.require().id == workflow_id
    assert checked.warnings == []


def test_a_single_task_has_as_many_retries_as_asked() -> None:
    def retriers(template: object) -> list[dict[str, object]]:
        machine = json.loads(compile_workflow(check(template).require(), QUEUE_URL))  # type: ignore[arg-type]  # data of unknown shape is what check is for
        found: list[dict[str, object]] = machine["States"]["task"].get("Retry", [])
        return found

    assert retriers(single_task(7))[-1]["MaxAttempts"] == 7
    assert retriers(single_task(0)) == []
    assert retriers(single_task(DEFAULT_MAX_RETRIES)) == retriers(shipped_source(SINGLE_TASK_ID))


def test_state_names_never_exceed_what_aws_takes() -> None:
    task_id = "x" * MAX_NAME
    template = {"id": "a", "name": "A", "tasks": [{"taskId": task_id, "fallback": {"result": 1}}]}

    machine = json.loads(compile_workflow(check(template).require(), QUEUE_URL))

    assert {len(name) for name in machine["States"]} == {MAX_NAME}
