"""Template files: their text for the API, their id, and what the API found wrong in them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from opscore.workflows.findings import Report
from opscore.workflows.loader import load
from opscore.workflows.nodes import to_data
from opscore_cli.present import printable
from opscore_cli.program import CommandFailedError, WrongUsageError
from opscore_client.types import Finding, JsonObject, Validation
from opscore_client.workflows import JSON, YAML

SUFFIXES = frozenset({".yaml", ".yml", ".json"})


@dataclass(frozen=True)
class Template:
    """A template file as it was read."""

    path: Path
    text: bytes

    @property
    def content_type(self) -> str:
        """Positions in messages are right for either, as long as the API knows which it is."""
        return JSON if self.path.suffix == ".json" else YAML

    def document(self) -> JsonObject:
        """The template as JSON, read as Ops-Core itself reads it. Raises CommandFailedError."""
        report = Report()
        root = load(self.text, report)
        if root is None or report.errors:
            raise CommandFailedError(f"{self.path} is neither YAML nor JSON")
        document = to_data(root)
        if not isinstance(document, dict):
            raise CommandFailedError(f"{self.path} is not a workflow template")
        return document

    def workflow_id(self) -> str:
        """The id that the template gives itself."""
        workflow_id = self.document().get("id")
        if not isinstance(workflow_id, str) or not workflow_id:
            raise CommandFailedError(f"{self.path} has no id")
        return workflow_id


def read(path: Path) -> Template:
    """Read a template file; one that cannot be read is wrong usage."""
    try:
        return Template(path, path.read_bytes())
    except OSError as error:
        raise WrongUsageError(f"cannot read {path}: {error.strerror}") from error


def write_findings(path: Path, report: Validation, write: Callable[[str], object]) -> None:
    """Write errors, then warnings: `file:line:col CODE message`, each with its hint below it."""
    _write(path, report["errors"], "", write)
    _write(path, report["warnings"], "warning: ", write)


def _write(
    path: Path, findings: Sequence[Finding], prefix: str, write: Callable[[str], object]
) -> None:
    for found in findings:
        place = f"{found['line']}:{found['column']}" if found["line"] else found["path"]
        where = f"{path}:{place}" if place else str(path)
        write(f"{where} {found['code']} {prefix}{printable(found['message'])}\n")
        if found["hint"]:
            write(f"    hint: {printable(found['hint'])}\n")
