"""The dead-letter queue: each message is recorded for people, and its task failed."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from opscore import bootstrap
from opscore.observability import count, instrumented, unbind


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Record each message; one that can't be recorded comes back."""

    def record(found: SQSRecord) -> None:
        unbind("session_id", "task_id", "agent_id")
        received = int(found.attributes.approximate_receive_count)
        if bootstrap.dead_letters().record(found.message_id, found.body, received):
            count("DeadLettersRecorded")

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event, record, processor, context)
