"""State machines, executions and task tokens."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from opscore.aws.stepfunctions import StateMachines, TaskTokens
from opscore.bootstrap import ports
from opscore.errors import SettingError
from opscore.ports import Execution, Machines, Refused, TokenGone, Tokens
from tests.support.aws import Deployment
from tests.support.memory import MemoryMachines, MemoryTokens

WAITING = json.dumps(
    {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 60, "End": True}}}
)


@pytest.fixture(params=["memory", "stepfunctions"])
def machines(request: pytest.FixtureRequest) -> Machines:
    if request.param == "memory":
        return MemoryMachines()
    request.getfixturevalue("deployment")
    return ports().machines


# ---- machines


def test_the_same_machine_twice_is_one(machines: Machines, name: str) -> None:
    assert machines.create(name, WAITING) == machines.create(name, WAITING)


def test_machines_of_other_names_are_others(machines: Machines, name: str) -> None:
    assert machines.create(name, WAITING) != machines.create(name + "x", WAITING)


def test_a_machine_exists_once_it_was_made(machines: Machines, name: str) -> None:
    arn = machines.create(name, WAITING)

    assert machines.exists(arn)
    assert not machines.exists(arn + "gone")


def test_a_machines_arn_is_known_before_it_is_made(machines: Machines, name: str) -> None:
    assert machines.arn_of(name) == machines.create(name, WAITING)


def test_a_deleted_machine_is_gone_can_be_deleted_again_and_made_anew(
    machines: Machines, name: str
) -> None:
    arn = machines.create(name, WAITING)

    for _ in range(2):
        machines.delete(arn)
        assert not machines.exists(arn)

    assert machines.create(name, WAITING) == arn
    assert machines.exists(arn)


def test_an_execution_that_nobody_started_is_none(machines: Machines, name: str) -> None:
    arn = machines.create(name, WAITING)

    assert machines.describe(arn, "s1") is None


def test_a_started_execution_runs_and_starting_it_again_is_a_success(
    machines: Machines, name: str
) -> None:
    arn = machines.create(name, WAITING)

    for _ in range(3):
        machines.start(arn, name, '{"input": 1}')

    assert machines.describe(arn, name) == Execution("RUNNING")
    machines.stop(arn, name, "", "")


def test_an_execution_of_a_machine_that_is_not_there_is_refused(
    machines: Machines, name: str
) -> None:
    arn = machines.create(name, WAITING)

    with pytest.raises(Refused):
        machines.start(arn + "gone", name, "{}")


def test_a_stopped_execution_is_aborted_and_may_be_stopped_again(
    machines: Machines, name: str
) -> None:
    arn = machines.create(name, WAITING)
    machines.start(arn, name, "{}")

    status = None
    for _ in range(200):  # moto forgets a stop that comes before its interpreter has begun
        machines.stop(arn, name, "Cancelled", "by a person")
        found = machines.describe(arn, name)
        status = None if found is None else found.status
        if status != "RUNNING":
            break
        time.sleep(0.02)

    assert status == "ABORTED"
    machines.stop(arn, name, "Cancelled", "by a person")


def test_stopping_what_never_started_does_nothing(machines: Machines, name: str) -> None:
    arn = machines.create(name, WAITING)

    machines.stop(arn, name, "Cancelled", "by a person")

    assert machines.describe(arn, name) is None


def test_a_function_that_may_not_make_machines_says_what_it_lacks(deployment: Deployment) -> None:
    reader = StateMachines(deployment.stepfunctions, prefix=None, role_arn=None, log_group_arn=None)

    with pytest.raises(SettingError, match="MACHINE_PREFIX"):
        reader.create("x", WAITING)


def test_a_machine_is_named_and_logs_as_the_deployment_says(
    deployment: Deployment, name: str
) -> None:
    arn = ports().machines.create(name, WAITING)

    found = deployment.stepfunctions.describe_state_machine(stateMachineArn=arn)
    prefix = deployment.template.environment("workflow_api")["MACHINE_PREFIX"]
    assert found["name"] == prefix + name
    assert found["type"] == "STANDARD"


# ---- tokens

Answered = Callable[[str], tuple[str, str] | None]


@dataclass
class Waiting:
    """Tokens that wait for an answer, and what they were answered."""

    tokens: Tokens
    new: Callable[[], str]
    answered: Answered


def in_memory(name: str) -> Waiting:
    tokens = MemoryTokens()
    return Waiting(tokens, lambda: name, tokens.answers.get)


def on_step_functions(deployment: Deployment, name: str) -> Waiting:
    url = deployment.sqs.create_queue(QueueName=name)["QueueUrl"]
    definition = {
        "QueryLanguage": "JSONata",
        "StartAt": "T",
        "States": {
            "T": {
                "Type": "Task",
                "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
                "Arguments": {
                    "QueueUrl": url,
                    "MessageBody": {"token": "{% $states.context.Task.Token %}"},
                },
                "End": True,
            }
        },
    }
    arn = ports().machines.create(name, json.dumps(definition))

    def new() -> str:
        ports().machines.start(arn, name, "{}")
        for _ in range(200):
            found = deployment.sqs.receive_message(QueueUrl=url).get("Messages")
            if found:
                return str(json.loads(found[0]["Body"])["token"])
            time.sleep(0.02)
        raise AssertionError("no token came")

    def answered(token: str) -> tuple[str, str] | None:
        assert token
        for _ in range(200):
            found = ports().machines.describe(arn, name)
            assert found is not None
            if found.status == "SUCCEEDED":
                return "succeeded", json.dumps(json.loads(found.output or "null"))
            if found.status == "FAILED":
                return "failed", f"{found.error}: {found.cause}"
            time.sleep(0.02)
        return None

    return Waiting(TaskTokens(deployment.stepfunctions), new, answered)


@pytest.fixture(params=["memory", "stepfunctions"])
def waiting(request: pytest.FixtureRequest, name: str) -> Waiting:
    if request.param == "memory":
        return in_memory(name)
    return on_step_functions(request.getfixturevalue("deployment"), name)


@pytest.mark.parametrize("output", ['{"a": 1}', "null", '"text"', "[]", "0"])
def test_a_token_is_answered_with_a_result(waiting: Waiting, output: str) -> None:
    token = waiting.new()

    waiting.tokens.succeed(token, output)

    assert waiting.answered(token) == ("succeeded", output)


def test_a_token_is_answered_with_an_error(waiting: Waiting) -> None:
    token = waiting.new()

    waiting.tokens.fail(token, "DiskFull", "no room")

    assert waiting.answered(token) == ("failed", "DiskFull: no room")


def test_a_token_takes_one_answer(name: str) -> None:
    """Of the fake alone: moto takes any number of answers and keeps the first."""
    waiting = in_memory(name)
    token = waiting.new()
    waiting.tokens.succeed(token, "1")
    assert waiting.answered(token) == ("succeeded", "1")

    with pytest.raises(TokenGone):
        waiting.tokens.succeed(token, "2")
    with pytest.raises(TokenGone):
        waiting.tokens.fail(token, "E", "")


def test_a_token_that_nobody_gave_out_is_gone(deployment: Deployment) -> None:
    with pytest.raises(TokenGone):
        TaskTokens(deployment.stepfunctions).succeed("no-such-token", "1")


def test_an_error_longer_than_step_functions_takes_is_cut(
    deployment: Deployment, name: str
) -> None:
    waiting = on_step_functions(deployment, name)
    token = waiting.new()

    waiting.tokens.fail(token, "E" * 1000, "c" * 100_000)

    answered = waiting.answered(token)
    assert answered is not None
    assert len(answered[1]) == 256 + 2 + 32_768
