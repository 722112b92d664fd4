"""The JSON Schema of templates, for editors: completion, texts to hover over, first faults.

It says what a schema can say. What needs more (names that exist, ways that end, expressions that
parse) the checks say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opscore.workflows import grammar
from opscore.workflows.grammar import Fields, Shape

_NOTES = ("description", "default")


def editor_schema() -> dict[str, Any]:
    """The whole schema, draft 2020-12."""
    kinds = {f"step-{kind}": _object(fields, ["taskId", kind]) for kind, fields in _kinds()}
    steps = {"step-task": _object(grammar.TASK, ["taskId"], without=grammar.KINDS), **kinds}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Ops-Core workflow",
        **_object(grammar.WORKFLOW, ["id", "name", "tasks"]),
        "$defs": {
            "expression": grammar.EXPRESSION,
            "duration": grammar.DURATION,
            "error": {"anyOf": [{"enum": list(grammar.ERRORS)}, {"type": "string"}]},
            "retry": {
                "anyOf": [
                    {"$ref": "#/$defs/retryRule"},
                    {"type": "array", "items": {"$ref": "#/$defs/retryRule"}},
                ]
            },
            "retryRule": _object(grammar.RETRY),
            "fallback": _object(grammar.FALLBACK, some=[*grammar.FALLBACK_KINDS]),
            "compensation": _object(grammar.COMPENSATION),
            "defaults": _object(grammar.DEFAULTS),
            "approval": _object(grammar.APPROVAL),
            "signal": _object(grammar.SIGNAL, ["name"]),
            "child": _object(grammar.CHILD, ["id"]),
            "branch": _object(grammar.BRANCH, ["tasks"]),
            "map": _object(grammar.MAP, ["items", "tasks"]),
            "repeat": _object(grammar.REPEAT, ["tasks", "until"]),
            "rule": _object(grammar.RULE, ["nextTaskId"]),
            "until": _object(grammar.UNTIL, ["until"]),
            "fail": _object(grammar.FAIL, ["error"]),
            "succeed": _object(grammar.SUCCEED),
            "steps": {"type": "array", "items": {"$ref": "#/$defs/step"}, "minItems": 1},
            "step": {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in steps]},
            **steps,
        },
    }


def _kinds() -> Sequence[tuple[str, Fields]]:
    return list(grammar.KINDS.items())


def _object(
    fields: Fields,
    required: Sequence[str] = (),
    *,
    some: Sequence[str] = (),
    without: Fields | dict[str, Fields] | None = None,
) -> Shape:
    """An object with these fields and no others, but for those that begin with x-."""
    shape: Shape = {
        "type": "object",
        "properties": {
            name: field if name in required else _or_null(field) for name, field in fields.items()
        },
        "patternProperties": {"^x-": {}},
        "additionalProperties": False,
    }
    if required:
        shape["required"] = list(required)
    if some:
        shape["anyOf"] = [{"required": [name]} for name in some]
    if without:
        shape["not"] = {"anyOf": [{"required": [name]} for name in without]}
    return shape


def _or_null(field: Shape) -> Shape:
    """A field that may be null, which is as good as not given."""
    if field.keys() <= {"description", "default"}:
        return field
    shape = {name: value for name, value in field.items() if name not in _NOTES}
    notes = {name: value for name, value in field.items() if name in _NOTES}
    return {**notes, "anyOf": [*shape.get("anyOf", [shape]), {"type": "null"}]}
