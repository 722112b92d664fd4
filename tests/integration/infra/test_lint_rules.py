"""Each own cfn-lint rule catches its fault, and lets the same template pass without it."""

from typing import Any

import pytest
from cfnlint.rules import CloudFormationLintRule
from cfnlint.template import Template

from infra.lint.function_logs import FunctionHasOwnLogGroup
from infra.lint.function_role import FunctionHasOwnRole
from infra.lint.partial_failures import EventSourceReportsPartialFailures
from infra.lint.queue_redrive import QueueHasRedrivePolicy
from infra.lint.queue_visibility import QueueOutlastsItsFunction
from infra.lint.table_protection import TableIsProtected
from infra.lint.wildcard_actions import NoWildcardAction
from infra.lint.wildcard_resources import NoWildcardResource

Resource = dict[str, Any]


def resource(kind: str, **properties: Any) -> Resource:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def attribute(name: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [name, "Arn"]}


def redrive(name: str) -> dict[str, Any]:
    return {"deadLetterTargetArn": attribute(name), "maxReceiveCount": 5}


def role(*managed: Any, **statement: Any) -> Resource:
    document = {"Statement": [{"Effect": "Allow", **statement}]}
    policies = [{"PolicyName": "own", "PolicyDocument": document}] if statement else []
    return resource("IAM::Role", ManagedPolicyArns=[*managed], Policies=policies)


def function(**properties: Any) -> Resource:
    return resource("Lambda::Function", **properties)


def source(**properties: Any) -> Resource:
    given = {"EventSourceArn": attribute("Queue"), "FunctionName": {"Ref": "Function"}}
    return resource("Lambda::EventSourceMapping", **given, **properties)


def table(**changes: Any) -> Resource:
    properties = {
        "BillingMode": "PAY_PER_REQUEST",
        "SSESpecification": {"SSEEnabled": True},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
    }
    return resource("DynamoDB::Table", **{**properties, **changes})


PARTIAL = ["ReportBatchItemFailures"]
AWS_POLICY = {"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/AdministratorAccess"}

FAULTS = [
    pytest.param(
        QueueHasRedrivePolicy,
        {
            "Queue": resource("SQS::Queue", RedrivePolicy=redrive("Dead")),
            "Dead": resource("SQS::Queue"),
        },
        {"Queue": resource("SQS::Queue"), "Dead": resource("SQS::Queue")},
        {"Queue has no RedrivePolicy", "Dead has no RedrivePolicy"},
        id="queue without redrive policy",
    ),
    pytest.param(
        EventSourceReportsPartialFailures,
        {"Queue": resource("SQS::Queue"), "Source": source(FunctionResponseTypes=PARTIAL)},
        {"Queue": resource("SQS::Queue"), "Source": source()},
        {"Source does not have FunctionResponseTypes: [ReportBatchItemFailures]"},
        id="event source without partial failures",
    ),
    pytest.param(
        NoWildcardAction,
        {"Role": role(Action="sqs:SendMessage", Resource="q")},
        {"Role": role(Action=["sqs:SendMessage", "sqs:*"], Resource="q")},
        {"sqs:* is a wildcard"},
        id="wildcard action",
    ),
    pytest.param(
        NoWildcardAction,
        {"Policy": resource("IAM::ManagedPolicy", PolicyDocument={"Statement": []})},
        {
            "Policy": resource(
                "IAM::ManagedPolicy",
                PolicyDocument={
                    "Statement": {"Effect": "Allow", "NotAction": "iam:PassRole", "Resource": "q"}
                },
            )
        },
        {"NotAction allows all but some"},
        id="all actions but some",
    ),
    pytest.param(
        NoWildcardResource,
        {"Role": role(Action="xray:PutTraceSegments", Resource="*")},
        {"Role": role(Action="sqs:SendMessage", Resource="*")},
        {"sqs:SendMessage is allowed on all resources"},
        id="wildcard resource",
    ),
    pytest.param(
        FunctionHasOwnRole,
        {"A": function(Role=attribute("RoleA")), "B": function(Role=attribute("RoleB"))},
        {"A": function(Role=attribute("Role")), "B": function(Role=attribute("Role"))},
        {"B shares Role with A"},
        id="shared role",
    ),
    pytest.param(
        FunctionHasOwnRole,
        {"Role": role({"Ref": "OwnPolicy"})},
        {"Role": role(AWS_POLICY)},
        {"Role has a policy of AWS's own"},
        id="managed policy of AWS",
    ),
    pytest.param(
        FunctionHasOwnLogGroup,
        {
            "Function": function(LoggingConfig={"LogGroup": {"Ref": "Logs"}}),
            "Logs": resource("Logs::LogGroup", RetentionInDays=30),
        },
        {
            "Function": function(LoggingConfig={"LogGroup": {"Ref": "Logs"}}),
            "Other": function(LoggingConfig={"LogGroup": {"Ref": "Logs"}}),
            "Bare": function(),
            "Logs": resource("Logs::LogGroup"),
        },
        {
            "Logs is kept for ever",
            "Other shares Logs with Function",
            "Bare has no log group of its own",
        },
        id="log group",
    ),
    pytest.param(
        QueueOutlastsItsFunction,
        {
            "Queue": resource("SQS::Queue", VisibilityTimeout=60),
            "Function": function(Timeout=10),
            "Source": source(),
        },
        {
            "Queue": resource("SQS::Queue", VisibilityTimeout={"Ref": "Visibility"}),
            "Function": function(Timeout=10),
            "Source": source(),
        },
        {"Queue hides messages for 59 s, Function has 10 s"},
        id="short visibility timeout",
    ),
    pytest.param(
        TableIsProtected,
        {"Table": table()},
        {"Table": table(BillingMode="PROVISIONED", SSESpecification={"SSEEnabled": False})},
        {"Table lacks BillingMode: PAY_PER_REQUEST", "Table lacks SSESpecification"},
        id="table",
    ),
]


def messages(rule: type[CloudFormationLintRule], resources: dict[str, Resource]) -> set[str]:
    parameters = {"Visibility": {"Type": "Number", "Default": 59}}
    document = {"Parameters": parameters, "Resources": resources}
    template = Template("template.yaml", document, ["us-east-1"])
    return {match.message for match in rule().match(template)}


@pytest.mark.parametrize(("rule", "right", "wrong", "expected"), FAULTS)
def test_rule_catches_its_fault_and_nothing_else(
    rule: type[CloudFormationLintRule],
    right: dict[str, Resource],
    wrong: dict[str, Resource],
    expected: set[str],
) -> None:
    assert messages(rule, right) == set()
    assert messages(rule, wrong) == expected
