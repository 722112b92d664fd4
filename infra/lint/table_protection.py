"""A table is on demand, encrypted and can be restored to a point in time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cfnlint.rules import CloudFormationLintRule, RuleMatch
from cfnlint.template import Template


class TableIsProtected(CloudFormationLintRule):  # type: ignore[misc]  # cfn-lint has no types
    """A table is on demand, encrypted and can be restored to a point in time."""

    id = "E9008"
    shortdesc = "A table is on demand, encrypted and can be restored to a point in time"
    description = "An idle fleet costs nothing, and a mistake can be undone."
    tags = ["opscore"]  # noqa: RUF012  the base class asks for a list

    def match(self, cfn: Template) -> list[RuleMatch]:
        """Each place that breaks the rule."""
        return [
            RuleMatch(["Resources", name, "Properties"], f"{name} lacks {what}")
            for name, table in cfn.get_resources("AWS::DynamoDB::Table").items()
            for what in _lacks(table["Properties"])
        ]


def _lacks(properties: dict[str, Any]) -> Iterator[str]:
    if properties.get("BillingMode") != "PAY_PER_REQUEST":
        yield "BillingMode: PAY_PER_REQUEST"
    if properties.get("SSESpecification", {}).get("SSEEnabled") is not True:
        yield "SSESpecification"
    recovery = properties.get("PointInTimeRecoverySpecification", {})
    if recovery.get("PointInTimeRecoveryEnabled") is not True:
        yield "PointInTimeRecoverySpecification"
