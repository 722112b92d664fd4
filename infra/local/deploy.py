"""`sam deploy` to the emulator, and what the emulator leaves out of the template."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.local import tools
from infra.local.errors import LocalStackError
from infra.local.routes import Names, make_routes
from infra.local.settings import ARTIFACTS_BUCKET, REGION, ROOT, STACK_NAME
from opscore_cli.keys import NewKey, item


@dataclass(frozen=True)
class Cloud:
    """The local AWS, by its endpoint."""

    endpoint: str

    def client(self, service: Any) -> Any:
        """A boto3 client of the local AWS."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106  the emulator takes anything
        )

    def outputs(self) -> dict[str, str]:
        """Outputs of the deployed stack."""
        stacks = self.client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stacks[0]["Outputs"]}


def deploy(cloud: Cloud, template: Path, parameters: Mapping[str, str], directory: Path) -> None:
    """Deploy the built template; raises LocalStackError when that fails."""
    log = directory / "logs" / "deploy.log"
    cloud.client("s3").create_bucket(Bucket=ARTIFACTS_BUCKET)
    tools.run(
        [
            tools.SAM,
            "deploy",
            "--config-file",
            ROOT / "samconfig.toml",
            "--config-env",
            "local",
            "--template-file",
            template,
            "--parameter-overrides",
            " ".join(f"{name}={value}" for name, value in parameters.items()),
        ],
        tools.sam_environment(directory, AWS_ENDPOINT_URL=cloud.endpoint),
        log,
        "`sam deploy` failed",
    )
    try:
        _complete(cloud)
    except (BotoCoreError, ClientError, KeyError) as error:
        message = f"the deployed stack is not what the template says: {error!r}"
        raise LocalStackError(message, log) from error


def _complete(cloud: Cloud) -> None:
    formation = cloud.client("cloudformation")
    processed = formation.get_template(StackName=STACK_NAME, TemplateStage="Processed")
    template = processed["TemplateBody"]
    if isinstance(template, str):
        template = json.loads(template)
    outputs = cloud.outputs()
    make_routes(outputs["ApiId"], template, _names(cloud), cloud.client("apigatewayv2"))
    _turn_on_expiry(cloud, template, outputs)


def _names(cloud: Cloud) -> Names:
    account = cloud.client("sts").get_caller_identity()["Account"]
    pages = cloud.client("cloudformation").get_paginator("list_stack_resources")
    resources = [
        resource
        for page in pages.paginate(StackName=STACK_NAME)
        for resource in page["StackResourceSummaries"]
    ]
    references = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in resources}
    functions = {
        r["LogicalResourceId"]: (
            f"arn:aws:lambda:{REGION}:{account}:function:{r['PhysicalResourceId']}"
        )
        for r in resources
        if r["ResourceType"] == "AWS::Lambda::Function"
    }
    stack = cloud.client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"][0]
    parameters = {p["ParameterKey"]: p["ParameterValue"] for p in stack["Parameters"]}
    pseudo = {
        "AWS::Partition": "aws",
        "AWS::Region": REGION,
        "AWS::AccountId": account,
        "AWS::URLSuffix": "amazonaws.com",
        "AWS::StackName": STACK_NAME,
    }
    return Names({**parameters, **references, **pseudo}, functions)


def _turn_on_expiry(cloud: Cloud, template: dict[str, Any], outputs: Mapping[str, str]) -> None:
    """Defect in MiniStack 1.5.33: TimeToLiveSpecification is ignored."""
    dynamodb = cloud.client("dynamodb")
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::DynamoDB::Table":
            dynamodb.update_time_to_live(
                TableName=outputs[f"{name}Name"],
                TimeToLiveSpecification=resource["Properties"]["TimeToLiveSpecification"],
            )


def store_webhook_secret(cloud: Cloud, secret: str) -> None:
    """Put the webhook's secret where the state API reads it."""
    cloud.client("secretsmanager").put_secret_value(
        SecretId=cloud.outputs()["WebhookSecretId"], SecretString=secret
    )


def store_key(cloud: Cloud, key: NewKey) -> None:
    """Let an API key in; only its hash is stored."""
    table = cloud.outputs()["KeysTableName"]
    cloud.client("dynamodb").put_item(TableName=table, Item=item(key))
