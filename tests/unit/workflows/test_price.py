from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from opscore.workflows.checks import check
from opscore.workflows.price import US_EAST_1, Price


def price(*tasks: dict[str, Any], **more: Any) -> Price:
    found = check({"id": "w", "name": "W", "tasks": list(tasks)} | more).price()
    assert found is not None
    return found


@pytest.mark.parametrize("length", [1, 5, 50])
def test_tasks_in_sequence_enter_no_more_states_than_there_are_tasks(length: int) -> None:
    found = price(*({"taskId": f"t{n}"} for n in range(length)))

    assert found.best.states == found.worst.states == length
    assert found.best.events == 2 + 6 * length
    assert found.worst.transitions == 4 * length


def test_a_failing_task_costs_its_retries_and_its_fallback() -> None:
    task = {"taskId": "a", "retry": {"maxRetries": 2}, "fallback": {"agentId": "bob"}}

    found = price(task)

    assert (found.best.answers, found.worst.answers) == (1, 1 + 2 + 1 + 3)
    assert found.worst.transitions == 2 + 2 + 3
    assert found.worst.dollars_per_thousand > 5 * found.best.dollars_per_thousand


def test_the_best_way_is_the_shortest_and_the_worst_the_longest() -> None:
    choice = {"taskId": "c", "choice": [{"when": "{% $input.x %}", "nextTaskId": "end"}]}
    found = price(choice, {"taskId": "a"}, {"taskId": "b"}, {"taskId": "end"})

    assert (found.best.states, found.worst.states) == (2, 4)


def test_a_map_costs_for_each_item_that_it_may_have() -> None:
    each = {
        "items": "{% $input.items %}",
        "maxItems": 7,
        "tasks": [{"taskId": "one", "wait": "2s"}],
    }

    found = price({"taskId": "m", "map": {**each, "maxConcurrency": 2}})

    assert (found.best.states, found.worst.states) == (1, 1 + 7)
    assert found.worst.events == 2 + 4 + 7 * (2 + 2)
    assert (found.best.seconds, found.worst.seconds) == (0, 4 * 2)


def test_a_loop_costs_for_each_round() -> None:
    loop = {"tasks": [{"taskId": "one", "wait": "2s"}], "until": "{% true %}", "maxIterations": 5}

    found = price({"taskId": "r", "repeat": loop})

    assert found.worst.states >= 1 + 5 * 2
    assert (found.best.seconds, found.worst.seconds) == (2, 10)


def test_what_nothing_bounds_has_no_worst_case() -> None:
    again = {"taskId": "b", "choice": [{"when": "{% $input.x %}", "nextTaskId": "a"}]}

    worst = price({"taskId": "a"}, again).worst.as_dict()

    assert set(worst.values()) == {None}


def test_a_session_takes_no_longer_than_its_timeout() -> None:
    assert price({"taskId": "a"}, timeout="5m").worst.seconds == 300
    assert price({"taskId": "a", "timeout": "{% $input.x %}"}).worst.seconds is None


def test_the_price_follows_the_table() -> None:
    workflow = check({"id": "w", "name": "W", "tasks": [{"taskId": "a"}]}).require()
    from opscore.workflows.price import price as priced

    dearer = dataclasses.replace(US_EAST_1, transition=US_EAST_1.transition + 1000)

    difference = (
        priced(workflow, dearer).best.dollars_per_thousand
        - priced(workflow).best.dollars_per_thousand
    )
    assert difference == pytest.approx(1.0)
