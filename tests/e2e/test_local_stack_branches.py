"""What infra/local/emulator mends in Parallel and Map states, one test for each defect."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.machines import Machines, caught
from tests.e2e.waiting import eventually

JsonObject = dict[str, Any]

SUCCEED = {"Type": "Succeed"}
RESULT = "{% $states.result %}"
ITEM = "{% $states.context.Map.Item.Value %}"
INDEX = "{% $states.context.Map.Item.Index %}"


@pytest.fixture
def machines(aws: Any) -> Machines:
    return Machines(aws)


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


def a_map(state: JsonObject, items: Any, **fields: Any) -> JsonObject:
    processor = branch(state, "item")
    return {"Type": "Map", "Items": items, "ItemProcessor": processor, "End": True, **fields}


def a_parallel(state: JsonObject, *_: Any, **fields: Any) -> JsonObject:
    return {"Type": "Parallel", "Branches": [branch(state, "item")], "End": True, **fields}


@pytest.mark.parametrize("container", [a_parallel, a_map])
def test_branches_are_tried_again_after_a_limited_delay(machines: Machines, container: Any) -> None:
    rule = {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 600, "MaxAttempts": 1}
    state = container(machines.task(), [1], Retry=[{**rule, "MaxDelaySeconds": 1}])
    execution = machines.start({"all": state})
    first = machines.next_task()
    machines.fail(first)
    second = machines.next_task(seconds=4)
    machines.fail(second)

    assert first["token"] != second["token"]
    assert machines.end(execution)["error"] == "AgentError"


def test_stopped_execution_ends_the_tokens_of_its_branches(machines: Machines) -> None:
    both = a_parallel(a_map(machines.task(), [1, 2]), Catch=caught("States.ALL"))
    execution = machines.start({"both": both, "caught": machines.task()})
    tasks = [machines.next_task(), machines.next_task()]
    machines.sfn.stop_execution(executionArn=execution, error="Cancelled", cause="by a person")

    for task in tasks:
        with pytest.raises(ClientError, match="TaskTimedOut"):
            machines.succeed(task)
    described = machines.sfn.describe_execution(executionArn=execution)
    assert (described["status"], described["error"]) == ("ABORTED", "Cancelled")
    with pytest.raises(AssertionError):
        machines.next_task(seconds=1)


def test_nested_maps_have_their_own_items_and_see_outer_variables(machines: Machines) -> None:
    parameters = {"item": "{% $states.input.item %}", "index": "{% $states.input.index %}"}
    parameters["outer"] = "{% $outer %}"
    item = machines.task(parameters=parameters, Output=RESULT)
    selected = {"item": ITEM, "index": [INDEX]}
    inner = a_map(
        item, "{% $states.input.item %}", ItemSelector={**selected, "outer": "{% $outer %}"}
    )
    outer = a_map(inner, "{% $states.input.lists %}", ItemSelector=selected)
    states = {
        "begin": {"Type": "Pass", "Assign": {"outer": 'q"任'}, "Next": "all"},
        "all": outer,
    }
    execution = machines.start(states, {"lists": [["a", "b"], [], ["c"]]})
    tasks = [machines.next_task() for _ in range(3)]
    for task in tasks:
        machines.succeed(task, task["parameters"]["item"])

    told = sorted((task["parameters"]["item"], task["parameters"]["index"]) for task in tasks)
    assert told == [("a", [0]), ("b", [1]), ("c", [0])]
    assert {task["parameters"]["outer"] for task in tasks} == {'q"任'}
    assert machines.end(execution)["output"] == [["a", "b"], [], ["c"]]


def test_error_inside_an_item_is_assigned_there_and_nowhere_else(machines: Machines) -> None:
    (catch,) = caught("States.ALL", "tell")
    catch["Assign"] = {"why": "{% $states.errorOutput.Error %}"}
    states = {
        "work": machines.task(end=False, Assign={"why": "none"}, Catch=[catch], Next="tell"),
        "tell": {"Type": "Succeed", "Output": "{% $why %}"},
    }
    state = {
        "Type": "Map",
        "Items": [0, 1],
        "MaxConcurrency": 1,
        "ItemProcessor": {"StartAt": "work", "States": states},
        "Next": "end",
    }
    end = {
        "Type": "Succeed",
        "Output": {"all": "{% $states.input %}", "why": "{% $exists($why) %}"},
    }
    execution = machines.start({"all": state, "end": end})
    machines.fail(machines.next_task(), "Boom")
    machines.succeed(machines.next_task())

    assert machines.end(execution)["output"] == {"all": ["Boom", "none"], "why": False}


def test_large_map_does_forty_at_once_and_tells_each_event(machines: Machines) -> None:
    execution = machines.start({"all": a_map(machines.task(Output=RESULT), "{% [1..200] %}")})
    open_tasks = [machines.next_task() for _ in range(40)]
    with pytest.raises(AssertionError):
        machines.next_task(seconds=0.5)
    for _ in range(200):
        machines.succeed(open_tasks.pop(0), 1)
        if len(open_tasks) < 20:
            open_tasks += machines.tasks_at_hand()

    assert machines.end(execution)["output"] == [1] * 200
    history = machines.history(execution)
    assert len({event["id"] for event in history}) == len(history) > 400


def a_distributed_map(machines: Machines, **fields: Any) -> JsonObject:
    given = "{% $states.context.Execution.Input %}"
    parameters = {"given": given, "outer": "{% $exists($outer) %}"}
    state = a_map(
        machines.task(parameters=parameters, Output=RESULT),
        "{% $states.input %}",
        ItemSelector={"item": ITEM, "index": INDEX, "outer": "{% $outer %}"},
        **fields,
    )
    state["ItemProcessor"]["ProcessorConfig"] = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    return {"begin": {"Type": "Pass", "Assign": {"outer": 1}, "Next": "all"}, "all": state}


def test_items_of_a_distributed_map_are_executions_of_their_own(machines: Machines) -> None:
    execution = machines.start(a_distributed_map(machines), ["a", "b"])
    tasks = [machines.next_task(), machines.next_task()]
    for task in tasks:
        machines.succeed(task, task["parameters"]["given"]["item"])

    given = sorted(
        (task["parameters"]["given"] for task in tasks), key=lambda given: given["index"]
    )
    assert given == [
        {"item": "a", "index": 0, "outer": 1},
        {"item": "b", "index": 1, "outer": 1},
    ]
    assert [task["parameters"]["outer"] for task in tasks] == [False, False]
    assert machines.end(execution)["output"] == ["a", "b"]
    (run,) = machines.sfn.list_map_runs(executionArn=execution)["mapRuns"]
    children = machines.sfn.list_executions(mapRunArn=run["mapRunArn"])["executions"]
    assert [child["status"] for child in children] == ["SUCCEEDED", "SUCCEEDED"]


@pytest.mark.parametrize(("tolerated", "status"), [(50, "SUCCEEDED"), (49, "FAILED")])
def test_distributed_map_fails_when_too_many_items_do(
    machines: Machines, tolerated: int, status: str
) -> None:
    states = a_distributed_map(machines, ToleratedFailurePercentage=tolerated)
    execution = machines.start(states, ["a", "b"])
    first, second = machines.next_task(), machines.next_task()
    machines.fail(first)
    if status == "SUCCEEDED":
        machines.succeed(second)
    ended = machines.end(execution)

    assert ended["status"] == status
    if status == "FAILED":
        assert ended["error"] == "States.ExceedToleratedFailureThreshold"
        with pytest.raises(ClientError, match="Task"):
            machines.succeed(second)


def test_stopped_execution_aborts_the_children_of_its_map(machines: Machines) -> None:
    execution = machines.start(a_distributed_map(machines), ["a"])
    task = machines.next_task()
    machines.sfn.stop_execution(executionArn=execution)

    with pytest.raises(ClientError, match="TaskTimedOut"):
        machines.succeed(task)
    (run,) = machines.sfn.list_map_runs(executionArn=execution)["mapRuns"]
    arn = run["mapRunArn"]
    eventually(lambda: machines.sfn.describe_map_run(mapRunArn=arn)["status"] == "ABORTED")
    (child,) = machines.sfn.list_executions(mapRunArn=arn)["executions"]
    assert child["status"] == "ABORTED"
