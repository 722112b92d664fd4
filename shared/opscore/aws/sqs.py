"""The task queue on SQS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opscore.aws.errors import answered
from opscore.models.messages import Message

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

MAX_DELAY_SECONDS = 900
"""SQS's longest delay of one message."""


class TaskQueue:
    """Messages that Ops-Core sends to itself, beside those of Step Functions."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, message: Message, *, delay_seconds: int = 0) -> None:
        with answered("SQS"):
            self._client.send_message(
                QueueUrl=self._url,
                MessageBody=message.model_dump_json(by_alias=True, exclude_none=True),
                DelaySeconds=min(max(delay_seconds, 0), MAX_DELAY_SECONDS),
            )

    def hide(self, receipt: str, seconds: int) -> None:
        with answered("SQS"):
            self._client.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=seconds
            )
