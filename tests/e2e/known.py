"""What is there when a wrong request comes, and must be as it was when it has been refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.e2e.agents import Agent
from tests.e2e.api import JsonObject


@dataclass(frozen=True)
class Known:
    """What is there, and must stay as it is."""

    agent: Agent
    task: str
    session: str
    workflow: JsonObject

    def fill(self, path: str) -> str:
        """A path with the ids that exist."""
        return path.format(
            agent=self.agent.agent_id,
            task=self.task,
            session=self.session,
            workflow=self.workflow["id"],
        )


def everything(aws: Any) -> dict[str, JsonObject]:
    """Every item of the tables, but early reports: those are for agents that are yet to come."""
    tables = [aws.outputs[f"{name}TableName"] for name in ("Agents", "Work", "Workflows")]
    found = {}
    for table in tables:
        for page in aws.dynamodb.get_paginator("scan").paginate(TableName=table):
            for item in page["Items"]:
                name = f"{table} {item['pk']['S']} {item['sk']['S']}"
                if "early" not in name:
                    found[name] = item
    return found
