"""Logs, traces and metrics of a function, made at its first call and not at import.

Log lines are JSON objects; ids bound by `bind` stand on every line of the invocation. Payloads,
tokens and keys never do.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import cache, wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger, Metrics, Tracer

Handler = Callable[[dict[str, Any], Any], Any]

NAMESPACE = "OpsCore"
RECORD_IDS = ("session_id", "task_id", "agent_id", "step")


@cache
def logger() -> Logger:
    """The process's logger."""
    from aws_lambda_powertools import Logger

    return Logger()


@cache
def metrics() -> Metrics:
    """Its metrics, in CloudWatch's embedded format."""
    import warnings

    from aws_lambda_powertools import Metrics

    # Most invocations count nothing, and the warning of it would be a log line that is no JSON.
    warnings.filterwarnings("ignore", "No application metrics to publish")
    return Metrics(namespace=NAMESPACE)


@cache
def tracer() -> Tracer:
    """Its tracer."""
    from aws_lambda_powertools import Tracer

    return Tracer()


def bind(**ids: str | None) -> None:
    """Put ids (session_id, task_id, agent_id, …) on every further line of this invocation."""
    logger().append_keys(**{name: value for name, value in ids.items() if value is not None})


def unbind() -> None:
    """Take the ids of one record off again, before the next of its batch."""
    logger().remove_keys(list(RECORD_IDS))


def note(message: str, **fields: Any) -> None:
    """One line of what happened."""
    logger().info(message, extra=fields, stacklevel=3)


def warn(message: str, **fields: Any) -> None:
    """One line of what went wrong and was handled."""
    logger().warning(message, extra=fields, stacklevel=3)


def fault(message: str, error: Exception) -> None:
    """One line of an error that nobody foresaw: its type and way; its text may hold a payload."""
    way = traceback.format_tb(error.__traceback__)
    logger().error(message, extra={"error": type(error).__name__, "way": way}, stacklevel=3)


def count(name: str, value: float = 1, *, unit: str = "Count") -> None:
    """Add to a metric of this invocation."""
    metrics().add_metric(name=name, unit=unit, value=value)


def instrumented(handler: Handler) -> Handler:
    """A handler with logger, tracer and metrics around it, wired at the first call."""

    @cache
    def wired() -> Handler:
        wrapped = tracer().capture_lambda_handler(handler, capture_response=False)
        wrapped = metrics().log_metrics(wrapped, raise_on_empty_metrics=False)
        return logger().inject_lambda_context(wrapped, clear_state=True)

    @wraps(handler)
    def call(event: dict[str, Any], context: Any) -> Any:
        return wired()(event, context)

    return call
