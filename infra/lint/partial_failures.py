"""A queue's event source takes partial batch failures."""

from __future__ import annotations

from cfnlint.rules import CloudFormationLintRule, RuleMatch
from cfnlint.template import Template

from infra.lint.references import target


class EventSourceReportsPartialFailures(CloudFormationLintRule):  # type: ignore[misc]  # cfn-lint has no types
    """A queue's event source takes partial batch failures."""

    id = "E9002"
    shortdesc = "A queue's event source takes partial batch failures"
    description = "Without them one bad message brings its whole batch back."
    tags = ["opscore"]  # noqa: RUF012  the base class asks for a list

    def match(self, cfn: Template) -> list[RuleMatch]:
        """Each place that breaks the rule."""
        queues = cfn.get_resources("AWS::SQS::Queue")
        sources = cfn.get_resources("AWS::Lambda::EventSourceMapping")
        return [
            RuleMatch(
                ["Resources", name, "Properties"],
                f"{name} does not have FunctionResponseTypes: [ReportBatchItemFailures]",
            )
            for name, source in sources.items()
            if target(source["Properties"].get("EventSourceArn")) in queues
            and "ReportBatchItemFailures"
            not in source["Properties"].get("FunctionResponseTypes", [])
        ]
