"""The task queue: each message is an attempt to hand over, or a look at something due."""

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
from opscore.models.messages import messages
from opscore.observability import instrumented, unbind
from opscore.services.dispatch import Envelope
from opscore.services.redelivery import time_for_one
from opscore.settings import settings


@instrumented
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Take each record in its own time; those that failed come back, the others are done with."""
    left = len(event.get("Records", ()))

    def take(record: SQSRecord) -> None:
        nonlocal left
        unbind()
        received = int(record.attributes.approximate_receive_count)
        with services().redelivery.of(record.receipt_handle, received):
            remaining, waiting = context.get_remaining_time_in_millis(), left
            left -= 1
            limit = time_for_one(remaining, waiting, settings().request_timeout_seconds)
            envelope = Envelope(int(record.attributes.sent_timestamp), limit)
            services().dispatcher.take(messages.validate_json(record.body), envelope)

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event, take, processor, context)
