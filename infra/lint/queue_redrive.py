"""A queue has a redrive policy, unless it is a dead-letter queue."""

from __future__ import annotations

from cfnlint.rules import CloudFormationLintRule, RuleMatch
from cfnlint.template import Template

from infra.lint.references import target


class QueueHasRedrivePolicy(CloudFormationLintRule):  # type: ignore[misc]  # cfn-lint has no types
    """A queue has a redrive policy, unless it is a dead-letter queue."""

    id = "E9001"
    shortdesc = "A queue has a redrive policy, unless it is a dead-letter queue"
    description = "Without one a message that no one can handle comes back until it expires."
    tags = ["opscore"]  # noqa: RUF012  the base class asks for a list

    def match(self, cfn: Template) -> list[RuleMatch]:
        """Each place that breaks the rule."""
        queues = cfn.get_resources("AWS::SQS::Queue")
        policies = {
            name: queue.get("Properties", {}).get("RedrivePolicy") for name, queue in queues.items()
        }
        dead_letter_queues = {
            target(policy.get("deadLetterTargetArn")) for policy in policies.values() if policy
        }
        return [
            RuleMatch(["Resources", name], f"{name} has no RedrivePolicy")
            for name, policy in policies.items()
            if not policy and name not in dead_letter_queues
        ]
