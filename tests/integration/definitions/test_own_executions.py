"""Maps whose items have executions of their own: what of them differs in Step Functions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opscore.workflows.effort import MAX_INLINE_EVENTS
from tests.support.workflow_cases import Case, Fails
from tests.support.workflow_runs import interpret

RETRY = [{"errors": ["TooManyFailures"], "maxRetries": 1, "interval": "1s"}]


def ran(agents: dict[str, Any], tolerated: int = 0, **step: Any) -> tuple[str, Any]:
    """How a session ends that is a map too large for one history, of two items."""
    task = {"taskId": "fix", "retry": {"maxRetries": 0}}
    each: dict[str, Any] = {"items": [1, 2], "maxItems": MAX_INLINE_EVENTS, "tasks": [task]}
    each["toleratedFailurePercentage"] = tolerated
    template = {"id": "w", "name": "W", "tasks": [{"taskId": "all", "map": each, **step}]}
    run = interpret(Case("a large map", json.dumps(template), agents, sent=()))
    return run.status, run.output


@pytest.mark.parametrize("tolerated", [0, 30])
def test_a_failed_item_is_one_too_many(tolerated: int) -> None:
    fallback = {"result": {"why": "{% $error.code %}"}}

    ended = ran({"fix": [Fails("Down")]}, tolerated, fallback=fallback)

    assert ended == ("SUCCEEDED", {"why": "TooManyFailures"})


def test_too_many_failed_items_can_be_tried_again_by_that_name() -> None:
    ended = ran({"fix@0": [Fails("Down"), "ok"], "fix": ["ok"]}, retry=RETRY)

    assert ended == ("SUCCEEDED", ["ok", "ok"])
