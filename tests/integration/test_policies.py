"""Policies over their routes: what is taken, what is refused, who did it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import events
from tests.support.world import World, Worlds, worlds

NAME = "text / sum up"


@pytest.fixture(scope="module")
def all_worlds() -> Iterator[Worlds]:
    with worlds() as found:
        yield found


@pytest.fixture
def world(all_worlds: Worlds) -> World:
    return all_worlds.make()


def by(name: str, event: dict[str, Any]) -> dict[str, Any]:
    event["requestContext"]["authorizer"] = {"lambda": {"name": name, "keyId": "0123"}}
    return event


def listed(world: World, **query: str) -> list[Any]:
    event = events.http("GET", f"{events.API}/policies", query=query)
    return list((world.request("task_api", event) or {})["items"])


def test_a_policy_is_set_paused_listed_and_cleared(world: World) -> None:
    limits = {"maxConcurrent": 3, "ratePerSecond": 0.5, "reason": "quota"}
    put = world.request("task_api", by("mia", events.policy("PUT", "capability", NAME, limits)))
    paused = events.policy("POST", "capability", NAME, {"reason": "rest"}, move="pause")
    world.request("task_api", by("ben", paused))
    world.request("task_api", events.policy("POST", "workflow", "wf", move="pause"))

    read = world.request("task_api", events.policy("GET", "capability", NAME))

    assert put is not None
    assert put | {"paused": True, "reason": "rest", "updatedBy": "ben"} == read
    assert (put["updatedBy"], put["name"], put["ratePerSecond"]) == ("mia", NAME, 0.5)
    assert listed(world, kind="capability") == [read]
    assert [policy["name"] for policy in listed(world)] == [NAME, "wf"]

    world.request("task_api", events.policy("DELETE", "capability", NAME))
    world.request("task_api", events.policy("POST", "workflow", "wf", move="resume"))
    assert listed(world) == []
    world.request("task_api", events.policy("GET", "capability", NAME), answers=[404])
    world.request("task_api", events.policy("DELETE", "capability", NAME), answers=[404])


@pytest.mark.parametrize(
    ("kind", "name", "body", "place"),
    [
        ("agent", "a", {"maxConcurrent": 1}, "path.kind"),
        ("workflow", "a#b", {"maxConcurrent": 1}, "query"),
        ("workflow", "", {"maxConcurrent": 1}, "query"),
        ("workflow", "wf", {}, "body"),
        ("workflow", "wf", {"maxConcurrent": -1}, "body"),
        ("workflow", "wf", {"ratePerSecond": 0}, "body"),
        ("workflow", "wf", {"ratePerSecond": 10, "burst": 5}, "body"),
        ("workflow", "wf", {"maxConcurrent": 1, "burst": 5}, "body"),
        ("workflow", "wf", {"maxConcurrent": 1, "pause": True}, "body"),
    ],
)
def test_what_does_not_fit_is_refused(
    world: World, kind: str, name: str, body: Any, place: str
) -> None:
    event = events.policy("PUT", kind, name, body)

    refusal = world.request("task_api", event, answers=[422])

    assert refusal is not None
    assert [fault["loc"][0] for fault in refusal["detail"]] == [place]
    json.dumps(refusal)
