"""No definition has states that nothing leads to; loops that always fail go to their fallback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from opscore.workflows.checks import check
from opscore.workflows.compiler import compile_cleanup, compile_workflow

WAIT = {"taskId": "w", "wait": "1s"}
SUCCEED: dict[str, Any] = {"taskId": "s", "succeed": {}}


def repeat(*tasks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"taskId": "r", "repeat": {"tasks": list(tasks), "until": "{% true %}"}, **more}


STEPS = {
    "a tolerant map in which nothing can fail": [
        {"taskId": "m", "map": {"items": [1], "toleratedFailurePercentage": 50, "tasks": [WAIT]}}
    ],
    "a loop that never comes to its condition": [
        repeat(SUCCEED, fallback={"taskId": "z"}),
        {"taskId": "z"},
    ],
    "a loop that always fails": [
        repeat({"taskId": "f", "fail": "No"}, fallback={"result": 1}),
        {"taskId": "z"},
    ],
}


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
def test_every_state_is_reached(steps: list[dict[str, Any]]) -> None:
    workflow = check({"id": "w", "name": "W", "tasks": steps}).require()

    assert list(lost(json.loads(compile_workflow(workflow, "queue")))) == []


def test_every_state_is_reached_in_what_runs_afterwards() -> None:
    template = {"id": "w", "name": "W", "tasks": [{"taskId": "a"}], "onFailure": [SUCCEED]}

    definition = compile_cleanup(check(template).require(), "queue")

    assert definition is not None
    assert list(lost(json.loads(definition))) == []


def lost(part: dict[str, Any]) -> Iterator[str]:
    """The states of a definition that nothing leads to."""
    states = part["States"]
    reached, waiting = set[str](), [part["StartAt"]]
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        state = states[name]
        ways = (state, *state.get("Catch", ()), *state.get("Choices", ()))
        waiting += [way["Next"] for way in ways if "Next" in way]
        waiting += [state["Default"]] if "Default" in state else []
        for inner in (*state.get("Branches", ()), state.get("ItemProcessor")):
            yield from lost(inner) if inner else ()
    yield from set(states) - reached
