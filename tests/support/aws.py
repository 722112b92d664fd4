"""AWS in process as template.yaml describes it, and Ops-Core's functions in it.

The tables, queues and the secret are made in moto from the template itself, and each function gets
the environment that the template gives it: what a test finds here is what would be deployed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import yaml
from aws_lambda_powertools.utilities import parameters

from opscore import bootstrap, observability, settings
from opscore.aws import clients
from opscore.observability import Handler
from tests.support.events import ACCOUNT, REGION
from tests.support.moto import mended_moto, plain_moto

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

TEMPLATE = Path(__file__).parents[2] / "template.yaml"
WEBHOOK_SECRET = "test-webhook-secret"
AGENTKIT_URL = "http://agentkit.test/v1"

PARAMETERS = {"Stage": "test", "AgentKitApiUrl": AGENTKIT_URL}
"""What tests deploy with, where the template's defaults don't do."""

_TABLE_SHAPE = (
    "TableName",
    "BillingMode",
    "AttributeDefinitions",
    "KeySchema",
    "GlobalSecondaryIndexes",
)
_PSEUDO = {"AWS::Region": REGION, "AWS::AccountId": ACCOUNT, "AWS::Partition": "aws"}
_CACHED_MODULES = (bootstrap, clients, observability, settings)
_LOCATION = {"AWS_DEFAULT_REGION": REGION, "AWS_REGION": REGION}
_NOT_OURS = ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_LAMBDA_FUNCTION_NAME", "LAMBDA_TASK_ROOT")


class Template:
    """template.yaml with its intrinsics resolved, as far as tables, queues and settings need."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        document = _document()
        self._resources: dict[str, Any] = document["Resources"]
        self._globals: dict[str, Any] = document["Globals"]["Function"]["Environment"]["Variables"]
        given = {name: p.get("Default") for name, p in document["Parameters"].items()}
        self._parameters = given | dict(parameters)

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """Properties of all resources of a type, by logical id; still with intrinsics."""
        return {
            name: resource["Properties"]
            for name, resource in self._resources.items()
            if resource["Type"] == kind
        }

    def environment(self, function: str) -> dict[str, str]:
        """The variables of functions/<function>."""
        handler = f"functions.{function}.app.handler"
        (properties,) = (
            properties
            for properties in self.resources("AWS::Serverless::Function").values()
            if properties["Handler"] == handler
        )
        variables = self._globals | properties["Environment"]["Variables"]
        return {name: str(self.resolved(value)) for name, value in variables.items()}

    def functions(self) -> list[str]:
        """The names of all functions, as their folders have them."""
        found = self.resources("AWS::Serverless::Function").values()
        return sorted(properties["Handler"].split(".")[1] for properties in found)

    def resolved(self, value: Any) -> Any:
        """A value of the template as CloudFormation would have it."""
        match value:
            case {"Ref": name}:
                return self._ref(name)
            case {"Fn::Sub": str(text)}:
                return self._substituted(text)
            case {"Fn::GetAtt": [name, "Arn"]}:
                return self._arn(name)
            case dict():
                assert not any(key.startswith("Fn::") for key in value), f"can't resolve {value}"
                return {key: self.resolved(part) for key, part in value.items()}
            case list():
                return [self.resolved(part) for part in value]
            case _:
                return value

    def _ref(self, name: str) -> Any:
        if name in self._parameters:
            return self._parameters[name]
        if name in _PSEUDO:
            return _PSEUDO[name]
        if self._resources[name]["Type"] == "AWS::SQS::Queue":
            return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{self._name(name)}"
        return self._name(name)

    def _arn(self, name: str) -> str:
        match self._resources[name]["Type"]:
            case "AWS::SQS::Queue":
                return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{self._name(name)}"
            case "AWS::Logs::LogGroup":
                return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{self._name(name)}:*"
            case "AWS::IAM::Role":
                return f"arn:aws:iam::{ACCOUNT}:role/{name}"
            case kind:
                raise AssertionError(f"no ARN known for a {kind}")

    def _name(self, name: str) -> str:
        properties = self._resources[name]["Properties"]
        for key in ("TableName", "QueueName", "LogGroupName", "Name"):
            if key in properties:
                return str(self.resolved(properties[key]))
        raise AssertionError(f"{name} has no name")

    def _substituted(self, text: str) -> str:
        for name in (*self._parameters, *_PSEUDO):
            if f"${{{name}}}" in text:
                text = text.replace(f"${{{name}}}", str(self._ref(name)))
        assert "${" not in text, f"can't resolve {text}"
        return text


class Deployment:
    """A deployment in moto, and this process as one of its functions (or all of them)."""

    def __init__(self, template: Template, environment: pytest.MonkeyPatch) -> None:
        self.template = template
        self._environment = environment
        self._variables: set[str] = set()
        for name in _NOT_OURS:
            environment.delenv(name, raising=False)
        for name, value in _LOCATION.items():
            environment.setenv(name, value)
        self._session = boto3.Session()
        self.queue_url = str(template.resolved({"Ref": "TaskQueue"}))
        self.dead_letter_url = str(template.resolved({"Ref": "DeadLetterQueue"}))

    # Clients for the test's own looks; the functions make theirs.

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        return self._session.client("dynamodb")

    @cached_property
    def sqs(self) -> SQSClient:
        return self._session.client("sqs")

    @cached_property
    def stepfunctions(self) -> SFNClient:
        return self._session.client("stepfunctions")

    def table(self, logical_id: str) -> str:
        """The name of a table, by its name in the template."""
        return str(self.template.resolved({"Ref": logical_id}))

    def items(self, logical_id: str) -> list[dict[str, Any]]:
        """Everything in a table, as plain values."""
        pages = self.dynamodb.get_paginator("scan").paginate(
            TableName=self.table(logical_id), ConsistentRead=True
        )
        return [
            {name: _plain(value) for name, value in item.items()}
            for page in pages
            for item in page["Items"]
        ]

    def process_of(self, *functions: str) -> None:
        """Make this process a fresh one of the function: its environment and nothing cached.

        Of several functions, one process with the environments of all; of none, of every function.
        """
        for name in self._variables:
            self._environment.delenv(name, raising=False)
        variables: dict[str, str] = {}
        for function in functions or self.template.functions():
            variables |= self.template.environment(function)
        for name, value in variables.items():
            self._environment.setenv(name, value)
        self._variables = set(variables)
        forget()

    def handler(self, function: str) -> Handler:
        """The handler of functions/<function>."""
        found: Handler = import_module(f"functions.{function}.app").handler
        return found

    def make_resources(self) -> None:
        """Make the tables, the queues and the secret; once more after moto was reset."""
        for table in self.template.resources("AWS::DynamoDB::Table").values():
            self._make_table(table)
        queues = self.template.resources("AWS::SQS::Queue").values()
        for queue in sorted(queues, key=lambda queue: "RedrivePolicy" in queue):
            self._make_queue(self.template.resolved(queue))
        secrets = self._session.client("secretsmanager")
        for secret in self.template.resources("AWS::SecretsManager::Secret").values():
            name = self.template.resolved(secret["Name"])
            secrets.create_secret(Name=name, SecretString=WEBHOOK_SECRET)

    def _make_table(self, properties: dict[str, Any]) -> None:
        shape = {name: properties[name] for name in _TABLE_SHAPE if name in properties}
        self.dynamodb.create_table(**self.template.resolved(shape))
        self.dynamodb.update_time_to_live(
            TableName=self.template.resolved(properties["TableName"]),
            TimeToLiveSpecification=properties["TimeToLiveSpecification"],
        )

    def _make_queue(self, properties: dict[str, Any]) -> None:
        attributes: Any = {
            name: str(properties[name])
            for name in ("VisibilityTimeout", "MessageRetentionPeriod")
            if name in properties
        }
        if "RedrivePolicy" in properties:
            attributes["RedrivePolicy"] = json.dumps(properties["RedrivePolicy"])
        self.sqs.create_queue(QueueName=properties["QueueName"], Attributes=attributes)


@contextmanager
def deployed(
    parameters: Mapping[str, str] | None = None, *, interpreter: bool = False
) -> Iterator[Deployment]:
    """A deployment of template.yaml with those parameters, and this process as all its functions.

    `interpreter`: state machines run, in moto's mended Step Functions interpreter.
    """
    aws = mended_moto() if interpreter else plain_moto()
    with pytest.MonkeyPatch.context() as environment, aws:
        deployment = Deployment(Template(PARAMETERS | dict(parameters or {})), environment)
        deployment.make_resources()
        deployment.process_of()
        try:
            yield deployment
        finally:
            forget()


def forget(*, keep_clients: bool = False) -> None:
    """Drop everything that a process caches, as its end does.

    `keep_clients`: but not the AWS clients, which know nothing and take long to make.
    """
    for module in _CACHED_MODULES:
        if not (keep_clients and module is clients):
            _forget_in(module)
    parameters.clear_caches()  # type: ignore[no-untyped-call]  # Powertools' own


def _forget_in(module: ModuleType) -> None:
    for member in vars(module).values():
        if getattr(member, "__module__", None) == module.__name__ and hasattr(
            member, "cache_clear"
        ):
            member.cache_clear()


def _plain(attribute: Any) -> Any:
    ((kind, value),) = attribute.items()
    return int(value) if kind == "N" else value


@cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = yaml.load(TEMPLATE.read_text(), _Loader)
    return document


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags, in their long form: `!Ref x` is `{Ref: x}`."""


def _intrinsic(loader: yaml.SafeLoader, name: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    match node:
        case yaml.ScalarNode():
            value = loader.construct_scalar(node)
        case yaml.SequenceNode():
            value = loader.construct_sequence(node, deep=True)
        case _:
            assert isinstance(node, yaml.MappingNode)
            value = loader.construct_mapping(node, deep=True)
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _intrinsic)
