"""Pictures of workflows: of files, of uploads, of what a session made of one."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path

from opscore.workflows.checks import check
from opscore_cli.program import CommandFailedError
from opscore_cli.shell import Shell
from opscore_cli.templates import read, write_findings
from opscore_client.types import Session
from opscore_picture.colours import states_of
from opscore_picture.diagram import diagram
from opscore_picture.mermaid import mermaid
from opscore_picture.svg import svg


class Format(StrEnum):
    """How a picture is written."""

    MERMAID = "mermaid"
    SVG = "svg"


def drawn(shell: Shell, workflow: str, session: Session | None, *, as_svg: bool) -> str:
    """The picture's text. Raises CommandFailedError for a template that is not valid."""
    checked = check(_source(shell, workflow, session))
    if checked.workflow is None:
        errors = [finding.as_dict() for finding in checked.errors]
        report = {"valid": False, "errors": errors, "warnings": []}
        write_findings(Path(workflow), report, sys.stderr.write)  # type: ignore[arg-type]  # as the API
        raise CommandFailedError(f"{workflow} is not valid")
    states = {} if session is None else states_of(session.get("tasks", []))
    draw = svg if as_svg else mermaid
    return draw(diagram(checked.workflow), states)


def _source(shell: Shell, workflow: str, session: Session | None) -> bytes:
    path = Path(workflow)
    if path.is_file() or path.suffix in {".yaml", ".yml", ".json"}:
        return read(path).text
    version = None if session is None else session["workflowVersion"]
    return json.dumps(shell.client.workflows.get(workflow, version)["template"]).encode()
