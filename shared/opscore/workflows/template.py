"""From a template's tree to the language: every field read, every default filled in."""

from __future__ import annotations

from opscore.workflows import grammar
from opscore.workflows.fields import Field, Fields, read_duration, read_text
from opscore.workflows.language import RetryRule, Workflow
from opscore.workflows.nodes import to_data
from opscore.workflows.read_routes import (
    DEFAULT_TIMEOUT,
    DEFAULT_WAIT_TIMEOUT,
    Defaults,
    read_id,
    read_retry,
)
from opscore.workflows.read_steps import Reader
from opscore.workflows.step_fields import read_schema


def read_workflow(root: Field) -> Workflow:
    """The workflow, with stand-ins for what could not be read; the report tells what that was.

    Raises `Unreadable` for what is no object at all.
    """
    fields = Fields(root, grammar.WORKFLOW)
    for name in ("id", "name", "tasks"):
        fields.require(name)
    reader = Reader(fields.read("defaults", _read_defaults, Defaults()))
    return Workflow(
        id=fields.read("id", read_id, "?"),
        name=fields.read("name", read_text, "?"),
        description=fields.read("description", _read_description, ""),
        version=fields.read("version", read_text, "1.0"),
        timeout=fields.read("timeout", read_duration, None),
        input=fields.read("input", read_schema, None),
        tasks=fields.read("tasks", reader.top_level, ()),
        on_failure=fields.read("onFailure", reader.block, ()),
    )


def _read_description(field: Field) -> str:
    return "" if to_data(field.node) == "" else read_text(field, 4096)


def _read_defaults(field: Field) -> Defaults:
    fields = Fields(field, grammar.DEFAULTS)
    return Defaults(
        timeout=fields.read("timeout", read_duration, DEFAULT_TIMEOUT),
        wait_timeout=fields.read("waitTimeout", read_duration, DEFAULT_WAIT_TIMEOUT),
        retry=fields.read("retry", read_retry, (RetryRule(),)),
    )
