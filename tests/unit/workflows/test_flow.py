from __future__ import annotations

from typing import Any

from opscore.workflows.checks import check
from opscore.workflows.effort import ENDLESS, longest
from opscore.workflows.flow import Flow
from opscore.workflows.language import Block


def block(*tasks: dict[str, Any]) -> Block:
    return check({"id": "w", "name": "W", "tasks": list(tasks)}).require().tasks


BRANCHING = (
    {"taskId": "a", "fallback": {"taskId": "d"}},
    {"taskId": "b", "fallback": {"taskId": "d"}},
    {"taskId": "c"},
    {"taskId": "d"},
)


def test_a_result_is_known_only_if_every_way_makes_it() -> None:
    flow = Flow(block(*BRANCHING))

    assert flow.has_result("c", "a")
    assert flow.has_result("c", "b")
    assert not flow.has_result("d", "a")
    assert not flow.has_result("a", "a")


def test_a_loop_forgets_nothing_that_its_entry_knew() -> None:
    flow = Flow(
        block(
            {"taskId": "before"},
            {"taskId": "poll", "fallback": {"taskId": "after"}},
            {"taskId": "again", "nextTaskId": "poll"},
            {"taskId": "after"},
        )
    )

    assert flow.has_result("poll", "before")
    assert not flow.has_result("poll", "again")
    assert not flow.has_result("after", "poll")
    assert flow.error_scope("after") == 0
    assert flow.error_scope("again") is None


def test_the_longest_way_is_the_heaviest_one() -> None:
    weights = {"a": 1, "b": 10, "c": 100, "d": 1000}

    assert longest(block(*BRANCHING), lambda task: weights[task.id]) == 1111


def test_a_heavy_shortcut_counts_too() -> None:
    tasks = (
        {"taskId": "a", "fallback": {"taskId": "d"}},
        {"taskId": "b", "nextTaskId": None},
        {"taskId": "d"},
    )

    assert longest(block(*tasks), lambda task: 100 if task.id == "d" else 1) == 101


def test_a_loop_has_no_longest() -> None:
    looping = (
        {"taskId": "a", "fallback": {"taskId": "c"}},
        {"taskId": "b", "nextTaskId": "a"},
        {"taskId": "c"},
    )

    assert longest(block(*looping), lambda _: 1) == ENDLESS
