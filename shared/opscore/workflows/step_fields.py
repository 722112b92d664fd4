"""Reading the parts of steps: which kind one is, and values that only steps have."""

from __future__ import annotations

import re
from typing import Any

from opscore.workflows import grammar
from opscore.workflows.expressions import is_expression
from opscore.workflows.fields import (
    Field,
    Fields,
    or_expression,
    read_duration,
    read_payload,
    read_text,
)
from opscore.workflows.findings import Code, Place
from opscore.workflows.language import ALL_ERRORS, Expression, Rule
from opscore.workflows.names import MAX_NAME
from opscore.workflows.nodes import Mapping, Scalar, Sequence, short, to_data
from opscore.workflows.read_routes import read_error

DEFAULT_PATIENCE = 24 * 60 * 60
"""How long a person, a signal or a child session is waited for."""


class Otherwise:
    """A rule without a condition."""

    def __init__(self, next_task: str | None, place: Place) -> None:
        self.next_task = next_task
        self.place = place


def kind_of(fields: Fields) -> str | None:
    """The field that makes the step its kind; None for an agent's task."""
    return next((kind for kind in grammar.KINDS if fields.raw(kind) is not None), None)


def fields_of(field: Field) -> Fields:
    """The step's fields, of which no two may make it different kinds."""
    entries = field.entries() or {}
    kinds = [kind for kind in grammar.KINDS if kind in entries]
    if len(kinds) > 1:
        entries[kinds[1]].error(
            Code.EXCLUSIVE_FIELDS, f"a step is either {' or '.join(kinds)}", "make it several steps"
        )
    known = tuple(grammar.KINDS[kinds[0]] if kinds else (*grammar.TASK, *grammar.KINDS))
    allowed = (
        known if len(kinds) < 2 else tuple(key for kind in kinds for key in grammar.KINDS[kind])
    )
    hint = f"a step with '{kinds[0]}' takes {', '.join(known)}" if kinds else ""
    return Fields(field, allowed, hint)


def some_of(field: Field, what: str) -> tuple[Field, ...]:
    """The items of a list that is not empty."""
    items = field.items()
    if items is None:
        field.wrong_type(what)
    if not items:
        field.fail(Code.BAD_VALUE, f"{field.name} is empty; it is {what}")
    return items


def value_of(fields: Fields, kind: str) -> Field:
    """The field that makes the step its kind."""
    field = fields.raw(kind)
    assert field is not None
    return field


def with_shorthand(field: Field, known: grammar.Fields) -> Fields:
    """The fields of an object; a plain value stands for the first one."""
    if isinstance(field.node, Mapping):
        return Fields(field, known)
    if field.is_null:
        return Fields(Field(Mapping(()), field.path, field.report), known)
    if isinstance(field.node, Sequence):
        field.wrong_type("text or an object")
    first = next(iter(known))
    key = Scalar(first, first)
    node = Mapping(((key, field.node),), field.node.line, field.node.column)
    return Fields(Field(node, field.path, field.report), known)


def read_patience(fields: Fields) -> int | Expression:
    """How long an answer is waited for, in seconds."""
    return fields.read("timeout", or_expression(read_duration), DEFAULT_PATIENCE)


def read_state_name(field: Field) -> str:
    """An id that can be a state's name."""
    text = read_text(field)
    if len(text) > MAX_NAME:
        field.fail(Code.BAD_ID, f"taskId must have at most {MAX_NAME} characters")
    if not text.isprintable() or text != text.strip():
        message = "taskId must neither hold control characters nor begin or end with white space"
        field.fail(Code.BAD_ID, message)
    return text


def read_schema(field: Field) -> dict[str, Any]:
    """A JSON Schema."""
    from opscore.workflows.schemas import schema_faults

    data = to_data(field.node)
    if not isinstance(data, dict):
        field.wrong_type("an object, a JSON Schema")
    for fault in schema_faults(data):
        field.error(Code.BAD_SCHEMA, short(fault.at(field.name), 200))
    return data


def read_result_schema(field: Field) -> dict[str, Any]:
    """A JSON Schema that travels in messages, where expressions would be evaluated."""
    schema = read_schema(field)
    if any(is_expression(text) for text in _texts(schema)):
        field.fail(Code.NO_EXPRESSION_HERE, f"{field.name} can't hold expressions")
    return schema


def _texts(data: Any) -> list[str]:
    match data:
        case str():
            return [data]
        case dict():
            return [text for pair in data.items() for part in pair for text in _texts(part)]
        case list():
            return [text for item in data for text in _texts(item)]
        case _:
            return []


def read_items(field: Field) -> Any:
    """A list, or an expression that gives one."""
    if not field.is_expression and not isinstance(field.node, Sequence):
        field.wrong_type("a list, or an expression that gives one")
    return read_payload(field)


def read_condition(field: Field) -> Expression:
    """An expression, and nothing else."""
    if not field.is_expression:
        field.fail(
            Code.WRONG_TYPE, f"{field.name} must be an expression", "write {% … %} in quotes"
        )
    found = read_payload(field)
    assert isinstance(found, Expression)
    return found


def always(field: Field) -> Expression:
    """A condition that holds, in place of one that can't be read."""
    return Expression("true", (), field.place)


def read_rule(field: Field) -> Rule | Otherwise:
    """A rule of a choice."""
    fields = Fields(field, grammar.RULE)
    target = fields.raw("nextTaskId")
    if target is None:
        field.fail(
            Code.MISSING_FIELD, "field 'nextTaskId' is missing", "null ends the list of steps"
        )
    next_task = None if target.is_null else read_text(target)
    if "when" not in fields:
        return Otherwise(next_task, target.place)
    return Rule(fields.read("when", read_condition, always(field)), next_task, target.place)


_TIME = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?"
    r"(Z|[+-]([01]\d|2[0-3]):[0-5]\d)"
)


def read_time(field: Field) -> str:
    """A time as Step Functions takes it (RFC 3339)."""
    text = read_text(field)
    if not _TIME.fullmatch(text):
        field.fail(
            Code.BAD_VALUE, f"'{short(text)}' is no time", "write it like 2026-11-24T09:00:00Z"
        )
    return text


def read_own_error(field: Field) -> str:
    """The name of one error."""
    text = read_error(field)
    if text == ALL_ERRORS:
        field.fail(Code.BAD_VALUE, f"{ALL_ERRORS} stands for every error; name one")
    return text
