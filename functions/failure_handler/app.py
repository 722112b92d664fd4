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

from opscore.bootstrap import services
from opscore.observability import count, fault, instrumented, unbind


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Record each message; one that can't be recorded comes back."""

    def take(record: SQSRecord) -> None:
        unbind()
        received = int(record.attributes.approximate_receive_count)
        try:
            new = services().dead_letters.record(record.message_id, record.body, received)
        except Exception as error:
            # The batch processor keeps what was raised to itself.
            fault("dead letter not recorded", error)
            raise
        if new:
            count("DeadLettersRecorded")

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event, take, processor, context)
