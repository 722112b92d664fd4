"""A function has a role of its own, without AWS's managed policies."""

from __future__ import annotations

import json

from cfnlint.rules import CloudFormationLintRule, RuleMatch
from cfnlint.template import Template

from infra.lint.references import target


class FunctionHasOwnRole(CloudFormationLintRule):  # type: ignore[misc]  # cfn-lint has no types
    """A function has a role of its own, without AWS's managed policies."""

    id = "E9005"
    shortdesc = "A function has a role of its own, without AWS's managed policies"
    description = (
        "A shared role has the rights of all its functions, and AWS's policies name no resources."
    )
    tags = ["opscore"]  # noqa: RUF012  the base class asks for a list

    def match(self, cfn: Template) -> list[RuleMatch]:
        """Each place that breaks the rule."""
        users: dict[str | None, str] = {}
        found: list[RuleMatch] = []
        for name, function in cfn.get_resources("AWS::Lambda::Function").items():
            role = target(function["Properties"].get("Role"))
            if role in users:
                message = f"{name} shares {role} with {users[role]}"
                found.append(RuleMatch(["Resources", name, "Properties", "Role"], message))
            users[role] = name
        for name, role in cfn.get_resources("AWS::IAM::Role").items():
            for policy in role["Properties"].get("ManagedPolicyArns", []):
                if "iam::aws:policy/" in json.dumps(policy):
                    path = ["Resources", name, "Properties", "ManagedPolicyArns"]
                    found.append(RuleMatch(path, f"{name} has a policy of AWS's own"))
        return found
