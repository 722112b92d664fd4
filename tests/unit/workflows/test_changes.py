"""A result may be kept over versions where nothing that it came from has changed."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from opscore.workflows.changes import changed
from opscore.workflows.checks import check
from opscore.workflows.language import Workflow

TEMPLATE: dict[str, Any] = {
    "id": "w",
    "name": "W",
    "tasks": [
        {"taskId": "one", "agentCapability": "c", "parameters": {"a": "{% $input.a %}"}},
        {"taskId": "many", "map": {
            "items": "{% $tasks.one %}",
            "tasks": [{"taskId": "each", "agentCapability": "c", "parameters": {"n": 1}}],
        }},
        {"taskId": "ask", "approval": {"prompt": "Go on?", "timeout": "1h"}},
        {"taskId": "last", "agentId": "x"},
    ],
}  # fmt: skip
STEPS = ["one", "each", "ask", "last"]


def workflow(template: dict[str, Any]) -> Workflow:
    return check(template).require()


def with_change(path: list[Any], value: Any) -> Workflow:
    template = deepcopy(TEMPLATE)
    place: Any = template
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return workflow(template)


EACH = ["tasks", 1, "map", "tasks", 0]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (["name"], "Other", []),
        (["defaults"], {"timeout": "3m", "retry": {"maxRetries": 1}}, []),
        (["tasks", 0, "name"], "First", []),
        (["tasks", 0, "timeout"], "5m", []),
        (["tasks", 0, "priority"], 9, []),
        (["tasks", 2, "approval", "timeout"], "2h", []),
        (["tasks", 0, "agentCapability"], "d", ["one"]),
        (["tasks", 0, "parameters", "a"], "{% $input.b %}", ["one"]),
        (["tasks", 0, "fallback"], {"agentCapability": "d"}, ["one"]),
        (["tasks", 0, "resultSchema"], {"type": "array"}, ["one"]),
        ([*EACH, "parameters", "n"], True, ["each"]),
        (["tasks", 1, "map", "items"], "{% $input.list %}", ["each"]),
        (["tasks", 1, "map", "maxConcurrency"], 2, []),
        (["tasks", 2, "approval", "prompt"], "Really?", ["ask"]),
        (["tasks", 3, "agentId"], "y", ["last"]),
        (["tasks", 3, "taskId"], "end", ["last"]),
    ],
    ids=str,
)
def test_steps_that_mean_something_else_are_named(
    path: list[Any], value: Any, expected: list[str]
) -> None:
    assert changed(workflow(TEMPLATE), with_change(path, value), STEPS) == expected


def test_a_step_that_is_now_the_first_gets_the_input_and_has_changed() -> None:
    tasks = [{"taskId": "a", "agentId": "x"}, {"taskId": "b", "agentId": "x"}]
    old = workflow({"id": "w", "name": "W", "tasks": tasks})
    new = workflow({"id": "w", "name": "W", "tasks": tasks[::-1]})

    assert changed(old, new, ["a", "b"]) == ["a", "b"]


def test_a_step_that_is_inside_of_something_else_has_changed() -> None:
    template = deepcopy(TEMPLATE)
    template["tasks"][1] = {"taskId": "many", "parallel": [{"tasks": [
        {"taskId": "each", "agentCapability": "c", "parameters": {"n": 1}},
    ]}]}  # fmt: skip

    assert changed(workflow(TEMPLATE), workflow(template), STEPS) == ["each"]


def test_new_steps_around_a_step_are_no_change_of_it() -> None:
    template = deepcopy(TEMPLATE)
    template["tasks"].insert(1, {"taskId": "new", "agentId": "x"})

    assert changed(workflow(TEMPLATE), workflow(template), STEPS) == []
