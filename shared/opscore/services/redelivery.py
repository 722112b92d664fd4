"""How long a record may take, and when a message that could not be dealt with comes back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

from opscore.errors import DependencyFailed, OpsCoreError
from opscore.observability import fault, warn
from opscore.ports import Queue
from opscore.services.dispatch import NotNow

ANSWER_MARGIN_SECONDS = 5
"""What is kept of the function's time for writing down what became of the last record."""

MIN_SECONDS = 1


class Redelivery:
    """Gives messages back to the queue with short, growing, jittered visibility."""

    def __init__(self, queue: Queue, *, base_seconds: int, cap_seconds: int) -> None:
        self._queue = queue
        self._base = base_seconds
        self._cap = cap_seconds

    @contextmanager
    def of(self, receipt: str, receive_count: int) -> Iterator[None]:
        """Around one record: an error goes on to the batch processor, with the message hidden for
        as long as it makes sense to wait.
        """
        try:
            yield
        except Exception as error:
            if not isinstance(error, NotNow | OpsCoreError):
                # The batch processor keeps what was raised to itself.
                fault("message not dealt with", error)
            asked = error.seconds if isinstance(error, NotNow) else None
            self._hide(receipt, asked or self._backoff(receive_count), error)
            raise

    def _hide(self, receipt: str, seconds: int, error: Exception) -> None:
        reason = str(error) if isinstance(error, NotNow | OpsCoreError) else type(error).__name__
        warn("message comes back", seconds=seconds, reason=reason)
        try:
            self._queue.hide(receipt, seconds)
        except DependencyFailed:
            warn("message comes back after the queue's own time")

    def _backoff(self, receive_count: int) -> int:
        ceiling: int = min(self._cap, self._base * 2 ** min(max(receive_count - 1, 0), 20))
        # Half fixed, half chance: neither all at once nor at once again.
        return max(1, round(random.uniform(ceiling / 2, ceiling)))  # noqa: S311 (jitter)


def time_for_one(remaining_ms: int, records_left: int, request_timeout_seconds: int) -> float:
    """How long one record's delivery may take (s): its share of the function's time, at most the
    timeout of a request.

    Raises NotNow when there is too little left to begin.
    """
    share = (remaining_ms / 1000 - ANSWER_MARGIN_SECONDS) / max(records_left, 1)
    if share < MIN_SECONDS:
        raise NotNow(1, "too little time left in this invocation")
    return min(request_timeout_seconds, share)
