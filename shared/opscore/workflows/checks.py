"""Everything that can be wrong with a template, found together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opscore.errors import WorkflowInvalid
from opscore.workflows.fields import Field, attempt
from opscore.workflows.findings import Finding, Report
from opscore.workflows.flow_checks import check_flow
from opscore.workflows.language import Workflow
from opscore.workflows.limit_checks import check_limits
from opscore.workflows.loader import load
from opscore.workflows.nodes import Scalar, to_data
from opscore.workflows.template import read_workflow

if TYPE_CHECKING:
    from opscore.workflows.price import Price


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a check.

    `workflow` is None if there are errors; `template` is the plain data that was read, or None if
    there was nothing to read.
    """

    workflow: Workflow | None = None
    template: dict[str, Any] | None = None
    errors: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)

    def require(self) -> Workflow:
        """The workflow; raises `WorkflowInvalid` with every error if there are any."""
        if self.workflow is None:
            raise WorkflowInvalid(self.errors)
        return self.workflow

    def price(self) -> Price | None:
        """What a session of it costs; None if there are errors."""
        from opscore.workflows.price import price

        return None if self.workflow is None else price(self.workflow)


def check(source: str | bytes | Mapping[str, Any], *, own_executions: bool = True) -> Checked:
    """Read and check a template: YAML or JSON text, or data that was JSON. Never raises.

    `own_executions`: whether a map can give its items executions of their own, where it runs.
    """
    report = Report()
    node = load(source, report)
    if node is None and not report.errors:
        node = Scalar(None, "")
    if node is None:
        return Checked(errors=report.errors)
    workflow = attempt(Field(node, "", report), read_workflow, None)
    if workflow is not None:
        check_flow(workflow, report)
        check_limits(workflow, report, own_executions=own_executions)
    data = to_data(node)
    return Checked(
        workflow=None if report.errors else workflow,
        template=data if isinstance(data, dict) else None,
        errors=sorted(report.errors, key=_order),
        warnings=sorted(report.warnings, key=_order),
    )


def _order(finding: Finding) -> tuple[int, int]:
    return (finding.line or 0, finding.column or 0)
