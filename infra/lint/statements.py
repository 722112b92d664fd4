"""What the rules on rights share: the policy statements of a template."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Path = list[str | int]
Statement = tuple[Path, dict[str, Any]]


def allow_statements(resources: dict[str, Any]) -> Iterator[Statement]:
    """Every Allow statement of every role and policy, with its place in the template."""
    for name, resource in resources.items():
        base: Path = ["Resources", name, "Properties"]
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::IAM::ManagedPolicy" | "AWS::IAM::Policy":
                yield from _statements([*base, "PolicyDocument"], properties["PolicyDocument"])
            case "AWS::IAM::Role":
                for index, policy in enumerate(properties.get("Policies", [])):
                    path = [*base, "Policies", index, "PolicyDocument"]
                    yield from _statements(path, policy["PolicyDocument"])


def actions(statement: dict[str, Any]) -> list[str]:
    """The actions of a statement, always as a list."""
    stated = statement.get("Action", [])
    return [stated] if isinstance(stated, str) else list(stated)


def _statements(path: Path, document: dict[str, Any]) -> Iterator[Statement]:
    stated = document["Statement"]
    for index, statement in enumerate(stated if isinstance(stated, list) else [stated]):
        if statement["Effect"] == "Allow":
            yield [*path, "Statement", index], statement
