"""A function writes to a log group of its own, kept for a stated time."""

from __future__ import annotations

from cfnlint.rules import CloudFormationLintRule, RuleMatch
from cfnlint.template import Template

from infra.lint.references import target


class FunctionHasOwnLogGroup(CloudFormationLintRule):  # type: ignore[misc]  # cfn-lint has no types
    """A function writes to a log group of its own, kept for a stated time."""

    id = "E9006"
    shortdesc = "A function writes to a log group of its own, kept for a stated time"
    description = "The log group that Lambda makes by itself is kept for ever."
    tags = ["opscore"]  # noqa: RUF012  the base class asks for a list

    def match(self, cfn: Template) -> list[RuleMatch]:
        """Each place that breaks the rule."""
        groups = cfn.get_resources("AWS::Logs::LogGroup")
        users: dict[str, str] = {}
        found: list[RuleMatch] = []
        for name, function in cfn.get_resources("AWS::Lambda::Function").items():
            path = ["Resources", name, "Properties"]
            group = target(function["Properties"].get("LoggingConfig", {}).get("LogGroup"))
            if group is None or group not in groups:
                found.append(RuleMatch(path, f"{name} has no log group of its own"))
                continue
            if group in users:
                found.append(RuleMatch(path, f"{name} shares {group} with {users[group]}"))
            if "RetentionInDays" not in groups[group]["Properties"]:
                found.append(RuleMatch(["Resources", group], f"{group} is kept for ever"))
            users[group] = name
        return found
