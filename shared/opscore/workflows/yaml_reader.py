"""YAML text to a tree, event by event, so that hostile text is refused as early as it shows.

Plain scalars mean what YAML 1.2's core schema says, not PyYAML's 1.1: `no` and `on` are text, a
date is text, and so is `12:30`.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from opscore.workflows.findings import Code, Place, Report
from opscore.workflows.nodes import Builder, Mapping, Node, Plain, Refused, Scalar, Sequence, short

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = {"", "~", "null", "Null", "NULL"}
_BOOLEAN = {
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(?P<word>inf|nan)", re.IGNORECASE
)
_LONGEST_NUMBER = 400


def read_yaml(text: str, report: Report) -> Node | None:
    """The tree of a YAML document, or None with the reason in the report."""
    builder = Builder(report)
    lines = text.splitlines()
    documents = 0
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            documents += isinstance(event, yaml.DocumentStartEvent)
            if documents > 1:
                place = _place(event.start_mark)
                report.error(Code.YAML_FEATURE, "a template is one YAML document", place)
                return None
            _take(event, builder, lines, report)
    except Refused:
        return None
    except yaml.MarkedYAMLError as error:
        _syntax(error, report)
        return None
    except yaml.YAMLError as error:
        reason = getattr(error, "reason", "it can't be read")
        report.error(Code.SYNTAX, f"neither YAML nor JSON: {reason}", Place())
        return None
    return builder.root


def _take(event: yaml.Event, builder: Builder, lines: list[str], report: Report) -> None:
    place = _place(event.start_mark)
    tag = getattr(event, "tag", None)
    if tag is not None:
        report.error(Code.YAML_FEATURE, f"tag '{short(tag)}' is not supported", place)
    match event:
        case yaml.ScalarEvent():
            builder.scalar(_scalar(event, place, lines, report), event.anchor)
        case yaml.AliasEvent():
            builder.alias(event.anchor or "", place)
        case yaml.MappingStartEvent():
            builder.start(Mapping, place.line, place.column, event.anchor)
        case yaml.SequenceStartEvent():
            builder.start(Sequence, place.line, place.column, event.anchor)
        case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
            builder.end()
        case _:
            pass


def _scalar(event: Any, place: Place, lines: list[str], report: Report) -> Scalar:
    text = event.value
    value: Plain = text
    if not event.style:
        value = _resolve(text)
        if text == "<<":
            report.error(
                Code.YAML_FEATURE,
                "merge keys ('<<') are not supported",
                place,
                "use defaults, or repeat the fields",
            )
    line = "".join(lines[event.start_mark.line : event.start_mark.line + 1])
    start = event.start_mark.column
    indent = next((n for n in (0, 1) if text and line.startswith(text, start + n)), None)
    return Scalar(value, text, place.line, place.column, indent, 1 + len(text))


def _resolve(text: str) -> Plain:
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if len(text) > _LONGEST_NUMBER:
        return text
    if _INTEGER.fullmatch(text):
        return int(text, 0) if text[1:2] in {"o", "x"} else int(text)
    if match := _FLOAT.fullmatch(text):
        return float(match["word"] or text)
    return text


def _syntax(error: yaml.MarkedYAMLError, report: Report) -> None:
    place = _place(error.problem_mark or error.context_mark)
    report.error(Code.SYNTAX, f"neither YAML nor JSON: {error.problem or error.context}", place)


def _place(mark: Any) -> Place:
    return Place(line=mark.line + 1, column=mark.column + 1) if mark else Place()
