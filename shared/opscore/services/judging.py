"""Inputs and results held against the schemas that templates give for them."""

from __future__ import annotations

from pydantic import JsonValue

from opscore.errors import InputInvalid
from opscore.models.outcome import Outcome, TaskError
from opscore.models.task import Attempt
from opscore.models.workflow import WorkflowVersion

TOLD = 5
"""Faults that the failure's message names."""


def judged(attempt: Attempt, outcome: Outcome) -> Outcome:
    """The outcome, or the failure that a result is which does not fit the task's `resultSchema`."""
    schema = attempt.task_message.result_schema
    return outcome if schema is None or not outcome.succeeded else fitting(schema, outcome)


def fitting(schema: JsonValue, outcome: Outcome) -> Outcome:
    """The outcome, or the failure that its result is because it does not fit the schema."""
    from opscore.workflows.schemas import faults

    found = faults(schema, outcome.result)
    if not found:
        return outcome
    told = "; ".join(fault.at("result") for fault in found[:TOLD])
    return Outcome.failure(TaskError.INVALID_RESULT, told)


def check_input(version: WorkflowVersion, payload: JsonValue) -> None:
    """Refuse to start a session with what does not fit the workflow's `input`.

    Raises InputInvalid.
    """
    if version.input_schema is None:
        return
    from opscore.workflows.schemas import faults

    found = faults(version.input_schema, payload)
    if found:
        raise InputInvalid(
            [
                {
                    "type": "schema",
                    "loc": ["body", "initialPayload", *fault.path],
                    "msg": fault.message,
                }
                for fault in found
            ]
        )
