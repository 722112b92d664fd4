"""What infra/local/emulator mends in the Step Functions interpreter, one test for each defect."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.machines import Machines, caught
from tests.e2e.waiting import eventually

SUCCEED = {"Type": "Succeed"}


@pytest.fixture
def machines(aws: Any) -> Machines:
    return Machines(aws)


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

    with pytest.raises(ClientError, match="TaskTimedOut"):
        machines.succeed(task)
    assert machines.end(execution)["status"] == "ABORTED"


def test_nothing_follows_the_end_in_the_history(machines: Machines) -> None:
    execution = machines.start(
        {"wait": {"Type": "Wait", "Seconds": 10, "Next": "end"}, "end": SUCCEED}
    )
    eventually(lambda: machines.history(execution)[-1]["type"] == "WaitStateEntered")
    machines.sfn.stop_execution(executionArn=execution)
    time.sleep(1.5)

    assert machines.history(execution)[-1]["type"] == "ExecutionAborted"


def test_machine_timeout_ends_the_execution_and_its_tokens(machines: Machines) -> None:
    execution = machines.start({"work": machines.task()}, TimeoutSeconds=1)
    task = machines.next_task()

    assert machines.end(execution)["status"] == "TIMED_OUT"
    with pytest.raises(ClientError, match="Task"):
        machines.succeed(task)


def test_failed_execution_has_an_error_and_no_output(machines: Machines) -> None:
    error = {"Error": "{% 'No' & 'pe' %}", "Cause": '{% "say \\"no\\" 任务" %}'}
    execution = machines.start({"fail": {"Type": "Fail", **error}})
    machines.end(execution)
    described = machines.sfn.describe_execution(executionArn=execution)

    assert (described["status"], described["error"]) == ("FAILED", "Nope")
    assert described["cause"] == 'say "no" 任务'
    assert "output" not in described


def test_failure_of_a_nested_execution_is_a_failed_task(machines: Machines) -> None:
    child = machines.create({"fail": {"Type": "Fail", "Error": "Nope", "Cause": "as told"}})
    states = {
        "run": {
            "Type": "Task",
            "Resource": "arn:aws:states:::states:startExecution.sync:2",
            "Arguments": {"StateMachineArn": child, "Input": {}},
            "Catch": [
                {
                    "ErrorEquals": ["States.TaskFailed"],
                    "Output": "{% $parse($states.errorOutput.Cause).Error %}",
                    "Next": "caught",
                }
            ],
            "Next": "caught",
        },
        "caught": SUCCEED,
    }

    assert machines.end(machines.start(states))["output"] == "Nope"


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


def test_expressions_that_are_evaluated_together_have_their_time(machines: Machines) -> None:
    work = {"Type": "Pass", "Output": "{% $count([1..12000].($ % 7)) %}", "End": True}
    processor = {"StartAt": "work", "States": {"work": work}}
    state = {"Type": "Map", "Items": "{% [1..20] %}", "ItemProcessor": processor, "End": True}

    assert machines.end(machines.start({"all": state}))["output"] == [12000] * 20


def test_loop_goes_on_until_its_condition_holds(machines: Machines) -> None:
    states = {
        "begin": {"Type": "Pass", "Assign": {"round": 1, "seen": []}, "Next": "wait"},
        "wait": {"Type": "Wait", "Seconds": "{% $round %}", "Next": "note"},
        "note": {
            "Type": "Pass",
            "Assign": {"round": "{% $round + 1 %}", "seen": "{% $append($seen, $round) %}"},
            "Next": "again",
        },
        "again": {
            "Type": "Choice",
            "Choices": [
                {
                    "Condition": "{% $round > 3 %}",
                    "Assign": {"end": 'q"\n{% 任 %}'},
                    "Next": "end",
                }
            ],
            "Default": "wait",
        },
        "end": {"Type": "Succeed", "Output": {"seen": "{% $seen %}", "end": "{% $end %}"}},
    }

    output = machines.end(machines.start(states))["output"]
    assert output == {"seen": [1, 2, 3], "end": 'q"\n{% 任 %}'}


def test_every_end_is_announced(aws: Any, machines: Machines) -> None:
    events = aws.cloud.client("events")
    rule, queue = f"test-{uuid.uuid4().hex}", machines.queue_url
    arn = machines.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    pattern = {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {"stateMachineArn": [{"wildcard": "*:stateMachine:test-*"}]},
    }
    events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
    target = {"Id": "queue", "Arn": arn["Attributes"]["QueueArn"]}
    events.put_targets(Rule=rule, Targets=[target])
    wait = {"wait": {"Type": "Wait", "Seconds": 600, "End": True}}
    machine = machines.create(wait, TimeoutSeconds=1)
    session = str(uuid.uuid4())
    for name in (session, f"{session}-after"):
        machines.sfn.start_execution(stateMachineArn=machine, name=name)
    machines.start({"end": SUCCEED})
    machines.start({"fail": {"Type": "Fail", "Error": "Nope"}})
    machines.sfn.stop_execution(executionArn=machines.start(wait))
    told = [machines.next_task()["detail"] for _ in range(10)]
    events.remove_targets(Rule=rule, Ids=["queue"])
    events.delete_rule(Name=rule)

    ends = [detail for detail in told if detail["status"] != "RUNNING"]
    statuses = sorted(detail["status"] for detail in ends)
    assert statuses == ["ABORTED", "FAILED", "SUCCEEDED", "TIMED_OUT", "TIMED_OUT"]
    timed_out = {detail["name"] for detail in ends if detail["status"] == "TIMED_OUT"}
    assert timed_out == {session, f"{session}-after"}
