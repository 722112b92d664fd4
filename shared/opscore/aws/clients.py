"""The AWS clients of a process: made at first use, one of each."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from botocore.config import Config
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_stepfunctions.client import SFNClient


@cache
def _config() -> Config:
    from botocore.config import Config

    # Short enough that a function can still answer when a call hangs; retries are botocore's.
    return Config(
        connect_timeout=2,
        read_timeout=5,
        retries={"mode": "standard", "max_attempts": 3},
        max_pool_connections=10,
    )


@cache
def dynamodb() -> DynamoDBClient:
    """The client of DynamoDB."""
    import boto3

    return boto3.client("dynamodb", config=_config())


@cache
def sqs() -> SQSClient:
    """The client of SQS."""
    import boto3

    return boto3.client("sqs", config=_config())


@cache
def stepfunctions() -> SFNClient:
    """The client of Step Functions."""
    import boto3

    return boto3.client("stepfunctions", config=_config())
