"""No policy allows all resources, where the action has any."""

from __future__ import annotations

from typing import Any

from cfnlint.rules import CloudFormationLintRule, RuleMatch
from cfnlint.template import Template

from infra.lint.statements import actions, allow_statements

# AWS's service authorization reference lists no resource types for these.
WITHOUT_RESOURCES = {
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}


class NoWildcardResource(CloudFormationLintRule):  # type: ignore[misc]  # cfn-lint has no types
    """No policy allows all resources, where the action has any."""

    id = "E9004"
    shortdesc = "No policy allows all resources, where the action has any"
    description = "Resources are named, by prefix where they are made at run time."
    tags = ["opscore"]  # noqa: RUF012  the base class asks for a list

    def match(self, cfn: Template) -> list[RuleMatch]:
        """Each place that breaks the rule."""
        return [
            RuleMatch([*path, "Resource"], f"{action} is allowed on all resources")
            for path, statement in allow_statements(cfn.get_resources())
            if "*" in _listed(statement.get("Resource"))
            for action in actions(statement)
            if action not in WITHOUT_RESOURCES
        ]


def _listed(stated: Any) -> list[Any]:
    return stated if isinstance(stated, list) else [stated]
