"""Pairs of files: templates beside what must come of them.

`golden/` holds templates and their definitions (`.after.asl.json`: of what runs when a session has
failed), `faults/` templates and what is said of them. After a change that is meant, write the
right-hand sides anew, and look at them before committing:

    .venv/bin/python -m tests.unit.workflows.pairs && git diff tests/unit/workflows
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from opscore.workflows.checks import check
from opscore.workflows.compiler import compile_cleanup, compile_workflow
from opscore.workflows.findings import Finding
from opscore.workflows.shipped import shipped_ids, shipped_source

HERE = Path(__file__).parent
QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/123456789012/tasks"


def golden_templates() -> dict[str, str]:
    """The templates of the golden pairs by name, the shipped ones among them."""
    files = {path.stem: path.read_text() for path in _templates("golden")}
    return files | {name: shipped_source(name) or "" for name in shipped_ids()}


def fault_templates() -> dict[str, bytes]:
    """The templates that something is wrong with, by file name."""
    return {path.name: path.read_bytes() for path in _templates("faults")}


def definition(name: str) -> str:
    """What a golden template compiles to, laid out for reading."""
    return _readable(compile_workflow(check(golden_templates()[name]).require(), QUEUE_URL))


def cleanup(name: str) -> str | None:
    """What the golden template's compensations and `onFailure` compile to, if it has any."""
    compiled = compile_cleanup(check(golden_templates()[name]).require(), QUEUE_URL)
    return None if compiled is None else _readable(compiled)


def _readable(compiled: str) -> str:
    return json.dumps(json.loads(compiled), indent=2, ensure_ascii=False) + "\n"


def messages(name: str) -> str:
    """What the checks say of a faulty template, errors first."""
    checked = check(fault_templates()[name])
    errors = [line(finding, name) for finding in checked.errors]
    warnings = [f"warning: {line(finding, name)}" for finding in checked.warnings]
    return "".join(f"{text}\n" for text in errors + warnings)


def line(finding: Finding, name: str) -> str:
    """All of a finding in one line: `incident.yaml:14:5 OC012 message; hint`."""
    where = f"{finding.line}:{finding.column}" if finding.line else finding.path
    text = f"{finding.message}; {finding.hint}" if finding.hint else finding.message
    return f"{name}:{where} {finding.code} {text}" if where else f"{name} {finding.code} {text}"


def definition_path(name: str) -> Path:
    """Where a golden definition is kept."""
    return HERE / "golden" / f"{name}.asl.json"


def cleanup_path(name: str) -> Path:
    """Where the golden definition of a cleanup is kept."""
    return HERE / "golden" / f"{name}.after.asl.json"


def messages_path(name: str) -> Path:
    """Where the messages for a faulty template are kept."""
    return HERE / "faults" / f"{name}.txt"


def _templates(folder: str) -> list[Path]:
    kept = (".asl.json", ".txt")
    return sorted(path for path in (HERE / folder).iterdir() if not path.name.endswith(kept))


def _write(
    names: dict[str, str] | dict[str, bytes],
    at: Callable[[str], Path],
    make: Callable[[str], str | None],
) -> None:
    for name in names:
        made = make(name)
        if made is not None:
            at(name).write_text(made)


if __name__ == "__main__":
    _write(golden_templates(), definition_path, definition)
    _write(golden_templates(), cleanup_path, cleanup)
    _write(fault_templates(), messages_path, messages)
