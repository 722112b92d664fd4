"""JSON Schemas in templates (draft 2020-12): what they may be, and what does not fit them.

Whoever writes a template or answers a task may be hostile: nothing is fetched, patterns match in
linear time, and a schema that would take long to check, however it is written, is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from opscore.workflows.schema_bounds import DIALECT, MAX_FAULTS, Bounds, Fault, parts_of

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator, ValidationError

MAX_BYTES = 16 * 1024
"""A schema as JSON; every attempt of its task carries it."""

MAX_WORK = 5_000_000
"""Checks of a schema times parts of a value: about a second on a small function."""

MAX_WORK_FOR_ALL = 50_000
"""The same, where every fault is collected and not only the first: each takes memory."""

MAX_PATTERN_BYTES = 64 * 1024
"""A compiled pattern; some 30 times its text."""

MAX_MESSAGE = 300


def faults(schema: Any, value: Any) -> list[Fault]:
    """What of a value does not fit a schema; empty if all does. A schema that can't be used fits
    nothing. Of very large values only the first fault is told.
    """
    unusable = schema_faults(schema)
    if unusable:
        return [Fault((), f"the schema can't be used: {unusable[0].at('schema')}")]
    checks, parts = Bounds(schema).checks(), parts_of(value)
    if checks * parts > MAX_WORK:
        return [Fault((), f"the value has {parts} parts, too many for {checks} checks of each")]
    validator = _validator(schema)
    if validator.is_valid(value):
        return []
    if checks * parts <= MAX_WORK_FOR_ALL:
        return _found(validator.iter_errors(value))
    return _first(validator, value)


def schema_faults(schema: Any) -> list[Fault]:
    """What is wrong with a schema itself, with paths in it; empty if it can be used."""
    try:
        size = len(json.dumps(schema, ensure_ascii=False, allow_nan=False).encode())
    except (TypeError, ValueError, RecursionError):
        return [Fault((), "the schema can't be written as JSON")]
    if size > MAX_BYTES:
        return [Fault((), f"the schema has {size} bytes as JSON; at most {MAX_BYTES} are taken")]
    if not isinstance(schema, Mapping | bool):
        return [Fault((), "a schema is an object, true or false")]
    told = _found(_validator({"$ref": DIALECT}).iter_errors(schema))
    found = [*told, *Bounds(schema).faults()][:MAX_FAULTS]
    return found or _unbuilt(schema)


def _unbuilt(schema: Any) -> list[Fault]:
    """What the metaschema does not say."""
    from jsonschema_rs import ValidationError

    try:
        _validator(schema)
    except ValidationError as error:
        return [_fault(error)]
    return []


def _first(validator: Draft202012Validator, value: Any) -> list[Fault]:
    from jsonschema_rs import ValidationError

    try:
        validator.validate(value)
    except ValidationError as error:
        return [_fault(error)]
    return []


def _validator(schema: Any) -> Draft202012Validator:
    # A library of 15 MB that only schemas need.
    from jsonschema_rs import Draft202012Validator, RegexOptions

    return Draft202012Validator(
        schema,
        mask="the value",
        offline=True,
        pattern_options=RegexOptions(size_limit=MAX_PATTERN_BYTES),
    )


def _found(errors: Iterator[ValidationError]) -> list[Fault]:
    return list(dict.fromkeys(_fault(error) for error in islice(errors, MAX_FAULTS)))


def _fault(error: ValidationError) -> Fault:
    message = error.message
    if message.endswith('is not a "regex"'):
        message = "the pattern is no regular expression, is too large, or looks around or back"
    if len(message) > MAX_MESSAGE:
        message = message[: MAX_MESSAGE - 1] + "…"
    return Fault(tuple(error.instance_path), message)
