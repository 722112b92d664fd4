"""Approvals and signals on the command line, and how sessions tell what they wait for."""

import json
from pathlib import Path

from tests.unit.clients.conftest import Opscore
from tests.unit.clients.fake_api import (
    FakeOpsCore,
    a_session,
    a_task,
    an_approval,
    an_attempt,
    at,
)


def test_approvals_are_listed_with_what_they_ask(api: FakeOpsCore, opscore: Opscore) -> None:
    api.approvals = {
        "task_1": an_approval("task_1", "Apply 2 fixes?"),
        "task_2": an_approval("task_2", {"n": 1}, workflowId="other"),
    }

    lines = opscore("approval", "list").stdout.splitlines()
    of_one = opscore("approval", "list", "--workflow", "other", "--json").stdout

    assert [line.split("\t")[0] for line in lines] == ["task_1", "task_2"]
    assert lines[0].split("\t")[-1] == "Apply 2 fixes?"
    assert [item["taskId"] for item in json.loads(of_one)["items"]] == ["task_2"]


def test_a_person_approves_and_rejects(api: FakeOpsCore, opscore: Opscore) -> None:
    api.approvals = {id_: an_approval(id_, "?") for id_ in ("task_1", "task_2")}

    approved = opscore("approval", "approve", "task_1")
    rejected = opscore("approval", "reject", "task_2", "--comment", "too risky", "--by", "ann")

    assert approved.stdout == "task_1: approved by the-key\n"
    assert rejected.stdout == "task_2: rejected by ann\n"
    assert api.seen[-1].json() == {"comment": "too risky", "by": "ann"}


def test_an_unknown_approval_is_an_error(opscore: Opscore) -> None:
    result = opscore("approval", "approve", "task_9")

    assert (result.exit_code, result.stderr) == (
        1,
        "opscore: Approval not found: task_9 (404 approval_not_found)\n",
    )


def test_a_session_gets_a_signal(api: FakeOpsCore, opscore: Opscore, tmp_path: Path) -> None:
    api.sessions["s-1"] = a_session("s-1", "triage")
    file = tmp_path / "payload.json"
    file.write_text('{"n": 1}')

    result = opscore("session", "signal", "s-1", "go", "--payload", f"@{file}", "--id", "x")
    opscore("session", "signal", "s-1", "go")

    assert result.stdout == "session s-1 has the signal go\n"
    assert api.signals[0] == {"name": "go", "payload": {"n": 1}, "signalId": "x"}
    assert "payload" not in api.signals[1]
    assert api.signals[1]["signalId"] != "x"


def test_a_payload_that_is_no_json_is_wrong_usage(opscore: Opscore) -> None:
    result = opscore("session", "signal", "s-1", "go", "--payload", "{")

    assert result.exit_code == 2
    assert result.stderr.startswith("opscore: --payload is not JSON: ")


def test_a_session_tells_what_its_steps_wait_for(api: FakeOpsCore, opscore: Opscore) -> None:
    def waiting(attempt_id: str) -> list[dict[str, object]]:
        return [an_attempt(attempt_id, None, None, status="WAITING") | {"deadline": at(59)}]

    tasks = [
        a_task("approve", waiting("t1"), "waiting", kind="approval", prompt="Apply 2 fixes?"),
        a_task("confirmed", waiting("t2"), "waiting", kind="signal", signal="paid"),
        a_task(
            "look",
            waiting("t3"),
            "waiting",
            kind="workflow",
            childWorkflowId="looking",
            childSessionId="s-2",
        ),
    ]
    parent = {"sessionId": "s-0", "taskId": "triage.2"}
    api.sessions["s-1"] = a_session("s-1", "triage", tasks=tasks, parent=parent)

    shown = opscore("session", "show", "s-1").stdout

    assert "started by\ttriage.2 of session s-0" in shown
    assert "approve: attempt 1 waits for approval: Apply 2 fixes?" in shown
    assert "confirmed: attempt 1 waits for signal paid" in shown
    assert "look: attempt 1 waits for session s-2 of looking" in shown
    assert "approve\tattempt 1\t-\twaiting" in shown
