"""What people and programs are answered who approve, reject, send signals, or look at children."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from opscore.models.limits import MAX_PAYLOAD_BYTES
from tests.support import events
from tests.support.world import World, worlds

WORKFLOW = {"id": "wf", "name": "wf", "tasks": [{"taskId": "step", "agentCapability": "work"}]}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with worlds() as found:
        world = found.make()
        for workflow_id in ("wf", "child"):
            world.request("workflow_api", events.workflow(WORKFLOW | {"id": workflow_id}))
        yield world


def started(world: World, **step: Any) -> str:
    """A session of one step, which waits."""
    world.plan([{"timeout": 300} | step], retries=0)
    session = world.request("session_api", events.trigger("wf"))
    assert session is not None
    world.settle()
    return str(session["sessionId"])


def asked(world: World) -> str:
    """The attempt of an approval that waits."""
    session = started(world, kind="approval", prompt={"fixes": 2})
    listed = world.request("task_api", events.approvals(sessionId=session))
    assert listed is not None
    (approval,) = listed["items"]
    assert (approval["sessionId"], approval["prompt"]) == (session, {"fixes": 2})
    return str(approval["taskId"])


def said(world: World, function: str, event: dict[str, Any], status: int) -> dict[str, Any]:
    answer = world.request(function, event, answers=[status])
    assert answer is not None
    return answer


def test_the_keys_name_says_who_approved_unless_they_say_so_themselves(world: World) -> None:
    first, second = asked(world), asked(world)
    word = events.approval_word(first, "approve", key="ops-console")
    other = events.approval_word(second, "reject", {"by": "ann", "comment": "no"}, key="k")

    approved = said(world, "task_api", word, 200)
    rejected = said(world, "task_api", other, 200)

    assert (approved["approved"], approved["by"], approved["comment"]) == (True, "ops-console", "")
    assert (rejected["approved"], rejected["by"], rejected["comment"]) == (False, "ann", "no")
    assert said(world, "task_api", word, 200) == approved
    contrary = said(world, "task_api", events.approval_word(first, "reject"), 409)
    assert contrary["code"] == "approval_closed"


@pytest.mark.parametrize("body", [{"coment": "typo"}, {"comment": 1}, {"by": ""}, []])
def test_a_word_that_does_not_fit_is_refused(world: World, body: Any) -> None:
    task_id = asked(world)

    said(world, "task_api", events.approval_word(task_id, "approve", body), 422)

    said(world, "task_api", events.approval_word(task_id, "approve"), 200)


def test_what_is_not_there_is_not_found(world: World) -> None:
    for function, event, code in (
        ("task_api", events.approval_word("task_x", "approve"), "approval_not_found"),
        ("task_api", events.approvals(sessionId="nobody"), "session_not_found"),
        ("session_api", events.signal("nobody", "go", 1, "x"), "session_not_found"),
    ):
        assert said(world, function, event, 404)["code"] == code


def test_a_signal_is_taken_once_and_shows_as_the_steps_result(world: World) -> None:
    session = started(world, kind="signal", signal="go")
    said(world, "session_api", events.signal(session, "go", {"n": 1}, "x"), 202)
    world.settle()

    path = f"/v1/opscore/session/{session}"
    shown = said(
        world,
        "session_api",
        events.http("GET", path, route="/v1/opscore/session/{sessionId}"),
        200,
    )

    (task,) = shown["tasks"]
    assert (task["kind"], task["signal"], task["result"]) == ("signal", "go", {"n": 1})
    assert (shown["status"], shown["parent"]) == ("completed", None)
    again = said(world, "session_api", events.signal(session, "go", {"n": 2}, "y"), 409)
    assert again["code"] == "session_final"


def test_signals_that_do_not_fit_are_refused(world: World) -> None:
    session = started(world, kind="signal", signal="go")
    large = "x" * MAX_PAYLOAD_BYTES

    said(world, "session_api", events.signal(session, "go", large, "x"), 413)
    said(world, "session_api", events.signal(session, "", 1, "x"), 422)
    said(world, "session_api", events.signal(session, "go", 1, "a/b"), 422)
    said(world, "session_api", events.signal(session, "other", 1, "x"), 202)
    reused = said(world, "session_api", events.signal(session, "other", 2, "x"), 409)
    assert reused["code"] == "signal_id_reused"


def test_a_session_and_its_child_name_each_other(world: World) -> None:
    world.plan([{}], of="child")
    parent = started(world, kind="workflow", childWorkflowId="child")

    def shown(session_id: str) -> dict[str, Any]:
        path = f"/v1/opscore/session/{session_id}"
        event = events.http("GET", path, route="/v1/opscore/session/{sessionId}")
        return said(world, "session_api", event, 200)

    (task,) = shown(parent)["tasks"]
    assert (task["kind"], task["childWorkflowId"], task["status"]) == (
        "workflow",
        "child",
        "waiting",
    )
    child = shown(task["childSessionId"])
    assert child["parent"] == {"sessionId": parent, "taskId": task["taskId"]}
