"""What is there when a wrong request comes, and must be as it was when it has been refused."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from tests.e2e.agents import Agent
from tests.e2e.api import Api, JsonObject
from tests.e2e.waiting import eventually

REST_SECONDS = 5
"""Longer than the stack's drain and cool-down, after which agents change by themselves."""
PUT_OFF = ("dueAt", "dueShard", "rev")
"""What the sweeper writes of a thing that is due and needs nothing else."""


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


def at_rest(aws: Any, api: Api, known: Known) -> dict[str, JsonObject]:
    """Every item, once nothing moves by itself any more: what other tests have left is ended, and
    the last events have arrived."""
    for status in ("started", "running", "paused"):
        for session in api.read("sessions", status=status, limit=200)["items"]:
            if session["sessionId"] != known.session:
                api.post(f"session/{session['sessionId']}/cancel")

    def still() -> dict[str, JsonObject] | None:
        aws.functions.invoke(FunctionName=aws.outputs["SweeperName"], Payload="{}")
        first = everything(aws)
        if any("dueAt" in item for item in first.values() if item["sk"]["S"] == "agent"):
            return None  # an agent drains or cools down: it will change by itself
        time.sleep(REST_SECONDS)
        return first if everything(aws) == first else None

    return eventually(still, 60)


def changed(before: dict[str, JsonObject], after: dict[str, JsonObject]) -> set[str]:
    """The items that are others than before. One that wants to be looked at some time may have been
    put off: the sweeper comes every minute, whoever asks for what.
    """
    return {
        name
        for name in before.keys() | after.keys()
        if _lasting(before.get(name)) != _lasting(after.get(name))
    }


def _lasting(item: JsonObject | None) -> JsonObject | None:
    if item is None or "dueAt" not in item:
        return item
    return {name: value for name, value in item.items() if name not in PUT_OFF}
