"""No policy allows a wildcard action."""

from __future__ import annotations

from cfnlint.rules import CloudFormationLintRule, RuleMatch
from cfnlint.template import Template

from infra.lint.statements import actions, allow_statements


class NoWildcardAction(CloudFormationLintRule):  # type: ignore[misc]  # cfn-lint has no types
    """No policy allows a wildcard action."""

    id = "E9003"
    shortdesc = "No policy allows a wildcard action"
    description = "Rights are named one by one."
    tags = ["opscore"]  # noqa: RUF012  the base class asks for a list

    def match(self, cfn: Template) -> list[RuleMatch]:
        """Each place that breaks the rule."""
        return [
            RuleMatch([*path, "Action"], f"{action} is a wildcard")
            for path, statement in allow_statements(cfn.get_resources())
            for action in actions(statement)
            if "*" in action
        ] + [
            RuleMatch([*path, "NotAction"], "NotAction allows all but some")
            for path, statement in allow_statements(cfn.get_resources())
            if "NotAction" in statement
        ]
