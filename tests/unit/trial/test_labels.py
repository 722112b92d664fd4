from __future__ import annotations

from typing import Any

import pytest

from opscore.models.messages import ApprovalMessage
from opscore_trial.labels import label, names, task_of


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({}, ["a"]),
        ({"route": 1}, ["a (fallback)", "a"]),
        ({"index": [2]}, ["a@2", "a"]),
        (
            {"route": 1, "index": [2, 0]},
            ["a (fallback)@2.0", "a (fallback)", "a@2.0", "a"],
        ),
    ],
)
def test_a_message_has_names_from_narrow_to_wide(more: dict[str, Any], named: list[str]) -> None:
    message = ApprovalMessage.model_validate(
        {
            "token": "t",
            "sessionId": "s",
            "workflowId": "w",
            "taskId": "a",
            "name": "a",
            "timeout": 1,
        }
        | more
    )

    assert list(names(message)) == named
    assert label(message) == named[0]
    assert {task_of(name, {"a": "task"}) for name in named} == {"a"}


def test_an_id_that_looks_like_more_is_taken_as_it_stands() -> None:
    assert task_of("fix@2", {"fix@2": "task"}) == "fix@2"
    assert task_of("fix@2@0", {"fix@2": "task"}) == "fix@2"
    assert task_of("undo (fallback)", {"undo (fallback)": "task"}) == "undo (fallback)"
