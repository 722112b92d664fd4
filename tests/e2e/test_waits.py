"""Steps that no agent does: approvals, signals and sessions of other workflows."""

from __future__ import annotations

from typing import Any

from tests.e2e.api import Api, JsonObject, attempts, workflow
from tests.e2e.waiting import eventually


def approval_of(api: Api, session_id: str) -> JsonObject:
    """The approval that the session waits for, once it does."""

    def look() -> JsonObject | None:
        found = api.read("approvals", sessionId=session_id)["items"]
        return found[0] if found else None

    return eventually(look)


def task_of(api: Api, session_id: str, task_id: str) -> JsonObject:
    """A task of the session whose attempt waits."""

    def look() -> JsonObject | None:
        tasks = api.read(f"session/{session_id}")["tasks"]
        waiting = [task for task in tasks if task["attempts"][-1]["status"] == "WAITING"]
        return next((task for task in waiting if task["taskDefinitionId"] == task_id), None)

    return eventually(look)


def say(api: Api, session_id: str, word: str, **body: Any) -> JsonObject:
    task_id = approval_of(api, session_id)["taskId"]
    answer = api.post(f"approval/{task_id}/{word}", body)
    assert answer.status_code == 200, answer.text
    said: JsonObject = answer.json()
    return said


def test_a_session_waits_for_a_person_a_signal_and_another_session(
    api: Api, keys: dict[str, str]
) -> None:
    child = workflow({"taskId": "sign", "approval": "Sign?"})
    api.put(f"workflow/{child['id']}", child)
    definition = workflow(
        {"taskId": "approve", "approval": {"prompt": "{% 'Pay ' & $input.sum & '?' %}"}},
        {"taskId": "paid", "signal": "payment"},
        {
            "taskId": "signed",
            "workflow": {"id": child["id"], "input": {"by": "{% $tasks.approve.by %}"}},
        },
        {
            "taskId": "all",
            "succeed": {"result": {"paid": "{% $tasks.paid %}", "by": "{% $tasks.signed.by %}"}},
        },
    )

    session = api.start(definition, {"sum": 12})
    early = {"name": "payment", "payload": {"id": 7}, "signalId": "7"}
    assert api.post(f"session/{session}/signal", early).status_code == 202
    assert approval_of(api, session)["prompt"] == "Pay 12?"
    approved = say(api.with_key(keys["operator"]), session, "approve", comment="fine")
    assert (approved["by"], approved["comment"]) == ("e2e-operator", "fine")
    inner = task_of(api, session, "signed")["childSessionId"]
    assert api.read(f"session/{inner}")["parent"] == {"sessionId": session, "taskId": "signed"}
    assert api.read(f"session/{inner}")["input"] == {"by": "e2e-operator"}
    say(api, inner, "approve", by="ann")

    assert api.end(inner)["status"] == "completed"
    ended = api.end(session)
    assert (ended["status"], ended["result"]) == ("completed", {"paid": {"id": 7}, "by": "ann"})


def test_a_rejection_and_a_timeout_take_the_ways_that_the_template_has_for_them(api: Api) -> None:
    definition = workflow(
        {
            "taskId": "first",
            "signal": {"name": "never", "timeout": "1s"},
            "retry": {"maxRetries": 0},
            "fallback": {"result": "nobody came"},
        },
        {"taskId": "approve", "approval": "{% $tasks.first %}"},
    )

    session = api.start(definition)
    assert approval_of(api, session)["prompt"] == "nobody came"
    say(api, session, "reject", comment="too late")

    ended = api.end(session)
    assert (ended["status"], ended["error"]) == (
        "failed",
        {"code": "Rejected", "message": "too late"},
    )
    (waited,) = attempts(ended, "first")
    assert waited["error"]["code"] == "Timeout"


def test_a_child_is_cancelled_with_its_parent(api: Api) -> None:
    child = workflow({"taskId": "sign", "approval": "Sign?"})
    api.put(f"workflow/{child['id']}", child)
    session = api.start(workflow({"taskId": "signed", "workflow": child["id"]}))
    inner = task_of(api, session, "signed")["childSessionId"]
    asked = approval_of(api, inner)["taskId"]

    assert api.post(f"session/{session}/cancel").json()["status"] == "cancelled"

    assert api.end(inner)["status"] == "cancelled"
    assert eventually(lambda: not api.read("approvals", sessionId=inner)["items"])
    assert api.post(f"approval/{asked}/approve").status_code == 409
