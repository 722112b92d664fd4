"""What infra/local/emulator mends in the Step Functions interpreter, one test for each defect."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.machines import Machines

SUCCEED = {"Type": "Succeed"}


@pytest.fixture
def machines(aws: Any) -> Machines:
    return Machines(aws)


def caught(error: str, following: str = "caught") -> list[dict[str, Any]]:
    return [{"ErrorEquals": [error], "Next": following}]


def test_starting_twice_with_one_name_and_input_is_one_start(machines: Machines) -> None:
    machine = machines.create({"work": machines.task()})
    name = str(uuid.uuid4())
    first = machines.sfn.start_execution(stateMachineArn=machine, name=name, input='{"a": 1}')
    again = machines.sfn.start_execution(stateMachineArn=machine, name=name, input='{"a": 1}')
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        machines.sfn.start_execution(stateMachineArn=machine, name=name, input='{"a": 2}')

    assert again["executionArn"] == first["executionArn"]
    machines.succeed(machines.next_task())
    assert machines.end(first["executionArn"])["status"] == "SUCCEEDED"
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        machines.sfn.start_execution(stateMachineArn=machine, name=name, input='{"a": 1}')


def test_stopped_execution_stays_aborted_and_its_token_dies(machines: Machines) -> None:
    execution = machines.start({"work": machines.task()})
    task = machines.next_task()
    machines.sfn.stop_execution(executionArn=execution)
    time.sleep(0.5)

    with pytest.raises(ClientError, match="Task"):
        machines.succeed(task)
    assert machines.end(execution)["status"] == "ABORTED"


def test_machine_timeout_ends_the_execution(machines: Machines) -> None:
    execution = machines.start({"work": machines.task()}, TimeoutSeconds=1)

    assert machines.end(execution)["status"] == "TIMED_OUT"


def test_every_attempt_has_its_own_token_and_retry_count(machines: Machines) -> None:
    retry = [{"ErrorEquals": ["AgentError"], "IntervalSeconds": 1, "MaxAttempts": 2}]
    execution = machines.start({"work": machines.task(Retry=retry)})
    tasks = []
    for _ in range(3):
        tasks.append(machines.next_task())
        machines.fail(tasks[-1])

    assert [task["retry"] for task in tasks] == [0, 1, 2]
    assert len({task["token"] for task in tasks}) == 3
    assert machines.end(execution)["error"] == "AgentError"


def test_missing_heartbeat_is_a_timeout(machines: Machines) -> None:
    states = {
        "work": machines.task(HeartbeatSeconds=1, Catch=caught("States.Timeout")),
        "caught": {"Type": "Succeed", "Output": "late"},
    }
    execution = machines.start(states)
    task = machines.next_task()
    time.sleep(0.7)
    machines.sfn.send_task_heartbeat(taskToken=task["token"])
    time.sleep(0.7)
    beaten = machines.sfn.describe_execution(executionArn=execution)["status"]

    assert beaten == "RUNNING"
    assert machines.end(execution) == {"status": "SUCCEEDED", "output": "late", "error": None}


def test_timeout_may_be_an_expression(machines: Machines) -> None:
    states = {"work": machines.task(TimeoutSeconds="{% $states.input.seconds %}")}
    execution = machines.start(states, {"seconds": 1})

    assert machines.end(execution, seconds=10)["error"] == "States.Timeout"


@pytest.mark.parametrize(
    "limit", [{"MaxDelaySeconds": 1}, {"MaxDelaySeconds": 1, "JitterStrategy": "FULL"}]
)
def test_delay_of_a_retry_has_a_limit(machines: Machines, limit: dict[str, Any]) -> None:
    rule = {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 600, "MaxAttempts": 1, **limit}
    execution = machines.start({"work": machines.task(Retry=[rule])})
    machines.fail(machines.next_task())
    machines.succeed(machines.next_task(seconds=4))

    assert machines.end(execution)["status"] == "SUCCEEDED"


def branch(state: dict[str, Any], name: str) -> dict[str, Any]:
    return {"StartAt": name, "States": {name: state}}


def test_parallel_branches_have_their_own_tokens(machines: Machines) -> None:
    retry = [{"ErrorEquals": ["AgentError"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    task = machines.task(Output="{% $states.result %}", Retry=retry)
    branches = [branch(task, "left"), branch(task, "right")]
    execution = machines.start({"both": {"Type": "Parallel", "Branches": branches, "End": True}})
    tasks = {task["name"]: task for task in (machines.next_task(), machines.next_task())}
    first, other = tasks["left"], tasks["right"]
    machines.fail(first)
    again = machines.next_task()

    assert again["name"] == "left"
    assert len({first["token"], other["token"], again["token"]}) == 3
    for one in (other, again):
        machines.succeed(one, {"from": one["name"]})
    assert machines.end(execution)["output"] == [{"from": "left"}, {"from": "right"}]


def test_failed_branch_ends_the_others(machines: Machines) -> None:
    branches = [branch(machines.task(), "left"), branch(machines.task(), "right")]
    states = {
        "both": {
            "Type": "Parallel",
            "Branches": branches,
            "Next": "after",
            "Catch": caught("AgentError"),
        },
        "after": SUCCEED,
        "caught": SUCCEED,
    }
    execution = machines.start(states)
    tasks = {task["name"]: task for task in (machines.next_task(), machines.next_task())}
    machines.fail(tasks["left"])

    assert machines.end(execution, seconds=5)["status"] == "SUCCEEDED"
    time.sleep(0.3)
    with pytest.raises(ClientError, match="Task"):
        machines.succeed(tasks["right"])


def test_failed_item_ends_the_map(machines: Machines) -> None:
    processor = {"StartAt": "item", "States": {"item": machines.task()}}
    state = {"Type": "Map", "Items": [1, 2, 3], "ItemProcessor": processor, "End": True}
    execution = machines.start({"all": state})
    first = machines.next_task()
    machines.fail(first)

    assert machines.end(execution, seconds=5)["error"] == "AgentError"


def test_map_keeps_to_its_concurrency_and_order(machines: Machines) -> None:
    item = machines.task(Output="{% $states.result %}")
    state = {
        "Type": "Map",
        "Items": ["a", "b", "c"],
        "MaxConcurrency": 1,
        "ItemProcessor": {"StartAt": "item", "States": {"item": item}},
        "End": True,
    }
    execution = machines.start({"all": state})
    for number in range(3):
        machines.succeed(machines.next_task(), {"number": number})

    assert machines.end(execution)["output"] == [{"number": 0}, {"number": 1}, {"number": 2}]


def test_fields_of_an_assign_see_the_values_from_entry(machines: Machines) -> None:
    states = {
        "first": {"Type": "Pass", "Assign": {"a": 1, "b": 2}, "Next": "swap"},
        "swap": {"Type": "Pass", "Assign": {"a": "{% $b %}", "b": "{% $a %}"}, "Next": "tell"},
        "tell": {"Type": "Succeed", "Output": "{% [$a, $b] %}"},
    }

    assert machines.end(machines.start(states))["output"] == [2, 1]


def test_choice_has_output_on_default(machines: Machines) -> None:
    states = {
        "choose": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% false %}", "Next": "end"}],
            "Default": "end",
            "Output": {"chosen": "default"},
        },
        "end": SUCCEED,
    }

    assert machines.end(machines.start(states))["output"] == {"chosen": "default"}


def test_condition_that_is_no_boolean_is_an_error(machines: Machines) -> None:
    states = {
        "choose": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% 1 %}", "Next": "end"}],
            "Default": "end",
        },
        "end": SUCCEED,
    }

    assert machines.end(machines.start(states))["error"] == "States.QueryEvaluationError"
