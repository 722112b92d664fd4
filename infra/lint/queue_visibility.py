"""A queue hides messages for six times its function's timeout."""

from __future__ import annotations

from cfnlint.rules import CloudFormationLintRule, RuleMatch
from cfnlint.template import Template

from infra.lint.references import number, target

FACTOR = 6


class QueueOutlastsItsFunction(CloudFormationLintRule):  # type: ignore[misc]  # cfn-lint has no types
    """A queue hides messages for six times its function's timeout."""

    id = "E9007"
    shortdesc = "A queue hides messages for six times its function's timeout"
    description = (
        "AWS advises it: a throttled function is tried for that long before messages return."
    )
    tags = ["opscore"]  # noqa: RUF012  the base class asks for a list

    def match(self, cfn: Template) -> list[RuleMatch]:
        """Each place that breaks the rule."""
        parameters = cfn.template.get("Parameters", {})
        queues = cfn.get_resources("AWS::SQS::Queue")
        functions = cfn.get_resources("AWS::Lambda::Function")
        found: list[RuleMatch] = []
        for source in cfn.get_resources("AWS::Lambda::EventSourceMapping").values():
            queue = target(source["Properties"].get("EventSourceArn"))
            function = target(source["Properties"].get("FunctionName"))
            if queue not in queues or function not in functions:
                continue
            hidden = queues[queue].get("Properties", {}).get("VisibilityTimeout", 30)
            timeout = functions[function]["Properties"].get("Timeout", 3)
            hidden, timeout = number(hidden, parameters), number(timeout, parameters)
            if hidden is not None and timeout is not None and hidden < FACTOR * timeout:
                message = f"{queue} hides messages for {hidden} s, {function} has {timeout} s"
                found.append(RuleMatch(["Resources", queue, "Properties"], message))
        return found
