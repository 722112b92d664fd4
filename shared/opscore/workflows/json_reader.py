"""JSON text, or data that was JSON, to the same tree as YAML."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Mapping as MappingType
from typing import Any

from opscore.workflows.findings import Code, Place, Report
from opscore.workflows.nodes import Builder, Mapping, Node, Refused, Scalar, Sequence, short

_DECODER = json.JSONDecoder()
_KINDS: dict[str, type[Mapping | Sequence]] = {"{": Mapping, "[": Sequence}


def is_json(text: str) -> bool:
    """Whether this is JSON in full; what is not goes to the YAML reader, which takes more."""
    if not text.lstrip().startswith("{"):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def read_json(text: str, report: Report) -> Node | None:
    """The tree of a text that `is_json`, or None with the reason in the report."""
    builder = Builder(report)
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    index = 0
    try:
        while index < len(text):
            char = text[index]
            line = bisect_right(starts, index)
            column = index - starts[line - 1] + 1
            if char in " \t\r\n,:":
                index += 1
            elif char in "}]":
                builder.end()
                index += 1
            elif char in "{[":
                builder.start(_KINDS[char], line, column)
                index += 1
            else:
                value, end = _DECODER.raw_decode(text, index)
                written = value if isinstance(value, str) else text[index:end]
                indent = next((n for n in (0, 1) if text.startswith(written, index + n)), None)
                builder.scalar(Scalar(value, written, line, column, indent, 1 + len(written)))
                index = end
    except Refused:
        return None
    return builder.root


def read_data(data: Any, report: Report) -> Node | None:
    """The tree of data that was JSON; it has no lines, only paths."""
    builder = Builder(report)
    try:
        _walk(data, builder, report)
    except Refused:
        return None
    return builder.root


def _walk(data: Any, builder: Builder, report: Report) -> None:
    match data:
        case MappingType():
            builder.start(Mapping, None, None)
            for key, value in data.items():
                text = str(key)
                builder.scalar(Scalar(text, text, weight=1 + len(text)))
                _walk(value, builder, report)
            builder.end()
        case list() | tuple():
            builder.start(Sequence, None, None)
            for item in data:
                _walk(item, builder, report)
            builder.end()
        case str() | bool() | int() | float() | None:
            text = data if isinstance(data, str) else repr_number(data)
            builder.scalar(Scalar(data, text, weight=1 + len(text)))
        case _:
            kind = short(type(data).__name__)
            report.error(Code.WRONG_TYPE, f"a value of type {kind} is not JSON", Place())
            raise Refused


def repr_number(value: float | bool | None) -> str:  # noqa: FBT001 - a value, not a switch
    """A number, boolean or null as JSON writes it."""
    try:
        return json.dumps(value)
    except ValueError:  # an integer of more digits than Python prints
        return "a number without end"
