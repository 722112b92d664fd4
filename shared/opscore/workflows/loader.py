"""Where a template comes in: YAML or JSON text, bytes, or data, to one tree."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from typing import Any

from opscore.workflows.findings import Code, Place, Report
from opscore.workflows.json_reader import is_json, read_data, read_json
from opscore.workflows.nodes import Node

MAX_BYTES = 256 * 1024


def load(source: str | bytes | MappingType[str, Any], report: Report) -> Node | None:
    """The template's tree, or None with the reasons in the report."""
    if not isinstance(source, str | bytes):
        return read_data(source, report)
    text = _text(source, report)
    if text is None:
        return None
    if is_json(text):
        return read_json(text, report)
    from opscore.workflows.yaml_reader import read_yaml

    return read_yaml(text, report)


def _text(source: str | bytes, report: Report) -> str | None:
    if len(source) > MAX_BYTES:
        report.error(Code.TOO_LARGE, f"larger than {MAX_BYTES // 1024} KiB", Place())
        return None
    try:
        raw = source.encode() if isinstance(source, str) else source
        text = raw.decode("utf-8-sig")
    except UnicodeError as error:
        before = error.object[: error.start] if isinstance(error, UnicodeDecodeError) else b""
        place = Place(line=before.count(b"\n") + 1, column=1)
        report.error(Code.NOT_UTF8, "the template is not UTF-8 text", place)
        return None
    if len(raw) > MAX_BYTES:
        report.error(Code.TOO_LARGE, f"larger than {MAX_BYTES // 1024} KiB", Place())
        return None
    return text
