"""What infra/local/emulator mends in how functions run, one test for each defect."""

from __future__ import annotations

import io
import json
import time
import uuid
import zipfile
from typing import Any

import pytest

from infra.local.settings import RUNTIME
from tests.e2e.machines import Machines
from tests.e2e.waiting import eventually

WHERE = """
import os, shared
def handler(event, context):
    return os.path.realpath(shared.__file__)
"""

HIDES_AND_FAILS = """
import boto3, json, os, time
def handler(event, context):
    sqs = boto3.client("sqs")
    for record in event["Records"]:
        sqs.send_message(QueueUrl=os.environ["SEEN"], MessageBody=str(time.time()))
        sqs.change_message_visibility(
            QueueUrl=os.environ["QUEUE"],
            ReceiptHandle=record["receiptHandle"],
            VisibilityTimeout=3,
        )
    return {"batchItemFailures": [{"itemIdentifier": r["messageId"]} for r in event["Records"]]}
"""

EVENT_SOURCE = """
Parameters: {Limit: {Type: Number, Default: 4}}
Resources:
  Source:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      EventSourceArn: %s
      FunctionName: %s
      BatchSize: 1
      FunctionResponseTypes: [ReportBatchItemFailures]
      ScalingConfig: {MaximumConcurrency: !Ref Limit}
"""


def archive(**files: str) -> bytes:
    """A zip of Python modules, dots in a name standing for folders."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as zipped:
        for name, text in files.items():
            zipped.writestr(f"{name.replace('__', '/')}.py", text)
    return content.getvalue()


def make_role(aws: Any, **statement: Any) -> str:
    """A role with one statement of rights; its arn."""
    iam = aws.cloud.client("iam")
    name = f"test-{uuid.uuid4().hex}"
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}
    iam.create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{**trust, "Action": "sts:AssumeRole"}]}
        ),
    )
    if statement:
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(document))
    return str(iam.get_role(RoleName=name)["Role"]["Arn"])


def make_function(
    aws: Any, code: str, *layers: str, role: str | None = None, **environment: str
) -> str:
    name = f"test-{uuid.uuid4().hex}"
    aws.functions.create_function(
        FunctionName=name,
        Runtime=RUNTIME,
        Role=role or make_role(aws),
        Handler="app.handler",
        Code={"ZipFile": archive(app=code)},
        Layers=list(layers),
        Timeout=10,
        Environment={"Variables": environment},
    )
    return name


def invoke(aws: Any, name: str) -> Any:
    answer = aws.functions.invoke(FunctionName=name, Payload="{}")
    content = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, content
    return content


def shared_layer(aws: Any) -> str:
    """The layer that the deployed functions use."""
    function = aws.outputs["SweeperName"]
    configuration = aws.functions.get_function_configuration(FunctionName=function)
    return str(configuration["Layers"][0]["Arn"])


def test_silent_handler_is_not_slow(aws: Any) -> None:
    name = make_function(aws, "def handler(event, context): return 1\n")
    invoke(aws, name)
    times = []
    for _ in range(10):
        started = time.monotonic()
        invoke(aws, name)
        times.append(time.monotonic() - started)

    assert min(times) < 0.045


def test_layer_is_unpacked_once(aws: Any) -> None:
    content = archive(python__shared="")
    layer = aws.functions.publish_layer_version(
        LayerName=f"test-{uuid.uuid4().hex}", Content={"ZipFile": content}
    )
    places = {invoke(aws, make_function(aws, WHERE, layer["LayerVersionArn"])) for _ in range(2)}

    assert len(places) == 1


@pytest.mark.parametrize("package", ["ministack", "hypercorn"])
def test_function_sees_only_what_it_declares(aws: Any, package: str) -> None:
    code = (
        "import importlib.util\n"
        f"def handler(event, context): return importlib.util.find_spec({package!r}) is None\n"
    )

    assert invoke(aws, make_function(aws, code, shared_layer(aws))) is True


ANSWERS = """
import boto3
def handler(event, context):
    client = boto3.client("stepfunctions")
    client.send_task_success(taskToken=event["token"], output="{}")
"""


def test_answering_a_token_needs_a_right_to_its_machine(aws: Any) -> None:
    """So that a role that names no machine, or another one, is found out here."""
    machines = Machines(aws)
    execution = machines.start({"work": machines.task()})
    event = json.dumps({"token": machines.next_task()["token"]})

    def answer(machine: str) -> str | None:
        resource = f"arn:aws:states:*:*:stateMachine:{machine}"
        role = make_role(aws, Action="states:SendTaskSuccess", Resource=resource)
        name = make_function(aws, ANSWERS, shared_layer(aws), role=role)
        invoked = aws.functions.invoke(FunctionName=name, Payload=event)
        return str(invoked["Payload"].read()) if "FunctionError" in invoked else None

    refused = answer("other-*")
    assert refused is not None
    assert "AccessDenied" in refused
    assert answer("test-*") is None
    assert machines.end(execution)["status"] == "SUCCEEDED"


def test_failed_message_stays_hidden_as_long_as_its_handler_said(aws: Any) -> None:
    """And a MaximumConcurrency that comes from a parameter is polled at all."""
    own, seen = (
        aws.sqs.create_queue(
            QueueName=f"test-{uuid.uuid4().hex}", Attributes={"VisibilityTimeout": "60"}
        )["QueueUrl"]
        for _ in range(2)
    )
    actions = ["sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage"]
    actions += ["sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]
    role = make_role(aws, Action=actions, Resource="*")
    name = make_function(aws, HIDES_AND_FAILS, shared_layer(aws), role=role, QUEUE=own, SEEN=seen)
    queue_arn = aws.sqs.get_queue_attributes(QueueUrl=own, AttributeNames=["QueueArn"])
    formation = aws.cloud.client("cloudformation")
    body = EVENT_SOURCE % (queue_arn["Attributes"]["QueueArn"], name)
    formation.create_stack(StackName=name, TemplateBody=body)
    aws.sqs.send_message(QueueUrl=own, MessageBody="work")
    times: list[float] = []

    def two_deliveries() -> bool:
        messages = aws.sqs.receive_message(QueueUrl=seen).get("Messages", [])
        times.extend(float(message["Body"]) for message in messages)
        return len(times) >= 2

    try:
        assert eventually(two_deliveries, seconds=30)
    finally:
        formation.delete_stack(StackName=name)
    assert 2.5 < times[1] - times[0] < 10
